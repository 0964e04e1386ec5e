//! Rooms that this node hosts.

use std::collections::BTreeMap;

use mimi_mls::CIPHERSUITE;
use mimi_mls::hub::{HubGroup, HubProposals, StagedUpdate, WelcomeSlice, application_frame};
use mimi_mls::identity::{claimed_domain, identify};
use mimi_mls::label::{encrypt_with_label, verify_with_label};
use mimi_mls::roster::external_joiner;
use mimi_policy::parent::without_anybody;
use mimi_policy::{Judge, RoomView};
use mimi_provider::hub::found_room::{FoundRoomInput, Founded, HubSender, found_room};
use mimi_provider::hub::group_info::{Authorized, GroupInfoInput, group_info};
use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::hub::propose::{
    HubProposalsInput, ListChanges, due, due_after, has_lost, newly_evicted, orphaned, propose,
};
use mimi_provider::hub::state::Evicted;
use mimi_provider::hub::stranger::{is_acquainted, refusal, to_stranger};
use mimi_provider::hub::submit_message::{SubmitMessageInput, submit_message};
use mimi_provider::hub::update::{
    HubBundle, SnapshotDue, UpdateInput, UpdateKind, WelcomePart, is_gone, parent_after, parent_of,
    repeat, update,
};
use mimi_provider::record::EventKind;
use mimi_provider::requester::{DeviceIdentity, Requester};
use mimi_provider::{Change, Expect, Reject, reply};
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::protocol::group_info::{
    GROUP_INFO_ENCRYPTION_LABEL, GROUP_INFO_REQUEST_LABEL, GROUP_INFO_RESPONSE_LABEL,
    GroupInfoOutcome, GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoResponse,
    GroupInfoSuccess,
};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::submit_message::SubmitMessageRequest;
use mimi_wire::protocol::update::{UpdateRequest, UpdateResponse};
use mimi_wire::{MimiUri, Wire as _};
use tombolo_client::session::request::Response;
use tombolo_store::Store as _;
use tombolo_testkit::simulation::ledger::Accepted;

use super::rooms::{self, HubRoom};
use super::weighing::Taken;
use super::{Done, Fact, Node, Obstacle, Op, Said, Write, malformed};
use crate::pure::disk::now;
use crate::pure::planted::Planted;

fn welcome_part(slice: &WelcomeSlice) -> WelcomePart {
    let (domain, clients) = (slice.domain.clone(), slice.clients.clone());
    WelcomePart { domain, clients, message: slice.message.clone() }
}

fn list_changes(taken: bool) -> ListChanges {
    if taken { ListChanges::Taken } else { ListChanges::Refused }
}

/// A write that only waits for what came before.
fn barrier(room: &MimiUri, hub: &HubRoom, said: Said) -> Done {
    let expect = vec![Expect::StreamSeq { stream: room.clone(), seq: hub.state.last_seq }];
    Done::Write(Box::new(Write {
        changes: Vec::new(),
        expect,
        effects: Vec::new(),
        said,
        facts: Vec::new(),
        room: Some(room.clone()),
        snapshot: None,
        then: Vec::new(),
        forward: None,
    }))
}

/// Sequence number and time of the first entry of a kind.
fn entry(changes: &[Change], kind: EventKind) -> Option<(u64, u64)> {
    changes.iter().find_map(|change| match change {
        Change::Append(event) if event.kind == kind => Some((event.seq, event.timestamp_ms)),
        _ => None,
    })
}

