//! An open file, as SQLite uses it.

use std::ffi::c_int;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Arc, MutexGuard};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::ffi::{
    SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOERR, SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ,
    SQLITE_IOERR_WRITE, SQLITE_OPEN_CREATE, SQLITE_OPEN_DELETEONCLOSE, SQLITE_OPEN_MAIN_JOURNAL,
    SQLITE_OPEN_SUPER_JOURNAL, SQLITE_OPEN_WAL, SQLITE_SHM_LOCK, SQLITE_SHM_SHARED,
};

use crate::ffi::Shm;
use crate::state::{Inode, State};
use crate::{Shared, Trouble, disk_of};

/// One of SQLite's error codes.
pub(crate) type Code = c_int;

/// See the module.
#[derive(Debug)]
pub(crate) struct Handle {
    disk: Arc<Shared>,
    life: u64,
    number: u64,
    inode: u64,
    /// To delete when it is closed.
    passing: Option<String>,
    /// Its folder is to be synced with it: it may be new.
    syncs_folder: bool,
    /// Keeps what SQLite has mapped where it is.
    shm: Option<Arc<Shm>>,
}

impl Handle {
    /// A file without a name is nobody else's.
    pub(crate) fn open(name: Option<&str>, flags: c_int) -> Result<Self, Code> {
        const NEW_LOGS: c_int =
            SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
        let is = |flag| flags & flag != 0;
        // What has no name is of no disk, and gone with the process.
        let disk = match name {
            Some(name) => disk_of(Path::new(name)).ok_or(SQLITE_CANTOPEN)?,
            None => Arc::new(Shared::new(StdRng::seed_from_u64(0))),
        };
        let mut state = disk.state();
        if !state.is_on {
            return Err(SQLITE_CANTOPEN);
        }
        let found = name.and_then(|name| state.inode_of(name));
        let inode = match found {
            Some(inode) => inode,
            None if is(SQLITE_OPEN_CREATE) || name.is_none() => {
                state.create(name).map_err(|_| SQLITE_CANTOPEN)?
            }
            None => return Err(SQLITE_CANTOPEN),
        };
        state.inode(inode)?.open += 1;
        let (life, number) = (state.life, state.number());
        drop(state);
        let passing = name.filter(|_| is(SQLITE_OPEN_DELETEONCLOSE)).map(str::to_owned);
        let syncs_folder = is(SQLITE_OPEN_CREATE) && is(NEW_LOGS);
        Ok(Self { disk, life, number, inode, passing, syncs_folder, shm: None })
    }

    /// Deletes a file by its name.
    pub(crate) fn delete(name: &str, syncs_folder: bool) -> Result<(), Code> {
        let disk = disk_of(Path::new(name)).ok_or(SQLITE_IOERR)?;
        let mut state = disk.pass();
        let life = state.life;
        state.check(life)?;
        if !state.spend()? {
            return Err(SQLITE_IOERR);
        }
        state.delete(name);
        if syncs_folder {
            state.sync_names();
        }
        Ok(())
    }

