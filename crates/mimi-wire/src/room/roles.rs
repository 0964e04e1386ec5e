//! Component 0x0025, `roles_list` (room-policy section 6). The update format is the data format.

use serde::{Deserialize, Serialize};

use crate::room::capability::Capability;
use crate::room::participant_list::RoleIndex;

/// `SingleSourceRoleChangeTargets`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SingleSourceRoleChangeTargets {
    /// The role a user has.
    pub from_role_index: RoleIndex,
    /// The roles it may be changed to.
    pub target_role_indexes: Vec<RoleIndex>,
}

/// `Role`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Role {
    /// Unique, may be sparse (POLICY-ROLE-1).
    pub role_index: RoleIndex,
    /// Name.
    pub role_name: String,
    /// Description.
    pub role_description: String,
    /// What holders may do.
    pub role_capabilities: Vec<Capability>,
    /// 0 means none (POLICY-ROLE-2), as for the other minimum.
    pub minimum_participants_constraint: u32,
    /// Absent means none, as for the other maximum.
    pub maximum_participants_constraint: Option<u32>,
    /// Participants with at least one client.
    pub minimum_active_participants_constraint: u32,
    /// 0 means that no clients are allowed.
    pub maximum_active_participants_constraint: Option<u32>,
    /// Which role changes holders may make.
    pub authorized_role_changes: Vec<SingleSourceRoleChangeTargets>,
}

/// `RoleData`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RoleData {
    /// The roles.
    pub roles: Vec<Role>,
}
