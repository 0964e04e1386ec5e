//! Errors by blame.

use mimi_policy::Denied;
use mimi_wire::Domain;
use thiserror::Error;

/// Why a handshake was not staged.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StageError {
    /// Well-formed octets that are no valid MLS for this group (bad signature, wrong group …).
    #[error("not valid in this group: {0}")]
    Invalid(String),
    /// Written against another epoch.
    #[error("written for epoch {given}, the group is in epoch {current}")]
    WrongEpoch {
        /// The group's epoch.
        current: u64,
        /// The message's.
        given: u64,
    },
    /// Proposals are at fault.
    #[error("invalid proposal: {reason}")]
    InvalidProposal {
        /// Their references, where they have one.
        references: Vec<Vec<u8>>,
        /// For a person.
        reason: String,
    },
    /// A list update cannot be applied.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A credential does not prove its user.
    #[error(transparent)]
    Identity(#[from] crate::identity::IdentityError),
    /// Our own state is at fault.
    #[error("internal: {0}")]
    Internal(String),
}

/// Why a saved state cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("saved group state cannot be read: {0}")]
pub struct SnapshotError(pub String);
