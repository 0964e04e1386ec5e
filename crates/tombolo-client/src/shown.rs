//! Rooms and messages as a person sees them.

mod parts;

use mimi_policy::{RoomView, StagedChange};
use mimi_wire::MimiUri;
use mimi_wire::content::{ExternalPart, MessageId, NestedPart};
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::roles::RoleData;
use mimi_wire::status::MessageStatus;
use serde::{Deserialize, Serialize};

pub use parts::ShownPart;

/// A device of the own user, as its provider lists it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct DeviceEntry {
    /// Its URI.
    pub client: MimiUri,
    /// What it is called.
    pub name: String,
    /// When it was signed in, in milliseconds since the epoch.
    pub created_ms: u64,
    /// The day on which it was last here, at its beginning; 0 where that is not known.
    #[serde(default)]
    pub last_seen_ms: u64,
    /// Whether it is this one.
    #[serde(default)]
    pub current: bool,
}

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
    /// Its clients in the group, by URI; without any it takes part and reads nothing.
    pub clients: Vec<MimiUri>,
    /// Whether it is banned.
    pub is_banned: bool,
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
    /// Markdown as it is written; [`parts`](Self::parts) tells what is.
    pub text: Option<String>,
    /// The newest version, whole; `None` once deleted.
    pub body: Option<NestedPart>,
    /// The message it answers, by the id of its first version where this device knows it.
    pub in_reply_to: Option<MessageId>,
    /// The time of the message it answers is over.
    pub answers_expired: bool,
    /// The topic it is in now; empty for none.
    pub topic: Vec<u8>,
    /// What can be fetched of its newest version; empty once deleted.
    pub attachments: Vec<ExternalPart>,
    /// Edited at least once.
    pub edited: bool,
    /// Deleted.
    pub deleted: bool,
    /// Of an edited message all versions, the first one first; empty once deleted
    /// (CONTENT-EDIT-3).
    pub versions: Vec<ShownVersion>,
    /// Who reacted how, in order.
    pub reactions: Vec<(MimiUri, String)>,
    /// Of a message of our own: what others have told of it.
    pub statuses: Vec<(MimiUri, MessageStatus)>,
    /// When it ends, in milliseconds since the epoch, as far as that is known: the time of one that
    /// ends after it is read begins with that.
    pub ends_ms: Option<u64>,
    /// Its sender may not do what it is: it is shown as what it is, and was never applied.
    pub refused: Option<Box<RefusedMessage>>,
    /// Why the room's hub could not prove who sent it, where it should be able to: such a message
    /// cannot be reported (AMB-FRK-8). Of the first version.
    pub unfrankable: Option<String>,
}

/// One version of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShownVersion {
    /// Its id.
    pub id: MessageId,
    /// When the hub accepted it, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// What it said.
    pub text: Option<String>,
    /// Who has reacted to this version, in order: what came after, they may not have seen.
    pub reacted: Vec<MimiUri>,
}

/// A message that its receivers do not apply (CONTENT-EDIT-1, POLICY-CAP-MSG-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedMessage {
    /// What it was to do.
    pub attempt: Attempt,
    /// Why not, as a sentence for a person.
    pub reason: String,
    /// The judge's rule and its requirement, for a log.
    pub rule: String,
}

/// What a refused message was to do. Texts are what it would have said.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Attempt {
    /// To be a message of its own.
    Send {
        /// The text.
        text: Option<String>,
    },
    /// To be a reaction.
    React {
        /// To this message.
        to: MessageId,
        /// The reaction.
        reaction: Option<String>,
    },
    /// To change what a message says.
    Edit {
        /// The message.
        message: MessageId,
        /// The new text.
        text: Option<String>,
    },
    /// To put a message under another topic.
    SetTopic {
        /// The message.
        message: MessageId,
        /// The topic.
        topic: Vec<u8>,
    },
    /// To take a message back.
    Delete {
        /// The message.
        message: MessageId,
    },
    /// To put another reaction in the place of one.
    ChangeReaction {
        /// The message reacted to.
        to: MessageId,
        /// The new reaction.
        reaction: Option<String>,
    },
    /// To take a reaction back.
    TakeBackReaction {
        /// The message reacted to.
        to: MessageId,
    },
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
    /// Everything it says of itself, the name included.
    pub metadata: RoomMetadata,
    /// Its roles, and what they may do.
    pub roles: RoleData,
    /// Where this device stands.
    pub status: RoomStatus,
    /// MLS epoch.
    pub epoch: u64,
    /// Tree hash of the epoch.
    pub tree_hash: Vec<u8>,
    /// In list order.
    pub participants: Vec<Participant>,
    /// Links into it that stand, in order.
    pub join_links: Vec<ShownJoinLink>,
    /// A role that this device's certificate is preauthorized for and its user does not have yet.
    pub offered_role: Option<(u32, String)>,
    /// In order of acceptance by the hub.
    pub messages: Vec<ShownMessage>,
    /// How many of them this user has not read, as far as that was said.
    pub unread: usize,
    /// For how long what is written here now is to be seen, in seconds after it is read.
    pub lifetime_s: Option<u32>,
}

/// What a device keeps of an event that it could not follow: enough for others to judge it again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// The room.
    pub room: MimiUri,
    /// Why the event was not followed, as a sentence for a person.
    pub reason: String,
    /// The judge's rule and its requirement, if it was the judge who refused.
    pub rule: Option<String>,
    /// When this device looked at the event, in milliseconds since the epoch.
    pub judged_ms: u64,
    /// When the hub says that it accepted the event.
    pub accepted_ms: u64,
    /// Position of the event in this device's stream.
    pub event_id: u64,
    /// Position of the event in the room's stream.
    pub room_seq: u64,
    /// The event, a `FanoutMessage` as the provider handed it over.
    #[serde(with = "octets")]
    pub event: Vec<u8>,
    /// What the event asks of the room, as far as it could be read.
    pub change: Option<StagedChange>,
    /// The room it was judged by.
    pub view: Option<RoomView>,
}

impl Evidence {
    /// As a file for others: JSON, octets in base64.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("maps here have names or numbers as keys")
    }
}

/// Base64 where people read, octets where devices do.
mod octets {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        octets: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => BASE64_STANDARD.encode(octets).serialize(serializer),
            false => octets.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        if !deserializer.is_human_readable() {
            return Vec::deserialize(deserializer);
        }
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map_err(D::Error::custom)
    }
}
