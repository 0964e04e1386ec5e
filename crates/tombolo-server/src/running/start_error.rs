//! Why a provider does not start, in words for its operator.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;
use tombolo_store::sqlite::OpenError;

use super::AddressFileError;
use crate::admin_api::TokenError;
use crate::issuer::AuthorityError;
use crate::keys::KeysError;
use crate::peers::PeersError;
use crate::tls::IdentityError;

/// Why a provider does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("the data directory {path} cannot be made: {source}")]
    DataDir {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error("the database {path} cannot be opened: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// A listener has no address.
    #[error("{key} = \"{address}\" cannot be listened at: {source}")]
    Bind {
        /// The key in the configuration.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The hub's key is missing or damaged.
    #[error("the hub's key: {0}")]
    Keys(#[from] KeysError),
    /// The client issuer cannot be used.
    #[error("the client issuer: {0}")]
    Issuer(#[from] AuthorityError),
    /// The TLS certificate cannot be used.
    #[error("the TLS certificate: {0}")]
    Identity(#[from] IdentityError),
    /// The peers cannot be set up.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The operator's token is missing.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The operator could not find the provider.
    #[error(transparent)]
    Address(#[from] AddressFileError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
