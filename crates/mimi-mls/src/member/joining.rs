//! Joining a room's group: by Welcome, or by oneself with an external commit.

use mimi_policy::ClientView;
use mimi_wire::Wire;
use mimi_wire::component::PARTICIPANT_LIST;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::group_info::{GroupInfoRatchetTreeTbe, PendingProposal};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::{GroupInfoOption, RatchetTreeOption};
use mimi_wire::protocol::update::CommitBundle;
use mimi_wire::room::participant_list::ParticipantListUpdate;
use openmls::group::{MlsGroup, PublicGroup, QueuedProposal, StagedWelcome};
use openmls::messages::proposals::{AppDataUpdateProposal, Proposal};
use openmls::prelude::{
    LeafNodeParameters, MlsMessageBodyIn, ProposalIn, PublicMessageIn, RatchetTreeIn,
};
use openmls_rust_crypto::RustCrypto;
use rand::CryptoRng;

use super::{MemberGroup, join_config, wire};
use crate::changes::{Identify, clients};
use crate::context::{check_leaf, room_view};
use crate::device::Device;
use crate::error::StageError;
use crate::framing::{FrameBody, FrameSender, PublicFrame};
use crate::identity::{Issuers, Validity, prove};
use crate::pieces::Pieces;
use crate::provider::{Provider, Seeded};
use crate::{components, leaf};

