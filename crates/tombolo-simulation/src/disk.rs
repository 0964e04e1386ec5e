//! A provider's disk, and the store that keeps its file there: what is written takes a while to be
//! durable, and a crash loses what was not.
//!
//! The store is `tombolo_store::sqlite`, as providers have it, on a [`tombolo_disk::Disk`]. Commits wait
//! for their turn as they do for the store's own thread; they are written, read by others and answered
//! when it comes, a little later in virtual time. A crash finds some of them written, perhaps one in the
//! midst of its writes, and the rest not at all.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fs::TryLockError;
use std::future::ready;
use std::io;
use std::path::{Path, PathBuf};
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
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;
use tombolo_disk::{Copy, Trouble, VFS};
use tombolo_store::sqlite::{Files, OpenError, Options, SqliteStore, Threads};
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
    device: tombolo_disk::Disk,
    file: PathBuf,
    /// While the machine runs.
    store: Option<Arc<SqliteStore>>,
    /// Commits that wait for their turn.
    queue: VecDeque<Waiting>,
    /// How many commits have waited.
    queued: u64,
    /// How many of them have been written or refused, or were lost.
    settled: u64,
    /// Commits that were written: while this stands still, nothing happens.
    commits: u64,
    /// The last entry of the log that somebody was told to be durable.
    answered_id: u64,
    sync_ms_max: u64,
    /// It sends peers too much, too little, and in another order.
    crooked: bool,
    backup: Option<Copy>,
    /// KeyPackages that were given away since somebody asked.
    released: Vec<Vec<u8>>,
    planted: Option<Planted>,
    rng: StdRng,
}

#[derive(Debug)]
struct Waiting {
    commit: Commit,
    answer: oneshot::Sender<Result<Committed, StoreError>>,
}

/// How long a commit takes to be durable on a healthy disk, at most.
pub const SYNC_MS_MAX: u64 = 4;
/// And on one that swaps.
const SWAPPING_MS_MAX: u64 = 400;
/// How long a disk that lies takes for what it has said to have done.
const LYING: Duration = Duration::from_secs(2);
/// Changes after which the power fails in the midst of a commit, at most: more than most commits make.
const CUT_CHANGES_MAX: u64 = 12;

/// The disk as the store asks it past SQLite.
#[derive(Debug)]
struct Mounted(tombolo_disk::Disk);

impl Files for Mounted {
    fn vfs(&self) -> Option<&str> {
        Some(VFS)
    }

