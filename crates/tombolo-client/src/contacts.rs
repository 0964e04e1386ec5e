//! A user's contacts: who asks, who is asked, who may and who may not.

use mimi_wire::MimiUri;
use serde::Deserialize;

/// What a user and others have asked and decided. What others have decided is not in it: they let it
/// know, or they do not.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
#[non_exhaustive]
pub struct Contacts {
    /// Who waits for an answer, oldest first.
    pub requests: Vec<ContactRequest>,
    /// Whom we have asked, without an answer that was told, oldest first.
    pub asked: Vec<ContactAsked>,
    /// Whom we let in.
    pub granted: Vec<ContactDecision>,
    /// Whom we have turned away.
    pub refused: Vec<ContactDecision>,
}

/// Somebody who asks.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct ContactRequest {
    /// Who.
    pub requester: MimiUri,
    /// For one room or any.
    pub room: Option<MimiUri>,
    /// When, in milliseconds since the epoch.
    #[serde(default)]
    pub requested_ms: u64,
}

/// Somebody who is asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct ContactAsked {
    /// Who.
    pub target: MimiUri,
    /// For one room or any.
    pub room: Option<MimiUri>,
    /// When, in milliseconds since the epoch.
    #[serde(default)]
    pub requested_ms: u64,
}

/// Somebody who is let in, or turned away.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct ContactDecision {
    /// Who.
    pub requester: MimiUri,
    /// For one room or any.
    pub room: Option<MimiUri>,
    /// When, in milliseconds since the epoch.
    #[serde(default)]
    pub decided_ms: u64,
}

/// What can be said to, or about, another user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ContactWord {
    /// We ask to be let in.
    Ask,
    /// We no longer ask.
    TakeBack,
    /// We let the other one in.
    Accept,
    /// We let the other one in, and hand over a KeyPackage of this device, so that it can be added
    /// at once.
    AcceptWithKeyPackage,
    /// We turn the other one away, whether it has asked or not. It is not told.
    TurnAway,
}

impl ContactWord {
    /// Whether it is the requester who says it.
    pub(crate) fn asks(self) -> bool {
        matches!(self, Self::Ask | Self::TakeBack)
    }
}
