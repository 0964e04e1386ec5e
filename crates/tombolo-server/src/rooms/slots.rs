//! A bounded number of rooms in memory, each with a lock of its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mimi_provider::record::Seq;
use mimi_provider::{Change, Expect};
use mimi_wire::MimiUri;
use tokio::sync::OwnedMutexGuard;

use crate::provider::{Enqueued, Provider};

/// How many rooms make way at once when there are too many.
const EVICTED_AT_ONCE: usize = 32;

/// A room that can be kept in memory.
pub(super) trait HotRoom: Send + 'static {
    /// A snapshot if there are entries since the last one; it counts as written.
    fn snapshot(&mut self, room: &MimiUri) -> Option<Snapshot>;
    /// Octets of its last snapshot, as a measure of what it takes.
    fn octets(&self) -> usize;
}

/// A room as of an entry of its log.
pub(super) struct Snapshot {
    pub(super) room: MimiUri,
    pub(super) seq: Seq,
    pub(super) octets: Vec<u8>,
}

impl Snapshot {
    pub(super) fn into_change(self) -> Change {
        Change::PutSnapshot { room: self.room, seq: self.seq, snapshot: self.octets }
    }

    /// Queues the snapshot behind the entries it is made of, on condition that they are written:
    /// should they fail, so must it.
    pub(super) fn enqueue(self, provider: &Arc<Provider>) -> Enqueued {
        let expect = Expect::StreamSeq { stream: self.room.clone(), seq: self.seq };
        provider.enqueue(vec![self.into_change()], vec![expect], Vec::new(), None)
    }
}

/// Rooms by URI.
pub(super) struct Slots<R> {
    capacity: usize,
    octets_max: usize,
    uses: AtomicU64,
    places: Places<R>,
}

type Places<R> = Arc<Mutex<HashMap<MimiUri, Arc<Slot<R>>>>>;

/// The place of one room. Everyone who works with the room, commits on their way to the disk
/// included, holds a reference.
pub(super) struct Slot<R> {
    uri: MimiUri,
    last_use: AtomicU64,
    /// As of its last use.
    octets: AtomicUsize,
    room: Arc<tokio::sync::Mutex<Option<R>>>,
}

/// A locked place, with or without the room. A place that is left empty is given up, so that asking
/// for rooms that do not exist pushes no room out.
pub(super) struct Locked<R: HotRoom> {
    guard: OwnedMutexGuard<Option<R>>,
    slot: Arc<Slot<R>>,
    places: Places<R>,
}

impl<R: HotRoom> Slots<R> {
    pub(super) fn new(capacity: usize, octets_max: usize) -> Self {
        Self { capacity, octets_max, uses: AtomicU64::new(0), places: Places::default() }
    }

    /// Locks a room's place.
    pub(super) async fn lock(&self, provider: &Arc<Provider>, room: &MimiUri) -> Locked<R> {
        let slot = self.place(room, |places| self.evict(provider, places));
        self.locked(slot).await
    }

    async fn locked(&self, slot: Arc<Slot<R>>) -> Locked<R> {
        let guard = Arc::clone(&slot.room).lock_owned().await;
        Locked { guard, slot, places: Arc::clone(&self.places) }
    }

