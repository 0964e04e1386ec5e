//! By which role a sender acts, and what that role lets it do.

use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::{Role, RoleData};

use crate::change::{Actor, ClientIdentity};
use crate::denied::Denied;
use crate::judge::roster::Roster;
use crate::known::Known;
use crate::preauth::{Claims, first_match};
use crate::rule::Rule;
use crate::view::RoomView;

/// A sender and the role it acts by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    actor: &'a Actor,
    /// `None` for people outside the room where role 0 is not defined (AMB-POL-15).
    role: Option<&'a Role>,
    claims: Claims<'a>,
    roles: &'a RoleData,
}

impl<'a> Authority<'a> {
    /// A member acts by its user's role, a joiner by its user's role or, unlisted, by role 0, an
    /// external sender by the role it is preauthorized for (POLICY-PRE-4, AMB-ST-4).
    pub(super) fn of(
        view: &'a RoomView,
        roster: &Roster<'_>,
        known: Known<'a>,
        actor: &'a Actor,
    ) -> Result<Self, Denied> {
        let role = match actor {
            Actor::Member { leaf, user } => {
                // AMB-POL-41: only through a client in the group does anybody speak as a member.
                let client = roster.client_at(*leaf).filter(|client| client.user == *user);
                let listed = client.and(roster.before(user).role);
                let Some(index) = listed else {
                    let needed = "only clients of participants have a say";
                    return Err(Denied::new(Rule::UnknownSender, Some(user), needed));
                };
                view.role(index)
            }
            Actor::Joiner(identity) => {
                view.role(roster.before(&identity.user).role.unwrap_or_default())
            }
            Actor::ExternalSender { claims, .. } => {
                let Some(role) = first_match(view, Claims::Known(claims)) else {
                    let needed = "no preauthorization entry matches this server's credential";
                    return Err(Denied::new(Rule::NotPreauthorized, None, needed));
                };
                Some(role)
            }
        };
        let claims = match actor {
            // A server or a joiner shows its credential, a member's is in the tree (AMB-POL-3).
            Actor::Member { leaf, .. } => match known.claims.and_then(|claims| claims.get(leaf)) {
                Some(claims) => Claims::Known(claims),
                None => Claims::Unknown,
            },
            Actor::Joiner(identity) => Claims::Known(&identity.claims),
            Actor::ExternalSender { claims, .. } => Claims::Known(claims),
        };
        Ok(Self { actor, role, claims, roles: &view.roles })
    }

