//! Writes of the store in memory: all of a commit or nothing.

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::record::{
    Account, Arrival, ConsentRecord, ConsentRequest, DeviceChange, DeviceRecord, ERAS_MAX, Era,
    EraId, NewEvent, OwedRemoval, RoomKind, Seq, StoredKeyPackage,
};
use mimi_provider::{Change, Expect};
use mimi_wire::{Domain, MimiUri};

use super::state::{Interval, KeptKeyPackage, KeptRoom, PeerCursor, State};
use super::table::Settle;
use crate::conflict::Conflict;
use crate::{Commit, Committed, StoreError};

impl State {
    pub(super) fn commit(&mut self, commit: Commit) -> Result<Committed, StoreError> {
        let outcome = self.apply(commit);
        for table in self.tables() {
            match outcome {
                Ok(_) => table.keep(),
                Err(_) => table.revert(),
            }
        }
        outcome.map_err(StoreError::from)
    }

    pub(super) fn forget_expired(&mut self, now_ms: u64) {
        self.remove_key_packages(|kept| kept.not_after_ms() <= now_ms);
        self.tables().into_iter().for_each(Settle::keep);
    }

    fn tables(&mut self) -> [&mut dyn Settle; 22] {
        [
            &mut self.accounts,
            &mut self.devices,
            &mut self.tokens,
            &mut self.key_packages,
            &mut self.references,
            &mut self.consents,
            &mut self.consent_requests,
            &mut self.consent_asked,
            &mut self.arrivals,
            &mut self.arrived,
            &mut self.removals,
            &mut self.owed,
            &mut self.profiles,
            &mut self.rooms,
            &mut self.member_sets,
            &mut self.parents,
            &mut self.events,
            &mut self.positions,
            &mut self.memberships,
            &mut self.client_cursors,
            &mut self.followers,
            &mut self.eras,
        ]
    }

    fn apply(&mut self, commit: Commit) -> Result<Committed, Conflict> {
        for expect in commit.expect {
            self.check(expect)?;
        }
        let mut committed = Committed::default();
        for change in commit.changes {
            self.change(change, &mut committed)?;
        }
        Ok(committed)
    }

    fn check(&self, expect: Expect) -> Result<(), Conflict> {
        match expect {
            Expect::StreamSeq { stream, seq } => match self.last_seq(&stream) {
                found if found == seq => Ok(()),
                found => Err(Conflict::StreamSeq { stream, expected: seq, found }),
            },
            Expect::NoRoom(room) if self.rooms.contains_key(&room) => Err(Conflict::Exists(room)),
            Expect::NoAccount(user) if self.accounts.contains_key(&user) => {
                Err(Conflict::Exists(user))
            }
            Expect::NoDevice(client) if self.devices.contains_key(&client) => {
                Err(Conflict::Exists(client))
            }
            Expect::MembersFree(members) => match self.member_sets.get(&members) {
                Some(room) => Err(Conflict::MembersTaken(room.clone())),
                None => Ok(()),
            },
            Expect::KeyPackageUnused(reference) => match self.key_package(&reference) {
                Some(KeptKeyPackage::Released { .. }) => Err(Conflict::Released),
                _ => Ok(()),
            },
            Expect::NoRoom(_) | Expect::NoAccount(_) | Expect::NoDevice(_) => Ok(()),
        }
    }

