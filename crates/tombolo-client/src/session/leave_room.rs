//! Leaving: list change, Remove of our other clients and SelfRemove as standalone proposals, which
//! another member commits (AMB-UPD-9).

use bytes::Bytes;
use mimi_mls::member::epoch_of;
use mimi_policy::{Actor, LeafIndex, ProposedChange, RoomView, StagedChange, StagedProposal};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::Session;
use crate::session::command::{OperationId, Outcome};
use crate::session::commit::told_by_hub;
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer, refusal};
use crate::session::judging::judge;
use crate::session::remove_user::list_index;
use crate::session::request::{Request, RequestId, Response};
use crate::session::room::{Means, Room, Standing};
use crate::session::saved::room_value;

/// How often leaving is proposed before its operation gives up.
const ATTEMPTS_MAX: u32 = 10;
/// How long the stream may take to bring the epoch that the hub is in.
const EPOCH_LATE_MS: u64 = 1_000;

/// Proposals to leave, on their way.
#[derive(Debug)]
pub(crate) struct Leaving {
    operation: Option<OperationId>,
    attempts: u32,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// To be proposed as soon as no commit of ours is under way.
    Wanted,
    /// The hub has the proposals, or will get them.
    Sent { first: Box<MlsMessage>, request: RequestId },
    /// The hub is in another epoch, which the stream will bring.
    Pausing,
    /// What others have proposed cannot be committed together with ours, and goes first.
    Behind,
}

impl Leaving {
    /// The epoch that what is on its way was made in.
    fn epoch(&self) -> Option<u64> {
        match &self.stage {
            Stage::Sent { first, .. } => epoch_of(first),
            Stage::Wanted | Stage::Pausing | Stage::Behind => None,
        }
    }
}

/// Proposals to leave, as stored.
#[derive(Deserialize, Serialize)]
pub(crate) struct SavedLeaving {
    body: Vec<u8>,
}

impl Session {
    pub(crate) fn leave_room(
        &mut self,
        operation: Option<OperationId>,
        room: &MimiUri,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(room)?;
        if known.standing == Standing::Left {
            means.effects.finish(operation, Ok(Outcome::Done));
            return Ok(());
        }
        let group = known.member()?;
        let own = &means.own.user;
        // Once proposed, there is no way back: the judge is asked first.
        judge(group, &departure(group.view(), own, group.own_leaf()))?;
        if known.leaving.is_some() {
            return Err(ClientError::Other("this device is leaving already".to_owned()));
        }
        known.leaving = Some(Leaving { operation, attempts: 0, stage: Stage::Wanted });
        Ok(())
    }
}

impl Room {
    /// Another room has taken this one's place: this device goes, by itself.
    pub(crate) fn leave_superseded(&mut self) {
        if self.superseded_by.is_some() && self.member().is_ok() && self.leaving.is_none() {
            self.leaving = Some(Leaving { operation: None, attempts: 0, stage: Stage::Wanted });
        }
    }

    /// Proposes to leave, if that is wanted. Until the hub has the proposals no commit of ours is
    /// begun: it would void them.
    pub(crate) fn advance_leaving(&mut self, means: &mut Means<'_>) {
        let wanted = self.leaving.as_ref().is_some_and(|leaving| {
            matches!(leaving.stage, Stage::Wanted) && !self.has_commit_under_way()
        });
        if wanted && self.blocked.is_none() && self.member().is_ok() {
            let proposed = self.propose_leaving(means);
            if let Err(error) = proposed {
                self.leaving_failed(error, means.effects);
            }
        }
    }

    fn propose_leaving(&mut self, means: &mut Means<'_>) -> Result<(), ClientError> {
        let (Some(group), Some(leaving)) = (&mut self.group, &mut self.leaving) else {
            return Ok(());
        };
        leaving.attempts += 1;
        if leaving.attempts > ATTEMPTS_MAX {
            return Err(ClientError::Refused("the room keeps changing; try again".to_owned()));
        }
        // Of a room that another one has taken the place of, each device goes when it is ready.
        let bundle = match self.superseded_by {
            Some(_) => group.leave_alone(means.device),
            None => group.leave(means.device),
        };
        let bundle = bundle.map_err(|error| ClientError::Other(error.to_string()))?;
        let first = Box::new(bundle.proposal.clone());
        let body = UpdateRequest::Proposals(bundle).encode();
        means.effects.put_room(&self.uri, room_value::LEAVE, &SavedLeaving { body: body.clone() });
        means.effects.save_group(&self.uri, group);
        let request = Request::Update { room: self.uri.clone(), body: Bytes::from(body) };
        let request = means.effects.request(Purpose::Leave(self.uri.clone()), request);
        leaving.stage = Stage::Sent { first, request };
        Ok(())
    }

