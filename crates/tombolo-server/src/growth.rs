//! How much others make us keep for good: octets in the logs of rooms, and rooms to follow.
//!
//! A log is never shortened, so what is bounded is how fast it grows. Each peer has a share of its own,
//! and each device; of that, any one room gets a part only. There is no bound for all who write into a
//! room together: whoever writes most would keep the others, its moderators among them, from it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mimi_provider::requester::Requester;
use mimi_provider::{Change, Reject};
use mimi_wire::{Domain, MimiUri};

use crate::budgets::Budgets;
use crate::config::{LogLimits, RoomLimits};
use crate::working::Worker;

/// Budgets count in these.
const UNIT_OCTETS: u64 = 1024;
const UNITS_IN_MIB: u32 = 1024;

/// Who has added how much lately.
#[derive(Debug)]
pub(crate) struct Growth(Mutex<Added>);

/// The logs' budgets run by microseconds, the rooms' by milliseconds.
#[derive(Debug)]
struct Added {
    peers: Budgets<Worker>,
    devices: Budgets<Worker>,
    in_rooms: Budgets<(MimiUri, Worker)>,
    followed: Budgets<Domain>,
}

impl Growth {
    pub(crate) fn new(logs: &LogLimits, rooms: &RoomLimits) -> Self {
        Self(Mutex::new(Added {
            peers: of_mib(logs.peer_mib_max, logs.peer_mib_refill_ms),
            devices: of_mib(logs.device_mib_max, logs.device_mib_refill_ms),
            in_rooms: of_mib(logs.room_mib_max, logs.room_mib_refill_ms),
            followed: Budgets::new(rooms.followings_per_peer_max, rooms.following_refill_ms),
        }))
    }

    fn added(&self) -> MutexGuard<'_, Added> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody may add to a room's log. What is left may be exceeded once, by what is being
    /// decided on: how large it is shows only then.
    pub(crate) fn check(
        &self,
        requester: &Requester,
        room: &MimiUri,
        now_ms: u64,
    ) -> Result<(), Reject> {
        let (worker, now_us) = (Worker::of(requester), now_ms * 1_000);
        let added = self.added();
        let own_us = added.own(&worker).wait_ms(&worker, now_us);
        let here_us = added.in_rooms.wait_ms(&(room.clone(), worker), now_us);
        match own_us.max(here_us) {
            0 => Ok(()),
            wait_us => Err(Reject::TooMuch { after_s: wait_us.div_ceil(1_000_000) }),
        }
    }

    /// Counts what has been decided to be added.
    pub(crate) fn add(
        &self,
        requester: &Requester,
        room: &MimiUri,
        changes: &[Change],
        now_ms: u64,
    ) {
        let units = units_of(changes);
        if units == 0 {
            return;
        }
        let (worker, now_us) = (Worker::of(requester), now_ms * 1_000);
        let mut added = self.added();
        added.own_mut(&worker).take_many(worker.clone(), units, now_us);
        added.in_rooms.take_many((room.clone(), worker), units, now_us);
    }

    /// Takes one more room to follow for a hub, if it has one left. What fails afterwards counts as
    /// well: it is as much work.
    pub(crate) fn follow(&self, hub: &Domain, now_ms: u64) -> Result<(), Reject> {
        let mut added = self.added();
        match added.followed.wait_ms(hub, now_ms) {
            0 => {
                added.followed.take(hub.clone(), now_ms);
                Ok(())
            }
            wait_ms => Err(Reject::TooMuch { after_s: wait_ms.div_ceil(1_000) }),
        }
    }
}

impl Added {
    fn own(&self, worker: &Worker) -> &Budgets<Worker> {
        match worker {
            Worker::Peer(_) => &self.peers,
            Worker::Device(_) => &self.devices,
        }
    }

    fn own_mut(&mut self, worker: &Worker) -> &mut Budgets<Worker> {
        match worker {
            Worker::Peer(_) => &mut self.peers,
            Worker::Device(_) => &mut self.devices,
        }
    }
}

/// So many mebibytes in a row, counted in smaller units.
fn of_mib<K: Ord>(mib: u32, refill_ms: u64) -> Budgets<K> {
    let refill_us = refill_ms * 1_000 / u64::from(UNITS_IN_MIB);
    Budgets::new(mib.saturating_mul(UNITS_IN_MIB), refill_us)
}

/// What entries take in a log, but for what is the same for all.
fn units_of(changes: &[Change]) -> u32 {
    let octets = changes.iter().map(|change| match change {
        Change::Append(event) => event.payload.len() + event.detail.len(),
        _ => 0,
    });
    let octets = octets.sum::<usize>() as u64;
    u32::try_from(octets.div_ceil(UNIT_OCTETS)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
