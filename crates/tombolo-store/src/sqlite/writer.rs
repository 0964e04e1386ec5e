//! The one writer: whatever waits goes into one durable transaction, and only then is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::ends::Ends;
use super::files::FileLock;
use super::tail::Tail;
use super::{Failure, Statistics, apply};
use crate::{Commit, Committed, StoreError};

/// Commits that may wait for the writer; one more is refused at once.
pub(super) const WAITING_MAX: usize = 16_384;
/// Commits in one transaction.
pub(super) const BATCH_MAX: usize = 1024;

/// Something to write.
#[derive(Debug)]
pub(super) enum Work {
    Commit(Commit),
    ForgetExpired { now_ms: u64 },
}

type Outcome = Result<Committed, StoreError>;

/// Work, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) done: oneshot::Sender<Outcome>,
}

/// How often the writer did what.
#[derive(Debug, Default)]
pub(super) struct Counters {
    transactions: AtomicU64,
    commits: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Statistics {
        Statistics {
            transactions: self.transactions.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}

/// The connection that writes, and the right to.
#[derive(Debug)]
pub(super) struct Writer {
    db: Connection,
    ends: Ends,
    counters: Arc<Counters>,
    tail: Arc<Tail>,
    /// After the connection: given up once that is closed.
    _lock: FileLock,
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        lock: FileLock,
        counters: Arc<Counters>,
        tail: Arc<Tail>,
    ) -> Self {
        Self { db, ends: Ends::default(), counters, tail, _lock: lock }
    }

    /// Writes until nobody can ask any more. The body of the writer's own thread.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while queue.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            let (work, waiting): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|job: Job| (job.work, job.done)).unzip();
            for (done, outcome) in waiting.into_iter().zip(self.write(&work)) {
                // Whoever asked may have gone; what is written stays written.
                let _ = done.send(outcome);
            }
        }
    }

    /// Writes all of it in one transaction, in which one whose expectations fail leaves the others
    /// alone. Returns once it is durable.
    pub(super) fn write(&mut self, batch: &[Work]) -> Vec<Outcome> {
        match self.transact(batch) {
            Ok(outcomes) => {
                self.tail.written(batch.iter().zip(&outcomes).filter_map(durable));
                let commits = outcomes.iter().filter(|outcome| outcome.is_ok()).map(|_| 1).sum();
                self.counters.transactions.fetch_add(1, Ordering::Relaxed);
                self.counters.commits.fetch_add(commits, Ordering::Relaxed);
                outcomes
            }
            Err(failure) => {
                let error = StoreError::from(failure);
                tracing::error!(%error, commits = batch.len(), "a transaction failed");
                self.undo();
                // Also those that lost a race: they may have lost it to one that is undone now.
                batch.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }

    fn transact(&mut self, batch: &[Work]) -> Result<Vec<Outcome>, Failure> {
        match self.together(batch)? {
            Some(outcomes) => Ok(outcomes),
            None => self.one_by_one(batch),
        }
    }

    /// Nearly always nothing fails but expectations, before anything is written: no piece of work
    /// needs a savepoint, which copies every page that it changes. `None` if more has failed, and
    /// all of it is undone.
    fn together(&mut self, batch: &[Work]) -> Result<Option<Vec<Outcome>>, Failure> {
        self.step("BEGIN IMMEDIATE")?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for work in batch {
            let outcome = match self.check(work) {
                Ok(()) => self.perform(work).map(Ok),
                Err(failure @ Failure::Conflict(_)) => Ok(Err(failure.into())),
                Err(failure) => Err(failure),
            };
            let Ok(outcome) = outcome else {
                self.undo();
                return Ok(None);
            };
            outcomes.push(outcome);
        }
        self.step("COMMIT")?;
        Ok(Some(outcomes))
    }

    /// Each in a savepoint of its own, so that one that fails is undone alone.
    fn one_by_one(&mut self, batch: &[Work]) -> Result<Vec<Outcome>, Failure> {
        self.step("BEGIN IMMEDIATE")?;
        let outcomes = batch.iter().map(|work| self.attempt(work)).collect::<Result<_, _>>()?;
        self.step("COMMIT")?;
        Ok(outcomes)
    }

    /// The inner result is of this piece of work; the outer fails when the transaction is lost.
    fn attempt(&mut self, work: &Work) -> Result<Outcome, Failure> {
        self.step("SAVEPOINT one")?;
        let outcome = self.check(work).and_then(|()| self.perform(work));
        let outcome = match outcome {
            Ok(committed) => Ok(committed),
            // A full disk, for one, makes SQLite undo the whole transaction by itself.
            Err(failure) if self.db.is_autocommit() => return Err(failure),
            Err(failure) => {
                self.ends.forget();
                self.step("ROLLBACK TO one")?;
                Err(failure.into())
            }
        };
        self.step("RELEASE one")?;
        Ok(outcome)
    }

    fn check(&mut self, work: &Work) -> Result<(), Failure> {
        match work {
            Work::Commit(commit) => apply::check_all(&self.db, &mut self.ends, commit),
            Work::ForgetExpired { .. } => Ok(()),
        }
    }

    fn perform(&mut self, work: &Work) -> Result<Committed, Failure> {
        match work {
            Work::Commit(commit) => apply::write_all(&self.db, &mut self.ends, commit),
            Work::ForgetExpired { now_ms } => {
                apply::forget_expired(&self.db, *now_ms).map(|()| Committed::default())
            }
        }
    }

    /// Ends the transaction, if there still is one, as if it had never begun.
    fn undo(&mut self) {
        self.ends.forget();
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be undone");
        }
    }

    fn step(&self, sql: &str) -> Result<(), Failure> {
        self.db.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// A commit that has been written, and what it led to.
fn durable<'a>((work, outcome): (&'a Work, &'a Outcome)) -> Option<(&'a Commit, &'a Committed)> {
    match (work, outcome) {
        (Work::Commit(commit), Ok(committed)) => Some((commit, committed)),
        _ => None,
    }
}
