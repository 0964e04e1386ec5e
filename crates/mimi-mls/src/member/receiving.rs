//! Taking in the events of a room.

use mimi_policy::StagedChange;
use mimi_wire::Wire;
use mimi_wire::franking::SafeAad;
use mimi_wire::mls::{MessageKind, MlsMessage};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::group::{QueuedProposal, ValidationError};
use openmls::prelude::{
    MlsMessageBodyIn, ProcessedMessage, ProcessedMessageContent, ProposalOrRefIn, ProtocolMessage,
    Sender,
};

use super::faults::{Fault, commit_not_processed, commit_not_staged, rejoin_needed, unreadable};
use super::{MemberGroup, ReceiveError, Received, StagedMemberCommit};
use crate::changes::{
    CommitReading, check_listed, leaver, read_commit, read_proposal, reference_of,
};
use crate::components;
use crate::context::check_authenticated_data;
use crate::error::StageError;
use crate::external_update;
use crate::framing::{FrameBody, PublicFrame};
use crate::identity::{IdentityError, Issuers, Validity, claim_of, prove};
use crate::provider::Provider;

/// The epoch a message of a group is for; `None` for what is of no epoch.
pub fn epoch_of(message: &MlsMessage) -> Option<u64> {
    match message.kind() {
        MessageKind::Application => Some(crate::hub::application_frame(message).ok()?.epoch),
        MessageKind::Proposal | MessageKind::Commit => {
            Some(PublicFrame::parse(message).ok()?.epoch)
        }
        _ => None,
    }
}

