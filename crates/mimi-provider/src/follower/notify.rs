//! `notify` at a follower: what of a body is new, and whom it is for (PROTO-NTF-8..12).
//!
//! Two steps, because only new messages may move the roster: [`arrivals`] authenticates the body
//! and drops repeats; the caller follows each arrival with its roster; [`notify`] decides.

use std::collections::BTreeMap;

use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::{Domain, MimiUri};

use crate::follower::state::{FollowerState, RosterChange};
use crate::hub::update::SnapshotDue;
use crate::{Reject, Transition};

/// A message of the hub that was not there before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    message: FanoutMessage,
    octets: Vec<u8>,
    sha256: [u8; 32],
}

/// What is known when new messages of a room have arrived.
#[derive(Clone, Copy, Debug)]
pub struct NotifyInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The room.
    pub room: &'a MimiUri,
    /// What each new message did to the roster, in order.
    pub arrivals: &'a [(Arrival, RosterChange)],
    /// Our clients by the KeyPackageRefs the messages welcome (PROTO-KM-12).
    pub owners: &'a BTreeMap<Vec<u8>, MimiUri>,
    /// The roster's blob before the first of them; the first snapshot of a room we did not know.
    pub roster: &'a [u8],
}

/// The body is accepted: 201 (PROTO-NTF-8).
#[derive(Clone, Debug, PartialEq)]
pub struct Notified {
    /// What was appended, with what it did to the roster: to be observed once it is written.
    pub appended: Vec<(crate::record::NewEvent, RosterChange)>,
    /// Whether a snapshot should be written.
    pub snapshot: SnapshotDue,
}

impl Arrival {
    /// The message, to follow with the roster.
    pub fn message(&self) -> &FanoutMessage {
        &self.message
    }
}

/// The new messages of a body, in order. `state` is `None` for a room we do not know.
pub fn arrivals(
    state: Option<&FollowerState>,
    from: &Domain,
    room: &MimiUri,
    body: Vec<FanoutMessage>,
) -> Result<Vec<Arrival>, Reject> {
    let _ = (state, from, room, body);
    todo!()
}

/// Decides what to keep of new messages and whom of our clients they concern.
pub fn notify(
    state: Option<&FollowerState>,
    input: &NotifyInput<'_>,
) -> Result<Transition<Notified>, Reject> {
    let _ = (state, input);
    todo!()
}
