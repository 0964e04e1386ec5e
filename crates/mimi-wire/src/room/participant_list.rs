//! Component 0x0022, `participant_list` (protocol-06 section 7.5): who is in a room, in which role.
//!
//! An update is the content of an [`AppDataUpdate`](crate::component::AppDataUpdate) proposal. Its
//! positions are those of the epoch's list, also where a commit holds several updates (AMB-PL-1);
//! who may make it is for the room's policy to say.
//!
//! ```
//! use mimi_wire::component::{AppDataUpdate, AppDataUpdateOperation, PARTICIPANT_LIST};
//! use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair, UserRolePair};
//! use mimi_wire::{MimiUri, Wire};
//!
//! let update = ParticipantListUpdate {
//!     changed_role_participants: vec![UserIndexRolePair { user_index: 0, role_index: 4 }],
//!     removed_indices: vec![2],
//!     added_participants: vec![UserRolePair {
//!         user: MimiUri::new("mimi://b.example/u/bob")?,
//!         role_index: 2,
//!     }],
//! };
//! let operation = AppDataUpdateOperation::Update(update.encode());
//! let proposal = AppDataUpdate { component_id: PARTICIPANT_LIST, operation };
//! assert_eq!(AppDataUpdate::decode(&proposal.encode())?, proposal);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::PARTICIPANTS_MAX;
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UserIndexRolePair {
    /// Position in the epoch's list (AMB-PL-1).
    pub user_index: u32,
    /// The new role.
    pub role_index: RoleIndex,
}

/// `ParticipantListUpdate`: role changes, then removals, then additions (PROTO-PL-2).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ParticipantListUpdate {
    /// Role changes of listed users.
    pub changed_role_participants: Vec<UserIndexRolePair>,
    /// Positions to remove, unique; written ascending (AMB-PL-2).
    pub removed_indices: Vec<u32>,
    /// Users to append.
    pub added_participants: Vec<UserRolePair>,
}

impl Wire for UserRolePair {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            user: MimiUri::read_field(reader, "UserRolePair.user")?,
            role_index: read_role(reader, "UserRolePair.role_index")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.user.write(writer);
        writer.u32(self.role_index);
    }
}

impl Wire for ParticipantListData {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "ParticipantListData.participants";
        Ok(Self { participants: reader.vector(PARTICIPANTS_MAX, field, UserRolePair::read)? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.participants, |writer, pair| pair.write(writer));
    }
}

impl Wire for UserIndexRolePair {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            user_index: reader.u32("UserindexRolePair.user_index")?,
            role_index: read_role(reader, "UserindexRolePair.role_index")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.user_index);
        writer.u32(self.role_index);
    }
}

impl Wire for ParticipantListUpdate {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let changed_role_participants = reader.vector(
            PARTICIPANTS_MAX,
            "ParticipantListUpdate.changedRoleParticipants",
            UserIndexRolePair::read,
        )?;
        let removed_indices = read_removed_indices(reader)?;
        let field = "ParticipantListUpdate.addedParticipants";
        let added_participants = reader.vector(PARTICIPANTS_MAX, field, UserRolePair::read)?;
        Ok(Self { changed_role_participants, removed_indices, added_participants })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.changed_role_participants, |writer, pair| pair.write(writer));
        writer.vector(&self.removed_indices, |writer, index| writer.u32(*index));
        writer.vector(&self.added_participants, |writer, pair| pair.write(writer));
    }
}

/// Role 0 means "not in the list", so nobody in it can have it (AMB-PL-3).
fn read_role(reader: &mut Reader<'_>, field: &'static str) -> Result<RoleIndex, Malformed> {
    let start = reader.clone();
    match reader.u32(field)? {
        0 => Err(start.malformed(field, "role 0 is reserved")),
        role_index => Ok(role_index),
    }
}

/// Nobody is removed twice (AMB-PL-2); any order is understood.
fn read_removed_indices(reader: &mut Reader<'_>) -> Result<Vec<u32>, Malformed> {
    let field = "ParticipantListUpdate.removedIndices";
    let mut seen = BTreeSet::new();
    reader.vector(PARTICIPANTS_MAX, field, |reader| {
        let start = reader.clone();
        let index = reader.u32(field)?;
        if !seen.insert(index) {
            return Err(start.malformed(field, format!("index {index} is there twice")));
        }
        Ok(index)
    })
}
