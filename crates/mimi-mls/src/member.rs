//! A room's group as one of its member clients sees it.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::{LeafIndex, RoomIndex, RoomView, StagedChange, StagedProposal};
use mimi_wire::component::{ComponentId, FRANK_AAD};
use mimi_wire::mls::{ExternalSender, KeyPackage, MlsMessage, RequiredCapabilities};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::join_links::JoinLinksUpdate;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListUpdate, RoleIndex, UserRolePair};
use mimi_wire::room::preauth::{Claim, PreAuthData};
use mimi_wire::room::roles::RoleData;
use mimi_wire::{MimiUri, Wire};
use openmls::framing::SafeAadItem;
use openmls::group::{GroupId, MlsGroup, MlsGroupJoinConfig, PURE_PLAINTEXT_WIRE_FORMAT_POLICY};
use openmls::prelude::SenderRatchetConfiguration;
use openmls_rust_crypto::RustCrypto;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tls_codec::Serialize as _;

use crate::changes::{
    Epoch, already_proven, claims_of_senders, clients, read_proposal, reference_of,
};
use crate::context::{check_requirements, hub_sender, room_view};
use crate::device::Device;
use crate::error::{SnapshotError, StageError};
use crate::identity::{IdentityError, Issuers};
use crate::pieces::{Piece, Pieces};
use crate::provider::Provider;

mod committing;
mod faults;
mod founding;
mod joining;
mod receiving;

pub use founding::founding_requirements;
pub use receiving::epoch_of;
#[cfg(test)]
mod tests;

/// Messages are padded to multiples of this many octets.
const PADDING_OCTETS: usize = 128;
/// Epochs whose late messages can still be read.
const PAST_EPOCHS_MAX: usize = 3;
/// Messages of one sender that may still come after a newer one of it. The hub keeps the order;
/// only a sender that repeats a failed submission changes it.
const OUT_OF_ORDER_MAX: u32 = 16;
/// Messages of one sender that may be missing before the next one.
const SKIPPED_MAX: u32 = 1_000;
const STATE_VERSION: u8 = 1;

/// A member's state of one group, with at most one pending commit of its own.
#[derive(Debug)]
pub struct MemberGroup {
    group: MlsGroup,
    pieces: Pieces,
    crypto: RustCrypto,
    view: RoomView,
    index: RoomIndex,
    hub_sender: ExternalSender,
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
    /// Who is listed from the beginning beside the creator.
    pub others: Vec<UserRolePair>,
    /// Preauthorizations, the hub's included (AMB-ST-4).
    pub preauth: PreAuthData,
    /// Base policy.
    pub base_policy: BaseRoomPolicy,
    /// Other policy components.
    pub components: BTreeMap<ComponentId, Vec<u8>>,
    /// The hub.
    pub hub_sender: ExternalSender,
}

/// What a commit is to do beside committing every pending proposal it may.
#[derive(Clone, Debug, Default)]
pub struct CommitPlan {
    /// Clients to add; their KeyPackages have passed [`inspect`](crate::key_package::inspect).
    pub add: Vec<KeyPackage>,
    /// Leaves to remove.
    pub remove: Vec<LeafIndex>,
    /// Participant list change.
    pub participants: Option<ParticipantListUpdate>,
    /// New metadata.
    pub metadata: Option<RoomMetadata>,
    /// Join links that come and go.
    pub join_links: Option<JoinLinksUpdate>,
    /// New role definitions.
    pub roles: Option<RoleData>,
    /// New preauthorizations.
    pub preauth: Option<PreAuthData>,
    /// A new base policy.
    pub base_policy: Option<BaseRoomPolicy>,
    /// Other components: a new value, or `None` for one that goes.
    pub components: BTreeMap<ComponentId, Option<Vec<u8>>>,
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
        /// The sender's franking tag, authenticated with the message (FRANK-3).
        franking_tag: Option<[u8; 32]>,
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
    staged: openmls::group::StagedCommit,
    change: StagedChange,
    after: RoomView,
    evicts_us: bool,
    /// Proposals for the new epoch that the hub stapled to the commit (PROTO-NTF-4), and what
    /// proves their credentials.
    stapled: Vec<MlsMessage>,
    issuers: Issuers,
    now_ms: u64,
}

impl StagedMemberCommit {
    /// What it asks of the room.
    pub fn change(&self) -> &StagedChange {
        &self.change
    }

    /// The room once merged.
    pub fn after(&self) -> &RoomView {
        &self.after
    }

    /// Whether it removes this device.
    pub fn evicts_us(&self) -> bool {
        self.evicts_us
    }
}

