//! What an operator lets the rooms of a hub be: the policy envelope of the architecture (ARCH-3). It
//! bounds what a room is founded with and every later change of its policy (AMB-POL-16). Only hubs
//! ask; a room that already was what the operator allows no longer stays as it is, until somebody
//! changes that very setting.

use mimi_wire::Wire;
use mimi_wire::component::{JOIN_LINK_POLICY, PREAUTH_LIST};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::JoinLinkPolicy;
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;
use serde::Deserialize;

use crate::change::{Actor, ProposedChange, StagedChange, StagedProposal};
use crate::denied::Denied;
use crate::judge::{holds, is_banned_role, role_name};
use crate::participant_list::ListDelta;
use crate::preset::Preset;
use crate::rule::Rule;
use crate::view::{ClientView, LeafIndex, RoomView};

/// The policies an operator allows; everything unless it says otherwise.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Envelope {
    /// Role tables that are offered.
    pub presets: Vec<Preset>,
    /// Whether rooms may have roles of their own.
    pub custom_policies: bool,
    /// Participants of a room that are not banned. A room that states no limit is held to this one.
    pub max_users: Option<u32>,
    /// Clients in a room's group, likewise.
    pub max_clients: Option<u32>,
    /// Whether rooms may outlive their groups.
    pub persistent_rooms: bool,
    /// Whether rooms may be found by search.
    pub discoverable_rooms: bool,
    /// Whether pseudonyms may take part.
    pub pseudonyms: bool,
    /// Whether rooms may be open to everybody.
    pub open_join: bool,
    /// Whether rooms may be joined by code.
    pub join_codes: bool,
    /// Whether rooms may let people in by their credentials.
    pub preauthorized_join: bool,
    /// For how long a new join link may be good at most.
    pub join_link_lifetime_seconds_max: Option<u32>,
}

impl Default for Envelope {
    fn default() -> Self {
        Self {
            presets: Preset::ALL.to_vec(),
            custom_policies: true,
            max_users: None,
            max_clients: None,
            persistent_rooms: true,
            discoverable_rooms: true,
            pseudonyms: true,
            open_join: true,
            join_codes: true,
            preauthorized_join: true,
            join_link_lifetime_seconds_max: None,
        }
    }
}

impl Envelope {
    /// Whether a room may be founded so.
    pub fn check_founding(&self, view: &RoomView) -> Result<(), Denied> {
        self.check(None, view)
    }

    /// Whether a room may become so. What stays as it was is not asked again.
    pub fn check_after(&self, before: &RoomView, after: &RoomView) -> Result<(), Denied> {
        self.check(Some(before), after)
    }

    /// Whether a room may become what proposals make of it that wait for a commit, all of them
    /// together, and `delta` of its list: every commit has to include them, so what no commit may
    /// hold is not to wait for one.
    pub fn check_pending(
        &self,
        before: &RoomView,
        change: &StagedChange,
        delta: &ListDelta,
    ) -> Result<(), Denied> {
        if *self == Self::default() {
            return Ok(());
        }
        self.check(Some(before), &outlook(before, change, delta))
    }

    fn check(&self, before: Option<&RoomView>, after: &RoomView) -> Result<(), Denied> {
        let roles_stay = before.is_some_and(|before| before.roles == after.roles);
        if !roles_stay {
            self.roles(&after.roles)?;
        }
        if before.is_none_or(|before| before.base_policy != after.base_policy) {
            let stated = before.and_then(|before| before.base_policy.as_ref());
            self.base_policy(before.is_some(), stated, after.base_policy.as_ref())?;
        }
        if !roles_stay || before.is_none_or(|before| before.preauth != after.preauth) {
            self.preauth(after)?;
        }
        self.join_links(before, after)?;
        self.size(before, after)
    }

    fn roles(&self, roles: &RoleData) -> Result<(), Denied> {
        let preset = Preset::of_roles(roles);
        match preset {
            Some(preset) if self.presets.contains(&preset) => {}
            None if self.custom_policies => {}
            _ => {
                let names: Vec<&str> = self.presets.iter().map(|preset| preset.name()).collect();
                let offered = match names.as_slice() {
                    [] => "policies of one's own only".to_owned(),
                    names => names.join(", "),
                };
                let needed = format!("this provider offers {offered}");
                let what = match preset {
                    Some(preset) => format!("the preset {preset}"),
                    None => "roles of its own".to_owned(),
                };
                return Err(Denied::new(Rule::AllowedPreset, None, needed).about(what));
            }
        }
        let outside = |capability| {
            roles.roles.iter().any(|role| role.role_index == 0 && holds(role, capability))
        };
        if !self.open_join && outside(Capability::CAN_OPEN_JOIN) {
            return Err(none(Rule::AllowedOpenJoin, "a room that everybody may join"));
        }
        if !self.join_codes && outside(Capability::CAN_USE_JOIN_CODE) {
            return Err(none(Rule::AllowedJoinCodes, "a room with join codes"));
        }
        Ok(())
    }

