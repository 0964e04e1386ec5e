//! A room's group as one of its member clients sees it.

use mimi_policy::{LeafIndex, RoomView, StagedChange};
use mimi_wire::MimiUri;
use mimi_wire::mls::{ExternalSender, GroupInfo, KeyPackage, MlsMessage, RatchetTree, RequiredCapabilities};
use mimi_wire::protocol::group_info::GroupInfoRatchetTreeTbe;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListUpdate, RoleIndex};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;
use rand::{CryptoRng, RngCore};
use thiserror::Error;

use crate::device::Device;
use crate::error::{SnapshotError, StageError};
use crate::identity::Issuers;

/// A member's state of one group, with at most one pending commit of its own.
#[derive(Debug)]
pub struct MemberGroup {
    _private: (),
}

/// What a new room starts with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// MLS group id, e.g. the octets of `mimi://<hub>/g/<random>` (AMB-ID-5).
    pub group_id: Vec<u8>,
    /// Metadata, `room_uri` included.
    pub metadata: RoomMetadata,
    /// Roles.
    pub roles: RoleData,
    /// The creator's role.
    pub creator_role: RoleIndex,
    /// Preauthorizations, the hub's included (AMB-ST-4).
    pub preauth: PreAuthData,
    /// Base policy.
    pub base_policy: BaseRoomPolicy,
    /// The hub.
    pub hub_sender: ExternalSender,
}

/// What a commit is to do beside committing every pending proposal it may.
#[derive(Clone, Debug, Default)]
pub struct CommitPlan {
    /// Clients to add.
    pub add: Vec<KeyPackage>,
    /// Leaves to remove.
    pub remove: Vec<LeafIndex>,
    /// Participant list change.
    pub participants: Option<ParticipantListUpdate>,
    /// New metadata.
    pub metadata: Option<RoomMetadata>,
}

/// What a received event was.
#[derive(Debug)]
pub enum Received {
    /// An application message.
    Application {
        /// The sender's user, proven by its leaf.
        user: MimiUri,
        /// The sender's client.
        client: MimiUri,
        /// The sender's leaf.
        leaf: LeafIndex,
        /// The epoch it was sent in.
        epoch: u64,
        /// `application_data` (framed where the group frames).
        application_data: Vec<u8>,
    },
    /// A verified commit of another member: judge it, then [`MemberGroup::merge`] it.
    Commit(Box<StagedMemberCommit>),
    /// Our own pending commit came back accepted; it has been merged.
    OwnCommit,
    /// Proposals, now cached for the next commit.
    Proposals(StagedChange),
    /// Our own message or an event already seen; nothing changed.
    Repeat,
    /// For a later epoch: keep it and try again after the next commit.
    Future {
        /// The epoch it is for.
        epoch: u64,
    },
}

/// A verified commit, not yet merged.
#[derive(Debug)]
pub struct StagedMemberCommit {
    _private: (),
}

impl StagedMemberCommit {
    /// What it asks of the room.
    pub fn change(&self) -> &StagedChange {
        todo!()
    }

    /// The room once merged.
    pub fn after(&self) -> &RoomView {
        todo!()
    }

    /// Whether it removes this device.
    pub fn evicts_us(&self) -> bool {
        todo!()
    }
}

/// Why an event could not be processed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Nothing this group could have sent, or no longer decryptable: drop it, note it.
    #[error("not processed: {0}")]
    Unreadable(String),
    /// A verification failed that members must all agree on: freeze the room.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// One piece of the saved state: a key and its value, `None` when it is gone. Holds secrets.
pub type StateChange = (Vec<u8>, Option<zeroize::Zeroizing<Vec<u8>>>);

impl MemberGroup {
    /// Creates a room's group; GroupInfo and tree go to the hub.
    pub fn create(
        device: &Device,
        founding: &Founding,
        rng: &mut (impl RngCore + CryptoRng),
        now_ms: u64,
    ) -> Result<(Self, GroupInfo, RatchetTree), StageError> {
        let _ = (device, founding, rng, now_ms);
        todo!()
    }

