//! The directories of peers, kept as long as they say (PROTO-DIR-1..4, AMB-DIR-5), and with them the
//! client issuers they publish (AMB-ID-1).
//!
//! Nothing here touches a room: members and hubs look issuers up while they hold theirs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use mimi_wire::Domain;
use mimi_wire::protocol::directory::{DIRECTORY_PATH, Directory};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Outgoing, PeerError, Peers};
use crate::clock;
use crate::crowd::makes_way;

/// How long a directory is kept that does not say.
const TTL_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// How long a directory is kept at most, whatever it says.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A directory this young is not fetched again because an endpoint is gone.
const REFETCH_AGE_MIN: Duration = Duration::from_secs(1);
/// A peer that does not answer is mostly just away: its directory is looked at again less often.
const REFETCH_AGE_MIN_AWAY: Duration = Duration::from_secs(5);
/// After a failure the peer is not asked again for this long.
const FAILURE_TTL: Duration = Duration::from_secs(2);
/// A directory whose time is over is used for so much longer while no newer one can be had.
const OVERDUE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
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

type Slot = Arc<Mutex<Kept>>;

/// What is known of one provider's directory.
#[derive(Debug, Default)]
struct Kept {
    latest: Option<Latest>,
    /// Why it could not be fetched the last time, and when that was.
    failure: Option<(PeerError, Instant)>,
}

#[derive(Debug)]
struct Latest {
    directory: Arc<Directory>,
    fetched: Instant,
    ttl: Duration,
}

/// Why a directory may be out of date.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Suspicion {
    /// An endpoint is not where it says.
    EndpointGone,
    /// Nobody answers there.
    NoAnswer,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.latest.as_ref().is_some_and(|latest| latest.fetched.elapsed() < latest.ttl)
    }

    /// Whether it is of any use, or has failed lately and so saves a fetch.
    fn is_worth_keeping(&self) -> bool {
        self.is_fresh() || self.failed_within(FAILURE_TTL).is_some()
    }

    fn failed_within(&self, ttl: Duration) -> Option<&PeerError> {
        self.failure.as_ref().filter(|(_, at)| at.elapsed() < ttl).map(|(error, _)| error)
    }

    /// The directory, as long as it may be used while no newer one can be had.
    fn overdue(&self) -> Option<Arc<Directory>> {
        let latest = self.latest.as_ref()?;
        let usable = latest.ttl + OVERDUE_MAX;
        (latest.fetched.elapsed() < usable).then(|| Arc::clone(&latest.directory))
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
                Ok(kept) => kept.is_worth_keeping(),
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
        if let Some(latest) = kept.latest.as_ref().filter(|_| kept.is_fresh()) {
            return Ok(Arc::clone(&latest.directory));
        }
        let outcome = match kept.failed_within(FAILURE_TTL) {
            Some(error) => Err(error.clone()),
            None => self.fetch_into(peer, &mut kept).await,
        };
        outcome.or_else(|error| kept.overdue().ok_or(error))
    }

    /// A peer's directory after `known` was of no use: fetched again unless that was done lately.
    /// `None` when there is nothing newer.
    pub(crate) async fn newer_directory(
        &self,
        peer: &Domain,
        known: &Arc<Directory>,
        suspicion: Suspicion,
    ) -> Option<Arc<Directory>> {
        let age_min = match suspicion {
            Suspicion::EndpointGone => REFETCH_AGE_MIN,
            Suspicion::NoAnswer => REFETCH_AGE_MIN_AWAY,
        };
        let slot = self.directories().slot(peer);
        let mut kept = slot.lock().await;
        let is_young =
            kept.latest.as_ref().is_some_and(|latest| latest.fetched.elapsed() < age_min);
        let latest = match is_young || kept.failed_within(age_min).is_some() {
            true => kept.overdue()?,
            false => self.fetch_into(peer, &mut kept).await.ok()?,
        };
        (latest != *known).then_some(latest)
    }

    /// A failure leaves what is known as it is.
    async fn fetch_into(
        &self,
        peer: &Domain,
        kept: &mut Kept,
    ) -> Result<Arc<Directory>, PeerError> {
        match self.fetch_directory(peer).await {
            Ok((directory, ttl)) => {
                self.trust_issuers_of(peer, &directory);
                let directory = Arc::new(directory);
                let fetched = clock::monotonic();
                kept.latest = Some(Latest { directory: Arc::clone(&directory), fetched, ttl });
                kept.failure = None;
                Ok(directory)
            }
            Err(error) => {
                kept.failure = Some((error.clone(), clock::monotonic()));
                Err(error)
            }
        }
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