impl Node {
    pub(crate) fn found_room(
        &mut self,
        creator: &DeviceIdentity,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        let founding = RoomFounding::decode(body).map_err(malformed)?;
        let (info, tree) = (&founding.group_info, &founding.ratchet_tree);
        let group = HubGroup::open(info, tree, &self.issuers, self.now_ms).map_err(malformed)?;
        let welcomed = founding.welcome.as_ref().map_or(&[][..], |it| &it.welcomed);
        let welcome = founding.welcome.as_ref().map(|it| &it.welcome);
        let welcomes = group.founding_welcomes(welcome, welcomed).map_err(malformed)?;
        let welcomes: Vec<_> = welcomes.iter().map(welcome_part).collect();
        let parent = parent_of(group.view()).filter(|parent| parent != room);
        let parent = parent.map(|parent| self.view_of(&parent));
        let ours = *group.hub_sender() == self.keys.hub.external_sender();
        let members = MemberSet::fixed(group.view());
        let same = members.and_then(|members| now(self.disk.store.room_of_members(members)));
        let snapshot = group.snapshot();
        let transition = found_room(&FoundRoomInput {
            own: self.domain(),
            creator,
            room,
            view: group.view(),
            envelope: &self.envelope,
            hub_sender: if ours { HubSender::Ours } else { HubSender::Foreign },
            franking_agent: b"",
            parent: parent.as_ref(),
            same_members: same.as_ref(),
            welcomes: &welcomes,
            ratchet_tree: &founding.ratchet_tree,
            group: &snapshot,
            now_ms: self.now_ms,
        })?;
        let is_new = matches!(transition.reply, Founded::New { .. });
        let mut write = Write::of(transition, |founded| {
            let room = match founded {
                Founded::New { .. } => room.clone(),
                Founded::Existing(existing) => existing,
            };
            Said::Client(Response::Founded { room })
        });
        if is_new {
            write.facts.push(rooms::epoch(room, &group, 0));
            write.facts.push(Fact::Founded { room: room.clone() });
            if parent.is_some() {
                write.then.push(Op::Evict { room: room.clone(), gone: None });
            }
        }
        Ok(Done::Write(Box::new(write)))
    }

    pub(crate) fn direct_room(
        &mut self,
        user: &MimiUri,
        other: &MimiUri,
    ) -> Result<Done, Obstacle> {
        let room = now(self.disk.store.room_of_members(MemberSet::of([user, other])));
        let room = room.ok_or_else(|| Reject::Unknown("no direct room here".to_owned()))?;
        Ok(Done::Said(Said::Client(Response::Founded { room })))
    }

    fn view_of(&mut self, room: &MimiUri) -> RoomView {
        self.hub(room).map_or_else(|_| without_anybody(room), |hub| hub.group.view().clone())
    }

    pub(crate) fn submit_of_client(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &bytes::Bytes,
    ) -> Result<Done, Obstacle> {
        let request = SubmitMessageRequest::decode(body).map_err(malformed)?;
        if !requester.speaks_for(&request.sending_uri) {
            let reason = "sendingUri is another user".to_owned();
            return Err(Reject::PeerMisbehaved(reason).into());
        }
        if room.domain() == *self.domain() {
            return self.submit(requester, room, body);
        }
        let op = Op::SubmitMessage { room: room.clone(), body: body.clone() };
        Ok(Done::Forward { to: room.domain(), op })
    }

    pub(crate) fn submit(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        match self.try_submit(requester, room, body) {
            Err(Obstacle::Reject(reject)) => {
                let reject = self.told(requester, room, reject);
                let said = reply::submit_message(&reject).map(Said::SubmitMessage);
                said.map(Done::Said).ok_or(Obstacle::Reject(reject))
            }
            other => other,
        }
    }

