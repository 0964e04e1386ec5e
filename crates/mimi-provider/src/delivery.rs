//! When to try a peer again, and how much to send at once (PROTO-NTF-9, AMB-NTF-10).

use mimi_wire::{Domain, MimiUri};

use crate::Transition;
use crate::record::Seq;

/// Octets of entries in one request.
pub const BATCH_OCTETS_MAX: usize = 1024 * 1024;
/// First pause after a failure.
pub const BACKOFF_MS_MIN: u64 = 500;
/// Longest pause of our own choice.
pub const BACKOFF_MS_MAX: u64 = 5 * 60 * 1_000;
/// Longest pause a peer may ask for.
pub const RETRY_AFTER_MS_MAX: u64 = 60 * 60 * 1_000;
/// After this long without any success a peer is given up (AMB-NTF-10).
pub const GIVE_UP_AFTER_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// How one (stream, follower) fares.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Delivery {
    /// Failures in a row.
    pub attempts: u32,
    /// Since when something waits.
    pub since_ms: Option<u64>,
    /// Not before this.
    pub next_attempt_ms: u64,
    /// The last failure, for operators.
    pub last_error: Option<String>,
}

/// How a request ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Attempt {
    /// Any 2xx (AMB-TR-4).
    Accepted,
    /// Anything else, or no answer.
    Failed {
        /// For operators.
        error: String,
        /// `Retry-After`, as milliseconds from now.
        retry_after_ms: Option<u64>,
    },
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Send what waits, if anything does.
    Send,
    /// Wait until then.
    WaitUntil(u64),
    /// Nothing has got through for too long: see [`give_up`].
    GiveUp,
}

impl Delivery {
    /// Entries wait, at least since now.
    pub fn waiting(&mut self, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// What to do at this time.
    pub fn next(&self, now_ms: u64) -> Next {
        let _ = now_ms;
        todo!()
    }

    /// Records how a request ended. `jitter` is random, evenly spread over its range.
    pub fn attempted(&mut self, attempt: Attempt, jitter: u32, now_ms: u64) {
        let _ = (attempt, jitter, now_ms);
        todo!()
    }
}

/// The peer has accepted a stream's entries up to `seq`.
pub fn delivered(stream: &MimiUri, follower: &Domain, seq: Seq) -> Transition<()> {
    let _ = (stream, follower, seq);
    todo!()
}

/// The peer is stale: what waits for it in the stream is dropped; its clients come back by
/// `groupInfo` (AMB-NTF-10).
pub fn give_up(stream: &MimiUri, follower: &Domain, last_seq: Seq) -> Transition<()> {
    let _ = (stream, follower, last_seq);
    todo!()
}
