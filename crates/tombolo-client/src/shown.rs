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

/// A link into a room, as its members see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShownJoinLink {
    /// The link; text, where it is one of ours.
    pub link: Vec<u8>,
    /// The role it leads to, by index and name; `None` for links of other implementations.
    pub role: Option<(u32, String)>,
    /// How many may come in by it in all.
    pub uses: Option<u32>,
    /// When it ends, in milliseconds since the epoch.
    pub expires_ms: Option<u64>,
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
    /// Its roles by index and name, in the order of their definition.
    pub roles: Vec<(u32, String)>,
    /// Links into it that stand, in order.
    pub join_links: Vec<ShownJoinLink>,
    /// A role that this device's certificate is preauthorized for and its user does not have yet.
    pub offered_role: Option<(u32, String)>,
    /// In order of acceptance by the hub.
    pub messages: Vec<ShownMessage>,
}
