//! `submitMessage` at the hub: may this application message enter the room's log
//! (PROTO-SUB-1..4)?

use mimi_policy::RoomView;
use mimi_wire::Domain;
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};

use crate::hub::state::HubState;
use crate::requester::Requester;
use crate::{Reject, Transition};

/// An application message and the room it is for.
#[derive(Clone, Copy, Debug)]
pub struct SubmitMessageInput<'a> {
    /// This provider, the hub.
    pub own: &'a Domain,
    /// Who hands it in.
    pub requester: &'a Requester,
    /// The room.
    pub view: &'a RoomView,
    /// The room's MLS group id.
    pub group_id: &'a [u8],
    /// The request.
    pub request: &'a SubmitMessageRequest,
    /// The group id in the message's framing.
    pub frame_group_id: &'a [u8],
    /// The epoch in the message's framing.
    pub frame_epoch: u64,
    /// The time.
    pub now_ms: u64,
}

/// Decides on an application message; the reply is always
/// [`SubmitMessageResponse::Accepted`].
pub fn submit_message(
    state: &HubState,
    input: &SubmitMessageInput<'_>,
) -> Result<Transition<SubmitMessageResponse>, Reject> {
    let _ = (state, input);
    todo!()
}
