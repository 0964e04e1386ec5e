//! Verifying updates against the hub's state of a group.

use std::collections::BTreeSet;

use mimi_policy::{LeafIndex, ProposedChange, StagedChange};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle};
use openmls::messages::proposals::Proposal;
use openmls::prelude::{
    MlsMessageBodyIn, ProcessedMessage, ProcessedMessageContent, ProtocolMessage, Sender,
};
use openmls_rust_crypto::RustCrypto;

use super::group_info::NewEpoch;
use super::{HubGroup, QueuedProposal, StagedCommit, StagedProposals, tree, welcome};
use crate::changes::{
    CommitReading, Epoch, Identify, check_listed, leaver, read_commit, read_proposal, reference_of,
};
use crate::components;
use crate::context::check_authenticated_data;
use crate::error::StageError;
use crate::external_update;
use crate::framing::{FrameBody, PublicFrame};
use crate::key_package::may_be_left_out;

impl HubGroup {
    pub(super) fn stage_commit(
        &self,
        bundle: &CommitBundle,
        identify: Identify<'_>,
        now_ms: u64,
    ) -> Result<StagedCommit, StageError> {
        let frame = self.frame(&bundle.commit)?;
        let FrameBody::Commit { proposals: listed, .. } = &frame.body else {
            return Err(StageError::invalid("not a commit"));
        };
        check_listed(listed)?;
        let processed = self.process(&bundle.commit)?;
        let sender = processed.sender().clone();
        let staged = self.resolve(processed)?;
        // The library merges equal inline proposals into one; other members may not.
        if listed.len() != staged.queued_proposals().count() {
            return Err(StageError::proposal(None, "a proposal is listed twice"));
        }
        let reading = read_commit(self.epoch(identify), &staged, &sender)?;
        self.check_cached_are_covered(&staged, &reading, &sender, now_ms)?;
        let suite = self.ciphersuite();
        let welcomes = welcome::slices(bundle.welcome.as_ref(), &reading.added, suite)?;
        let ratchet_tree = match welcomes.is_empty() {
            true => None,
            false => Some(tree::octets(&self.group, Some(&staged))?),
        };
        let commit = self.staged_commit(bundle, staged, &sender, reading)?;
        Ok(StagedCommit { welcomes, ratchet_tree, ..commit })
    }

    /// A commit that has been read, if its GroupInfo is of the epoch it leads to; without what is only
    /// for others.
    pub(super) fn staged_commit(
        &self,
        bundle: &CommitBundle,
        staged: openmls::group::StagedCommit,
        sender: &Sender,
        reading: CommitReading,
    ) -> Result<StagedCommit, StageError> {
        let new_epoch = NewEpoch {
            context: staged.group_context(),
            confirmation_tag: &confirmation_tag(&bundle.commit)?,
            committer: reading.committer,
            committer_key: &reading.committer_key,
        };
        let group_info = new_epoch.check(&bundle.group_info)?;
        let joins = *sender == Sender::NewMemberCommit;
        let CommitReading { change, after, added, removed, committer_key, .. } = reading;
        Ok(StagedCommit {
            base: self.base(),
            joiner_signature_key: joins.then_some(committer_key),
            staged,
            change,
            after,
            added,
            removed,
            welcomes: Vec::new(),
            ratchet_tree: None,
            group_info,
        })
    }

    /// Of members, external senders and those who ask to be added (MLSX-13).
    pub(super) fn stage_proposals(
        &self,
        bundle: &ProposalBundle,
        identify: Identify<'_>,
    ) -> Result<StagedProposals, StageError> {
        let mut queued = Vec::new();
        let mut staged = Vec::new();
        let mut sender = None;
        for message in std::iter::once(&bundle.proposal).chain(&bundle.more_proposals) {
            let frame = self.frame(message)?;
            // One sender (AMB-UPD-12); one epoch, because it is the group's.
            if *sender.get_or_insert(frame.sender) != frame.sender {
                return Err(StageError::invalid("a bundle of proposals has one sender"));
            }
            let proposal = match external_update::read(message, &self.group)? {
                Some(queued) => queued,
                None => match self.process(message)?.into_content() {
                    ProcessedMessageContent::ProposalMessage(queued)
                    | ProcessedMessageContent::ExternalJoinProposalMessage(queued) => *queued,
                    _ => return Err(StageError::invalid("not a proposal")),
                },
            };
            check_cacheable(&proposal)?;
            staged.push(read_proposal(self.epoch(identify), &proposal, None)?);
            queued.push(proposal);
        }
        self.check_committable(&queued, &staged)?;
        let references = queued.iter().filter_map(reference_of).collect();
        let change = StagedChange { epoch: self.view.epoch, committer: None, proposals: staged };
        Ok(StagedProposals { base: self.base(), queued, change, references })
    }

