//! Bodies as they arrive: bounded in size and time each, and in octets together, so that nobody fills
//! the memory by sending large ones at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use mimi_provider::Reject;

use crate::http_error::HttpError;

/// Seconds after which octets may be free again.
const RETRY_AFTER_S: u64 = 1;

/// How many octets of bodies are held, in all and of each holder.
#[derive(Clone, Debug)]
pub(crate) struct Bodies<K> {
    all_max: u64,
    each_max: u64,
    held: Arc<Mutex<HeldOctets<K>>>,
}

#[derive(Debug)]
struct HeldOctets<K> {
    all: u64,
    of: HashMap<K, u64>,
}

/// Octets that one request holds, given back on drop.
#[derive(Debug)]
pub(crate) struct BodyShare<K: Clone + Eq + Hash> {
    key: K,
    octets: u64,
    bodies: Bodies<K>,
}

impl<K: Clone + Eq + Hash> Bodies<K> {
    pub(crate) fn new(all_max: u64, each_max: u64) -> Self {
        let held = HeldOctets { all: 0, of: HashMap::new() };
        Self { all_max, each_max, held: Arc::new(Mutex::new(held)) }
    }

    /// A share without octets as yet.
    pub(crate) fn share_of(&self, key: K) -> BodyShare<K> {
        BodyShare { key, octets: 0, bodies: self.clone() }
    }

    fn held(&self) -> MutexGuard<'_, HeldOctets<K>> {
        // Consistent between statements, so a panic elsewhere does not spoil it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> BodyShare<K> {
    /// Holds more octets, unless the holder or all together have as many as they may.
    pub(crate) fn grow(&mut self, octets: usize) -> Result<(), HttpError> {
        let octets = octets as u64;
        let mut held = self.bodies.held();
        let own = held.of.get(&self.key).copied().unwrap_or_default();
        if own + octets > self.bodies.each_max {
            return Err(HttpError::TooMany(RETRY_AFTER_S));
        }
        if held.all + octets > self.bodies.all_max {
            return Err(HttpError::Overloaded(RETRY_AFTER_S));
        }
        held.all += octets;
        held.of.insert(self.key.clone(), own + octets);
        drop(held);
        self.octets += octets;
        Ok(())
    }
}

/// A body with its share, which is given back when the last reference to the body goes.
struct Owned<K: Clone + Eq + Hash> {
    octets: Bytes,
    _share: BodyShare<K>,
}

impl<K: Clone + Eq + Hash> AsRef<[u8]> for Owned<K> {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl<K: Clone + Eq + Hash> Drop for BodyShare<K> {
    fn drop(&mut self) {
        let mut held = self.bodies.held();
        held.all -= self.octets;
        if let Some(own) = held.of.get_mut(&self.key) {
            *own -= self.octets;
            if *own == 0 {
                held.of.remove(&self.key);
            }
        }
    }
}

/// The whole body, of at most `octets_max` octets, arrived within `time_max` (AMB-TR-5). It keeps
/// its share.
pub(crate) async fn read<B, K>(
    body: B,
    octets_max: usize,
    time_max: Duration,
    share: BodyShare<K>,
) -> Result<Bytes, HttpError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
    K: Clone + Eq + Hash + Send + 'static,
{
    // What is announced as too large is not read at all.
    if body.size_hint().lower() > octets_max as u64 {
        return Err(HttpError::TooLarge(octets_max));
    }
    match tokio::time::timeout(time_max, collect(body, octets_max, share)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(HttpError::TooSlow),
    }
}

async fn collect<B, K>(
    mut body: B,
    octets_max: usize,
    mut share: BodyShare<K>,
) -> Result<Bytes, HttpError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
    K: Clone + Eq + Hash + Send + 'static,
{
    let mut octets = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            HttpError::Reject(Reject::Malformed(format!("the body did not arrive whole: {error}")))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if octets.len() + data.len() > octets_max {
            return Err(HttpError::TooLarge(octets_max));
        }
        share.grow(data.len())?;
        octets.extend_from_slice(&data);
    }
    Ok(Bytes::from_owner(Owned { octets: octets.freeze(), _share: share }))
}

#[cfg(test)]
mod tests;
