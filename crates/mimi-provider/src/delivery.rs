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
/// Longest pause of our own choice towards a peer that does not trust us, or that we do not trust:
/// that passes when an operator does something.
pub const DISTRUST_MS_MAX: u64 = 60 * 60 * 1_000;
/// After this long without any success a peer is given up, unless the operator says otherwise
/// (AMB-NTF-10).
pub const KEEP_MS_DEFAULT: u64 = 30 * DAY_MS;
/// So long something waits for a peer that is stale, and so often such a peer is tried.
pub const STALE_KEEP_MS: u64 = BACKOFF_MS_MAX;
/// An entry that a peer calls malformed, whenever it gets it, is left out after this.
pub const REFUSED_KEEP_MS: u64 = DAY_MS;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

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
    /// Since when the peer is stale (AMB-NTF-10).
    pub stale_since_ms: Option<u64>,
    /// Entries go one by one: the peer calls something in the batch malformed.
    pub one_by_one: bool,
    /// Since when the peer has called the first entry malformed, each time.
    pub refused_since_ms: Option<u64>,
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
        /// What kind of failure it is.
        fault: Fault,
    },
}

/// What a failure tells about the next attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It may pass by itself.
    Passing,
    /// One side does not trust the other.
    Distrust,
    /// The peer calls the body itself malformed, and will do so again.
    Malformed,
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
    /// The first entry is one that the peer will never take: it is left out, so that the others
    /// arrive. Clients of the peer that miss it come in again by `groupInfo`.
    LeaveOut,
}

impl Delivery {
    /// Entries wait; the oldest of them since this time.
    pub fn waiting(&mut self, since_ms: u64) {
        self.since_ms.get_or_insert(since_ms);
    }

    /// What to do at this time, when the operator keeps things waiting for `keep_ms`.
    pub fn next(&self, now_ms: u64, keep_ms: u64) -> Next {
        let waited_ms = self.since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        let keep_ms = if self.stale_since_ms.is_some() { STALE_KEEP_MS } else { keep_ms };
        let refused_ms =
            self.refused_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        // Only who has been tried is given up: after a long stop of our own all get a chance.
        if self.attempts > 0 && waited_ms >= keep_ms {
            Next::GiveUp
        } else if refused_ms >= REFUSED_KEEP_MS {
            Next::LeaveOut
        } else if now_ms < self.next_attempt_ms {
            Next::WaitUntil(self.next_attempt_ms)
        } else {
            Next::Send
        }
    }

    /// Records how a request with so many entries ended. `jitter` is random, evenly spread over its
    /// range.
    pub fn attempted(&mut self, attempt: Attempt, entries: usize, jitter: u32, now_ms: u64) {
        match attempt {
            // One entry taken does not mean that the next is: they go on one by one.
            Attempt::Accepted => {
                *self = Self { one_by_one: self.one_by_one, ..Self::default() };
            }
            Attempt::Failed { error, retry_after_ms, fault } => {
                self.failed(error, retry_after_ms, fault, jitter, now_ms);
                if fault != Fault::Malformed {
                    self.refused_since_ms = None;
                } else if entries > 1 {
                    self.one_by_one = true;
                    self.next_attempt_ms = self.next_attempt_ms.min(now_ms + BACKOFF_MS_MIN);
                } else {
                    self.refused_since_ms.get_or_insert(now_ms);
                }
            }
        }
    }

    fn failed(
        &mut self,
        error: String,
        retry_after_ms: Option<u64>,
        fault: Fault,
        jitter: u32,
        now_ms: u64,
    ) {
        self.attempts = self.attempts.saturating_add(1);
        self.since_ms.get_or_insert(now_ms);
        // PROTO-TR-6, PROTO-NTF-9: the peer knows best, within reason.
        let pause_ms = match (retry_after_ms, self.stale_since_ms) {
            (Some(asked_ms), _) => asked_ms.clamp(BACKOFF_MS_MIN, RETRY_AFTER_MS_MAX),
            (None, Some(_)) => STALE_KEEP_MS,
            (None, None) => backoff_ms(self.attempts, fault, jitter),
        };
        self.next_attempt_ms = now_ms.saturating_add(pause_ms);
        let asked = retry_after_ms.is_some();
        self.asked_until_ms = if asked { self.next_attempt_ms } else { 0 };
        self.last_error = Some(error);
    }

    /// The operator wants it tried now.
    pub fn try_now(&mut self) {
        self.next_attempt_ms = 0;
        self.asked_until_ms = 0;
    }

    /// The peer has called us: no more need to wait, unless it is what the peer asked for
    /// (PROTO-TR-6).
    pub fn heard_of(&mut self, now_ms: u64) {
        self.next_attempt_ms = self.next_attempt_ms.min(now_ms.max(self.asked_until_ms));
    }
}

/// Doubling up to [`BACKOFF_MS_MAX`] ([`DISTRUST_MS_MAX`]), the upper half of it random, so that the peers of a provider
/// that comes back do not all call at once.
fn backoff_ms(attempts: u32, fault: Fault, jitter: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(32);
    let max_ms = if fault == Fault::Distrust { DISTRUST_MS_MAX } else { BACKOFF_MS_MAX };
    let whole_ms = (BACKOFF_MS_MIN << doublings).min(max_ms);
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

/// The peer is stale: what waits for it in the stream, up to its last entry, is dropped; when it is
/// back, its clients come in again by `groupInfo` (AMB-NTF-10).
pub fn give_up(stream: &MimiUri, follower: &Domain, last_seq: Seq, now_ms: u64) -> Transition<()> {
    let (stream, follower) = (stream.clone(), follower.clone());
    let mut transition = Transition::unchanged(());
    transition.changes.push(Change::GiveUp { stream, follower, seq: last_seq, now_ms });
    transition
}

#[cfg(test)]
mod tests;
