//! Commits of our own, and with them every change of participants, policy and membership that is
//! not a proposal to leave; all of them go to the hub's `update` (PROTO-UPD-1). One at a time per room, built from what is wanted, built again when another
//! one won.
//!
//! A commit stays pending in the group until it is certain what became of it: the hub's answer, or
//! the commit of its epoch in the event stream, ours or somebody else's. So a lost answer neither
//! doubles nor loses anything.

use std::collections::VecDeque;

use bytes::Bytes;
use mimi_mls::member::CommitPlan;
use mimi_policy::{ProposedChange, RoomView, StagedChange};
use mimi_wire::protocol::update::{ProposalRef, UpdateOutcome, UpdateRequest};
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::astray::COMMIT_LOST_MAX;
use crate::session::change_room::WantedPolicy;
use crate::session::command::{MetadataChange, OperationId, Outcome};
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer, refusal};
use crate::session::judging::judge;
use crate::session::request::{Request, RequestId, Response};
use crate::session::room::{Means, Room};
use crate::session::saved::room_value;
use crate::session::{
    add_user, change_room, join_links, operational, own_devices, own_role, remove_user,
};

/// How often a commit is built before its operation gives up.
pub const COMMIT_ATTEMPTS_MAX: u32 = 12;
/// How often a commit is built when the hub calls its proposals invalid.
const OMITTED_ATTEMPTS_MAX: u32 = 5;
/// The first and the longest wait before it is built again.
const COMMIT_AGAIN_MS: (u64, u64) = (20, 1_000);
/// How long the stream may take to bring the commit that won, before the hub is asked again; each
/// time twice as long, up to so many times.
const WINNER_LATE_MS: u64 = 3_000;
const WINNER_LATE_DOUBLED: u32 = 5;
/// How long proposals that the hub says were omitted may take to come.
const OMITTED_PROPOSALS_MS: u64 = 1_000;

/// What a commit is for: it is built from this, never from an earlier commit's octets.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Intent {
    /// A user comes in.
    AddUser {
        user: MimiUri,
        /// Its clients, each with the octets of a KeyPackage.
        key_packages: Vec<(MimiUri, Vec<u8>)>,
    },
    RemoveUser(MimiUri),
    BanUser(MimiUri),
    Rename(String),
    /// What is pending is committed, because somebody asked for it.
    CommitPending,
    /// The same, by ourselves; nothing to hear of if another device is faster.
    CommitPendingOfOthers,
    KickUser(MimiUri),
    UnbanUser {
        user: MimiUri,
        role: Option<RoleIndex>,
    },
    ChangeRole {
        user: MimiUri,
        role: RoleIndex,
    },
    ChangeMetadata(MetadataChange),
    ChangePolicy(Box<WantedPolicy>),
    AddJoinLink(String),
    /// By the link's octets.
    RemoveJoinLink(Vec<u8>),
    /// Devices of this user that are gone, by their URIs.
    RemoveOwnDevices(Vec<MimiUri>),
    /// The user's own role, by what its credential claims.
    OwnRole(RoleIndex),
}

/// What is to be done for an intent in a room's present state.
pub(crate) enum Step {
    /// Nothing: it is so already.
    Fulfilled,
    Commit(Box<CommitPlan>),
    Refused(ClientError),
}

impl Step {
    pub(crate) fn commit(plan: CommitPlan) -> Self {
        Self::Commit(Box::new(plan))
    }

    /// What is pending goes first, alone.
    pub(crate) fn pending_first() -> Self {
        Self::commit(CommitPlan::default())
    }
}

