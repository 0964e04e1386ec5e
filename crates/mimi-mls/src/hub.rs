//! A room's group as its hub sees it: public state only, commits staged and merged on request
//! (PROTO-ST-1, PROTO-ST-3).

use std::collections::BTreeMap;

use mimi_policy::{ClientIdentity, LeafIndex, RoomIndex, RoomView, StagedChange, StagedProposal};
use mimi_wire::codec::Reader;
use mimi_wire::limits::OPAQUE_OCTETS_MAX;
use mimi_wire::mls::{ExternalSender, GroupInfo, MlsMessage, RatchetTree};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::protocol::update::{ProposalRef, UpdateRequest};
use mimi_wire::room::preauth::Claim;
use mimi_wire::{Domain, MimiUri, Wire};
use openmls::group::{GroupContext, ProposalStore, PublicGroup, QueuedProposal};
use openmls_rust_crypto::RustCrypto;
use serde::{Deserialize, Serialize};

use crate::changes::{Identify, already_proven, claims_of_senders, clients};
use crate::context::{check_leaf, check_requirements, hub_sender, room_view};
use crate::error::{SnapshotError, StageError};
use crate::identity::{Issuers, Validity, prove};
pub use proposing::HubProposals;
use public_pieces::PublicPieces;

mod group_info;
mod proposing;
mod public_pieces;
mod replay;
mod staging;
mod tree;
mod welcome;

const SNAPSHOT_VERSION: u8 = 1;
const PRIVATE_MESSAGE_HEADER: [u8; 4] = [0, 1, 0, 2];
const CONTENT_TYPE_APPLICATION: u8 = 1;
/// A founder adds all first members in one commit.
const FOUNDING_EPOCH_MAX: u64 = 1;

/// The hub's public view of one group.
#[derive(Debug)]
pub struct HubGroup {
    group: PublicGroup,
    /// The epoch's proposals, in order of acceptance; the library has them too.
    cached: Vec<QueuedProposal>,
    view: RoomView,
    index: RoomIndex,
    hub_sender: ExternalSender,
    group_info: GroupInfo,
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
    base: Base,
    staged: openmls::group::StagedCommit,
    change: StagedChange,
    after: RoomView,
    joiner_signature_key: Option<Vec<u8>>,
    added: Vec<(ClientIdentity, Vec<u8>)>,
    removed: Vec<LeafIndex>,
    welcomes: Vec<WelcomeSlice>,
    ratchet_tree: Option<RatchetTree>,
    group_info: GroupInfo,
}

/// Verified standalone proposals.
#[derive(Debug)]
pub struct StagedProposals {
    base: Base,
    queued: Vec<QueuedProposal>,
    change: StagedChange,
    references: Vec<ProposalRef>,
}

/// The state something was staged against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Base {
    epoch: u64,
    cached: usize,
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
    /// `authenticated_data`: a `SafeAAD` where the group has `safe_aad` (FRANK-3).
    pub authenticated_data: Vec<u8>,
}

#[derive(Deserialize, Serialize)]
struct Saved {
    pieces: PublicPieces,
    group_info: Vec<u8>,
}

impl HubGroup {
    /// Opens a new room from its creator's GroupInfo and tree: as it was created, or with the first
    /// members that its creator has added since.
    pub fn open(
        group_info: &GroupInfo,
        tree: &RatchetTree,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Self, StageError> {
        group_info::check_extensions(group_info)?;
        let epoch = group_info.parsed().epoch().as_u64();
        if epoch > FOUNDING_EPOCH_MAX {
            let reason = format!("a room opens in epoch 0 or 1, not {epoch}");
            return Err(StageError::invalid(reason));
        }
        // The library verifies the GroupInfo's signature, the tree and its hash.
        let (group, _) = PublicGroup::from_external(
            &RustCrypto::default(),
            &PublicPieces::nowhere(),
            tree.parsed().clone(),
            group_info.parsed().clone(),
            ProposalStore::new(),
        )
        .map_err(StageError::invalid)?;
        for leaf in group.treesync().export_ratchet_tree().leaves() {
            check_leaf(leaf, group.group_context())?;
        }
        let clients = clients(&group, &|credential, signature_key| {
            prove(credential, signature_key, issuers, Validity::At(now_ms))
        })?;
        let view = room_view(group.group_context(), clients)?;
        check_requirements(group.group_context(), &view)?;
        let hub_sender = hub_sender(group.group_context())?;
        let group_info = group_info.clone();
        let index = RoomIndex::of(&view);
        Ok(Self { group, cached: Vec::new(), view, index, hub_sender, group_info })
    }

    /// Restores a [`snapshot`](Self::snapshot).
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let saved = match snapshot.split_first() {
            Some((&SNAPSHOT_VERSION, octets)) => postcard::from_bytes::<Saved>(octets),
            Some((version, _)) => return Err(SnapshotError(format!("unknown version {version}"))),
            None => return Err(SnapshotError("it is empty".to_owned())),
        };
        let saved = saved.map_err(|error| SnapshotError(error.to_string()))?;
        let (group, cached) = saved.pieces.load()?;
        let fault = |error: StageError| SnapshotError(error.to_string());
        let clients = clients(&group, &already_proven).map_err(fault)?;
        let view = room_view(group.group_context(), clients).map_err(fault)?;
        let hub_sender = hub_sender(group.group_context()).map_err(fault)?;
        let group_info = GroupInfo::decode(&saved.group_info);
        let group_info = group_info.map_err(|error| SnapshotError(error.to_string()))?;
        let index = RoomIndex::of(&view);
        Ok(Self { group, cached, view, index, hub_sender, group_info })
    }

