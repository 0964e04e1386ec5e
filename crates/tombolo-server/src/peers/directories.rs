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
/// After a failure the peer is not asked again for this long.
const FAILURE_TTL: Duration = Duration::from_secs(2);
/// Octets of a directory.
const DIRECTORY_OCTETS_MAX: usize = 256 * 1024;
/// Providers whose directories are kept.
const DIRECTORIES_MAX: usize = 16_384;

/// One slot per provider; its lock is held while the directory is fetched, so that many requests
/// lead to one.
#[derive(Debug, Default)]
pub(crate) struct Directories(std::sync::Mutex<HashMap<Domain, Slot>>);

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
    fn slot(&self, peer: &Domain) -> Result<Slot, PeerError> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(peer) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= DIRECTORIES_MAX {
            slots.retain(|_, slot| match slot.try_lock() {
                Ok(kept) => kept.as_ref().is_some_and(Kept::is_fresh),
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
        let slot = self.directories().slot(peer)?;
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
        let answer = self.send(peer, request).await?.success()?;
        let directory = Directory::from_json(&answer.body)
            .map_err(|error| PeerError::BadAnswer(format!("its directory: {error}")))?;
        Ok((directory, answer.max_age.unwrap_or(TTL_DEFAULT).min(TTL_MAX)))
    }
}
