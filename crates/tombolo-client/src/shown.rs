//! Rooms and messages as a person sees them.

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;

/// Where this device stands in a room.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RoomStatus {
    /// A member.
    Joined,
    /// Its user has left, or is leaving.
    Left,
    /// It was removed.
    Removed,
    /// Its user is banned.
    Banned,
    /// Two people opened a direct room with each other at the same time, and the other one stays:
    /// what is written here goes there.
    Superseded {
        /// The room that stays.
        by: MimiUri,
    },
    /// A commit broke the room's rules; the evidence is kept.
    Frozen {
        /// For a person.
        reason: String,
    },
}

/// A participant as this device sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Participant {
    /// The user.
    pub user: MimiUri,
    /// Role index.
    pub role_index: u32,
    /// Role name.
    pub role_name: String,
    /// Its clients in the group, by URI.
    pub clients: Vec<MimiUri>,
}

/// A message as it is shown now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShownMessage {
    /// Its id (of the first version).
    pub id: MessageId,
    /// Who sent it.
    pub sender: MimiUri,
    /// When the hub accepted it, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// The text of the newest version; `None` once deleted or when there is nothing to show.
    pub text: Option<String>,
    /// The message it answers, by the id of its first version where this device knows it.
    pub in_reply_to: Option<MessageId>,
    /// Edited at least once.
    pub edited: bool,
    /// Deleted.
    pub deleted: bool,
    /// Who reacted how, in order.
    pub reactions: Vec<(MimiUri, String)>,
}

/// A room as this device sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomState {
    /// The room.
    pub room: MimiUri,
    /// Its name.
    pub name: String,
    /// Where this device stands.
    pub status: RoomStatus,
    /// MLS epoch.
    pub epoch: u64,
    /// Tree hash of the epoch.
    pub tree_hash: Vec<u8>,
    /// In list order.
    pub participants: Vec<Participant>,
    /// In order of acceptance by the hub.
    pub messages: Vec<ShownMessage>,
}
