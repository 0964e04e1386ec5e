//! `update` at the hub: one commit or one bundle of proposals (PROTO-UPD-1..14).

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::envelope::Envelope;
use mimi_policy::{
    Actor, ClientIdentity, JoinCode, JoinCodes, Judge, LeafIndex, ProposedChange, RoomIndex,
    RoomView, StagedChange, StagedProposal,
};
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;
use mimi_wire::mls::{MlsMessage, RatchetTree};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::update::{
    CommitBundle, ProposalBundle, ProposalRef, UpdateOutcome, UpdateRequest, UpdateResponse,
};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::preauth::Claim;
use mimi_wire::{Domain, MimiUri, Wire};

use crate::hub::audience;
use crate::hub::join_links;
use crate::hub::log::{Entry, LogWriter};
use crate::hub::member_set::MemberSet;
use crate::hub::pending::{Accepting, accept_proposals, proposals_fanout};
use crate::hub::restriction;
use crate::hub::state::{HubState, JoinGrant, Pending, SNAPSHOT_EVERY, leaf_removed};
use crate::record::{EventKind, Seq};
use crate::requester::Requester;
use crate::saved::sha256;
use crate::{Change, Expect, Limits, Reject, Transition};

/// A verified update and the room it is for.
#[derive(Clone, Copy, Debug)]
pub struct UpdateInput<'a> {
    /// This provider, the hub.
    pub own: &'a Domain,
    /// Who hands it in.
    pub requester: &'a Requester,
    /// The room before it.
    pub view: &'a RoomView,
    /// The room before it, looked up by name.
    pub index: &'a RoomIndex,
    /// What the operator lets rooms be.
    pub envelope: &'a Envelope,
    /// How much the operator lets it hold.
    pub limits: &'a Limits,
    /// The request.
    pub request: &'a UpdateRequest,
    /// The request's octets as received: kept for replay and to know a repeat.
    pub octets: &'a [u8],
    /// What it asks.
    pub change: &'a StagedChange,
    /// The claims of the members who change the participant list, by it or by what is pending, as
    /// their leaves have them (POLICY-CAP-ROLE-2).
    pub claims: &'a BTreeMap<LeafIndex, Vec<Claim>>,
    /// The rest, by what it is.
    pub kind: UpdateKind<'a>,
    /// The room this one will depend on, if it depends on one (POLICY-BASE-3).
    pub parent: Option<&'a RoomView>,
    /// The time.
    pub now_ms: u64,
}

/// What the MLS group made of the request.
#[derive(Clone, Copy, Debug)]
pub enum UpdateKind<'a> {
    /// A commit.
    Commit {
        /// The room once merged.
        after: &'a RoomView,
        /// The signature key of an external commit's joiner.
        joiner_signature_key: Option<&'a [u8]>,
        /// The Welcome, cut per provider (AMB-NTF-13).
        welcomes: &'a [WelcomePart],
        /// The tree once merged; needed when there are Welcomes (AMB-UPD-17).
        ratchet_tree: Option<&'a RatchetTree>,
        /// What the group needs to follow it again whatever has expired until then; the log keeps it.
        /// Opaque here.
        replay: Option<&'a [u8]>,
        /// What the hub proposes for the epoch it leads to: [`propose::due_after`], signed.
        ///
        /// [`propose::due_after`]: crate::hub::propose::due_after
        proposed: Option<HubBundle<'a>>,
    },
    /// Standalone proposals.
    Proposals {
        /// Their references, in order.
        references: &'a [ProposalRef],
    },
}

/// Proposals of the hub's own.
#[derive(Clone, Copy, Debug)]
pub struct HubBundle<'a> {
    /// The proposals.
    pub bundle: &'a ProposalBundle,
    /// The `UpdateRequest` that holds them, for replay.
    pub octets: &'a [u8],
}