impl MemberGroup {
    /// Joins by Welcome, verifying every member's identity; the used KeyPackage leaves the device.
    pub fn join_by_welcome(
        device: &mut Device,
        welcome: &MlsMessage,
        tree: &RatchetTreeOption,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Self, StageError> {
        let MlsMessageBodyIn::Welcome(welcome) = welcome.parsed().clone().extract() else {
            return Err(StageError::invalid("not a Welcome"));
        };
        let not_ours = || StageError::invalid("the Welcome is for no KeyPackage of this device");
        let reference = device.welcomed_key_package(&welcome).ok_or_else(not_ours)?;
        // The library takes the KeyPackage before it is sure of the rest; the device keeps its own
        // until then.
        let pieces = device.lend_key_package(&reference)?;
        let crypto = RustCrypto::default();
        let provider = Provider { crypto: &crypto, rand: &crypto, pieces: &pieces };
        let builder = StagedWelcome::build_from_welcome(&provider, &join_config(), welcome)
            .map_err(StageError::invalid)?;
        let group_info = builder.processed_welcome().unverified_group_info();
        refuse_embedded_tree(group_info.extensions().ratchet_tree().is_some())?;
        let staged = builder
            .with_ratchet_tree(full_tree(tree)?)
            // Members that have never committed keep the lifetime of their KeyPackage.
            .skip_lifetime_validation()
            .build()
            .map_err(StageError::invalid)?;
        let group = staged.into_group(&provider).map_err(StageError::invalid)?;
        let clients = prove_members(group.public_group(), issuers, now_ms)?;
        let view = room_view(group.public_group().group_context(), clients)?;
        let joined = Self::new(group, pieces, view)?;
        device.forget_key_package(&reference)?;
        Ok(joined)
    }

    /// [`join_by_welcome`](Self::join_by_welcome) with the event that brings a Welcome.
    pub fn join_by_event(
        device: &mut Device,
        event: &FanoutMessage,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Self, StageError> {
        match &event.kind {
            FanoutKind::Welcome { ratchet_tree } => {
                Self::join_by_welcome(device, &event.message, ratchet_tree, issuers, now_ms)
            }
            _ => Err(StageError::invalid("not a Welcome")),
        }
    }

    /// Joins by external commit. The group is final only when the hub accepts the bundle: drop it
    /// if it does not. Pending SelfRemoves are included (PROTO-GI-6).
    pub fn join_by_external_commit(
        device: &Device,
        material: &GroupInfoRatchetTreeTbe,
        participants: Option<ParticipantListUpdate>,
        issuers: &Issuers,
        rng: &mut impl CryptoRng,
        now_ms: u64,
    ) -> Result<(Self, CommitBundle), StageError> {
        let group_info = material.group_info.parsed();
        refuse_embedded_tree(group_info.extensions().ratchet_tree().is_some())?;
        let before = room_view(group_info.group_context(), Vec::new())?;
        let update = participants
            .map(|update| AppDataUpdateProposal::update(PARTICIPANT_LIST, update.encode()));
        let updates = components::resolve(&before, &update)?;
        let self_removes = self_removes(&material.pending_proposals);
        let leavers: Vec<u32> = self_removes.iter().map(|(leaf, _)| *leaf).collect();
        let crypto = RustCrypto::default();
        let rand = Seeded::from_rng(rng);
        let parameters = LeafNodeParameters::builder()
            .with_capabilities(leaf::capabilities(&rand))
            .with_extensions(leaf::extensions(&rand))
            .build();
        let pieces = Pieces::default();
        let provider = Provider { crypto: &crypto, rand: &rand, pieces: &pieces };
        let mut builder = MlsGroup::external_commit_builder()
            .with_proposals(self_removes.into_iter().map(|(_, message)| message).collect())
            .with_ratchet_tree(full_tree(&material.ratchet_tree)?)
            .with_config(join_config())
            .skip_lifetime_validation()
            .build_group(&provider, group_info.clone(), device.credential_with_key()?)
            .map_err(StageError::invalid)?
            .leaf_node_parameters(parameters);
        if let Some(update) = update {
            builder = builder.add_app_data_update_proposal(update);
        }
        let mut builder = builder
            .load_psks(&pieces)
            .map_err(StageError::internal)?
            .create_group_info(true)
            .use_ratchet_tree_extension(false);
        builder.with_app_data_dictionary_updates(updates);
        let (group, bundle) = builder
            .build(&rand, &crypto, device.signer(), |queued| !replaced(queued, &leavers))
            .map_err(StageError::invalid)?
            .finalize(&provider)
            .map_err(StageError::internal)?;
        let clients = prove_members(group.public_group(), issuers, now_ms)?;
        let view = room_view(group.public_group().group_context(), clients)?;
        let (commit, _, group_info) = bundle.into_contents();
        let group_info = group_info.ok_or_else(|| StageError::internal("no GroupInfo"))?;
        let bundle = CommitBundle {
            commit: wire(&commit)?,
            welcome: None,
            group_info: GroupInfoOption::Full(wire(&group_info)?),
            ratchet_tree: RatchetTreeOption::DistributionService,
        };
        Ok((Self::new(group, pieces, view)?, bundle))
    }
}

/// Proves every member's identity. One whose certificate has expired since it came in stays a
/// member for everybody else, and so for us.
fn prove_members(
    group: &PublicGroup,
    issuers: &Issuers,
    now_ms: u64,
) -> Result<Vec<ClientView>, StageError> {
    for leaf in group.export_ratchet_tree().leaves() {
        check_leaf(leaf, group.group_context())?;
    }
    let identify: Identify<'_> = &|credential, signature_key| {
        prove(credential, signature_key, issuers, Validity::MayHaveExpired(now_ms))
    };
    clients(group, identify)
}

/// The epoch's SelfRemoves with the leaves they remove; all else dies with the epoch (AMB-UPD-9).
fn self_removes(pending: &[PendingProposal]) -> Vec<(u32, PublicMessageIn)> {
    let self_remove = |pending: &PendingProposal| {
        let frame = PublicFrame::parse(&pending.proposal).ok()?;
        let FrameBody::Proposal(kind) = frame.body else { return None };
        let (ProposalIn::SelfRemove, FrameSender::Member(leaf)) = (*kind, frame.sender) else {
            return None;
        };
        match pending.proposal.parsed().clone().extract() {
            MlsMessageBodyIn::PublicMessage(message) => Some((leaf, message)),
            _ => None,
        }
    };
    pending.iter().filter_map(self_remove).collect()
}

/// Whether a Remove is made superfluous by a SelfRemove of the same leaf. Together they would be
/// invalid (and the library asserts that we do not try).
pub(super) fn replaced(queued: &QueuedProposal, leavers: &[u32]) -> bool {
    match queued.proposal() {
        Proposal::Remove(remove) => leavers.contains(&remove.removed().u32()),
        _ => false,
    }
}

fn full_tree(tree: &RatchetTreeOption) -> Result<RatchetTreeIn, StageError> {
    match tree {
        RatchetTreeOption::Full(tree) => Ok(tree.parsed().clone()),
        // RTO-2, AMB-RTO-5: which hosts may be asked for a tree, no group can say yet.
        RatchetTreeOption::HttpsUri { .. } => {
            Err(StageError::invalid("a ratchet tree is not fetched from elsewhere"))
        }
        _ => Err(StageError::invalid("the ratchet tree did not come along")),
    }
}

/// AMB-UPD-5.
fn refuse_embedded_tree(embedded: bool) -> Result<(), StageError> {
    match embedded {
        true => Err(StageError::invalid("a GroupInfo must not embed the ratchet tree")),
        false => Ok(()),
    }
}
