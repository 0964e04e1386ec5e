//! What a follower knows of a room beside its roster: where its copy of the log ends, what it has
//! seen, which of its clients are in and which are about to come in.

use std::collections::{BTreeSet, VecDeque};

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

use crate::record::{EventKind, NewEvent, Seq};
use crate::saved::{StateError, read_versioned, sha256, versioned};

/// Payloads remembered to know a repeat (PROTO-NTF-10).
pub const RECENT_PAYLOADS_MAX: usize = 1_024;
/// External commits of one client that are remembered until they come back; the oldest go first.
pub const FORWARDED_PER_CLIENT_MAX: usize = 4;
/// External commits remembered in a room, of all clients.
pub const FORWARDED_MAX: usize = 1_024;

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
    /// Our clients that came in and have not gone.
    pub clients_in: BTreeSet<MimiUri>,
    /// External commits our clients have sent to the hub through us, oldest first.
    pub forwarded: VecDeque<Forwarded>,
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

/// An external commit on its way to the hub. What the hub sends back later is nobody's word but the
/// hub's; that a client of ours wants to be in the room is known from its own request alone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Forwarded {
    /// The client that sent it, signed in with us.
    pub client: MimiUri,
    /// SHA-256 of the commit, an `MLSMessage`.
    pub sha256: [u8; 32],
}

/// What a follower writes into its log for itself, in an entry's `detail`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Note {
    /// A client of ours is about to join (a `HubNote` entry).
    Forwarded(Forwarded),
    /// This commit is one that was forwarded.
    Joined(Forwarded),
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
const SNAPSHOT_VERSION: u8 = 2;
/// First octet of a note.
const NOTE_VERSION: u8 = 1;

impl FollowerState {
    /// Follows one entry of our copy of the log, when it is written or read again.
    pub fn observe(&mut self, event: &NewEvent, roster: &RosterChange) {
        self.last_seq = event.seq;
        if event.kind == EventKind::HubNote {
            if let Some(Note::Forwarded(forwarded)) = Note::read(&event.detail) {
                self.remember(forwarded);
            }
            return;
        }
        if !self.is_present() {
            // Nothing was kept up to here. The commit that a Welcome goes with has its timestamp
            // (AMB-NTF-8).
            self.seen_until_ms = self.seen_until_ms.max(event.timestamp_ms);
        }
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
        self.clients_in.extend(came_in(event));
        if let Some(Note::Joined(joined)) = Note::read(&event.detail) {
            self.forwarded.retain(|forwarded| *forwarded != joined);
        }
        if event.kind != EventKind::Application {
            self.handshakes_since_snapshot += 1;
        }
    }

    /// Whether any of our clients is in.
    pub fn is_present(&self) -> bool {
        !self.clients_in.is_empty()
    }

    fn remember(&mut self, forwarded: Forwarded) {
        let of_client = |other: &Forwarded| other.client == forwarded.client;
        let too_many =
            self.forwarded.iter().filter(|it| of_client(it)).count() >= FORWARDED_PER_CLIENT_MAX;
        let oldest = if too_many { self.forwarded.iter().position(of_client) } else { None };
        if let Some(oldest) = oldest {
            self.forwarded.remove(oldest);
        } else if self.forwarded.len() >= FORWARDED_MAX {
            self.forwarded.pop_front();
        }
        self.forwarded.push_back(forwarded);
    }

    /// Whether a payload is nothing new. Of what has left the memory, or was never kept, only the
    /// time is known: hubs' timestamps grow, so nothing new is as old as that (AMB-NTF-8).
    pub(crate) fn is_repeat(&self, sha256: &[u8; 32], timestamp_ms: u64) -> bool {
        timestamp_ms <= self.seen_until_ms
            // The time is part of the payload, and the next message of an honest hub is later than
            // all that is remembered.
            || timestamp_ms <= self.last_timestamp_ms
                && self.recent.iter().any(|recent| recent.sha256 == *sha256)
    }

    /// A copy without the payloads that are remembered, for a decision to go on from.
    pub(crate) fn without_recent(&self) -> Self {
        Self {
            last_seq: self.last_seq,
            last_timestamp_ms: self.last_timestamp_ms,
            seen_until_ms: self.seen_until_ms,
            recent: VecDeque::new(),
            clients_in: self.clients_in.clone(),
            forwarded: self.forwarded.clone(),
            handshakes_since_snapshot: self.handshakes_since_snapshot,
        }
    }

    /// A snapshot as of [`last_seq`](Self::last_seq) is about to be written.
    pub fn snapshot_taken(&mut self) {
        self.handshakes_since_snapshot = 0;
    }
}

/// Who of ours sees the room from this entry on: the clients a Welcome is for, and who came by its
/// own commit.
pub(crate) fn came_in(event: &NewEvent) -> Vec<MimiUri> {
    match event.kind {
        EventKind::Welcome => event.targets.clone().unwrap_or_default(),
        EventKind::Commit => match Note::read(&event.detail) {
            Some(Note::Joined(joined)) => vec![joined.client],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

impl Note {
    pub(crate) fn write(&self) -> Vec<u8> {
        versioned(NOTE_VERSION, self)
    }

    /// Most entries have none.
    fn read(detail: &[u8]) -> Option<Self> {
        read_versioned(NOTE_VERSION, detail).ok()
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
