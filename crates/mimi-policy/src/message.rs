//! Message capabilities: what the hub asks before it accepts a message, and what a receiver asks
//! before it applies one (POLICY-CAP-MSG-1, -2, AMB-POL-40).

use mimi_wire::MimiUri;

use crate::denied::Denied;
use crate::view::RoomView;

/// What an application message is, seen by a receiver that has decrypted it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageAction<'a> {
    /// A plain message.
    Send,
    /// A reply.
    Reply,
    /// A reaction.
    React,
    /// An edit of a message.
    Edit {
        /// Who sent the message that is edited.
        original_sender: &'a MimiUri,
    },
    /// A deletion of a message.
    Delete {
        /// Who sent the message that is deleted.
        original_sender: &'a MimiUri,
    },
    /// Taking back a reaction.
    DeleteReaction {
        /// Who sent the reaction.
        original_sender: &'a MimiUri,
    },
}

/// The hub's question: may this user submit application messages at all (PROTO-SUB-2)?
pub fn may_submit(_view: &RoomView, _sender: &MimiUri) -> Result<(), Denied> {
    todo!()
}

/// The receiver's question: may this message be applied as what it is (CONTENT-EDIT-1)?
pub fn may_apply(
    _view: &RoomView,
    _sender: &MimiUri,
    _action: MessageAction<'_>,
) -> Result<(), Denied> {
    todo!()
}
