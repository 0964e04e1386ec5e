//! `groupInfo` at the hub: who may learn the group and join it by external commit (PROTO-GI-1..5).

use mimi_policy::{ClientIdentity, RoomView};
use mimi_wire::Domain;
use mimi_wire::protocol::group_info::PendingProposal;

use crate::hub::state::HubState;
use crate::requester::Requester;
use crate::{Reject, Transition};

/// A request whose signature and credential have been verified.
#[derive(Clone, Copy, Debug)]
pub struct GroupInfoInput<'a> {
    /// This provider, the hub.
    pub own: &'a Domain,
    /// Who hands it in.
    pub requester: &'a Requester,
    /// The room.
    pub view: &'a RoomView,
    /// Who the request's credential proves.
    pub identity: &'a ClientIdentity,
    /// The signature key the request was verified with.
    pub signature_key: &'a [u8],
    /// The joining code, if the request has one.
    pub joining_code: Option<&'a [u8]>,
    /// The time.
    pub now_ms: u64,
}

/// The requester may have GroupInfo and tree, with these proposals (PROTO-GI-3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorized {
    /// All of the epoch, in order of acceptance (AMB-GI-6).
    pub pending_proposals: Vec<PendingProposal>,
}

/// Decides whether the requester may join by itself, and remembers that it may.
pub fn group_info(
    state: &HubState,
    input: &GroupInfoInput<'_>,
) -> Result<Transition<Authorized>, Reject> {
    let _ = (state, input);
    todo!()
}