/// A Welcome for the clients of one provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WelcomePart {
    /// The provider.
    pub domain: Domain,
    /// Its clients and the KeyPackageRef of each.
    pub clients: Vec<(MimiUri, Vec<u8>)>,
    /// An `MLSMessage` with the part.
    pub message: MlsMessage,
}

/// The update is accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Updated {
    /// The answer.
    pub response: UpdateResponse,
    /// Whether a snapshot should be written once this is merged.
    pub snapshot: SnapshotDue,
}

/// Whether it is time for a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SnapshotDue {
    /// It is.
    Now,
    /// Not yet.
    Later,
}

/// Octets of one `FanoutMessage`: a `notify` body holds at least one, and a frank that comes later.
pub const FANOUT_OCTETS_MAX: usize = HANDSHAKE_BODY_OCTETS_MAX - 64 * 1024;

/// The first answer to a request whose octets were accepted before from the same provider. Asked
/// before staging: a repeated commit can no longer be staged.
pub fn repeat(state: &HubState, requester: &Requester, octets: &[u8]) -> Option<UpdateResponse> {
    state.accepted_before(&sha256(octets), &requester.domain()).map(success)
}

/// Decides on a verified update.
pub fn update(state: &HubState, input: &UpdateInput<'_>) -> Result<Transition<Updated>, Reject> {
    // PROTO-UPD-9: one commit per epoch, in the order of arrival here.
    if input.change.epoch != input.view.epoch {
        return Err(Reject::Stale { current_epoch: input.view.epoch });
    }
    let actor = one_actor(input.change)?;
    spoken_for(input, actor)?;
    // PROTO-UPD-4: who is being removed commits nothing and proposes only its own removal.
    restriction::of(state, input.view).check(input.view, input.change)?;
    // PROTO-UPD-2, -3, -10, PROTO-ST-8 and the room's roles.
    let codes = presented_code(state, input, actor);
    input.judge().with_join_codes(JoinCodes::Presented(&codes)).decide(input.change)?;
    join_links::check_new(input.view, input.change, input.limits, input.now_ms)?;
    match (&input.request, input.kind) {
        (UpdateRequest::Commit(bundle), UpdateKind::Commit { .. }) => commit(state, input, bundle),
        (UpdateRequest::Proposals(bundle), UpdateKind::Proposals { references }) => {
            propose(state, input, bundle, references)
        }
        _ => Err(Reject::Internal("the update was staged as something else".into())),
    }
}

/// Who stands behind the whole update. A bundle of proposals has one sender (AMB-UPD-12).
fn one_actor(change: &StagedChange) -> Result<&Actor, Reject> {
    if let Some(committer) = &change.committer {
        return Ok(committer);
    }
    let mut senders = change.proposals.iter().map(|proposal| &proposal.sender);
    let first = senders.next().ok_or_else(|| Reject::Malformed("no proposal at all".into()))?;
    if senders.any(|sender| sender != first) {
        return Err(Reject::NotAllowed("the proposals have several senders".into()));
    }
    Ok(first)
}

/// PROTO-TR-5, AMB-TR-6: the requester is the actor's provider, or the acting client itself.
fn spoken_for(input: &UpdateInput<'_>, actor: &Actor) -> Result<(), Reject> {
    let spoken_for = match actor {
        Actor::Member { leaf, user } => input.view.client_at(*leaf).is_some_and(|client| {
            client.user == *user && input.requester.speaks_for_client(user, &client.client)
        }),
        Actor::Joiner(joiner) => input.requester.speaks_for_client(&joiner.user, &joiner.client),
        // Followers are no external senders here (AMB-ST-3), and we do not write to ourselves.
        Actor::ExternalSender { .. } => false,
    };
    if spoken_for {
        Ok(())
    } else {
        Err(Reject::NotAllowed("the requester does not answer for who made this".into()))
    }
}

