//! A provider's disk: what is queued is lost by a crash, what is synced is not.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Committed, Store, StoreError};

/// Resolves a future of the store in memory, which waits for nothing.
pub(crate) fn now<T>(future: impl Future<Output = Result<T, StoreError>>) -> T {
    polled(future).expect("the store in memory does not fail")
}

fn polled<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the store in memory answers at once"),
    }
}

/// See the module. `A` is what follows once a write is durable.
pub(crate) struct Disk<A> {
    pub(crate) store: MemoryStore,
    queue: VecDeque<(Commit, A)>,
    /// Everything that was written, in order; a backup is a length of it.
    journal: Vec<Commit>,
    pub(crate) is_full: bool,
}

impl<A> Default for Disk<A> {
    fn default() -> Self {
        let (store, queue, journal) = (MemoryStore::new(), VecDeque::new(), Vec::new());
        Self { store, queue, journal, is_full: false }
    }
}

impl<A> Disk<A> {
    pub(crate) fn push(&mut self, commit: Commit, after: A) {
        self.queue.push_back((commit, after));
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Stops at once: of the queue nothing is written.
    pub(crate) fn crash(&mut self) -> usize {
        let lost = self.queue.len();
        self.queue.clear();
        lost
    }

    /// The oldest write becomes durable, or fails.
    pub(crate) fn sync(&mut self) -> Option<(Commit, Result<Committed, StoreError>, A)> {
        let (commit, after) = self.queue.pop_front()?;
        let changes_something = !commit.changes.is_empty();
        let outcome = if self.is_full && changes_something {
            Err(StoreError::Failed("the disk is full".to_owned()))
        } else {
            polled(self.store.commit(commit.clone()))
        };
        if outcome.is_ok() && changes_something {
            self.journal.push(commit.clone());
        }
        Some((commit, outcome, after))
    }

    /// Names what is written now.
    pub(crate) fn backup(&self) -> usize {
        self.journal.len()
    }

    /// Puts back what was written then.
    pub(crate) fn restore(&mut self, backup: usize) {
        self.queue.clear();
        self.journal.truncate(backup);
        self.store = MemoryStore::new();
        for commit in &self.journal {
            now(self.store.commit(commit.clone()));
        }
    }
}
