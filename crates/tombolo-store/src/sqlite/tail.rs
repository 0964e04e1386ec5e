//! The end of the log, in memory: what many readers ask for again and again while it is new.
//!
//! A message is read once by every device and every peer that follows its room, mostly right after it
//! was written. Those reads are answered here, without the file. The writer hands over what a
//! transaction has made durable before anybody is told of it, in one step with what the transaction
//! makes of memberships and tokens; so an answer is what the file would have said after some
//! transaction, never a mixture. Whatever is not known here is read from the file.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimi_provider::Change;
use mimi_provider::record::{DeviceRecord, EventKind, LoggedEvent, Seq};
use mimi_wire::{Domain, MimiUri};

use crate::{CLIENT_PAGE_OCTETS, Commit, Committed, FollowerBatch};

/// Entries kept.
pub(super) const EVENTS_MAX: usize = 4_096;
/// Octets of their payloads and details.
pub(super) const OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Devices remembered by their tokens.
pub(super) const DEVICES_MAX: usize = 16_384;
/// Memberships remembered, over all clients.
pub(super) const SIGHTS_MAX: usize = 131_072;

/// The part of a stream that a client sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sight {
    pub(super) stream: MimiUri,
    pub(super) from: Seq,
    /// [`Seq::MAX`] while it sees what comes.
    pub(super) until: Seq,
}

/// How often memberships or devices have changed. What was read before a change is not remembered
/// after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Generation(u64);

/// See the module.
#[derive(Debug)]
pub(super) struct Tail(Mutex<State>);

#[derive(Debug)]
struct State {
    events_max: usize,
    octets_max: usize,
    generation: Generation,
    /// Entries up to this one are in the file alone.
    before: u64,
    /// In order, without gaps.
    events: VecDeque<Arc<LoggedEvent>>,
    octets: usize,
    by_stream: HashMap<MimiUri, VecDeque<Arc<LoggedEvent>>>,
    devices: HashMap<[u8; 32], DeviceRecord>,
    sights: HashMap<MimiUri, Vec<Sight>>,
    /// How many there are in `sights`.
    sight_count: usize,
}

impl Tail {
    /// Nothing is known yet but where the log ends.
    pub(super) fn new(last_id: u64) -> Self {
        Self::bounded(last_id, EVENTS_MAX, OCTETS_MAX)
    }

    /// With limits of one's own.
    pub(super) fn bounded(last_id: u64, events_max: usize, octets_max: usize) -> Self {
        Self(Mutex::new(State {
            events_max,
            octets_max,
            generation: Generation(0),
            before: last_id,
            events: VecDeque::new(),
            octets: 0,
            by_stream: HashMap::new(),
            devices: HashMap::new(),
            sights: HashMap::new(),
            sight_count: 0,
        }))
    }

