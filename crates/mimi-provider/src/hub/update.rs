//! `update` at the hub: one commit or one bundle of proposals (PROTO-UPD-1..14).

use mimi_policy::{RoomView, StagedChange};
use mimi_wire::mls::{MlsMessage, RatchetTree};
use mimi_wire::protocol::update::{ProposalRef, UpdateRequest, UpdateResponse};
use mimi_wire::{Domain, MimiUri};

use crate::hub::state::HubState;
use crate::requester::Requester;
use crate::{Reject, Transition};

/// A verified update and the room it is for.
#[derive(Clone, Copy, Debug)]
pub struct UpdateInput<'a> {
    /// This provider, the hub.
    pub own: &'a Domain,
    /// Who hands it in.
    pub requester: &'a Requester,
    /// The room before it.
    pub view: &'a RoomView,
    /// The request.
    pub request: &'a UpdateRequest,
    /// The request's octets as received: kept for replay and to know a repeat.
    pub octets: &'a [u8],
    /// What it asks.
    pub change: &'a StagedChange,
    /// The rest, by what it is.
    pub kind: UpdateKind<'a>,
    /// The time.
    pub now_ms: u64,
}

/// What the MLS group made of the request.
#[derive(Clone, Copy, Debug)]
pub enum UpdateKind<'a> {
    /// A commit.
    Commit {
        /// The room once merged.
        after: &'a RoomView,
        /// The signature key of an external commit's joiner.
        joiner_signature_key: Option<&'a [u8]>,
        /// The Welcome, cut per provider (AMB-NTF-13).
        welcomes: &'a [WelcomePart],
        /// The tree once merged; needed when there are Welcomes (AMB-UPD-17).
        ratchet_tree: Option<&'a RatchetTree>,
    },
    /// Standalone proposals.
    Proposals {
        /// Their references, in order.
        references: &'a [ProposalRef],
    },
}

/// A Welcome for the clients of one provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WelcomePart {
    /// The provider.
    pub domain: Domain,
    /// Its clients and the KeyPackageRef of each.
    pub clients: Vec<(MimiUri, Vec<u8>)>,
    /// An `MLSMessage` with the part.
    pub message: MlsMessage,
}

/// The update is accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Updated {
    /// The answer.
    pub response: UpdateResponse,
    /// Whether a snapshot should be written once this is merged.
    pub snapshot: SnapshotDue,
}

/// Whether it is time for a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SnapshotDue {
    /// It is.
    Now,
    /// Not yet.
    Later,
}

/// The first answer to a request whose octets were accepted before. Asked before staging: a
/// repeated commit can no longer be staged.
pub fn repeat(state: &HubState, octets: &[u8]) -> Option<UpdateResponse> {
    let _ = (state, octets);
    todo!()
}

/// Decides on a verified update.
pub fn update(state: &HubState, input: &UpdateInput<'_>) -> Result<Transition<Updated>, Reject> {
    let _ = (state, input);
    todo!()
}
