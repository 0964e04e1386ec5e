//! One process, and one store in it, writes a file. The lock vanishes with its holder, however the
//! holder ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks a database by a file beside it: a lock on the database file itself would be lost as
    /// soon as SQLite closed any of its own handles to it.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let file = owner_only().open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Creates the database file if there is none, readable for its owner only (SQLite gives its other
/// files the same permissions), and names it the one way that every path to it leads to.
pub(super) fn create(path: &Path) -> io::Result<PathBuf> {
    owner_only().open(path)?;
    let path = fs::canonicalize(path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        // The name of the file must be as durable as what will be promised to be in it.
        File::open(folder)?.sync_all()?;
    }
    Ok(path)
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
