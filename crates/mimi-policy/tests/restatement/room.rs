//! A room as the rules see it: roles by index, participants in a map; and whether it contradicts
//! itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::form::{self, Base, Parent, PreAuthEntry};
use crate::{presets, registry};

/// The index of "not in the list (yet, or any more)".
pub(crate) const NO_ROLE: u32 = 0;
/// The index of the banned role, where there is one.
pub(crate) const BANNED: u32 = 1;

#[derive(Clone, Debug, Default)]
pub(crate) struct Role {
    pub name: String,
    pub capabilities: BTreeSet<u16>,
    pub minimum_participants: u32,
    pub maximum_participants: Option<u32>,
    pub minimum_active: u32,
    pub maximum_active: Option<u32>,
    pub authorized_role_changes: Vec<(u32, Vec<u32>)>,
}

impl Role {
    pub(crate) fn holds(&self, capability: u16) -> bool {
        self.capabilities.contains(&capability)
    }

    /// "an entry where from_role_index equals `from`, and that entry's target_role_indexes list
    /// includes the target role" (section 8.1.1).
    pub(crate) fn may_change(&self, from: u32, to: u32) -> bool {
        self.authorized_role_changes
            .iter()
            .any(|(entry_from, targets)| *entry_from == from && targets.contains(&to))
    }
}

/// What the list says of a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub role: u32,
    /// How many of the user's clients are in the group; 0: the participant is inactive.
    pub clients: u32,
}

pub(crate) type List = BTreeMap<String, Entry>;

#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub roles: BTreeMap<u32, Role>,
    pub base: Base,
    pub preauth: Vec<PreAuthEntry>,
    pub list: List,
}

impl Room {
    /// The role, or one without any capability where none is defined: an absent role 0 holds
    /// nothing (AMB-POL-15).
    pub(crate) fn role(&self, index: u32) -> Role {
        self.roles.get(&index).cloned().unwrap_or_default()
    }

    pub(crate) fn is_defined(&self, index: u32) -> bool {
        self.roles.contains_key(&index)
    }

    /// Role 1 is the banned role if it is named exactly so; otherwise it is an ordinary role
    /// (section 8.1.3 canBan, AMB-POL-41).
    pub(crate) fn is_banned_role(&self, index: u32) -> bool {
        index == BANNED && self.roles.get(&BANNED).is_some_and(|role| role.name == "banned")
    }

    /// Reads the form, or says in what the room contradicts itself.
    pub(crate) fn read(form: &form::Room) -> Result<Self, String> {
        let (roles, preset_base) = match &form.roles {
            form::Roles::Preset(name) => preset(name)?,
            form::Roles::Table(table) => (read_table(table)?, Base::default()),
        };
        let base = form.base.clone().unwrap_or(preset_base);
        let mut list = List::new();
        for participant in &form.participants {
            form::check_user(&participant.user)?;
            let entry = Entry { role: participant.role, clients: participant.clients };
            // PROTO-PL-1: exactly one role per user.
            if list.insert(participant.user.clone(), entry).is_some() {
                return Err(format!("{} is listed twice", participant.user));
            }
        }
        let room = Self { roles, base, preauth: form.preauth.clone(), list };
        room.contradictions()?;
        Ok(room)
    }

    fn contradictions(&self) -> Result<(), String> {
        if matches!(&self.base.parent_room, Some(Parent::Vector(parents)) if parents.len() > 1) {
            return Err("several parents".to_owned());
        }
        for (index, role) in &self.roles {
            // Issue: "minimum over maximum".
            if role.maximum_participants.is_some_and(|most| role.minimum_participants > most)
                || role.maximum_active.is_some_and(|most| role.minimum_active > most)
            {
                return Err(format!("role {index}: minimum over maximum"));
            }
            // POLICY-BASE-1: "none of its non-zero, non-banned roles can contain the
            // canAddParticipant capability".
            if self.base.fixed_membership
                && *index != NO_ROLE
                && !self.is_banned_role(*index)
                && role.holds(registry::CAN_ADD_PARTICIPANT)
            {
                return Err(format!("role {index}: canAddParticipant in a fixed membership"));
            }
        }
        for (user, entry) in &self.list {
            // POLICY-ROLE-1: 0 is for those who are not in the list; PROTO-PL-5: undefined roles.
            if entry.role == NO_ROLE || !self.is_defined(entry.role) {
                return Err(format!("{user}: undefined role"));
            }
            // Issue: "role 1 with clients", whatever its name.
            if entry.role == BANNED && entry.clients > 0 {
                return Err(format!("{user}: role 1, with clients"));
            }
        }
        for entry in &self.preauth {
            // AMB-POL-2: the role must exist, and is neither 0 nor 1.
            if entry.role == NO_ROLE || entry.role == BANNED || !self.is_defined(entry.role) {
                return Err("preauth: undefined role".to_owned());
            }
        }
        Ok(())
    }
}

fn read_table(table: &[form::Role]) -> Result<BTreeMap<u32, Role>, String> {
    let mut roles = BTreeMap::new();
    for row in table {
        let mut capabilities = BTreeSet::new();
        for name in &row.capabilities {
            let code = registry::code(name).ok_or_else(|| format!("no capability {name}"))?;
            capabilities.insert(code);
        }
        let role = Role {
            name: row.role_name.clone(),
            capabilities,
            minimum_participants: row.minimum_participants,
            maximum_participants: row.maximum_participants,
            minimum_active: row.minimum_active_participants,
            maximum_active: row.maximum_active_participants,
            authorized_role_changes: row.authorized_role_changes.clone(),
        };
        // POLICY-ROLE-1: role_index is unique.
        if roles.insert(row.role_index, role).is_some() {
            return Err(format!("role {} twice", row.role_index));
        }
    }
    Ok(roles)
}

/// A preset with the base policy that comes with it: a direct room has fixed membership
/// (AMB-POL-42).
fn preset(name: &str) -> Result<(BTreeMap<u32, Role>, Base), String> {
    let rows = match name {
        "cooperative" => presets::COOPERATIVE,
        "strict" => presets::STRICT,
        "moderated" => presets::MODERATED,
        "multi-organization" => presets::MULTI_ORGANIZATION,
        "direct" => presets::DIRECT,
        _ => return Err(format!("no preset {name}")),
    };
    let base = Base { fixed_membership: name == "direct", ..Base::default() };
    let roles = rows.iter().map(|row| (row.0, preset_role(rows, row))).collect();
    Ok((roles, base))
}

fn preset_role(rows: &[presets::Row], row: &presets::Row) -> Role {
    let (_, name, includes, capabilities, participants, active, changes) = row;
    Role {
        name: (*name).to_owned(),
        capabilities: with_included(rows, *includes, capabilities),
        minimum_participants: participants.0,
        maximum_participants: participants.1,
        minimum_active: active.0,
        maximum_active: active.1,
        authorized_role_changes: changes.iter().map(|(from, to)| (*from, to.to_vec())).collect(),
    }
}

fn with_included(rows: &[presets::Row], includes: Option<u32>, own: &[u16]) -> BTreeSet<u16> {
    let mut all: BTreeSet<u16> = own.iter().copied().collect();
    if let Some(row) = includes.and_then(|index| rows.iter().find(|row| row.0 == index)) {
        all.extend(with_included(rows, row.2, row.3));
    }
    all
}
