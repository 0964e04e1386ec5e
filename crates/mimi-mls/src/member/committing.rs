//! Making commits and proposals.

use std::collections::BTreeSet;

use mimi_policy::{RoomView, StagedChange};
use mimi_wire::Wire;
use mimi_wire::component::{
    BASE_ROOM_POLICY, JOIN_LINKS, PARTICIPANT_LIST, PREAUTH_LIST, ROLES_LIST, ROOM_METADATA,
};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::ratchet_tree::{GroupInfoOption, RatchetTreeOption};
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle};
use mimi_wire::room::participant_list::ParticipantListUpdate;
use openmls::group::{Propose, QueuedProposal};
use openmls::messages::proposals::{AppDataUpdateProposal, Proposal, ProposalOrRefType};
use openmls::prelude::{LeafNodeIndex, MlsMessageOut, Sender};
use rand::CryptoRng;

use super::{CommitPlan, MemberGroup, wire};
use crate::changes::{CommitReading, already_proven, leaver, read_commit};
use crate::components;
use crate::device::Device;
use crate::error::StageError;
use crate::key_package;
use crate::provider::{Provider, Seeded};

impl MemberGroup {
    /// Builds a commit of the plan and of every pending proposal; it stays pending until the hub
    /// answers: [`accept_pending`](Self::accept_pending) or [`drop_pending`](Self::drop_pending).
    pub fn commit(
        &mut self,
        device: &Device,
        plan: &CommitPlan,
        rng: &mut impl CryptoRng,
        now_ms: u64,
    ) -> Result<(CommitBundle, StagedChange), StageError> {
        if self.has_pending() {
            return Err(StageError::invalid("a commit already waits for the hub's answer"));
        }
        let bundle = self.build_commit(device, plan, rng, now_ms)?;
        match self.read_pending() {
            Ok(reading) => Ok((bundle, reading.change)),
            // It would be refused: better here than at the hub.
            Err(error) => {
                self.drop_pending()?;
                Err(error)
            }
        }
    }