impl Intent {
    fn step(&self, view: &RoomView, pending: &StagedChange, own: &MimiUri) -> Step {
        match self {
            Self::AddUser { user, key_packages } => {
                add_user::step(view, pending, own, user, key_packages)
            }
            Self::RemoveUser(user) => remove_user::remove_step(view, pending, user),
            Self::BanUser(user) => remove_user::ban_step(view, pending, user),
            Self::KickUser(user) => remove_user::kick_step(view, pending, user),
            Self::UnbanUser { user, role } => {
                remove_user::unban_step(view, pending, own, user, *role)
            }
            Self::ChangeRole { user, role } => remove_user::role_step(view, pending, user, *role),
            Self::Rename(name) => {
                change_room::metadata_step(view, &MetadataChange::Name(name.clone()))
            }
            Self::ChangeMetadata(change) => change_room::metadata_step(view, change),
            Self::ChangePolicy(wanted) => change_room::policy_step(view, pending, wanted),
            Self::CommitPending | Self::CommitPendingOfOthers => match pending.proposals.is_empty()
            {
                true => Step::Fulfilled,
                false => Step::pending_first(),
            },
            Self::AddJoinLink(link) => join_links::add_step(view, link),
            Self::RemoveJoinLink(link) => join_links::remove_step(view, link),
            Self::RemoveOwnDevices(gone) => own_devices::step(view, pending, own, gone),
            Self::OwnRole(role) => own_role::step(view, pending, own, *role),
        }
    }

    /// What is told when it is fulfilled.
    fn outcome(&self) -> Outcome {
        match self {
            Self::AddJoinLink(link) => Outcome::Link(link.clone()),
            _ => Outcome::Done,
        }
    }

    fn is_quiet(&self) -> bool {
        matches!(self, Self::CommitPendingOfOthers | Self::RemoveOwnDevices(_))
    }
}

/// An intent on its way.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) operation: Option<OperationId>,
    pub(crate) intent: Intent,
    attempts: u32,
}

/// A room's own commits.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    queue: VecDeque<Wanted>,
    current: Option<Current>,
}

/// The one being made.
#[derive(Debug)]
struct Current {
    wanted: Wanted,
    stage: Stage,
    /// The person has heard that it is made again.
    told: bool,
    /// How often the hub said that another one won.
    lost: u32,
    /// The person has heard that it failed: it is not made again.
    given_up: bool,
}

impl Current {
    fn sent(wanted: Wanted, body: Bytes, request: RequestId) -> Self {
        let stage = Stage::Sent { body, request };
        Self { wanted, stage, told: false, lost: 0, given_up: false }
    }
}

#[derive(Debug)]
enum Stage {
    /// The hub has it, or will get it.
    Sent { body: Bytes, request: RequestId },
    /// The hub says another commit won; the stream will bring it, or ours.
    Lost { body: Bytes },
    /// It is built again after a pause.
    Pausing,
}

/// A commit under way, as stored.
#[derive(Deserialize, Serialize)]
pub(crate) struct SavedCommit {
    intent: Intent,
    body: Vec<u8>,
}

impl Room {
    pub(crate) fn want_commit(&mut self, operation: Option<OperationId>, intent: Intent) {
        self.commits.queue.push_back(Wanted { operation, intent, attempts: 0 });
    }

    /// Takes up a commit that was under way before a restart.
    pub(crate) fn resume_commit(&mut self, saved: SavedCommit, effects: &mut Effects) {
        let body = Bytes::from(saved.body);
        let request = Request::Update { room: self.uri.clone(), body: body.clone() };
        let request = effects.request_again(Purpose::Commit(self.uri.clone()), request);
        let wanted = Wanted { operation: None, intent: saved.intent, attempts: 1 };
        self.commits.current = Some(Current::sent(wanted, body, request));
    }

    /// Whether proposals wait for a committer. This user's own wish to leave does not count: by
    /// then it is no member in good standing any more, and may not commit (PROTO-UPD-4).
    /// Nor may it while somebody wants it out.
    pub(crate) fn has_pending_proposals(&self) -> bool {
        self.member().is_ok_and(|group| {
            let pending = group.pending_change().proposals;
            let us = ProposedChange::RemoveClient(group.own_leaf());
            !pending.is_empty() && pending.iter().all(|proposal| proposal.change != us)
        })
    }

    /// The random delay is over: commits what others proposed, unless a commit is on its way.
    pub(crate) fn commit_pending_of_others(&mut self) {
        self.commit_pending_due = false;
        if !self.is_committing() && self.has_pending_proposals() {
            self.want_commit(None, Intent::CommitPendingOfOthers);
        }
    }

