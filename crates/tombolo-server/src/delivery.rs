//! Delivery of logged events to peers: one lane per (stream, follower), in order, one request in
//! flight, everything that waits in one body (PROTO-NTF-1, PROTO-NTF-9, AMB-NTF-7, FLOW-16).
//!
//! The cursor of a lane is in the store; a lane itself is only activity. It is woken by hints and, at
//! start, for whatever the store says is waiting, so that a crash delays and never loses (PROTO-UPD-14).

mod lane;
mod status;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimi_provider::delivery::give_up;
use mimi_wire::{Domain, MimiUri};
use tokio::sync::{Semaphore, watch};
use tombolo_store::StoreError;

use crate::provider::Provider;
use lane::Lane;
pub(crate) use status::{earlier, peers, waiting};

/// A peer's calls make us try its failing lanes at most this often.
const HEARD_OF_EVERY_MS: u64 = 3_000;

/// All lanes.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Requests in flight to one peer, over all its lanes.
    per_peer_max: usize,
    lanes: Mutex<Lanes>,
    /// Turns true when no lane may begin anything new.
    stop: watch::Sender<bool>,
    /// Peers with failing lanes: whether a sign of life from any is of interest.
    failing_peers: AtomicU64,
}

#[derive(Debug, Default)]
struct Lanes {
    by_key: HashMap<Key, Arc<Lane>>,
    in_flight: HashMap<Domain, Arc<Semaphore>>,
    /// Lanes whose last request failed, by follower.
    failing: HashMap<Domain, BTreeSet<MimiUri>>,
    /// When followers with failing lanes were last heard of.
    heard_of: HashMap<Domain, u64>,
    /// Entries left out since the start, by follower.
    left_out: HashMap<Domain, u64>,
}

impl Lanes {
    /// Whether to act on a sign of life: only for peers with failing lanes, and not at every call.
    fn hear(&mut self, peer: &Domain, now_ms: u64) -> bool {
        if !self.failing.contains_key(peer) {
            return false;
        }
        let last_ms = self.heard_of.get(peer);
        // A clock set back is no reason to stay deaf.
        let lately = last_ms.is_some_and(|last_ms| now_ms.abs_diff(*last_ms) < HEARD_OF_EVERY_MS);
        if !lately {
            self.heard_of.insert(peer.clone(), now_ms);
        }
        !lately
    }
}

/// How the last request of a lane ended.
#[derive(Clone, Copy, Debug)]
enum LastRequest {
    Accepted,
    Failed,
}

/// A stream and one of its followers.
type Key = (MimiUri, Domain);