    /// Takes up leaving that was under way before a restart.
    pub(crate) fn resume_leaving(&mut self, saved: &SavedLeaving, effects: &mut Effects) {
        let Ok(UpdateRequest::Proposals(bundle)) = UpdateRequest::decode(&saved.body) else {
            return;
        };
        let body = Bytes::from(saved.body.clone());
        let request = Request::Update { room: self.uri.clone(), body };
        let request = effects.request_again(Purpose::Leave(self.uri.clone()), request);
        let stage = Stage::Sent { first: Box::new(bundle.proposal), request };
        self.leaving = Some(Leaving { operation: None, attempts: 1, stage });
    }

    pub(crate) fn leave_answered(
        &mut self,
        answer: Answer,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let response = match answer.result {
            Ok(Response::Update(response)) => response,
            other => return self.leaving_failed(refusal(other), means.effects),
        };
        match response.outcome {
            UpdateOutcome::Success { .. } => self.leaving_accepted(means.effects),
            UpdateOutcome::WrongEpoch { current_epoch } => {
                let mut is_earlier = false;
                if let Some(leaving) = &mut self.leaving {
                    // Not by where we are now: the stream may have gone on meanwhile.
                    is_earlier = leaving.epoch().is_some_and(|epoch| epoch > current_epoch);
                    leaving.stage = Stage::Pausing;
                }
                means.effects.remove_room(&self.uri, room_value::LEAVE);
                let due = at.later(EPOCH_LATE_MS);
                means.effects.timer(due, Timer::LeaveAgain(self.uri.clone()));
                let attempts = self.leaving.as_ref().map_or(0, |leaving| leaving.attempts);
                if is_earlier || attempts >= ATTEMPTS_MAX {
                    self.went_astray("the hub is in another epoch", means, at);
                }
            }
            UpdateOutcome::InvalidProposal { .. }
                if self.leaving.as_ref().is_some_and(|it| it.attempts < ATTEMPTS_MAX) =>
            {
                self.leave_behind_others(means, at);
            }
            UpdateOutcome::NotAllowed | UpdateOutcome::InvalidProposal { .. } => {
                let description = response.error_description;
                let refused = told_by_hub(description, "the hub does not let this user leave");
                self.leaving_failed(refused, means.effects);
            }
        }
    }

    /// The hub holds something that does not go together with ours: another device's wish to leave, or its
    /// own to take out one of our clients. Or it has ours already, which the stream will bring.
    fn leave_behind_others(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        if let Some(leaving) = &mut self.leaving {
            leaving.stage = Stage::Behind;
        }
        means.effects.remove_room(&self.uri, room_value::LEAVE);
        means.effects.timer(at.later(EPOCH_LATE_MS), Timer::LeaveAgain(self.uri.clone()));
        self.commit_pending_of_others();
    }