impl MemberGroup {
    /// Processes one event of the room.
    ///
    /// Whether a certificate had expired when it came in was for the hub to say, as is the order
    /// of events: members read at other times, and must agree all the same. So here a certificate
    /// may have expired; it must be valid already by our clock or by the time the hub names.
    pub fn receive(
        &mut self,
        event: &FanoutMessage,
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Received, ReceiveError> {
        if !self.is_active() {
            return Err(ReceiveError::Unreadable("no longer a member".to_owned()));
        }
        let now_ms = now_ms.max(event.timestamp);
        match (event.message.kind(), &event.kind) {
            (MessageKind::Application, FanoutKind::Application { .. }) => {
                self.receive_application(&event.message)
            }
            (MessageKind::Proposal, FanoutKind::Proposal { more_proposals }) => {
                let messages: Vec<_> =
                    std::iter::once(&event.message).chain(more_proposals).collect();
                self.receive_proposals(&messages, issuers, now_ms)
            }
            (MessageKind::Commit, FanoutKind::Commit { external_proposals }) => {
                self.receive_commit(&event.message, external_proposals, issuers, now_ms)
            }
            // It brought us here, or another client of ours.
            (MessageKind::Welcome, FanoutKind::Welcome { .. }) => Ok(Received::Repeat),
            _ => Err(ReceiveError::Unreadable("no event of a room".to_owned())),
        }
    }

    /// Merges a commit the judge allowed.
    pub fn merge(&mut self, staged: StagedMemberCommit) -> Result<(), StageError> {
        if staged.change.epoch != self.view.epoch {
            return Err(StageError::internal("staged in another epoch"));
        }
        let StagedMemberCommit { staged, after, evicts_us, stapled, issuers, now_ms, .. } = staged;
        let provider = Provider { crypto: &self.crypto, rand: &self.crypto, pieces: &self.pieces };
        // A pending commit of ours has lost the race; the library forgets it here.
        self.group.merge_staged_commit(&provider, staged).map_err(StageError::internal)?;
        self.advance(after);
        if !evicts_us {
            self.take_stapled(&stapled, &issuers, now_ms);
        }
        Ok(())
    }

    /// Takes in proposals for the epoch a commit has led to; gives those that are new.
    fn take_stapled(
        &mut self,
        stapled: &[MlsMessage],
        issuers: &Issuers,
        now_ms: u64,
    ) -> Option<StagedChange> {
        let mut fresh = Vec::new();
        for proposal in stapled {
            // One at fault is no fault of the commit. Should a later commit include it all the
            // same, that one fails.
            if let Ok(Received::Proposals(change)) =
                self.receive_proposals(&[proposal], issuers, now_ms)
            {
                fresh.extend(change.proposals);
            }
        }
        let epoch = self.view.epoch;
        (!fresh.is_empty()).then_some(StagedChange { epoch, committer: None, proposals: fresh })
    }

    fn receive_application(&mut self, message: &MlsMessage) -> Result<Received, ReceiveError> {
        let frame = crate::hub::application_frame(message).map_err(unreadable)?;
        if frame.group_id != self.group_id() {
            return Err(ReceiveError::Unreadable("of another group".to_owned()));
        }
        if frame.epoch > self.view.epoch {
            return Ok(Received::Future { epoch: frame.epoch });
        }
        let context = self.group.public_group().group_context();
        check_authenticated_data(&frame.authenticated_data, context).map_err(unreadable)?;
        let processed = match self.process(message) {
            Ok(processed) => processed,
            Err(Fault::ValidationError(ValidationError::UnableToDecrypt(
                MessageDecryptionError::SecretTreeError(SecretTreeError::SecretReuseError),
            ))) => return Ok(Received::Repeat),
            Err(fault) => return Err(unreadable(fault)),
        };
        // Authentic now that the message has been decrypted. Without `safe_aad` in the group it may
        // be anything.
        let aad = SafeAad::decode(&frame.authenticated_data);
        let franking_tag = aad.and_then(|aad| aad.franking_tag()).unwrap_or_default();
        let epoch = processed.epoch().as_u64();
        let sender = processed.sender().clone();
        // Proven when the leaf came into the group; it may be gone since.
        let identity = claim_of(processed.credential()).map_err(unreadable)?;
        match (processed.into_content(), sender) {
            (ProcessedMessageContent::ApplicationMessage(message), Sender::Member(leaf)) => {
                Ok(Received::Application {
                    user: identity.user,
                    client: identity.client,
                    leaf: leaf.u32(),
                    epoch,
                    application_data: message.into_bytes(),
                    franking_tag,
                })
            }
            (ProcessedMessageContent::OwnPrivateMessage, _) => Ok(Received::Repeat),
            _ => Err(ReceiveError::Unreadable("not an application message".to_owned())),
        }
    }

    /// All of a bundle is cached, or nothing of it (PROTO-UPD-11).
    ///
    /// A proposal at fault changes nothing and is never a reason to freeze: the hub verifies less
    /// than members do. Should a commit include one that was dropped, this device can only join
    /// again.
    fn receive_proposals(
        &mut self,
        messages: &[&MlsMessage],
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Received, ReceiveError> {
        let mut proposals = Vec::new();
        let mut fresh: Vec<QueuedProposal> = Vec::new();
        for message in messages {
            let frame = PublicFrame::parse(message).map_err(unreadable)?;
            if let Some(received) = self.out_of_epoch(&frame)? {
                return Ok(received);
            }
            let context = self.group.public_group().group_context();
            check_authenticated_data(frame.authenticated_data, context).map_err(unreadable)?;
            let update = external_update::read(message, self.group.public_group());
            let queued = match update.map_err(unreadable)? {
                Some(queued) => queued,
                None => match self.process(message).map_err(unreadable)?.into_content() {
                    ProcessedMessageContent::ProposalMessage(queued)
                    | ProcessedMessageContent::ExternalJoinProposalMessage(queued) => *queued,
                    _ => return Err(unreadable("not a proposal")),
                },
            };
            let reference = reference_of(&queued);
            let known = self.group.pending_proposals().chain(&fresh).map(reference_of);
            if known.into_iter().any(|known| known == reference) {
                continue;
            }
            let leavers = self.group.pending_proposals().chain(&fresh).filter_map(leaver);
            if leaver(&queued).is_some_and(|leaf| leavers.into_iter().any(|it| it == leaf)) {
                return Err(unreadable("one SelfRemove of a client in an epoch (MLSX-6)"));
            }
            let validity = Validity::MayHaveExpired(now_ms);
            let identify = |credential: &_, key: &[u8]| prove(credential, key, issuers, validity);
            let read = read_proposal(self.epoch(&identify), &queued, None);
            proposals.push(read.map_err(proposal_error)?);
            fresh.push(queued);
        }
        if fresh.is_empty() {
            return Ok(Received::Repeat);
        }
        for queued in fresh {
            let stored = self.group.store_pending_proposal(&self.pieces, queued);
            stored.map_err(StageError::internal)?;
        }
        let epoch = self.view.epoch;
        Ok(Received::Proposals(StagedChange { epoch, committer: None, proposals }))
    }

    fn receive_commit(
        &mut self,
        message: &MlsMessage,
        stapled: &[MlsMessage],
        issuers: &Issuers,
        now_ms: u64,
    ) -> Result<Received, ReceiveError> {
        let frame = PublicFrame::parse(message).map_err(unreadable)?;
        if let Some(received) = self.out_of_epoch(&frame)? {
            // Who joined by this commit is in its epoch already, and learns only now what the hub
            // has stapled to it.
            return Ok(match self.take_stapled(stapled, issuers, now_ms) {
                Some(change) => Received::Proposals(change),
                None => received,
            });
        }
        let FrameBody::Commit { proposals: listed, .. } = &frame.body else {
            return Err(ReceiveError::Unreadable("not a commit".to_owned()));
        };
        let context = self.group.public_group().group_context();
        check_authenticated_data(frame.authenticated_data, context)?;
        check_listed(listed)?;
        self.check_has(listed)?;
        let processed = self.process(message).map_err(commit_not_processed)?;
        let sender = processed.sender().clone();
        let staged = match processed.into_content() {
            ProcessedMessageContent::OwnPendingCommit => {
                self.accept_pending()?;
                self.take_stapled(stapled, issuers, now_ms);
                return Ok(Received::OwnCommit);
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => *staged,
            ProcessedMessageContent::UnresolvedAppDataCommit(unresolved) => {
                let updates =
                    components::resolve(&self.view, unresolved.app_data_update_proposals())?;
                let provider =
                    Provider { crypto: &self.crypto, rand: &self.crypto, pieces: &self.pieces };
                let staged = self.group.stage_app_data_commit(&provider, *unresolved, updates);
                staged.map_err(commit_not_staged)?
            }
            _ => return Err(ReceiveError::Unreadable("not a commit".to_owned())),
        };
        if listed.len() != staged.queued_proposals().count() {
            return Err(StageError::proposal(None, "a proposal is listed twice").into());
        }
        let validity = Validity::MayHaveExpired(now_ms);
        let identify = |credential: &_, key: &[u8]| prove(credential, key, issuers, validity);
        let CommitReading { change, after, .. } =
            read_commit(self.epoch(&identify), &staged, &sender)?;
        Ok(Received::Commit(Box::new(StagedMemberCommit {
            evicts_us: staged.self_removed(),
            staged,
            change,
            after,
            stapled: stapled.to_vec(),
            issuers: issuers.clone(),
            now_ms,
        })))
    }

    /// Looked for before the library does: it takes the leaf of an external committer to be where
    /// the SelfRemoves that it has would make room, and so complains of something else.
    fn check_has(&self, listed: &[ProposalOrRefIn]) -> Result<(), ReceiveError> {
        for listed in listed {
            let ProposalOrRefIn::Reference(reference) = listed else { continue };
            let mut pending = self.group.pending_proposals();
            if !pending.any(|queued| *queued.proposal_reference_ref() == **reference) {
                return Err(rejoin_needed("the commit includes a proposal that was dropped here"));
            }
        }
        Ok(())
    }

    /// What a handshake of another epoch is; `None` for the current one.
    fn out_of_epoch(&self, frame: &PublicFrame<'_>) -> Result<Option<Received>, ReceiveError> {
        if frame.group_id != self.group_id() {
            return Err(ReceiveError::Unreadable("of another group".to_owned()));
        }
        Ok(match frame.epoch.cmp(&self.view.epoch) {
            // The hub has one order: what is for an earlier epoch has been seen, or lost its race.
            std::cmp::Ordering::Less => Some(Received::Repeat),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Received::Future { epoch: frame.epoch }),
        })
    }

    fn process(&mut self, message: &MlsMessage) -> Result<ProcessedMessage, Fault> {
        let message = match message.parsed().clone().extract() {
            MlsMessageBodyIn::PublicMessage(message) => ProtocolMessage::from(message),
            MlsMessageBodyIn::PrivateMessage(message) => ProtocolMessage::from(message),
            _ => return Err(Fault::ValidationError(ValidationError::WrongWireFormat)),
        };
        let provider = Provider { crypto: &self.crypto, rand: &self.crypto, pieces: &self.pieces };
        self.group.process_message(&provider, message)
    }
}

/// Issuers that can still be fetched are worth waiting for; all else is dropped.
fn proposal_error(error: StageError) -> ReceiveError {
    match error {
        StageError::Identity(IdentityError::IssuerUnknown(_)) => error.into(),
        StageError::Identity(error @ IdentityError::IssuerNotAmong(_)) => {
            ReceiveError::Unproven(error)
        }
        error => unreadable(error),
    }
}
