//! The keys a hub keeps in its data directory.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use mimi_mls::hub_keys::HubKeys;
use mimi_wire::Domain;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::private_file;

/// The seed of the hub's external-sender key in the data directory.
pub const HUB_SEED_FILE: &str = "hub-sender.key";

/// Why the hub has no keys.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else. A new key would orphan every room of this hub, so none is
    /// made.
    #[error("{path} is damaged, it must hold 32 octets: restore it from a backup")]
    Damaged {
        /// Which.
        path: PathBuf,
    },
}

/// The hub's external-sender key (AMB-ST-1), made at the first start. Rooms name it in their group
/// context: it must last as long as they do.
pub fn open_or_create_hub_keys(data_dir: &Path, domain: &Domain) -> Result<HubKeys, KeysError> {
    let path = data_dir.join(HUB_SEED_FILE);
    let file = |source| KeysError::File { path: path.clone(), source };
    if !path.exists() {
        let fresh: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        match private_file::create(&path, &*fresh) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(file(error)),
            _ => {}
        }
    }
    let octets = private_file::read(&path).map_err(file)?;
    match <[u8; 32]>::try_from(octets.as_slice()) {
        Ok(seed) => Ok(HubKeys::from_seed(domain.clone(), seed)),
        Err(_) => Err(KeysError::Damaged { path }),
    }
}
