//! What hubs publish of their gateways' keys, one copy for all of our people.
//!
//! A hub that could give each client a key of its own would know them apart by it (RFC 9458 section
//! 7). It cannot: it is asked by us, for all, and what it said is kept for a while whatever it wants.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mimi_wire::Domain;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock;

/// How long keys are kept that do not say.
const TTL_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// How long they are kept at least and at most, whatever they say.
const TTL_MIN: Duration = Duration::from_secs(10 * 60);
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys this young are not fetched again because the hub says that it does not know them.
const REFETCH_AGE_MIN: Duration = Duration::from_secs(60);
/// Hubs whose keys are kept.
const HUBS_MAX: usize = 4_096;

/// One slot per hub; its lock is held while the keys are fetched.
#[derive(Debug, Default)]
pub(super) struct PublishedKeys(std::sync::Mutex<HashMap<Domain, Slot>>);

/// What is kept of one hub.
pub(super) type Slot = Arc<Mutex<Option<Kept>>>;

/// Keys as a hub published them.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) keys: Bytes,
    fetched: Instant,
    ttl: Duration,
}

impl Kept {
    pub(super) fn new(keys: Bytes, max_age: Option<Duration>) -> Self {
        let ttl = max_age.unwrap_or(TTL_DEFAULT).clamp(TTL_MIN, TTL_MAX);
        Self { keys, fetched: clock::monotonic(), ttl }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.fetched.elapsed() < self.ttl
    }
}

impl PublishedKeys {
    /// Where the keys of a hub are; `None` if those of too many are kept.
    pub(super) fn slot(&self, hub: &Domain) -> Option<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= HUBS_MAX && !slots.contains_key(hub) {
            slots.retain(|_, slot| match slot.try_lock() {
                Ok(kept) => kept.as_ref().is_some_and(Kept::is_fresh),
                Err(_) => true,
            });
            if slots.len() >= HUBS_MAX {
                return None;
            }
        }
        Some(Arc::clone(slots.entry(hub.clone()).or_default()))
    }

    /// The hub does not know its keys any more: they are fetched again, but for those fetched just
    /// now.
    pub(super) async fn are_unknown(&self, hub: &Domain) {
        let Some(slot) = self.slot(hub) else { return };
        let mut kept = slot.lock().await;
        kept.take_if(|kept| kept.fetched.elapsed() >= REFETCH_AGE_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, HUBS_MAX, Kept, PublishedKeys, TTL_DEFAULT, TTL_MAX, TTL_MIN};

    /// RFC 9458 section 7: a hub does not decide how often it is asked.
    #[test]
    fn keys_are_kept_for_a_while() {
        let ttl = |max_age: Option<u64>| {
            Kept::new(bytes::Bytes::new(), max_age.map(Duration::from_secs)).ttl
        };
        assert_eq!(ttl(None), TTL_DEFAULT);
        assert_eq!(ttl(Some(0)), TTL_MIN);
        assert_eq!(ttl(Some(TTL_MIN.as_secs() + 1)), TTL_MIN + Duration::from_secs(1));
        assert_eq!(ttl(Some(u64::MAX)), TTL_MAX);
    }

    #[tokio::test]
    async fn hubs_are_limited() {
        let hub = |n: usize| format!("h{n}.example").parse().unwrap();
        let keys = PublishedKeys::default();
        let fresh = |_| Kept::new(bytes::Bytes::from_static(b"keys"), None);
        for n in 0..HUBS_MAX {
            *keys.slot(&hub(n)).unwrap().lock().await = Some(fresh(n));
        }
        assert!(keys.slot(&hub(0)).is_some());
        assert!(keys.slot(&hub(HUBS_MAX)).is_none());
        // Young keys stay, whatever the hub says of them; what is stale makes room.
        keys.are_unknown(&hub(0)).await;
        assert!(keys.slot(&hub(0)).unwrap().lock().await.is_some());
        *keys.slot(&hub(0)).unwrap().lock().await = None;
        assert!(keys.slot(&hub(HUBS_MAX)).is_some());
    }
}
