//! What a hub knows of a room beside its MLS group: where the log ends, what is pending, who may
//! join. It is derived from the log; a snapshot only saves reading all of it.

use std::collections::{BTreeSet, VecDeque};

use mimi_policy::{RoomView, StagedChange, StagedProposal};
use mimi_wire::{Domain, MimiUri};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::record::{NewEvent, Seq};

/// Submissions and updates remembered to answer a repeat as the first time.
pub const RECENT_SUBMISSIONS_MAX: usize = 256;
/// Handshakes between two snapshots of a room.
pub const SNAPSHOT_EVERY: u32 = 32;
/// Join grants a room remembers; the oldest go first.
pub const JOIN_GRANTS_MAX: usize = 1_024;
/// How long a join grant lasts (AMB-UPD-13).
pub const JOIN_GRANT_LIFETIME_MS: u64 = 10 * 60 * 1_000;
/// How many epochs before the current one a message may come from (AMB-SUB-3).
pub const EPOCH_TOLERANCE: u64 = 1;

/// What the hub knows of a room.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct HubState {
    /// The last entry of the log.
    pub last_seq: Seq,
    /// The last accepted timestamp; the next one is greater (AMB-NTF-8).
    pub last_timestamp_ms: u64,
    /// Proposals of the epoch, in order of acceptance (PROTO-UPD-12).
    pub pending: Vec<Pending>,
    /// Users who asked to leave and are still listed; gone as far as we are concerned (AMB-UPD-9).
    pub leaving: BTreeSet<MimiUri>,
    /// Who may join by external commit (PROTO-GI-5).
    pub grants: Vec<JoinGrant>,
    /// Recent submissions and updates by their octets.
    pub recent: VecDeque<Recent>,
    /// Peers that have a delivery cursor in this room.
    pub followers: BTreeSet<Domain>,
    /// Commits and proposal bundles since the last snapshot.
    pub handshakes_since_snapshot: u32,
}

/// A proposal the next commit has to include.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pending {
    /// Its `ProposalRef`.
    pub reference: Vec<u8>,
    /// What it asks and who sent it.
    pub proposal: StagedProposal,
    /// The log entry of its bundle (PROTO-UPD-11).
    pub bundle: Seq,
    /// The proposal, an `MLSMessage`.
    pub message: Vec<u8>,
    /// When it was accepted.
    pub accepted_ms: u64,
}

/// Leave to join by external commit, given with a `groupInfo` answer (AMB-UPD-13).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinGrant {
    /// To this user.
    pub user: MimiUri,
    /// To this client.
    pub client: MimiUri,
    /// With this signature key (PROTO-GI-5).
    pub signature_key: Vec<u8>,
    /// Milliseconds since the epoch.
    pub expires_ms: u64,
}

/// A submission or update the hub has accepted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Recent {
    /// SHA-256 of the message's or the request's octets.
    pub sha256: [u8; 32],
    /// What was answered.
    pub timestamp_ms: u64,
}

/// What an entry meant to the MLS group: as staged when it was accepted, or as staged again from
/// its `detail` after a restart.
#[derive(Clone, Copy, Debug)]
pub enum Observed<'a> {
    /// Nothing: messages, Welcomes and notes.
    Plain,
    /// A bundle of proposals.
    Proposals(&'a StagedChange),
    /// A commit.
    Commit {
        /// What it did.
        change: &'a StagedChange,
        /// The room it led to.
        after: &'a RoomView,
    },
}

/// The group's blob and the hub's state, saved together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HubSnapshot {
    /// Opaque here.
    pub group: Vec<u8>,
    /// The state.
    pub state: HubState,
}

/// Saved state or a log entry cannot be read.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("room state cannot be read: {0}")]
pub struct StateError(pub String);

impl HubState {
    /// Follows one entry of the log, at the moment it is written or when the log is read again.
    pub fn observe(&mut self, event: &NewEvent, observed: Observed<'_>) -> Result<(), StateError> {
        let _ = (event, observed);
        todo!()
    }

    /// [`observe`](Self::observe) for every entry a decision appends.
    pub fn apply(
        &mut self,
        changes: &[crate::Change],
        observed: Observed<'_>,
    ) -> Result<(), StateError> {
        let _ = (changes, observed);
        todo!()
    }

    /// A snapshot as of [`last_seq`](Self::last_seq) is about to be written.
    pub fn snapshot_taken(&mut self) {
        self.handshakes_since_snapshot = 0;
    }
}

impl HubSnapshot {
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
