//! Component 0x0027, `base_room_policy` (room-policy section 5). The update format is the data
//! format.

use serde::{Deserialize, Serialize};

use crate::component::ComponentId;

/// `BaseRoomPolicy`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BaseRoomPolicy {
    /// The participant list never changes after creation.
    pub fixed_membership: bool,
    /// Participants are a subset of the parent's.
    pub parent_dependant: bool,
    /// The parent, iff dependent; a vector of at most one on the wire (AMB-POL-4).
    pub parent_room: Option<String>,
    /// Whether a user may have several clients in the room.
    pub multi_device: bool,
    /// Most leaves.
    pub max_clients: Option<u32>,
    /// Most participants that are not banned.
    pub max_users: Option<u32>,
    /// Whether pseudonyms may take part.
    pub pseudonyms_allowed: bool,
    /// Whether the room outlives its group.
    pub persistent_room: bool,
    /// Whether search may find it.
    pub discoverable: bool,
    /// Policy components present (POLICY-BASE-9).
    pub policy_component_ids: Vec<ComponentId>,
}