impl<'a> UpdateInput<'a> {
    /// The judge of the room with all that this hub knows but join codes.
    ///
    /// A commit of what is pending and nothing else is not measured by the parent again: that was
    /// done when the proposals were accepted, and whoever has gone from the parent since would stop
    /// every commit. The hub wants them out as soon as they are in.
    fn judge(&self) -> Judge<'a> {
        let judge = Judge::of(self.view).with_index(self.index).with_claims(self.claims);
        let is_pending = |proposal: &StagedProposal| proposal.reference.is_some();
        let only_pending =
            self.change.committer.is_some() && self.change.proposals.iter().all(is_pending);
        match self.parent.filter(|_| !only_pending) {
            Some(parent) => judge.with_parent(parent),
            None => judge,
        }
    }
}

/// The code a joiner was let in with, as it stands now (AMB-UPD-13, POLICY-CAP-ADD-5): it may have
/// expired, or have been used up by somebody faster.
fn presented_code(
    state: &HubState,
    input: &UpdateInput<'_>,
    actor: &Actor,
) -> BTreeMap<MimiUri, JoinCode> {
    let (Actor::Joiner(joiner), UpdateKind::Commit { joiner_signature_key, .. }) =
        (actor, input.kind)
    else {
        return BTreeMap::new();
    };
    let grant = grant_of(state, joiner, joiner_signature_key, input.now_ms);
    let code = grant.and_then(|grant| grant.joining_code.as_deref());
    let code = code.map(|code| join_links::presented(state, input.view, code, input.now_ms));
    code.map(|code| (joiner.client.clone(), code)).into_iter().collect()
}

/// Accepts a bundle of proposals and keeps it for the next commit (PROTO-UPD-11, -12).
fn propose(
    state: &HubState,
    input: &UpdateInput<'_>,
    bundle: &ProposalBundle,
    references: &[ProposalRef],
) -> Result<Transition<Updated>, Reject> {
    let UpdateInput { own, view, change, octets, now_ms, envelope, limits, .. } = *input;
    let judge = input.judge();
    let accepting = Accepting { own, judge, envelope, limits, change, octets, now_ms };
    let log = LogWriter::new(state, view.room());
    let timestamp = state.next_timestamp(now_ms);
    accept_proposals(state, log, &accepting, bundle, references, timestamp)
}

/// Whether a room outlives its group (POLICY-BASE-7).
pub(super) fn is_persistent(view: &RoomView) -> bool {
    view.base_policy.as_ref().is_some_and(|policy| policy.persistent_room)
}

/// Whether a room has died with its group: nobody is left in it who belongs there, and it does not
/// outlive that (POLICY-BASE-7, AMB-PL-8, TOM-127). It is answered for as if it had never been.
pub fn is_gone(state: &HubState, view: &RoomView) -> bool {
    state.is_deserted(view) && !is_persistent(view)
}

