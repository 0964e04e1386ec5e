//! The MIMI client SDK: what a chat app embeds to talk across providers.
//!
//! [`Session`](session::Session) is the pure core: it is asked for outgoing requests and told their
//! answers. [`Client`] drives it natively, with HTTPS to its provider and a SQLite file.

#![warn(missing_docs)]

use std::net::SocketAddr;
use std::path::Path;

use mimi_policy::ClientIdentity;
use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use thiserror::Error;
use tokio::sync::broadcast;

/// Where a provider's client API is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderAddress {
    /// `https://host[:port]`, without a path.
    pub url: String,
    /// Connect here instead of where DNS says.
    pub resolve: Option<SocketAddr>,
    /// PEM roots to trust instead of the public ones.
    pub roots_pem: Option<String>,
}

/// What a new device needs.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The provider.
    pub provider: ProviderAddress,
    /// Local name of the user, e.g. `alice`.
    pub user: String,
    /// The account's password.
    pub password: String,
    /// Name of this device, e.g. `phone`; part of its client URI.
    pub device: String,
}

/// Why an operation failed, in words for the person.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The provider cannot be reached; try again.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The provider or the hub said no.
    #[error("refused: {0}")]
    Refused(String),
    /// The room's policy says no.
    #[error("not allowed: {0}")]
    Denied(#[from] mimi_policy::Denied),
    /// The other side has not consented to being contacted.
    #[error("{0} has not agreed to be contacted; ask with a consent request first")]
    NoConsent(MimiUri),
    /// The room is not known on this device, or this device has left it.
    #[error("this device is not in {0}")]
    NotInRoom(MimiUri),
    /// The room is frozen: somebody broke its rules; see [`RoomStatus::Frozen`].
    #[error("{room} is frozen: {reason}")]
    Frozen {
        /// The room.
        room: MimiUri,
        /// Why.
        reason: String,
    },
    /// The device's own storage failed.
    #[error("local storage failed: {0}")]
    Storage(String),
    /// Anything else that should not happen.
    #[error("{0}")]
    Other(String),
}

/// Something a person or an app wants to know of at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A message was shown, edited or deleted, or got a reaction.
    Message {
        /// The room.
        room: MimiUri,
        /// The message as it is now shown.
        message: ShownMessage,
    },
    /// Participants, roles, clients, name or epoch changed.
    RoomChanged(MimiUri),
    /// This device came into a room.
    Joined(MimiUri),
    /// This device is out of a room.
    Left {
        /// The room.
        room: MimiUri,
        /// How.
        status: RoomStatus,
    },
    /// Somebody asks to be allowed to contact us.
    ConsentRequested {
        /// Who.
        requester: MimiUri,
        /// For one room or any.
        room: Option<MimiUri>,
    },
    /// Somebody answered our request.
    ConsentChanged {
        /// Who.
        target: MimiUri,
        /// For one room or any.
        room: Option<MimiUri>,
        /// The answer.
        granted: bool,
    },
    /// A commit of ours lost a race (`wrongEpoch`) and is being made again.
    Retrying {
        /// The room.
        room: MimiUri,
        /// The epoch that won.
        current_epoch: u64,
    },
    /// The connection to the provider came or went.
    Connected(bool),
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
    /// The message it answers.
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

/// A device of a user, running: it keeps its event stream open and its rooms up to date.
#[derive(Debug)]
pub struct Client {
    events: broadcast::Sender<ClientEvent>,
}

impl Client {
    /// Registers a new device; its state lives in a new SQLite file.
    pub async fn register(store: &Path, registration: Registration) -> Result<Self, ClientError> {
        let _ = (store, registration);
        todo!()
    }

    /// Opens a device registered before.
    pub async fn open(store: &Path) -> Result<Self, ClientError> {
        let _ = store;
        todo!()
    }

