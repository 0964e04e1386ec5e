//! The hub's node: what a server does around the decisions.

use std::collections::BTreeMap;

use mimi_policy::envelope::Envelope;
use mimi_policy::{RoomIndex, RoomView};
use mimi_provider::hub::audience::Readership;
use mimi_provider::hub::found_room::{FoundRoomInput, HubSender, found_room};
use mimi_provider::hub::group_info::{GroupInfoInput, group_info};
use mimi_provider::hub::state::{HubSnapshot, HubState, Observed};
use mimi_provider::hub::submit_message::{SubmitMessageInput, submit_message};
use mimi_provider::hub::update::{SnapshotDue, UpdateInput, UpdateKind, repeat, update};
use mimi_provider::record::{EventKind, NewEvent, Seq};
use mimi_provider::requester::{DeviceIdentity, Requester};
use mimi_provider::{Change, Reject, Transition};
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest, UpdateResponse};
use mimi_wire::{Domain, Wire};

use crate::actors::{HUB, Mls, Request, founding};
use crate::disk::{Disk, Queue};
use crate::fixture::{self, GROUP, domain, identity, room_uri};

/// What the hub answers; `call` is whom.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) call: usize,
    pub(crate) outcome: Outcome,
}

#[derive(Clone)]
pub(crate) enum Outcome {
    Accepted(u64),
    Authorized,
    Refused(Reject),
}

pub(crate) struct HubNode {
    pub(crate) disk: Disk,
    pub(crate) queue: Queue<Answer>,
    hot: Option<Hot>,
    /// The room as the outside may know it: what is durable, nothing more.
    known: Hot,
    /// Cursors as the delivery loops have them in memory.
    pub(crate) delivered: BTreeMap<Domain, Seq>,
}

pub(crate) struct Hot {
    pub(crate) state: HubState,
    pub(crate) view: RoomView,
}

impl HubNode {
    pub(crate) fn new(now_ms: u64) -> Self {
        let view = founding();
        let creator = identity("a/alice/phone");
        let transition = found_room(&FoundRoomInput {
            own: &domain(HUB),
            creator: &DeviceIdentity { user: creator.user, client: creator.client },
            room: &room_uri(),
            view: &view,
            envelope: &Envelope::default(),
            hub_sender: HubSender::Ours,
            franking_agent: b"agent",
            parent: None,
            same_members: None,
            welcomes: &[],
            ratchet_tree: &fixture::ratchet_tree(),
            group: &postcard::to_stdvec(&view).unwrap(),
            now_ms,
        });
        let transition = transition.unwrap();
        let (disk, queue) = (Disk::default(), Queue::default());
        let known = Hot { state: HubState::default(), view };
        let mut node = Self { disk, queue, hot: None, known, delivered: BTreeMap::new() };
        node.queue.push(transition.changes, transition.expect, None);
        node.queue.flush(&mut node.disk);
        node
    }

    pub(crate) fn crash(&mut self) {
        self.queue.lose();
        self.hot = None;
        self.delivered.clear();
    }

    /// The room in memory; after a crash from the snapshot and the log after it.
    pub(crate) fn hot(&mut self, mls: &Mls) -> &mut Hot {
        if self.hot.is_none() {
            assert_eq!(self.queue.len(), 0, "nothing is queued for a room that is not in memory");
            self.hot = Some(load(&self.disk, mls));
        }
        self.hot.as_mut().unwrap()
    }

    /// What clients can have learned: nothing leaves the hub before it is durable.
    pub(crate) fn known(&mut self, mls: &Mls) -> &Hot {
        let seen = usize::try_from(self.known.state.last_seq).unwrap();
        for event in &self.disk.log[seen..] {
            follow(&mut self.known, event, mls);
        }
        &self.known
    }

    pub(crate) fn save_snapshot(&mut self, mls: &Mls) {
        let hot = self.hot(mls);
        hot.state.snapshot_taken();
        let group = postcard::to_stdvec(&hot.view).unwrap();
        let snapshot = HubSnapshot { group, state: hot.state.clone() }.encode();
        let seq = hot.state.last_seq;
        let change = Change::PutSnapshot { room: room_uri(), seq, snapshot };
        self.queue.push(vec![change], Vec::new(), None);
    }

    /// A request arrives. The answer goes out when everything up to here is durable.
    pub(crate) fn handle(
        &mut self,
        call: usize,
        requester: &Requester,
        request: &Request,
        mls: &Mls,
        now_ms: u64,
    ) {
        let result = match request {
            Request::Submit { .. } => self.submit(requester, request, mls, now_ms),
            Request::Update { octets } => self.update(requester, octets, mls, now_ms),
            Request::GroupInfo { short, key } => self.info(requester, short, key, mls, now_ms),
        };
        let transition =
            result.unwrap_or_else(|reject| Transition::unchanged(Outcome::Refused(reject)));
        let answer = Answer { call, outcome: transition.reply };
        self.queue.push(transition.changes, transition.expect, Some(answer));
    }

