//! A provider's disk: what is written takes a while to be durable, and a crash loses the end of what
//! was not.
//!
//! A commit is checked at once against everything written before it, is read by others once it is
//! durable, and is answered then: what `tombolo_store::sqlite` promises. There is no tearing within
//! a commit, which a write-ahead log with checksums rules out; a crash keeps some of the commits
//! that were on their way, in order, and none after the first that is lost.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use mimi_provider::Change;
use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::profile::{StoredProfile, Term};
use mimi_provider::record::{
    Account, ConsentCounts, ConsentRecord, ConsentRequest, DeviceRecord, EventKind, FollowerCursor,
    LogHistory, LoggedEvent, NewEvent, Seq, StoredArrival, StoredKeyPackage, StoredRemoval,
    StoredRoom, SuiteStock,
};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::oneshot;
use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Committed, FollowerBatch, Store, StoreError, StoreFuture};

/// A defect put into a store, to see that the simulation finds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Planted {
    /// Now and then a client is not sent an entry of the log.
    DropsEntry,
    /// Now and then a follower is not sent an entry of the log.
    DropsDelivery,
    /// Two messages of a room that are on their way at once change places.
    SwapsEntries,
    /// A commit is answered, and seen by everybody, before it is durable.
    AnswersEarly,
}

impl Planted {
    /// All.
    pub const ALL: &[Self] =
        &[Self::DropsEntry, Self::DropsDelivery, Self::SwapsEntries, Self::AnswersEarly];

    /// By the name it has here.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| format!("{it:?}") == name)
    }
}

/// See the module. Clones are handles to the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// With everything that is on its way; commits are checked against it.
    written: MemoryStore,
    /// What is left after a crash.
    durable: MemoryStore,
    /// On its way from the one to the other.
    queue: VecDeque<Commit>,
    /// How many commits have become durable, or were lost.
    settled: u64,
    /// Commits since the beginning: while this stands still, nothing happens.
    commits: u64,
    sync_ms_max: u64,
    full: bool,
    /// It sends peers too much, too little, and in another order.
    crooked: bool,
    backup: Option<MemoryStore>,
    /// KeyPackages that were given away since somebody asked.
    released: Vec<Vec<u8>>,
    planted: Option<Planted>,
    rng: StdRng,
}

/// How long a commit takes to be durable on a healthy disk, at most.
pub const SYNC_MS_MAX: u64 = 4;
/// And on one that swaps.
const SWAPPING_MS_MAX: u64 = 400;

