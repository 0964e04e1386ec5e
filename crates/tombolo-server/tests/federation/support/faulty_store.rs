//! A store in memory that fails to write, or writes slowly, when a test wants.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mimi_provider::Change;
use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::profile::{StoredProfile, Term};
use mimi_provider::record::{
    Account, ConsentCounts, ConsentRecord, ConsentRequest, DeviceRecord, FollowerCursor,
    LogHistory, LoggedEvent, Seq, StoredArrival, StoredKeyPackage, StoredRemoval, StoredRoom,
    SuiteStock,
};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};
use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Committed, FollowerBatch, Store, StoreError, StoreFuture};

use super::SharedStore;

#[derive(Clone, Default)]
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    batches_read: AtomicU32,
    failures: AtomicU32,
    /// A stream whose log takes nothing.
    full_log: Mutex<Option<MimiUri>>,
    delay_ms: AtomicU64,
}

impl FaultyStore {
    /// The next commits fail.
    pub(crate) fn fail(&self, commits: u32) {
        self.faults.failures.store(commits, Ordering::SeqCst);
    }

    /// From now on nothing can be appended to this log, or again to any.
    pub(crate) fn fail_appends(&self, stream: Option<&MimiUri>) {
        *self.faults.full_log.lock().unwrap() = stream.cloned();
    }

    fn fails(&self, commit: &Commit) -> bool {
        let take = |left: u32| left.checked_sub(1);
        if self.faults.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            return true;
        }
        let full = self.faults.full_log.lock().unwrap();
        commit.changes.iter().any(|change| match change {
            Change::Append(event) => full.as_ref() == Some(&event.stream),
            _ => false,
        })
    }

    /// How often something was read to be delivered.
    pub(crate) fn batches_read(&self) -> u32 {
        self.faults.batches_read.load(Ordering::SeqCst)
    }

    /// Commits take so long from now on.
    pub(crate) fn slow_down(&self, delay_ms: u64) {
        self.faults.delay_ms.store(delay_ms, Ordering::SeqCst);
    }
}

impl SharedStore for FaultyStore {
    fn shared(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }
}

macro_rules! reads {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $output> {
            self.inner.$name($($argument),*)
        })*
    };
}

impl Store for FaultyStore {
    fn commit(&self, commit: Commit) -> StoreFuture<'static, Committed> {
        if self.fails(&commit) {
            let full = StoreError::Unavailable("no space left on device".to_owned());
            return Box::pin(std::future::ready(Err(full)));
        }
        // In order at once, durable later.
        let written = self.inner.commit(commit);
        let delay = Duration::from_millis(self.faults.delay_ms.load(Ordering::SeqCst));
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            written.await
        })
    }

    fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> StoreFuture<'_, FollowerBatch> {
        self.faults.batches_read.fetch_add(1, Ordering::SeqCst);
        self.inner.follower_batch(stream, follower, after, max_octets)
    }

    fn forget_expired(&self, now_ms: u64) -> StoreFuture<'static, ()> {
        self.inner.forget_expired(now_ms)
    }

    reads! {
        fn device_by_token(token_sha256: [u8; 32]) -> Option<DeviceRecord>;
        fn client_events(client: &MimiUri, after_id: u64, limit: usize) -> Vec<LoggedEvent>;
    }
    tombolo_store::each_read!(reads);
}
