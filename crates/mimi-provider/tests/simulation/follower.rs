//! A follower's node.

use std::collections::BTreeMap;

use mimi_policy::Actor;
use mimi_provider::Change;
use mimi_provider::follower::external_join::{ExternalJoinInput, external_join};
use mimi_provider::follower::notify::{NotifyInput, arrivals, notify};
use mimi_provider::follower::state::{FollowerSnapshot, FollowerState, RosterChange};
use mimi_provider::hub::update::SnapshotDue;
use mimi_provider::record::{EventKind, NewEvent};
use mimi_provider::requester::DeviceIdentity;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::{Domain, MimiUri, Wire};

use crate::actors::{HUB, Mls, owner};
use crate::disk::{Disk, Queue};
use crate::fixture::{NOW, domain, room_uri};

/// The hub's attempt that is answered with 201.
pub(crate) type Attempt = usize;

pub(crate) struct FollowerNode {
    pub(crate) own: Domain,
    pub(crate) disk: Disk,
    pub(crate) queue: Queue<Attempt>,
    hot: Hot,
}

enum Hot {
    NotLoaded,
    Loaded(Option<FollowerState>),
}

impl FollowerNode {
    pub(crate) fn new(name: &str) -> Self {
        let (disk, queue) = (Disk::default(), Queue::default());
        Self { own: domain(name), disk, queue, hot: Hot::NotLoaded }
    }

    pub(crate) fn crash(&mut self) {
        self.queue.lose();
        self.hot = Hot::NotLoaded;
    }

    /// The room's state, if the room is known.
    pub(crate) fn state(&mut self, mls: &Mls) -> &mut Option<FollowerState> {
        if matches!(self.hot, Hot::NotLoaded) {
            self.hot = Hot::Loaded(load(&self.disk, mls));
        }
        match &mut self.hot {
            Hot::Loaded(state) => state,
            Hot::NotLoaded => unreachable!("loaded above"),
        }
    }

    /// A client of ours sends an external commit through us.
    pub(crate) fn forward(&mut self, request: &[u8], mls: &Mls) {
        let own = self.own.clone();
        let Some(Actor::Joiner(joiner)) = &mls.meanings[request].change.committer else { return };
        let UpdateRequest::Commit(bundle) = UpdateRequest::decode(request).unwrap() else {
            unreachable!("a commit")
        };
        let device = DeviceIdentity { user: joiner.user.clone(), client: joiner.client.clone() };
        let input = ExternalJoinInput {
            own: &own,
            room: &room_uri(),
            device: &device,
            joiner: &device.client,
            commit: bundle.commit.octets(),
            roster: &[],
            now_ms: NOW,
        };
        let state = self.state(mls);
        let transition = external_join(state.as_ref(), &input).unwrap();
        for (event, roster) in &transition.reply.appended {
            state.get_or_insert_default().observe(event, roster);
        }
        self.queue.push(transition.changes, transition.expect, None);
    }

    /// A notify arrives; tells how many of its messages were repeats.
    pub(crate) fn receive(&mut self, attempt: Attempt, body: &[u8], mls: &Mls) -> usize {
        let own = self.own.clone();
        let messages = FanoutMessage::decode_all(body).unwrap();
        let count = messages.len();
        let state = self.state(mls);
        let new = arrivals(state.as_ref(), &domain(HUB), &room_uri(), messages).unwrap();
        let new: Vec<_> = new
            .into_iter()
            .map(|arrival| {
                let roster = roster_of(arrival.message(), mls);
                (arrival, roster)
            })
            .collect();
        let owners: BTreeMap<Vec<u8>, MimiUri> = new
            .iter()
            .flat_map(|(_, roster)| &roster.welcomed)
            .filter_map(|reference| Some((reference.clone(), owner(reference, &own)?)))
            .collect();
        let input = NotifyInput {
            own: &own,
            room: &room_uri(),
            arrivals: &new,
            owners: &owners,
            roster: &[],
        };
        let transition = notify(state.as_ref(), &input).unwrap();
        for (event, roster) in &transition.reply.appended {
            state.get_or_insert_default().observe(event, roster);
        }
        let due = transition.reply.snapshot == SnapshotDue::Now;
        self.queue.push(transition.changes, transition.expect, Some(attempt));
        if due {
            self.save_snapshot(mls);
        }
        count - new.len()
    }

    pub(crate) fn save_snapshot(&mut self, mls: &Mls) {
        let Some(state) = self.state(mls) else { return };
        state.snapshot_taken();
        let snapshot = FollowerSnapshot { roster: Vec::new(), state: state.clone() }.encode();
        let seq = state.last_seq;
        let change = Change::PutSnapshot { room: room_uri(), seq, snapshot };
        self.queue.push(vec![change], Vec::new(), None);
    }
}

/// The state as the disk gives it back.
pub(crate) fn load(disk: &Disk, mls: &Mls) -> Option<FollowerState> {
    let (snapshot, seq) = disk.snapshot.as_ref()?;
    let FollowerSnapshot { mut state, .. } = FollowerSnapshot::decode(snapshot).unwrap();
    for event in disk.log.iter().filter(|event| event.seq > *seq) {
        let roster = match event.kind {
            EventKind::HubNote => RosterChange::default(),
            _ => roster_of(&message(event), mls),
        };
        state.observe(event, &roster);
    }
    Some(state)
}

fn roster_of(message: &FanoutMessage, mls: &Mls) -> RosterChange {
    mls.rosters.get(message.message.octets()).cloned().unwrap_or_default()
}

pub(crate) fn message(event: &NewEvent) -> FanoutMessage {
    FanoutMessage::decode(&event.payload).unwrap()
}
