//! Verified proposals and commits in the terms of the room.
//!
//! Hub and members read a commit by the same functions, so that they agree on what it does.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::{
    Actor, ClientIdentity, ClientView, LeafIndex, ProposedChange, RoomView, StagedChange,
    StagedProposal, participant_list,
};
use mimi_wire::MimiUri;
use mimi_wire::registry::extension_type::REQUIRED_WIRE_FORMATS;
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::room::preauth::Claim;
use openmls::group::{GroupContext, PublicGroup, QueuedProposal, StagedCommit};
use openmls::messages::proposals::{Proposal, ProposalOrRefType};
use openmls::prelude::{Credential, LeafNode, LeafNodeIndex, ProposalIn, ProposalOrRefIn, Sender};
use openmls_rust_crypto::RustCrypto;

use crate::components;
use crate::context::{
    check_leaf, check_requirements, check_wire_formats, external_sender, hub_sender, room_view_with,
};
use crate::error::StageError;
use crate::framing::FrameSender;
use crate::identity::{IdentityError, claim_of, claims_of};

/// How credentials of incoming leaves are proven, or read where they have been proven before.
pub(crate) type Identify<'a> =
    &'a dyn Fn(&Credential, &[u8]) -> Result<ClientIdentity, IdentityError>;

/// The state a change was written against.
#[derive(Clone, Copy)]
pub(crate) struct Epoch<'a> {
    pub(crate) view: &'a RoomView,
    pub(crate) group: &'a PublicGroup,
    pub(crate) identify: Identify<'a>,
}

/// A verified commit in the terms of the room.
#[derive(Debug)]
pub(crate) struct CommitReading {
    pub(crate) change: StagedChange,
    /// The room once merged.
    pub(crate) after: RoomView,
    /// Clients added, with their KeyPackageRefs, in commit order.
    pub(crate) added: Vec<(ClientIdentity, Vec<u8>)>,
    /// Leaves that go.
    pub(crate) removed: Vec<LeafIndex>,
    /// The committer's leaf, before and after; of a joiner, the new one.
    pub(crate) committer: LeafIndex,
    /// The committer's signature key in the new epoch.
    pub(crate) committer_key: Vec<u8>,
}

/// For credentials that have been proven when they came into the group.
pub(crate) fn already_proven(
    credential: &Credential,
    _signature_key: &[u8],
) -> Result<ClientIdentity, IdentityError> {
    claim_of(credential)
}

/// All members of a group, by ascending leaf.
pub(crate) fn clients(
    group: &PublicGroup,
    identify: Identify<'_>,
) -> Result<Vec<ClientView>, StageError> {
    let client = |member: openmls::prelude::Member| {
        let identity = identify(&member.credential, &member.signature_key)?;
        Ok(client_view(member.index.u32(), identity))
    };
    group.members().map(client).collect()
}

/// The claims of the members who change the participant list, by leaf (POLICY-CAP-ROLE-2). Their
/// credentials were proven when they came in; hub and members read the same tree, so they agree.
pub(crate) fn claims_of_senders<'a>(
    group: &PublicGroup,
    proposals: impl IntoIterator<Item = &'a StagedProposal>,
) -> BTreeMap<LeafIndex, Vec<Claim>> {
    let senders =
        proposals.into_iter().filter_map(|proposal| match (&proposal.sender, &proposal.change) {
            (Actor::Member { leaf, .. }, ProposedChange::ParticipantList(_)) => Some(*leaf),
            _ => None,
        });
    let senders: BTreeSet<LeafIndex> = senders.collect();
    let claims = |leaf: LeafIndex| {
        let node = group.leaf(LeafNodeIndex::new(leaf))?;
        Some((leaf, claim_of(node.credential()).ok()?.claims))
    };
    senders.into_iter().filter_map(claims).collect()
}

