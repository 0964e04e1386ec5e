//! `update` (protocol section 5.3).

use crate::mls::{MlsMessage, Welcome};
use crate::protocol::ratchet_tree::{GroupInfoOption, RatchetTreeOption};

/// `HandshakeBundle`, which is also the whole `UpdateRequest` (AMB-W-10): one commit or one atomic
/// bundle of proposals (PROTO-UPD-11).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpdateRequest {
    /// A commit.
    Commit(CommitBundle),
    /// Standalone proposals.
    Proposals(ProposalBundle),
}

/// A commit with what the hub needs to serve joiners.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitBundle {
    /// The commit, a PublicMessage (PROTO-UPD-5).
    pub commit: MlsMessage,
    /// For the clients the commit adds (AMB-UPD-6).
    pub welcome: Option<Welcome>,
    /// The GroupInfo of the new epoch (PROTO-UPD-7).
    pub group_info: GroupInfoOption,
    /// The tree of the new epoch, `DistributionService` towards a hub that tracks it (AMB-UPD-17).
    pub ratchet_tree: RatchetTreeOption,
}

/// Proposals of one sender and one epoch that stand or fall together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProposalBundle {
    /// The first.
    pub proposal: MlsMessage,
    /// The others, at most [`MORE_PROPOSALS_MAX`](crate::limits::MORE_PROPOSALS_MAX).
    pub more_proposals: Vec<MlsMessage>,
}

/// A `ProposalRef`: the hash of an authenticated proposal.
pub type ProposalRef = Vec<u8>;

/// What the hub answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpdateOutcome {
    /// `success(0)`.
    Success {
        /// Milliseconds since the UNIX epoch (PROTO-UPD-13).
        accepted_timestamp: u64,
    },
    /// `wrongEpoch(1)`.
    WrongEpoch {
        /// The hub's epoch.
        current_epoch: u64,
    },
    /// `notAllowed(2)`.
    NotAllowed,
    /// `invalidProposal(3)`.
    InvalidProposal {
        /// References of the proposals at fault, or that were omitted (AMB-UPD-8).
        invalid_proposals: Vec<ProposalRef>,
    },
}

/// `UpdateRoomResponse`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpdateResponse {
    /// The outcome.
    pub outcome: UpdateOutcome,
    /// For a person; empty on success (AMB-UPD-2).
    pub error_description: String,
}
