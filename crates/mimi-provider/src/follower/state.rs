//! What a follower knows of a room beside its roster: where its copy of the log ends, what it has
//! seen, which of its clients are in.

use std::collections::{BTreeSet, VecDeque};

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

use crate::hub::state::StateError;
use crate::record::{NewEvent, Seq};

/// Payloads remembered to know a repeat (PROTO-NTF-10).
pub const RECENT_PAYLOADS_MAX: usize = 1_024;

/// What a follower knows of a room.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct FollowerState {
    /// The last entry of our copy of the log.
    pub last_seq: Seq,
    /// The latest timestamp of the hub.
    pub last_timestamp_ms: u64,
    /// The last payloads, oldest first.
    pub recent: VecDeque<RecentPayload>,
    /// Our clients in the room.
    pub local_clients: BTreeSet<MimiUri>,
    /// Handshakes since the last snapshot.
    pub handshakes_since_snapshot: u32,
}

/// A payload that was accepted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RecentPayload {
    /// SHA-256 of the `FanoutMessage`.
    pub sha256: [u8; 32],
    /// Its timestamp.
    pub timestamp_ms: u64,
}

/// What one fanout message did to the clients in the room, as the roster tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RosterChange {
    /// Clients that came in by themselves or by Welcome; of any provider.
    pub joined: Vec<MimiUri>,
    /// Clients that went; of any provider.
    pub left: Vec<MimiUri>,
    /// KeyPackageRefs of a Welcome.
    pub welcomed: Vec<Vec<u8>>,
}

/// The roster's blob and the follower's state, saved together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FollowerSnapshot {
    /// Opaque here.
    pub roster: Vec<u8>,
    /// The state.
    pub state: FollowerState,
}

impl FollowerState {
    /// Follows one entry of our copy of the log, when it is written or read again.
    pub fn observe(&mut self, event: &NewEvent, roster: &RosterChange) {
        let _ = (event, roster);
        todo!()
    }

    /// A snapshot as of [`last_seq`](Self::last_seq) is about to be written.
    pub fn snapshot_taken(&mut self) {
        self.handshakes_since_snapshot = 0;
    }
}

impl FollowerSnapshot {
    /// As one versioned blob.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads [`encode`](Self::encode).
    pub fn decode(octets: &[u8]) -> Result<Self, StateError> {
        let _ = octets;
        todo!()
    }
}
