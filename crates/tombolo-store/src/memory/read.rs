//! Reads of the store in memory.

use std::collections::{BTreeMap, BTreeSet};

use mimi_provider::record::{
    ConsentCounts, ConsentRecord, ConsentRequest, DeviceRecord, EventKind, FollowerCursor,
    LogHistory, LoggedEvent, NewEvent, RoomKind, Seq, StoredArrival, StoredKeyPackage,
    StoredRemoval, StoredRoom, SuiteStock,
};
use mimi_wire::{Domain, MimiUri};

use super::state::{KeptKeyPackage, PeerCursor, State};
use crate::CLIENT_PAGE_OCTETS;
use crate::FollowerBatch;

impl State {
    pub(super) fn device_by_token(&self, token_sha256: &[u8; 32]) -> Option<DeviceRecord> {
        self.devices.get(self.tokens.get(token_sha256)?).cloned()
    }

    pub(super) fn devices_of(&self, user: &MimiUri) -> Vec<DeviceRecord> {
        let mut devices: Vec<_> =
            self.devices.values().filter(|device| device.user == *user).cloned().collect();
        devices.sort_by(|left, right| {
            (left.created_ms, &left.client).cmp(&(right.created_ms, &right.client))
        });
        devices
    }

    pub(super) fn stock(
        &self,
        client: &MimiUri,
        now_ms: u64,
    ) -> impl Iterator<Item = &StoredKeyPackage> {
        self.key_packages.values().filter_map(move |kept| match kept {
            // PROTO-KM-11.
            KeptKeyPackage::InStock(package)
                if package.client == *client && package.not_after_ms > now_ms =>
            {
                Some(package)
            }
            _ => None,
        })
    }

    pub(super) fn key_package_owner(&self, reference: &[u8]) -> Option<MimiUri> {
        let place = self.references.get(reference)?;
        self.key_packages.get(place).map(|kept| kept.client().clone())
    }

    pub(super) fn consents_about(
        &self,
        target: &MimiUri,
        requester: &MimiUri,
    ) -> Vec<ConsentRecord> {
        self.consents
            .range((target.clone(), requester.clone(), None)..)
            .take_while(|((of, about, _), _)| of == target && about == requester)
            .map(|(_, record)| record.clone())
            .collect()
    }

    pub(super) fn consent_requests_to(&self, target: &MimiUri) -> Vec<ConsentRequest> {
        let mut requests: Vec<_> = self
            .consent_requests
            .range((target.clone(), None, None)..)
            .take_while(|((to, _, _), _)| to == target)
            .map(|(_, request)| request.clone())
            .collect();
        // Stable: requests of one moment stay in the order of requester and room.
        requests.sort_by_key(|request| request.requested_ms);
        requests
    }

    pub(super) fn suite_stock(&self, client: &MimiUri, now_ms: u64) -> Vec<SuiteStock> {
        let mut counts = BTreeMap::new();
        for package in self.stock(client, now_ms) {
            *counts.entry(package.ciphersuite).or_insert(0) += 1;
        }
        let stock = |(ciphersuite, count)| SuiteStock { ciphersuite, count };
        counts.into_iter().map(stock).collect()
    }

    pub(super) fn consents_of(&self, target: &MimiUri) -> Vec<ConsentRecord> {
        let of_target = self.consents.iter().filter(|(key, _)| key.0 == *target);
        of_target.map(|(_, record)| record.clone()).collect()
    }

    pub(super) fn consent_counts(&self, user: &MimiUri) -> ConsentCounts {
        let mut counts = ConsentCounts::default();
        for (target, requester, _) in self.consents.keys() {
            counts.decided += u64::from(target == user);
            counts.about += u64::from(requester == user);
        }
        counts
    }

    pub(super) fn consent_asked(&self, requester: &MimiUri) -> Vec<ConsentRequest> {
        let mut asked: Vec<_> = self
            .consent_asked
            .range((requester.clone(), None, None)..)
            .take_while(|((of, _, _), _)| of == requester)
            .map(|(_, asked)| asked.clone())
            .collect();
        asked.sort_by_key(|asked| asked.requested_ms);
        asked
    }

    pub(super) fn arrivals(&self, limit: usize) -> Vec<StoredArrival> {
        let stored =
            |(id, arrival): (&u64, &_)| StoredArrival { id: *id, arrival: Clone::clone(arrival) };
        self.arrivals.iter().take(limit).map(stored).collect()
    }

    pub(super) fn owed_removals(&self, after_id: u64, limit: usize) -> Vec<StoredRemoval> {
        let later = self.removals.range(after_id.saturating_add(1)..);
        let stored = |(id, owed): (&u64, &_)| StoredRemoval { id: *id, owed: Clone::clone(owed) };
        later.take(limit).map(stored).collect()
    }

    pub(super) fn room(&self, room: &MimiUri) -> Option<StoredRoom> {
        let kept = self.rooms.get(room)?;
        Some(StoredRoom {
            room: room.clone(),
            kind: kept.kind,
            snapshot: kept.snapshot.clone(),
            snapshot_seq: kept.snapshot_seq,
            last_seq: self.last_seq(room),
        })
    }

    pub(super) fn hosted_rooms(&self) -> Vec<MimiUri> {
        let hosted = self.rooms.iter().filter(|(_, kept)| kept.kind == RoomKind::Hub);
        hosted.map(|(room, _)| room.clone()).collect()
    }

