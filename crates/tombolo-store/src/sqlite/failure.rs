//! What can go wrong between this crate and the file.

use rusqlite::Error as SqlError;
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

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(conflict) => conflict.into(),
            // SQLite names tables and columns in its messages, never what is in them.
            Failure::Sql(SqlError::SqliteFailure(error, message)) => Self::Failed(format!(
                "SQLite, error {}: {}",
                error.extended_code,
                message.unwrap_or_else(|| error.to_string())
            )),
            other => Self::Failed(other.to_string()),
        }
    }
}
