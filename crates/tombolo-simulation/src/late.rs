//! A store whose reads take a while now and then: what they answer is as of when they began, and
//! others have gone on in between. Where things go wrong some take very long, and some do not end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::profile::{StoredProfile, Term};
use mimi_provider::record::{
    Account, ConsentCounts, ConsentRecord, ConsentRequest, DeviceRecord, EventKind, FollowerCursor,
    LogHistory, LoggedEvent, Seq, StoredArrival, StoredKeyPackage, StoredRemoval, StoredRoom,
    SuiteStock,
};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};
use rand::Rng;
use rand::rngs::StdRng;
use tombolo_store::{Commit, Committed, FollowerBatch, Store, StoreFuture};

/// Of so many reads one takes its time.
const LATE_OF: u32 = 6;
/// How long that is, at most, where nothing is wrong.
const LATE_MS_MAX: u64 = 12;
/// And on a disk that is busy, as some are for all their life.
const BUSY_MS_MAX: u64 = 400;
/// Of so many such disks one is.
const BUSY_OF: u32 = 4;
/// Of so many requests of devices one is never answered: its first read does not end.
const STUCK_OF: u32 = 250;

/// See the module. Clones are handles to the same store.
#[derive(Clone)]
pub struct Late(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    /// Followers of a room are told of different messages in the same place.
    equivocates: AtomicBool,
    late_ms_max: u64,
    /// Whether reads get stuck, and whether one has.
    sticks: AtomicBool,
    is_stuck: AtomicBool,
    rng: Mutex<StdRng>,
}

impl Late {
    /// Reads from this one, late. `is_sound`: never very late, and always in the end.
    pub fn new(store: Arc<dyn Store>, mut rng: StdRng, is_sound: bool) -> Self {
        let late_ms_max = match !is_sound && rng.random_range(0..BUSY_OF) == 0 {
            true => BUSY_MS_MAX,
            false => LATE_MS_MAX,
        };
        let (sticks, rng) = (AtomicBool::new(!is_sound), Mutex::new(rng));
        let (equivocates, is_stuck) = Default::default();
        Self(Arc::new(Inner { store, equivocates, late_ms_max, sticks, is_stuck, rng }))
    }

    /// From now on every read ends. Says whether there was one that did not, and never will.
    pub fn recover(&self) -> bool {
        self.0.sticks.store(false, Ordering::Relaxed);
        self.0.is_stuck.load(Ordering::Relaxed)
    }

    /// Whether followers are told different things.
    pub fn set_equivocates(&self, equivocates: bool) {
        self.0.equivocates.store(equivocates, Ordering::Relaxed);
    }

    fn random<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn late<'a, T: Send + 'a>(&self, reading: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        let ms = self.random(|rng| match rng.random_range(0..LATE_OF) {
            0 => rng.random_range(1..=self.0.late_ms_max),
            _ => 0,
        });
        if ms == 0 {
            return reading;
        }
        Box::pin(async move {
            let answer = reading.await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            answer
        })
    }

    /// Another message stands where one was: one that the follower has been sent before, or will be.
    fn equivocate(&self, batch: &mut FollowerBatch) {
        let is_message = |it: &LoggedEvent| it.event.kind == EventKind::Application;
        let messages: Vec<_> = (0..batch.events.len())
            .filter(|at| batch.events.get(*at).is_some_and(is_message))
            .collect();
        let [first, .., last] = messages[..] else { return };
        if self.random(|rng| rng.random()) {
            batch.events[first].event.payload = batch.events[last].event.payload.clone();
        }
    }
}

macro_rules! reads {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $output> {
            self.late(self.0.store.$name($($argument),*))
        })*
    };
}

impl Store for Late {
    fn commit(&self, commit: Commit) -> StoreFuture<'static, Committed> {
        self.0.store.commit(commit)
    }

    fn device_by_token(&self, token_sha256: [u8; 32]) -> StoreFuture<'_, Option<DeviceRecord>> {
        let sticks = self.0.sticks.load(Ordering::Relaxed);
        if sticks && self.random(|rng| rng.random_range(0..STUCK_OF)) == 0 {
            self.0.is_stuck.store(true, Ordering::Relaxed);
            return Box::pin(std::future::pending());
        }
        self.late(self.0.store.device_by_token(token_sha256))
    }

    fn forget_expired(&self, now_ms: u64) -> StoreFuture<'static, ()> {
        self.0.store.forget_expired(now_ms)
    }

    fn follower_batch(
        &self,
        stream: &MimiUri,
        follower: &Domain,
        after: Seq,
        max_octets: usize,
    ) -> StoreFuture<'_, FollowerBatch> {
        let reading = self.0.store.follower_batch(stream, follower, after, max_octets);
        let reading = self.late(reading);
        if !self.0.equivocates.load(Ordering::Relaxed) {
            return reading;
        }
        Box::pin(async move {
            let mut batch = reading.await?;
            self.equivocate(&mut batch);
            Ok(batch)
        })
    }

    reads! {
        fn client_events(client: &MimiUri, after_id: u64, limit: usize) -> Vec<LoggedEvent>;
    }
    tombolo_store::each_read!(reads);
}

impl std::fmt::Debug for Late {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Late")
    }
}
