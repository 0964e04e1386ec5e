//! What the session can be told to do, and what it tells back.

use mimi_policy::policy_file::RoomPolicy;
use mimi_wire::content::{ExternalPart, MessageId};
use mimi_wire::protocol::identifier_query::QueryElement;
use mimi_wire::room::join_code::RoomLink;
use mimi_wire::room::metadata::RichDescription;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::{Domain, MimiUri};
use serde::{Deserialize, Serialize};

use crate::contacts::{ContactWord, Contacts};
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::profile::{FoundUser, Profile};
use crate::secret::SecretText;
pub use crate::session::expiry::Lifetime;
pub use crate::session::join_links::NewJoinLink;
pub use crate::session::receipts::ReceiptSetting;
use crate::shown::DeviceEntry;

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
    /// Says something about contact with a user.
    SayContact {
        /// What.
        word: ContactWord,
        /// The user.
        user: MimiUri,
        /// For one room or any.
        room: Option<MimiUri>,
    },
    /// Asks who wants our consent, and whom we have asked and answered.
    Contacts,
    /// Asks for the devices of the user.
    Devices,
    /// Signs a device of the user out.
    SignOut(MimiUri),
    /// Signs all other devices of the user out.
    SignOutOthers,
    /// Deletes the account, by its password, after leaving the rooms at other hubs.
    DeleteAccount(SecretText),
    /// Asks for users of a provider.
    Find {
        /// The provider.
        domain: Domain,
        /// What all must hold of them.
        elements: Vec<QueryElement>,
    },
    /// Asks for the own profile.
    Profile,
    /// Replaces the own profile.
    SetProfile(Profile),
    /// Creates a room at our provider.
    CreateRoom {
        /// Its name.
        name: String,
        /// Its policy: a preset's, or one of one's own.
        policy: Box<RoomPolicy>,
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
    /// Comes in by external commit, in a role of one's choice.
    JoinAs {
        /// The room.
        room: MimiUri,
        /// The role.
        role: RoleIndex,
    },
    /// Comes in by a link.
    JoinByLink(RoomLink),
    /// Makes a link into the room.
    CreateJoinLink {
        /// The room.
        room: MimiUri,
        /// What it is to be worth.
        wish: NewJoinLink,
    },
    /// Takes a link back: whoever has it cannot come in by it any more.
    RemoveJoinLink {
        /// The room.
        room: MimiUri,
        /// The link's octets.
        link: Vec<u8>,
    },
    /// Takes the role that the own credential is preauthorized for.
    TakeOwnRole(MimiUri),
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
    /// Removes all clients of a user, who stays a participant.
    KickUser {
        /// The room.
        room: MimiUri,
        /// The user.
        user: MimiUri,
    },
    /// Lifts a ban.
    UnbanUser {
        /// The room.
        room: MimiUri,
        /// The user.
        user: MimiUri,
        /// The role it gets; one that we may give, if nothing is said.
        role: Option<RoleIndex>,
    },
    /// Gives a participant another role.
    ChangeRole {
        /// The room.
        room: MimiUri,
        /// The user.
        user: MimiUri,
        /// The role.
        role: RoleIndex,
    },
    /// Changes what the room says of itself.
    ChangeMetadata {
        /// The room.
        room: MimiUri,
        /// What changes.
        change: MetadataChange,
    },
    /// Changes what holds in the room.
    ChangePolicy {
        /// The room.
        room: MimiUri,
        /// The policy that is to hold.
        policy: Box<RoomPolicy>,
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
    /// Reports messages of somebody to the moderators of the room's hub.
    ReportAbuse {
        /// The room.
        room: MimiUri,
        /// The messages, all of one sender.
        messages: Vec<MessageId>,
        /// For the moderators; may be empty.
        note: String,
    },
    /// Messages have been read: what is told of that, and what ends after it, begins.
    MarkRead {
        /// The room.
        room: MimiUri,
        /// The messages.
        messages: Vec<MessageId>,
    },
    /// What to tell others of their messages, in all rooms that leave it open.
    SetReceipts(ReceiptSetting),
    /// For how long what is written in a room from now on is to be seen.
    SetLifetime {
        /// The room.
        room: MimiUri,
        /// For how long.
        lifetime: Lifetime,
    },
    /// Sends a message.
    Send {
        /// The room.
        room: MimiUri,
        /// The message.
        draft: Draft,
    },
}

/// A change of one field of a room's metadata.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub enum MetadataChange {
    /// The name.
    Name(String),
    /// The description, as one plain text; none where it is empty.
    Description(String),
    /// The descriptions, in several languages or formats.
    Descriptions(Vec<RichDescription>),
    /// The avatar: an https URI, or empty.
    Avatar(String),
    /// The subject.
    Subject(String),
    /// The mood.
    Mood(String),
}

/// A message to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Draft {
    /// A text, perhaps an answer.
    Text {
        /// The text, in Markdown (GFM-MIMI); HTML in it is text (CONTENT-GFM-1).
        text: String,
        /// The message it answers.
        in_reply_to: Option<MessageId>,
    },
    /// A text that is shown exactly as it is written, without any markup.
    Plain {
        /// The text.
        text: String,
    },
    /// A text that opens a topic, or goes on with it.
    Topic {
        /// The text.
        text: String,
        /// The topic, which any octets can name.
        topic: Vec<u8>,
    },
    /// A message is put under another topic.
    SetTopic {
        /// The message.
        message: MessageId,
        /// The topic; empty for none.
        topic: Vec<u8>,
    },
    /// A file that has been uploaded.
    File {
        /// Where it is and how it is opened.
        part: Box<ExternalPart>,
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
    /// Who asks, who is asked, who may and who may not.
    Contacts(Box<Contacts>),
    /// The devices of the user.
    Devices(Vec<DeviceEntry>),
    /// Users who were found.
    Found(Vec<FoundUser>),
    /// The own profile.
    Profile(Profile),
    /// A message was accepted.
    Message(MessageId),
    /// A link into a room.
    Link(String),
    /// The account is gone.
    AccountDeleted {
        /// Rooms at other hubs in which the user could not be said to leave, and so stays listed.
        still_in: Vec<MimiUri>,
    },
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
