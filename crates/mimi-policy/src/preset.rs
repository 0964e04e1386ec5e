//! Role tables ready to use (room-policy appendix A, POLICY-PRESET-1), and what else a normal room
//! starts with. What each table comes to is written out under `tests/golden` (POLICY-PRESET-2).

mod cooperative;
mod direct;
mod moderated;
mod multi_organization;
mod strict;

use std::fmt;
use std::str::FromStr;

use mimi_wire::Domain;
use mimi_wire::component::{BASE_ROOM_POLICY, PREAUTH_LIST, ROLES_LIST};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::preauth::{Claim, PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::{Role, RoleData, SingleSourceRoleChangeTargets};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A named role table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Preset {
    /// Cooperatively administered: every participant may add others.
    Cooperative,
    /// Strictly administered: administrators and join codes bring people in.
    Strict,
    /// Moderated: guests and attendees listen, speakers speak.
    Moderated,
    /// Each organization's administrators look after its own people.
    MultiOrganization,
    /// Direct messages between people that never change (AMB-POL-42).
    Direct,
}

impl Preset {
    /// Every preset.
    pub const ALL: &[Self] =
        &[Self::Cooperative, Self::Strict, Self::Moderated, Self::MultiOrganization, Self::Direct];

    /// By the name used in configuration and commands.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|preset| preset.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.table().name
    }

    /// The roles.
    pub fn roles(self) -> RoleData {
        let roles = self.table().roles;
        RoleData { roles: roles.iter().map(|line| role(roles, line)).collect() }
    }

    /// The preset whose table this is, or was in an earlier version.
    pub fn of_roles(roles: &RoleData) -> Option<Self> {
        Self::ALL.iter().copied().find(|preset| {
            let own = preset.roles();
            own == *roles || (*preset == Self::Direct && direct::earlier_roles(own) == *roles)
        })
    }

    /// The role of a room's creator: the highest administrative role (AMB-RM-1).
    pub fn creator_role(self) -> RoleIndex {
        self.table().creator_role
    }

    /// The role a participant is added with when nobody says otherwise.
    pub fn ordinary_role(self) -> RoleIndex {
        self.table().ordinary_role
    }

    /// The role the hub's preauthorization entry names (AMB-ST-4).
    pub fn policy_enforcer_role(self) -> RoleIndex {
        self.table().policy_enforcer_role
    }

    /// The base policy of a room that starts by this preset.
    pub fn base_policy(self) -> BaseRoomPolicy {
        let mut policy = base_policy();
        policy.fixed_membership = self.table().fixed_membership;
        policy
    }

    fn table(self) -> &'static Table {
        match self {
            Self::Cooperative => &cooperative::TABLE,
            Self::Strict => &strict::TABLE,
            Self::Moderated => &moderated::TABLE,
            Self::MultiOrganization => &multi_organization::TABLE,
            Self::Direct => &direct::TABLE,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::by_name(name).ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

/// A name that is no preset's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownPreset(String);

impl fmt::Display for UnknownPreset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
        write!(formatter, "{:?} is no preset; there are {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownPreset {}

impl Serialize for Preset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}

/// The base policy of a normal room: nothing limited, nothing fixed, and the policy components it
/// starts with (POLICY-BASE-9).
pub fn base_policy() -> BaseRoomPolicy {
    BaseRoomPolicy {
        fixed_membership: false,
        parent_dependant: false,
        parent_room: None,
        multi_device: true,
        max_clients: None,
        max_users: None,
        pseudonyms_allowed: false,
        persistent_room: false,
        discoverable: false,
        policy_component_ids: vec![ROLES_LIST, PREAUTH_LIST, BASE_ROOM_POLICY],
    }
}

/// The preauthorization list of a normal room: the hub, as policy enforcer (AMB-ST-4). The hub's
/// credential is basic and holds its provider URI (AMB-ST-1, AMB-POL-3).
pub fn hub_preauth(hub_domain: &Domain, preset: Preset) -> PreAuthData {
    let index = preset.policy_enforcer_role();
    let enforcer = preset.roles().roles.into_iter().find(|role| role.role_index == index);
    let claimset = vec![hub_claim(hub_domain)];
    let entry = |role| PreAuthRoleEntry { claimset, target_role: role };
    PreAuthData { entries: enforcer.map(entry).into_iter().collect() }
}

/// What tells a hub by its credential.
pub(crate) fn hub_claim(hub_domain: &Domain) -> Claim {
    Claim {
        credential_type: BASIC_CREDENTIAL,
        id: Vec::new(),
        claim_value: hub_domain.provider_uri().as_bytes().to_vec(),
    }
}

/// MLS credential type `basic`.
const BASIC_CREDENTIAL: u16 = 1;

/// One preset.
struct Table {
    name: &'static str,
    creator_role: RoleIndex,
    ordinary_role: RoleIndex,
    policy_enforcer_role: RoleIndex,
    fixed_membership: bool,
    roles: &'static [Line],
}

/// One role, as appendix A prints it.
struct Line {
    index: RoleIndex,
    name: &'static str,
    /// "include all the capabilities authorized for …": another role of the table.
    includes: Option<RoleIndex>,
    capabilities: &'static [Capability],
    minimum_participants: u32,
    maximum_participants: Option<u32>,
    minimum_active: u32,
    maximum_active: Option<u32>,
    changes: &'static [(RoleIndex, &'static [RoleIndex])],
}

fn role(table: &[Line], line: &Line) -> Role {
    let targets = |(from, to): &(RoleIndex, &'static [RoleIndex])| SingleSourceRoleChangeTargets {
        from_role_index: *from,
        target_role_indexes: to.to_vec(),
    };
    Role {
        role_index: line.index,
        role_name: line.name.to_owned(),
        role_description: String::new(),
        role_capabilities: capabilities(table, line),
        minimum_participants_constraint: line.minimum_participants,
        maximum_participants_constraint: line.maximum_participants,
        minimum_active_participants_constraint: line.minimum_active,
        maximum_active_participants_constraint: line.maximum_active,
        authorized_role_changes: line.changes.iter().map(targets).collect(),
    }
}

/// What a role includes, then its own. Tables never include in a circle, so this ends.
fn capabilities(table: &[Line], line: &Line) -> Vec<Capability> {
    let included = line.includes.and_then(|index| table.iter().find(|other| other.index == index));
    let mut all = included.map(|other| capabilities(table, other)).unwrap_or_default();
    all.extend_from_slice(line.capabilities);
    all
}
