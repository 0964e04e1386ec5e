//! A store in memory: everything at once at the call, no thread, nothing kept after the process.
//!
//! For tests and simulations: the same calls in the same order give the same answers.

mod profiles;
mod read;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod write;

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard};

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::profile::{StoredProfile, Term};
use mimi_provider::record::{
    Account, ConsentCounts, ConsentRecord, ConsentRequest, DeviceRecord, FollowerCursor,
    LogHistory, LoggedEvent, Seq, StoredArrival, StoredKeyPackage, StoredRemoval, StoredRoom,
    SuiteStock,
};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};

use crate::{Commit, Committed, FollowerBatch, Store, StoreFuture};
use state::State;

/// A store in memory. Clones are handles to the same content, so that a simulated provider can be
/// stopped and started again.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another store with the same content, which from now on has a life of its own: a backup, or
    /// what a simulated crash leaves.
    pub fn copied(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    fn read<T: Send + 'static>(&self, query: impl FnOnce(&State) -> T) -> StoreFuture<'_, T> {
        Box::pin(ready(Ok(query(&self.state()))))
    }
}

impl Store for MemoryStore {
    fn commit(&self, commit: Commit) -> StoreFuture<'static, Committed> {
        Box::pin(ready(self.state().commit(commit)))
    }

    fn forget_expired(&self, now_ms: u64) -> StoreFuture<'static, ()> {
        self.state().forget_expired(now_ms);
        Box::pin(ready(Ok(())))
    }

    fn account(&self, user: &MimiUri) -> StoreFuture<'_, Option<Account>> {
        self.read(|state| state.accounts.get(user).cloned())
    }

    fn accounts(&self) -> StoreFuture<'_, Vec<Account>> {
        self.read(|state| state.accounts.values().cloned().collect())
    }

    fn device_by_token(&self, token_sha256: [u8; 32]) -> StoreFuture<'_, Option<DeviceRecord>> {
        self.read(|state| state.device_by_token(&token_sha256))
    }

    fn devices(&self, user: &MimiUri) -> StoreFuture<'_, Vec<DeviceRecord>> {
        self.read(|state| state.devices_of(user))
    }

    fn key_packages(
        &self,
        client: &MimiUri,
        ciphersuite: CipherSuite,
        now_ms: u64,
        limit: usize,
    ) -> StoreFuture<'_, Vec<StoredKeyPackage>> {
        self.read(|state| {
            let of_suite = |package: &&StoredKeyPackage| package.ciphersuite == ciphersuite;
            state.stock(client, now_ms).filter(of_suite).take(limit).cloned().collect()
        })
    }

    fn key_package_stock(&self, client: &MimiUri, now_ms: u64) -> StoreFuture<'_, Vec<SuiteStock>> {
        self.read(|state| state.suite_stock(client, now_ms))
    }

    fn key_package_owner(&self, reference: &[u8]) -> StoreFuture<'_, Option<MimiUri>> {
        self.read(|state| state.key_package_owner(reference))
    }

    fn consents(
        &self,
        target: &MimiUri,
        requester: &MimiUri,
    ) -> StoreFuture<'_, Vec<ConsentRecord>> {
        self.read(|state| state.consents_about(target, requester))
    }

    fn consent_requests(&self, target: &MimiUri) -> StoreFuture<'_, Vec<ConsentRequest>> {
        self.read(|state| state.consent_requests_to(target))
    }

    fn consents_of(&self, target: &MimiUri) -> StoreFuture<'_, Vec<ConsentRecord>> {
        self.read(|state| state.consents_of(target))
    }

    fn consent_counts(&self, user: &MimiUri) -> StoreFuture<'_, ConsentCounts> {
        self.read(|state| state.consent_counts(user))
    }

    fn consent_asked(&self, requester: &MimiUri) -> StoreFuture<'_, Vec<ConsentRequest>> {
        self.read(|state| state.consent_asked(requester))
    }

    fn arrivals(&self, limit: usize) -> StoreFuture<'_, Vec<StoredArrival>> {
        self.read(|state| state.arrivals(limit))
    }

    fn owed_removals(&self, after_id: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRemoval>> {
        self.read(|state| state.owed_removals(after_id, limit))
    }

    fn profile(&self, user: &MimiUri) -> StoreFuture<'_, Option<StoredProfile>> {
        self.read(|state| state.profile(user))
    }

    fn find_profiles(&self, terms: &[Term], limit: usize) -> StoreFuture<'_, Vec<StoredProfile>> {
        self.read(|state| state.find_profiles(terms, limit))
    }

    fn room(&self, room: &MimiUri) -> StoreFuture<'_, Option<StoredRoom>> {
        self.read(|state| state.room(room))
    }

    fn hosted_rooms(&self) -> StoreFuture<'_, Vec<MimiUri>> {
        self.read(State::hosted_rooms)
    }

    fn room_of_members(&self, members: MemberSet) -> StoreFuture<'_, Option<MimiUri>> {
        self.read(|state| state.member_sets.get(&members).cloned())
    }

    fn dependent_rooms(&self, parent: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>> {
        self.read(|state| state.dependent_rooms(parent))
    }

    fn parent_rooms(&self) -> StoreFuture<'_, Vec<MimiUri>> {
        self.read(State::parent_rooms)
    }

    fn room_count(&self) -> StoreFuture<'_, u64> {
        self.read(|state| state.rooms.keys().map(|_| 1).sum())
    }

    fn rooms_of(&self, client: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>> {
        self.read(|state| state.rooms_of(client))
    }

    fn last_seq(&self, stream: &MimiUri) -> StoreFuture<'_, Seq> {
        self.read(|state| state.last_seq(stream))
    }

    fn log(&self, stream: &MimiUri, after: Seq, limit: usize) -> StoreFuture<'_, Vec<LoggedEvent>> {
        self.read(|state| state.entries(stream, after).take(limit).collect())
    }

    fn client_events(
        &self,
        client: &MimiUri,
        after_id: u64,
        limit: usize,
    ) -> StoreFuture<'_, Vec<LoggedEvent>> {
        self.read(|state| state.client_events(client, after_id, limit))
    }

    fn last_event_id(&self) -> StoreFuture<'_, u64> {
        self.read(|state| state.last_id())
    }

    fn client_cursor(&self, client: &MimiUri) -> StoreFuture<'_, u64> {
        self.read(|state| state.client_cursors.get(client).copied().unwrap_or_default())
    }

    fn stream_clients(&self, stream: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>> {
        self.read(|state| state.stream_clients(stream))
    }

    fn waiting_followers(&self) -> StoreFuture<'_, Vec<FollowerCursor>> {
        self.read(State::waiting_followers)
    }

    fn stale_followers(&self) -> StoreFuture<'_, Vec<FollowerCursor>> {
        self.read(State::stale_followers)
    }

    fn history(&self) -> StoreFuture<'_, LogHistory> {
        self.read(State::history)
    }

    fn follower_cursor(
        &self,
        stream: &MimiUri,
        follower: &Domain,
    ) -> StoreFuture<'_, Option<FollowerCursor>> {
        self.read(|state| state.follower_cursor(stream, follower))
    }

    fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> StoreFuture<'_, FollowerBatch> {
        self.read(|state| state.follower_batch(stream, follower, after, max_octets))
    }
}