    /// Proposals to leave: list change, Remove of own other clients, SelfRemove (AMB-UPD-9). Where
    /// the participants are fixed the list stays as it is (POLICY-BASE-1).
    ///
    /// They count once they come back from the hub, like anybody else's.
    pub fn leave(&mut self, device: &Device) -> Result<ProposalBundle, StageError> {
        if self.has_pending() {
            return Err(StageError::invalid("a commit already waits for the hub's answer"));
        }
        // Signatures are deterministic: in one epoch a second bundle would be the first again.
        if leavers(self).contains(&self.own_leaf()) {
            return Err(StageError::invalid("the hub has our proposals to leave already"));
        }
        let mut proposals = Vec::new();
        let own = self.view.client_at(self.own_leaf()).cloned();
        let own = own.ok_or_else(|| StageError::invalid("no longer a member"))?;
        let fixed = self.view.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership);
        let mut listed = self.view.participants.participants.iter();
        let index = listed.position(|listed| !fixed && listed.user == own.user);
        if let Some(index) = index.and_then(|index| u32::try_from(index).ok()) {
            let update =
                ParticipantListUpdate { removed_indices: vec![index], ..Default::default() };
            let update = Propose::UpdateAppDataComponent {
                component_id: PARTICIPANT_LIST,
                update: update.encode(),
            };
            proposals.push(self.propose(device, update)?);
        }
        let others = self.view.clients_of(&own.user).filter(|client| client.leaf != own.leaf);
        for leaf in others.map(|client| client.leaf).collect::<Vec<_>>() {
            proposals.push(self.propose(device, Propose::Remove(leaf))?);
        }
        proposals.push(self.propose_self_remove(device)?);
        let mut proposals = proposals.into_iter();
        let proposal = proposals.next().ok_or_else(|| StageError::internal("no proposal"))?;
        Ok(ProposalBundle { proposal, more_proposals: proposals.collect() })
    }

    /// The proposal to take this client alone out, whatever becomes of the user's other ones.
    pub fn leave_alone(&mut self, device: &Device) -> Result<ProposalBundle, StageError> {
        if self.has_pending() || leavers(self).contains(&self.own_leaf()) {
            return Err(StageError::invalid("something of ours waits for the hub already"));
        }
        let proposal = self.propose_self_remove(device)?;
        Ok(ProposalBundle { proposal, more_proposals: Vec::new() })
    }

    /// The hub accepted our commit. Whoever accepts several without receiving what the hub had
    /// before them runs away from late messages: those of three epochs back can still be read.
    pub fn accept_pending(&mut self) -> Result<(), StageError> {
        let CommitReading { after, .. } = self.read_pending()?;
        let provider = Provider { crypto: &self.crypto, rand: &self.crypto, pieces: &self.pieces };
        self.group.merge_pending_commit(&provider).map_err(StageError::internal)?;
        self.advance(after);
        Ok(())
    }

    /// The hub refused our commit, or another one won.
    pub fn drop_pending(&mut self) -> Result<(), StageError> {
        self.group.clear_pending_commit(&self.pieces).map_err(StageError::internal)
    }

    /// What our pending commit does. Its KeyPackages have been proven by who planned it, all else
    /// when it came in.
    fn read_pending(&self) -> Result<CommitReading, StageError> {
        let staged = self.group.pending_commit();
        let staged = staged.ok_or_else(|| StageError::invalid("no commit of ours is pending"))?;
        let sender = Sender::Member(self.group.own_leaf_index());
        read_commit(self.epoch(&already_proven), staged, &sender)
    }

    fn build_commit(
        &mut self,
        device: &Device,
        plan: &CommitPlan,
        rng: &mut impl CryptoRng,
        now_ms: u64,
    ) -> Result<CommitBundle, StageError> {
        let added = plan.add.iter().map(|key_package| key_package::verify(key_package, now_ms));
        let added = added.collect::<Result<Vec<_>, _>>()?;
        let own_updates = own_updates(plan, &self.view)?;
        let selection = Selection::of(self, now_ms);
        let pending = self.group.pending_proposals().filter(|queued| selection.includes(queued));
        let pending = pending.filter_map(|queued| match queued.proposal() {
            Proposal::AppDataUpdate(update) => Some(update.as_ref()),
            _ => None,
        });
        let updates = components::resolve(&self.view, pending.chain(&own_updates))?;
        let removed = plan.remove.iter().filter(|leaf| !selection.leavers.contains(leaf));
        let removed: Vec<_> = removed.map(|leaf| LeafNodeIndex::new(*leaf)).collect();
        let rand = Seeded::from_rng(rng);
        let provider = Provider { crypto: &self.crypto, rand: &rand, pieces: &self.pieces };
        let wrapped = own_updates.into_iter().map(|it| Proposal::AppDataUpdate(Box::new(it)));
        let mut builder = self
            .group
            .commit_builder()
            .consume_proposal_store(true)
            .propose_adds(added)
            .propose_removals(removed)
            .add_proposals(wrapped)
            .load_psks(&self.pieces)
            .map_err(StageError::internal)?
            .create_group_info(true)
            .use_ratchet_tree_extension(false);
        builder.with_app_data_dictionary_updates(updates);
        let (commit, welcome, group_info) = builder
            .build(&rand, &self.crypto, device.signer(), |queued| selection.includes(queued))
            .map_err(|error| StageError::proposal(None, error))?
            .stage_commit(&provider)
            .map_err(StageError::internal)?
            .into_contents();
        let group_info = group_info.ok_or_else(|| StageError::internal("no GroupInfo"))?;
        Ok(CommitBundle {
            commit: wire(&commit)?,
            welcome: welcome.as_ref().map(wire).transpose()?,
            group_info: GroupInfoOption::Full(wire(&group_info)?),
            ratchet_tree: RatchetTreeOption::DistributionService,
        })
    }

    fn propose(&mut self, device: &Device, propose: Propose) -> Result<MlsMessage, StageError> {
        let provider = Provider { crypto: &self.crypto, rand: &self.crypto, pieces: &self.pieces };
        let by_reference = ProposalOrRefType::Reference;
        let (message, _) = self
            .group
            .propose(&provider, device.signer(), propose, by_reference)
            .map_err(StageError::invalid)?;
        self.sent(&message)
    }

    fn propose_self_remove(&mut self, device: &Device) -> Result<MlsMessage, StageError> {
        let provider = Provider { crypto: &self.crypto, rand: &self.crypto, pieces: &self.pieces };
        let message = self.group.leave_group_via_self_remove(&provider, device.signer());
        self.sent(&message.map_err(StageError::invalid)?)
    }

    /// The library queues a proposal as soon as it is made; for us it counts when the hub has
    /// accepted it and it comes back.
    fn sent(&mut self, message: &MlsMessageOut) -> Result<MlsMessage, StageError> {
        let last = self.group.pending_proposals().last();
        let last = last.ok_or_else(|| StageError::internal("the proposal was not queued"))?;
        let reference = last.proposal_reference_ref().clone();
        self.group
            .remove_pending_proposal(&self.pieces, &reference)
            .map_err(StageError::internal)?;
        wire(message)
    }
}