    /// Takes what a transaction has made durable, all of it, before anybody is told.
    pub(super) fn written<'a>(&self, done: impl Iterator<Item = (&'a Commit, &'a Committed)>) {
        let mut state = self.state();
        for (commit, committed) in done {
            let mut ids = committed.event_ids.iter();
            for change in &commit.changes {
                match change {
                    Change::Append(event) => {
                        let id = *ids.next().expect("each appended entry has an id");
                        state.push(LoggedEvent { id, event: event.clone() });
                    }
                    change if leaves_readers_alone(change) => {}
                    _ => state.forget(),
                }
            }
        }
    }

    /// As of when a read of the file begins, for what it finds to be remembered.
    pub(super) fn generation(&self) -> Generation {
        self.state().generation
    }

    pub(super) fn device(&self, token_sha256: &[u8; 32]) -> Option<DeviceRecord> {
        self.state().devices.get(token_sha256).cloned()
    }

    /// Remembers a device as it was found, unless something has changed since.
    pub(super) fn learn_device(&self, device: &DeviceRecord, read_at: Generation) {
        let mut state = self.state();
        if state.generation == read_at {
            if state.devices.len() >= DEVICES_MAX {
                state.devices.clear();
            }
            state.devices.insert(device.token_sha256, device.clone());
        }
    }

    /// Remembers what a client sees, unless something has changed since.
    pub(super) fn learn_sights(&self, client: &MimiUri, sights: Vec<Sight>, read_at: Generation) {
        let mut state = self.state();
        if state.generation != read_at || sights.len() > SIGHTS_MAX {
            return;
        }
        if state.sight_count + sights.len() > SIGHTS_MAX {
            state.sights.clear();
            state.sight_count = 0;
        }
        state.sight_count += sights.len();
        let earlier = state.sights.insert(client.clone(), sights);
        state.sight_count -= earlier.map_or(0, |earlier| earlier.len());
    }

    /// What a client may see after a position, as [`Store::client_events`](crate::Store) says it;
    /// `None` if the file must be asked.
    pub(super) fn client_events(
        &self,
        client: &MimiUri,
        after_id: u64,
        limit: usize,
    ) -> Option<Vec<LoggedEvent>> {
        let state = self.state();
        if after_id < state.before {
            return None;
        }
        let sights = state.sights.get(client)?;
        let mut found: Vec<&Arc<LoggedEvent>> = Vec::new();
        for sight in sights {
            let Some(events) = state.by_stream.get(&sight.stream) else { continue };
            let first = events.partition_point(|logged| logged.id <= after_id);
            let visible = events.range(first..).filter(|logged| sight.shows(client, logged));
            found.extend(visible.take(limit));
        }
        found.sort_unstable_by_key(|logged| logged.id);
        // Intervals that overlap name an entry twice.
        found.dedup_by_key(|logged| logged.id);
        found.truncate(limit);
        let mut octets = 0;
        let page = found.into_iter().take_while(|logged| {
            let is_room_left = octets < CLIENT_PAGE_OCTETS;
            octets += logged.event.payload.len();
            is_room_left
        });
        let page: Vec<_> = page.cloned().collect();
        drop(state);
        Some(page.iter().map(|logged| LoggedEvent::clone(logged)).collect())
    }

    /// What names a peer after its cursor, as [`Store::follower_batch`](crate::Store) says it; `None`
    /// if the file must be asked.
    pub(super) fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> Option<FollowerBatch> {
        let state = self.state();
        let events = state.by_stream.get(stream)?;
        let (first, last) = (events.front()?.event.seq, events.back()?.event.seq);
        if first > after.checked_add(1)? {
            return None;
        }
        let mut batch = FollowerBatch { events: Vec::new(), next_cursor: after.max(last) };
        let start = events.partition_point(|logged| logged.event.seq <= after);
        let mut octets = 0_usize;
        for logged in events.range(start..) {
            let event = &logged.event;
            if event.kind == EventKind::HubNote || !event.audience.contains(follower) {
                continue;
            }
            octets = octets.saturating_add(event.payload.len());
            if octets > max_octets && !batch.events.is_empty() {
                batch.next_cursor = event.seq - 1;
                break;
            }
            batch.events.push(LoggedEvent::clone(logged));
        }
        Some(batch)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked did so between steps that leave it consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a change touches neither who sees what nor which token is whose. Everything that is not
/// known to leave them alone counts as touching them.
fn leaves_readers_alone(change: &Change) -> bool {
    matches!(
        change,
        Change::Delivered { .. }
            | Change::Acknowledge { .. }
            | Change::Follow { .. }
            | Change::PutSnapshot { .. }
            | Change::AddKeyPackages(_)
            | Change::ReleaseKeyPackage(_)
    )
}

impl Sight {
    fn shows(&self, client: &MimiUri, logged: &LoggedEvent) -> bool {
        let event = &logged.event;
        (self.from..=self.until).contains(&event.seq)
            && event.kind != EventKind::HubNote
            && event.targets.as_ref().is_none_or(|targets| targets.contains(client))
    }
}

impl State {
    fn push(&mut self, logged: LoggedEvent) {
        let logged = Arc::new(logged);
        self.octets += octets_of(&logged);
        let of_stream = self.by_stream.entry(logged.event.stream.clone()).or_default();
        of_stream.push_back(Arc::clone(&logged));
        self.events.push_back(logged);
        while self.events.len() > self.events_max || self.octets > self.octets_max {
            let Some(oldest) = self.events.pop_front() else { return };
            self.before = oldest.id;
            self.octets -= octets_of(&oldest);
            let stream = &oldest.event.stream;
            if let Some(of_stream) = self.by_stream.get_mut(stream) {
                of_stream.pop_front();
                if of_stream.is_empty() {
                    self.by_stream.remove(stream);
                }
            }
        }
    }

    /// Who sees what, or whose a token is, has changed.
    fn forget(&mut self) {
        self.generation.0 += 1;
        self.devices.clear();
        self.sights.clear();
        self.sight_count = 0;
    }
}

fn octets_of(logged: &LoggedEvent) -> usize {
    logged.event.payload.len() + logged.event.detail.len()
}