    fn submit(
        &mut self,
        requester: &Requester,
        request: &Request,
        mls: &Mls,
        now_ms: u64,
    ) -> Result<Transition<Outcome>, Reject> {
        let Request::Submit { sender, epoch, message } = request else { unreachable!("submit") };
        let request =
            SubmitMessageRequest { app_message: message.clone(), sending_uri: sender.clone() };
        let hot = self.hot(mls);
        let input = SubmitMessageInput {
            own: &domain(HUB),
            requester,
            view: &hot.view,
            index: &RoomIndex::of(&hot.view),
            readership: &Readership::of(&hot.view, &domain(HUB)),
            group_id: GROUP,
            request: &request,
            frame_group_id: GROUP,
            frame_epoch: *epoch,
            franking: None,
            now_ms,
        };
        let transition = submit_message(&hot.state, &input)?;
        hot.state.apply(&transition.changes, Observed::Plain).unwrap();
        Ok(with_reply(transition, |reply| match reply {
            SubmitMessageResponse::Accepted { accepted_timestamp, .. } => {
                Outcome::Accepted(accepted_timestamp)
            }
            other => panic!("{other:?} is no acceptance"),
        }))
    }

    fn update(
        &mut self,
        requester: &Requester,
        octets: &[u8],
        mls: &Mls,
        now_ms: u64,
    ) -> Result<Transition<Outcome>, Reject> {
        let hot = self.hot(mls);
        if let Some(first) = repeat(&hot.state, requester, octets) {
            return Ok(Transition::unchanged(accepted(first)));
        }
        let meaning = &mls.meanings[octets];
        let current_epoch = hot.view.epoch;
        if meaning.change.epoch != current_epoch {
            return Err(Reject::Stale { current_epoch });
        }
        let allowed = mimi_policy::check(&hot.view, &meaning.change)?;
        let request = UpdateRequest::decode(octets).unwrap();
        let after = match &request {
            UpdateRequest::Commit(_) => Some(fixture::after(&hot.view, &meaning.change, &allowed)),
            UpdateRequest::Proposals(_) => None,
        };
        let (tree, references) = (fixture::ratchet_tree(), fixture::references(&meaning.change));
        let kind = match &after {
            Some(after) => UpdateKind::Commit {
                after,
                joiner_signature_key: meaning.key.as_deref(),
                welcomes: &meaning.welcomes,
                ratchet_tree: Some(&tree),
                replay: None,
                proposed: None,
            },
            None => UpdateKind::Proposals { references: &references },
        };
        let input = UpdateInput {
            own: &domain(HUB),
            requester,
            view: &hot.view,
            index: &RoomIndex::of(&hot.view),
            envelope: &Envelope::default(),
            limits: &mimi_provider::Limits::DEFAULT,
            request: &request,
            octets,
            change: &meaning.change,
            claims: &BTreeMap::new(),
            kind,
            parent: None,
            now_ms,
        };
        let transition = update(&hot.state, &input)?;
        for change in &transition.changes {
            if let Change::Append(event) = change {
                follow(hot, event, mls);
            }
        }
        if transition.reply.snapshot == SnapshotDue::Now {
            let Transition { changes, expect, .. } = transition;
            self.queue.push(changes, expect, None);
            self.save_snapshot(mls);
            return Ok(Transition::unchanged(accepted(transition.reply.response)));
        }
        Ok(with_reply(transition, |updated| accepted(updated.response)))
    }

    fn info(
        &mut self,
        requester: &Requester,
        short: &str,
        key: &[u8],
        mls: &Mls,
        now_ms: u64,
    ) -> Result<Transition<Outcome>, Reject> {
        let hot = self.hot(mls);
        let input = GroupInfoInput {
            own: &domain(HUB),
            requester,
            view: &hot.view,
            identity: &identity(short),
            signature_key: key,
            parent: None,
            joining_code: None,
            now_ms,
        };
        let transition = group_info(&hot.state, &input)?;
        hot.state.apply(&transition.changes, Observed::Plain).unwrap();
        Ok(with_reply(transition, |_| Outcome::Authorized))
    }
}

/// The room as the disk gives it back.
pub(crate) fn load(disk: &Disk, mls: &Mls) -> Hot {
    let (snapshot, seq) = disk.snapshot.as_ref().unwrap();
    let HubSnapshot { group, state } = HubSnapshot::decode(snapshot).unwrap();
    let mut hot = Hot { state, view: postcard::from_bytes(&group).unwrap() };
    for event in disk.log.iter().filter(|event| event.seq > *seq) {
        follow(&mut hot, event, mls);
    }
    hot
}

/// Live and after a crash alike.
fn follow(hot: &mut Hot, event: &NewEvent, mls: &Mls) {
    match event.kind {
        EventKind::Commit => {
            let change = &mls.meanings[&event.detail].change;
            let allowed = mimi_policy::check(&hot.view, change).unwrap();
            let after = fixture::after(&hot.view, change, &allowed);
            let observed = Observed::Commit { change, after: &after };
            hot.state.observe(event, observed).unwrap();
            hot.view = after;
        }
        EventKind::Proposal => {
            let change = &mls.meanings[&event.detail].change;
            let observed = Observed::Proposals { change, view: &hot.view };
            hot.state.observe(event, observed).unwrap();
        }
        _ => hot.state.observe(event, Observed::Plain).unwrap(),
    }
}

fn accepted(response: UpdateResponse) -> Outcome {
    match response.outcome {
        UpdateOutcome::Success { accepted_timestamp } => Outcome::Accepted(accepted_timestamp),
        other => panic!("{other:?} is no acceptance"),
    }
}

fn with_reply<R, S>(transition: Transition<R>, reply: impl FnOnce(R) -> S) -> Transition<S> {
    let Transition { changes, expect, effects, reply: old } = transition;
    Transition { changes, expect, effects, reply: reply(old) }
}