/// Reads one proposal. `joiner` is who makes an external commit.
pub(crate) fn read_proposal(
    epoch: Epoch<'_>,
    queued: &QueuedProposal,
    joiner: Option<&ClientIdentity>,
) -> Result<StagedProposal, StageError> {
    let reference = reference_of(queued);
    let fault = |reason: &str| StageError::proposal(reference.as_deref(), reason);
    let sender = match (queued.sender(), queued.proposal()) {
        // Who asks to be added proves itself by the KeyPackage it offers.
        (Sender::NewMemberProposal, Proposal::Add(add)) => {
            Actor::Joiner(identify_leaf(epoch, add.key_package().leaf_node())?)
        }
        (sender, _) => actor(epoch, sender, joiner)?,
    };
    let change = match queued.proposal() {
        Proposal::Add(add) => {
            let leaf = add.key_package().leaf_node();
            check_leaf(leaf, epoch.group.group_context())?;
            ProposedChange::AddClient(identify_leaf(epoch, leaf)?)
        }
        Proposal::Remove(remove) => {
            let leaf = remove.removed().u32();
            if epoch.view.client_at(leaf).is_none() {
                return Err(fault("nobody is at the leaf to remove"));
            }
            ProposedChange::RemoveClient(leaf)
        }
        Proposal::SelfRemove => ProposedChange::SelfRemove,
        Proposal::Update(update) => {
            let Sender::Member(leaf) = queued.sender() else {
                return Err(fault("only members have a leaf to update"));
            };
            check_same_client(epoch, *leaf, update.leaf_node())?;
            ProposedChange::UpdateOwnLeaf
        }
        Proposal::ExternalInit(_) => {
            let joiner = joiner.ok_or_else(|| fault("ExternalInit outside an external commit"))?;
            ProposedChange::ExternalJoin(joiner.clone())
        }
        Proposal::AppDataUpdate(update) => components::read(update, reference.as_deref())?,
        Proposal::GroupContextExtensions(proposed) => {
            // Every room requires AppDataUpdate (AMB-ST-6). Found out here, before a proposal that
            // no commit can include waits for one.
            let current = epoch.group.group_context().extensions().app_data_dictionary();
            if proposed.extensions().app_data_dictionary() != current {
                return Err(fault("the dictionary changes by AppDataUpdate only (MLSX-4)"));
            }
            ProposedChange::GroupContextExtensions
        }
        Proposal::ReInit(_) => ProposedChange::ReInit,
        Proposal::PreSharedKey(_) => ProposedChange::PreSharedKey,
        Proposal::AppEphemeral(_) => {
            return Err(fault("no component here takes ephemeral data (MLSX-5)"));
        }
        Proposal::Custom(_) => ProposedChange::Unknown(queued.proposal().proposal_type().into()),
    };
    Ok(StagedProposal { sender, reference, change })
}

/// What a commit lists, looked at before the library does: to it an inline SelfRemove is one like
/// any other.
pub(crate) fn check_listed(listed: &[ProposalOrRefIn]) -> Result<(), StageError> {
    let is_inline_self_remove = |listed: &ProposalOrRefIn| match listed {
        ProposalOrRefIn::Proposal(proposal) => **proposal == ProposalIn::SelfRemove,
        ProposalOrRefIn::Reference(_) => false,
    };
    if listed.iter().any(is_inline_self_remove) {
        return Err(StageError::proposal(None, "SelfRemove comes by reference only (MLSX-6)"));
    }
    Ok(())
}

