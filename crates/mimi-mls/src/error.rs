//! Errors by blame.

use mimi_policy::Denied;
use mimi_wire::Malformed;
use openmls::group::StageCommitError;
use openmls::prelude::PublicProcessMessageError;
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

impl StageError {
    pub(crate) fn invalid(reason: impl ToString) -> Self {
        Self::Invalid(reason.to_string())
    }

    pub(crate) fn internal(reason: impl ToString) -> Self {
        Self::Internal(reason.to_string())
    }

    /// A fault of one proposal, by its reference if it has one (AMB-UPD-7).
    pub(crate) fn proposal(reference: Option<&[u8]>, reason: impl ToString) -> Self {
        let references = reference.map(<[u8]>::to_vec).into_iter().collect();
        Self::InvalidProposal { references, reason: reason.to_string() }
    }
}

impl From<Malformed> for StageError {
    fn from(malformed: Malformed) -> Self {
        Self::invalid(malformed)
    }
}

impl From<StageCommitError> for StageError {
    /// Faults of proposals are told apart from faults of the commit itself (PROTO-UPD-10).
    fn from(error: StageCommitError) -> Self {
        match error {
            StageCommitError::LibraryError(_) => Self::internal(error),
            StageCommitError::AttemptedSelfRemoval
            | StageCommitError::MissingProposal
            | StageCommitError::TooManyNewMembers
            | StageCommitError::ProposalValidationError(_)
            | StageCommitError::PskError(_)
            | StageCommitError::ExternalCommitValidation(_)
            | StageCommitError::GroupContextExtensionsProposalValidationError(_)
            | StageCommitError::AppDataUpdateValidationError(_)
            | StageCommitError::ApplyAppDataUpdateError(_)
            | StageCommitError::DuplicatePskId(_) => Self::proposal(None, error),
            _ => Self::invalid(error),
        }
    }
}

impl From<PublicProcessMessageError> for StageError {
    fn from(error: PublicProcessMessageError) -> Self {
        match error {
            PublicProcessMessageError::LibraryError(_) => Self::internal(error),
            PublicProcessMessageError::InvalidCommit(error) => error.into(),
            PublicProcessMessageError::UnsupportedProposalType => Self::proposal(None, error),
            _ => Self::invalid(error),
        }
    }
}
