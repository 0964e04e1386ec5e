//! A store in one SQLite file: the default of a provider.
//!
//! Write-ahead log, every transaction synced before it is answered, one writer. Several readers
//! beside it, each seeing what was committed before it began. What was written last is read from
//! memory (`tail`).

mod apply;
mod columns;
mod contact;
mod ends;
mod failure;
mod files;
mod intern;
mod profiles;
mod read;
mod read_log;
mod readers;
mod removals;
mod schema;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::profile::{StoredProfile, Term};
use mimi_provider::record::{
    Account, ConsentCounts, ConsentRecord, ConsentRequest, DeviceRecord, FollowerCursor,
    LogHistory, LoggedEvent, Seq, StoredArrival, StoredKeyPackage, StoredRemoval, StoredRoom,
    SuiteStock,
};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};
use rusqlite::Connection;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::{Commit, Committed, FollowerBatch, Store, StoreError, StoreFuture};
use failure::Failure;
use files::FileLock;
pub use files::{Files, Native};
use readers::Readers;
pub use schema::{JOURNAL_MODE, SYNCHRONOUS};
use tail::Tail;
use writer::{Counters, Job, WAITING_MAX, Work, Writer};

/// How to run a [`SqliteStore`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the work is done.
    pub threads: Threads,
    /// What the file and those beside it are on.
    pub files: Arc<dyn Files>,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: Threads::default(), files: Arc::new(Native) }
    }
}

/// Where the work of a [`SqliteStore`] is done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Threads {
    /// Writes on a thread of the store's own, reads on the runtime's threads for blocking work:
    /// futures are to be awaited in a Tokio runtime, whose worker threads never block.
    #[default]
    Own,
    /// Everything at the call, on the caller's thread: for simulations, whose time is virtual.
    Inline,
}

/// Why a file cannot be opened as a store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store in this one, writes it.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// A newer version of this software wrote it.
    #[error("the file has schema {found}, this version knows schemas up to {known}: upgrade first")]
    Newer {
        /// The file's schema.
        found: i64,
        /// The newest this version knows.
        known: usize,
    },
    /// It belongs to something else.
    #[error("the file is not a store of this software")]
    Foreign,
    /// The file system said no.
    #[error("cannot open the file: {0}")]
    Io(#[from] std::io::Error),
    /// SQLite said no.
    #[error("cannot open the file as a database: {0}")]
    Sqlite(String),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.to_string())
    }
}

/// How much the writer has done since the store was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    /// Durable transactions.
    pub transactions: u64,
    /// Commits in them, without those that lost a race.
    pub commits: u64,
}

/// A store in one SQLite file. Dropping it waits until what was queued is written.
#[derive(Debug)]
pub struct SqliteStore {
    writes: Writes,
    readers: Arc<Readers>,
    tail: Arc<Tail>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum Writes {
    Own { queue: Option<mpsc::Sender<Job>>, thread: Option<JoinHandle<()>> },
    Inline(Mutex<Writer>),
}

impl SqliteStore {
    /// Opens a file, creating it or bringing its schema up to date. Blocks while it does.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let Options { threads, files } = options;
        let path = files::create(&*files, path.as_ref())?;
        let lock = FileLock::take(&*files, &path)?;
        let db = schema::open_writer(&path, files.vfs())?;
        let counters = Arc::new(Counters::default());
        let last_id = read::last_event_id(&db)
            .map_err(|failure| OpenError::Sqlite(StoreError::from(failure).to_string()))?;
        let tail = Arc::new(Tail::new(last_id));
        let writer = Writer::new(db, lock, Arc::clone(&counters), Arc::clone(&tail));
        let writes = match threads {
            Threads::Inline => Writes::Inline(Mutex::new(writer)),
            Threads::Own => {
                let (queue, waiting) = mpsc::channel(WAITING_MAX);
                let thread = thread::Builder::new()
                    .name("tombolo-store".to_owned())
                    .spawn(move || writer.run(waiting))?;
                Writes::Own { queue: Some(queue), thread: Some(thread) }
            }
        };
        Ok(Self { writes, readers: Arc::new(Readers::new(path, files)), tail, counters })
    }

