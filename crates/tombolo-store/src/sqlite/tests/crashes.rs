//! Lives of a store on a disk that is full, fails, and loses its power in the midst of anything.
//!
//! `cargo xtask simulate --layer store` runs more of them. A seed decides everything: commits, what
//! goes wrong and when, and what of the writes that were not synced is there after a crash. After each,
//! the store opens, its file is whole, and it holds what was answered and nothing else, but for one
//! transaction that was on its way. `MemoryStore` says what that is.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mimi_provider::Change;
use mimi_provider::record::NewEvent;
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;
use tombolo_disk::{Copy, Disk, Trouble, VFS};

use super::agreement::{a_commit, followed, grow};
use crate::conformance::facts::{event, everything, room};
use crate::memory::MemoryStore;
use crate::sqlite::files::Files;
use crate::sqlite::{Options, SqliteStore, Threads};
use crate::{Commit, Committed, Store, StoreError};

/// Seeds to run, as `FROM..TO`, instead of those of the test.
const SEEDS: &str = "TOMBOLO_STORE_SEEDS";
const SEEDS_OF_TEST: Range<u64> = 0..60;
/// How long a writer may take to begin: it never takes that long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of one entry, where large ones are written: a log of as many pages as are moved to the file at once
/// is full after some dozen.
const LARGE_OCTETS_MAX: usize = 1_500_000;

impl Files for Disk {
    fn vfs(&self) -> Option<&str> {
        Some(VFS)
    }

    fn create(&self, path: &Path) -> std::io::Result<PathBuf> {
        Self::create(self, path)?;
        Ok(path.to_owned())
    }