/// Why an event could not be processed, by what the caller does about it.
///
/// A hub holds no secret of the group. It verifies signatures, identities and rules, but cannot
/// see a wrong membership tag, a wrong confirmation tag or path secrets that decrypt to nothing;
/// so any member can have such messages accepted. They cost the group a rejoin of its members, and
/// never the room: who sent them is named by the signature, and can be removed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Nothing this group could have sent, no longer decryptable, or a proposal that is at fault:
    /// note it and go on. A commit that includes such a proposal gives
    /// [`RejoinNeeded`](Self::RejoinNeeded), and commits of ours that lack it are refused by the
    /// hub ([`MemberGroup::lacks`]).
    #[error("not processed: {0}")]
    Unreadable(String),
    /// A proposal that no issuer we know of vouches for: fetch the issuers of this domain once
    /// ([`IdentityError::issuers_wanted`]) and receive it again. After that it is as
    /// [`Unreadable`](Self::Unreadable).
    #[error(transparent)]
    Unproven(IdentityError),
    /// A commit adds a client whose KeyPackage is out of its lifetime by the system's clock, as
    /// when this device has been away for long; the library insists on that. Nobody is at fault.
    /// Do as with [`RejoinNeeded`](Self::RejoinNeeded).
    #[error("this device cannot follow, because a lifetime is over: {0}")]
    Expired(String),
    /// A commit that this device cannot apply, for reasons that no hub can see: a wrong membership
    /// or confirmation tag, a path secret it cannot decrypt, a proposal it has dropped, a commit of
    /// its own that it has forgotten. If the hub's group goes on, the way out is to drop this
    /// group and to [join by external commit](MemberGroup::join_by_external_commit), which ends
    /// the epoch whatever is cached. Rules are not judged over the commit that is skipped: compare
    /// the view before with the one after, and ask the user if somebody came in meanwhile who was
    /// not in the room.
    #[error("this device can only join again: {0}")]
    RejoinNeeded(String),
    /// A commit that an honest hub would have refused: keep the evidence and freeze the room.
    /// Except for a [`StageError::Identity`] with [`IdentityError::issuers_wanted`]: fetch the
    /// issuers of that domain and receive the event again; freeze only if they were fetched since
    /// the event has come.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// One piece of the saved state: a key and its value, `None` when it is gone. Holds secrets.
pub type StateChange = (Vec<u8>, Option<zeroize::Zeroizing<Vec<u8>>>);

/// First piece of a saved state.
#[derive(Deserialize, Serialize)]
struct Header {
    version: u8,
    group_id: Vec<u8>,
}

impl MemberGroup {
    /// The room in the current epoch.
    pub fn view(&self) -> &RoomView {
        &self.view
    }

    /// The room looked up by name, for the judge.
    pub fn index(&self) -> &RoomIndex {
        &self.index
    }

    /// Goes on to an epoch.
    fn advance(&mut self, after: RoomView) {
        let before = std::mem::replace(&mut self.view, after);
        self.index.follow(&before, &self.view);
    }

    /// Our own leaf.
    pub fn own_leaf(&self) -> LeafIndex {
        self.group.own_leaf_index().u32()
    }

    /// Whether we are a member still; false once a commit has evicted us.
    pub fn is_active(&self) -> bool {
        self.group.is_active()
    }

    /// MLS group id.
    pub fn group_id(&self) -> &[u8] {
        self.group.group_id().as_slice()
    }

    /// Tree hash of the current epoch, equal for all members.
    pub fn tree_hash(&self) -> Vec<u8> {
        self.group.public_group().group_context().tree_hash().to_vec()
    }

    /// The hub as the group context names it (PROTO-GI-6).
    pub fn hub_sender(&self) -> &ExternalSender {
        &self.hub_sender
    }

    /// What the group requires of members, for key material requests.
    pub fn required_capabilities(&self) -> RequiredCapabilities {
        let required = self.group.public_group().required_capabilities();
        let octets = required.cloned().unwrap_or_default().tls_serialize_detached();
        let octets = octets.expect("a few lists of numbers");
        RequiredCapabilities::decode(&octets).expect("octets just written by the library")
    }

    /// What the pending proposals ask, for the judge and for the user.
    pub fn pending_change(&self) -> StagedChange {
        let epoch = self.epoch(&already_proven);
        // Each was read like this when it was cached, so none is lost here.
        let proposals = self.group.pending_proposals();
        let proposals = proposals.filter_map(|queued| read_proposal(epoch, queued, None).ok());
        StagedChange { epoch: self.view.epoch, committer: None, proposals: proposals.collect() }
    }

