//! What a store is asked, and what it answers.

use std::future::Future;
use std::pin::Pin;

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::profile::{StoredProfile, Term};
use mimi_provider::record::{
    Account, ConsentCounts, ConsentRecord, ConsentRequest, DeviceRecord, FollowerCursor,
    LogHistory, LoggedEvent, Seq, StoredArrival, StoredKeyPackage, StoredRemoval, StoredRoom,
    SuiteStock,
};
use mimi_provider::{Change, Expect};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};
use thiserror::Error;

/// Changes to write together, if all expectations hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    /// Conditions.
    pub expect: Vec<Expect>,
    /// Writes, in order.
    pub changes: Vec<Change>,
}

/// What a commit led to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Committed {
    /// `LoggedEvent::id` of each appended entry, in order.
    pub event_ids: Vec<u64>,
}

/// Why the store did not do as asked.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum StoreError {
    /// An expectation did not hold: load again, decide again.
    #[error("lost a race: {0}")]
    Conflict(String),
    /// The storage takes nothing at the moment: the disk is full, read-only or failing, or too much
    /// waits. Nothing of what was asked is written; the same may be later.
    #[error("the storage takes nothing now: {0}")]
    Unavailable(String),
    /// The storage failed.
    #[error("storage failed: {0}")]
    Failed(String),
}

/// A future of the store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Octets of payloads after which a page for a client is full: who reads slowly holds no more than
/// that, and one entry.
pub const CLIENT_PAGE_OCTETS: usize = 1024 * 1024;

