//! The operator's token: in the data directory, for the provider's own account only.

use std::io;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::account::token::{generate, sha256};
use crate::private_file;

/// The token in the data directory.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no text.
    #[error("{path} holds no token: remove it, and the next start makes a new one")]
    Damaged {
        /// Which.
        path: PathBuf,
    },
}

/// What a given token is compared with.
#[derive(Debug)]
pub(crate) struct AdminToken {
    sha256: [u8; 32],
}

impl AdminToken {
    /// Whether it is the token; how long that takes tells nothing.
    pub(crate) fn matches(&self, given: &str) -> bool {
        sha256(given).ct_eq(&self.sha256).into()
    }
}

/// The token of a data directory, made at the first start.
pub(crate) fn open_or_create(data_dir: &Path) -> Result<AdminToken, TokenError> {
    let path = data_dir.join(ADMIN_TOKEN_FILE);
    if !path.exists() {
        let fresh = Zeroizing::new(format!("{}\n", *generate()));
        match private_file::create(&path, fresh.as_bytes()) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(TokenError::File { path, source });
            }
            _ => {}
        }
    }
    Ok(AdminToken { sha256: sha256(&read(data_dir)?) })
}

/// The token itself, for whoever may read the data directory.
pub(super) fn read(data_dir: &Path) -> Result<Zeroizing<String>, TokenError> {
    let path = data_dir.join(ADMIN_TOKEN_FILE);
    let octets = match private_file::read(&path) {
        Ok(octets) => octets,
        Err(source) => return Err(TokenError::File { path, source }),
    };
    match std::str::from_utf8(&octets).map(str::trim) {
        Ok(token) if !token.is_empty() => Ok(Zeroizing::new(token.to_owned())),
        _ => Err(TokenError::Damaged { path }),
    }
}
