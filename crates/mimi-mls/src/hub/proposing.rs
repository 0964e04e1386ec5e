//! What the hub itself proposes, as the first external sender (PROTO-NTF-3).
//!
//! The library's own builder leaves the authenticated data empty, which is malformed in a group
//! with `safe_aad` (AMB-FRK-13), so the messages are put together here.

use mimi_policy::{LeafIndex, RoomView};
use mimi_wire::Wire;
use mimi_wire::codec::Writer;
use mimi_wire::component::PARTICIPANT_LIST;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::update::ProposalBundle;
use mimi_wire::room::participant_list::ParticipantListUpdate;
use openmls::messages::proposals::{AppDataUpdateProposal, Proposal};
use tls_codec::Serialize as _;

use super::{HubGroup, StagedCommit};
use crate::error::StageError;
use crate::external_update::{EMPTY_SAFE_AAD, takes_list_changes};
use crate::framing::PUBLIC_MESSAGE_HEADER;
use crate::hub_keys::HubKeys;

const SENDER_TYPE_EXTERNAL: u8 = 2;
/// The hub is the first of the `external_senders` (AMB-ST-1).
const HUB_SENDER_INDEX: u32 = 0;
const CONTENT_TYPE_PROPOSAL: u8 = 2;
const PROPOSAL_TYPE_REMOVE: u16 = 3;
const PROPOSAL_TYPE_APP_DATA_UPDATE: u16 = 8;

/// What a hub proposes in one bundle.
#[derive(Clone, Copy, Debug, Default)]
pub struct HubProposals<'a> {
    /// Leaves to remove.
    pub remove: &'a [LeafIndex],
    /// The list change that goes with it. To be asked for only where every member takes it:
    /// [`HubGroup::takes_list_changes`].
    pub participants: Option<&'a ParticipantListUpdate>,
}

impl HubGroup {
    /// Proposals for the current epoch; to be staged like anybody else's.
    pub fn propose(
        &self,
        keys: &HubKeys,
        wanted: HubProposals<'_>,
    ) -> Result<ProposalBundle, StageError> {
        self.propose_in(keys, &self.view, wanted)
    }

    /// Proposals for the epoch that a commit leads to, to be stapled to it (PROTO-NTF-4).
    pub fn propose_after(
        &self,
        keys: &HubKeys,
        commit: &StagedCommit,
        wanted: HubProposals<'_>,
    ) -> Result<ProposalBundle, StageError> {
        self.propose_in(keys, &commit.after, wanted)
    }

    /// Whether every member takes list changes that the hub proposes.
    pub fn takes_list_changes(&self) -> bool {
        self.group.treesync().export_ratchet_tree().leaves().all(takes_list_changes)
    }

    /// The same of the members once a commit is merged.
    pub fn takes_list_changes_after(&self, commit: &StagedCommit) -> bool {
        let stays = |leaf: &LeafIndex| !commit.removed.contains(leaf);
        let members = self.view.clients.iter().map(|client| client.leaf).filter(stays);
        let mut members =
            members.map(|leaf| self.group.leaf(openmls::prelude::LeafNodeIndex::new(leaf)));
        let newcomer = |proposal: &Proposal| match proposal {
            Proposal::Add(add) => takes_list_changes(add.key_package().leaf_node()),
            _ => true,
        };
        members.all(|leaf| leaf.is_some_and(takes_list_changes))
            && commit.staged.update_path_leaf_node().is_none_or(takes_list_changes)
            && commit.staged.queued_proposals().all(|queued| newcomer(queued.proposal()))
    }

    fn propose_in(
        &self,
        keys: &HubKeys,
        view: &RoomView,
        wanted: HubProposals<'_>,
    ) -> Result<ProposalBundle, StageError> {
        let mut messages = Vec::new();
        for leaf in wanted.remove {
            if view.client_at(*leaf).is_none() {
                return Err(StageError::invalid(format!("nobody is at leaf {leaf}")));
            }
            let mut proposal = Writer::default();
            proposal.u16(PROPOSAL_TYPE_REMOVE);
            proposal.u32(*leaf);
            messages.push(self.sign(keys, view.epoch, &proposal.into_octets())?);
        }
        if let Some(update) = wanted.participants {
            let update = AppDataUpdateProposal::update(PARTICIPANT_LIST, update.encode());
            let update = update.tls_serialize_detached().map_err(StageError::internal)?;
            let mut proposal = Writer::default();
            proposal.u16(PROPOSAL_TYPE_APP_DATA_UPDATE);
            proposal.raw(&update);
            messages.push(self.sign(keys, view.epoch, &proposal.into_octets())?);
        }
        let mut messages = messages.into_iter();
        let proposal = messages.next().ok_or_else(|| StageError::invalid("nothing to propose"))?;
        Ok(ProposalBundle { proposal, more_proposals: messages.collect() })
    }

    fn sign(&self, keys: &HubKeys, epoch: u64, proposal: &[u8]) -> Result<MlsMessage, StageError> {
        let mut message = Writer::default();
        message.raw(&PUBLIC_MESSAGE_HEADER);
        message.opaque(self.group_id());
        message.u64(epoch);
        message.u8(SENDER_TYPE_EXTERNAL);
        message.u32(HUB_SENDER_INDEX);
        // An empty SafeAAD is an empty vector, not nothing.
        message.opaque(if self.context().safe_aad_required() { EMPTY_SAFE_AAD } else { &[] });
        message.u8(CONTENT_TYPE_PROPOSAL);
        message.raw(proposal);
        let signed = message.into_octets();
        let signature = keys.sign_with_label("FramedContentTBS", &signed);
        let mut whole = Writer::default();
        whole.raw(&signed);
        whole.opaque(&signature);
        MlsMessage::decode(&whole.into_octets()).map_err(StageError::internal)
    }
}