    pub(super) fn dependent_rooms(&self, parent: &MimiUri) -> Vec<MimiUri> {
        let dependent = self.parents.iter().filter(|(_, of)| *of == parent);
        dependent.map(|(room, _)| room.clone()).collect()
    }

    pub(super) fn parent_rooms(&self) -> Vec<MimiUri> {
        let parents: BTreeSet<MimiUri> = self.parents.values().cloned().collect();
        parents.into_iter().collect()
    }

    pub(super) fn rooms_of(&self, client: &MimiUri) -> Vec<MimiUri> {
        let concerns = |who: &MimiUri| {
            who == client || self.devices.get(who).is_some_and(|device| device.user == *client)
        };
        let mut rooms: Vec<_> = self
            .memberships
            .keys()
            .filter(|(_, who)| who.as_ref().is_some_and(concerns))
            .filter(|(stream, _)| self.rooms.contains_key(stream))
            .map(|(stream, _)| stream.clone())
            .collect();
        rooms.dedup();
        rooms
    }

    pub(super) fn last_seq(&self, stream: &MimiUri) -> Seq {
        self.positions
            .range((stream.clone(), 0)..=(stream.clone(), Seq::MAX))
            .next_back()
            .map_or(0, |((_, seq), _)| *seq)
    }

    pub(super) fn last_id(&self) -> u64 {
        self.events.last_key_value().map_or(0, |(id, _)| *id)
    }

    pub(super) fn entries(
        &self,
        stream: &MimiUri,
        after: Seq,
    ) -> impl Iterator<Item = LoggedEvent> {
        self.positions
            .range((stream.clone(), after)..=(stream.clone(), Seq::MAX))
            .filter(move |((_, seq), _)| *seq > after)
            .filter_map(|(_, id)| {
                Some(LoggedEvent { id: *id, event: self.events.get(id)?.clone() })
            })
    }

    pub(super) fn client_events(
        &self,
        client: &MimiUri,
        after_id: u64,
        limit: usize,
    ) -> Vec<LoggedEvent> {
        let Some(first) = after_id.checked_add(1) else { return Vec::new() };
        let mut octets = 0;
        self.events
            .range(first..)
            .filter(|(_, event)| self.may_see(client, event))
            .take(limit)
            .take_while(|(_, event)| {
                let is_room_left = octets < CLIENT_PAGE_OCTETS;
                octets += event.payload.len();
                is_room_left
            })
            .map(|(id, event)| LoggedEvent { id: *id, event: event.clone() })
            .collect()
    }

    fn may_see(&self, client: &MimiUri, event: &NewEvent) -> bool {
        let key = (event.stream.clone(), Some(client.clone()));
        event.kind != EventKind::HubNote
            && event.targets.as_ref().is_none_or(|targets| targets.contains(client))
            && self
                .memberships
                .get(&key)
                .is_some_and(|intervals| intervals.iter().any(|one| one.contains(event.seq)))
    }

    pub(super) fn stream_clients(&self, stream: &MimiUri) -> Vec<MimiUri> {
        self.memberships
            .range((stream.clone(), None)..)
            .take_while(|((of, _), _)| of == stream)
            .filter(|(_, intervals)| intervals.iter().any(|one| one.until.is_none()))
            .filter_map(|((_, client), _)| client.clone())
            .collect()
    }

    pub(super) fn waiting_followers(&self) -> Vec<FollowerCursor> {
        let behind = self.followers.iter();
        let behind = behind.filter(|((stream, _), cursor)| cursor.seq < self.last_seq(stream));
        behind.map(|(key, cursor)| cursor_of(key, *cursor)).collect()
    }

    pub(super) fn stale_followers(&self) -> Vec<FollowerCursor> {
        let stale = self.followers.iter().filter(|(_, cursor)| cursor.stale_since_ms.is_some());
        stale.map(|(key, cursor)| cursor_of(key, *cursor)).collect()
    }

    pub(super) fn history(&self) -> LogHistory {
        LogHistory { eras: self.eras.values().copied().collect(), last_id: self.last_id() }
    }

    pub(super) fn follower_cursor(
        &self,
        stream: &MimiUri,
        follower: &Domain,
    ) -> Option<FollowerCursor> {
        let key = (stream.clone(), follower.clone());
        let cursor = *self.followers.get(&key)?;
        Some(cursor_of(&key, cursor))
    }

    pub(super) fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> FollowerBatch {
        let mut batch =
            FollowerBatch { events: Vec::new(), next_cursor: after.max(self.last_seq(stream)) };
        let mut octets = 0_usize;
        for entry in self.entries(stream, after) {
            if entry.event.kind == EventKind::HubNote || !entry.event.audience.contains(follower) {
                continue;
            }
            octets = octets.saturating_add(entry.event.payload.len());
            if octets > max_octets && !batch.events.is_empty() {
                batch.next_cursor = entry.event.seq - 1;
                break;
            }
            batch.events.push(entry);
        }
        batch
    }
}

fn cursor_of((stream, follower): &(MimiUri, Domain), cursor: PeerCursor) -> FollowerCursor {
    FollowerCursor {
        stream: stream.clone(),
        follower: follower.clone(),
        cursor: cursor.seq,
        stale_since_ms: cursor.stale_since_ms,
    }
}
