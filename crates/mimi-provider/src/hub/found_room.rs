//! Founding a room at its hub, a matter between a provider and its own client (FLOW-1).

use mimi_policy::RoomView;
use mimi_wire::{Domain, MimiUri};

use crate::requester::DeviceIdentity;
use crate::{Reject, Transition};

/// A client asks its provider to host a room.
#[derive(Clone, Copy, Debug)]
pub struct FoundRoomInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The client that asks.
    pub creator: &'a DeviceIdentity,
    /// The room named in the request's path.
    pub room: &'a MimiUri,
    /// The room as the verified GroupInfo and tree say it.
    pub view: &'a RoomView,
    /// Whether the group's first external sender is this hub's own, key and credential.
    pub hub_sender: HubSender,
    /// The group's blob.
    pub group: &'a [u8],
    /// The time.
    pub now_ms: u64,
}

/// What the first entry of a group's `external_senders` is (PROTO-ST-4, AMB-ST-1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HubSender {
    /// This hub's own key and credential.
    Ours,
    /// Another one, or none.
    Foreign,
}

/// The room exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Founded {
    /// Milliseconds since the epoch.
    pub accepted_timestamp: u64,
}

/// Decides whether this provider hosts the room.
pub fn found_room(input: &FoundRoomInput<'_>) -> Result<Transition<Founded>, Reject> {
    let _ = input;
    todo!()
}