    /// How much the writer has done.
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    fn write(&self, work: Work) -> StoreFuture<'static, Committed> {
        match &self.writes {
            Writes::Inline(writer) => {
                let mut writer = writer.lock().expect("nothing panics while it writes");
                let outcome = writer.write(&[work]).pop();
                Box::pin(ready(outcome.expect("each piece of work has an outcome")))
            }
            Writes::Own { queue, .. } => {
                let (done, outcome) = oneshot::channel();
                let queue = queue.as_ref().expect("taken only when the store is dropped");
                let queued = queue.try_send(Job { work, done }).map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => {
                        StoreError::Unavailable("too many commits wait".to_owned())
                    }
                    mpsc::error::TrySendError::Closed(_) => {
                        StoreError::Failed(WRITER_GONE.to_owned())
                    }
                });
                Box::pin(async move {
                    queued?;
                    outcome.await.map_err(|_| StoreError::Failed(WRITER_GONE.to_owned()))?
                })
            }
        }
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        match self.writes {
            Writes::Inline(_) => Box::pin(ready(self.readers.run(query))),
            Writes::Own { .. } => Box::pin(Arc::clone(&self.readers).spawn(query)),
        }
    }
}

const WRITER_GONE: &str = "the storage's writer has stopped";

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Readers first: SQLite tidies its log up when the last connection closes, which only the
        // writer's can.
        self.readers.close();
        if let Writes::Own { queue, thread } = &mut self.writes {
            drop(queue.take());
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("{WRITER_GONE}");
            }
        }
    }
}

