//! A room policy of one's own, in a TOML file that people write and read. Whoever writes one is told
//! everything that is wrong with it at once; [`RoomPolicy::to_toml`] writes one to start from.
//!
//! A file starts from a preset and changes it, or defines all roles. Roles are called by name or by
//! index, capabilities by their names in the registry, everything else as the drafts call it.
//!
//! ```
//! use mimi_policy::policy_file::parse;
//!
//! let policy = parse(r#"
//!     preset = "moderated"
//!     drop_roles = ["guest"]
//!
//!     [base]
//!     max_users = 40
//!
//!     [[roles]]
//!     role_name = "attendee"
//!     add_capabilities = ["canSendMessage"]
//!
//!     [message_expiration_policy]
//!     expiring_messages = "optional"
//!     min_expiration_duration = 60
//!     max_expiration_duration = 604800
//! "#).unwrap();
//! assert_eq!(policy.roles.roles.len(), 7);
//!
//! let faults = parse("preset = \"chaotic\"\ncolour = 1").unwrap_err();
//! assert_eq!(faults.len(), 2);
//! ```

mod components;
mod roles;
mod section;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use mimi_wire::component::{BASE_ROOM_POLICY, ComponentId, JOIN_LINKS, PREAUTH_LIST, ROLES_LIST};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::preauth::{Claim, PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::RoleData;
use mimi_wire::{Domain, Wire};

use crate::judge;
use crate::policy_component::{self, Beside};
use crate::preset::{Preset, base_policy, hub_claim};
use roles::Names;
use section::{Faults, Section};

/// Octets of a policy file.
pub const POLICY_FILE_OCTETS_MAX: usize = 1024 * 1024;

/// A policy that rooms can be founded with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomPolicy {
    /// The roles.
    pub roles: RoleData,
    /// The base policy, with every policy component listed (POLICY-BASE-9).
    pub base: Option<BaseRoomPolicy>,
    /// Preauthorizations, without the hub's; [`preauth_at`](Self::preauth_at) adds that.
    pub preauth: PreAuthData,
    /// Other policy components, as octets.
    pub components: BTreeMap<ComponentId, Vec<u8>>,
    /// The role of a room's creator.
    pub creator_role: RoleIndex,
    /// The role a participant is added with when nobody says otherwise.
    pub ordinary_role: RoleIndex,
    /// The role the hub is preauthorized for, if any (AMB-ST-4).
    pub hub_role: Option<RoleIndex>,
}

/// One thing that is wrong with a policy file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyFault {
    /// Where: `roles.guest.capabilities[2]`, or a line where the file is no TOML.
    pub field: String,
    /// What it should be.
    pub message: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.is_empty() {
            true => self.message.fmt(formatter),
            false => write!(formatter, "{}: {}", self.field, self.message),
        }
    }
}

impl std::error::Error for PolicyFault {}

impl RoomPolicy {
    /// The policy of a preset.
    pub fn of_preset(preset: Preset) -> Self {
        Self {
            roles: preset.roles(),
            base: Some(preset.base_policy()),
            preauth: PreAuthData::default(),
            components: BTreeMap::new(),
            creator_role: preset.creator_role(),
            ordinary_role: preset.ordinary_role(),
            hub_role: Some(preset.policy_enforcer_role()),
        }
    }

    /// The preauthorization list of a room at a hub: the hub itself where it has a role, then the
    /// others (AMB-ST-4).
    pub fn preauth_at(&self, hub: &Domain) -> PreAuthData {
        let mut roles = self.roles.roles.iter();
        let own = roles.find(|role| Some(role.role_index) == self.hub_role);
        let own = own.map(|role| PreAuthRoleEntry {
            claimset: vec![hub_claim(hub)],
            target_role: role.clone(),
        });
        PreAuthData { entries: own.into_iter().chain(self.preauth.entries.clone()).collect() }
    }

    /// The file that [`parse`] reads as this policy.
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }

    /// POLICY-BASE-9
    fn policy_component_ids(&self) -> Vec<ComponentId> {
        let has_preauth = self.hub_role.is_some() || !self.preauth.entries.is_empty();
        let preauth = has_preauth.then_some(PREAUTH_LIST);
        let others = self.components.keys().copied().filter(|id| *id != JOIN_LINKS);
        [ROLES_LIST].into_iter().chain(preauth).chain([BASE_ROOM_POLICY]).chain(others).collect()
    }
}

/// Reads a policy, or says everything that is wrong with it.
pub fn parse(text: &str) -> Result<RoomPolicy, Vec<PolicyFault>> {
    if text.len() > POLICY_FILE_OCTETS_MAX {
        let message = format!("a policy file has at most {POLICY_FILE_OCTETS_MAX} octets");
        return Err(vec![PolicyFault { field: String::new(), message }]);
    }
    let table: toml::Table = toml::from_str(text).map_err(|error| vec![no_toml(text, &error)])?;
    let faults = Faults::default();
    let policy = read(Section::of(&table, "", &faults), &faults);
    let faults = faults.into_list();
    if faults.is_empty() { Ok(policy) } else { Err(faults) }
}

fn no_toml(text: &str, error: &toml::de::Error) -> PolicyFault {
    let start = error.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(start).filter(|octet| *octet == b'\n').count();
    PolicyFault { field: format!("line {line}"), message: error.message().to_owned() }
}

