//! Who may have a connection. Nobody is known before the first request that proves a peer or a device,
//! so connections without proof are few, shared between networks, and make way for one another; those
//! with proof are counted by who has proven itself.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mimi_wire::{Domain, MimiUri};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budgets::Budgets;
use crate::clock;
use crate::config::{ConnectionLimits, RequestLimits};
use crate::shares::{Share, Shares};

/// Octets of a body that are as much work as a request.
const OCTETS_OF_A_REQUEST: usize = 64 * 1024;

/// Who has proven itself on a connection.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Holder {
    /// Another provider, by its certificate.
    Peer(Domain),
    /// A device of ours, by its token.
    Device(MimiUri),
}

/// The doors of one listener.
#[derive(Debug)]
pub(super) struct Admission {
    limits: ConnectionLimits,
    began: Instant,
    openings: Mutex<Budgets<IpAddr>>,
    unproven: Mutex<Unproven>,
    peers: Shares<Holder>,
    devices: Shares<Holder>,
    paces: Mutex<Paces>,
    refusal_pause: Duration,
}

/// How fast requests come, in microseconds.
#[derive(Debug)]
struct Paces {
    peers: Budgets<Holder>,
    devices: Budgets<Holder>,
    unproven: Budgets<IpAddr>,
}

/// Connections without proof, the oldest of each network first.
#[derive(Debug, Default)]
struct Unproven {
    next_id: u64,
    count: usize,
    networks: HashMap<IpAddr, BTreeMap<u64, Arc<Notify>>>,
}

/// What a connection is to us. Cheap to clone; the connection's place is free once all are gone.
#[derive(Clone, Debug)]
pub(crate) struct Standing(Arc<Place>);

#[derive(Debug)]
struct Place {
    admission: Arc<Admission>,
    id: u64,
    network: IpAddr,
    evicted: Arc<Notify>,
    proven: OnceLock<Share<Holder>>,
}

/// Whoever has one IPv6 address has a whole /64 of them.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        address => address,
    }
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits, requests: &RequestLimits) -> Arc<Self> {
        let paces = Paces {
            peers: Budgets::new(requests.peer_burst_max, requests.peer_refill_us),
            devices: Budgets::new(requests.device_burst_max, requests.device_refill_us),
            unproven: Budgets::new(requests.unproven_burst_max, requests.unproven_refill_us),
        };
        let openings = Budgets::new(limits.openings_per_network_max, limits.opening_refill_ms);
        Arc::new(Self {
            limits,
            began: clock::monotonic(),
            openings: Mutex::new(openings),
            unproven: Mutex::default(),
            peers: Shares::new(limits.per_peer_max),
            devices: Shares::new(limits.per_device_max),
            paces: Mutex::new(paces),
            refusal_pause: Duration::from_millis(requests.refusal_pause_ms),
        })
    }

    /// A place for a new connection, or why there is none. Nothing can be answered before the TLS
    /// handshake, which is what the limit is to save.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Standing, &'static str> {
        let network = network(address);
        self.open(network)?;
        let mut unproven = self.unproven();
        let own = unproven.networks.get(&network).map_or(0, BTreeMap::len);
        if own >= self.limits.unproven_per_network_max {
            return Err("too many connections of one network have proven nothing");
        }
        if unproven.count >= self.limits.unproven_max && !unproven.evict_for(own) {
            return Err("too many connections have proven nothing");
        }
        let (id, evicted) = unproven.add(network);
        drop(unproven);
        let proven = OnceLock::new();
        Ok(Standing(Arc::new(Place { admission: Arc::clone(self), id, network, evicted, proven })))
    }

    fn open(&self, network: IpAddr) -> Result<(), &'static str> {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut openings = self.openings.lock().unwrap_or_else(PoisonError::into_inner);
        if openings.wait_ms(&network, now_ms) > 0 {
            return Err("one network opens connections too fast");
        }
        openings.take(network, now_ms);
        Ok(())
    }

    fn unproven(&self) -> MutexGuard<'_, Unproven> {
        self.unproven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unproven {
    fn add(&mut self, network: IpAddr) -> (u64, Arc<Notify>) {
        let (id, evicted) = (self.next_id, Arc::new(Notify::new()));
        self.next_id += 1;
        self.count += 1;
        self.networks.entry(network).or_default().insert(id, Arc::clone(&evicted));
        (id, evicted)
    }

    fn remove(&mut self, network: IpAddr, id: u64) {
        let Some(own) = self.networks.get_mut(&network) else { return };
        if own.remove(&id).is_some() {
            self.count -= 1;
        }
        if own.is_empty() {
            self.networks.remove(&network);
        }
    }

    /// Makes way for a network that has `own`: the one with the most loses its oldest, if it would
    /// still have no fewer then.
    fn evict_for(&mut self, own: usize) -> bool {
        let largest = self.networks.iter().max_by_key(|(_, ids)| ids.len());
        let Some((&network, ids)) = largest.filter(|(_, ids)| ids.len() > own) else {
            return false;
        };
        let Some((&id, evicted)) = ids.first_key_value() else { return false };
        evicted.notify_one();
        self.remove(network, id);
        true
    }
}