    /// Who this device is.
    pub fn identity(&self) -> &ClientIdentity {
        todo!()
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ClientEvent> {
        self.events.subscribe()
    }

    /// Asks a user for consent to be contacted.
    pub async fn request_consent(&self, target: &MimiUri) -> Result<(), ClientError> {
        let _ = target;
        todo!()
    }

    /// Lets a user contact us, for any room.
    pub async fn grant_consent(&self, requester: &MimiUri) -> Result<(), ClientError> {
        let _ = requester;
        todo!()
    }

    /// No longer lets a user contact us.
    pub async fn revoke_consent(&self, requester: &MimiUri) -> Result<(), ClientError> {
        let _ = requester;
        todo!()
    }

    /// Open requests to us.
    pub async fn consent_requests(&self) -> Result<Vec<MimiUri>, ClientError> {
        todo!()
    }

    /// Creates a room at our provider, with our other devices not yet in it.
    pub async fn create_room(&self, name: &str, preset: Preset) -> Result<MimiUri, ClientError> {
        let _ = (name, preset);
        todo!()
    }

    /// Rooms known on this device.
    pub async fn rooms(&self) -> Result<Vec<MimiUri>, ClientError> {
        todo!()
    }

    /// A room as this device sees it.
    pub async fn room(&self, room: &MimiUri) -> Result<RoomState, ClientError> {
        let _ = room;
        todo!()
    }

    /// Adds a user with all its devices, in one commit.
    pub async fn add_user(&self, room: &MimiUri, user: &MimiUri) -> Result<(), ClientError> {
        let _ = (room, user);
        todo!()
    }

    /// Comes into a room this device's user takes part in, by external commit.
    pub async fn join_room(&self, room: &MimiUri) -> Result<(), ClientError> {
        let _ = room;
        todo!()
    }

    /// Leaves with all devices of this user.
    pub async fn leave_room(&self, room: &MimiUri) -> Result<(), ClientError> {
        let _ = room;
        todo!()
    }

    /// Removes a user and all its clients.
    pub async fn remove_user(&self, room: &MimiUri, user: &MimiUri) -> Result<(), ClientError> {
        let _ = (room, user);
        todo!()
    }

    /// Bans a user and removes all its clients.
    pub async fn ban_user(&self, room: &MimiUri, user: &MimiUri) -> Result<(), ClientError> {
        let _ = (room, user);
        todo!()
    }

    /// Commits what is pending in a room, if anything is.
    pub async fn commit_pending(&self, room: &MimiUri) -> Result<(), ClientError> {
        let _ = room;
        todo!()
    }

    /// Renames a room.
    pub async fn rename_room(&self, room: &MimiUri, name: &str) -> Result<(), ClientError> {
        let _ = (room, name);
        todo!()
    }

    /// Writes a message. Returns once the hub has accepted it.
    pub async fn send_text(&self, room: &MimiUri, text: &str) -> Result<MessageId, ClientError> {
        let _ = (room, text);
        todo!()
    }

    /// Answers a message.
    pub async fn reply(
        &self,
        room: &MimiUri,
        to: MessageId,
        text: &str,
    ) -> Result<MessageId, ClientError> {
        let _ = (room, to, text);
        todo!()
    }

    /// Reacts to a message.
    pub async fn react(
        &self,
        room: &MimiUri,
        to: MessageId,
        reaction: &str,
    ) -> Result<MessageId, ClientError> {
        let _ = (room, to, reaction);
        todo!()
    }

    /// Replaces the text of an own message.
    pub async fn edit(
        &self,
        room: &MimiUri,
        message: MessageId,
        text: &str,
    ) -> Result<MessageId, ClientError> {
        let _ = (room, message, text);
        todo!()
    }

    /// Takes an own message back.
    pub async fn delete(&self, room: &MimiUri, message: MessageId) -> Result<(), ClientError> {
        let _ = (room, message);
        todo!()
    }

    /// Stops after storing everything received; the device can be opened again.
    pub async fn close(self) -> Result<(), ClientError> {
        todo!()
    }
}
