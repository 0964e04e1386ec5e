//! Refusals by blame. `reply` maps them to MIMI codes, the server maps them to HTTP; nowhere else.

use mimi_policy::Denied;
use thiserror::Error;

/// Why a request is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reject {
    /// The octets are not what the endpoint takes.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Well formed, but no honest peer would send it (wrong domain, wrong hub, bad signature).
    #[error("peer misbehaved: {0}")]
    PeerMisbehaved(String),
    /// Written against a state that is gone; try again from the current one.
    #[error("stale: the room is in epoch {current_epoch}")]
    Stale {
        /// The hub's epoch.
        current_epoch: u64,
    },
    /// Proposals are invalid or were omitted.
    #[error("invalid proposals: {reason}")]
    InvalidProposals {
        /// Their references.
        references: Vec<Vec<u8>>,
        /// For a person.
        reason: String,
    },
    /// The policy says no.
    #[error("denied: {0}")]
    Denied(#[from] Denied),
    /// A rule of the protocol outside the room policy says no.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// No such room, user or endpoint, as far as the asker may know.
    #[error("unknown: {0}")]
    Unknown(String),
    /// It exists already.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Works in a later version.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Somebody we depend on is out of reach; try again.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Whoever asks has used up its share of what is kept; there is more of it later.
    #[error("too much: again in {after_s} seconds")]
    TooMuch {
        /// Seconds.
        after_s: u64,
    },
    /// Our fault. The text is for the log only.
    #[error("internal: {0}")]
    Internal(String),
}

impl Reject {
    /// What it says to whoever asked: without the class, which its code tells. Our own fault is not
    /// for them, and has no message.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Denied(denied) => Some(denied.to_string()),
            Self::Malformed(text)
            | Self::PeerMisbehaved(text)
            | Self::NotAllowed(text)
            | Self::Unknown(text)
            | Self::Conflict(text)
            | Self::Unsupported(text)
            | Self::Unavailable(text) => Some(text.clone()),
            Self::Stale { .. } | Self::InvalidProposals { .. } | Self::TooMuch { .. } => {
                Some(self.to_string())
            }
            Self::Internal(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