    /// Whether a commit waits for the hub, or for its turn after one that won.
    pub(crate) fn has_commit_under_way(&self) -> bool {
        self.commits.current.is_some()
    }

    pub(crate) fn is_committing(&self) -> bool {
        self.commits.current.is_some() || !self.commits.queue.is_empty()
    }

    /// Builds the next commit if none is under way.
    pub(crate) fn advance_commits(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        while self.commits.current.is_none()
            && !self.leaves_first()
            && self.blocked.is_none()
            && self.member().is_ok()
        {
            let Some(wanted) = self.commits.queue.pop_front() else { return };
            self.build_commit(wanted, means, at);
        }
    }

    fn build_commit(&mut self, mut wanted: Wanted, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let Some(group) = &mut self.group else { return };
        if let Err(error) = operational::takes_our_handshakes(group.view()) {
            return means.effects.finish(wanted.operation, Err(error));
        }
        let step = wanted.intent.step(group.view(), &group.pending_change(), &means.own.user);
        let plan = match step {
            Step::Commit(plan) if wanted.attempts < COMMIT_ATTEMPTS_MAX => plan,
            Step::Fulfilled => {
                let outcome = wanted.intent.outcome();
                return means.effects.finish(wanted.operation, Ok(outcome));
            }
            Step::Refused(error) => return means.effects.finish(wanted.operation, Err(error)),
            Step::Commit(_) => return means.effects.finish(wanted.operation, Err(too_busy())),
        };
        wanted.attempts += 1;
        let built = group.commit(means.device, &plan, &mut at.rng, at.now_ms);
        let judged = match built {
            Ok((bundle, change)) => {
                judge(group, &change).map(|()| bundle).map_err(ClientError::Denied)
            }
            Err(error) => Err(ClientError::Other(error.to_string())),
        };
        let bundle = match judged {
            Ok(bundle) => bundle,
            Err(error) => {
                self.drop_pending_commit(means.effects);
                return means.effects.finish(wanted.operation, Err(error));
            }
        };
        let body = Bytes::from(UpdateRequest::Commit(bundle).encode());
        let saved = SavedCommit { intent: wanted.intent.clone(), body: body.to_vec() };
        means.effects.put_room(&self.uri, room_value::COMMIT, &saved);
        self.save_group(means.effects);
        let request = Request::Update { room: self.uri.clone(), body: body.clone() };
        let request = means.effects.request(Purpose::Commit(self.uri.clone()), request);
        self.commits.current = Some(Current::sent(wanted, body, request));
    }

    fn drop_pending_commit(&mut self, effects: &mut Effects) {
        if let Some(group) = &mut self.group
            && group.has_pending()
            && let Err(error) = group.drop_pending()
        {
            tracing::error!(%error, room = %self.uri, "a pending commit could not be dropped");
        }
        effects.remove_room(&self.uri, room_value::COMMIT);
        self.save_group(effects);
    }

    /// The hub has answered our commit.
    pub(crate) fn commit_answered(
        &mut self,
        answer: Answer,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let response = match answer.result {
            Ok(Response::Update(response)) => response,
            // Refused now, it may have been accepted before: only the stream knows.
            other if answer.uncertain => {
                return self.commit_in_doubt(refusal(other), means.effects, at);
            }
            other => return self.commit_failed(refusal(other), means.effects),
        };
        match response.outcome {
            UpdateOutcome::Success { accepted_timestamp } => {
                self.commit_accepted(accepted_timestamp, means);
            }
            UpdateOutcome::WrongEpoch { current_epoch } => {
                self.commit_lost(current_epoch, answer.uncertain, means, at);
            }
            UpdateOutcome::NotAllowed => {
                let refused = told_by_hub(response.error_description, "the hub does not allow it");
                self.commit_failed(refused, means.effects);
            }
            UpdateOutcome::InvalidProposal { invalid_proposals } => {
                self.proposals_omitted(&invalid_proposals, response.error_description, means, at);
            }
        }
    }

