//! Turns at the work itself. Requests of one peer, or one device, are worked on a few at a time and
//! its others wait: however many somebody sends, whoever sends one gets a processor soon.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimi_provider::requester::Requester;
use mimi_wire::{Domain, MimiUri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::RequestLimits;

/// Whose turns, and whose growth, are counted together.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Worker {
    Peer(Domain),
    Device(MimiUri),
}

/// The turns of all.
#[derive(Debug)]
pub(crate) struct Working {
    peers: Gate<Worker>,
    devices: Gate<Worker>,
    verifying: Gate<Worker>,
}

/// A turn at most so many of each may have at once.
#[derive(Clone, Debug)]
struct Gate<K> {
    max: usize,
    places: Arc<Mutex<HashMap<K, Places>>>,
}

/// The places of one: how many are free, and how many hold or wait for one.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    users: usize,
}

/// Being counted among those that hold or wait.
#[derive(Debug)]
struct Counted<K: Eq + Hash> {
    key: K,
    places: Arc<Mutex<HashMap<K, Places>>>,
}

/// A turn; it ends on drop.
#[derive(Debug)]
#[must_use = "a turn lasts as long as it is held"]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _counted: Counted<Worker>,
}

impl Working {
    pub(crate) fn new(limits: &RequestLimits) -> Self {
        Self {
            peers: Gate::new(limits.working_per_peer_max),
            devices: Gate::new(limits.working_per_device_max),
            verifying: Gate::new(limits.verifying_max),
        }
    }

    /// Waits for a turn at deciding on a request. Taken before a room is locked, and not kept while
    /// others are asked.
    pub(crate) async fn turn(&self, requester: &Requester) -> Turn {
        let worker = Worker::of(requester);
        let gate = match worker {
            Worker::Peer(_) => &self.peers,
            Worker::Device(_) => &self.devices,
        };
        gate.enter(worker).await
    }

    /// The same for what holds a processor for long.
    pub(crate) async fn long_turn(&self, requester: &Requester) -> Turn {
        self.verifying.enter(Worker::of(requester)).await
    }
}

impl Worker {
    pub(crate) fn of(requester: &Requester) -> Self {
        match requester {
            Requester::Peer(peer) => Self::Peer(peer.clone()),
            Requester::Local(device) => Self::Device(device.client.clone()),
        }
    }
}

impl Gate<Worker> {
    fn new(max: usize) -> Self {
        Self { max, places: Arc::default() }
    }

    async fn enter(&self, key: Worker) -> Turn {
        let free = {
            let mut places = locked(&self.places);
            let fresh = || Places { free: Arc::new(Semaphore::new(self.max)), users: 0 };
            let own = places.entry(key.clone()).or_insert_with(fresh);
            own.users += 1;
            Arc::clone(&own.free)
        };
        // Counted before the wait, which may be given up.
        let counted = Counted { key, places: Arc::clone(&self.places) };
        let permit = free.acquire_owned().await.expect("the semaphore is never closed");
        Turn { _permit: permit, _counted: counted }
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut places = locked(&self.places);
        if let Some(own) = places.get_mut(&self.key) {
            own.users -= 1;
            if own.users == 0 {
                places.remove(&self.key);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
