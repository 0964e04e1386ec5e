//! Downloads of assets by Oblivious HTTP (protocol section 5.10.3, RFC 9458).
//!
//! As the hub we are the gateway ([`gateway`]): we learn what is fetched, and of who fetches no more
//! than the provider. As a follower we are the relay ([`relay`]) of our own people: we learn who
//! fetches, and of what no more than from which hub and about how much. Neither is of use for anything
//! but assets of peers, and nothing a client says about itself is passed on.

pub(crate) mod gateway;
mod published_keys;
pub(crate) mod relay;

use std::sync::Arc;

use mimi_wire::{Domain, MimiUri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http_error::HttpError;
use crate::shares::{Share, Shares};
use published_keys::PublishedKeys;

/// Requests that our gateway answers at once: each holds the asset, or a part of it, in memory.
pub(crate) const GATEWAY_REQUESTS_MAX: usize = 64;
/// Of them, of one relay.
pub(crate) const GATEWAY_REQUESTS_PER_PEER_MAX: usize = 16;
/// Requests that we relay at once, for all of our own people.
pub(crate) const RELAYED_MAX: usize = 64;
/// Of them, for one user.
pub(crate) const RELAYED_PER_USER_MAX: usize = 8;
/// Seconds after which further ones may come back.
const RETRY_AFTER_S: u64 = 2;

/// What oblivious downloads share.
#[derive(Debug)]
pub(crate) struct Oblivious {
    answered: Arc<Semaphore>,
    answered_of_peer: Shares<Domain>,
    relayed: Arc<Semaphore>,
    relayed_of_user: Shares<MimiUri>,
    keys: PublishedKeys,
}

impl Default for Oblivious {
    fn default() -> Self {
        Self {
            answered: Arc::new(Semaphore::new(GATEWAY_REQUESTS_MAX)),
            answered_of_peer: Shares::new(GATEWAY_REQUESTS_PER_PEER_MAX),
            relayed: Arc::new(Semaphore::new(RELAYED_MAX)),
            relayed_of_user: Shares::new(RELAYED_PER_USER_MAX),
            keys: PublishedKeys::default(),
        }
    }
}

impl Oblivious {
    fn place_of_peer(
        &self,
        peer: &Domain,
    ) -> Result<(OwnedSemaphorePermit, Share<Domain>), HttpError> {
        place(&self.answered, &self.answered_of_peer, peer)
    }

    fn place_of_user(
        &self,
        user: &MimiUri,
    ) -> Result<(OwnedSemaphorePermit, Share<MimiUri>), HttpError> {
        place(&self.relayed, &self.relayed_of_user, user)
    }
}

fn place<K: Clone + Eq + std::hash::Hash>(
    all: &Arc<Semaphore>,
    shares: &Shares<K>,
    of: &K,
) -> Result<(OwnedSemaphorePermit, Share<K>), HttpError> {
    let too_many = || HttpError::TooMany(RETRY_AFTER_S);
    let share = shares.take(of).ok_or_else(too_many)?;
    let permit = Arc::clone(all).try_acquire_owned().map_err(|_| too_many())?;
    Ok((permit, share))
}

#[cfg(test)]
mod tests {
    use super::{GATEWAY_REQUESTS_MAX, GATEWAY_REQUESTS_PER_PEER_MAX, Oblivious, RELAYED_MAX};
    use super::{RELAYED_PER_USER_MAX, RETRY_AFTER_S};
    use crate::http_error::HttpError;

    const TOO_MANY: HttpError = HttpError::TooMany(RETRY_AFTER_S);

    /// Each limit at n and n + 1; a place that is given back is there again.
    #[test]
    fn places_are_limited() {
        let oblivious = Oblivious::default();
        let peer = |n: usize| format!("p{n}.example").parse().unwrap();
        let user = |n: usize| format!("mimi://a.example/u/{n}").parse().unwrap();
        let mut places: Vec<_> = (0..GATEWAY_REQUESTS_PER_PEER_MAX)
            .map(|_| oblivious.place_of_peer(&peer(0)).unwrap())
            .collect();
        assert_eq!(oblivious.place_of_peer(&peer(0)).unwrap_err(), TOO_MANY);
        for n in GATEWAY_REQUESTS_PER_PEER_MAX..GATEWAY_REQUESTS_MAX {
            places.push(oblivious.place_of_peer(&peer(n)).unwrap());
        }
        assert_eq!(oblivious.place_of_peer(&peer(1)).unwrap_err(), TOO_MANY);
        places.pop();
        places.push(oblivious.place_of_peer(&peer(1)).unwrap());
        let mut places: Vec<_> =
            (0..RELAYED_PER_USER_MAX).map(|_| oblivious.place_of_user(&user(0)).unwrap()).collect();
        assert_eq!(oblivious.place_of_user(&user(0)).unwrap_err(), TOO_MANY);
        for n in RELAYED_PER_USER_MAX..RELAYED_MAX {
            places.push(oblivious.place_of_user(&user(n)).unwrap());
        }
        assert_eq!(oblivious.place_of_user(&user(1)).unwrap_err(), TOO_MANY);
    }
}