    /// Our commit is the epoch's: merges it.
    fn commit_accepted(&mut self, accepted_ms: u64, means: &mut Means<'_>) {
        let Some(group) = &mut self.group else { return };
        let before = group.view().clone();
        if let Err(error) = group.accept_pending() {
            tracing::error!(%error, room = %self.uri, "an accepted commit could not be merged");
            let error = ClientError::Other(error.to_string());
            return self.commit_failed(error, means.effects);
        }
        self.own_commit_merged(before, accepted_ms, means);
    }

    /// Our commit was merged, on the hub's answer or as the stream brought it.
    pub(crate) fn own_commit_merged(
        &mut self,
        before: RoomView,
        accepted_ms: u64,
        means: &mut Means<'_>,
    ) {
        let epoch = before.epoch + 1;
        self.epoch_began(accepted_ms, means.effects);
        self.keep_view(before, means.effects);
        means.effects.remove_room(&self.uri, room_value::COMMIT);
        self.save_group(means.effects);
        self.stirred = true;
        let room = self.uri.clone();
        means.effects.event(ClientEvent::RoomChanged { room, epoch, by: None });
        let Some(current) = self.commits.current.take() else { return };
        if let Stage::Sent { request, .. } = current.stage {
            means.effects.cancel(request);
        }
        // What had to go first may have gone alone: the queue looks at the intent again, and ends
        // it when it is fulfilled.
        if !current.given_up {
            self.commits.queue.push_front(current.wanted);
        }
    }

    /// The person hears of the refusal; the commit stays until the stream settles what became of it.
    fn commit_in_doubt(&mut self, error: ClientError, effects: &mut Effects, at: &mut Moment<'_>) {
        self.await_winner(effects, at);
        if let Some(current) = &mut self.commits.current
            && !std::mem::replace(&mut current.given_up, true)
        {
            effects.finish(current.wanted.operation.take(), Err(error));
        }
    }

    fn await_winner(&mut self, effects: &mut Effects, at: &mut Moment<'_>) {
        let Some(current) = &mut self.commits.current else { return };
        let Stage::Sent { body, .. } = &current.stage else { return };
        current.stage = Stage::Lost { body: body.clone() };
        let late_ms = WINNER_LATE_MS << current.lost.min(WINNER_LATE_DOUBLED);
        current.lost += 1;
        effects.timer(at.later(late_ms), Timer::WinnerLate(self.uri.clone()));
    }

    /// The stream moves: the commit that won may still come.
    pub(crate) fn be_patient_with_winner(&mut self) {
        if let Some(current) = &mut self.commits.current {
            current.lost = 0;
        }
    }

    /// `wrongEpoch`: the stream will say whose commit won.
    fn commit_lost(
        &mut self,
        current_epoch: u64,
        uncertain: bool,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        self.await_winner(means.effects, at);
        if self.is_ahead_of(current_epoch) {
            return self.went_astray("the hub is in an earlier epoch", means, at);
        }
        let Some(current) = &mut self.commits.current else { return };
        if current.lost > COMMIT_LOST_MAX {
            let reason = "the stream does not bring the commit that won";
            return self.went_astray(reason, means, at);
        }
        // After a lost answer the winner may be our own commit.
        if !uncertain && !current.wanted.intent.is_quiet() && !current.told {
            current.told = true;
            let room = self.uri.clone();
            means.effects.event(ClientEvent::Retrying { room, current_epoch });
        }
    }

    /// The stream is late: perhaps the hub answers otherwise now.
    pub(crate) fn winner_late(&mut self, effects: &mut Effects) {
        let Some(current) = &mut self.commits.current else { return };
        let Stage::Lost { body } = &current.stage else { return };
        let request = Request::Update { room: self.uri.clone(), body: body.clone() };
        let request = effects.request_again(Purpose::Commit(self.uri.clone()), request);
        current.stage = Stage::Sent { body: body.clone(), request };
    }