    fn sync_folder(&self, _: &Path) -> std::io::Result<()> {
        Self::sync_folder(self)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn std::fmt::Debug + Send>, std::fs::TryLockError> {
        let lock = Self::lock(self, path).ok_or(std::fs::TryLockError::WouldBlock)?;
        Ok(Box::new(lock))
    }
}

/// Something to write.
#[derive(Clone, Debug)]
enum Step {
    Commit(Commit),
    ForgetExpired(u64),
}

impl Step {
    async fn on(self, store: &impl Store) -> Result<Committed, StoreError> {
        match self {
            Self::Commit(commit) => store.commit(commit).await,
            Self::ForgetExpired(now_ms) => {
                store.forget_expired(now_ms).await.map(|()| Committed::default())
            }
        }
    }
}

type Broken = String;

/// A store's life.
struct Life {
    disk: Disk,
    file: PathBuf,
    threads: Threads,
    rng: StdRng,
    commits: BoxedStrategy<Commit>,
    runner: TestRunner,
    /// What was answered.
    known: MemoryStore,
    /// Transactions that failed since the last one that was answered: one of them may be there after
    /// all when the store is opened next.
    unsure: Vec<Vec<Step>>,
    backup: Option<(Copy, MemoryStore)>,
    /// Now and then an entry is large.
    writes_much: bool,
    /// What happened, for a person.
    trace: Vec<String>,
    runtime: Runtime,
}

/// A room that is not compared entry by entry.
fn vault() -> mimi_wire::MimiUri {
    room("vault")
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let folder = PathBuf::from(format!("/store/{seed}"));
        let disk = Disk::mounted(&folder, StdRng::seed_from_u64(rng.random()));
        let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &rng.random::<[u8; 32]>());
        let threads = if seed.is_multiple_of(2) { Threads::Inline } else { Threads::Own };
        Self {
            disk,
            file: folder.join("store.sqlite"),
            threads,
            commits: a_commit().boxed(),
            runner: TestRunner::new_with_rng(Config::default(), chance),
            known: MemoryStore::new(),
            unsure: Vec::new(),
            backup: None,
            writes_much: rng.random_range(0..10) == 0,
            trace: Vec::new(),
            rng,
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        }
    }

    fn chance(&mut self, of_100: u32) -> bool {
        self.rng.random_range(0..100) < of_100
    }

    fn note(&mut self, what: &str) {
        let (changes, power) = (self.disk.changes(), if self.disk.is_on() { "" } else { ", off" });
        self.trace.push(format!("{changes}{power}: {what}"));
    }

    /// Lives to the end, or until something is broken.
    fn live(mut self) -> Result<(), Broken> {
        let lived = self.rounds();
        lived.map_err(|what| format!("{what}\n{}", self.trace.join("\n")))
    }

    fn rounds(&mut self) -> Result<(), Broken> {
        for _ in 0..self.rng.random_range(2..6) {
            if self.chance(40) {
                self.disk.power_off_after(self.rng.random_range(0..60));
            }
            let opened = self.open();
            self.note(&format!("opened: {:?}", opened.as_ref().err()));
            match opened {
                Ok(store) => {
                    self.compare(&store)?;
                    self.use_it(&store)?;
                    self.stop(store);
                }
                Err(error) if self.disk.is_on() => return Err(format!("not opened: {error}")),
                Err(_) => {}
            }
            self.start_again();
        }
        let store = self.open().map_err(|error| format!("not opened in the end: {error}"))?;
        self.compare(&store)
    }

    fn open(&self) -> Result<SqliteStore, String> {
        let files = Arc::new(self.disk.clone());
        let options = Options { threads: self.threads, files };
        SqliteStore::open(&self.file, options).map_err(|error| error.to_string())
    }

    /// Closes the store in one of the ways there are, some of which lose what is not durable.
    fn stop(&mut self, store: SqliteStore) {
        match self.rng.random_range(0..3) {
            0 => self.disk.power_off(),
            1 => self.disk.power_off_after(self.rng.random_range(0..12)),
            _ => {}
        }
        self.note("closes");
        drop(store);
        self.note("is closed");
    }

    /// The machine, or only the process, is there again.
    fn start_again(&mut self) {
        self.disk.set_trouble(None);
        self.disk.keep_power();
        if !self.disk.is_on() || self.chance(20) {
            self.disk.crash();
            self.note("crashed");
        }
        let restores = self.chance(15);
        if restores && let Some((copy, known)) = &self.backup {
            self.disk.put_back(copy);
            self.known = known.copied();
            self.unsure.clear();
            self.note("put back");
        }
    }

    /// Whether the store holds what it should, whatever happened before it was opened.
    fn compare(&mut self, store: &SqliteStore) -> Result<(), Broken> {
        let found = self.runtime.block_on(all(store));
        if !self.disk.is_on() {
            return Ok(());
        }
        let mut closest = None;
        for transaction in [Vec::new()].into_iter().chain(std::mem::take(&mut self.unsure)) {
            let candidate = self.known.copied();
            for step in transaction {
                drop(self.runtime.block_on(step.on(&candidate)));
            }
            let expected = self.runtime.block_on(all(&candidate));
            if expected == found {
                self.known = candidate;
                return self.check_file();
            }
            closest.get_or_insert(expected);
        }
        Err(format!("found what was not written:\n{}", difference(&closest.unwrap(), &found)))
    }

    fn check_file(&self) -> Result<(), Broken> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let checked = Connection::open_with_flags_and_vfs(&self.file, flags, VFS).and_then(|db| {
            db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
        });
        match checked {
            Ok(whole) if whole == "ok" => Ok(()),
            Ok(text) => Err(format!("the file is damaged: {text}")),
            Err(_) if !self.disk.is_on() => Ok(()),
            Err(error) => Err(format!("the file cannot be checked: {error}")),
        }
    }

    fn use_it(&mut self, store: &SqliteStore) -> Result<(), Broken> {
        for _ in 0..self.rng.random_range(1..10) {
            match self.rng.random_range(0..20) {
                0 => self.suffer(Some(Trouble::Full)),
                1 => self.suffer(Some(Trouble::ReadOnly)),
                2 => self.suffer(Some(Trouble::Failing)),
                3..6 => self.suffer(None),
                6..8 => self.disk.power_off_after(self.rng.random_range(0..60)),
                8 if self.unsure.is_empty() => {
                    self.backup = Some((self.disk.copy(), self.known.copied()));
                    self.note("copied");
                }
                _ => {}
            }
            self.write_some(store)?;
            self.read_some(store)?;
        }
        Ok(())
    }

    fn suffer(&mut self, trouble: Option<Trouble>) {
        self.disk.set_trouble(trouble);
        self.note(&format!("{trouble:?}"));
    }

    fn step(&mut self) -> Step {
        if self.chance(3) {
            return Step::ForgetExpired(self.rng.random_range(4000..5000));
        }
        let mut commit = self.commits.new_tree(&mut self.runner).unwrap().current();
        if self.writes_much && self.chance(30) {
            let payload = vec![7; self.rng.random_range(0..LARGE_OCTETS_MAX)];
            // Its number comes when it is grown.
            let large = NewEvent { payload, ..event(&vault(), 2) };
            commit.changes.push(Change::Append(large));
        }
        Step::Commit(commit)
    }

    /// Commits that wait for each other, and what becomes of them.
    fn write_some(&mut self, store: &SqliteStore) -> Result<(), Broken> {
        let mut steps: Vec<_> = (0..self.rng.random_range(1..6)).map(|_| self.step()).collect();
        // Entries that fit, as far as one can know.
        let draft = self.known.copied();
        for step in &mut steps {
            if let Step::Commit(commit) = step {
                self.runtime.block_on(grow(&draft, commit));
            }
            drop(self.runtime.block_on(step.clone().on(&draft)));
        }
        match self.threads {
            Threads::Inline => {
                for step in steps {
                    let outcome = self.runtime.block_on(step.clone().on(store));
                    self.answered(vec![(step, outcome)])?;
                }
                Ok(())
            }
            Threads::Own => self.write_in_two(store, steps),
        }
    }

    /// The first is written alone, the others together: they wait until it has been written.
    fn write_in_two(&mut self, store: &SqliteStore, steps: Vec<Step>) -> Result<(), Broken> {
        let queue = |step: &Step| match step.clone() {
            Step::Commit(commit) => store.commit(commit),
            Step::ForgetExpired(now_ms) => {
                let forgotten = store.forget_expired(now_ms);
                Box::pin(async move { forgotten.await.map(|()| Committed::default()) })
            }
        };
        self.disk.hold();
        let first = queue(&steps[0]);
        let has_begun = self.disk.wait_until_held(PATIENCE);
        let rest: Vec<_> = steps[1..].iter().map(queue).collect();
        self.disk.release();
        if !has_begun {
            return Err("the writer does not begin".to_owned());
        }
        let mut outcomes = vec![self.runtime.block_on(first)];
        outcomes.extend(rest.into_iter().map(|outcome| self.runtime.block_on(outcome)));
        let mut written: Vec<_> = steps.into_iter().zip(outcomes).collect();
        let rest = written.split_off(1);
        self.answered(written)?;
        self.answered(rest)
    }

    /// A transaction was answered. What is refused is refused by the memory as well; what the disk did
    /// not take may be there after a crash, together.
    fn answered(
        &mut self,
        written: Vec<(Step, Result<Committed, StoreError>)>,
    ) -> Result<(), Broken> {
        let mut failed = Vec::new();
        for (step, outcome) in written {
            self.note(&format!("{outcome:?} for {}", short(&step)));
            match outcome {
                Err(StoreError::Unavailable(_) | StoreError::Failed(_)) if self.is_troubled() => {
                    failed.push(step);
                }
                outcome => {
                    let expected = self.runtime.block_on(step.clone().on(&self.known));
                    if outcome != expected {
                        return Err(format!("{step:?}\n  led to {outcome:?}\n  not {expected:?}"));
                    }
                    // What is written takes the place of what failed; what changes nothing does not.
                    if outcome.is_ok_and(|committed| !committed.event_ids.is_empty()) {
                        self.unsure.clear();
                    }
                }
            }
        }
        if !failed.is_empty() {
            self.unsure.push(failed);
        }
        Ok(())
    }

    fn is_troubled(&self) -> bool {
        self.disk.has_trouble() || !self.disk.is_on()
    }

    /// What is remembered of what was written last, twice: first it may be read from the file.
    fn read_some(&self, store: &SqliteStore) -> Result<(), Broken> {
        let expected = self.runtime.block_on(followed(&self.known));
        for _ in 0..2 {
            let found = self.runtime.block_on(followed(store));
            if found != expected && self.disk.is_on() {
                return Err(format!("read what is not so:\n{}", difference(&expected, &found)));
            }
        }
        Ok(())
    }
}

