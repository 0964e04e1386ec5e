//! Entries of the provider's event stream.

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

/// What an entry is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub enum StreamEventKind {
    /// A room's application message.
    Application,
    /// A room's commit.
    Commit,
    /// A room's proposals.
    Proposal,
    /// A Welcome for this client.
    Welcome,
    /// Somebody asks this user for consent, or no longer does.
    RequestConsent,
    /// Somebody grants this user consent or revokes it.
    UpdateConsent,
    /// This client's stock of KeyPackages is low.
    KeyPackagesLow,
    /// Something this version does not know; it is passed over.
    Unknown(String),
}

impl StreamEventKind {
    /// By the name used in the stream.
    pub fn by_name(name: &str) -> Self {
        match name {
            "application" => Self::Application,
            "commit" => Self::Commit,
            "proposal" => Self::Proposal,
            "welcome" => Self::Welcome,
            "request_consent" => Self::RequestConsent,
            "update_consent" => Self::UpdateConsent,
            "key_packages_low" => Self::KeyPackagesLow,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// Where a provider's log is, said when the event stream is opened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LogPosition {
    /// Names the era of the log: a new one begins at each start of the provider. Opaque.
    pub era: String,
    /// The entry after which the stream begins: the one asked for, or an earlier one if what came
    /// after that has not happened for the provider any more.
    pub after: u64,
    /// The last entry that this device has acknowledged.
    pub acknowledged: u64,
}

/// One entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StreamEvent {
    /// Position in the provider's whole log; the cursor.
    pub id: u64,
    /// What it is.
    pub kind: StreamEventKind,
    /// The room, or this user.
    pub stream: MimiUri,
    /// Position in that stream.
    pub seq: u64,
    /// When it was accepted, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// A `FanoutMessage` for rooms, a `ConsentEntry` for consent.
    pub payload: Vec<u8>,
}
