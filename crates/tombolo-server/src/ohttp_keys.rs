//! The keys that requests to our Oblivious HTTP gateway are sealed to, in the data directory
//! (RFC 9458 section 3).
//!
//! There is one, and for a while after a rotation the one before it: relays and clients hold what was
//! published. Then it is deleted, and what was sealed to it can no longer be opened by anybody.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use mimi_ohttp::{GatewayKey, KeyConfig};
use zeroize::Zeroizing;

use crate::keys::KeysError;
use crate::private_file;

/// The directory of the keys in the data directory. A file is named by the moment its key was made,
/// in milliseconds since the epoch; the first by 0.
pub const OHTTP_KEYS_DIR: &str = "ohttp-keys";
/// How long requests to the key before are answered after a rotation: longer than anybody may keep
/// what was published (`oblivious`).
pub const OLD_KEY_KEPT_MS: u64 = 48 * 60 * 60 * 1_000;

const SUFFIX: &str = ".key";
/// Identifier and secret.
const FILE_OCTETS: usize = 1 + 32;

/// A gateway's keys.
#[derive(Debug)]
pub struct OhttpKeys {
    directory: PathBuf,
    /// Oldest first; one or two.
    keys: RwLock<Vec<Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    from_ms: u64,
    key: Arc<GatewayKey>,
}

impl OhttpKeys {
    /// Reads the keys; the first is made.
    pub fn open_or_create(data_dir: &Path) -> Result<Self, KeysError> {
        let directory = data_dir.join(OHTTP_KEYS_DIR);
        let file = |source| KeysError::File { path: directory.clone(), source };
        private_file::create_directory(&directory).map_err(file)?;
        let mut keys = Vec::new();
        for entry in fs::read_dir(&directory).map_err(file)? {
            let path = entry.map_err(file)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(number) = name.strip_suffix(SUFFIX) else { continue };
            let from_ms = number.parse().map_err(|_| KeysError::Damaged { path: path.clone() })?;
            keys.push(Kept { from_ms, key: read(&path)? });
        }
        if keys.is_empty() {
            keys.push(make(&directory, 0, 0)?);
        }
        keys.sort_by_key(|kept| kept.from_ms);
        let opened = Self { directory, keys: RwLock::default() };
        // More than two only after a crash in the midst of a rotation.
        opened.keep_newest(&mut keys, 2)?;
        *opened.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(opened)
    }

    /// What to publish: the newest key alone, so that nobody begins to use an old one.
    pub(crate) fn published(&self) -> Vec<u8> {
        let newest = self.keys().last().map(|kept| kept.key.config().clone());
        KeyConfig::encode_all(newest.as_slice())
    }

    /// The key that a request names, while requests to it are answered.
    pub(crate) fn find(&self, key_id: u8, now_ms: u64) -> Option<Arc<GatewayKey>> {
        let keys = self.keys();
        let (newest, older) = keys.split_last()?;
        let older = older.iter().filter(|_| now_ms < old_until_ms(newest));
        let mut usable = older.chain([newest]);
        usable.find(|kept| kept.key.config().key_id == key_id).map(|kept| Arc::clone(&kept.key))
    }

    /// Publishes a fresh key, once it is safely on the disk. Gives its identifier, and until when
    /// requests to the one before are answered. One before that is gone at once.
    pub(crate) fn rotate(&self, now_ms: u64) -> Result<(u8, u64), KeysError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let last = keys.last().map_or((0, 0), |kept| (kept.from_ms, kept.key.config().key_id));
        let from_ms = now_ms.max(last.0 + 1);
        let fresh = make(&self.directory, from_ms, last.1.wrapping_add(1))?;
        let made = (fresh.key.config().key_id, old_until_ms(&fresh));
        keys.push(fresh);
        self.keep_newest(&mut keys, 2)?;
        Ok(made)
    }

    /// Deletes an old key whose time is over.
    pub(crate) fn forget_old(&self, now_ms: u64) -> Result<(), KeysError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        match keys.last() {
            Some(newest) if now_ms >= old_until_ms(newest) => self.keep_newest(&mut keys, 1),
            _ => Ok(()),
        }
    }

    fn keep_newest(&self, keys: &mut Vec<Kept>, count: usize) -> Result<(), KeysError> {
        for kept in keys.drain(..keys.len().saturating_sub(count)) {
            let path = path_of(&self.directory, kept.from_ms);
            fs::remove_file(&path).map_err(|source| KeysError::File { path, source })?;
        }
        Ok(())
    }

    fn keys(&self) -> RwLockReadGuard<'_, Vec<Kept>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn old_until_ms(newest: &Kept) -> u64 {
    newest.from_ms.saturating_add(OLD_KEY_KEPT_MS)
}

fn path_of(directory: &Path, from_ms: u64) -> PathBuf {
    directory.join(format!("{from_ms}{SUFFIX}"))
}

fn make(directory: &Path, from_ms: u64, key_id: u8) -> Result<Kept, KeysError> {
    let path = path_of(directory, from_ms);
    let mut octets: Zeroizing<[u8; FILE_OCTETS]> = Zeroizing::new(rand::random());
    octets[0] = key_id;
    match private_file::create(&path, &*octets) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(KeysError::File { path, source })
        }
        _ => Ok(Kept { from_ms, key: read(&path)? }),
    }
}

fn read(path: &Path) -> Result<Arc<GatewayKey>, KeysError> {
    let octets = private_file::read(path)
        .map_err(|source| KeysError::File { path: path.to_owned(), source })?;
    let damaged = || KeysError::Damaged { path: path.to_owned() };
    let (key_id, secret) = octets.split_first().ok_or_else(damaged)?;
    let secret = secret.try_into().map_err(|_| damaged())?;
    GatewayKey::new(*key_id, secret).map(Arc::new).map_err(|_| damaged())
}