    fn change(&mut self, change: Change, committed: &mut Committed) -> Result<(), Conflict> {
        match change {
            Change::CreateAccount(account) => self.create_account(account)?,
            Change::SetClaims { user, claims } => {
                if let Some(account) = self.accounts.get(&user).cloned() {
                    self.accounts.set(user, Account { claims, ..account });
                }
            }
            Change::SetPassword { user, hash } => {
                if let Some(account) = self.accounts.get(&user).cloned() {
                    self.accounts.set(user, Account { password_hash: Some(hash), ..account });
                }
            }
            Change::ChangeDevice { client, change } => self.change_device(&client, change)?,
            Change::PutDevice(device) => self.put_device(device)?,
            Change::RemoveDevice(client) => self.remove_device(&client),
            Change::RemoveAccount(user) => self.remove_account(&user),
            Change::AddKeyPackages(packages) => self.add_key_packages(packages),
            Change::ReleaseKeyPackage(reference) => self.release_key_package(&reference)?,
            Change::PutConsent(record) => self.put_consent(record),
            Change::PutConsentRequest(request) => self.put_consent_request(request),
            Change::RemoveConsentRequest(request) => {
                self.consent_requests.remove(&scope_of(&request));
            }
            Change::PutConsentAsked(asked) => self.consent_asked.set(asked_scope(&asked), asked),
            Change::RemoveConsentAsked(asked) => self.consent_asked.remove(&asked_scope(&asked)),
            Change::PutArrival(arrival) => self.put_arrival(arrival),
            Change::RemoveArrival(id) => self.arrivals.remove(&id),
            Change::OweRemoval(owed) => self.owe_removal(owed),
            Change::OweRemovals(client) => self.owe_removals(&client),
            Change::OweRemovalIfGone { client, room } => {
                if !self.devices.contains_key(&client) {
                    self.owe_removal(OwedRemoval { gone: client, room: Some(room) });
                }
            }
            Change::RemovalDone(id) => self.removals.remove(&id),
            Change::PutProfile { profile, terms } => self.put_profile(profile, terms),
            Change::CreateRoom { room, kind, snapshot } => {
                self.create_room(room, kind, snapshot)?
            }
            Change::TakeMembers { members, room } => self.take_members(members, room)?,
            Change::FreeMembers { members, room } => {
                if self.member_sets.get(&members) == Some(&room) {
                    self.member_sets.remove(&members);
                }
            }
            Change::PutParent { room, parent: Some(parent) } => self.parents.set(room, parent),
            Change::PutParent { room, parent: None } => self.parents.remove(&room),
            Change::PutSnapshot { room, seq, snapshot } => {
                self.put_snapshot(room, seq, snapshot)?
            }
            Change::Append(event) => committed.event_ids.push(self.append(event)?),
            Change::Join { client, stream, from_seq } => self.join(client, stream, from_seq),
            Change::Leave { client, stream, until_seq } => self.leave(client, stream, until_seq),
            Change::Follow { stream, follower, after_seq } => {
                self.follow(stream, follower, after_seq);
            }
            Change::Delivered { stream, follower, seq } => self.delivered(stream, follower, seq),
            Change::GiveUp { stream, follower, seq, now_ms } => {
                self.give_up(stream, follower, seq, now_ms);
            }
            Change::BeginEra(id) => self.begin_era(id),
            Change::Acknowledge { client, event_id } => self.acknowledge(client, event_id),
        }
        Ok(())
    }

    fn create_account(&mut self, account: Account) -> Result<(), Conflict> {
        if self.accounts.contains_key(&account.user) {
            return Err(Conflict::Exists(account.user));
        }
        self.accounts.set(account.user.clone(), account);
        Ok(())
    }

    fn put_device(&mut self, device: DeviceRecord) -> Result<(), Conflict> {
        let holder = self.tokens.get(&device.token_sha256);
        if holder.is_some_and(|holder| *holder != device.client) {
            return Err(Conflict::TokenTaken(device.client));
        }
        if let Some(before) = self.devices.get(&device.client) {
            let old_token = before.token_sha256;
            self.tokens.remove(&old_token);
        }
        self.tokens.set(device.token_sha256, device.client.clone());
        let next = self.last_seq(&device.user) + 1;
        self.join(device.client.clone(), device.user.clone(), next);
        self.devices.set(device.client.clone(), device);
        Ok(())
    }

    fn change_device(&mut self, client: &MimiUri, change: DeviceChange) -> Result<(), Conflict> {
        let Some(mut device) = self.devices.get(client).cloned() else { return Ok(()) };
        match change {
            DeviceChange::Name(name) => device.name = name,
            DeviceChange::Seen(day) => device.last_seen_ms = day,
            DeviceChange::Token(token) => {
                if self.tokens.get(&token).is_some_and(|holder| holder != client) {
                    return Err(Conflict::TokenTaken(client.clone()));
                }
                let old_token = device.token_sha256;
                self.tokens.remove(&old_token);
                self.tokens.set(token, client.clone());
                device.token_sha256 = token;
            }
        }
        self.devices.set(client.clone(), device);
        Ok(())
    }

    fn remove_device(&mut self, client: &MimiUri) {
        if let Some(device) = self.devices.get(client) {
            let token = device.token_sha256;
            self.tokens.remove(&token);
        }
        self.devices.remove(client);
        self.client_cursors.remove(client);
        self.remove_key_packages(|kept| kept.client() == client);
        let mine = |key: &&(MimiUri, Option<MimiUri>)| key.1.as_ref() == Some(client);
        let gone: Vec<_> = self.memberships.keys().filter(mine).cloned().collect();
        for key in &gone {
            self.memberships.remove(key);
        }
    }