impl Store for SqliteStore {
    fn commit(&self, commit: Commit) -> StoreFuture<'static, Committed> {
        self.write(Work::Commit(commit))
    }

    fn forget_expired(&self, now_ms: u64) -> StoreFuture<'static, ()> {
        let forgotten = self.write(Work::ForgetExpired { now_ms });
        Box::pin(async move { forgotten.await.map(|_| ()) })
    }

    fn account(&self, user: &MimiUri) -> StoreFuture<'_, Option<Account>> {
        let user = user.clone();
        self.read(move |db| read::account(db, &user))
    }

    fn accounts(&self) -> StoreFuture<'_, Vec<Account>> {
        self.read(read::accounts)
    }

    fn device_by_token(&self, token_sha256: [u8; 32]) -> StoreFuture<'_, Option<DeviceRecord>> {
        if let Some(device) = self.tail.device(&token_sha256) {
            return Box::pin(ready(Ok(Some(device))));
        }
        let (tail, read_at) = (Arc::clone(&self.tail), self.tail.generation());
        self.read(move |db| {
            let device = read::device_by_token(db, &token_sha256)?;
            if let Some(device) = &device {
                tail.learn_device(device, read_at);
            }
            Ok(device)
        })
    }

    fn devices(&self, user: &MimiUri) -> StoreFuture<'_, Vec<DeviceRecord>> {
        let user = user.clone();
        self.read(move |db| read::devices(db, &user))
    }

    fn key_packages(
        &self,
        client: &MimiUri,
        ciphersuite: CipherSuite,
        now_ms: u64,
        limit: usize,
    ) -> StoreFuture<'_, Vec<StoredKeyPackage>> {
        let client = client.clone();
        self.read(move |db| read::key_packages(db, &client, ciphersuite, now_ms, limit))
    }

    fn key_package_stock(&self, client: &MimiUri, now_ms: u64) -> StoreFuture<'_, Vec<SuiteStock>> {
        let client = client.clone();
        self.read(move |db| read::key_package_stock(db, &client, now_ms))
    }

    fn key_package_owner(&self, reference: &[u8]) -> StoreFuture<'_, Option<MimiUri>> {
        let reference = reference.to_vec();
        self.read(move |db| read::key_package_owner(db, &reference))
    }

    fn consents(
        &self,
        target: &MimiUri,
        requester: &MimiUri,
    ) -> StoreFuture<'_, Vec<ConsentRecord>> {
        let (target, requester) = (target.clone(), requester.clone());
        self.read(move |db| contact::consents(db, &target, &requester))
    }

    fn consent_requests(&self, target: &MimiUri) -> StoreFuture<'_, Vec<ConsentRequest>> {
        let target = target.clone();
        self.read(move |db| contact::consent_requests(db, &target))
    }

    fn consents_of(&self, target: &MimiUri) -> StoreFuture<'_, Vec<ConsentRecord>> {
        let target = target.clone();
        self.read(move |db| contact::consents_of(db, &target))
    }

    fn consent_counts(&self, user: &MimiUri) -> StoreFuture<'_, ConsentCounts> {
        let user = user.clone();
        self.read(move |db| contact::consent_counts(db, &user))
    }

    fn consent_asked(&self, requester: &MimiUri) -> StoreFuture<'_, Vec<ConsentRequest>> {
        let requester = requester.clone();
        self.read(move |db| contact::consent_asked(db, &requester))
    }

    fn arrivals(&self, limit: usize) -> StoreFuture<'_, Vec<StoredArrival>> {
        self.read(move |db| contact::arrivals(db, limit))
    }

    fn owed_removals(&self, after_id: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRemoval>> {
        self.read(move |db| removals::owed_removals(db, after_id, limit))
    }

    fn profile(&self, user: &MimiUri) -> StoreFuture<'_, Option<StoredProfile>> {
        let user = user.clone();
        self.read(move |db| profiles::profile(db, &user))
    }

    fn find_profiles(&self, terms: &[Term], limit: usize) -> StoreFuture<'_, Vec<StoredProfile>> {
        let terms = terms.to_vec();
        self.read(move |db| profiles::find_profiles(db, &terms, limit))
    }

    fn room(&self, room: &MimiUri) -> StoreFuture<'_, Option<StoredRoom>> {
        let room = room.clone();
        self.read(move |db| read::room(db, &room))
    }

    fn rooms_of(&self, client: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>> {
        let client = client.clone();
        self.read(move |db| read::rooms_of(db, &client))
    }

    fn hosted_rooms(&self) -> StoreFuture<'_, Vec<MimiUri>> {
        self.read(read::hosted_rooms)
    }

    fn room_of_members(&self, members: MemberSet) -> StoreFuture<'_, Option<MimiUri>> {
        self.read(move |db| read::room_of_members(db, members))
    }

    fn dependent_rooms(&self, parent: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>> {
        let parent = parent.clone();
        self.read(move |db| read::dependent_rooms(db, &parent))
    }

    fn parent_rooms(&self) -> StoreFuture<'_, Vec<MimiUri>> {
        self.read(read::parent_rooms)
    }

    fn room_count(&self) -> StoreFuture<'_, u64> {
        self.read(read::room_count)
    }

    fn last_seq(&self, stream: &MimiUri) -> StoreFuture<'_, Seq> {
        let stream = stream.clone();
        self.read(move |db| read::end_of(db, &stream))
    }

    fn log(&self, stream: &MimiUri, after: Seq, limit: usize) -> StoreFuture<'_, Vec<LoggedEvent>> {
        let stream = stream.clone();
        self.read(move |db| read_log::log(db, &stream, after, limit))
    }

    fn client_events(
        &self,
        client: &MimiUri,
        after_id: u64,
        limit: usize,
    ) -> StoreFuture<'_, Vec<LoggedEvent>> {
        if let Some(page) = self.tail.client_events(client, after_id, limit) {
            return Box::pin(ready(Ok(page)));
        }
        let (client, tail) = (client.clone(), Arc::clone(&self.tail));
        let read_at = tail.generation();
        self.read(move |db| {
            let page = read_log::client_events(db, &client, after_id, limit)?;
            tail.learn_sights(&client, read_log::sights(db, &client)?, read_at);
            Ok(page)
        })
    }

    fn last_event_id(&self) -> StoreFuture<'_, u64> {
        self.read(read::last_event_id)
    }

    fn client_cursor(&self, client: &MimiUri) -> StoreFuture<'_, u64> {
        let client = client.clone();
        self.read(move |db| read::client_cursor(db, &client))
    }

    fn stream_clients(&self, stream: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>> {
        let stream = stream.clone();
        self.read(move |db| read::stream_clients(db, &stream))
    }

    fn waiting_followers(&self) -> StoreFuture<'_, Vec<FollowerCursor>> {
        self.read(read::waiting_followers)
    }

    fn stale_followers(&self) -> StoreFuture<'_, Vec<FollowerCursor>> {
        self.read(read::stale_followers)
    }

    fn history(&self) -> StoreFuture<'_, LogHistory> {
        self.read(read::history)
    }

    fn follower_cursor(
        &self,
        stream: &MimiUri,
        follower: &Domain,
    ) -> StoreFuture<'_, Option<FollowerCursor>> {
        let (stream, follower) = (stream.clone(), follower.clone());
        self.read(move |db| read::follower_cursor(db, &stream, &follower))
    }

    fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> StoreFuture<'_, FollowerBatch> {
        let known = self.tail.follower_batch(stream, follower, after, max_octets);
        if let Some(batch) = known {
            return Box::pin(ready(Ok(batch)));
        }
        let (stream, follower) = (stream.clone(), follower.clone());
        self.read(move |db| read_log::follower_batch(db, &stream, &follower, after, max_octets))
    }
}
