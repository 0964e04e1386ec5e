//! What can go wrong between this crate and the file.

use rusqlite::{Error as SqlError, ErrorCode};
use thiserror::Error;

use crate::StoreError;
use crate::conflict::Conflict;

/// Why one commit or read did not work.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("the file holds an unreadable {0}")]
    Corrupt(&'static str),
}

/// Whether it is the disk that takes nothing, or has no room: that an operator can mend, and then all
/// goes on.
fn may_pass(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
    )
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(conflict) => conflict.into(),
            // SQLite names tables and columns in its messages, never what is in them.
            Failure::Sql(SqlError::SqliteFailure(error, message)) => {
                let message = message.unwrap_or_else(|| error.to_string());
                let text = format!("SQLite, error {}: {message}", error.extended_code);
                match may_pass(error.code) {
                    true => Self::Unavailable(text),
                    false => Self::Failed(text),
                }
            }
            other => Self::Failed(other.to_string()),
        }
    }
}