    /// Another commit was merged: ours has lost, if one was on its way.
    pub(crate) fn race_lost(&mut self, effects: &mut Effects, at: &mut Moment<'_>) {
        let Some(mut current) = self.commits.current.take() else { return };
        let Some(group) = &self.group else { return };
        match current.stage {
            Stage::Pausing => {
                self.commits.current = Some(current);
                return;
            }
            Stage::Sent { request, .. } => effects.cancel(request),
            Stage::Lost { .. } => {}
        }
        effects.remove_room(&self.uri, room_value::COMMIT);
        if current.given_up {
            return;
        }
        let wanted = &current.wanted;
        if !wanted.intent.is_quiet() && !current.told {
            let (room, current_epoch) = (self.uri.clone(), group.view().epoch);
            effects.event(ClientEvent::Retrying { room, current_epoch });
        }
        let (first_ms, most_ms) = COMMIT_AGAIN_MS;
        let full_ms = first_ms.saturating_mul(1 << wanted.attempts.min(16)).min(most_ms);
        effects.timer(at.after(0, full_ms), Timer::CommitAgain(self.uri.clone()));
        current.stage = Stage::Pausing;
        self.commits.current = Some(current);
    }

    /// What was on its way goes back into the queue: the group it was made in is given up.
    pub(crate) fn take_back_commit(&mut self, effects: &mut Effects) {
        let Some(current) = self.commits.current.take() else { return };
        if let Stage::Sent { request, .. } = current.stage {
            effects.cancel(request);
        }
        effects.remove_room(&self.uri, room_value::COMMIT);
        if !current.given_up {
            self.commits.queue.push_front(current.wanted);
        }
    }

    /// `invalidProposal`: most likely proposals the hub holds have not come yet (AMB-UPD-8).
    fn proposals_omitted(
        &mut self,
        references: &[ProposalRef],
        description: String,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        self.drop_pending_commit(means.effects);
        let (Some(current), Some(group)) = (&mut self.commits.current, &self.group) else {
            return;
        };
        if current.wanted.attempts >= OMITTED_ATTEMPTS_MAX {
            if !group.lacks(references).is_empty() {
                // Nobody but the hub could take them: an external commit ends their epoch.
                return self.rejoin(means, at);
            }
            let refused = told_by_hub(description, "the hub calls a proposal invalid");
            return self.commit_failed(refused, means.effects);
        }
        current.stage = Stage::Pausing;
        means.effects.timer(at.later(OMITTED_PROPOSALS_MS), Timer::CommitAgain(self.uri.clone()));
    }

    /// The pause is over, or proposals have come.
    pub(crate) fn commit_again(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let Some(current) = self.commits.current.take() else { return };
        match current.stage {
            Stage::Pausing if self.blocked.is_none() && self.member().is_ok() => {
                self.build_commit(current.wanted, means, at);
            }
            Stage::Pausing if self.blocked.is_some() => {
                self.commits.queue.push_front(current.wanted);
            }
            _ => self.commits.current = Some(current),
        }
    }

    fn commit_failed(&mut self, error: ClientError, effects: &mut Effects) {
        self.drop_pending_commit(effects);
        if let Some(current) = self.commits.current.take() {
            if current.wanted.intent == Intent::CommitPendingOfOthers {
                self.waits_in_vain(&error, effects);
            }
            effects.finish(current.wanted.operation, Err(error));
        }
    }

    pub(crate) fn abandon_commits(&mut self, error: &ClientError, effects: &mut Effects) {
        if let Some(current) = self.commits.current.take() {
            if let Stage::Sent { request, .. } = current.stage {
                effects.cancel(request);
            }
            effects.remove_room(&self.uri, room_value::COMMIT);
            effects.finish(current.wanted.operation, Err(error.clone()));
        }
        for wanted in self.commits.queue.drain(..) {
            effects.finish(wanted.operation, Err(error.clone()));
        }
    }
}

fn too_busy() -> ClientError {
    ClientError::Refused("others keep changing the room; try again".to_owned())
}

/// The hub's own words where it has some.
pub(crate) fn told_by_hub(description: String, otherwise: &str) -> ClientError {
    ClientError::Refused(match description.is_empty() {
        true => otherwise.to_owned(),
        false => description,
    })
}
