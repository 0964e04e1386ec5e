//! What a peer answered, or why there is no answer.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use mimi_provider::Reject;
use mimi_wire::Domain;
use thiserror::Error;

/// An answer, of whatever status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// When to try again, if it says so (PROTO-TR-6).
    pub(crate) retry_after: Option<Duration>,
    /// How long it may be kept, if it says so.
    pub(crate) max_age: Option<Duration>,
    /// The body, of bounded size.
    pub(crate) body: Bytes,
}

/// Why a peer did not do as asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum PeerError {
    /// The operator does not want us to talk.
    #[error("{0} is blocked here")]
    Blocked(Domain),
    /// It is us.
    #[error("a provider is not its own peer")]
    Own,
    /// Our side of the connection cannot be set up.
    #[error("the connection cannot be set up: {0}")]
    Setup(String),
    /// No connection, no answer, or not in time.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is not what the endpoint answers.
    #[error("an unusable answer: {0}")]
    BadAnswer(String),
    /// The peer refused.
    #[error("refused with {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// When to try again, if it says so.
        retry_after: Option<Duration>,
        /// Its explanation, shortened.
        message: String,
    },
}

/// Characters of a peer's explanation that are kept.
const MESSAGE_CHARACTERS_MAX: usize = 300;

impl Answer {
    /// The answer if it is a success (AMB-TR-4: any 2xx).
    pub(crate) fn success(self) -> Result<Self, PeerError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let message = explanation(&self.body);
        Err(PeerError::Refused { status: self.status, retry_after: self.retry_after, message })
    }
}

/// The `error.message` of our own kind of error body, else nothing: a stranger's pages are of no use
/// in a log.
fn explanation(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let message = json.pointer("/error/message").and_then(serde_json::Value::as_str);
    let message = message.unwrap_or("no explanation");
    let printable = message.chars().filter(|character| !character.is_control());
    printable.take(MESSAGE_CHARACTERS_MAX).collect()
}

impl PeerError {
    /// As a refusal towards whoever asked us to ask the peer. How we failed to reach it is for the
    /// log.
    pub(crate) fn into_reject(self, peer: &Domain) -> Reject {
        match self {
            Self::Blocked(_) | Self::Own => Reject::NotAllowed(self.to_string()),
            Self::Setup(_) => Reject::Internal(format!("{peer}: {self}")),
            Self::NoAnswer(_) => Reject::Unavailable(format!("{peer} does not answer")),
            Self::BadAnswer(_) => Reject::Unavailable(format!("{peer} gives an unusable answer")),
            Self::Refused { status, .. } => {
                let text = format!("{peer}: {self}");
                match status {
                    StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
                        Reject::Malformed(text)
                    }
                    StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Reject::NotAllowed(text),
                    StatusCode::NOT_FOUND | StatusCode::GONE => Reject::Unknown(text),
                    StatusCode::CONFLICT => Reject::Conflict(text),
                    StatusCode::NOT_IMPLEMENTED => Reject::Unsupported(text),
                    _ => Reject::Unavailable(text),
                }
            }
        }
    }

    /// When to try again, if the peer says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