impl Disk {
    /// An empty disk; `planted` is a defect it has.
    pub fn new(rng: StdRng, planted: Option<Planted>) -> Self {
        let (written, durable) = (MemoryStore::new(), MemoryStore::new());
        Self(Arc::new(Mutex::new(Inner {
            written,
            durable,
            queue: VecDeque::new(),
            settled: 0,
            commits: 0,
            // Much is on its way at once only if that takes long.
            sync_ms_max: match planted {
                Some(Planted::SwapsEntries) => SWAPPING_MS_MAX,
                _ => SYNC_MS_MAX,
            },
            full: false,
            crooked: false,
            backup: None,
            released: Vec::new(),
            planted,
            rng,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is durable, for whoever looks from outside.
    pub fn durable(&self) -> MemoryStore {
        self.inner().durable.clone()
    }

    /// KeyPackages that were given away since this was last asked.
    pub fn take_released(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.inner().released)
    }

    /// Commits so far.
    pub fn commits(&self) -> u64 {
        self.inner().commits
    }

    /// Writes at once, before anything runs.
    pub fn put(&self, commit: Commit) {
        let inner = self.inner();
        for store in [&inner.written, &inner.durable] {
            let put = store.commit(commit.clone()).now_or_never();
            put.expect("memory answers at once").expect("nothing else is written yet");
        }
    }

    /// Whether writes fail.
    pub fn set_full(&self, full: bool) {
        self.inner().full = full;
    }

    /// Whether peers are sent the log as it is.
    pub fn set_crooked(&self, crooked: bool) {
        self.inner().crooked = crooked;
    }

    /// How long a commit takes at most.
    pub fn set_sync_ms_max(&self, ms: u64) {
        self.inner().sync_ms_max = ms.max(1);
    }

    /// The machine stops: of what was on its way some is durable, the rest is gone.
    pub fn crash(&self) {
        let mut inner = self.inner();
        let waiting = inner.queue.len();
        let kept = inner.rng.random_range(0..=waiting);
        inner.sync(kept);
        inner.queue.clear();
        inner.settled = inner.commits;
        inner.written = inner.durable.copied();
    }

    /// Keeps a copy.
    pub fn back_up(&self) {
        let mut inner = self.inner();
        inner.backup = Some(inner.durable.copied());
    }

    /// Puts the copy back, if there is one; the provider must not run.
    pub fn restore(&self) -> bool {
        let mut inner = self.inner();
        let Some(backup) = inner.backup.as_ref().map(MemoryStore::copied) else { return false };
        inner.queue.clear();
        inner.settled = inner.commits;
        (inner.written, inner.durable) = (backup.copied(), backup);
        true
    }

    fn readable(&self) -> MemoryStore {
        let inner = self.inner();
        match inner.planted {
            Some(Planted::AnswersEarly) => inner.written.clone(),
            _ => inner.durable.clone(),
        }
    }

    fn planted(&self, defect: Planted) -> bool {
        self.inner().planted == Some(defect)
    }

    /// Everything up to a commit is durable.
    fn sync_to(&self, number: u64) {
        let mut inner = self.inner();
        let count = usize::try_from(number.saturating_sub(inner.settled)).unwrap_or(usize::MAX);
        inner.sync(count);
    }
}

impl Inner {
    fn swap_first_two(&mut self) {
        let [first, second, ..] = self.queue.make_contiguous() else { return };
        if let (Some(first), Some(second)) = (message(first), message(second))
            && first.stream == second.stream
        {
            std::mem::swap(&mut first.payload, &mut second.payload);
            std::mem::swap(&mut first.timestamp_ms, &mut second.timestamp_ms);
        }
    }

    fn sync(&mut self, count: usize) {
        for _ in 0..count {
            if self.planted == Some(Planted::SwapsEntries) {
                self.swap_first_two();
            }
            let Some(commit) = self.queue.pop_front() else { return };
            self.settled += 1;
            self.released.extend(commit.changes.iter().filter_map(|change| match change {
                Change::ReleaseKeyPackage(reference) => Some(reference.clone()),
                _ => None,
            }));
            let synced = self.durable.commit(commit).now_or_never();
            let synced = synced.expect("memory answers at once");
            debug_assert!(synced.is_ok(), "checked when it was written: {synced:?}");
        }
    }
}

/// Numbers of entries that a defective store forgets.
fn is_unlucky(logged: &LoggedEvent) -> bool {
    logged.event.kind == EventKind::Application && logged.event.seq % 5 == 3
}

/// The message that a commit brings.
fn message(commit: &mut Commit) -> Option<&mut NewEvent> {
    commit.changes.iter_mut().find_map(|change| match change {
        Change::Append(event) if event.kind == EventKind::Application => Some(event),
        _ => None,
    })
}

macro_rules! reads {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $output> {
            let answer = self.readable().$name($($argument),*).now_or_never();
            Box::pin(ready(answer.expect("memory answers at once")))
        })*
    };
}

impl Store for Disk {
    fn commit(&self, commit: Commit) -> StoreFuture<'static, Committed> {
        let mut inner = self.inner();
        if inner.full {
            let failed = StoreError::Failed("no space left on device".to_owned());
            return Box::pin(ready(Err(failed)));
        }
        let written = inner.written.commit(commit.clone()).now_or_never();
        let written = written.expect("memory answers at once");
        let latest = inner.sync_ms_max;
        let delay = Duration::from_millis(inner.rng.random_range(0..=latest));
        if written.is_ok() {
            inner.queue.push_back(commit);
            inner.commits += 1;
        }
        let number = inner.commits;
        let is_early = inner.planted == Some(Planted::AnswersEarly);
        drop(inner);
        let (sender, receiver) = oneshot::channel();
        let disk = self.clone();
        // Whether or not anybody waits for it.
        tokio::spawn(async move {
            let mut answer = Some((sender, written));
            let mut tell = |()| answer.take().map(|(sender, written)| sender.send(written));
            if is_early {
                drop(tell(()));
                tokio::time::sleep(delay * 50).await;
            }
            tokio::time::sleep(delay).await;
            disk.sync_to(number);
            drop(tell(()));
        });
        Box::pin(async move {
            let gone = |_| StoreError::Failed("the machine has stopped".to_owned());
            receiver.await.map_err(gone)?
        })
    }

    fn forget_expired(&self, now_ms: u64) -> StoreFuture<'static, ()> {
        let inner = self.inner();
        for store in [&inner.written, &inner.durable] {
            drop(store.forget_expired(now_ms));
        }
        Box::pin(ready(Ok(())))
    }

    fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> StoreFuture<'_, FollowerBatch> {
        let readable = self.readable();
        let read = readable.follower_batch(stream, follower, after, max_octets);
        let mut batch = read.now_or_never().expect("memory answers at once");
        if let Ok(batch) = &mut batch {
            if self.planted(Planted::DropsDelivery) {
                batch.events.retain(|logged| !is_unlucky(logged));
            }
            let mut inner = self.inner();
            if inner.crooked && !batch.events.is_empty() {
                let at = inner.rng.random_range(0..batch.events.len());
                match inner.rng.random_range(0..3) {
                    0 => batch.events.rotate_left(at),
                    1 => batch.events.push(batch.events[at].clone()),
                    _ => drop(batch.events.remove(at)),
                }
            }
        }
        Box::pin(ready(batch))
    }

    fn client_events(
        &self,
        client: &MimiUri,
        after_id: u64,
        limit: usize,
    ) -> StoreFuture<'_, Vec<LoggedEvent>> {
        let readable = self.readable();
        let read = readable.client_events(client, after_id, limit);
        let mut entries = read.now_or_never().expect("memory answers at once");
        if self.planted(Planted::DropsEntry)
            && let Ok(entries) = &mut entries
        {
            entries.retain(|logged| !is_unlucky(logged));
        }
        Box::pin(ready(entries))
    }

    reads! {
        fn account(user: &MimiUri) -> Option<Account>;
        fn accounts() -> Vec<Account>;
        fn device_by_token(token_sha256: [u8; 32]) -> Option<DeviceRecord>;
        fn devices(user: &MimiUri) -> Vec<DeviceRecord>;
        fn key_packages(
            client: &MimiUri,
            ciphersuite: CipherSuite,
            now_ms: u64,
            limit: usize
        ) -> Vec<StoredKeyPackage>;
        fn key_package_stock(client: &MimiUri, now_ms: u64) -> Vec<SuiteStock>;
        fn key_package_owner(reference: &[u8]) -> Option<MimiUri>;
        fn consents(target: &MimiUri, requester: &MimiUri) -> Vec<ConsentRecord>;
        fn consent_requests(target: &MimiUri) -> Vec<ConsentRequest>;
        fn consents_of(target: &MimiUri) -> Vec<ConsentRecord>;
        fn consent_counts(user: &MimiUri) -> ConsentCounts;
        fn consent_asked(requester: &MimiUri) -> Vec<ConsentRequest>;
        fn arrivals(limit: usize) -> Vec<StoredArrival>;
        fn owed_removals(after_id: u64, limit: usize) -> Vec<StoredRemoval>;
        fn profile(user: &MimiUri) -> Option<StoredProfile>;
        fn find_profiles(terms: &[Term], limit: usize) -> Vec<StoredProfile>;
        fn room(room: &MimiUri) -> Option<StoredRoom>;
        fn hosted_rooms() -> Vec<MimiUri>;
        fn room_of_members(members: MemberSet) -> Option<MimiUri>;
        fn dependent_rooms(parent: &MimiUri) -> Vec<MimiUri>;
        fn parent_rooms() -> Vec<MimiUri>;
        fn room_count() -> u64;
        fn rooms_of(client: &MimiUri) -> Vec<MimiUri>;
        fn last_seq(stream: &MimiUri) -> Seq;
        fn log(stream: &MimiUri, after: Seq, limit: usize) -> Vec<LoggedEvent>;
        fn last_event_id() -> u64;
        fn client_cursor(client: &MimiUri) -> u64;
        fn stream_clients(stream: &MimiUri) -> Vec<MimiUri>;
        fn waiting_followers() -> Vec<FollowerCursor>;
        fn stale_followers() -> Vec<FollowerCursor>;
        fn history() -> LogHistory;
        fn follower_cursor(stream: &MimiUri, follower: &Domain) -> Option<FollowerCursor>;
    }
}
