//! Proposals on their way to a commit: written down if they can be committed with all that waits.

use std::collections::BTreeSet;

use mimi_policy::envelope::Envelope;
use mimi_policy::{Actor, Judge, StagedChange, StagedProposal};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::update::{ProposalBundle, ProposalRef};
use mimi_wire::{Domain, Wire};

use crate::hub::audience;
use crate::hub::join_links;
use crate::hub::log::{Entry, LogWriter};
use crate::hub::member_set::MemberSet;
use crate::hub::propose::BUNDLE_PROPOSALS_MAX;
use crate::hub::state::{HubState, deserted, leaf_removed, nobody_stays};
use crate::hub::update::{Updated, is_persistent, updated, within_a_body};
use crate::record::EventKind;
use crate::{Change, Limits, Reject, Transition};

/// Proposals that the judge has allowed, and the room they are for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepting<'a> {
    pub(super) own: &'a Domain,
    /// Of the room, with what is known of the senders.
    pub(super) judge: Judge<'a>,
    /// What the operator lets rooms be.
    pub(super) envelope: &'a Envelope,
    /// How much it lets wait.
    pub(super) limits: &'a Limits,
    pub(super) change: &'a StagedChange,
    pub(super) octets: &'a [u8],
    pub(super) now_ms: u64,
}

/// Writes a bundle behind what a log already has, if it can wait for a commit with all that waits.
pub(super) fn accept_proposals(
    state: &HubState,
    mut log: LogWriter<'_>,
    input: &Accepting<'_>,
    bundle: &ProposalBundle,
    references: &[ProposalRef],
    timestamp: u64,
) -> Result<Transition<Updated>, Reject> {
    if references.len() != input.change.proposals.len() {
        return Err(Reject::Internal("not every proposal has a reference".into()));
    }
    not_too_many(state, input.limits, &input.change.proposals)?;
    fits_what_is_pending(state, input, references)?;
    let view = input.judge.view();
    log.append(Entry {
        kind: EventKind::Proposal,
        timestamp_ms: timestamp,
        payload: proposals_fanout(bundle, timestamp).encode(),
        audience: audience::of_handshake(view, view, input.own),
        targets: None,
        detail: input.octets.to_vec(),
    });
    free_members(state, input, &mut log);
    within_a_body(log.finish(updated(state, input.change, false, timestamp)))
}

/// A queue that somebody has filled must not keep others from proposing, nor the hub from removing
/// who filled it: each sender has a share, and one bundle of the hub's fits in any case.
pub(super) fn not_too_many(
    state: &HubState,
    limits: &Limits,
    new: &[StagedProposal],
) -> Result<(), Reject> {
    let Limits { pending_proposals_max, pending_proposals_per_sender_max, .. } = *limits;
    let of_hub =
        |proposal: &StagedProposal| matches!(proposal.sender, Actor::ExternalSender { .. });
    let Some(first) = new.first() else { return Ok(()) };
    let most = match of_hub(first) {
        true => pending_proposals_max + BUNDLE_PROPOSALS_MAX,
        false => pending_proposals_max,
    };
    if state.pending.len() + new.len() > most {
        return Err(Reject::NotAllowed("too many proposals wait for a commit".into()));
    }
    let same_sender = state.pending.iter().filter(|it| it.proposal.sender == first.sender);
    if !of_hub(first) && same_sender.count() + new.len() > pending_proposals_per_sender_max {
        return Err(Reject::NotAllowed("too many of your proposals wait for a commit".into()));
    }
    Ok(())
}

/// PROTO-NTF-5.
pub(super) fn proposals_fanout(bundle: &ProposalBundle, timestamp: u64) -> FanoutMessage {
    FanoutMessage {
        timestamp,
        message: bundle.proposal.clone(),
        kind: FanoutKind::Proposal { more_proposals: bundle.more_proposals.clone() },
    }
}

/// A room that nobody can come back into does not keep its people from having another one
/// (POLICY-BASE-2, POLICY-BASE-7).
fn free_members(state: &HubState, input: &Accepting<'_>, log: &mut LogWriter<'_>) {
    let view = input.judge.view();
    let pending = state.pending.iter().map(|pending| &pending.proposal);
    let proposals = pending.chain(&input.change.proposals);
    // Some go by these, and the others may be wanted out.
    let dies = match state.evicting.is_empty() {
        true => deserted(proposals, view),
        false => nobody_stays(|| proposals.clone(), &state.evicting, view),
    };
    if !is_persistent(view)
        && dies
        && let Some(members) = MemberSet::fixed(view)
    {
        log.change(Change::FreeMembers { members, room: view.room().clone() });
    }
}

/// The next commit must include everything that is pending, so what cannot be committed together
/// is refused here: a leaf removed twice, a user changed twice (PROTO-PL-4).
fn fits_what_is_pending(
    state: &HubState,
    input: &Accepting<'_>,
    references: &[ProposalRef],
) -> Result<(), Reject> {
    let invalid =
        |reason: String| Err(Reject::InvalidProposals { references: references.to_vec(), reason });
    let known = |reference: &ProposalRef| {
        state.pending.iter().any(|pending| pending.reference == *reference)
    };
    if references.iter().any(known) {
        return invalid("some of them are pending already".into());
    }
    let pending = state.pending.iter().map(|pending| &pending.proposal);
    let proposals: Vec<StagedProposal> = pending.chain(&input.change.proposals).cloned().collect();
    let mut leaves = BTreeSet::new();
    if !proposals.iter().filter_map(leaf_removed).all(|leaf| leaves.insert(leaf)) {
        return invalid("a client would be removed twice".into());
    }
    let view = input.judge.view();
    let together = StagedChange { epoch: view.epoch, committer: None, proposals };
    // All that a commit is asked, the hub's own terms too: nothing may wait for a commit that
    // cannot come.
    let allowed = input
        .judge
        .decide(&together)
        .and_then(|delta| input.envelope.check_pending(view, &together, &delta));
    if let Err(denied) = allowed {
        return invalid(format!("not together with what is pending: {denied}"));
    }
    join_links::check_new(view, &together, input.limits, input.now_ms)
}