    /// A room's place; `make_way` is called first if there are too many.
    fn place(
        &self,
        room: &MimiUri,
        make_way: impl FnOnce(&mut HashMap<MimiUri, Arc<Slot<R>>>),
    ) -> Arc<Slot<R>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.contains_key(room)
            && (places.len() >= self.capacity || octets_in(&places) >= self.octets_max)
        {
            make_way(&mut places);
        }
        let slot = places.entry(room.clone()).or_insert_with(|| {
            let uri = room.clone();
            let (last_use, octets, room) = Default::default();
            Arc::new(Slot { uri, last_use, octets, room })
        });
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        slot.last_use.store(now, Ordering::Relaxed);
        Arc::clone(slot)
    }

    /// Drops the rooms longest unused.
    fn evict(&self, provider: &Arc<Provider>, places: &mut HashMap<MimiUri, Arc<Slot<R>>>) {
        let count = if places.len() >= self.capacity { EVICTED_AT_ONCE } else { 0 };
        for uri in self.longest_unused(places, count) {
            let Some(slot) = places.remove(&uri) else { continue };
            let snapshot =
                slot.room.try_lock().ok().and_then(|mut room| room.as_mut()?.snapshot(&uri));
            if let Some(snapshot) = snapshot {
                // Nobody waits for it: without it the log is longer to read, and that is all.
                snapshot.enqueue(provider);
            }
        }
    }

    /// Rooms to drop: so many, and as many more as are needed to have room for octets again. One that
    /// anybody works with stays: its latest entries may not be readable yet.
    fn longest_unused(
        &self,
        places: &HashMap<MimiUri, Arc<Slot<R>>>,
        count: usize,
    ) -> Vec<MimiUri> {
        let idle = places.values().filter(|slot| Arc::strong_count(slot) == 1);
        let mut idle: Vec<_> =
            idle.map(|slot| (slot.last_use.load(Ordering::Relaxed), slot)).collect();
        idle.sort_unstable_by_key(|(last_use, _)| *last_use);
        let mut octets = octets_in(places);
        let goes = idle.into_iter().enumerate().take_while(|(at, (_, slot))| {
            let goes = *at < count || octets >= self.octets_max;
            octets = octets.saturating_sub(slot.octets.load(Ordering::Relaxed));
            goes
        });
        goes.map(|(_, (_, slot))| slot.uri.clone()).collect()
    }

    /// Snapshots of all rooms that need one.
    pub(super) async fn snapshots(&self) -> Vec<Snapshot> {
        let slots: Vec<_> = {
            let slots = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            slots.values().cloned().collect()
        };
        let mut snapshots = Vec::new();
        for slot in slots {
            let mut room = slot.room.lock().await;
            snapshots.extend(room.as_mut().and_then(|room| room.snapshot(&slot.uri)));
        }
        snapshots
    }
}

/// Octets of all rooms in memory.
fn octets_in<R>(places: &HashMap<MimiUri, Arc<Slot<R>>>) -> usize {
    places.values().map(|slot| slot.octets.load(Ordering::Relaxed)).sum()
}

impl<R> Slot<R> {
    /// The room in memory is not what the log says: it is derived anew at its next use.
    pub(super) async fn forget(self: Arc<Self>) {
        *self.room.lock().await = None;
    }
}

impl<R: HotRoom> Locked<R> {
    pub(super) fn is_empty(&self) -> bool {
        self.guard.is_none()
    }

    pub(super) fn get(&self) -> Option<&R> {
        self.guard.as_ref()
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut R> {
        self.guard.as_mut()
    }

    pub(super) fn put(&mut self, room: R) {
        *self.guard = Some(room);
    }

    pub(super) fn clear(&mut self) {
        *self.guard = None;
    }

    pub(super) fn uri(&self) -> &MimiUri {
        &self.slot.uri
    }

    pub(super) fn slot(&self) -> Arc<Slot<R>> {
        Arc::clone(&self.slot)
    }
}

impl<R: HotRoom> Drop for Locked<R> {
    fn drop(&mut self) {
        let octets = self.guard.as_ref().map(R::octets);
        self.slot.octets.store(octets.unwrap_or_default(), Ordering::Relaxed);
        if octets.is_some() {
            return;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // Ours and the map's: nobody else waits for the place, and nobody can begin to.
        if Arc::strong_count(&self.slot) == 2 {
            places.remove(&self.slot.uri);
        }
    }
}

impl<R> fmt::Debug for Slots<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        write!(formatter, "Slots({} rooms)", slots.len())
    }
}

#[cfg(test)]
mod tests;
