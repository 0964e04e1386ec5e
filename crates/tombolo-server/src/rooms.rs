//! Hot rooms: those of recent use are kept in memory, derived from snapshot and log.
//!
//! A room is used under its own lock. What a decision appends is followed in memory and queued for
//! storage in one step, so that memory and log have one order; the lock is not held while the disk
//! writes. Should a write fail, the room in memory is dropped and derived anew.

mod dependent;
mod evict;
mod follower_room;
mod found_room;
mod foundings;
mod hub_room;
mod slots;

use std::sync::Arc;

use mimi_provider::Reject;
use mimi_wire::MimiUri;

pub(crate) use dependent::{follow_all, follow_parent, keep_inside_parent, view_of};
pub(crate) use evict::{Proposed, evict, has_died, list_changes};
pub(crate) use follower_room::{FollowerLock, FollowerRoom, follow};
pub(crate) use found_room::{found_room, place_for_a_room};
pub(crate) use foundings::Foundings;
pub(crate) use hub_room::{HubLock, HubRoom};
use slots::Slots;

use crate::config::RoomLimits;
use crate::provider::Provider;

/// Entries of a log read at once.
const LOG_PAGE: usize = 256;

/// All hot rooms.
#[derive(Debug)]
pub(crate) struct Rooms {
    hubs: Slots<HubRoom>,
    followers: Slots<FollowerRoom>,
}

impl Rooms {
    /// Of each kind so many are kept, and so many octets of them.
    pub(crate) fn new(limits: &RoomLimits) -> Self {
        let RoomLimits { hot_max, hot_mib_max, .. } = *limits;
        let octets_max = hot_mib_max * 1024 * 1024;
        Self { hubs: Slots::new(hot_max, octets_max), followers: Slots::new(hot_max, octets_max) }
    }

    /// A room hosted here, locked.
    pub(crate) async fn hub(
        &self,
        provider: &Arc<Provider>,
        room: &MimiUri,
    ) -> Result<HubLock, Reject> {
        let unknown = || Reject::Unknown(format!("there is no room {room} here"));
        if room.domain() != provider.domain {
            return Err(unknown()); // ID-URI-4
        }
        let mut locked = self.hubs.lock(provider, room).await;
        if locked.is_empty() {
            match HubRoom::load(provider, room).await? {
                Some(loaded) => {
                    provider.proxy.rooms.learn(loaded.group.view());
                    locked.put(loaded);
                }
                None => return Err(unknown()),
            }
        }
        let hub = HubLock::new(locked);
        // POLICY-BASE-7, AMB-PL-8: it died with its group.
        if has_died(&hub) { Err(unknown()) } else { Ok(hub) }
    }

    /// A room hosted elsewhere, locked, whether we know it or not.
    pub(crate) async fn follower(
        &self,
        provider: &Arc<Provider>,
        room: &MimiUri,
    ) -> Result<FollowerLock, Reject> {
        let mut locked = self.followers.lock(provider, room).await;
        if locked.is_empty()
            && let Some(loaded) = FollowerRoom::load(provider, room).await?
        {
            locked.put(loaded);
        }
        Ok(FollowerLock::new(locked))
    }

    /// Writes a snapshot of every room that has changed since its last, and waits until they are
    /// durable. At shutdown, when nothing else uses the rooms any more.
    pub(crate) async fn save_all(&self, provider: &Arc<Provider>) {
        let mut snapshots = self.hubs.snapshots().await;
        snapshots.extend(self.followers.snapshots().await);
        let queued: Vec<_> =
            snapshots.into_iter().map(|snapshot| snapshot.enqueue(provider)).collect();
        for written in queued {
            if let Err(error) = written.durable().await {
                tracing::warn!(%error, "a room's snapshot is not written; its log is");
            }
        }
    }
}