/// Reads a staged commit and checks what the library leaves to the application.
pub(crate) fn read_commit(
    epoch: Epoch<'_>,
    staged: &StagedCommit,
    sender: &Sender,
) -> Result<CommitReading, StageError> {
    let path_leaf = staged.update_path_leaf_node();
    let (committer, joiner) = committer(epoch, staged, sender, path_leaf)?;
    let cached = Epoch { identify: &already_proven, ..epoch };
    let read = |queued: &QueuedProposal| {
        // Proven when it was cached; its certificate may have expired since.
        let by_reference = queued.proposal_or_ref_type() == ProposalOrRefType::Reference;
        read_proposal(if by_reference { cached } else { epoch }, queued, joiner.as_ref())
    };
    let proposals = staged.queued_proposals().map(read);
    let proposals = proposals.collect::<Result<Vec<_>, _>>()?;
    let actor = match &joiner {
        Some(identity) => Actor::Joiner(identity.clone()),
        None => actor(epoch, sender, None)?,
    };
    if let Some(identity) = &joiner {
        check_resync(epoch, &proposals, identity)?;
    }
    let removed = removed_leaves(&proposals)?;
    if joiner.is_none() && removed.contains(&committer) {
        // The library looks for Remove only.
        return Err(StageError::proposal(None, "a committer cannot remove itself"));
    }
    let added = added_clients(staged, &proposals)?;
    let newcomers = added.iter().map(|(identity, _)| identity).chain(&joiner).cloned();
    let newcomers: Vec<ClientIdentity> = newcomers.collect();
    check_once(epoch.view, &removed, &newcomers)?;
    let clients = clients_after(epoch.view, &removed, newcomers.into_iter());
    let after = room_view_after(epoch.view, &proposals, staged.group_context(), clients)?;
    check_after(epoch, &after, staged.group_context())?;
    let own_leaf = epoch.group.leaf(LeafNodeIndex::new(committer));
    let committer_key = path_leaf.or(own_leaf).map(|leaf| leaf.signature_key().as_slice().to_vec());
    let committer_key = committer_key.ok_or_else(|| StageError::invalid("no such committer"))?;
    let change = StagedChange { epoch: epoch.view.epoch, committer: Some(actor), proposals };
    Ok(CommitReading { change, after, added, removed, committer, committer_key })
}

/// Who committed: its leaf, and its identity when it joins by this commit.
fn committer(
    epoch: Epoch<'_>,
    staged: &StagedCommit,
    sender: &Sender,
    path_leaf: Option<&LeafNode>,
) -> Result<(LeafIndex, Option<ClientIdentity>), StageError> {
    match sender {
        Sender::Member(leaf) => {
            if let Some(path_leaf) = path_leaf {
                check_leaf(path_leaf, epoch.group.group_context())?;
                check_same_client(epoch, *leaf, path_leaf)?;
            }
            Ok((leaf.u32(), None))
        }
        Sender::NewMemberCommit => {
            let missing = || StageError::invalid("an external commit without a path");
            let path_leaf = path_leaf.ok_or_else(missing)?;
            check_leaf(path_leaf, epoch.group.group_context())?;
            let identity = identify_leaf(epoch, path_leaf)?;
            let leaf = epoch.group.ext_commit_sender_index(staged).map_err(StageError::invalid)?;
            Ok((leaf.u32(), Some(identity)))
        }
        _ => Err(StageError::invalid("servers do not commit (ARCH-2, PROTO-ST-7)")),
    }
}

fn actor(
    epoch: Epoch<'_>,
    sender: &Sender,
    joiner: Option<&ClientIdentity>,
) -> Result<Actor, StageError> {
    match (FrameSender::of(sender)?, joiner) {
        (FrameSender::Member(leaf), _) => {
            let client = epoch.view.client_at(leaf);
            let client = client.ok_or_else(|| StageError::invalid("the sender is no member"))?;
            Ok(Actor::Member { leaf, user: client.user.clone() })
        }
        (FrameSender::External(index), _) => {
            let (_, credential) = external_sender(epoch.group.group_context(), index)?;
            Ok(Actor::ExternalSender { index, claims: claims_of(&credential) })
        }
        (FrameSender::NewMemberCommit, Some(identity)) => Ok(Actor::Joiner(identity.clone())),
        _ => Err(StageError::invalid("a new member may only ask to be added, or commit")),
    }
}

