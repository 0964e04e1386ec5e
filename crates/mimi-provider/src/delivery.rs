//! When to try a peer again, and how much to send at once (PROTO-NTF-9, AMB-NTF-10).

use mimi_wire::{Domain, MimiUri};

use crate::record::Seq;
use crate::{Change, Transition};

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
    /// Until when the peer itself has asked to be left alone.
    pub asked_until_ms: u64,
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

/// What an operator sees of a (stream, follower) that waits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// The stream.
    pub stream: MimiUri,
    /// The peer.
    pub follower: Domain,
    /// Entries that wait.
    pub waiting: u64,
    /// Since when.
    pub since_ms: u64,
    /// Failures in a row.
    pub attempts: u32,
    /// When it is tried next.
    pub next_attempt_ms: u64,
    /// Why it waits.
    pub last_error: Option<String>,
}

impl Delivery {
    /// Entries wait; the oldest of them since this time.
    pub fn waiting(&mut self, since_ms: u64) {
        self.since_ms.get_or_insert(since_ms);
    }

    /// What to do at this time.
    pub fn next(&self, now_ms: u64) -> Next {
        let waited_ms = self.since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        // Only who has been tried is given up: after a long stop of our own all get a chance.
        if self.attempts > 0 && waited_ms >= GIVE_UP_AFTER_MS {
            Next::GiveUp
        } else if now_ms < self.next_attempt_ms {
            Next::WaitUntil(self.next_attempt_ms)
        } else {
            Next::Send
        }
    }

    /// Records how a request ended. `jitter` is random, evenly spread over its range.
    pub fn attempted(&mut self, attempt: Attempt, jitter: u32, now_ms: u64) {
        match attempt {
            Attempt::Accepted => *self = Self::default(),
            Attempt::Failed { error, retry_after_ms } => {
                self.attempts = self.attempts.saturating_add(1);
                self.since_ms.get_or_insert(now_ms);
                // PROTO-TR-6, PROTO-NTF-9: the peer knows best, within reason.
                let pause_ms = match retry_after_ms {
                    Some(asked_ms) => asked_ms.clamp(BACKOFF_MS_MIN, RETRY_AFTER_MS_MAX),
                    None => backoff_ms(self.attempts, jitter),
                };
                self.next_attempt_ms = now_ms.saturating_add(pause_ms);
                let asked = retry_after_ms.is_some();
                self.asked_until_ms = if asked { self.next_attempt_ms } else { 0 };
                self.last_error = Some(error);
            }
        }
    }

    /// The peer has called us: no more need to wait, unless it is what the peer asked for
    /// (PROTO-TR-6).
    pub fn heard_of(&mut self, now_ms: u64) {
        self.next_attempt_ms = self.next_attempt_ms.min(now_ms.max(self.asked_until_ms));
    }

    /// For operators.
    pub fn report(&self, stream: MimiUri, follower: Domain, waiting: u64, now_ms: u64) -> Waiting {
        Waiting {
            stream,
            follower,
            waiting,
            since_ms: self.since_ms.unwrap_or(now_ms),
            attempts: self.attempts,
            next_attempt_ms: self.next_attempt_ms,
            last_error: self.last_error.clone(),
        }
    }
}

/// Doubling up to [`BACKOFF_MS_MAX`], the upper half of it random, so that the peers of a provider
/// that comes back do not all call at once.
fn backoff_ms(attempts: u32, jitter: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(32);
    let whole_ms = (BACKOFF_MS_MIN << doublings).min(BACKOFF_MS_MAX);
    let half_ms = whole_ms / 2;
    half_ms + half_ms * u64::from(jitter) / u64::from(u32::MAX)
}

/// The peer has accepted a stream's entries up to `seq`.
pub fn delivered(stream: &MimiUri, follower: &Domain, seq: Seq) -> Transition<()> {
    let (stream, follower) = (stream.clone(), follower.clone());
    let mut transition = Transition::unchanged(());
    transition.changes.push(Change::Delivered { stream, follower, seq });
    transition
}

/// The peer is stale: what waits for it in the stream, up to its last entry, is dropped; its
/// clients come back by `groupInfo` (AMB-NTF-10).
pub fn give_up(stream: &MimiUri, follower: &Domain, last_seq: Seq) -> Transition<()> {
    delivered(stream, follower, last_seq)
}

#[cfg(test)]
mod tests;