    fn try_submit(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        let mut request = SubmitMessageRequest::decode(body).map_err(malformed)?;
        let frame = application_frame(&request.app_message).map_err(malformed)?;
        let (own, now_ms, planted) = (self.domain().clone(), self.now_ms, self.planted);
        let hub = self.hub(room)?;
        let mut asked_by = requester.clone();
        if planted == Planted::BelievesAnySender {
            // Planted: whoever asks, asks for a user of its own that may.
            asked_by = Requester::Peer(request.sending_uri.domain());
            let member = hub.group.view().clients.first();
            let may = hub.group.view().is_active(&request.sending_uri);
            if let Some(member) = member.filter(|_| !may) {
                asked_by = Requester::Peer(member.user.domain());
                request.sending_uri = member.user.clone();
            }
        }
        let readership = hub.readership(&own);
        let input = SubmitMessageInput {
            own: &own,
            requester: &asked_by,
            view: hub.group.view(),
            index: hub.group.index(),
            readership: &readership,
            group_id: hub.group.group_id(),
            request: &request,
            frame_group_id: &frame.group_id,
            frame_epoch: frame.epoch,
            franking: None,
            now_ms,
        };
        let transition = submit_message(&hub.state, &input)?;
        if transition.changes.is_empty() {
            return Ok(barrier(room, hub, Said::SubmitMessage(transition.reply)));
        }
        let sender = SubmitMessageRequest::decode(body).map_err(malformed)?.sending_uri;
        let taken = Taken {
            own: &own,
            room,
            view: hub.group.view(),
            state: &hub.state,
            group_id: hub.group.group_id(),
            requester,
            sender: &sender,
            frame: &frame,
            changes: &transition.changes,
        };
        let weighed = taken.weigh();
        hub.follow(&transition.changes, None)?;
        let mut write = Write::of(transition, Said::SubmitMessage);
        write.room = Some(room.clone());
        write.facts.extend(weighed);
        if let Some((seq, timestamp_ms)) = entry(&write.changes, EventKind::Application) {
            let octets = request.app_message.octets().to_vec();
            let message = Accepted { seq, timestamp_ms, epoch: frame.epoch, sender, octets };
            write.facts.push(Fact::Accepted { room: room.clone(), message });
        }
        Ok(Done::Write(Box::new(write)))
    }

    /// What a requester hears of a refusal.
    fn told(&mut self, requester: &Requester, room: &MimiUri, reject: Reject) -> Reject {
        let Requester::Peer(peer) = requester else { return reject };
        let known =
            self.hub(room).is_ok_and(|hub| is_acquainted(&hub.state, hub.group.view(), peer));
        if known { reject } else { to_stranger(reject) }
    }

    pub(crate) fn update_of_client(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &bytes::Bytes,
    ) -> Result<Done, Obstacle> {
        let request = UpdateRequest::decode(body).map_err(malformed)?;
        if room.domain() == *self.domain() {
            return self.update(requester, room, body);
        }
        let forward = Op::Update { room: room.clone(), body: body.clone() };
        if let (UpdateRequest::Commit(bundle), Requester::Local(device)) = (&request, requester)
            && let Some(joiner) = external_joiner(&bundle.commit)
        {
            return self.expect_join(device, room, &joiner, bundle.commit.octets(), forward);
        }
        Ok(Done::Forward { to: room.domain(), op: forward })
    }

    pub(crate) fn update(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        match self.try_update(requester, room, body) {
            Err(Obstacle::Reject(reject)) => {
                let reject = self.told(requester, room, reject);
                let said = reply::update(&reject).map(Said::Update);
                said.map(Done::Said).ok_or(Obstacle::Reject(reject))
            }
            other => other,
        }
    }

