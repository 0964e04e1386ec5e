//! What the soak and its devices, which are processes of their own, say to each other: one JSON value
//! a line, orders on a device's standard input, all else on its standard output.

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

/// One thing a device is to do.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Order {
    /// Repeated in the answer.
    pub(super) number: u64,
    pub(super) wish: Wish,
}

/// What it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wish {
    /// Let a user add us to rooms.
    Consent(MimiUri),
    /// Create a room in which everybody may write.
    Create(String),
    /// Add a user with all its devices.
    Add { room: MimiUri, user: MimiUri },
    /// Come into a room of our user's.
    Join(MimiUri),
    /// Leave with all devices of our user.
    Leave(MimiUri),
    /// Write a message.
    Send { room: MimiUri, text: String },
    /// Say what a room shows.
    Show { room: MimiUri, what: What },
    /// Stop cleanly.
    Close,
}

/// How much of what a room shows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// Where the device stands.
    Standing,
    Everything,
}

/// What a device says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// It runs, as this user.
    Ready(MimiUri),
    /// An order is carried out.
    Done { number: u64, answer: Answer },
    /// An order is not carried out, or it is not known whether it was.
    Failed { number: u64, failure: Failure },
    /// A message was shown.
    Message { room: MimiUri, text: String },
    /// It is out of a room, and how.
    Left { room: MimiUri, status: String, intent: Intent },
    /// It came into a room anew and has missed what was said meanwhile.
    Missed(MimiUri),
    /// It was shown more than it could tell.
    Untold(u64),
}

/// Whether a device is out of a room because its user wanted to leave.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Intent {
    Meant,
    NotMeant,
}

/// What came of an order.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Nothing,
    Room(MimiUri),
    Shown(Shown),
}

/// What a room shows on a device.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Shown {
    pub(super) status: String,
    pub(super) epoch: u64,
    /// In the order in which the device shows them.
    pub(super) texts: Vec<String>,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    /// It was said no to.
    Refused(String),
    /// It may have been carried out, or may still be.
    Unknown(String),
}
