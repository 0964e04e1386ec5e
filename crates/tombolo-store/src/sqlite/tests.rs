mod agreement;
mod crashes;
mod durability;
mod files;
mod own_thread;
mod tail;
mod writing;

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Options, SqliteStore, Threads};
use crate::conformance::Subject;

/// A file that is gone after the test.
struct Scratch {
    folder: TempDir,
    threads: Threads,
}

impl Scratch {
    fn new(threads: Threads) -> Self {
        Self { folder: TempDir::new().unwrap(), threads }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// A look at the file past the store.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Subject for Scratch {
    type Store = SqliteStore;

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path(), Options { threads: self.threads, ..Options::default() })
            .unwrap()
    }
}

fn inline() -> Scratch {
    Scratch::new(Threads::Inline)
}

fn own() -> Scratch {
    Scratch::new(Threads::Own)
}

mod with_own_thread {
    crate::conformance_suite!(crate::sqlite::tests::own);
}

mod without_threads {
    crate::conformance_suite!(crate::sqlite::tests::inline);
}
