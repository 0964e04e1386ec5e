//! A room's group as its hub sees it: public state only, commits staged and merged on request.

use mimi_policy::{ClientIdentity, LeafIndex, RoomView, StagedChange};
use mimi_wire::Domain;
use mimi_wire::MimiUri;
use mimi_wire::mls::{ExternalSender, GroupInfo, MlsMessage, RatchetTree};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::protocol::update::{ProposalRef, UpdateRequest};

use crate::error::{SnapshotError, StageError};
use crate::identity::Issuers;

/// The hub's public view of one group.
#[derive(Debug)]
pub struct HubGroup {
    _private: (),
}

/// A verified, not yet merged update.
#[derive(Debug)]
pub enum StagedUpdate {
    /// A commit.
    Commit(Box<StagedCommit>),
    /// Standalone proposals, to be cached.
    Proposals(StagedProposals),
}

/// A verified commit.
#[derive(Debug)]
pub struct StagedCommit {
    _private: (),
}

/// Verified standalone proposals.
#[derive(Debug)]
pub struct StagedProposals {
    _private: (),
}

/// One Welcome, cut to the clients of one provider (AMB-NTF-13).
#[derive(Clone, Debug)]
pub struct WelcomeSlice {
    /// The provider of these clients.
    pub domain: Domain,
    /// The clients, with the KeyPackageRef of each.
    pub clients: Vec<(MimiUri, Vec<u8>)>,
    /// An `MLSMessage` that holds the slice.
    pub message: MlsMessage,
}

/// What the framing of an application message says in the clear.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApplicationFrame {
    /// MLS group id.
    pub group_id: Vec<u8>,
    /// Epoch.
    pub epoch: u64,
}

impl HubGroup {
    /// Opens a new room from its creator's GroupInfo and tree.
    pub fn open(
        group_info: &GroupInfo,
        tree: &RatchetTree,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Self, StageError> {
        let _ = (group_info, tree, issuers, now_ms);
        todo!()
    }

    /// Restores a [`snapshot`](Self::snapshot).
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let _ = snapshot;
        todo!()
    }

    /// The whole state as one versioned blob, cached proposals included.
    pub fn snapshot(&self) -> Vec<u8> {
        todo!()
    }

    /// The room in the current epoch.
    pub fn view(&self) -> &RoomView {
        todo!()
    }

    /// MLS group id.
    pub fn group_id(&self) -> &[u8] {
        todo!()
    }

    /// The group's suite.
    pub fn ciphersuite(&self) -> CipherSuite {
        todo!()
    }

    /// First entry of `external_senders`: the hub (AMB-ST-1).
    pub fn hub_sender(&self) -> &ExternalSender {
        todo!()
    }

    /// GroupInfo of the current epoch, as its committer signed it.
    pub fn group_info(&self) -> &GroupInfo {
        todo!()
    }

    /// Tree of the current epoch.
    pub fn ratchet_tree(&self) -> RatchetTree {
        todo!()
    }

    /// Verifies an update against the current epoch; changes nothing.
    pub fn stage(
        &self,
        request: &UpdateRequest,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<StagedUpdate, StageError> {
        let _ = (request, issuers, now_ms);
        todo!()
    }

    /// Merges a commit, or caches proposals, staged against exactly this state.
    pub fn merge(&mut self, staged: StagedUpdate) -> Result<(), StageError> {
        let _ = staged;
        todo!()
    }
}

/// Reads the framing of a PrivateMessage with application content; anything else is refused
/// (PROTO-SUB-1).
pub fn application_frame(message: &MlsMessage) -> Result<ApplicationFrame, StageError> {
    let _ = message;
    todo!()
}

impl StagedUpdate {
    /// What it asks of the room.
    pub fn change(&self) -> &StagedChange {
        todo!()
    }
}

impl StagedCommit {
    /// What it asks of the room.
    pub fn change(&self) -> &StagedChange {
        todo!()
    }

    /// The room once merged.
    pub fn after(&self) -> &RoomView {
        todo!()
    }

    /// The signature key of the joiner of an external commit (PROTO-GI-5).
    pub fn joiner_signature_key(&self) -> Option<&[u8]> {
        todo!()
    }

    /// Clients added, with their KeyPackageRefs.
    pub fn added(&self) -> &[(ClientIdentity, Vec<u8>)] {
        todo!()
    }

    /// Leaves that go.
    pub fn removed(&self) -> &[LeafIndex] {
        todo!()
    }

    /// The Welcome, cut per provider; empty without one.
    pub fn welcomes(&self) -> &[WelcomeSlice] {
        todo!()
    }
}

impl StagedProposals {
    /// What they ask of the room.
    pub fn change(&self) -> &StagedChange {
        todo!()
    }

    /// Their references, in order.
    pub fn references(&self) -> &[ProposalRef] {
        todo!()
    }
}
