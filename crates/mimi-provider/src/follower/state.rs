//! What a follower knows of a room beside its roster: where its copy of the log ends, what it has
//! seen, which of its clients are in.

use std::collections::{BTreeSet, VecDeque};

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

use crate::record::{EventKind, NewEvent, Seq};
use crate::saved::{StateError, read_versioned, sha256, versioned};

/// Payloads remembered to know a repeat (PROTO-NTF-10).
pub const RECENT_PAYLOADS_MAX: usize = 1_024;

/// What a follower knows of a room.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct FollowerState {
    /// The last entry of our copy of the log.
    pub last_seq: Seq,
    /// The latest timestamp of the hub.
    pub last_timestamp_ms: u64,
    /// Whatever the hub accepted up to here has been seen or is from before our time.
    pub seen_until_ms: u64,
    /// The last payloads, oldest first.
    pub recent: VecDeque<RecentPayload>,
    /// Clients seen coming in and not going: ours by Welcome, anybody's by external commit.
    pub clients_in: BTreeSet<MimiUri>,
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

/// First octet of a saved state.
const SNAPSHOT_VERSION: u8 = 1;

impl FollowerState {
    /// Follows one entry of our copy of the log, when it is written or read again.
    pub fn observe(&mut self, event: &NewEvent, roster: &RosterChange) {
        if self.last_seq == 0 {
            // The commit that our first Welcome goes with has its timestamp (AMB-NTF-8).
            self.seen_until_ms = event.timestamp_ms;
        }
        self.last_seq = event.seq;
        self.last_timestamp_ms = self.last_timestamp_ms.max(event.timestamp_ms);
        if self.recent.len() == RECENT_PAYLOADS_MAX
            && let Some(forgotten) = self.recent.pop_front()
        {
            self.seen_until_ms = self.seen_until_ms.max(forgotten.timestamp_ms);
        }
        let (sha256, timestamp_ms) = (sha256(&event.payload), event.timestamp_ms);
        self.recent.push_back(RecentPayload { sha256, timestamp_ms });
        for client in &roster.left {
            self.clients_in.remove(client);
        }
        self.clients_in.extend(came_in(event, roster).iter().cloned());
        if event.kind != EventKind::Application {
            self.handshakes_since_snapshot += 1;
        }
    }

    /// Whether a payload is nothing new. Of what has left the memory, or was never kept, only the
    /// time is known: hubs' timestamps grow, so nothing new is as old as that (AMB-NTF-8).
    pub(crate) fn is_repeat(&self, sha256: &[u8; 32], timestamp_ms: u64) -> bool {
        timestamp_ms <= self.seen_until_ms
            || self.recent.iter().any(|recent| recent.sha256 == *sha256)
    }

    /// A snapshot as of [`last_seq`](Self::last_seq) is about to be written.
    pub fn snapshot_taken(&mut self) {
        self.handshakes_since_snapshot = 0;
    }
}

/// Who sees the room from this entry on: our clients a Welcome is for, and who came by its own
/// commit.
pub(crate) fn came_in<'a>(event: &'a NewEvent, roster: &'a RosterChange) -> &'a [MimiUri] {
    match event.kind {
        EventKind::Welcome => event.targets.as_deref().unwrap_or_default(),
        EventKind::Commit => &roster.joined,
        _ => &[],
    }
}

impl FollowerSnapshot {
    /// As one versioned blob.
    pub fn encode(&self) -> Vec<u8> {
        versioned(SNAPSHOT_VERSION, &(&self.roster, &self.state))
    }

    /// Reads [`encode`](Self::encode).
    pub fn decode(octets: &[u8]) -> Result<Self, StateError> {
        let (roster, state) = read_versioned(SNAPSHOT_VERSION, octets)?;
        Ok(Self { roster, state })
    }
}