    pub(super) fn epoch<'a>(&'a self, identify: Identify<'a>) -> Epoch<'a> {
        Epoch { view: &self.view, group: &self.group, identify }
    }

    /// The frame of a handshake of this group and epoch (PROTO-UPD-5, PROTO-UPD-9).
    pub(super) fn frame<'a>(&self, message: &'a MlsMessage) -> Result<PublicFrame<'a>, StageError> {
        let frame = PublicFrame::parse(message)?;
        if frame.group_id != self.group_id() {
            return Err(StageError::invalid("of another group"));
        }
        if frame.epoch != self.view.epoch {
            let (current, given) = (self.view.epoch, frame.epoch);
            return Err(StageError::WrongEpoch { current, given });
        }
        check_authenticated_data(frame.authenticated_data, self.context())?;
        Ok(frame)
    }

    fn process(&self, message: &MlsMessage) -> Result<ProcessedMessage, StageError> {
        let MlsMessageBodyIn::PublicMessage(message) = message.parsed().clone().extract() else {
            return Err(StageError::invalid("handshakes are PublicMessages (PROTO-UPD-5)"));
        };
        Ok(self.group.process_message(&RustCrypto::default(), ProtocolMessage::from(message))?)
    }

    /// Gives a commit with AppDataUpdates the dictionary they lead to.
    fn resolve(
        &self,
        processed: ProcessedMessage,
    ) -> Result<openmls::group::StagedCommit, StageError> {
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => Ok(*staged),
            ProcessedMessageContent::UnresolvedAppDataCommit(unresolved) => {
                let updates =
                    components::resolve(&self.view, unresolved.app_data_update_proposals())?;
                let crypto = RustCrypto::default();
                Ok(self.group.stage_app_data_commit(&crypto, *unresolved, updates)?)
            }
            _ => Err(StageError::invalid("not a commit")),
        }
    }

    /// PROTO-UPD-12: a commit includes every proposal of the epoch it may, the leave guarantee
    /// above all.
    ///
    /// A hub has no membership key: it may have cached what members cannot verify and have dropped.
    /// Then no member can commit any more, and an external commit, which a member may make too,
    /// ends the epoch. What remains is a SelfRemove with a wrong membership tag: joiners cannot
    /// verify it either and include it, so every member that has dropped it has to join again in
    /// turn. Its sender, whom the signature names, goes with it.
    fn check_cached_are_covered(
        &self,
        staged: &openmls::group::StagedCommit,
        reading: &CommitReading,
        sender: &Sender,
        now_ms: u64,
    ) -> Result<(), StageError> {
        if let Sender::Member(leaf) = sender {
            self.check_committer_stays(leaf.u32())?;
        }
        let included: BTreeSet<Vec<u8>> =
            staged.queued_proposals().filter_map(reference_of).collect();
        let covered = |cached: &QueuedProposal| {
            if included.contains(cached.proposal_reference_ref().as_slice()) {
                return true;
            }
            match cached.proposal() {
                // The library of a joiner, too, can include these (AMB-UPD-9).
                Proposal::SelfRemove => false,
                // Of two proposals for a leaf the committer takes one (RFC 9420 section 12.2).
                Proposal::Remove(remove) if reading.removed.contains(&remove.removed().u32()) => {
                    true
                }
                // Nobody can commit what has expired meanwhile.
                Proposal::Add(add) if may_be_left_out(add.key_package(), now_ms) => true,
                // All others die with the epoch when a client joins by itself.
                _ => *sender == Sender::NewMemberCommit,
            }
        };
        let omitted = self.cached.iter().filter(|cached| !covered(cached));
        let references: Vec<Vec<u8>> = omitted.filter_map(reference_of).collect();
        if references.is_empty() {
            return Ok(());
        }
        let reason = "the commit omits proposals the hub has accepted".to_owned();
        Err(StageError::InvalidProposal { references, reason })
    }

    /// Who is about to go cannot commit: it could not include the proposal that removes it.
    fn check_committer_stays(&self, committer: LeafIndex) -> Result<(), StageError> {
        let removes_committer =
            |cached: &&QueuedProposal| match (cached.proposal(), cached.sender()) {
                (Proposal::Remove(remove), _) => remove.removed().u32() == committer,
                (Proposal::SelfRemove, Sender::Member(leaf)) => leaf.u32() == committer,
                _ => false,
            };
        let references: Vec<Vec<u8>> =
            self.cached.iter().filter(removes_committer).filter_map(reference_of).collect();
        if references.is_empty() {
            return Ok(());
        }
        let reason = "the committer is about to be removed".to_owned();
        Err(StageError::InvalidProposal { references, reason })
    }

    /// Everything cached must be committable together, or no commit could satisfy
    /// [`check_cached_are_covered`](Self::check_cached_are_covered) any more.
    fn check_committable(
        &self,
        queued: &[QueuedProposal],
        staged: &[mimi_policy::StagedProposal],
    ) -> Result<(), StageError> {
        let mut references: BTreeSet<&[u8]> = self.cached_references().collect();
        let mut keys: BTreeSet<Vec<u8>> =
            self.group.members().map(|member| member.signature_key).collect();
        let mut clients: BTreeSet<_> = self.view.clients.iter().map(|it| &it.client).collect();
        for cached in &self.cached {
            if let Proposal::Add(add) = cached.proposal() {
                keys.insert(add.key_package().leaf_node().signature_key().as_slice().to_vec());
            }
        }
        let mut leavers: BTreeSet<LeafIndex> = self.cached.iter().filter_map(leaver).collect();
        for (queued, staged) in queued.iter().zip(staged) {
            let reference = queued.proposal_reference_ref().as_slice();
            if !references.insert(reference) {
                return Err(StageError::proposal(Some(reference), "already accepted"));
            }
            // Any sender can make several that differ; a commit could include but one.
            if leaver(queued).is_some_and(|leaf| !leavers.insert(leaf)) {
                let reason = "one SelfRemove of a client in an epoch (MLSX-6)";
                return Err(StageError::proposal(Some(reference), reason));
            }
            if let (Proposal::Add(add), ProposedChange::AddClient(identity)) =
                (queued.proposal(), &staged.change)
            {
                let leaf = add.key_package().leaf_node();
                let key_is_new = keys.insert(leaf.signature_key().as_slice().to_vec());
                if !key_is_new || !clients.insert(&identity.client) {
                    let reason = "the client is in the group already, or about to be";
                    return Err(StageError::proposal(Some(reference), reason));
                }
                self.check_capabilities(leaf, reference)?;
            }
        }
        let updates = self.cached.iter().chain(queued).filter_map(|it| match it.proposal() {
            Proposal::AppDataUpdate(update) => Some(update.as_ref()),
            _ => None,
        });
        components::resolve(&self.view, updates).map(drop)
    }

    /// What the library asks of an added leaf when a commit comes, asked before.
    fn check_capabilities(
        &self,
        leaf: &openmls::prelude::LeafNode,
        reference: &[u8],
    ) -> Result<(), StageError> {
        let has = leaf.capabilities();
        let credential = leaf.credential().credential_type();
        let needed = self.context().required_capabilities();
        let satisfied = needed.is_none_or(|needed| crate::key_package::covers(has, needed));
        let understood = self.group.treesync().export_ratchet_tree().leaves().all(|member| {
            member.capabilities().credentials().contains(&credential)
                && has.credentials().contains(&member.credential().credential_type())
        });
        if satisfied && understood {
            return Ok(());
        }
        Err(StageError::proposal(Some(reference), "the client lacks what the group requires"))
    }
}

/// What may wait for a commit. Everything else is refused, because a member could cache what no
/// commit can ever include; leaves are updated by the path of a commit, extensions inline in one.
fn check_cacheable(proposal: &QueuedProposal) -> Result<(), StageError> {
    match (proposal.proposal(), proposal.sender()) {
        (Proposal::Add(_) | Proposal::Remove(_) | Proposal::AppDataUpdate(_), _)
        | (Proposal::SelfRemove, Sender::Member(_)) => Ok(()),
        (other, _) => {
            let kind = u16::from(other.proposal_type());
            let reason = format!("proposals of type {kind} are not accepted outside commits");
            let reference = reference_of(proposal);
            Err(StageError::proposal(reference.as_deref(), reason))
        }
    }
}

fn confirmation_tag(commit: &MlsMessage) -> Result<openmls::messages::ConfirmationTag, StageError> {
    let MlsMessageBodyIn::PublicMessage(message) = commit.parsed().clone().extract() else {
        return Err(StageError::invalid("handshakes are PublicMessages (PROTO-UPD-5)"));
    };
    let tag = message.confirmation_tag();
    tag.cloned().ok_or_else(|| StageError::invalid("a commit without confirmation tag"))
}