    fn try_update(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        let request = UpdateRequest::decode(body).map_err(malformed)?;
        let (issuers, now_ms) = (self.issuers.clone(), self.now_ms);
        let hub = self.hub(room)?;
        if let (UpdateRequest::Commit(_), Requester::Peer(peer)) = (&request, requester)
            && !is_acquainted(&hub.state, hub.group.view(), peer)
        {
            return Err(refusal().into());
        }
        if let Some(first) = repeat(&hub.state, requester, body) {
            return Ok(barrier(room, hub, Said::Update(first)));
        }
        let staged = hub.group.stage(&request, &issuers, now_ms)?;
        let parent = match &staged {
            StagedUpdate::Commit(commit) => parent_of(commit.after()),
            StagedUpdate::Proposals(proposals) => {
                parent_after(&hub.state, hub.group.view(), proposals.change())
            }
        };
        let parent = parent.map(|parent| self.view_of(&parent));
        let (transition, snapshot) =
            self.decide_update(requester, room, &request, body, &staged, parent.as_ref())?;
        let mut weighed = self.weigh_update(requester, room, &staged, &transition.changes);
        let hub = self.hub(room)?;
        let lists = match &staged {
            StagedUpdate::Commit(commit) => {
                Some(has_lost(commit.change(), hub.group.view(), commit.after()))
            }
            StagedUpdate::Proposals(_) => None,
        };
        if let Err(reject) = hub.follow(&transition.changes, Some(staged)) {
            self.forget(room);
            return Err(reject.into());
        }
        let hub = self.hubs.get_mut(room).expect("in use");
        let died = is_gone(&hub.state, hub.group.view());
        let mut write = Write::of(transition, Said::Update);
        write.room = Some(room.clone());
        if let Some((seq, _)) = entry(&write.changes, EventKind::Commit) {
            write.facts.push(hub.epoch(room, seq));
        }
        write.facts.push(hub.leaving(room));
        write.facts.append(&mut weighed);
        if snapshot {
            write.snapshot = Some(hub.snapshot(room));
        }
        if lists == Some(true) || died {
            for child in now(self.disk.store.dependent_rooms(room)) {
                write.then.push(Op::Evict { room: child, gone: None });
            }
        }
        if lists.is_some() && parent.is_some() {
            write.then.push(Op::Evict { room: room.clone(), gone: None });
        }
        Ok(Done::Write(Box::new(write)))
    }

    fn decide_update(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        request: &UpdateRequest,
        octets: &[u8],
        staged: &StagedUpdate,
        parent: Option<&RoomView>,
    ) -> Result<(mimi_provider::Transition<UpdateResponse>, bool), Obstacle> {
        let keys = self.keys.clone();
        let (envelope, limits) = (self.envelope.clone(), self.limits);
        let (now_ms, planted, cheats) = (self.now_ms, self.planted, self.crook.is_some());
        let HubRoom { group, state, .. } = self.hub(room)?;
        let pending = state.pending.iter().map(|pending| &pending.proposal);
        let claims = group.claims_of_senders(staged.change().proposals.iter().chain(pending));
        let (welcomes, bundle, bundle_octets): (Vec<_>, _, Vec<u8>);
        let replay: Option<Vec<u8>>;
        let kind = match staged {
            StagedUpdate::Commit(commit) => {
                welcomes = commit.welcomes().iter().map(welcome_part).collect::<Vec<_>>();
                let taken = || list_changes(group.takes_list_changes_after(commit));
                let due = due_after(state, commit.change(), commit.after(), &keys.domain, taken);
                bundle = match due {
                    None => None,
                    Some(due) => {
                        let participants = due.participants();
                        let participants = participants.as_ref();
                        let wanted = HubProposals { remove: &due.remove, participants };
                        let signed = group.propose_after(&keys.hub, commit, wanted);
                        Some(signed.map_err(|error| Reject::Internal(error.to_string()))?)
                    }
                };
                bundle_octets = bundle
                    .as_ref()
                    .map_or(Vec::new(), |bundle| UpdateRequest::Proposals(bundle.clone()).encode());
                replay = commit.saved().map_err(|error| Reject::Internal(error.to_string()))?;
                UpdateKind::Commit {
                    after: commit.after(),
                    joiner_signature_key: commit.joiner_signature_key(),
                    welcomes: &welcomes,
                    ratchet_tree: commit.ratchet_tree(),
                    replay: replay.as_deref(),
                    proposed: bundle
                        .as_ref()
                        .map(|bundle| HubBundle { bundle, octets: &bundle_octets }),
                }
            }
            StagedUpdate::Proposals(proposals) => {
                UpdateKind::Proposals { references: proposals.references() }
            }
        };
        let input = UpdateInput {
            own: &keys.domain,
            requester,
            view: group.view(),
            index: group.index(),
            envelope: &envelope,
            limits: &limits,
            request,
            octets,
            change: staged.change(),
            claims: &claims,
            kind,
            parent,
            now_ms,
        };
        let transition = match update(state, &input) {
            Err(Reject::Denied(_)) if planted == Planted::SkipsTheJudge || cheats => {
                super::super::planted::update_without_judge(state, &input)?
            }
            other => other?,
        };
        let snapshot = transition.reply.snapshot == SnapshotDue::Now;
        let mimi_provider::Transition { changes, expect, effects, reply } = transition;
        let reply = reply.response;
        Ok((mimi_provider::Transition { changes, expect, effects, reply }, snapshot))
    }