/// Accepts a commit: its own entry, then the Welcomes (AMB-NTF-8), then what the hub proposes for
/// the new epoch.
fn commit(
    state: &HubState,
    input: &UpdateInput<'_>,
    bundle: &CommitBundle,
) -> Result<Transition<Updated>, Reject> {
    let UpdateKind::Commit {
        after,
        joiner_signature_key,
        welcomes,
        ratchet_tree,
        replay,
        proposed,
    } = input.kind
    else {
        return Err(Reject::Internal("not staged as a commit".into()));
    };
    let joiner = match &input.change.committer {
        Some(Actor::Joiner(joiner)) => Some(joiner),
        _ => None,
    };
    let mut code_used = None;
    if let Some(joiner) = joiner {
        let grant = grant_of(state, joiner, joiner_signature_key, input.now_ms);
        let grant = grant.ok_or_else(|| {
            Reject::NotAllowed("no groupInfo was given to this joiner, or too long ago".into())
        })?;
        // Nobody uses up a code who may come in without.
        if input.judge().decide(input.change).is_err() {
            code_used = grant.joining_code.as_deref().map(sha256);
        }
    }
    includes_what_is_pending(state, input.change)?;
    // ARCH-3, AMB-POL-16: what the room's own rules allow, the operator may not host.
    input.envelope.check_after(input.view, after)?;

    let timestamp = state.next_timestamp(input.now_ms);
    // PROTO-NTF-4. With a commit of a member they come behind the Welcomes, for the welcomed too.
    let stapled = proposed.filter(|_| joiner.is_some()).map(|proposed| proposed.bundle);
    let fanout = FanoutMessage {
        timestamp,
        message: bundle.commit.clone(),
        kind: FanoutKind::Commit { external_proposals: stapled.map(all_of).unwrap_or_default() },
    };
    let mut log = LogWriter::new(state, input.view.room());
    if let Some(replay) = replay {
        log.append(note(timestamp, HubState::note_replay(replay.to_vec())));
    }
    let seq = log.append(Entry {
        kind: EventKind::Commit,
        timestamp_ms: timestamp,
        payload: fanout.encode(),
        audience: audience::of_handshake(input.view, after, input.own),
        targets: None,
        detail: input.octets.to_vec(),
    });
    if let Some(code_sha256) = code_used {
        log.append(note(timestamp, HubState::note_code_used(code_sha256)));
    }
    follow_local_clients(&mut log, input, after, seq);
    if !welcomes.is_empty() {
        let tree = tree_after(bundle, ratchet_tree)?;
        let is_new = |client: &MimiUri| !input.index.has_client(input.view, client);
        welcome(&mut log, input.own, &is_new, welcomes, tree, timestamp);
    }
    if let Some(proposed) = proposed {
        let fanout = proposals_fanout(proposed.bundle, timestamp + 1);
        let is_told = stapled.is_none();
        let readers = || audience::of_handshake(after, after, input.own);
        log.append(Entry {
            kind: EventKind::Proposal,
            timestamp_ms: fanout.timestamp,
            payload: fanout.encode(),
            audience: if is_told { readers() } else { Vec::new() },
            targets: if is_told { None } else { Some(Vec::new()) },
            detail: proposed.octets.to_vec(),
        });
    }
    follow_parent(&mut log, input.view, after);
    let taken = follow_members(&mut log, input.view, after);
    let mut transition = log.finish(updated(state, input.change, replay.is_some(), timestamp));
    transition.expect.extend(taken.map(Expect::MembersFree));
    within_a_body(transition)
}

/// What only the hub itself reads.
fn note(timestamp_ms: u64, detail: Vec<u8>) -> Entry {
    let (payload, audience, targets) = (Vec::new(), Vec::new(), Some(Vec::new()));
    Entry { kind: EventKind::HubNote, timestamp_ms, payload, audience, targets, detail }
}

/// POLICY-BASE-2: a room whose membership becomes fixed takes its set of people, one whose membership
/// no longer is gives it up. Gives the set that must be free.
fn follow_members(
    log: &mut LogWriter<'_>,
    before: &RoomView,
    after: &RoomView,
) -> Option<MemberSet> {
    let fixed = |view: &RoomView| view.base_policy.as_ref().is_some_and(|it| it.fixed_membership);
    if fixed(before) == fixed(after) {
        return None;
    }
    let room = || after.room().clone();
    if let Some(members) = MemberSet::fixed(before) {
        log.change(Change::FreeMembers { members, room: room() });
    }
    let taken = MemberSet::fixed(after)?;
    log.change(Change::TakeMembers { members: taken, room: room() });
    Some(taken)
}

fn all_of(bundle: &ProposalBundle) -> Vec<MlsMessage> {
    std::iter::once(&bundle.proposal).chain(&bundle.more_proposals).cloned().collect()
}

/// POLICY-BASE-3: the hub knows of every room on which rooms it depends.
fn follow_parent(log: &mut LogWriter<'_>, before: &RoomView, after: &RoomView) {
    if parent_of(before) != parent_of(after) {
        let (room, parent) = (after.room().clone(), parent_of(after));
        log.change(Change::PutParent { room, parent });
    }
}

