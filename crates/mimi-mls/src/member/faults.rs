//! What a handshake that cannot be processed means for this device: a fault that the hub should
//! have refused, one that no hub can see, or one of the clock.

use openmls::group::{
    ProcessMessageError, ProposalValidationError, StageCommitError, ValidationError,
};
use openmls::prelude::KeyPackageVerifyError;
use openmls::treesync::errors::LeafNodeValidationError;

use super::ReceiveError;
use crate::error::StageError;
use crate::pieces::PieceError;

/// Why a message was not processed, before it is known whether that matters.
pub(super) type Fault = ProcessMessageError<PieceError>;

/// A commit that the library did not process.
pub(super) fn commit_not_processed(fault: Fault) -> ReceiveError {
    match fault {
        // The hub has no membership key.
        Fault::ValidationError(
            ValidationError::InvalidMembershipTag | ValidationError::MissingMembershipTag,
        )
        // Our own state.
        | Fault::LibraryError(_)
        | Fault::StorageError(_) => rejoin_needed(fault),
        Fault::ValidationError(ValidationError::KeyPackageVerifyError(
            KeyPackageVerifyError::LifetimeError(_),
        )) => ReceiveError::Expired(fault.to_string()),
        Fault::InvalidCommit(error) => commit_not_staged(error),
        _ => StageError::invalid(fault).into(),
    }
}

/// A commit that the library did not stage.
pub(super) fn commit_not_staged(error: StageCommitError) -> ReceiveError {
    match error {
        StageCommitError::LeafNodeValidation(LeafNodeValidationError::Lifetime(_))
        | StageCommitError::ProposalValidationError(ProposalValidationError::LeafNodeValidation(
            LeafNodeValidationError::Lifetime(_),
        )) => ReceiveError::Expired(error.to_string()),
        // What only those who hold the group's secrets can see, and what only this device lacks.
        StageCommitError::ConfirmationTagMismatch
        | StageCommitError::MissingDecryptionKey
        | StageCommitError::MissingProposal
        | StageCommitError::OwnCommitMismatch
        | StageCommitError::OwnKeyNotFound
        | StageCommitError::UpdatePathError(_)
        | StageCommitError::LibraryError(_) => rejoin_needed(error),
        _ => StageError::from(error).into(),
    }
}

pub(super) fn rejoin_needed(reason: impl ToString) -> ReceiveError {
    ReceiveError::RejoinNeeded(reason.to_string())
}

pub(super) fn unreadable(reason: impl ToString) -> ReceiveError {
    ReceiveError::Unreadable(reason.to_string())
}