    /// The whole state as one versioned blob, cached proposals included.
    pub fn snapshot(&self) -> Vec<u8> {
        let pieces = PublicPieces::of(&self.group, &self.cached)
            .expect("every part of a public group has a postcard form");
        let saved = Saved { pieces, group_info: self.group_info.octets().to_vec() };
        postcard::to_extend(&saved, vec![SNAPSHOT_VERSION])
            .expect("octet strings in memory have a postcard form")
    }

    /// The group's cipher suite.
    pub fn suite(&self) -> CipherSuite {
        self.group.ciphersuite().into()
    }

    /// The room in the current epoch.
    pub fn view(&self) -> &RoomView {
        &self.view
    }

    /// The room looked up by name, for the judge.
    pub fn index(&self) -> &RoomIndex {
        &self.index
    }

    /// MLS group id.
    pub fn group_id(&self) -> &[u8] {
        self.group.group_id().as_slice()
    }

    /// The group's suite.
    pub fn ciphersuite(&self) -> CipherSuite {
        self.group.ciphersuite().into()
    }

    /// Tree hash of the current epoch, equal for all members.
    pub fn tree_hash(&self) -> &[u8] {
        self.context().tree_hash()
    }

    /// First entry of `external_senders`: the hub (AMB-ST-1).
    pub fn hub_sender(&self) -> &ExternalSender {
        &self.hub_sender
    }

    /// GroupInfo of the current epoch, as its committer signed it.
    pub fn group_info(&self) -> &GroupInfo {
        &self.group_info
    }

    /// Tree of the current epoch.
    pub fn ratchet_tree(&self) -> RatchetTree {
        tree::octets(&self.group, None).expect("a group has members, and its nodes are TLS")
    }

    /// References of the epoch's cached proposals, in order of acceptance.
    pub fn cached_references(&self) -> impl Iterator<Item = &[u8]> {
        self.cached.iter().map(|queued| queued.proposal_reference_ref().as_slice())
    }

    /// Verifies an update against the current epoch; changes nothing.
    pub fn stage(
        &self,
        request: &UpdateRequest,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<StagedUpdate, StageError> {
        let identify =
            |credential: &_, key: &[u8]| prove(credential, key, issuers, Validity::At(now_ms));
        self.stage_with(request, &identify, now_ms)
    }

    /// As [`stage`](Self::stage), for an update that was accepted before and is read again from the
    /// room's log: identities are taken as claimed, since they were proven then. A room must open
    /// again when a peer is out of reach or has changed its issuers.
    ///
    /// The library compares KeyPackages with the system's clock here as well: what adds somebody
    /// cannot be staged again once that KeyPackage has expired. For commits there is
    /// [`stage_saved`](Self::stage_saved); behind a snapshot, proposals must not grow that old.
    pub fn stage_again(
        &self,
        request: &UpdateRequest,
        accepted_ms: u64,
    ) -> Result<StagedUpdate, StageError> {
        self.stage_with(request, &already_proven, accepted_ms)
    }

    fn stage_with(
        &self,
        request: &UpdateRequest,
        identify: Identify<'_>,
        now_ms: u64,
    ) -> Result<StagedUpdate, StageError> {
        match request {
            UpdateRequest::Commit(bundle) => {
                let commit = self.stage_commit(bundle, identify, now_ms)?;
                Ok(StagedUpdate::Commit(Box::new(commit)))
            }
            UpdateRequest::Proposals(bundle) => {
                Ok(StagedUpdate::Proposals(self.stage_proposals(bundle, identify)?))
            }
        }
    }

    /// The claims of the members who change the participant list by these proposals, for the judge
    /// (POLICY-CAP-ROLE-2).
    pub fn claims_of_senders<'a>(
        &self,
        proposals: impl IntoIterator<Item = &'a StagedProposal>,
    ) -> BTreeMap<LeafIndex, Vec<Claim>> {
        claims_of_senders(&self.group, proposals)
    }