/// Reads everything that can be read.
fn read(mut file: Section<'_>, faults: &Faults) -> RoomPolicy {
    let preset = file.read("preset", |value| {
        let preset = section::text(value)?.parse::<Preset>();
        preset.map_err(|unknown| unknown.to_string())
    });
    let start = preset.map(RoomPolicy::of_preset);
    // A preset that is none has been complained of; what it would have given is not missing too.
    let is_whole = !file.has("preset");
    let given = start.as_ref().map(|start| start.roles.clone()).unwrap_or_default();
    let (roles, names) = roles::read(&mut file, given, is_whole);
    let mut role = |key, given: Option<RoleIndex>| match file.read(key, |value| names.find(value)) {
        Some(index) if index > 1 => Some(index),
        Some(_) => {
            file.wrong(key, "must be a role other than 0 and 1");
            given
        }
        None => given,
    };
    let creator_role = role("creator_role", start.as_ref().map(|start| start.creator_role));
    let ordinary_role = role("ordinary_role", start.as_ref().map(|start| start.ordinary_role));
    let hub_role = role("hub_role", start.as_ref().and_then(|start| start.hub_role));
    for (key, index) in [("creator_role", creator_role), ("ordinary_role", ordinary_role)] {
        if index.is_none() && is_whole && !file.has(key) {
            file.missing(key);
        }
    }
    for (key, index) in
        [("creator_role", creator_role), ("ordinary_role", ordinary_role), ("hub_role", hub_role)]
    {
        if index.is_some_and(|index| !names.is_defined(index)) {
            file.wrong(key, "names a role that is dropped");
        }
    }
    let base = start.and_then(|start| start.base).unwrap_or_else(base_policy);
    let mut policy = RoomPolicy {
        base: Some(base_of(&mut file, base)),
        preauth: preauth_of(&mut file, &roles, &names),
        components: components::read(&mut file, &names),
        roles,
        creator_role: creator_role.unwrap_or_default(),
        ordinary_role: ordinary_role.unwrap_or_default(),
        hub_role,
    };
    let ids = policy.policy_component_ids();
    if let Some(base) = &mut policy.base {
        base.policy_component_ids = ids;
    }
    file.finish();
    contradictions(&policy, faults);
    policy
}

fn base_of(file: &mut Section<'_>, mut base: BaseRoomPolicy) -> BaseRoomPolicy {
    let Some(mut section) = file.table("base") else { return base };
    let flags = [
        ("fixed_membership", &mut base.fixed_membership),
        ("parent_dependant", &mut base.parent_dependant),
        ("multi_device", &mut base.multi_device),
        ("pseudonyms_allowed", &mut base.pseudonyms_allowed),
        ("persistent_room", &mut base.persistent_room),
        ("discoverable", &mut base.discoverable),
    ];
    for (key, flag) in flags {
        *flag = section.flag(key).unwrap_or(*flag);
    }
    base.max_clients = section.number("max_clients").or(base.max_clients);
    base.max_users = section.number("max_users").or(base.max_users);
    base.parent_room = section.text("parent_room").map(str::to_owned).or(base.parent_room);
    section.finish();
    base
}

fn preauth_of(file: &mut Section<'_>, roles: &RoleData, names: &Names) -> PreAuthData {
    let mut entries = Vec::new();
    for mut section in file.tables("preauth").unwrap_or_default() {
        let index = section.read("role", |value| names.find(value));
        if !section.has("role") {
            section.missing("role");
        }
        let named = |text: &str| match text.parse::<NamedClaim>() {
            Ok(named) => Ok(named.to_claim()),
            Err(error) => Err(error.to_string()),
        };
        let claimset: Option<Vec<Claim>> =
            section.texts_or_tables("claims", named, components::claim);
        let claimset = claimset.unwrap_or_default();
        // AMB-POL-41: no claims at all let everybody in, which nobody should write by forgetting.
        if !section.has("claims") {
            section.wrong("claims", "is missing; an empty list would match everybody");
        }
        let mut roles = roles.roles.iter();
        match index.and_then(|index| roles.find(|role| role.role_index == index && index > 1)) {
            Some(role) => entries.push(PreAuthRoleEntry { claimset, target_role: role.clone() }),
            None if index.is_some() => section.wrong("role", "must be a role other than 0 and 1"),
            None => {}
        }
        section.finish();
    }
    PreAuthData { entries }
}

/// What each part says well and all of them together do not: as the judge would say at a founding.
fn contradictions(policy: &RoomPolicy, faults: &Faults) {
    for (place, denied) in judge::definition_faults(&policy.roles, policy.base.as_ref()) {
        faults.add(place, denied.needed);
    }
    let beside = Beside { roles: &policy.roles, hub: None };
    for (id, octets) in &policy.components {
        let section = components::key(*id);
        for fault in policy_component::faults(*id, octets, beside) {
            let dot = if fault.field.is_empty() { "" } else { "." };
            faults.add(format!("{section}{dot}{}", fault.field), fault.needed);
        }
    }
    // Nobody could read what is over the limits of the wire.
    let readable = [
        ("roles", RoleData::decode(&policy.roles.encode()).err()),
        ("preauth", PreAuthData::decode(&policy.preauth.encode()).err()),
        (
            "base",
            policy.base.as_ref().and_then(|base| BaseRoomPolicy::decode(&base.encode()).err()),
        ),
    ];
    for (place, malformed) in readable {
        if let Some(malformed) = malformed {
            faults.add(place, malformed.reason);
        }
    }
}