/// The room that a room depends on (POLICY-BASE-3).
pub fn parent_of(view: &RoomView) -> Option<MimiUri> {
    parent_in(view.base_policy.as_ref())
}

fn parent_in(policy: Option<&BaseRoomPolicy>) -> Option<MimiUri> {
    let policy = policy.filter(|policy| policy.parent_dependant)?;
    policy.parent_room.as_deref().and_then(|parent| MimiUri::new(parent).ok())
}

/// The room that a room will depend on once all that waits, and these proposals with it, is
/// committed: the one to ask about them.
pub fn parent_after(state: &HubState, view: &RoomView, change: &StagedChange) -> Option<MimiUri> {
    let pending = state.pending.iter().map(|pending| &pending.proposal);
    let mut policies =
        pending.chain(&change.proposals).filter_map(|proposal| match &proposal.change {
            ProposedChange::BasePolicy(policy) => Some(policy),
            _ => None,
        });
    parent_in(policies.next_back().or(view.base_policy.as_ref()))
}

/// PROTO-GI-5, AMB-UPD-13: an external commit comes from who asked for the GroupInfo, with the same
/// signature key and within the time. Gives the latest leave to do so.
fn grant_of<'a>(
    state: &'a HubState,
    joiner: &ClientIdentity,
    signature_key: Option<&[u8]>,
    now_ms: u64,
) -> Option<&'a JoinGrant> {
    state.grants.iter().rev().find(|grant| {
        grant.expires_ms > now_ms
            && grant.user == joiner.user
            && Some(grant.signature_key.as_slice()) == signature_key
    })
}

/// PROTO-UPD-12, AMB-UPD-8: a commit includes every pending proposal it can. External commits can
/// include SelfRemove alone (AMB-UPD-9, PROTO-GI-6).
fn includes_what_is_pending(state: &HubState, change: &StagedChange) -> Result<(), Reject> {
    let included: BTreeSet<&[u8]> =
        change.proposals.iter().filter_map(|proposal| proposal.reference.as_deref()).collect();
    let removed: BTreeSet<LeafIndex> = change.proposals.iter().filter_map(leaf_removed).collect();
    let is_external = matches!(change.committer, Some(Actor::Joiner(_)));
    let is_due = |pending: &&Pending| match (&pending.proposal.change, &pending.proposal.sender) {
        (ProposedChange::SelfRemove, _) => true,
        _ if is_external => false,
        // Nobody can commit a KeyPackage that has expired meanwhile. Which Adds may be missing was
        // looked at when the commit was staged (`mimi_mls`), and others would be refused there.
        (ProposedChange::AddClient(_), _) => false,
        // Its own Update cannot be in a commit, nor that of a leaf it removes (RFC 9420, 12.2).
        (ProposedChange::UpdateOwnLeaf, Actor::Member { leaf, .. }) => {
            !removed.contains(leaf) && change.committer.as_ref() != Some(&pending.proposal.sender)
        }
        _ => true,
    };
    let omitted: Vec<ProposalRef> = state
        .pending
        .iter()
        .filter(is_due)
        .filter(|pending| !included.contains(pending.reference.as_slice()))
        .map(|pending| pending.reference.clone())
        .collect();
    if omitted.is_empty() {
        return Ok(());
    }
    let reason = "the commit omits pending proposals".into();
    Err(Reject::InvalidProposals { references: omitted, reason })
}

/// Our clients that go see this commit last (PROTO-NTF-6); one that comes by itself sees it first.
fn follow_local_clients(
    log: &mut LogWriter<'_>,
    input: &UpdateInput<'_>,
    after: &RoomView,
    seq: Seq,
) {
    for leaf in input.change.proposals.iter().filter_map(leaf_removed) {
        let Some(gone) = input.view.client_at(leaf) else { continue };
        // Who comes in again by an external commit takes its old leaf away.
        let remains = || after.clients.iter().any(|client| client.client == gone.client);
        if gone.client.domain() == *input.own && !remains() {
            log.leave(&gone.client, seq);
        }
    }
    if let Some(Actor::Joiner(joiner)) = &input.change.committer {
        let is_new = !input.index.has_client(input.view, &joiner.client);
        if is_new && joiner.client.domain() == *input.own {
            log.join(&joiner.client, seq);
        }
    }
}

