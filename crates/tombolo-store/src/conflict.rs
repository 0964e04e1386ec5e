//! Why a commit lost, in the words of every backend.

use mimi_provider::record::Seq;
use mimi_wire::MimiUri;
use thiserror::Error;

use crate::StoreError;

/// What did not hold. Names identifiers, never contents.
#[derive(Debug, Error)]
pub(crate) enum Conflict {
    #[error("{stream} is at {found}, not at {expected}")]
    StreamSeq { stream: MimiUri, expected: Seq, found: Seq },
    #[error("entry {seq} of {stream} does not follow its last, {last}")]
    NotNext { stream: MimiUri, seq: Seq, last: Seq },
    #[error("{0} exists already")]
    Exists(MimiUri),
    #[error("{0} has these members")]
    MembersTaken(MimiUri),
    #[error("there is no room {0}")]
    NoRoom(MimiUri),
    #[error("the KeyPackage has been released")]
    Released,
    #[error("the KeyPackage is not in stock")]
    NotInStock,
    #[error("another device than {0} has this token")]
    TokenTaken(MimiUri),
}

impl From<Conflict> for StoreError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict.to_string())
    }
}
