//! Why an operation failed, in words for the person.

use mimi_wire::MimiUri;
use thiserror::Error;

/// Why an operation failed, in words for the person.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The provider cannot be reached; try again.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The provider or the hub said no.
    #[error("refused: {0}")]
    Refused(String),
    /// A message was on its way, and what became of it is not told any more: others may have it.
    #[error("it is not known whether this was sent: {0}")]
    InDoubt(String),
    /// The room's policy says no.
    #[error("not allowed: {0}")]
    Denied(#[from] mimi_policy::Denied),
    /// The other side has not consented to being contacted.
    #[error("{0} has not agreed to be contacted; ask with a consent request first")]
    NoConsent(MimiUri),
    /// The room is not known on this device, or this device has left it.
    #[error("this device is not in {0}")]
    NotInRoom(MimiUri),
    /// This device's user is banned from the room.
    #[error("you are banned from {0}")]
    Banned(MimiUri),
    /// This device was removed from the room.
    #[error("you were removed from {0}")]
    Removed(MimiUri),
    /// The room is frozen: somebody broke its rules; see
    /// [`RoomStatus::Frozen`](crate::RoomStatus::Frozen).
    #[error("{room} is frozen: {reason}")]
    Frozen {
        /// The room.
        room: MimiUri,
        /// Why.
        reason: String,
    },
    /// The store holds no registered device: its registration has to be made again.
    #[error("the registration of this device did not come through")]
    NotRegistered,
    /// The device's own storage failed.
    #[error("local storage failed: {0}")]
    Storage(String),
    /// Anything else that should not happen.
    #[error("{0}")]
    Other(String),
}