    pub(crate) fn group_info(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        match self.try_group_info(requester, room, body) {
            Err(Obstacle::Reject(reject)) => {
                let said = reply::group_info(room, &reject).map(Said::GroupInfo);
                said.map(Done::Said).ok_or(Obstacle::Reject(reject))
            }
            other => other,
        }
    }

    fn try_group_info(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        let request = GroupInfoRequest::decode(body).map_err(malformed)?;
        let tbs = &request.tbs;
        let key = &tbs.requesting_signature_key;
        let label = GROUP_INFO_REQUEST_LABEL;
        let is_signed = request.signed_octets().iter().any(|signed| {
            verify_with_label(tbs.cipher_suite, key, label, signed, &request.signature).is_ok()
        });
        if !is_signed {
            return Err(Reject::NotAllowed("not the requester's signature".to_owned()).into());
        }
        if claimed_domain(&tbs.requesting_credential)? != requester.domain() {
            return Err(Reject::NotAllowed("another provider's client".to_owned()).into());
        }
        let (issuers, now_ms, own) = (self.issuers.clone(), self.now_ms, self.domain().clone());
        let identity = identify(&tbs.requesting_credential, key, &issuers, now_ms)?;
        let parent = parent_of(self.hub(room)?.group.view());
        let parent = parent.map(|parent| self.view_of(&parent));
        let hub = self.hub(room)?;
        let joining_code = tbs.joining_code.as_ref().map(|code| code.code.as_slice());
        let transition = group_info(
            &hub.state,
            &GroupInfoInput {
                own: &own,
                requester,
                view: hub.group.view(),
                identity: &identity,
                signature_key: key,
                parent: parent.as_ref(),
                joining_code,
                now_ms,
            },
        )?;
        hub.follow(&transition.changes, None)?;
        let who = (&identity.user, &identity.client, key.as_slice());
        let weighed = self.weigh_group_info(requester, room, who, joining_code);
        let hub = self.hub(room)?;
        let tbe = |authorized: &Authorized, group: &HubGroup| GroupInfoRatchetTreeTbe {
            group_info: group.group_info().clone(),
            ratchet_tree: RatchetTreeOption::Full(group.ratchet_tree()),
            pending_proposals: authorized.pending_proposals.clone(),
        };
        let tbe = tbe(&transition.reply, &hub.group);
        let hub_sender = hub.group.hub_sender().clone();
        let tbe = self.cheated(room, tbe);
        let sealed = encrypt_with_label(
            CIPHERSUITE,
            &tbs.group_info_public_key,
            GROUP_INFO_ENCRYPTION_LABEL,
            room.as_bytes(),
            &tbe.encode(),
        );
        let success = GroupInfoSuccess {
            cipher_suite: CIPHERSUITE,
            hub_sender,
            encrypted_group_info_and_tree: sealed.map_err(malformed)?,
            signature: Vec::new(),
        };
        let outcome = GroupInfoOutcome::Success(success);
        let mut response = GroupInfoResponse { room_id: room.clone(), outcome };
        let signed = response.to_be_signed();
        if let GroupInfoOutcome::Success(success) = &mut response.outcome {
            success.signature = self.keys.hub.sign_with_label(GROUP_INFO_RESPONSE_LABEL, &signed);
        }
        let mut write = Write::of(transition, |_| Said::GroupInfo(response));
        write.room = Some(room.clone());
        write.facts.extend(weighed);
        Ok(Done::Write(Box::new(write)))
    }