    /// The claims of the members who change the participant list by these proposals, for the judge
    /// (POLICY-CAP-ROLE-2).
    pub fn claims_of_senders<'a>(
        &self,
        proposals: impl IntoIterator<Item = &'a StagedProposal>,
    ) -> BTreeMap<LeafIndex, Vec<Claim>> {
        claims_of_senders(self.group.public_group(), proposals)
    }

    /// Whether a commit of ours waits for the hub's answer.
    pub fn has_pending(&self) -> bool {
        self.group.pending_commit().is_some()
    }

    /// Which of these references of proposals this group does not have. When the hub refuses a
    /// commit of ours for what it omits and some of that is lacking here, trying again is no use:
    /// it was dropped because nobody but the hub could take it. An external commit ends the epoch
    /// without it.
    pub fn lacks<'a>(&self, references: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
        let has: BTreeSet<Vec<u8>> =
            self.group.pending_proposals().filter_map(reference_of).collect();
        let lacking = references.iter().filter(|reference| !has.contains(*reference));
        lacking.map(Vec::as_slice).collect()
    }

    /// The group's cipher suite.
    pub fn suite(&self) -> CipherSuite {
        self.group.ciphersuite().into()
    }

    /// Encrypts `application_data`. Refused while proposals wait for a commit (RFC 9420 section
    /// 12.1): commit first.
    pub fn encrypt(
        &mut self,
        device: &Device,
        application_data: &[u8],
    ) -> Result<MlsMessage, StageError> {
        self.encrypt_franked(device, application_data, None)
    }

    /// [`encrypt`](Self::encrypt) with a franking tag in the authenticated data (FRANK-3). In a
    /// group without `safe_aad` it has no place there, and is left out.
    pub fn encrypt_franked(
        &mut self,
        device: &Device,
        application_data: &[u8],
        franking_tag: Option<[u8; 32]>,
    ) -> Result<MlsMessage, StageError> {
        let tag = franking_tag.map(|tag| SafeAadItem::new(FRANK_AAD, tag.to_vec()));
        // Set anew each time: what a failed attempt leaves behind is for no other message.
        self.group.set_safe_aad(tag.into_iter().collect()).map_err(StageError::internal)?;
        let provider = Provider { crypto: &self.crypto, rand: &self.crypto, pieces: &self.pieces };
        let message = self.group.create_message(&provider, device.signer(), application_data);
        wire(&message.map_err(StageError::invalid)?)
    }

    /// What changed in the saved state since the last call, to be stored with what it led to.
    pub fn take_state_changes(&mut self) -> Vec<StateChange> {
        self.pieces.take_changes()
    }

    /// Restores from all pieces ever stored and not removed.
    pub fn restore(state: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, SnapshotError> {
        let fault = |reason: &dyn ToString| SnapshotError(reason.to_string());
        let state = state.into_iter().map(|(key, value)| (key, zeroize::Zeroizing::new(value)));
        let pieces = Pieces::restored(state);
        let header: Option<Header> = pieces.get(Piece::Header, &()).map_err(|it| fault(&it))?;
        let header = header.ok_or_else(|| fault(&"the header is missing"))?;
        if header.version != STATE_VERSION {
            return Err(fault(&format!("unknown version {}", header.version)));
        }
        let group_id = GroupId::from_slice(&header.group_id);
        let group = MlsGroup::load(&pieces, &group_id).map_err(|it| fault(&it))?;
        let group = group.ok_or_else(|| fault(&"parts of the group are missing"))?;
        let context = group.public_group().group_context();
        let clients = clients(group.public_group(), &already_proven).map_err(|it| fault(&it))?;
        let view = room_view(context, clients).map_err(|it| fault(&it))?;
        let hub_sender = hub_sender(context).map_err(|it| fault(&it))?;
        let (crypto, index) = (RustCrypto::default(), RoomIndex::of(&view));
        Ok(Self { group, pieces, crypto, view, index, hub_sender })
    }

    /// A group that has just come into being, its members already proven.
    fn new(group: MlsGroup, pieces: Pieces, view: RoomView) -> Result<Self, StageError> {
        let context = group.public_group().group_context();
        check_requirements(context, &view)?;
        let hub_sender = hub_sender(context)?;
        let group_id = group.group_id().as_slice().to_vec();
        let header = Header { version: STATE_VERSION, group_id };
        pieces.put(Piece::Header, &(), &header).map_err(StageError::internal)?;
        let (crypto, index) = (RustCrypto::default(), RoomIndex::of(&view));
        Ok(Self { group, pieces, crypto, view, index, hub_sender })
    }

    fn epoch<'a>(&'a self, identify: crate::changes::Identify<'a>) -> Epoch<'a> {
        Epoch { view: &self.view, group: self.group.public_group(), identify }
    }
}

/// How every group of ours is kept.
fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING_OCTETS)
        .max_past_epochs(PAST_EPOCHS_MAX)
        .sender_ratchet_configuration(ratchet_configuration())
        .use_ratchet_tree_extension(false)
        .build()
}

fn ratchet_configuration() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER_MAX, SKIPPED_MAX)
}

/// An object of the library as MIMI bodies carry it.
fn wire<T: Wire>(object: &impl tls_codec::Serialize) -> Result<T, StageError> {
    let octets = object.tls_serialize_detached().map_err(StageError::internal)?;
    T::decode(&octets).map_err(StageError::internal)
}
