//! Component 0x0022, `participant_list` (protocol section 7.5).

use serde::{Deserialize, Serialize};

use crate::uri::MimiUri;

/// Index of a role in the roles list; 0 means "not in the list" (POLICY-ROLE-1).
pub type RoleIndex = u32;

/// `UserRolePair`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UserRolePair {
    /// The participant.
    pub user: MimiUri,
    /// Never 0 on the wire (AMB-PL-3).
    pub role_index: RoleIndex,
}

/// `ParticipantListData`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ParticipantListData {
    /// In list order: updates refer to positions.
    pub participants: Vec<UserRolePair>,
}

/// `UserindexRolePair`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UserIndexRolePair {
    /// Position in the epoch's list (AMB-PL-1).
    pub user_index: u32,
    /// The new role.
    pub role_index: RoleIndex,
}

/// `ParticipantListUpdate`: role changes, then removals, then additions (PROTO-PL-2).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ParticipantListUpdate {
    /// Role changes of listed users.
    pub changed_role_participants: Vec<UserIndexRolePair>,
    /// Positions to remove, ascending and unique (AMB-PL-2).
    pub removed_indices: Vec<u32>,
    /// Users to append.
    pub added_participants: Vec<UserRolePair>,
}
