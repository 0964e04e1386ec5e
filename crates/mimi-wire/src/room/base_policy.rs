//! Component 0x0027, `base_room_policy` (room-policy-03 section 5). The update format is the data
//! format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::component::ComponentId;
use crate::limits::LIST_ELEMENTS_MAX;
use crate::room::optionality::read_uris;

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

impl Wire for BaseRoomPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            fixed_membership: reader.boolean("BaseRoomPolicy.fixed_membership")?,
            parent_dependant: reader.boolean("BaseRoomPolicy.parent_dependant")?,
            parent_room: read_parent_room(reader)?,
            multi_device: reader.boolean("BaseRoomPolicy.multi_device")?,
            max_clients: reader.optional_u32("BaseRoomPolicy.max_clients")?,
            max_users: reader.optional_u32("BaseRoomPolicy.max_users")?,
            pseudonyms_allowed: reader.boolean("BaseRoomPolicy.pseudonyms_allowed")?,
            persistent_room: reader.boolean("BaseRoomPolicy.persistent_room")?,
            discoverable: reader.boolean("BaseRoomPolicy.discoverable")?,
            policy_component_ids: reader.vector(
                LIST_ELEMENTS_MAX,
                "BaseRoomPolicy.policy_component_ids",
                |reader| reader.u16("BaseRoomPolicy.policy_component_ids"),
            )?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.boolean(self.fixed_membership);
        writer.boolean(self.parent_dependant);
        let parent: Vec<&String> = self.parent_room.iter().collect();
        writer.vector(&parent, |writer, uri| writer.opaque(uri.as_bytes()));
        writer.boolean(self.multi_device);
        writer.optional_u32(self.max_clients);
        writer.optional_u32(self.max_users);
        writer.boolean(self.pseudonyms_allowed);
        writer.boolean(self.persistent_room);
        writer.boolean(self.discoverable);
        writer.vector(&self.policy_component_ids, |writer, id| writer.u16(*id));
    }
}

/// A vector that holds no parent or one (AMB-POL-4).
fn read_parent_room(reader: &mut Reader<'_>) -> Result<Option<String>, Malformed> {
    let field = "BaseRoomPolicy.parent_room";
    Ok(read_uris(reader, 1, field)?.pop())
}
