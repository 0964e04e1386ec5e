//! One stream's way to one follower: one request in flight, the cursor moves when it is accepted.

use mimi_provider::Reject;
use mimi_provider::delivery::{
    Attempt, BATCH_OCTETS_MAX, Delivery, Fault, KEEP_MS_DEFAULT, Next, delivered, give_up,
};
use mimi_provider::record::EventKind;
use mimi_wire::protocol::consent::ConsentEntry;
use mimi_wire::{Domain, MimiUri, Wire as _};
use rand::Rng as _;
use tombolo_store::{Commit, FollowerBatch, Store as _};

use super::{Node, Op, Out, Waiter};
use crate::pure::disk::now;
use crate::pure::planted::Planted;

#[derive(Debug, Default)]
pub(crate) struct Lane {
    progress: Delivery,
    /// Known once it was read; then ours to move.
    cursor: Option<u64>,
    is_busy: bool,
}

/// Pause after a failure of the disk.
const STORAGE_PAUSE_MS: u64 = 1_000;

type Key = (MimiUri, Domain);

impl Node {
    /// There may be more for a follower.
    pub(crate) fn wake_lane(&mut self, key: Key) {
        self.lanes.entry(key.clone()).or_default();
        self.step_lane(&key);
    }

    /// A peer has called: waits for it end.
    pub(crate) fn heard_of(&mut self, peer: &Domain) {
        let now_ms = self.now_ms;
        let keys: Vec<Key> = self.lanes.keys().filter(|key| key.1 == *peer).cloned().collect();
        for key in keys {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.progress.heard_of(now_ms);
            }
            self.step_lane(&key);
        }
    }

    pub(crate) fn step_lane(&mut self, key: &Key) {
        while self.step_lane_once(key) {}
    }

    /// Tells whether to look again at once.
    fn step_lane_once(&mut self, key: &Key) -> bool {
        let (stream, follower) = key;
        let is_own = *stream == self.domain().provider_uri();
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| !lane.is_busy) else { return false };
        let store = &self.disk.store;
        let after = match lane.cursor {
            Some(after) => after,
            None => {
                let Some(stored) = now(store.follower_cursor(stream, follower)) else {
                    return false;
                };
                lane.progress.stale_since_ms = stored.stale_since_ms;
                stored.cursor
            }
        };
        lane.cursor = Some(after);
        let octets_max = if is_own || lane.progress.one_by_one { 1 } else { BATCH_OCTETS_MAX };
        let batch = now(store.follower_batch(stream, follower, after, octets_max));
        let Some(oldest) = batch.events.first() else {
            if batch.next_cursor > after {
                self.advance(key, batch.next_cursor);
                return true;
            }
            return false;
        };
        lane.progress.waiting(oldest.event.timestamp_ms);
        match lane.progress.next(self.now_ms, KEEP_MS_DEFAULT) {
            Next::Send => {
                self.send_batch(key, &batch, is_own);
                false
            }
            Next::WaitUntil(at_ms) => {
                self.out.push(Out::LaneAt { key: key.clone(), at_ms });
                false
            }
            Next::GiveUp => {
                let last = now(store.last_seq(stream));
                let changes = give_up(stream, follower, last, self.now_ms).changes;
                lane.cursor = Some(last);
                self.written(Commit { expect: Vec::new(), changes });
                true
            }
            Next::LeaveOut => {
                let seq = oldest.event.seq;
                self.advance(key, seq);
                true
            }
        }
    }

    fn send_batch(&mut self, key: &Key, batch: &FollowerBatch, is_own: bool) {
        let first = &batch.events[0].event;
        let (op, entries, accepted_to) = if is_own {
            let payload = bytes::Bytes::from(first.payload.clone());
            let op = match first.kind {
                EventKind::RequestConsent => Op::RequestConsent(payload),
                _ => Op::UpdateConsent(payload),
            };
            debug_assert!(ConsentEntry::decode(&first.payload).is_ok());
            (op, 1, first.seq)
        } else {
            let payloads = batch.events.iter().map(|logged| logged.event.payload.clone()).collect();
            let body: Vec<u8> = self.planted.fanout(payloads, &mut self.rng).concat();
            let op = Op::Notify { room: key.0.clone(), body: body.into() };
            (op, batch.events.len(), batch.next_cursor)
        };
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.is_busy = true;
        }
        if self.planted == Planted::MovesCursorEarly && !is_own {
            // Planted: what is on its way counts as delivered.
            self.advance(key, accepted_to);
        }
        let waiter = Waiter::Lane { key: key.clone(), entries, accepted_to, is_own };
        self.call(key.1.clone(), op, waiter);
    }

    pub(crate) fn lane_answered(
        &mut self,
        key: &Key,
        entries: usize,
        accepted_to: u64,
        is_own: bool,
        result: Result<(), Reject>,
    ) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.is_busy = false;
        let is_final = |reject: &Reject| {
            use Reject::{Conflict, InvalidProposals, Malformed, Stale, Unknown};
            matches!(reject, Malformed(_) | InvalidProposals { .. } | Unknown(_))
                || matches!(reject, Conflict(_) | Stale { .. })
        };
        let attempt = match &result {
            Err(reject) if !(is_own && is_final(reject)) => {
                let retry_after_ms = match reject {
                    Reject::TooMuch { after_s } => Some(after_s * 1_000),
                    // HTTP says 5 seconds with 503; no answer says nothing.
                    Reject::Unavailable(why) if !why.is_empty() => Some(5_000),
                    _ => None,
                };
                let fault = match reject {
                    Reject::Malformed(_) | Reject::InvalidProposals { .. } => Fault::Malformed,
                    Reject::PeerMisbehaved(_) | Reject::NotAllowed(_) | Reject::Denied(_) => {
                        Fault::Distrust
                    }
                    _ => Fault::Passing,
                };
                Attempt::Failed { error: reject.to_string(), retry_after_ms, fault }
            }
            _ => Attempt::Accepted,
        };
        let is_accepted = attempt == Attempt::Accepted;
        lane.progress.attempted(attempt, entries, self.rng.random(), self.now_ms);
        if is_accepted {
            self.advance(key, accepted_to);
        }
        self.step_lane(key);
    }

    fn advance(&mut self, key: &Key, seq: u64) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.cursor = Some(seq);
        }
        let changes = delivered(&key.0, &key.1, seq).changes;
        self.written_for(Commit { expect: Vec::new(), changes }, Some(key.clone()));
    }

    /// The cursor could not be stored: it is read again after a pause.
    pub(crate) fn lane_failed(&mut self, key: &Key) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.cursor = None;
        }
        let at_ms = self.now_ms + STORAGE_PAUSE_MS;
        self.out.push(Out::LaneAt { key: key.clone(), at_ms });
    }
}
