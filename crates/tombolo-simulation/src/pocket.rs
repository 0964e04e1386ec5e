//! A device's storage: as a provider's [`disk`](crate::disk), what is written takes a while to be
//! durable, and a crash loses the end of what was not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tombolo_client::store::{ClientStore, Saved, StoreChange, StoreFuture};

/// How long a write takes to be durable on a healthy device.
pub const SYNC_MS: u64 = 3;
/// How far back a device can be put.
const EARLIER_MAX: usize = 40;

/// See the module. Clones are handles to the same storage.
#[derive(Clone, Debug)]
pub struct Pocket(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    sync_ms: u64,
    durable: Saved,
    queue: VecDeque<Vec<StoreChange>>,
    settled: u64,
    commits: u64,
    /// What it held earlier, the oldest first.
    earlier: VecDeque<Saved>,
}

impl Default for Pocket {
    fn default() -> Self {
        let (durable, queue, settled, commits, earlier) = Default::default();
        let inner = Inner { sync_ms: SYNC_MS, durable, queue, settled, commits, earlier };
        Self(Arc::new(Mutex::new(inner)))
    }
}

impl Pocket {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is durable.
    pub fn saved(&self) -> Saved {
        self.inner().durable.clone()
    }

    /// Writes so far.
    pub fn commits(&self) -> u64 {
        self.inner().commits
    }

    /// How long a write takes from now on.
    pub fn set_sync_ms(&self, ms: u64) {
        self.inner().sync_ms = ms;
    }

    /// The device stops. `is_lost`: what was on its way is gone, else all of it is durable.
    pub fn crash(&self, is_lost: bool) {
        let mut inner = self.inner();
        if !is_lost {
            let all = inner.queue.len();
            inner.sync(all);
        }
        inner.queue.clear();
        inner.settled = inner.commits;
    }

    /// Puts back what it held some writes ago; the device must not run. Says whether there was that.
    pub fn restore(&self) -> bool {
        let mut inner = self.inner();
        let Some(earlier) = inner.earlier.pop_front() else { return false };
        inner.earlier.clear();
        inner.durable = earlier;
        true
    }
}

impl Inner {
    fn sync(&mut self, count: usize) {
        for _ in 0..count {
            let Some(changes) = self.queue.pop_front() else { return };
            self.settled += 1;
            if self.settled.is_multiple_of(8) {
                self.earlier.push_back(self.durable.clone());
                if self.earlier.len() > EARLIER_MAX / 8 {
                    self.earlier.pop_front();
                }
            }
            for change in changes {
                self.durable.apply(change);
            }
        }
    }
}

impl ClientStore for Pocket {
    fn load(&self) -> StoreFuture<'_, Saved> {
        let saved = self.saved();
        Box::pin(async { Ok(saved) })
    }

    fn commit(&self, changes: Vec<StoreChange>) -> StoreFuture<'_, ()> {
        let mut inner = self.inner();
        inner.queue.push_back(changes);
        inner.commits += 1;
        let (number, sync) = (inner.commits, Duration::from_millis(inner.sync_ms));
        drop(inner);
        Box::pin(async move {
            tokio::time::sleep(sync).await;
            let mut inner = self.inner();
            let count = usize::try_from(number.saturating_sub(inner.settled)).unwrap_or(usize::MAX);
            inner.sync(count);
            Ok(())
        })
    }
}
