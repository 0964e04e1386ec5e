//! Who may do what with a file: SQLite's locks on the file, and those on the index of its log.

use std::collections::BTreeMap;
use std::ffi::c_int;

use rusqlite::ffi::{
    SQLITE_BUSY, SQLITE_LOCK_EXCLUSIVE, SQLITE_LOCK_NONE, SQLITE_LOCK_PENDING,
    SQLITE_LOCK_RESERVED, SQLITE_LOCK_SHARED,
};

use crate::handle::Code;

/// Locks on a file, by handle; levels are SQLite's.
#[derive(Debug, Default)]
pub(crate) struct Locks(BTreeMap<u64, c_int>);

impl Locks {
    fn others(&self, handle: u64) -> c_int {
        let others = self.0.iter().filter(|(holder, _)| **holder != handle);
        others.map(|(_, level)| *level).max().unwrap_or(SQLITE_LOCK_NONE)
    }

    pub(crate) fn lock(&mut self, handle: u64, level: c_int) -> Result<(), Code> {
        let others = self.others(handle);
        let most_of_others = match level {
            SQLITE_LOCK_SHARED => SQLITE_LOCK_RESERVED,
            SQLITE_LOCK_RESERVED => SQLITE_LOCK_SHARED,
            _ => SQLITE_LOCK_NONE,
        };
        if others <= most_of_others {
            self.0.insert(handle, level);
            return Ok(());
        }
        // Who wants it for itself keeps others from coming until those that are there have gone.
        if level == SQLITE_LOCK_EXCLUSIVE && others == SQLITE_LOCK_SHARED {
            self.0.insert(handle, SQLITE_LOCK_PENDING);
        }
        Err(SQLITE_BUSY)
    }

    pub(crate) fn unlock(&mut self, handle: u64, level: c_int) {
        match level {
            SQLITE_LOCK_NONE => drop(self.0.remove(&handle)),
            _ => drop(self.0.insert(handle, level)),
        }
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.0.values().any(|level| *level >= SQLITE_LOCK_RESERVED)
    }
}

/// Locks on the index of a log, which are numbered.
#[derive(Debug, Default)]
pub(crate) struct ShmLocks {
    /// By handle: the numbers it shares, and those it has for itself, as bits.
    held: BTreeMap<u64, (u32, u32)>,
}

impl ShmLocks {
    pub(crate) fn share(&mut self, handle: u64, bits: u32) -> Result<(), Code> {
        let taken = self.held.iter().any(|(holder, (_, own))| *holder != handle && own & bits != 0);
        if taken {
            return Err(SQLITE_BUSY);
        }
        self.held.entry(handle).or_default().0 |= bits;
        Ok(())
    }

    pub(crate) fn take(&mut self, handle: u64, bits: u32) -> Result<(), Code> {
        let mut others = self.held.iter().filter(|(holder, _)| **holder != handle);
        if others.any(|(_, (shared, own))| (shared | own) & bits != 0) {
            return Err(SQLITE_BUSY);
        }
        self.held.entry(handle).or_default().1 |= bits;
        Ok(())
    }

    pub(crate) fn give_up(&mut self, handle: u64, bits: u32) {
        if let Some((shared, own)) = self.held.get_mut(&handle) {
            *shared &= !bits;
            *own &= !bits;
        }
    }

    pub(crate) fn gone(&mut self, handle: u64) {
        self.held.remove(&handle);
    }
}