/// A provider's storage. Reads see every commit whose future has resolved.
pub trait Store: Send + Sync + 'static {
    /// Queues a commit at once, in the order of calls; the future resolves when it is durable.
    ///
    /// Dropping the future does not call the commit back.
    fn commit(&self, commit: Commit) -> StoreFuture<'static, Committed>;
    /// Forgets KeyPackages that have expired, released or not, and with them whose they were
    /// (PROTO-KM-12). Until then a reference is never taken in twice.
    fn forget_expired(&self, now_ms: u64) -> StoreFuture<'static, ()>;

    /// An account.
    fn account(&self, user: &MimiUri) -> StoreFuture<'_, Option<Account>>;
    /// All accounts, by URI.
    fn accounts(&self) -> StoreFuture<'_, Vec<Account>>;
    /// The device that holds a token.
    fn device_by_token(&self, token_sha256: [u8; 32]) -> StoreFuture<'_, Option<DeviceRecord>>;
    /// The devices of a user, oldest first.
    fn devices(&self, user: &MimiUri) -> StoreFuture<'_, Vec<DeviceRecord>>;
    /// Unreleased, unexpired KeyPackages of a client of one suite, oldest first.
    fn key_packages(
        &self,
        client: &MimiUri,
        ciphersuite: CipherSuite,
        now_ms: u64,
        limit: usize,
    ) -> StoreFuture<'_, Vec<StoredKeyPackage>>;
    /// How many of them there are, of each suite that has some, ascending.
    fn key_package_stock(&self, client: &MimiUri, now_ms: u64) -> StoreFuture<'_, Vec<SuiteStock>>;
    /// Whose KeyPackage a reference was or is (PROTO-KM-12).
    fn key_package_owner(&self, reference: &[u8]) -> StoreFuture<'_, Option<MimiUri>>;
    /// Decisions about a requester by a target.
    fn consents(
        &self,
        target: &MimiUri,
        requester: &MimiUri,
    ) -> StoreFuture<'_, Vec<ConsentRecord>>;
    /// Open requests to a target, oldest first.
    fn consent_requests(&self, target: &MimiUri) -> StoreFuture<'_, Vec<ConsentRequest>>;
    /// All decisions of a user, by requester and room.
    fn consents_of(&self, target: &MimiUri) -> StoreFuture<'_, Vec<ConsentRecord>>;
    /// How many decisions there are of a user and about it.
    fn consent_counts(&self, user: &MimiUri) -> StoreFuture<'_, ConsentCounts>;
    /// What a local user has asked of others and is not answered, oldest first.
    fn consent_asked(&self, requester: &MimiUri) -> StoreFuture<'_, Vec<ConsentRequest>>;
    /// Consent entries that have arrived and have not been looked at, oldest first.
    fn arrivals(&self, limit: usize) -> StoreFuture<'_, Vec<StoredArrival>>;
    /// Removals that are owed, with numbers after this one, oldest first.
    fn owed_removals(&self, after_id: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRemoval>>;
    /// What a user says of itself.
    fn profile(&self, user: &MimiUri) -> StoreFuture<'_, Option<StoredProfile>>;
    /// Profiles that have all of these terms, in the order in which their users first had one, at
    /// most `limit`; none for no terms.
    fn find_profiles(&self, terms: &[Term], limit: usize) -> StoreFuture<'_, Vec<StoredProfile>>;
    /// A room.
    fn room(&self, room: &MimiUri) -> StoreFuture<'_, Option<StoredRoom>>;
    /// The rooms hosted here, by URI.
    fn hosted_rooms(&self) -> StoreFuture<'_, Vec<MimiUri>>;
    /// The room of fixed membership that has taken a set of members.
    fn room_of_members(&self, members: MemberSet) -> StoreFuture<'_, Option<MimiUri>>;
    /// The rooms that depend on a room, by URI.
    fn dependent_rooms(&self, parent: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>>;
    /// The rooms that others depend on, by URI.
    fn parent_rooms(&self) -> StoreFuture<'_, Vec<MimiUri>>;
    /// How many rooms there are.
    fn room_count(&self) -> StoreFuture<'_, u64>;
    /// Rooms of which a local client is or was a member; of a user, all its devices' rooms.
    fn rooms_of(&self, client: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>>;
    /// The last entry of a stream; 0 when it has none.
    fn last_seq(&self, stream: &MimiUri) -> StoreFuture<'_, Seq>;
    /// Entries of a stream after `after`, at most `limit`.
    fn log(&self, stream: &MimiUri, after: Seq, limit: usize) -> StoreFuture<'_, Vec<LoggedEvent>>;
    /// Entries a client may see after a position of the whole log: at most `limit`, and none after
    /// their payloads have reached [`CLIENT_PAGE_OCTETS`].
    fn client_events(
        &self,
        client: &MimiUri,
        after_id: u64,
        limit: usize,
    ) -> StoreFuture<'_, Vec<LoggedEvent>>;
    /// What a client has acknowledged; 0 at first.
    fn client_cursor(&self, client: &MimiUri) -> StoreFuture<'_, u64>;
    /// The last entry of the whole log; 0 when there is none.
    fn last_event_id(&self) -> StoreFuture<'_, u64>;
    /// Clients that see a stream now.
    fn stream_clients(&self, stream: &MimiUri) -> StoreFuture<'_, Vec<MimiUri>>;
    /// Peers whose cursor is behind the end of a stream.
    fn waiting_followers(&self) -> StoreFuture<'_, Vec<FollowerCursor>>;
    /// Peers that are stale in a stream (AMB-NTF-10).
    fn stale_followers(&self) -> StoreFuture<'_, Vec<FollowerCursor>>;
    /// The eras of the whole log, and its end.
    fn history(&self) -> StoreFuture<'_, LogHistory>;
    /// A peer's cursor in a stream.
    fn follower_cursor(
        &self,
        stream: &MimiUri,
        follower: &Domain,
    ) -> StoreFuture<'_, Option<FollowerCursor>>;
    /// Entries that name a peer after its cursor, until their payloads exceed `max_octets` (at
    /// least one if there is one), and the position to advance to even if none names it.
    fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> StoreFuture<'_, FollowerBatch>;
}

/// What waits for a peer in one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FollowerBatch {
    /// Entries, in order.
    pub events: Vec<LoggedEvent>,
    /// The cursor once they are accepted (skipping entries that do not name the peer).
    pub next_cursor: Seq,
}

/// Hands the reads of a [`Store`] to a macro, for stores that stand before another one: a list in one
/// place. Not among them are `device_by_token`, `client_events` and `follower_batch`, which such stores
/// treat in their own ways. The types named have to be in scope where this is called.
#[macro_export]
macro_rules! each_read {
    ($reads:ident) => {
        $reads! {
            fn account(user: &MimiUri) -> Option<Account>;
            fn accounts() -> Vec<Account>;
            fn devices(user: &MimiUri) -> Vec<DeviceRecord>;
            fn key_packages(
                client: &MimiUri,
                ciphersuite: CipherSuite,
                now_ms: u64,
                limit: usize
            ) -> Vec<StoredKeyPackage>;
            fn key_package_stock(client: &MimiUri, now_ms: u64) -> Vec<SuiteStock>;
            fn key_package_owner(reference: &[u8]) -> Option<MimiUri>;
            fn consents(target: &MimiUri, requester: &MimiUri) -> Vec<ConsentRecord>;
            fn consent_requests(target: &MimiUri) -> Vec<ConsentRequest>;
            fn consents_of(target: &MimiUri) -> Vec<ConsentRecord>;
            fn consent_counts(user: &MimiUri) -> ConsentCounts;
            fn consent_asked(requester: &MimiUri) -> Vec<ConsentRequest>;
            fn arrivals(limit: usize) -> Vec<StoredArrival>;
            fn owed_removals(after_id: u64, limit: usize) -> Vec<StoredRemoval>;
            fn profile(user: &MimiUri) -> Option<StoredProfile>;
            fn find_profiles(terms: &[Term], limit: usize) -> Vec<StoredProfile>;
            fn room(room: &MimiUri) -> Option<StoredRoom>;
            fn hosted_rooms() -> Vec<MimiUri>;
            fn room_of_members(members: MemberSet) -> Option<MimiUri>;
            fn dependent_rooms(parent: &MimiUri) -> Vec<MimiUri>;
            fn parent_rooms() -> Vec<MimiUri>;
            fn room_count() -> u64;
            fn rooms_of(client: &MimiUri) -> Vec<MimiUri>;
            fn last_seq(stream: &MimiUri) -> Seq;
            fn log(stream: &MimiUri, after: Seq, limit: usize) -> Vec<LoggedEvent>;
            fn last_event_id() -> u64;
            fn client_cursor(client: &MimiUri) -> u64;
            fn stream_clients(stream: &MimiUri) -> Vec<MimiUri>;
            fn waiting_followers() -> Vec<FollowerCursor>;
            fn stale_followers() -> Vec<FollowerCursor>;
            fn history() -> LogHistory;
            fn follower_cursor(stream: &MimiUri, follower: &Domain) -> Option<FollowerCursor>;
        }
    };
}