    /// Whether a commit of ours has to wait until the hub has our proposals to leave.
    pub(crate) fn leaves_first(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| !matches!(leaving.stage, Stage::Behind))
    }

    /// Our proposals come back in the stream: accepted, if the answer did not say so.
    pub(crate) fn leaving_echoed(&mut self, message: &MlsMessage, effects: &mut Effects) {
        let Some(Leaving { stage: Stage::Sent { first, .. }, .. }) = &self.leaving else { return };
        if first.octets() == message.octets() {
            self.leaving_accepted(effects);
        }
    }

    /// The hub guarantees that they are committed: for a person, we have left.
    fn leaving_accepted(&mut self, effects: &mut Effects) {
        if self.leaving.is_some() {
            self.depart(effects);
            self.leaving_over(effects);
        }
    }

    /// This device's user leaves, by this device or another.
    pub(crate) fn depart(&mut self, effects: &mut Effects) {
        if self.standing != Standing::Joined {
            return;
        }
        self.stand(Standing::Left, effects);
        self.abandon(&ClientError::NotInRoom(self.uri.clone()), effects);
        if self.superseded_by.is_none() {
            let (room, status) = (self.uri.clone(), crate::shown::RoomStatus::Left);
            effects.event(ClientEvent::Left { room, status });
        }
    }

    /// The room, once everybody in it has to go, and this device by the will of others: nobody is left to
    /// commit that, so it is out now (AMB-PL-8).
    pub(crate) fn ends_with_everybody(&self) -> Option<RoomView> {
        let group = self.member().ok()?;
        let (view, pending) = (group.view(), group.pending_change().proposals);
        let is_put_out = |leaf: LeafIndex| {
            pending.iter().any(|it| it.change == ProposedChange::RemoveClient(leaf))
        };
        let goes_itself = |leaf: LeafIndex| {
            pending.iter().any(|it| {
                let is_its = matches!(&it.sender, Actor::Member { leaf: of, .. } if *of == leaf);
                is_its && it.change == ProposedChange::SelfRemove
            })
        };
        let mut leaves = view.clients.iter().map(|client| client.leaf);
        let ends = is_put_out(group.own_leaf())
            && leaves.all(|leaf| is_put_out(leaf) || goes_itself(leaf));
        ends.then(|| view.clone())
    }

    /// The hub's epoch, or what it holds, should have come by now.
    pub(crate) fn leave_again(&mut self) {
        if let Some(leaving) = &mut self.leaving
            && matches!(leaving.stage, Stage::Pausing | Stage::Behind)
        {
            leaving.stage = Stage::Wanted;
        }
    }

    /// Another commit has ended the epoch: proposals of it are void.
    pub(crate) fn leaving_overtaken(&mut self, effects: &mut Effects) {
        let Some(leaving) = &mut self.leaving else { return };
        if let Stage::Sent { request, .. } = std::mem::replace(&mut leaving.stage, Stage::Wanted) {
            effects.cancel(request);
            effects.remove_room(&self.uri, room_value::LEAVE);
        }
    }

    fn leaving_failed(&mut self, error: ClientError, effects: &mut Effects) {
        effects.remove_room(&self.uri, room_value::LEAVE);
        if let Some(leaving) = self.leaving.take() {
            effects.finish(leaving.operation, Err(error));
        }
    }

    /// This device is out, so there is nothing more to propose.
    pub(crate) fn leaving_over(&mut self, effects: &mut Effects) {
        self.end_leaving(Ok(Outcome::Done), effects);
    }

    pub(crate) fn end_leaving(
        &mut self,
        result: Result<Outcome, ClientError>,
        effects: &mut Effects,
    ) {
        let Some(leaving) = self.leaving.take() else { return };
        if let Stage::Sent { request, .. } = leaving.stage {
            effects.cancel(request);
        }
        effects.remove_room(&self.uri, room_value::LEAVE);
        effects.finish(leaving.operation, result);
    }
}

/// What leaving asks of the room, for the judge.
fn departure(view: &RoomView, own: &MimiUri, own_leaf: u32) -> StagedChange {
    // Where the participants are fixed one goes with all devices and stays listed (POLICY-BASE-1).
    let fixed = view.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership);
    let index = list_index(view, own).filter(|_| !fixed);
    let update = index.map(|index| ParticipantListUpdate {
        removed_indices: vec![index],
        ..ParticipantListUpdate::default()
    });
    let others = view.clients_of(own).map(|client| client.leaf).filter(|leaf| *leaf != own_leaf);
    let mut changes: Vec<_> = update.map(ProposedChange::ParticipantList).into_iter().collect();
    changes.extend(others.map(ProposedChange::RemoveClient));
    changes.push(ProposedChange::SelfRemove);
    let sender = Actor::Member { leaf: own_leaf, user: own.clone() };
    let proposals = changes.into_iter().map(|change| StagedProposal {
        sender: sender.clone(),
        reference: None,
        change,
    });
    StagedChange { epoch: view.epoch, committer: None, proposals: proposals.collect() }
}

/// Whether proposals take a user out of the room by the user's own wish: off the list, or, where the
/// participants are fixed and stay listed (POLICY-BASE-1), with all clients.
pub(crate) fn takes_leave(view: &RoomView, change: &StagedChange, user: &MimiUri) -> bool {
    let fixed = view.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership);
    let index = list_index(view, user);
    let is_own = |proposal: &&StagedProposal| proposal.sender.user() == Some(user);
    let own = || {
        change.proposals.iter().filter(is_own).map(|proposal| (&proposal.sender, &proposal.change))
    };
    if !fixed {
        return own().any(|(_, change)| match change {
            ProposedChange::ParticipantList(update) => {
                update.removed_indices.iter().any(|removed| Some(*removed) == index)
            }
            _ => false,
        });
    }
    let goes = |leaf: u32| {
        own().any(|(sender, change)| match (sender, change) {
            (_, ProposedChange::RemoveClient(removed)) => *removed == leaf,
            (Actor::Member { leaf: sender, .. }, ProposedChange::SelfRemove) => *sender == leaf,
            _ => false,
        })
    };
    view.clients_of(user).all(|client| goes(client.leaf))
}
