//! What a store asks of the file system past SQLite: this machine's, or a simulated one.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;

/// A file system that SQLite knows as well.
pub trait Files: Debug + Send + Sync + 'static {
    /// The name under which SQLite knows it; `None` for SQLite's own.
    fn vfs(&self) -> Option<&str>;
    /// Creates a file if there is none, readable for its owner only, and names it the one way that
    /// every path to it leads to.
    fn create(&self, path: &Path) -> io::Result<PathBuf>;
    /// Makes it durable which files are in a folder.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Locks a file, which it creates. The lock vanishes with its holder, however the holder ends;
    /// [`TryLockError::WouldBlock`] if somebody else has it.
    fn lock(&self, path: &Path) -> Result<Box<dyn Debug + Send>, TryLockError>;
}

/// This machine's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Files for Native {
    fn vfs(&self) -> Option<&str> {
        None
    }

    fn create(&self, path: &Path) -> io::Result<PathBuf> {
        owner_only().open(path)?;
        fs::canonicalize(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Debug + Send>, TryLockError> {
        let file = owner_only().open(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Box::new(file))
    }
}

/// The right to write a database: one process, and one store in it, has it.
#[derive(Debug)]
pub(super) struct FileLock {
    _held: Box<dyn Debug + Send>,
}

impl FileLock {
    /// Locks a database by a file beside it: a lock on the database file itself would be lost as
    /// soon as SQLite closed any of its own handles to it.
    pub(super) fn take(files: &dyn Files, database: &Path) -> Result<Self, OpenError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        match files.lock(Path::new(&path)) {
            Ok(held) => Ok(Self { _held: held }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Creates the database file if there is none (SQLite gives its other files the same permissions),
/// and names it the one way that every path to it leads to.
pub(super) fn create(files: &dyn Files, path: &Path) -> io::Result<PathBuf> {
    let path = files.create(path)?;
    if let Some(folder) = path.parent() {
        // The name of the file must be as durable as what will be promised to be in it.
        files.sync_folder(folder)?;
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
