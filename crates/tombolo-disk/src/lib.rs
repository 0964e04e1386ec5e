//! A disk in memory on which SQLite keeps its files, for simulations.
//!
//! What is written and what is synced are kept apart. When the power fails, what was synced is there
//! afterwards, and of the rest whatever chance leaves: writes are lost, in any order, or torn between
//! two sectors; files and deletions that no synced folder knows have never been. A disk can also be
//! full, take nothing, fail now and then, or say that it has synced and not do so.
//!
//! SQLite finds it under the name [`VFS`]; which [`Disk`] it is says the folder of a file's path. It
//! behaves as SQLite's own layer on Unix does: the first sync of a new log syncs its folder, an empty
//! file does not exist, what was written around a write that is torn stays as it was. Several
//! connections of one process may share a file, also with a write-ahead log.

#![warn(missing_docs)]

mod content;
mod ffi;
mod handle;
mod locks;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rand::rngs::StdRng;
use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR};

use state::State;

/// The name under which SQLite knows these disks.
pub const VFS: &str = "tombolo-disk";
/// Octets that are written whole or not at all.
pub const SECTOR: usize = 512;

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Nothing grows any more; what has its place is overwritten.
    Full,
    /// Nothing is written.
    ReadOnly,
    /// Every other change fails, syncs among them.
    Failing,
}

/// A disk. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Somebody waits at the gate, or it is open again.
    gate: Condvar,
}

/// Everything on a disk at one moment.
#[derive(Clone, Debug)]
pub struct Copy(BTreeMap<String, Vec<u8>>);

/// A lock on a name, as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is only held")] Arc<()>);

/// Disks by the folders they are mounted at.
static MOUNTED: Mutex<BTreeMap<PathBuf, Weak<Shared>>> = Mutex::new(BTreeMap::new());

impl Shared {
    fn new(rng: StdRng) -> Self {
        Self { state: Mutex::new(State::new(rng)), gate: Condvar::new() }
    }

    /// Waits while the gate is closed.
    fn pass(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if state.is_held {
            state.is_waited_for = true;
            self.gate.notify_all();
        }
        let open = self.gate.wait_while(state, |state| state.is_held);
        open.unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn io_error(code: c_int) -> io::Error {
    match code {
        SQLITE_FULL => io::ErrorKind::StorageFull.into(),
        _ => io::Error::other("the disk fails"),
    }
}

fn name_of(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::ErrorKind::InvalidFilename.into())
}

/// The disk on which a file is.
fn disk_of(file: &Path) -> Option<Arc<Shared>> {
    let mounted = MOUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    mounted.get(file.parent()?)?.upgrade()
}

impl Disk {
    /// An empty disk for the files that are directly in a folder, as SQLite will be given their paths.
    /// What a crash leaves is drawn from `rng`.
    pub fn mounted(folder: &Path, rng: StdRng) -> Self {
        ffi::register();
        let shared = Arc::new(Shared::new(rng));
        let mut mounted = MOUNTED.lock().unwrap_or_else(PoisonError::into_inner);
        mounted.retain(|_, disk| disk.strong_count() > 0);
        mounted.insert(folder.to_owned(), Arc::downgrade(&shared));
        Self(shared)
    }

    /// Creates an empty file if there is none: what programs do past SQLite. It is durable once its
    /// folder is synced.
    pub fn create(&self, path: &Path) -> io::Result<()> {
        let (mut state, name) = (self.0.pass(), name_of(path)?);
        if state.is_on && state.inode_of(name).is_none() {
            state.spend().and_then(|_| state.create(Some(name))).map_err(io_error)?;
        }
        if state.is_on { Ok(()) } else { Err(io_error(SQLITE_IOERR)) }
    }

    /// Makes it durable which files there are.
    pub fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.0.pass();
        if !state.is_on || !state.spend().map_err(io_error)? {
            return Err(io_error(SQLITE_IOERR));
        }
        state.sync_names();
        Ok(())
    }

    /// Takes a lock that nobody else has, by a name. It ends with what is returned, or with the power.
    pub fn lock(&self, path: &Path) -> Option<Lock> {
        self.0.state().lock(path).map(Lock)
    }

    /// Sets what is wrong with it, if anything.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        self.0.state().trouble = trouble;
    }

    /// Whether anything is wrong with it.
    pub fn has_trouble(&self) -> bool {
        self.0.state().trouble.is_some()
    }

    /// Sets whether it says that it has synced and does not.
    pub fn set_lying(&self, lying: bool) {
        self.0.state().lying = lying;
    }

    /// Syncs everything that it has only said to have synced.
    pub fn settle(&self) {
        self.0.state().settle();
    }

    /// Writes, truncations, syncs and deletions so far.
    pub fn changes(&self) -> u64 {
        self.0.state().changes
    }

    /// Lets the power fail in the midst of a change, so many from now.
    pub fn power_off_after(&self, changes: u64) {
        self.0.state().left = Some(changes);
    }

    /// The power does not fail after all.
    pub fn keep_power(&self) {
        self.0.state().left = None;
    }

    /// Lets the power fail now. Whoever has a file open gets errors from now on.
    pub fn power_off(&self) {
        self.0.state().power_off();
    }

    /// Whether there is power.
    pub fn is_on(&self) -> bool {
        self.0.state().is_on
    }

    /// The power has failed and is back. What was open before stays useless.
    pub fn crash(&self) {
        self.0.state().crash();
    }

    /// What programs read there.
    pub fn copy(&self) -> Copy {
        Copy(self.0.state().copy())
    }

    /// Puts a copy back in place of everything; nothing may be open.
    pub fn put_back(&self, copy: &Copy) {
        self.0.state().put_back(&copy.0);
    }

    /// Closes a gate: whoever wants anything of a file waits there.
    pub fn hold(&self) {
        let mut state = self.0.state();
        (state.is_held, state.is_waited_for) = (true, false);
    }

    /// Waits until somebody waits at the gate, or for so long: says whether somebody does.
    pub fn wait_until_held(&self, longest: Duration) -> bool {
        let state = self.0.state();
        let waited = self.0.gate.wait_timeout_while(state, longest, |state| !state.is_waited_for);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Opens the gate.
    pub fn release(&self) {
        self.0.state().is_held = false;
        self.0.gate.notify_all();
    }
}