fn identify_leaf(epoch: Epoch<'_>, leaf: &LeafNode) -> Result<ClientIdentity, StageError> {
    Ok((epoch.identify)(leaf.credential(), leaf.signature_key().as_slice())?)
}

/// A leaf may renew its keys and its credential; whose it is never changes (AMB-ID-4).
fn check_same_client(
    epoch: Epoch<'_>,
    leaf: LeafNodeIndex,
    renewed: &LeafNode,
) -> Result<(), StageError> {
    let identity = identify_leaf(epoch, renewed)?;
    let current = epoch.view.client_at(leaf.u32());
    if current.is_some_and(|it| it.user == identity.user && it.client == identity.client) {
        return Ok(());
    }
    Err(StageError::invalid(format!("leaf {} would become {}", leaf.u32(), identity.client)))
}

/// A joiner may take out one leaf inline, and only an older one of its own (RFC 9420 section
/// 12.4.3.2 leaves the comparison to the application).
fn check_resync(
    epoch: Epoch<'_>,
    proposals: &[StagedProposal],
    joiner: &ClientIdentity,
) -> Result<(), StageError> {
    let inline = proposals.iter().filter(|proposal| proposal.reference.is_none());
    for proposal in inline {
        let ProposedChange::RemoveClient(leaf) = proposal.change else { continue };
        let old = epoch.view.client_at(leaf);
        if !old.is_some_and(|old| old.user == joiner.user && old.client == joiner.client) {
            let reason = format!("a joiner may not remove leaf {leaf}, which is not its own");
            return Err(StageError::proposal(None, reason));
        }
    }
    Ok(())
}

/// By ascending index. A leaf goes by one proposal only: a Remove beside a SelfRemove of the same
/// leaf makes a commit invalid (mls-extensions section 5, AMB-UPD-11).
fn removed_leaves(proposals: &[StagedProposal]) -> Result<Vec<LeafIndex>, StageError> {
    let mut removed = BTreeSet::new();
    for proposal in proposals {
        let leaf = match (&proposal.change, &proposal.sender) {
            (ProposedChange::RemoveClient(leaf), _) => *leaf,
            (ProposedChange::SelfRemove, Actor::Member { leaf, .. }) => *leaf,
            _ => continue,
        };
        if !removed.insert(leaf) {
            let reason = format!("leaf {leaf} would be removed twice");
            return Err(StageError::proposal(proposal.reference.as_deref(), reason));
        }
    }
    Ok(removed.into_iter().collect())
}

fn added_clients(
    staged: &StagedCommit,
    proposals: &[StagedProposal],
) -> Result<Vec<(ClientIdentity, Vec<u8>)>, StageError> {
    let crypto = RustCrypto::default();
    let mut added = Vec::new();
    for (queued, proposal) in staged.queued_proposals().zip(proposals) {
        let (Proposal::Add(add), ProposedChange::AddClient(identity)) =
            (queued.proposal(), &proposal.change)
        else {
            continue;
        };
        let reference = add.key_package().hash_ref(&crypto).map_err(StageError::internal)?;
        added.push((identity.clone(), reference.as_slice().to_vec()));
    }
    Ok(added)
}

/// New leaves take the leftmost places that are free once the removals are done (RFC 9420
/// section 12.1.1).
fn clients_after(
    view: &RoomView,
    removed: &[LeafIndex],
    newcomers: impl Iterator<Item = ClientIdentity>,
) -> Vec<ClientView> {
    let stays = |client: &&ClientView| !removed.contains(&client.leaf);
    let mut clients: Vec<ClientView> = view.clients.iter().filter(stays).cloned().collect();
    let mut place = 0;
    for identity in newcomers {
        // Clients are in order of their leaves: the first gap is where a position differs.
        while clients.get(place).is_some_and(|client| is_at(client, place)) {
            place += 1;
        }
        let leaf = LeafIndex::try_from(place).unwrap_or(LeafIndex::MAX);
        clients.insert(place, client_view(leaf, identity));
    }
    clients
}