/// Members whose SelfRemove is pending.
fn leavers(member: &MemberGroup) -> BTreeSet<u32> {
    member.group.pending_proposals().filter_map(leaver).collect()
}

/// Which pending proposals a commit of ours can include.
struct Selection {
    own_leaf: u32,
    leavers: BTreeSet<u32>,
    now_ms: u64,
}

impl Selection {
    fn of(member: &MemberGroup, now_ms: u64) -> Self {
        Self { own_leaf: member.own_leaf(), leavers: leavers(member), now_ms }
    }

    /// Not what removes ourselves (the hub will say so), nor anything else we have proposed in
    /// order to leave; not a Remove or an Update of who leaves by SelfRemove; not an Add that
    /// expires, which the library refuses to commit.
    fn includes(&self, queued: &QueuedProposal) -> bool {
        let sender = match queued.sender() {
            Sender::Member(leaf) => Some(leaf.u32()),
            _ => None,
        };
        let by_value = queued.proposal_or_ref_type() == ProposalOrRefType::Proposal;
        let we_leave = self.leavers.contains(&self.own_leaf);
        if !by_value && we_leave && sender == Some(self.own_leaf) {
            return false;
        }
        match queued.proposal() {
            Proposal::Remove(remove) => {
                let leaf = remove.removed().u32();
                leaf != self.own_leaf && !self.leavers.contains(&leaf)
            }
            Proposal::Add(add) if !by_value => {
                !key_package::is_left_out(add.key_package(), self.now_ms)
            }
            Proposal::Update(_) => sender.is_none_or(|leaf| !self.leavers.contains(&leaf)),
            _ => true,
        }
    }
}

/// The plan's changes to the room, as proposals.
fn own_updates(
    plan: &CommitPlan,
    view: &RoomView,
) -> Result<Vec<AppDataUpdateProposal>, StageError> {
    let mut updates = Vec::new();
    if let Some(participants) = &plan.participants {
        updates.push(AppDataUpdateProposal::update(PARTICIPANT_LIST, participants.encode()));
    }
    if let Some(metadata) = &plan.metadata {
        if metadata.room_uri != view.metadata.room_uri {
            return Err(StageError::proposal(None, "room_uri never changes"));
        }
        updates.push(AppDataUpdateProposal::update(ROOM_METADATA, metadata.encode()));
    }
    if let Some(links) = &plan.join_links {
        updates.push(AppDataUpdateProposal::update(JOIN_LINKS, links.encode()));
    }
    let mut update = |id, value| updates.push(AppDataUpdateProposal::update(id, value));
    if let Some(roles) = &plan.roles {
        update(ROLES_LIST, roles.encode());
    }
    if let Some(preauth) = &plan.preauth {
        update(PREAUTH_LIST, preauth.encode());
    }
    if let Some(base_policy) = &plan.base_policy {
        update(BASE_ROOM_POLICY, base_policy.encode());
    }
    updates.extend(plan.components.iter().map(|(id, value)| match value {
        Some(value) => AppDataUpdateProposal::update(*id, value.clone()),
        None => AppDataUpdateProposal::remove(*id),
    }));
    Ok(updates)
}
