//! One measured stretch: which messages belong to it, when each was due, and what each receiver has
//! seen of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use mimi_wire::MimiUri;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// A message's SHA-256.
pub(crate) type Fingerprint = [u8; 32];

pub(crate) fn fingerprint(octets: &[u8]) -> Fingerprint {
    Sha256::digest(octets).into()
}

/// A message of a phase.
#[derive(Debug)]
pub(crate) struct Entry {
    index: usize,
    /// When it was due, in microseconds from the phase's beginning.
    due_us: AtomicU64,
    accepted: AtomicBool,
    /// The time its hub gave it; 0 as long as nobody has said.
    timestamp_ms: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Phase {
    begun: OnceLock<Instant>,
    entries: RwLock<HashMap<Fingerprint, Arc<Entry>>>,
    /// Messages that may still be sent before another is delivered.
    pub(crate) window: Semaphore,
    accepted: AtomicU64,
    /// Messages whose receivers were told another time than their sender.
    contradicted: AtomicU64,
    refused: AtomicU64,
    first_refusal: Mutex<Option<String>>,
    delivered: AtomicU64,
    /// When the last delivery was, in microseconds from the beginning.
    last_us: AtomicU64,
}

/// What one receiver has seen of a phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Times each message has come, by its index.
    times: Vec<u32>,
    /// Timestamp of the last message, by room.
    last_ms: HashMap<MimiUri, u64>,
    /// Messages that came again.
    pub(crate) duplicated: u64,
    /// Messages that came after a later one, or with another time than elsewhere.
    pub(crate) reordered: u64,
    /// From due to delivered.
    pub(crate) latencies_us: Vec<u64>,
}

/// What became of a phase's messages, over all receivers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Accepted by the hub.
    pub(crate) sent: u64,
    /// Not accepted: not among those that may be lost.
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<String>,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    /// From the beginning to the last delivery.
    pub(crate) seconds: f64,
    pub(crate) latencies_us: Vec<u64>,
}

impl Phase {
    /// A phase that begins when it is [started](Self::start).
    pub(crate) fn new(window: usize) -> Arc<Self> {
        Arc::new(Self {
            begun: OnceLock::new(),
            entries: RwLock::default(),
            window: Semaphore::new(window),
            accepted: AtomicU64::new(0),
            contradicted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            first_refusal: Mutex::default(),
            delivered: AtomicU64::new(0),
            last_us: AtomicU64::new(0),
        })
    }

    /// Begins.
    pub(crate) fn start(&self) {
        self.begun.get_or_init(Instant::now);
    }

