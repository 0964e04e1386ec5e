//! How rooms' states are saved: a version octet, then postcard, which does not describe itself.

use mimi_wire::Malformed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A saved state or an entry of the log cannot be read.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("saved room state cannot be read: {0}")]
pub struct StateError(pub String);

impl From<Malformed> for StateError {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.to_string())
    }
}

/// A value as a versioned blob.
pub(crate) fn versioned(version: u8, value: &impl Serialize) -> Vec<u8> {
    let blob = postcard::to_extend(value, vec![version]);
    blob.expect("plain data of known length serializes into memory")
}

/// Reads [`versioned`]; trailing octets are refused.
pub(crate) fn read_versioned<T: DeserializeOwned>(
    version: u8,
    octets: &[u8],
) -> Result<T, StateError> {
    match octets.split_first() {
        Some((first, rest)) if *first == version => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(StateError(format!("{} octets too many", rest.len()))),
            Err(error) => Err(StateError(error.to_string())),
        },
        Some((first, _)) => Err(StateError(format!("version {first}, not {version}"))),
        None => Err(StateError("empty".into())),
    }
}

/// SHA-256.
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}
