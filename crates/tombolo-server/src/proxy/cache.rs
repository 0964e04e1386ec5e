//! Small assets that were fetched a moment ago, in memory (PROTO-DL-7).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::clock;

/// An asset in memory.
pub(super) type Cached = Bytes;

/// Assets by what they were asked for with; the oldest make room.
#[derive(Debug)]
pub(super) struct Cache {
    octets_max: usize,
    asset_octets_max: usize,
    kept_for: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    assets: HashMap<String, (Bytes, Instant)>,
    /// Oldest first.
    order: VecDeque<String>,
    octets: usize,
}

impl Kept {
    fn remove(&mut self, key: &str) {
        if let Some((octets, _)) = self.assets.remove(key) {
            self.octets -= octets.len();
            self.order.retain(|other| other != key);
        }
    }
}

impl Cache {
    pub(super) fn new(octets_max: usize, asset_octets_max: usize, kept_for: Duration) -> Self {
        Self { octets_max, asset_octets_max, kept_for, kept: Mutex::default() }
    }

    /// Octets an asset may have to be kept.
    pub(super) fn asset_octets_max(&self) -> usize {
        self.asset_octets_max
    }

    /// An asset, if it is here and young enough.
    pub(super) fn find(&self, key: &str) -> Option<Cached> {
        let mut kept = self.kept();
        let (octets, since) = kept.assets.get(key)?;
        if since.elapsed() < self.kept_for {
            return Some(octets.clone());
        }
        kept.remove(key);
        None
    }

    /// Keeps an asset, unless it is too large.
    pub(super) fn keep(&self, key: String, octets: Bytes) {
        if octets.len() > self.asset_octets_max.min(self.octets_max) {
            return;
        }
        let mut kept = self.kept();
        kept.remove(&key);
        while kept.octets + octets.len() > self.octets_max {
            let Some(oldest) = kept.order.front().cloned() else { break };
            kept.remove(&oldest);
        }
        kept.octets += octets.len();
        kept.order.push_back(key.clone());
        kept.assets.insert(key, (octets, clock::monotonic()));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Consistent between statements, so a panic elsewhere does not spoil it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