impl Delivery {
    /// At most `per_peer_max` requests are in flight to one peer.
    pub(crate) fn new(per_peer_max: usize) -> Self {
        let (stop, _) = watch::channel(false);
        let (lanes, failing_peers) = Default::default();
        Self { per_peer_max, lanes, stop, failing_peers }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots_of(&self, follower: &Domain) -> Arc<Semaphore> {
        let mut lanes = self.lanes();
        let slots = lanes.in_flight.entry(follower.clone());
        Arc::clone(slots.or_insert_with(|| Arc::new(Semaphore::new(self.per_peer_max))))
    }

    /// Notes whether the last request of a lane failed.
    fn note(&self, (stream, follower): &Key, outcome: LastRequest) {
        let mut lanes = self.lanes();
        match outcome {
            LastRequest::Failed => {
                let failing = lanes.failing.entry(follower.clone()).or_default();
                failing.insert(stream.clone());
            }
            LastRequest::Accepted => {
                let Some(failing) = lanes.failing.get_mut(follower) else { return };
                failing.remove(stream);
                if failing.is_empty() {
                    lanes.failing.remove(follower);
                    lanes.heard_of.remove(follower);
                }
            }
        }
        let peers = u64::try_from(lanes.failing.len()).unwrap_or(u64::MAX);
        self.failing_peers.store(peers, Ordering::Relaxed);
    }

    fn note_left_out(&self, follower: &Domain) {
        *self.lanes().left_out.entry(follower.clone()).or_default() += 1;
    }

    /// Ends a lane that has nothing to do, unless it was hinted at meanwhile.
    fn retire(&self, key: &Key, lane: &Lane) -> bool {
        let mut lanes = self.lanes();
        if lane.take_hint() {
            return false;
        }
        lanes.by_key.remove(key);
        true
    }
}

/// Begins to deliver what the store says is waiting. Once, at start.
pub(crate) fn start(provider: &Arc<Provider>) {
    let provider = Arc::clone(provider);
    tokio::spawn(async move {
        match provider.store.waiting_followers().await {
            Ok(waiting) => {
                for cursor in waiting {
                    wake(&provider, &cursor.stream, &cursor.follower);
                }
            }
            Err(error) => tracing::error!(%error, "what waits for peers cannot be read"),
        }
    });
}

/// Stops all lanes and waits for requests in flight. What is not delivered waits in the store.
pub(crate) async fn stop(provider: &Provider) {
    let stop = &provider.delivery.stop;
    stop.send_replace(true);
    stop.closed().await;
}

/// Entries of a stream wait for a follower.
pub(crate) fn wake(provider: &Arc<Provider>, stream: &MimiUri, follower: &Domain) {
    let delivery = &provider.delivery;
    let stop = delivery.stop.subscribe();
    if *stop.borrow() {
        return;
    }
    let key = (stream.clone(), follower.clone());
    let mut lanes = delivery.lanes();
    if let Some(lane) = lanes.by_key.get(&key) {
        lane.hint();
        return;
    }
    let lane = Arc::new(Lane::default());
    lanes.by_key.insert(key.clone(), Arc::clone(&lane));
    drop(lanes);
    tokio::spawn(lane::run(Arc::clone(provider), key, lane, stop));
}

/// The operator wants everything that waits for a peer to be tried at once; says how many streams
/// that is.
pub(crate) async fn retry(provider: &Arc<Provider>, peer: &Domain) -> Result<usize, StoreError> {
    let waiting = provider.store.waiting_followers().await?;
    let mut streams = 0;
    for cursor in waiting.into_iter().filter(|cursor| cursor.follower == *peer) {
        let key = (cursor.stream, cursor.follower);
        let lane = provider.delivery.lanes().by_key.get(&key).cloned();
        match lane {
            Some(lane) => lane.try_now(),
            None => wake(provider, &key.0, &key.1),
        }
        streams += 1;
    }
    Ok(streams)
}

/// The operator gives up what waits for a peer: it is stale from now on (AMB-NTF-10). Says in how
/// many streams.
pub(crate) async fn drop_waiting(
    provider: &Arc<Provider>,
    peer: &Domain,
) -> Result<usize, StoreError> {
    let waiting = provider.store.waiting_followers().await?;
    let mut streams = 0;
    for cursor in waiting.into_iter().filter(|cursor| cursor.follower == *peer) {
        let last_seq = provider.store.last_seq(&cursor.stream).await?;
        let (stream, follower, now_ms) = (&cursor.stream, &cursor.follower, provider.now_ms());
        let lane =
            provider.delivery.lanes().by_key.get(&(stream.clone(), follower.clone())).cloned();
        if lane.as_ref().is_some_and(|lane| lane.delivered_seq() >= last_seq) {
            continue;
        }
        provider.apply(give_up(stream, follower, last_seq, now_ms)).await?;
        if let Some(lane) = lane {
            lane.give_up();
        }
        streams += 1;
    }
    Ok(streams)
}

/// A peer has just called us: lanes that wait out a failure of its try at once.
pub(crate) fn peer_is_up(provider: &Provider, peer: &Domain) {
    let delivery = &provider.delivery;
    if delivery.failing_peers.load(Ordering::Relaxed) == 0 {
        return;
    }
    let now_ms = provider.now_ms();
    let mut lanes = delivery.lanes();
    if !lanes.hear(peer, now_ms) {
        return;
    }
    for stream in lanes.failing.get(peer).into_iter().flatten() {
        if let Some(lane) = lanes.by_key.get(&(stream.clone(), peer.clone())) {
            lane.heard_of(now_ms);
        }
    }
}

#[cfg(test)]
mod tests;