    /// Whether there is a file of that name. One that is empty counts as none, as on Unix.
    pub(crate) fn exists(name: &str) -> Result<bool, Code> {
        let disk = disk_of(Path::new(name)).ok_or(SQLITE_IOERR)?;
        let mut state = disk.state();
        let life = state.life;
        state.check(life)?;
        let Some(number) = state.inode_of(name) else { return Ok(false) };
        Ok(state.inode(number)?.content.size() > 0)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inode) -> T) -> Result<T, Code> {
        let mut state = self.disk.pass();
        state.check(self.life)?;
        Ok(act(state.inode(self.inode)?))
    }

    /// Fills as much of the buffer as there is; says how much that is.
    pub(crate) fn read(&self, at: usize, buffer: &mut [u8]) -> Result<usize, Code> {
        let read = self.with(|inode| {
            let rest = inode.content.data().get(at..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            length
        });
        read.map_err(|_| SQLITE_IOERR_READ)
    }

    pub(crate) fn write(&self, at: usize, octets: &[u8]) -> Result<(), Code> {
        let mut state = self.changing()?;
        let goes_on = state.spend()?;
        let is_full = state.trouble == Some(Trouble::Full);
        let content = &mut state.inode(self.inode)?.content;
        if is_full && at + octets.len() > content.size() {
            // What still has a place is written.
            let fits = content.size().saturating_sub(at).min(octets.len());
            content.write(at, &octets[..fits]);
            return Err(SQLITE_FULL);
        }
        content.write(at, octets);
        if goes_on { Ok(()) } else { Err(SQLITE_IOERR_WRITE) }
    }

    pub(crate) fn truncate(&self, size: usize) -> Result<(), Code> {
        let mut state = self.changing()?;
        let goes_on = state.spend()?;
        state.inode(self.inode)?.content.resize(size);
        if goes_on { Ok(()) } else { Err(SQLITE_IOERR_WRITE) }
    }

    pub(crate) fn sync(&mut self) -> Result<(), Code> {
        let mut state = self.changing()?;
        // After one that has failed another may succeed, with all that was written until then.
        if !state.spend().map_err(|_| SQLITE_IOERR_FSYNC)? {
            return Err(SQLITE_IOERR_FSYNC);
        }
        if !state.lying {
            state.inode(self.inode)?.content.sync();
        }
        if self.syncs_folder {
            state.sync_names();
        }
        drop(state);
        self.syncs_folder = false;
        Ok(())
    }

    fn changing(&self) -> Result<MutexGuard<'_, State>, Code> {
        let state = self.disk.pass();
        state.check(self.life)?;
        Ok(state)
    }

    pub(crate) fn size(&self) -> Result<usize, Code> {
        self.with(|inode| inode.content.size())
    }

    pub(crate) fn lock(&self, level: c_int) -> Result<(), Code> {
        self.with(|inode| inode.locks.lock(self.number, level))?
    }

    pub(crate) fn unlock(&self, level: c_int) -> Result<(), Code> {
        self.with(|inode| inode.locks.unlock(self.number, level))
    }

    pub(crate) fn is_reserved(&self) -> Result<bool, Code> {
        self.with(|inode| inode.locks.is_reserved())
    }

    /// A part of the log's index; `None` if there is none and none is to be made.
    pub(crate) fn map(
        &mut self,
        part: usize,
        octets: usize,
        makes: bool,
    ) -> Result<Option<NonNull<u8>>, Code> {
        let shm = self.with(|inode| inode.shm.clone())?;
        let mapped = shm.map(part, octets, makes);
        self.shm = Some(shm);
        Ok(mapped)
    }

    pub(crate) fn lock_shm(&self, first: u32, count: u32, flags: c_int) -> Result<(), Code> {
        let bits = (1_u32.checked_shl(count).unwrap_or(0).wrapping_sub(1)) << first;
        self.with(|inode| {
            if flags & SQLITE_SHM_LOCK == 0 {
                inode.shm_locks.give_up(self.number, bits);
                Ok(())
            } else if flags & SQLITE_SHM_SHARED != 0 {
                inode.shm_locks.share(self.number, bits)
            } else {
                inode.shm_locks.take(self.number, bits)
            }
        })?
    }

    pub(crate) fn unmap(&mut self) {
        let Some(shm) = self.shm.take() else { return };
        drop(shm);
        let mut state = self.disk.state();
        if state.check(self.life).is_ok()
            && let Ok(inode) = state.inode(self.inode)
        {
            inode.shm_locks.gone(self.number);
            // Whoever maps it next makes it anew from the log: nobody is left who has it.
            if Arc::strong_count(&inode.shm) == 1 {
                inode.shm = Arc::default();
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.unmap();
        let mut state = self.disk.state();
        if state.life != self.life {
            return;
        }
        if let Ok(inode) = state.inode(self.inode) {
            inode.locks.unlock(self.number, 0);
            inode.open -= 1;
        }
        match &self.passing {
            Some(name) if state.is_on => state.delete(name),
            _ => state.forget_unnamed(),
        }
    }
}
