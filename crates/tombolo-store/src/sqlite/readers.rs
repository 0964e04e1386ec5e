//! A few connections that only read, used off the runtime's worker threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::{Failure, Files, schema};
use crate::StoreError;

/// Reads at once; others wait for their turn.
pub(super) const READERS_MAX: usize = 4;

/// Read-only connections to one file, opened as they are needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    files: Arc<dyn Files>,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, files: Arc<dyn Files>) -> Self {
        let turns = Arc::new(Semaphore::new(READERS_MAX));
        Self { path, files, idle: Mutex::default(), turns }
    }

    /// Runs a query on a thread where it may block.
    pub(super) async fn spawn<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| closed())?;
        let runtime = Handle::try_current()
            .map_err(|_| StoreError::Failed("a read needs a runtime, or Threads::Inline".into()))?;
        let read = runtime.spawn_blocking(move || {
            let outcome = self.run(query);
            // Here, not when the caller stops waiting: the turn lasts as long as the connection.
            drop(turn);
            outcome
        });
        read.await.map_err(|_| StoreError::Failed("a read was cut off".into()))?
    }

    /// Runs a query here and now.
    pub(super) fn run<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let db = match idle {
            Some(db) => db,
            None => schema::open_reader(&self.path, self.files.vfs()).map_err(Failure::from)?,
        };
        let outcome = query(&db);
        if !self.turns.is_closed() {
            self.idle().push(db);
        }
        Ok(outcome?)
    }

    /// Closes what is idle; what is in use closes when it has answered.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle().clear();
    }

    pub(super) fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("nothing panics while it holds the list")
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".into())
}
