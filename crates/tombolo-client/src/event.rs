//! What a person or an app wants to know of at once.

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;

use crate::shown::{RoomStatus, ShownMessage};

/// Something a person or an app wants to know of at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A message was shown, edited or deleted, or got a reaction.
    Message {
        /// The room.
        room: MimiUri,
        /// The message as it is now shown.
        message: Box<ShownMessage>,
    },
    /// Somebody has told that messages of ours have arrived, or were read.
    Status {
        /// The room.
        room: MimiUri,
        /// Who.
        by: MimiUri,
        /// The messages.
        messages: Vec<MessageId>,
    },
    /// The time of a message was over: it is gone, with all that was about it.
    Expired {
        /// The room.
        room: MimiUri,
        /// The message.
        message: MessageId,
    },
    /// Participants, roles, clients, name or epoch changed.
    RoomChanged {
        /// The room.
        room: MimiUri,
        /// The epoch that the change led to.
        epoch: u64,
        /// Whose change it was, where all of it was one other user's.
        by: Option<MimiUri>,
    },
    /// This device came into a room.
    Joined(MimiUri),
    /// Another direct room of the same people has taken this one's place.
    Superseded {
        /// The room that is left.
        room: MimiUri,
        /// The one that stays.
        by: MimiUri,
    },
    /// This device is out of a room.
    Left {
        /// The room.
        room: MimiUri,
        /// How.
        status: RoomStatus,
    },
    /// This device had to come in again, and has seen none of the changes since it was in last. Who
    /// came in meanwhile is for a person to look at. Or it came in by itself and had been added before:
    /// what was written in between it cannot read.
    Missed {
        /// The room.
        room: MimiUri,
        /// Participants who were none before.
        came: Vec<MimiUri>,
    },
    /// Somebody asks to be allowed to contact us.
    ConsentRequested {
        /// Who.
        requester: MimiUri,
        /// For one room or any.
        room: Option<MimiUri>,
    },
    /// Somebody no longer asks for it.
    ConsentWithdrawn {
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
    /// The provider does not know these devices of the user any more: they are removed from the rooms that
    /// this one is in. Whether they are lost is for the person to know.
    DevicesLost(Vec<MimiUri>),
    /// The provider does not know this device any more: an operator, or another device of the user, has
    /// removed it or the account.
    SignedOut,
}
