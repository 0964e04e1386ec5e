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
/// Providers whose directories are kept.
const DIRECTORIES_MAX: usize = 16_384;

/// One slot per provider; its lock is held while the directory is fetched, so that many requests
/// lead to one.
#[derive(Debug, Default)]
pub(crate) struct Directories(std::sync::Mutex<HashMap<Domain, Slot>>);

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
    fn slot(&self, peer: &Domain) -> Result<Slot, PeerError> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(peer) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= DIRECTORIES_MAX {
            slots.retain(|_, slot| match slot.try_lock() {
                Ok(kept) => kept.is_worth_keeping(),
                Err(_) => true,
            });
        }
        if slots.len() >= DIRECTORIES_MAX {
            return Err(PeerError::Setup("too many providers are known".to_owned()));
        }
        let slot = Slot::default();
        slots.insert(peer.clone(), Arc::clone(&slot));
        Ok(slot)
    }
}

impl Peers {
    /// A peer's directory, fetched if need be.
    pub(crate) async fn directory(&self, peer: &Domain) -> Result<Arc<Directory>, PeerError> {
        self.allowed(peer)?;
        let slot = self.directories().slot(peer)?;
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
        let slot = self.directories().slot(peer).ok()?;
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
        let answer = self.send(peer, request).await?.success()?;
        let directory = Directory::from_json(&answer.body)
            .map_err(|error| PeerError::BadAnswer(format!("its directory: {error}")))?;
        Ok((directory, answer.max_age.unwrap_or(TTL_DEFAULT).min(TTL_MAX)))
    }
}
