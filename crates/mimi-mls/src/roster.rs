//! Which of its own clients are in a room, as a follower can tell from the handshakes it relays.
//!
//! A follower holds no group state: it learns the tree from the Welcome's fanout and follows adds
//! and removes. It trusts the hub for validity; clients verify everything themselves.

use mimi_wire::MimiUri;
use mimi_wire::protocol::notify::FanoutMessage;

use crate::error::SnapshotError;

/// Leaves and their clients.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    _private: (),
}

/// What one fanout message did to the roster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RosterChange {
    /// Clients that came in, by Welcome or by themselves.
    pub joined: Vec<MimiUri>,
    /// Clients that went.
    pub left: Vec<MimiUri>,
    /// KeyPackageRefs of a Welcome.
    pub welcomed: Vec<Vec<u8>>,
}

impl Roster {
    /// Follows one event. What cannot be followed is ignored: a later Welcome brings a whole tree.
    pub fn follow(&mut self, event: &FanoutMessage) -> RosterChange {
        let _ = event;
        todo!()
    }

    /// As one versioned blob.
    pub fn snapshot(&self) -> Vec<u8> {
        todo!()
    }

    /// Restores a [`snapshot`](Self::snapshot).
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let _ = snapshot;
        todo!()
    }
}