    /// Merges a commit, or caches proposals, staged against exactly this state.
    pub fn merge(&mut self, staged: StagedUpdate) -> Result<(), StageError> {
        let base = match &staged {
            StagedUpdate::Commit(commit) => commit.base,
            StagedUpdate::Proposals(proposals) => proposals.base,
        };
        if base != self.base() {
            return Err(StageError::internal("staged against another state of the group"));
        }
        match staged {
            StagedUpdate::Commit(commit) => {
                self.group
                    .merge_commit(&PublicPieces::nowhere(), commit.staged)
                    .map_err(StageError::internal)?;
                self.cached.clear();
                let before = std::mem::replace(&mut self.view, commit.after);
                self.index.follow(&before, &self.view);
                self.group_info = commit.group_info;
            }
            StagedUpdate::Proposals(proposals) => {
                for queued in proposals.queued {
                    self.cached.push(queued.clone());
                    self.group
                        .add_proposal(&PublicPieces::nowhere(), queued)
                        .map_err(StageError::internal)?;
                }
            }
        }
        Ok(())
    }

    fn context(&self) -> &GroupContext {
        self.group.group_context()
    }

    fn base(&self) -> Base {
        Base { epoch: self.view.epoch, cached: self.cached.len() }
    }
}

/// Reads the framing of a PrivateMessage with application content; anything else is refused
/// (PROTO-SUB-1).
pub fn application_frame(message: &MlsMessage) -> Result<ApplicationFrame, StageError> {
    let mut reader = Reader::new(message.octets());
    if reader.array::<4>("MLSMessage.header")? != PRIVATE_MESSAGE_HEADER {
        return Err(StageError::invalid("not a PrivateMessage"));
    }
    let group_id = reader.opaque(OPAQUE_OCTETS_MAX, "PrivateMessage.group_id")?.to_vec();
    let epoch = reader.u64("PrivateMessage.epoch")?;
    if reader.u8("PrivateMessage.content_type")? != CONTENT_TYPE_APPLICATION {
        return Err(StageError::invalid("not an application message"));
    }
    let field = "PrivateMessage.authenticated_data";
    let authenticated_data = reader.opaque(OPAQUE_OCTETS_MAX, field)?.to_vec();
    Ok(ApplicationFrame { group_id, epoch, authenticated_data })
}

impl StagedUpdate {
    /// What it asks of the room.
    pub fn change(&self) -> &StagedChange {
        match self {
            Self::Commit(commit) => commit.change(),
            Self::Proposals(proposals) => proposals.change(),
        }
    }
}

impl StagedCommit {
    /// What it asks of the room.
    pub fn change(&self) -> &StagedChange {
        &self.change
    }

    /// The room once merged.
    pub fn after(&self) -> &RoomView {
        &self.after
    }

    /// The signature key of the joiner of an external commit (PROTO-GI-5).
    pub fn joiner_signature_key(&self) -> Option<&[u8]> {
        self.joiner_signature_key.as_deref()
    }

    /// Clients added, with their KeyPackageRefs.
    pub fn added(&self) -> &[(ClientIdentity, Vec<u8>)] {
        &self.added
    }

    /// Leaves that go.
    pub fn removed(&self) -> &[LeafIndex] {
        &self.removed
    }

    /// The Welcome, cut per provider; empty without one.
    pub fn welcomes(&self) -> &[WelcomeSlice] {
        &self.welcomes
    }

    /// The tree once merged, for those who are welcomed (AMB-UPD-17); `None` without a Welcome.
    pub fn ratchet_tree(&self) -> Option<&RatchetTree> {
        self.ratchet_tree.as_ref()
    }
}

impl StagedProposals {
    /// What they ask of the room.
    pub fn change(&self) -> &StagedChange {
        &self.change
    }

    /// Their references, in order.
    pub fn references(&self) -> &[ProposalRef] {
        &self.references
    }
}