/// Everything a store says.
async fn all(store: &impl Store) -> Vec<String> {
    let mut told = everything(store).await;
    let large = store.log(&vault(), 0, usize::MAX).await;
    let sizes = large
        .map(|entries| entries.iter().map(|logged| logged.event.payload.len()).collect::<Vec<_>>());
    told.push(format!("vault: {sizes:?}"));
    told
}

fn short(step: &Step) -> String {
    const LENGTH: usize = 400;
    let mut text = format!("{step:?}");
    if let Some((end, _)) = text.char_indices().nth(LENGTH) {
        text.truncate(end);
    }
    text
}

/// The first lines that are not alike.
fn difference(expected: &[String], found: &[String]) -> String {
    let lines = expected.iter().zip(found).filter(|(expected, found)| expected != found).take(3);
    lines.map(|(expected, found)| format!("  expected {expected}\n  found    {found}\n")).collect()
}

/// The first seed in which something is broken, and what; seeds are taken in turn by as many threads
/// as there are processors.
fn first_broken(seeds: Range<u64>) -> Option<(u64, Broken)> {
    let next = AtomicU64::new(seeds.start);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let run = || {
        let mut broken = None;
        while broken.is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            broken = Life::new(seed).live().err().map(|what| (seed, what));
        }
        if broken.is_some() {
            next.store(seeds.end, Ordering::Relaxed);
        }
        broken
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..jobs).map(|_| scope.spawn(run)).collect();
        running.into_iter().filter_map(|job| job.join().unwrap()).min_by_key(|(seed, _)| *seed)
    })
}

#[test]
fn what_is_answered_survives_every_crash() {
    let asked = std::env::var(SEEDS).ok().and_then(|range| {
        let (from, to) = range.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    if let Some((seed, what)) = first_broken(asked.unwrap_or(SEEDS_OF_TEST)) {
        panic!("seed {seed}: {what}\nagain: cargo xtask simulate --layer store --seed {seed}");
    }
}

/// The same seed is the same life.
#[test]
fn a_seed_is_one_life() {
    for seed in 1_000..1_004 {
        let changes = [(); 2].map(|()| {
            let life = Life::new(seed);
            let disk = life.disk.clone();
            assert_eq!(life.live(), Ok(()));
            disk.changes()
        });
        assert!(changes[0] > 20 && changes[0] == changes[1], "{changes:?}");
    }
}
