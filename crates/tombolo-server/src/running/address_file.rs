//! Where the admin listener is, for operators of a provider that takes any free port.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config::Config;

/// The admin listener's address in the data directory, while the provider runs.
pub const ADMIN_ADDRESS_FILE: &str = "admin.address";

/// Why the address is not known.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AddressFileError {
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} holds no address: remove it and restart the provider")]
    Damaged {
        /// Which.
        path: PathBuf,
    },
}

pub(super) fn write(data_dir: &Path, address: SocketAddr) -> Result<(), AddressFileError> {
    let path = data_dir.join(ADMIN_ADDRESS_FILE);
    let written = std::fs::write(&path, format!("{address}\n"));
    written.map_err(|source| AddressFileError::File { path, source })
}

pub(super) fn remove(data_dir: &Path) {
    let path = data_dir.join(ADMIN_ADDRESS_FILE);
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::debug!(path = %path.display(), %error, "the admin address is not removed");
    }
}

/// Where the admin API of a provider is, if one runs or may run.
pub(crate) fn admin_address(config: &Config) -> Result<Option<SocketAddr>, AddressFileError> {
    if config.listen.admin.port() != 0 {
        return Ok(Some(config.listen.admin));
    }
    let path = config.data_dir.join(ADMIN_ADDRESS_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(AddressFileError::Damaged { path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AddressFileError::File { path, source }),
    }
}
