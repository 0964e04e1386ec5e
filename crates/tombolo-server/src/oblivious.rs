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

use crate::config::ObliviousLimits;
use crate::http_error::HttpError;
use crate::shares::{Share, Shares};
use published_keys::PublishedKeys;

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

impl Oblivious {
    pub(crate) fn new(limits: &ObliviousLimits) -> Self {
        Self {
            answered: Arc::new(Semaphore::new(limits.answered_max)),
            answered_of_peer: Shares::new(limits.answered_per_provider_max),
            relayed: Arc::new(Semaphore::new(limits.relayed_max)),
            relayed_of_user: Shares::new(limits.relayed_per_user_max),
            keys: PublishedKeys::default(),
        }
    }

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
    let share = shares.take(of).ok_or(HttpError::TooMany(RETRY_AFTER_S))?;
    let permit = Arc::clone(all).try_acquire_owned();
    let permit = permit.map_err(|_| HttpError::Overloaded(RETRY_AFTER_S))?;
    Ok((permit, share))
}

#[cfg(test)]
mod tests {
    use super::{Oblivious, RETRY_AFTER_S};
    use crate::config::ObliviousLimits;
    use crate::http_error::HttpError;

    /// Each limit at n and n + 1; a place that is given back is there again.
    #[test]
    fn oblivious_downloads_at_once_are_limited() {
        let limits = ObliviousLimits {
            answered_max: 5,
            answered_per_provider_max: 3,
            relayed_max: 4,
            relayed_per_user_max: 2,
        };
        let oblivious = Oblivious::new(&limits);
        let peer = |n: usize| format!("p{n}.example").parse().unwrap();
        let user = |n: usize| format!("mimi://a.example/u/{n}").parse().unwrap();
        let too_many = HttpError::TooMany(RETRY_AFTER_S);
        let overloaded = HttpError::Overloaded(RETRY_AFTER_S);
        let mut places: Vec<_> =
            (0..3).map(|_| oblivious.place_of_peer(&peer(0)).unwrap()).collect();
        assert_eq!(oblivious.place_of_peer(&peer(0)).unwrap_err(), too_many);
        places.extend((1..3).map(|n| oblivious.place_of_peer(&peer(n)).unwrap()));
        assert_eq!(oblivious.place_of_peer(&peer(3)).unwrap_err(), overloaded);
        places.pop();
        places.push(oblivious.place_of_peer(&peer(3)).unwrap());
        let mut places: Vec<_> =
            (0..2).map(|_| oblivious.place_of_user(&user(0)).unwrap()).collect();
        assert_eq!(oblivious.place_of_user(&user(0)).unwrap_err(), too_many);
        places.extend((1..3).map(|n| oblivious.place_of_user(&user(n)).unwrap()));
        assert_eq!(oblivious.place_of_user(&user(3)).unwrap_err(), overloaded);
    }
}