    fn remove_account(&mut self, user: &MimiUri) {
        self.accounts.remove(user);
        self.profiles.remove(user);
        let touched = |of: &MimiUri, about: &MimiUri| of == user || about == user;
        let decided: Vec<_> =
            self.consents.keys().filter(|key| touched(&key.0, &key.1)).cloned().collect();
        for scope in &decided {
            self.consents.remove(scope);
        }
        let about = |key: &(MimiUri, Option<MimiUri>, Option<MimiUri>)| {
            key.0 == *user || key.1.as_ref() == Some(user)
        };
        let requests: Vec<_> =
            self.consent_requests.keys().filter(|key| about(key)).cloned().collect();
        for scope in &requests {
            self.consent_requests.remove(scope);
        }
        let asked = self.consent_asked.keys().filter(|key| key.0 == *user);
        for scope in &asked.cloned().collect::<Vec<_>>() {
            self.consent_asked.remove(scope);
        }
    }

    fn put_arrival(&mut self, arrival: Arrival) {
        let id = self.arrived.get(&()).copied().unwrap_or_default() + 1;
        self.arrived.set((), id);
        self.arrivals.set(id, arrival);
    }

    fn owe_removals(&mut self, client: &MimiUri) {
        let seen = self.memberships.keys().filter(|(_, who)| who.as_ref() == Some(client));
        let mut rooms: Vec<_> = seen.map(|(stream, _)| stream.clone()).collect();
        rooms.dedup();
        rooms.retain(|room| self.rooms.get(room).is_some_and(|kept| kept.kind == RoomKind::Hub));
        for room in rooms {
            self.owe_removal(OwedRemoval { gone: client.clone(), room: Some(room) });
        }
    }

    fn owe_removal(&mut self, owed: OwedRemoval) {
        let id = self.owed.get(&()).copied().unwrap_or_default() + 1;
        self.owed.set((), id);
        self.removals.set(id, owed);
    }

    fn take_members(&mut self, members: MemberSet, room: MimiUri) -> Result<(), Conflict> {
        match self.member_sets.get(&members) {
            Some(taken) if *taken != room => Err(Conflict::MembersTaken(taken.clone())),
            _ => {
                self.member_sets.set(members, room);
                Ok(())
            }
        }
    }

    fn key_package(&self, reference: &[u8]) -> Option<&KeptKeyPackage> {
        self.key_packages.get(self.references.get(reference)?)
    }

    /// PROTO-KM-10: what is or was known under a reference stays as it is.
    fn add_key_packages(&mut self, packages: Vec<StoredKeyPackage>) {
        for package in packages {
            if self.references.contains_key(&package.reference) {
                continue;
            }
            let place = self.key_packages.last_key_value().map_or(1, |(last, _)| last + 1);
            self.references.set(package.reference.clone(), place);
            self.key_packages.set(place, KeptKeyPackage::InStock(package));
        }
    }

    fn release_key_package(&mut self, reference: &[u8]) -> Result<(), Conflict> {
        let place = self.references.get(reference).copied();
        let kept = place.and_then(|place| Some((place, self.key_packages.get(&place)?)));
        let Some((place, KeptKeyPackage::InStock(package))) = kept else {
            return Err(Conflict::NotInStock);
        };
        let released = KeptKeyPackage::Released {
            reference: package.reference.clone(),
            client: package.client.clone(),
            not_after_ms: package.not_after_ms,
        };
        self.key_packages.set(place, released);
        Ok(())
    }

    fn remove_key_packages(&mut self, condemned: impl Fn(&KeptKeyPackage) -> bool) {
        let gone: Vec<_> = self
            .key_packages
            .iter()
            .filter(|(_, kept)| condemned(kept))
            .map(|(place, kept)| (*place, kept.reference().to_vec()))
            .collect();
        for (place, reference) in gone {
            self.key_packages.remove(&place);
            self.references.remove(&reference);
        }
    }

    fn put_consent(&mut self, record: ConsentRecord) {
        let scope = (record.target.clone(), record.requester.clone(), record.room.clone());
        self.consents.set(scope, record);
    }

