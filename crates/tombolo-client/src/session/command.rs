//! What the session can be told to do, and what it tells back.

use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::secret::SecretText;

/// Names an operation until it is finished.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationId(pub(crate) u64);

/// An operation to start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Becomes a device of a user.
    Register {
        /// Local name of the user.
        user: String,
        /// Its password.
        password: SecretText,
        /// Name of the device.
        device: String,
    },
    /// Asks a user for consent to be contacted.
    RequestConsent(MimiUri),
    /// Lets a user contact us.
    GrantConsent(MimiUri),
    /// No longer lets a user contact us.
    RevokeConsent(MimiUri),
    /// Asks who wants our consent.
    ConsentRequests,
    /// Creates a room at our provider.
    CreateRoom {
        /// Its name.
        name: String,
        /// Its roles.
        preset: Preset,
    },
    /// Opens the direct room with a user: the one there is, or a new one.
    OpenDirect(MimiUri),
    /// Creates a room that depends on another one of our provider's.
    CreateSubroom {
        /// The room it depends on.
        parent: MimiUri,
        /// Its name.
        name: String,
    },
    /// Adds a user with all its devices.
    AddUser {
        /// The room.
        room: MimiUri,
        /// The user.
        user: MimiUri,
    },
    /// Comes in by external commit.
    JoinRoom(MimiUri),
    /// Leaves with all devices of this user.
    LeaveRoom(MimiUri),
    /// Removes a user.
    RemoveUser {
        /// The room.
        room: MimiUri,
        /// The user.
        user: MimiUri,
    },
    /// Bans a user.
    BanUser {
        /// The room.
        room: MimiUri,
        /// The user.
        user: MimiUri,
    },
    /// Commits what is pending.
    CommitPending(MimiUri),
    /// Renames a room.
    RenameRoom {
        /// The room.
        room: MimiUri,
        /// Its new name.
        name: String,
    },
    /// Sends a message.
    Send {
        /// The room.
        room: MimiUri,
        /// The message.
        draft: Draft,
    },
}

/// A message to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Draft {
    /// A text, perhaps an answer.
    Text {
        /// The text.
        text: String,
        /// The message it answers.
        in_reply_to: Option<MessageId>,
    },
    /// A reaction.
    Reaction {
        /// The message reacted to.
        to: MessageId,
        /// The reaction.
        reaction: String,
    },
    /// A new text of a message.
    Edit {
        /// The message.
        message: MessageId,
        /// Its new text.
        text: String,
    },
    /// A message, or a reaction, is taken back.
    Delete {
        /// It.
        message: MessageId,
    },
}

/// How an operation succeeded.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// There is nothing to say.
    Done,
    /// A room was created, opened or joined.
    Room(MimiUri),
    /// A list of users.
    Users(Vec<MimiUri>),
    /// A message was accepted.
    Message(MessageId),
}

/// Something the session tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// An operation has ended.
    Finished {
        /// The operation.
        operation: OperationId,
        /// How.
        result: Result<Outcome, ClientError>,
    },
    /// Something an app wants to know.
    Event(ClientEvent),
}
