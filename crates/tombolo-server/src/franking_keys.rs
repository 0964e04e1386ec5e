//! What this hub franks with, in its data directory: the franking agent's signature key, which rooms
//! name in their group context, and every `hub_key` there ever was, by the time it began.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::signature::Ed25519KeyPair;
use mimi_mls::franking::FrankingAgent as SigningAgent;
use mimi_provider::franking::{FrankingAgent, HubKey, HubKeyRing};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, Wire};
use zeroize::Zeroizing;

use crate::keys::KeysError;
use crate::private_file;

/// The seed of the franking agent's key in the data directory.
pub const FRANKING_SEED_FILE: &str = "franking-agent.key";
/// The directory of the hub_keys in the data directory. A file is named by the first moment its key
/// is for, in milliseconds since the epoch: `0.key`, `1700000000000.key`.
pub const HUB_KEYS_DIR: &str = "hub-keys";
const HUB_KEY_SUFFIX: &str = ".key";
/// hub_keys of one hub: one an hour for a year.
pub const HUB_KEYS_MAX: usize = 8_784;

/// A hub's franking keys.
#[derive(Debug)]
pub struct FrankingKeys {
    agent: Agent,
    hub_keys: RwLock<Arc<HubKeyRing>>,
    directory: PathBuf,
}

/// The signing key, as decisions know it.
#[derive(Debug)]
struct Agent {
    key: SigningAgent,
    /// The same key, for a message's signature: half the time in assembler.
    signing: Ed25519KeyPair,
    component: Vec<u8>,
}

impl FrankingAgent for Agent {
    fn component(&self) -> Vec<u8> {
        self.component.clone()
    }

    fn signs_for(&self, suite: CipherSuite) -> bool {
        SigningAgent::signs_for(suite)
    }

    fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        self.signing.sign(&SigningAgent::signed_octets(tbs)).as_ref().to_vec()
    }

    fn verifies(&self, suite: CipherSuite, tbs: &[u8], signature: &[u8]) -> bool {
        self.key.verifies(suite, tbs, signature)
    }
}

impl FrankingKeys {
    /// Reads the keys; what was never there is made. The agent's key must last as long as the rooms
    /// that name it, the hub_keys as long as reports are to be proven (FRANK-11).
    pub fn open_or_create(data_dir: &Path, domain: &Domain) -> Result<Self, KeysError> {
        let path = data_dir.join(FRANKING_SEED_FILE);
        let seed = open_or_create_key(&path)?;
        let signing = Ed25519KeyPair::from_seed_unchecked(&*seed);
        let signing = signing.map_err(|_| KeysError::Damaged { path })?;
        let key = SigningAgent::from_seed(domain.clone(), *seed);
        let component = key.data().encode();
        let directory = data_dir.join(HUB_KEYS_DIR);
        let hub_keys = RwLock::new(Arc::new(open_ring(&directory)?));
        Ok(Self { agent: Agent { key, signing, component }, hub_keys, directory })
    }

    /// Signs and verifies.
    pub(crate) fn agent(&self) -> &dyn FrankingAgent {
        &self.agent
    }

    /// All hub_keys as they are now.
    pub(crate) fn hub_keys(&self) -> Arc<HubKeyRing> {
        Arc::clone(&self.hub_keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Messages accepted from now on are franked with a fresh key, once it is safely on the disk; the
    /// old ones are kept. Gives the time the new one began.
    pub(crate) fn rotate(&self, now_ms: u64) -> Result<u64, KeysError> {
        let mut current = self.hub_keys.write().unwrap_or_else(PoisonError::into_inner);
        let last = current.keys().last().map_or(0, |key| key.from_ms);
        let from_ms = now_ms.max(last + 1);
        if current.keys().len() >= HUB_KEYS_MAX {
            let source = io::Error::other(format!("there are {HUB_KEYS_MAX} hub keys already"));
            return Err(KeysError::File { path: self.directory.clone(), source });
        }
        let secret = open_or_create_key(&path_of(&self.directory, from_ms))?;
        let mut keys = current.keys().to_vec();
        keys.push(HubKey { from_ms, secret });
        *current = Arc::new(HubKeyRing::new(keys));
        Ok(from_ms)
    }
}

fn path_of(directory: &Path, from_ms: u64) -> PathBuf {
    directory.join(format!("{from_ms}{HUB_KEY_SUFFIX}"))
}

/// The keys in a directory. One that has none yet gets its first, for all time before the second.
fn open_ring(directory: &Path) -> Result<HubKeyRing, KeysError> {
    let file = |source| KeysError::File { path: directory.to_owned(), source };
    if !directory.exists() {
        private_file::create_directory(directory).map_err(file)?;
        open_or_create_key(&path_of(directory, 0))?;
    }
    let mut keys = Vec::new();
    for entry in fs::read_dir(directory).map_err(file)?.take(HUB_KEYS_MAX) {
        let path = entry.map_err(file)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(number) = name.strip_suffix(HUB_KEY_SUFFIX) else { continue };
        let from_ms = number.parse().map_err(|_| KeysError::Damaged { path: path.clone() })?;
        keys.push(HubKey { from_ms, secret: read_key(&path)? });
    }
    if keys.is_empty() {
        // Never silently replaced: reports of old messages would no longer be proven.
        return Err(KeysError::Damaged { path: path_of(directory, 0) });
    }
    Ok(HubKeyRing::new(keys))
}

fn open_or_create_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    if !path.exists() {
        let fresh: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        match private_file::create(path, &*fresh) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(KeysError::File { path: path.to_owned(), source });
            }
            _ => {}
        }
    }
    read_key(path)
}

fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let octets = private_file::read(path)
        .map_err(|source| KeysError::File { path: path.to_owned(), source })?;
    match <[u8; 32]>::try_from(octets.as_slice()) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(_) => Err(KeysError::Damaged { path: path.to_owned() }),
    }
}