    fn base_policy(
        &self,
        exists: bool,
        before: Option<&BaseRoomPolicy>,
        after: Option<&BaseRoomPolicy>,
    ) -> Result<(), Denied> {
        let changed = |of: fn(&BaseRoomPolicy) -> bool| !exists || before.map(of) != after.map(of);
        let is = |of: fn(&BaseRoomPolicy) -> bool| changed(of) && after.is_some_and(of);
        if !self.persistent_rooms && is(|policy| policy.persistent_room) {
            return Err(none(Rule::AllowedPersistence, "a persistent room"));
        }
        if !self.discoverable_rooms && is(|policy| policy.discoverable) {
            return Err(none(Rule::AllowedDiscovery, "a room that search finds"));
        }
        // AMB-POL-38: a room without a base policy forbids nothing.
        let pseudonyms: fn(&BaseRoomPolicy) -> bool = |policy| policy.pseudonyms_allowed;
        if !self.pseudonyms && changed(pseudonyms) && after.is_none_or(pseudonyms) {
            return Err(none(Rule::AllowedPseudonyms, "a room with pseudonyms"));
        }
        let users = (before.and_then(|it| it.max_users), after.and_then(|it| it.max_users));
        stated(Rule::AllowedUsers, exists, users, self.max_users, "participants")?;
        let clients = (before.and_then(|it| it.max_clients), after.and_then(|it| it.max_clients));
        stated(Rule::AllowedClients, exists, clients, self.max_clients, "clients")
    }

    /// The hub's own entry lets nobody in.
    fn preauth(&self, view: &RoomView) -> Result<(), Denied> {
        let lets_in = |index| {
            let role = view.role(index);
            role.is_some_and(|role| holds(role, Capability::CAN_JOIN_IF_PREAUTHORIZED))
        };
        let mut entries = view.preauth.entries.iter().map(|entry| entry.target_role.role_index);
        match entries.find(|index| !self.preauthorized_join && lets_in(*index)) {
            None => Ok(()),
            Some(index) => {
                let name = role_name(&view.roles, index);
                let what = format!("a room that lets people in as {name} by their credentials");
                Err(none(Rule::AllowedPreauth, what))
            }
        }
    }

    fn join_links(&self, before: Option<&RoomView>, after: &RoomView) -> Result<(), Denied> {
        let octets = |view: &RoomView| view.other_components.get(&JOIN_LINK_POLICY).cloned();
        let Some(policy) = octets(after).and_then(|it| JoinLinkPolicy::decode(&it).ok()) else {
            return Ok(());
        };
        let stays = before.is_some_and(|before| octets(before) == octets(after));
        match self.join_link_lifetime_seconds_max {
            Some(most) if !stays && policy.expiration > most => {
                let needed = format!("this provider allows {most} seconds");
                let denied = Denied::new(Rule::AllowedLinkLifetime, None, needed);
                Err(denied.about(format!("join links that are good for {}", policy.expiration)))
            }
            _ => Ok(()),
        }
    }

    /// What no policy states the provider still does not host. Only what grows is asked.
    fn size(&self, before: Option<&RoomView>, after: &RoomView) -> Result<(), Denied> {
        let over = |count: usize, most: u32| u64::try_from(count).is_ok_and(|it| it > most.into());
        if let Some(most) = self.max_clients
            && over(after.clients.len(), most)
            && before.is_none_or(|before| before.clients.len() < after.clients.len())
        {
            return Err(too_many(Rule::AllowedClients, after.clients.len(), most, "clients"));
        }
        if let Some(most) = self.max_users
            // Counted only where it matters: the banned are not among them.
            && over(after.participants.participants.len(), most)
            && over(users(after), most)
            && before.is_none_or(|before| users(before) < users(after))
        {
            return Err(too_many(Rule::AllowedUsers, users(after), most, "participants"));
        }
        Ok(())
    }
}

/// The room that a change would lead to, as far as an operator asks: its policies and how many are
/// in it. Leaves of newcomers are made up.
fn outlook(before: &RoomView, change: &StagedChange, delta: &ListDelta) -> RoomView {
    let mut after = before.clone();
    delta.apply_to(&mut after.participants);
    for StagedProposal { sender, change, .. } in &change.proposals {
        match (change, sender) {
            (ProposedChange::Roles(roles), _) => after.roles = roles.clone(),
            (ProposedChange::Preauth(preauth), _) => after.preauth = preauth.clone(),
            (ProposedChange::BasePolicy(policy), _) => after.base_policy = Some(policy.clone()),
            (ProposedChange::OtherComponent(id, octets), _) => {
                after.other_components.insert(*id, octets.clone());
            }
            (ProposedChange::RemoveComponent(PREAUTH_LIST), _) => {
                after.preauth = PreAuthData::default();
            }
            (ProposedChange::RemoveComponent(id), _) => {
                after.other_components.remove(id);
            }
            (ProposedChange::RemoveClient(leaf), _)
            | (ProposedChange::SelfRemove, Actor::Member { leaf, .. }) => {
                after.clients.retain(|client| client.leaf != *leaf);
            }
            (ProposedChange::AddClient(identity), _) => after.clients.push(ClientView {
                leaf: LeafIndex::MAX,
                user: identity.user.clone(),
                client: identity.client.clone(),
            }),
            _ => {}
        }
    }
    after
}

fn users(view: &RoomView) -> usize {
    let banned = is_banned_role(&view.roles, 1);
    let pairs = view.participants.participants.iter();
    pairs.filter(|pair| !(banned && pair.role_index == 1)).count()
}

fn stated(
    rule: Rule,
    exists: bool,
    (before, after): (Option<u32>, Option<u32>),
    most: Option<u32>,
    whom: &str,
) -> Result<(), Denied> {
    match (after, most) {
        (Some(after), Some(most)) if after > most && !(exists && before == Some(after)) => {
            let needed = format!("this provider hosts at most {most} in a room");
            Err(Denied::new(rule, None, needed).about(format!("a room for {after} {whom}")))
        }
        _ => Ok(()),
    }
}

fn too_many(rule: Rule, count: usize, most: u32, whom: &str) -> Denied {
    let needed = format!("this provider hosts at most {most} in a room");
    Denied::new(rule, None, needed).about(format!("{count} {whom}"))
}

fn none(rule: Rule, what: impl ToString) -> Denied {
    Denied::new(rule, None, "this provider does not host such rooms").about(what)
}