    /// Joins by Welcome, verifying every member's identity; the used KeyPackage leaves the device.
    pub fn join_by_welcome(
        device: &mut Device,
        welcome: &MlsMessage,
        tree: &RatchetTreeOption,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Self, StageError> {
        let _ = (device, welcome, tree, issuers, now_ms);
        todo!()
    }

    /// Joins by external commit. The group is final only when the hub accepts the bundle: drop it
    /// if it does not. Pending SelfRemoves are included (PROTO-GI-6).
    pub fn join_by_external_commit(
        device: &Device,
        material: &GroupInfoRatchetTreeTbe,
        participants: Option<ParticipantListUpdate>,
        issuers: &Issuers,
        rng: &mut (impl RngCore + CryptoRng),
        now_ms: u64,
    ) -> Result<(Self, CommitBundle), StageError> {
        let _ = (device, material, participants, issuers, rng, now_ms);
        todo!()
    }

    /// The room in the current epoch.
    pub fn view(&self) -> &RoomView {
        todo!()
    }

    /// Our own leaf.
    pub fn own_leaf(&self) -> LeafIndex {
        todo!()
    }

    /// MLS group id.
    pub fn group_id(&self) -> &[u8] {
        todo!()
    }

    /// Tree hash of the current epoch, equal for all members.
    pub fn tree_hash(&self) -> Vec<u8> {
        todo!()
    }

    /// The hub as the group context names it (PROTO-GI-6).
    pub fn hub_sender(&self) -> &ExternalSender {
        todo!()
    }

    /// What the group requires of members, for key material requests.
    pub fn required_capabilities(&self) -> RequiredCapabilities {
        todo!()
    }

    /// What the pending proposals ask, for the judge and for the user.
    pub fn pending_change(&self) -> StagedChange {
        todo!()
    }

    /// Builds a commit of the plan and of every pending proposal; it stays pending until the hub
    /// answers: [`accept_pending`](Self::accept_pending) or [`drop_pending`](Self::drop_pending).
    pub fn commit(
        &mut self,
        device: &Device,
        plan: &CommitPlan,
        rng: &mut (impl RngCore + CryptoRng),
        now_ms: u64,
    ) -> Result<(CommitBundle, StagedChange), StageError> {
        let _ = (device, plan, rng, now_ms);
        todo!()
    }

    /// Proposals to leave: list change, Remove of own other clients, SelfRemove (AMB-UPD-9).
    pub fn leave(&mut self, device: &Device) -> Result<ProposalBundle, StageError> {
        let _ = device;
        todo!()
    }

    /// The hub accepted our commit.
    pub fn accept_pending(&mut self) -> Result<(), StageError> {
        todo!()
    }

    /// The hub refused our commit, or another one won.
    pub fn drop_pending(&mut self) -> Result<(), StageError> {
        todo!()
    }

    /// Whether a commit of ours waits for the hub's answer.
    pub fn has_pending(&self) -> bool {
        todo!()
    }

    /// Encrypts `application_data`.
    pub fn encrypt(
        &mut self,
        device: &Device,
        application_data: &[u8],
    ) -> Result<MlsMessage, StageError> {
        let _ = (device, application_data);
        todo!()
    }

    /// Processes one event of the room.
    pub fn receive(
        &mut self,
        event: &FanoutMessage,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Received, ReceiveError> {
        let _ = (event, issuers, now_ms);
        todo!()
    }

    /// Merges a commit the judge allowed.
    pub fn merge(&mut self, staged: StagedMemberCommit) -> Result<(), StageError> {
        let _ = staged;
        todo!()
    }

    /// What changed in the saved state since the last call, to be stored with what it led to.
    pub fn take_state_changes(&mut self) -> Vec<StateChange> {
        todo!()
    }

    /// Restores from all pieces ever stored and not removed.
    pub fn restore(state: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, SnapshotError> {
        let _ = state;
        todo!()
    }
}
