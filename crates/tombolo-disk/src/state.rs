//! Everything on a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use rand::Rng;
use rand::rngs::StdRng;
use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR, SQLITE_IOERR_WRITE};

use crate::Trouble;
use crate::content::{Content, Fate};
use crate::ffi::Shm;
use crate::handle::Code;
use crate::locks::{Locks, ShmLocks};

/// A file, whatever its names are.
#[derive(Debug, Default)]
pub(crate) struct Inode {
    pub(crate) content: Content,
    pub(crate) locks: Locks,
    pub(crate) shm: Arc<Shm>,
    pub(crate) shm_locks: ShmLocks,
    /// How many have it open.
    pub(crate) open: usize,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rng: StdRng,
    /// How often the power was there. Who opened a file in an earlier life cannot use it.
    pub(crate) life: u64,
    pub(crate) is_on: bool,
    /// Changes until the power fails.
    pub(crate) left: Option<u64>,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) lying: bool,
    pub(crate) changes: u64,
    pub(crate) is_held: bool,
    pub(crate) is_waited_for: bool,
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    /// Who holds locks past SQLite, by what is locked.
    locks: BTreeMap<PathBuf, Weak<()>>,
    /// Of inodes and handles.
    last_number: u64,
}

impl State {
    pub(crate) fn new(rng: StdRng) -> Self {
        Self {
            rng,
            life: 1,
            is_on: true,
            left: None,
            trouble: None,
            lying: false,
            changes: 0,
            is_held: false,
            is_waited_for: false,
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            locks: BTreeMap::new(),
            last_number: 0,
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn lock(&mut self, path: &Path) -> Option<Arc<()>> {
        let free = self.locks.get(path).is_none_or(|holder| holder.strong_count() == 0);
        let lock = free.then(Arc::default)?;
        self.locks.insert(path.to_owned(), Arc::downgrade(&lock));
        Some(lock)
    }

    /// Whether somebody of that life can do anything.
    pub(crate) fn check(&self, life: u64) -> Result<(), Code> {
        if self.is_on && self.life == life { Ok(()) } else { Err(SQLITE_IOERR) }
    }

    /// One more change. `Ok(false)` if it is the one in which the power fails.
    pub(crate) fn spend(&mut self) -> Result<bool, Code> {
        self.changes += 1;
        match &mut self.left {
            Some(0) => {
                self.power_off();
                return Ok(false);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        match self.trouble {
            Some(Trouble::ReadOnly) => Err(SQLITE_IOERR_WRITE),
            Some(Trouble::Failing) if self.rng.random() => Err(SQLITE_IOERR_WRITE),
            _ => Ok(true),
        }
    }

    pub(crate) fn inode_of(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub(crate) fn inode(&mut self, number: u64) -> Result<&mut Inode, Code> {
        self.inodes.get_mut(&number).ok_or(SQLITE_IOERR)
    }

    /// A new file, with a name unless nobody else is to find it.
    pub(crate) fn create(&mut self, name: Option<&str>) -> Result<u64, Code> {
        match self.trouble {
            Some(Trouble::ReadOnly) => return Err(SQLITE_IOERR_WRITE),
            Some(Trouble::Full) => return Err(SQLITE_FULL),
            _ => {}
        }
        let number = self.number();
        self.inodes.insert(number, Inode::default());
        if let Some(name) = name {
            self.names.insert(name.to_owned(), number);
        }
        Ok(number)
    }

    pub(crate) fn delete(&mut self, name: &str) {
        self.names.remove(name);
        self.forget_unnamed();
    }

    /// Which files there are is durable.
    pub(crate) fn sync_names(&mut self) {
        if !self.lying {
            self.synced_names.clone_from(&self.names);
            self.forget_unnamed();
        }
    }

    /// What nobody has open and nothing names is gone.
    pub(crate) fn forget_unnamed(&mut self) {
        let named: BTreeSet<u64> =
            self.names.values().chain(self.synced_names.values()).copied().collect();
        self.inodes.retain(|number, inode| inode.open > 0 || named.contains(number));
    }

    pub(crate) fn settle(&mut self) {
        self.inodes.values_mut().for_each(|inode| inode.content.sync());
        self.synced_names.clone_from(&self.names);
        self.forget_unnamed();
    }

    pub(crate) fn power_off(&mut self) {
        (self.is_on, self.left) = (false, None);
    }

    pub(crate) fn crash(&mut self) {
        self.power_off();
        let rng = &mut self.rng;
        let fate = Fate::drawn(rng);
        let all: BTreeSet<_> = self.names.keys().chain(self.synced_names.keys()).cloned().collect();
        let mut names = BTreeMap::new();
        for name in all {
            let choice = [self.names.get(&name), self.synced_names.get(&name)];
            let kept = match choice[0] == choice[1] {
                true => choice[0],
                false => choice[usize::from(rng.random::<bool>())],
            };
            names.extend(kept.map(|number| (name, *number)));
        }
        let mut inodes = BTreeMap::new();
        for number in names.values() {
            // One that had two names would be a link, which nobody makes.
            if let Some(mut inode) = self.inodes.remove(number) {
                inode.content.crash(fate, rng);
                inodes.insert(*number, Inode { content: inode.content, ..Inode::default() });
            }
        }
        (self.inodes, self.synced_names) = (inodes, names.clone());
        self.names = names;
        self.locks.clear();
        self.life += 1;
        (self.is_on, self.is_held) = (true, false);
    }

    pub(crate) fn copy(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.names.iter();
        let data = files.filter_map(|(name, number)| Some((name, self.inodes.get(number)?)));
        data.map(|(name, inode)| (name.clone(), inode.content.data().to_vec())).collect()
    }

    pub(crate) fn put_back(&mut self, copy: &BTreeMap<String, Vec<u8>>) {
        self.names.clear();
        self.inodes.clear();
        for (name, data) in copy {
            let number = self.number();
            let content = Content::durable(data.clone());
            self.inodes.insert(number, Inode { content, ..Inode::default() });
            self.names.insert(name.clone(), number);
        }
        self.synced_names.clone_from(&self.names);
        self.life += 1;
    }
}