fn is_at(client: &ClientView, place: usize) -> bool {
    usize::try_from(client.leaf) == Ok(place)
}

fn client_view(leaf: LeafIndex, identity: ClientIdentity) -> ClientView {
    ClientView { leaf, user: identity.user, client: identity.client }
}

/// No client is in the group twice: of whoever was there once, only newcomers can make it two.
fn check_once(
    view: &RoomView,
    removed: &[LeafIndex],
    newcomers: &[ClientIdentity],
) -> Result<(), StageError> {
    let clients: BTreeSet<&MimiUri> = newcomers.iter().map(|identity| &identity.client).collect();
    let stays = |client: &&ClientView| !removed.contains(&client.leaf);
    let is_there = |client: &ClientView| clients.contains(&client.client);
    if clients.len() == newcomers.len() && !view.clients.iter().filter(stays).any(is_there) {
        return Ok(());
    }
    Err(StageError::proposal(None, "a client would be in the group twice"))
}

/// The room in the epoch that a commit leads to. The participant list is the longest part of it: it
/// is what the updates make of the epoch's list, as it stands in the new group context, and needs
/// not be read from there again.
fn room_view_after(
    view: &RoomView,
    proposals: &[StagedProposal],
    context: &GroupContext,
    clients: Vec<ClientView>,
) -> Result<RoomView, StageError> {
    let updates = proposals.iter().filter_map(|proposal| match &proposal.change {
        ProposedChange::ParticipantList(update) => Some(update.clone()),
        _ => None,
    });
    let updates: Vec<ParticipantListUpdate> = updates.collect();
    let participants = match updates.as_slice() {
        [] => view.participants.clone(),
        updates => participant_list::apply(&view.participants, updates)?,
    };
    room_view_with(context, participants, clients)
}

/// What must hold of every epoch, whatever a commit does.
fn check_after(
    epoch: Epoch<'_>,
    after: &RoomView,
    context: &GroupContext,
) -> Result<(), StageError> {
    // AMB-RM-1: the room of a group never changes, nor does its hub.
    if after.room() != epoch.view.room() {
        return Err(StageError::proposal(None, "room_uri never changes"));
    }
    if hub_sender(context)? != hub_sender(epoch.group.group_context())? {
        return Err(StageError::proposal(None, "the hub stays the first external sender"));
    }
    check_wire_formats_of_all(epoch, context)?;
    check_requirements(context, after)
}

/// MLSX-11: what becomes required, everybody in the group must support.
fn check_wire_formats_of_all(epoch: Epoch<'_>, context: &GroupContext) -> Result<(), StageError> {
    let before = epoch.group.group_context().extensions().unknown(REQUIRED_WIRE_FORMATS);
    if context.extensions().unknown(REQUIRED_WIRE_FORMATS) == before {
        return Ok(());
    }
    let tree = epoch.group.treesync().export_ratchet_tree();
    tree.leaves().try_for_each(|leaf| check_wire_formats(leaf, context))
}

/// The reference of a proposal by reference; inline ones have none (AMB-UPD-7).
pub(crate) fn reference_of(queued: &QueuedProposal) -> Option<Vec<u8>> {
    match queued.proposal_or_ref_type() {
        ProposalOrRefType::Reference => Some(queued.proposal_reference_ref().as_slice().to_vec()),
        ProposalOrRefType::Proposal => None,
    }
}

/// The leaf that a SelfRemove takes out.
pub(crate) fn leaver(queued: &QueuedProposal) -> Option<LeafIndex> {
    match (queued.proposal(), queued.sender()) {
        (Proposal::SelfRemove, Sender::Member(leaf)) => Some(leaf.u32()),
        _ => None,
    }
}