    fn create(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.create(path)?;
        Ok(path.to_owned())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.0.sync_folder()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Debug + Send>, TryLockError> {
        let lock = self.0.lock(path).ok_or(TryLockError::WouldBlock)?;
        Ok(Box::new(lock))
    }
}

impl Disk {
    /// An empty disk for the files in a folder, which no other disk is for; `planted` is a defect it
    /// has.
    pub fn new(folder: &Path, mut rng: StdRng, planted: Option<Planted>) -> Self {
        let device = tombolo_disk::Disk::mounted(folder, StdRng::seed_from_u64(rng.random()));
        device.set_lying(planted == Some(Planted::AnswersEarly));
        Self(Arc::new(Mutex::new(Inner {
            device,
            file: folder.join("tombolo.sqlite"),
            store: None,
            queue: VecDeque::new(),
            queued: 0,
            settled: 0,
            commits: 0,
            answered_id: 0,
            // Much is on its way at once only if that takes long.
            sync_ms_max: match planted {
                Some(Planted::SwapsEntries) => SWAPPING_MS_MAX,
                _ => SYNC_MS_MAX,
            },
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

    /// Opens the store, as a provider does when it starts. Says what was lost of what had been
    /// answered, if anything.
    pub fn start(&self) -> Result<Option<String>, OpenError> {
        let mut inner = self.inner();
        if inner.store.is_some() {
            return Ok(None);
        }
        let files = Arc::new(Mounted(inner.device.clone()));
        let store = SqliteStore::open(&inner.file, Options { threads: Threads::Inline, files })?;
        let last_id = at_once(store.last_event_id()).unwrap_or_default();
        inner.store = Some(Arc::new(store));
        // One that was cut may have been written.
        inner.commits += 1;
        let answered = inner.answered_id;
        let lost = || format!("{answered} entries were answered, {last_id} are there");
        Ok((last_id < answered).then(lost))
    }

    /// What is durable, for whoever looks from outside; `None` while the machine does not run.
    pub fn durable(&self) -> Option<Arc<SqliteStore>> {
        self.inner().store.clone()
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
        self.start().expect("a new disk takes a new file");
        let store = self.durable().expect("it was opened");
        at_once(store.commit(commit)).expect("nothing else is written yet");
        self.inner().device.settle();
    }

    /// Sets what is wrong with writing, if anything.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        self.inner().device.set_trouble(trouble);
    }

    /// Whether peers are sent the log as it is.
    pub fn set_crooked(&self, crooked: bool) {
        self.inner().crooked = crooked;
    }

    /// How long a commit takes at most.
    pub fn set_sync_ms_max(&self, ms: u64) {
        self.inner().sync_ms_max = ms.max(1);
    }

    /// The machine stops: of what was on its way some is durable, one commit may be cut, the rest is
    /// gone.
    pub fn crash(&self) {
        let mut inner = self.inner();
        let waiting = inner.queue.len();
        let kept = inner.rng.random_range(0..=waiting);
        inner.write(kept);
        let changes = inner.rng.random_range(0..CUT_CHANGES_MAX);
        inner.device.power_off_after(changes);
        inner.write(1);
        inner.device.power_off();
        inner.forget_queue();
        // Its connections close without a word to the disk.
        inner.store = None;
        inner.device.crash();
    }

    /// Keeps a copy of the files.
    pub fn back_up(&self) {
        let mut inner = self.inner();
        inner.backup = Some(inner.device.copy());
    }

    /// Puts the copy back, on a disk that nothing is wrong with, if there is one; the provider must
    /// not run.
    pub fn restore(&self) -> bool {
        let mut inner = self.inner();
        let Some(backup) = inner.backup.clone() else { return false };
        inner.forget_queue();
        inner.device.put_back(&backup);
        inner.device.set_trouble(None);
        inner.answered_id = 0;
        true
    }

    /// The store, for those who run on the machine.
    fn running(&self) -> Result<Arc<SqliteStore>, StoreError> {
        self.durable().ok_or_else(|| StoreError::Failed("the machine has stopped".to_owned()))
    }

    fn planted(&self, defect: Planted) -> bool {
        self.inner().planted == Some(defect)
    }

    /// The turn of everything up to a commit has come.
    fn write_to(&self, number: u64) {
        let mut inner = self.inner();
        let count = usize::try_from(number.saturating_sub(inner.settled)).unwrap_or(usize::MAX);
        inner.write(count);
    }
}

/// The store does everything at the call.
fn at_once<T>(future: StoreFuture<'_, T>) -> Result<T, StoreError> {
    future.now_or_never().expect("without threads the store answers at once")
}

impl Inner {
    fn swap_first_two(&mut self) {
        let [first, second, ..] = self.queue.make_contiguous() else { return };
        if let (Some(first), Some(second)) =
            (message(&mut first.commit), message(&mut second.commit))
            && first.stream == second.stream
        {
            std::mem::swap(&mut first.payload, &mut second.payload);
            std::mem::swap(&mut first.timestamp_ms, &mut second.timestamp_ms);
        }
    }

    fn forget_queue(&mut self) {
        self.queue.clear();
        self.settled = self.queued;
    }

    fn write(&mut self, count: usize) {
        for _ in 0..count {
            if self.planted == Some(Planted::SwapsEntries) {
                self.swap_first_two();
            }
            let (Some(store), Some(waiting)) = (self.store.clone(), self.queue.pop_front()) else {
                return;
            };
            self.settled += 1;
            let released = waiting.commit.changes.iter().filter_map(|change| match change {
                Change::ReleaseKeyPackage(reference) => Some(reference.clone()),
                _ => None,
            });
            let released: Vec<_> = released.collect();
            let outcome = at_once(store.commit(waiting.commit));
            if let Ok(Committed { event_ids }) = &outcome {
                self.commits += 1;
                self.released.extend(released);
                self.answered_id = event_ids.last().map_or(self.answered_id, |id| *id);
            }
            // Nobody may be there any more.
            drop(waiting.answer.send(outcome));
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
            let answer = self.running().and_then(|store| at_once(store.$name($($argument),*)));
            Box::pin(ready(answer))
        })*
    };
}

impl Store for Disk {
    fn commit(&self, commit: Commit) -> StoreFuture<'static, Committed> {
        let mut inner = self.inner();
        let latest = inner.sync_ms_max;
        let delay = Duration::from_millis(inner.rng.random_range(0..=latest));
        let (answer, answered) = oneshot::channel();
        inner.queue.push_back(Waiting { commit, answer });
        inner.queued += 1;
        let number = inner.queued;
        let lies = inner.planted == Some(Planted::AnswersEarly);
        drop(inner);
        let disk = self.clone();
        // Whether or not anybody waits for it.
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            disk.write_to(number);
            if lies {
                tokio::time::sleep(LYING).await;
                disk.inner().device.settle();
            }
        });
        Box::pin(async move {
            let gone = |_| StoreError::Failed("the machine has stopped".to_owned());
            answered.await.map_err(gone)?
        })
    }

    fn forget_expired(&self, now_ms: u64) -> StoreFuture<'static, ()> {
        let forgotten = self.running().and_then(|store| at_once(store.forget_expired(now_ms)));
        Box::pin(ready(forgotten))
    }

    fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> StoreFuture<'_, FollowerBatch> {
        let store = self.running();
        let mut batch = store
            .and_then(|store| at_once(store.follower_batch(stream, follower, after, max_octets)));
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
        let store = self.running();
        let mut entries =
            store.and_then(|store| at_once(store.client_events(client, after_id, limit)));
        if self.planted(Planted::DropsEntry)
            && let Ok(entries) = &mut entries
        {
            entries.retain(|logged| !is_unlucky(logged));
        }
        Box::pin(ready(entries))
    }

    reads! {
        fn device_by_token(token_sha256: [u8; 32]) -> Option<DeviceRecord>;
    }
    tombolo_store::each_read!(reads);
}