/// PROTO-NTF-2, PROTO-NTF-11: each provider gets the part for its own clients, with the whole tree.
/// The commit's Adds tell whose a KeyPackage was (PROTO-KM-13, AMB-NTF-12).
pub(super) fn welcome(
    log: &mut LogWriter<'_>,
    own: &Domain,
    is_new: &dyn Fn(&MimiUri) -> bool,
    welcomes: &[WelcomePart],
    tree: &RatchetTree,
    timestamp: u64,
) {
    for part in welcomes {
        let is_local = part.domain == *own;
        let targets: Vec<MimiUri> = if is_local {
            part.clients.iter().map(|(client, _)| client.clone()).collect()
        } else {
            Vec::new()
        };
        let fanout = FanoutMessage {
            timestamp,
            message: part.message.clone(),
            kind: FanoutKind::Welcome { ratchet_tree: RatchetTreeOption::Full(tree.clone()) },
        };
        let seq = log.append(Entry {
            kind: EventKind::Welcome,
            timestamp_ms: timestamp,
            payload: fanout.encode(),
            audience: if is_local { Vec::new() } else { vec![part.domain.clone()] },
            targets: Some(targets.clone()),
            detail: Vec::new(),
        });
        for client in &targets {
            if is_new(client) {
                log.join(client, seq);
            }
        }
    }
}

/// AMB-UPD-17: the hub puts in the tree that the committer leaves to it.
fn tree_after<'a>(
    bundle: &'a CommitBundle,
    tracked: Option<&'a RatchetTree>,
) -> Result<&'a RatchetTree, Reject> {
    match (tracked, &bundle.ratchet_tree) {
        (Some(tree), _) | (None, RatchetTreeOption::Full(tree)) => Ok(tree),
        _ => Err(Reject::Internal("a Welcome without a tree".into())),
    }
}

/// What cannot be delivered is not accepted: followers would wait for ever behind it.
pub(super) fn within_a_body(
    transition: Transition<Updated>,
) -> Result<Transition<Updated>, Reject> {
    let largest = transition.changes.iter().filter_map(|change| match change {
        Change::Append(event) => Some(event.payload.len()),
        _ => None,
    });
    match largest.max() {
        Some(octets) if octets > FANOUT_OCTETS_MAX => Err(Reject::NotAllowed(format!(
            "the fanout would have {octets} octets, at most {FANOUT_OCTETS_MAX} are delivered"
        ))),
        _ => Ok(transition),
    }
}

/// After an Add the snapshot is due at once, unless it `replays` at any time: read again from the log,
/// the KeyPackage would be judged by its lifetime, which may be over by then.
pub(super) fn updated(
    state: &HubState,
    change: &StagedChange,
    replays: bool,
    timestamp: u64,
) -> Updated {
    let adds = |proposal: &StagedProposal| matches!(proposal.change, ProposedChange::AddClient(_));
    let many = state.handshakes_since_snapshot + 1 >= SNAPSHOT_EVERY;
    let snapshot = if many || (!replays && change.proposals.iter().any(adds)) {
        SnapshotDue::Now
    } else {
        SnapshotDue::Later
    };
    Updated { response: success(timestamp), snapshot }
}

/// PROTO-UPD-13, AMB-UPD-2.
fn success(accepted_timestamp: u64) -> UpdateResponse {
    let outcome = UpdateOutcome::Success { accepted_timestamp };
    UpdateResponse { outcome, error_description: String::new() }
}

#[cfg(test)]
mod tests;
