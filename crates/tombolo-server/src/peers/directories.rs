//! The directories of peers, kept as long as they say (PROTO-DIR-1..4, AMB-DIR-5), and with them the
//! client issuers they publish (AMB-ID-1).
//!
//! Nothing here touches a room: members and hubs look issuers up while they hold theirs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use mimi_wire::Domain;
use mimi_wire::protocol::directory::{DIRECTORY_PATH, Directory};
use tokio::sync::Mutex;

use super::{Outgoing, PeerError, Peers};
use crate::clock;
use crate::crowd::makes_way;

/// How long a directory is kept that does not say.
const TTL_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// How long a directory is kept at most, whatever it says.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A directory this young is not fetched again because an endpoint is gone.
const REFETCH_AGE_MIN: Duration = Duration::from_secs(1);
/// After a failure the peer is not asked again for this long.
const FAILURE_TTL: Duration = Duration::from_secs(2);
/// Octets of a directory.
const DIRECTORY_OCTETS_MAX: usize = 256 * 1024;

/// One slot per provider; its lock is held while the directory is fetched, so that many requests
/// lead to one.
#[derive(Debug)]
pub(crate) struct Directories {
    /// Of so many providers.
    known_max: usize,
    slots: std::sync::Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    next_id: u64,
    /// With numbers in the order in which they were made.
    of: HashMap<Domain, (u64, Slot)>,
}

type Slot = Arc<Mutex<Option<Kept>>>;

#[derive(Debug)]
struct Kept {
    outcome: Result<Arc<Directory>, PeerError>,
    fetched: Instant,
    ttl: Duration,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.fetched.elapsed() < self.ttl
    }
}

impl Directories {
    pub(super) fn new(known_max: usize) -> Self {
        Self { known_max, slots: std::sync::Mutex::default() }
    }

    /// A provider's slot. When there are too many, those that are out of date make way, then one of
    /// the others; whoever is at one that made way has its answer all the same.
    fn slot(&self, peer: &Domain) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = slots.of.get(peer) {
            return Arc::clone(slot);
        }
        if slots.of.len() >= self.known_max {
            slots.of.retain(|_, (_, slot)| match slot.try_lock() {
                Ok(kept) => kept.as_ref().is_some_and(Kept::is_fresh),
                Err(_) => true,
            });
        }
        if slots.of.len() >= self.known_max
            && let Some(oldest) = makes_way(slots.of.iter().map(|(domain, (id, _))| (domain, *id)))
        {
            slots.of.remove(&oldest);
        }
        let slot = Slot::default();
        let id = slots.next_id;
        slots.next_id += 1;
        slots.of.insert(peer.clone(), (id, Arc::clone(&slot)));
        slot
    }
}

impl Peers {
    /// A peer's directory, fetched if need be.
    pub(crate) async fn directory(&self, peer: &Domain) -> Result<Arc<Directory>, PeerError> {
        self.allowed(peer)?;
        let slot = self.directories().slot(peer);
        let mut kept = slot.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh()) {
            return kept.outcome.clone();
        }
        self.fetch_into(peer, &mut kept).await
    }

    /// A peer's directory after one of its endpoints was not there: fetched again unless it is too
    /// young to have changed. `None` when there is nothing newer than `known`.
    pub(crate) async fn newer_directory(
        &self,
        peer: &Domain,
        known: &Arc<Directory>,
    ) -> Result<Option<Arc<Directory>>, PeerError> {
        let slot = self.directories().slot(peer);
        let mut kept = slot.lock().await;
        let latest = match kept.as_ref() {
            Some(kept) if kept.fetched.elapsed() < REFETCH_AGE_MIN => kept.outcome.clone()?,
            _ => self.fetch_into(peer, &mut kept).await?,
        };
        Ok((latest != *known).then_some(latest))
    }

    async fn fetch_into(
        &self,
        peer: &Domain,
        kept: &mut Option<Kept>,
    ) -> Result<Arc<Directory>, PeerError> {
        let (outcome, ttl) = match self.fetch_directory(peer).await {
            Ok((directory, ttl)) => (Ok(Arc::new(directory)), ttl),
            Err(error) => (Err(error), FAILURE_TTL),
        };
        if let Ok(directory) = &outcome {
            self.trust_issuers_of(peer, directory);
        }
        *kept = Some(Kept { outcome: outcome.clone(), fetched: clock::monotonic(), ttl });
        outcome
    }

    async fn fetch_directory(&self, peer: &Domain) -> Result<(Directory, Duration), PeerError> {
        let request = Outgoing {
            endpoint: "directory",
            method: Method::GET,
            url: format!("https://{peer}{DIRECTORY_PATH}"),
            body: Bytes::new(),
            answer_octets_max: DIRECTORY_OCTETS_MAX,
        };
        // Its own time: whoever needs the directory waits for it before anything else.
        let time_max = Duration::from_millis(self.limits.directory_ms_max);
        let answer = tokio::time::timeout(time_max, self.send(peer, request)).await;
        let late = |_| PeerError::NoAnswer("no directory in time".to_owned());
        let answer = answer.map_err(late)??.success()?;
        let directory = Directory::from_json(&answer.body)
            .map_err(|error| PeerError::BadAnswer(format!("its directory: {error}")))?;
        Ok((directory, answer.max_age.unwrap_or(TTL_DEFAULT).min(TTL_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// n and n + 1: the one that is known longest, of the family with the most, makes way; nothing is
    /// refused.
    #[test]
    fn so_many_directories_are_kept() {
        let directories = Directories::new(3);
        let domain = |name: &str| Domain::new(name).unwrap();
        let known = || {
            let slots = directories.slots.lock().unwrap();
            let mut known: Vec<_> = slots.of.keys().map(|it| it.as_str().to_owned()).collect();
            known.sort();
            known
        };
        // A slot that is in use is not out of date.
        let slots: Vec<_> = ["a.example", "x.evil.test", "y.evil.test"]
            .iter()
            .map(|name| directories.slot(&domain(name)))
            .collect();
        let _in_use: Vec<_> = slots.iter().map(|slot| slot.try_lock().unwrap()).collect();
        assert_eq!(known(), ["a.example", "x.evil.test", "y.evil.test"]);
        let _ = directories.slot(&domain("a.example"));
        assert_eq!(known().len(), 3);
        let _ = directories.slot(&domain("b.example"));
        assert_eq!(known(), ["a.example", "b.example", "y.evil.test"]);
    }
}