    /// Adds a message, before it can be sent; one that is sent again is the same.
    pub(crate) fn expect(&self, message: &[u8]) -> Arc<Entry> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.get(&fingerprint(message)) {
            return Arc::clone(known);
        }
        let entry = Arc::new(Entry {
            index: entries.len(),
            due_us: AtomicU64::new(0),
            accepted: AtomicBool::new(false),
            timestamp_ms: AtomicU64::new(0),
        });
        entries.insert(fingerprint(message), Arc::clone(&entry));
        entry
    }

    /// The message leaves, or should have left, now.
    pub(crate) fn due(&self, entry: &Entry, at: Instant) {
        entry.due_us.store(self.us(at), Ordering::Relaxed);
    }

    /// The hub has accepted a message.
    pub(crate) fn accepted(&self, entry: &Entry, timestamp_ms: u64) {
        let again = entry.accepted.swap(true, Ordering::Relaxed);
        let elsewhere = entry.timestamp_ms.swap(timestamp_ms, Ordering::Relaxed);
        if elsewhere != 0 && elsewhere != timestamp_ms {
            self.contradicted.fetch_add(1, Ordering::Relaxed);
        }
        self.accepted.fetch_add(u64::from(!again), Ordering::Release);
    }

    /// A message was not accepted, as far as we know.
    pub(crate) fn refused(&self, why: String) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first_refusal.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(why);
        drop(first);
        // It will not be delivered.
        self.window.add_permits(1);
    }

    /// Messages accepted so far.
    pub(crate) fn accepted_so_far(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Deliveries so far.
    pub(crate) fn delivered_so_far(&self) -> u64 {
        self.delivered.load(Ordering::Acquire)
    }

    /// Takes what a receiver got.
    pub(crate) fn arrived(&self, seen: &mut Seen, room: &MimiUri, timestamp_ms: u64, of: &[u8]) {
        let at = Instant::now();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        // Of another phase, or part of setting the scene.
        let Some(entry) = entries.get(&fingerprint(of)).cloned() else { return };
        drop(entries);
        if seen.times.len() <= entry.index {
            seen.times.resize(entry.index + 1, 0);
        }
        seen.times[entry.index] += 1;
        if seen.times[entry.index] > 1 {
            seen.duplicated += 1;
            return;
        }
        let last_ms = seen.last_ms.entry(room.clone()).or_default();
        // The hub's times strictly increase within a room, and are the same for everybody.
        let elsewhere = entry.timestamp_ms.swap(timestamp_ms, Ordering::Relaxed);
        if timestamp_ms <= *last_ms || (elsewhere != 0 && elsewhere != timestamp_ms) {
            seen.reordered += 1;
        }
        *last_ms = timestamp_ms.max(*last_ms);
        let now_us = self.us(at);
        let due_us = entry.due_us.load(Ordering::Relaxed);
        seen.latencies_us.push(now_us.saturating_sub(due_us));
        self.last_us.fetch_max(now_us, Ordering::Relaxed);
        self.delivered.fetch_add(1, Ordering::Release);
    }

    /// Adds up what became of the messages, each of which should have come to `receivers_each` of
    /// the receivers.
    pub(crate) fn count<'a>(
        &self,
        seen: impl Iterator<Item = &'a Seen>,
        receivers_each: u64,
    ) -> Counts {
        let first_refusal = self.first_refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = Counts {
            sent: self.accepted_so_far(),
            refused: self.refused.load(Ordering::Relaxed),
            reordered: self.contradicted.load(Ordering::Relaxed),
            first_refusal: first_refusal.clone(),
            seconds: us_as_s(self.last_us.load(Ordering::Relaxed)),
            ..Counts::default()
        };
        drop(first_refusal);
        let mut by_index: Vec<u64> = Vec::new();
        for seen in seen {
            for (index, times) in seen.times.iter().enumerate().filter(|(_, times)| **times > 0) {
                by_index.resize(by_index.len().max(index + 1), 0);
                by_index[index] += u64::from(*times > 0);
            }
            counts.duplicated += seen.duplicated;
            counts.reordered += seen.reordered;
            counts.latencies_us.extend(&seen.latencies_us);
        }
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.values() {
            let delivered = by_index.get(entry.index).copied().unwrap_or_default();
            counts.delivered += delivered;
            // Nobody was promised what was not accepted.
            if entry.accepted.load(Ordering::Relaxed) {
                counts.lost += receivers_each.saturating_sub(delivered);
            }
        }
        counts.latencies_us.sort_unstable();
        counts
    }

    fn us(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(*self.begun.get_or_init(Instant::now)).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

/// Microseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "2^53 µs are centuries")]
pub(crate) fn us_as_s(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

/// The value below which so many thousandths of sorted values are, in milliseconds.
pub(crate) fn percentile_ms(sorted_us: &[u64], thousandths: usize) -> Option<f64> {
    let last = sorted_us.len().checked_sub(1)?;
    let index = (sorted_us.len() * thousandths / 1_000).min(last);
    Some(us_as_s(sorted_us[index]) * 1_000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use mimi_wire::MimiUri;

    use super::{Phase, Seen, percentile_ms};

    fn room() -> MimiUri {
        MimiUri::new("mimi://a.example/r/bench").unwrap()
    }

    /// A phase of messages accepted at 1, 2, 3 …, and a receiver of what is said to have come.
    fn phase(messages: u8, came: &[(u8, u64)]) -> super::Counts {
        let phase = Phase::new(10);
        for message in 1..=messages {
            let entry = phase.expect(&[message]);
            phase.due(&entry, Instant::now());
            phase.accepted(&entry, message.into());
        }
        let mut seen = Seen::default();
        for (message, timestamp_ms) in came {
            phase.arrived(&mut seen, &room(), *timestamp_ms, &[*message]);
        }
        phase.count([&seen].into_iter(), 1)
    }

    #[test]
    fn what_came_once_and_in_order_is_delivered() {
        let counts = phase(3, &[(1, 1), (2, 2), (3, 3)]);
        assert_eq!((counts.sent, counts.delivered, counts.lost), (3, 3, 0));
        assert_eq!((counts.duplicated, counts.reordered), (0, 0));
        assert_eq!(counts.latencies_us.len(), 3);
    }

    #[test]
    fn what_is_missing_twice_there_or_late_is_counted() {
        let counts = phase(4, &[(1, 1), (3, 3), (2, 2), (3, 3), (9, 9)]);
        assert_eq!((counts.sent, counts.delivered, counts.lost), (4, 3, 1));
        assert_eq!((counts.duplicated, counts.reordered), (1, 1));
        let counts = phase(2, &[(1, 1), (2, 7)]);
        assert_eq!((counts.delivered, counts.reordered), (2, 1), "another time than the sender's");
    }

    /// A request whose answer was lost is made again, after its message has come, say.
    #[test]
    fn what_is_sent_again_is_one_message() {
        let phase = Phase::new(1);
        let mut seen = Seen::default();
        let entry = phase.expect(b"one");
        phase.arrived(&mut seen, &room(), 5, b"one");
        phase.accepted(&entry, 5);
        phase.accepted(&phase.expect(b"one"), 5);
        let counts = phase.count([&seen].into_iter(), 1);
        assert_eq!((counts.sent, counts.delivered, counts.lost), (1, 1, 0));
    }

    #[test]
    fn what_was_refused_is_not_lost() {
        let phase = Phase::new(1);
        let entry = phase.expect(&[1]);
        phase.due(&entry, Instant::now());
        phase.window.try_acquire().unwrap().forget();
        phase.refused("busy".to_owned());
        assert!(phase.window.try_acquire().is_ok());
        let counts = phase.count([&Seen::default()].into_iter(), 1);
        assert_eq!((counts.sent, counts.refused, counts.lost), (0, 1, 0));
        assert_eq!(counts.first_refusal.as_deref(), Some("busy"));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=100).map(|value| value * 1_000).collect();
        assert_eq!(percentile_ms(&values, 500), Some(51.0));
        assert_eq!(percentile_ms(&values, 990), Some(100.0));
        assert_eq!(percentile_ms(&[7_000], 990), Some(7.0));
        assert_eq!(percentile_ms(&[], 500), None);
    }
}