    pub(crate) fn follow_parent(&mut self, parent: &MimiUri) {
        for child in now(self.disk.store.dependent_rooms(parent)) {
            self.own(Op::Evict { room: child, gone: None });
        }
    }

    /// The hub wants a client out of a room, or whoever its parent has lost.
    pub(crate) fn evict(
        &mut self,
        room: &MimiUri,
        gone: Option<&MimiUri>,
    ) -> Result<Done, Obstacle> {
        let nothing = || Ok(Done::Said(Said::Created));
        let parent = match self.hub(room) {
            Ok(hub) => parent_of(hub.group.view()),
            Err(Reject::Unknown(_)) => return nothing(),
            Err(reject) => return Err(reject.into()),
        };
        let parent = parent.map(|parent| self.view_of(&parent));
        let keys = self.keys.clone();
        let (envelope, limits) = (self.envelope.clone(), self.limits);
        let (issuers, now_ms) = (self.issuers.clone(), self.now_ms);
        let hub = self.hub(room)?;
        let view = hub.group.view();
        let wanted = match (gone, &parent) {
            (Some(client), _) => vec![Evicted::Client(client.clone())],
            (None, Some(parent)) => orphaned(view, parent),
            (None, None) => return nothing(),
        };
        let evicted = newly_evicted(&hub.state, view, &wanted);
        let pending = hub.state.pending.iter().map(|pending| &pending.proposal);
        let claims: BTreeMap<_, _> = hub.group.claims_of_senders(pending);
        let judge = Judge::of(view).with_index(hub.group.index()).with_claims(&claims);
        let taken = list_changes(hub.group.takes_list_changes());
        let change = due(&hub.state, judge, &keys.domain, &evicted, taken);
        if evicted.is_empty() && change.is_none() {
            return nothing();
        }
        let internal = |error: mimi_mls::error::StageError| Reject::Internal(error.to_string());
        let own = &keys.domain;
        let mut staged = None;
        let transition = match &change {
            None => propose(&hub.state, judge, &envelope, own, evicted, None, now_ms)?,
            Some(change) => {
                let participants = change.participants();
                let participants = participants.as_ref();
                let wanted = HubProposals { remove: &change.remove, participants };
                let bundle = hub.group.propose(&keys.hub, wanted).map_err(internal)?;
                let request = UpdateRequest::Proposals(bundle.clone());
                let octets = request.encode();
                let update = hub.group.stage(&request, &issuers, now_ms).map_err(internal)?;
                let StagedUpdate::Proposals(proposals) = &update else { unreachable!("proposals") };
                let input = HubProposalsInput {
                    bundle: &bundle,
                    octets: &octets,
                    change: proposals.change(),
                    references: proposals.references(),
                    limits: &limits,
                };
                let decided =
                    propose(&hub.state, judge, &envelope, own, evicted, Some(&input), now_ms)?;
                staged = Some(update);
                decided
            }
        };
        hub.follow(&transition.changes, staged)?;
        let leaving = hub.leaving(room);
        let mut write = Write::of(transition, |_| Said::Created);
        for removal in now(self.disk.store.owed_removals(0, usize::MAX)) {
            if removal.owed.room.as_ref() == Some(room) && Some(&removal.owed.gone) == gone {
                write.changes.push(Change::RemovalDone(removal.id));
            }
        }
        write.facts.push(leaving);
        write.room = Some(room.clone());
        Ok(Done::Write(Box::new(write)))
    }
}