    /// The sender.
    pub(super) fn actor(&self) -> &'a Actor {
        self.actor
    }

    /// The sender's user; servers have none.
    pub(super) fn user(&self) -> Option<&'a MimiUri> {
        self.actor.user()
    }

    /// Whether the sender acts for this user.
    pub(super) fn is(&self, user: &MimiUri) -> bool {
        self.user() == Some(user)
    }

    /// The identity of a client that joins by itself.
    pub(super) fn joiner(&self) -> Option<&'a ClientIdentity> {
        match self.actor {
            Actor::Joiner(identity) => Some(identity),
            Actor::Member { .. } | Actor::ExternalSender { .. } => None,
        }
    }

    /// Whether the sender is a server.
    pub(super) fn is_server(&self) -> bool {
        matches!(self.actor, Actor::ExternalSender { .. })
    }

    /// What the judge knows of the sender's claims.
    pub(super) fn claims(&self) -> Claims<'a> {
        self.claims
    }

    /// Whether the role holds a capability.
    pub(super) fn holds(&self, capability: Capability) -> bool {
        self.role.is_some_and(|role| holds(role, capability))
    }

    /// Whether the role's table leads from one role to another.
    pub(super) fn may_move(&self, from: RoleIndex, to: RoleIndex) -> bool {
        self.role.is_some_and(|role| allows_move(role, from, to))
    }

    /// Demands a capability.
    pub(super) fn require(
        &self,
        rule: Rule,
        target: impl ToString,
        capability: Capability,
    ) -> Result<(), Denied> {
        self.require_any(rule, target, &[capability])
    }

    /// Demands one of some capabilities.
    pub(super) fn require_any(
        &self,
        rule: Rule,
        target: impl ToString,
        capabilities: &[Capability],
    ) -> Result<(), Denied> {
        if capabilities.iter().any(|capability| self.holds(*capability)) {
            return Ok(());
        }
        let names: Vec<String> = capabilities.iter().copied().map(capability_name).collect();
        let needed = match names.as_slice() {
            [one] => format!("{} lacks {one}", self.role_words()),
            several => format!("{} has neither {}", self.role_words(), several.join(" nor ")),
        };
        Err(self.deny(rule, needed).about(target))
    }

    /// Demands an entry of the role's table.
    pub(super) fn require_move(
        &self,
        rule: Rule,
        target: impl ToString,
        from: RoleIndex,
        to: RoleIndex,
    ) -> Result<(), Denied> {
        if self.may_move(from, to) {
            return Ok(());
        }
        let name = |index| role_name(self.roles, index);
        let mine = self.role_words();
        let needed = match (from, to) {
            _ if rule == Rule::Leave => format!("{mine} is not one that may leave"),
            (0, to) => format!("{mine} may not add anybody as {}", name(to)),
            (from, 0) => format!("{mine} may not remove anybody who is {}", name(from)),
            (from, to) => {
                format!("{mine} may not make {} of anybody who is {}", name(to), name(from))
            }
        };
        Err(self.deny(rule, needed).about(target))
    }

    /// A denial that names the sender.
    pub(super) fn deny(&self, rule: Rule, needed: impl Into<String>) -> Denied {
        Denied::new(rule, self.user(), needed)
    }

    fn role_words(&self) -> String {
        let name = match self.role {
            Some(role) if role.role_name.is_empty() => role.role_index.to_string(),
            Some(role) => role_name(self.roles, role.role_index),
            None => "no_role".to_owned(),
        };
        match self.actor {
            Actor::ExternalSender { .. } => format!("the server's role {name}"),
            Actor::Member { .. } | Actor::Joiner(_) => format!("their role {name}"),
        }
    }
}

/// Whether a role holds a capability.
pub(crate) fn holds(role: &Role, capability: Capability) -> bool {
    role.role_capabilities.contains(&capability)
}

/// Whether a role's `authorized_role_changes` lead from one role to another.
pub(super) fn allows_move(role: &Role, from: RoleIndex, to: RoleIndex) -> bool {
    let mut entries = role.authorized_role_changes.iter();
    entries.any(|entry| entry.from_role_index == from && entry.target_role_indexes.contains(&to))
}

/// A capability in words.
pub(crate) fn capability_name(capability: Capability) -> String {
    match capability.name() {
        Some(name) => name.to_owned(),
        None => format!("capability {:#06x}", capability.0),
    }
}

/// A capability by its name in the registry.
pub(crate) fn capability_by_name(name: &str) -> Option<Capability> {
    // AMB-POL-32: the draft spells this one two ways.
    let name = if name == "canUnban" { "canUnBan" } else { name };
    Capability::ALL.iter().copied().find(|capability| capability.name() == Some(name))
}

/// A role in words. Names come from strangers and end in logs and terminals.
pub(crate) fn role_name(roles: &RoleData, index: RoleIndex) -> String {
    let role = roles.roles.iter().find(|role| role.role_index == index);
    match role.map(|role| role.role_name.as_str()) {
        None | Some("") => format!("role {index}"),
        Some(name) => {
            let clean =
                |character: char| if character.is_control() { '\u{fffd}' } else { character };
            name.chars().take(ROLE_NAME_CHARACTERS_MAX).map(clean).collect()
        }
    }
}

/// Characters of a role's name that a denial repeats.
const ROLE_NAME_CHARACTERS_MAX: usize = 64;