impl Standing {
    /// The network of the other end.
    pub(crate) fn network(&self) -> IpAddr {
        self.0.network
    }

    /// Somebody has proven itself on this connection, which is theirs from now on; false if they have
    /// as many as they may. The first one counts.
    pub(crate) fn prove(&self, holder: Holder) -> bool {
        let Place { admission, id, network, proven, .. } = &*self.0;
        if proven.get().is_some() {
            return true;
        }
        let shares = match holder {
            Holder::Peer(_) => &admission.peers,
            Holder::Device(_) => &admission.devices,
        };
        let Some(share) = shares.take(&holder) else { return false };
        // Two requests may prove it at once; the second share is given back.
        let _ = proven.set(share);
        admission.unproven().remove(*network, *id);
        true
    }

    /// Who has.
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.0.proven.get().map(|share| share.holder().clone())
    }

    /// Whether somebody has.
    pub(crate) fn is_proven(&self) -> bool {
        self.0.proven.get().is_some()
    }

    /// One more request on this connection, or in how many seconds there may be one.
    pub(crate) fn pace(&self) -> Result<(), u64> {
        self.with_pace(|wait_us| match wait_us {
            0 => (1, Ok(())),
            wait_us => (0, Err(wait_us.div_ceil(1_000_000))),
        })
    }

    /// A body of so many octets came with it.
    pub(crate) fn carried(&self, octets: usize) {
        let count = u32::try_from(octets / OCTETS_OF_A_REQUEST).unwrap_or(u32::MAX);
        self.with_pace(|_| (count, ()));
    }

    /// Whoever asks for too much waits before it hears so: else it would ask again at once, and
    /// refusing would be all that is done here.
    pub(crate) async fn pause(&self) {
        tokio::time::sleep(self.0.admission.refusal_pause).await;
    }

    /// Takes as many from the budget as `count` says, which is told the wait for one.
    fn with_pace<T>(&self, count: impl FnOnce(u64) -> (u32, T)) -> T {
        let Place { admission, network, proven, .. } = &*self.0;
        let now_us = u64::try_from(admission.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut paces = admission.paces.lock().unwrap_or_else(PoisonError::into_inner);
        match proven.get().map(Share::holder) {
            None => paces.unproven.spend(network, now_us, count),
            Some(holder @ Holder::Peer(_)) => paces.peers.spend(holder, now_us, count),
            Some(holder @ Holder::Device(_)) => paces.devices.spend(holder, now_us, count),
        }
    }

    /// Resolves when the connection has to make way.
    pub(super) async fn evicted(&self) {
        self.0.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.unproven().remove(self.network, self.id);
    }
}

#[cfg(test)]
mod tests;