    fn put_consent_request(&mut self, request: ConsentRequest) {
        self.consent_requests.set(scope_of(&request), request);
    }

    fn create_room(
        &mut self,
        room: MimiUri,
        kind: RoomKind,
        snapshot: Vec<u8>,
    ) -> Result<(), Conflict> {
        if self.rooms.contains_key(&room) {
            return Err(Conflict::Exists(room));
        }
        self.rooms.set(room, KeptRoom { kind, snapshot, snapshot_seq: 0 });
        Ok(())
    }

    fn put_snapshot(&mut self, room: MimiUri, seq: Seq, snapshot: Vec<u8>) -> Result<(), Conflict> {
        let Some(kept) = self.rooms.get(&room) else { return Err(Conflict::NoRoom(room)) };
        if kept.snapshot_seq <= seq {
            let kind = kept.kind;
            self.rooms.set(room, KeptRoom { kind, snapshot, snapshot_seq: seq });
        }
        Ok(())
    }

    fn append(&mut self, event: NewEvent) -> Result<u64, Conflict> {
        let last = self.last_seq(&event.stream);
        if event.seq != last + 1 {
            return Err(Conflict::NotNext { stream: event.stream, seq: event.seq, last });
        }
        let id = self.last_id() + 1;
        self.positions.set((event.stream.clone(), event.seq), id);
        self.events.set(id, event);
        Ok(id)
    }

    fn join(&mut self, client: MimiUri, stream: MimiUri, from: Seq) {
        let key = (stream, Some(client));
        let mut intervals = self.memberships.get(&key).cloned().unwrap_or_default();
        if intervals.iter().all(|one| one.until.is_some()) {
            intervals.push(Interval { from, until: None });
            self.memberships.set(key, intervals);
        }
    }

    fn leave(&mut self, client: MimiUri, stream: MimiUri, until: Seq) {
        let key = (stream, Some(client));
        let Some(mut intervals) = self.memberships.get(&key).cloned() else { return };
        for open in intervals.iter_mut().filter(|one| one.until.is_none()) {
            open.until = Some(until);
        }
        intervals.retain(|one| one.until.is_none_or(|until| one.from <= until));
        if intervals.is_empty() {
            self.memberships.remove(&key);
        } else {
            self.memberships.set(key, intervals);
        }
    }

    fn follow(&mut self, stream: MimiUri, follower: Domain, after: Seq) {
        let key = (stream, follower);
        if !self.followers.contains_key(&key) {
            self.followers.set(key, PeerCursor { seq: after, stale_since_ms: None });
        }
    }

    fn delivered(&mut self, stream: MimiUri, follower: Domain, seq: Seq) {
        let key = (stream, follower);
        if self.followers.get(&key).is_some_and(|cursor| cursor.seq < seq) {
            self.followers.set(key, PeerCursor { seq, stale_since_ms: None });
        }
    }

    fn give_up(&mut self, stream: MimiUri, follower: Domain, seq: Seq, now_ms: u64) {
        let key = (stream, follower);
        if let Some(PeerCursor { seq: before, stale_since_ms }) = self.followers.get(&key).copied()
        {
            let stale_since_ms = stale_since_ms.or(Some(now_ms));
            self.followers.set(key, PeerCursor { seq: before.max(seq), stale_since_ms });
        }
    }

    fn begin_era(&mut self, id: EraId) {
        if self.eras.values().any(|era| era.id == id) {
            return;
        }
        let number = self.eras.last_key_value().map_or(1, |(number, _)| number + 1);
        self.eras.set(number, Era { id, after_id: self.last_id() });
        while self.eras.len() > ERAS_MAX {
            let Some(oldest) = self.eras.keys().next().copied() else { return };
            self.eras.remove(&oldest);
        }
    }

    fn acknowledge(&mut self, client: MimiUri, event_id: u64) {
        let event_id = event_id.min(self.last_id());
        if self.client_cursors.get(&client).is_none_or(|cursor| *cursor < event_id) {
            self.client_cursors.set(client, event_id);
        }
    }
}

fn scope_of(request: &ConsentRequest) -> (MimiUri, Option<MimiUri>, Option<MimiUri>) {
    (request.target.clone(), Some(request.requester.clone()), request.room.clone())
}

fn asked_scope(asked: &ConsentRequest) -> (MimiUri, Option<MimiUri>, Option<MimiUri>) {
    (asked.requester.clone(), Some(asked.target.clone()), asked.room.clone())
}
