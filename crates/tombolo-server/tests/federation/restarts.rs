//! Providers that are killed and come back (FLOW-16, PROTO-UPD-14, PROTO-NTF-9).

use std::path::PathBuf;
use std::sync::Arc;

use mimi_provider::record::RoomKind;
use mimi_wire::MimiUri;
use tokio::runtime::Runtime;
use tombolo_server::clock::Clock;
use tombolo_server::config::Config;
use tombolo_server::running::Running;
use tombolo_store::Store;
use tombolo_store::memory::MemoryStore;
use tombolo_store::sqlite::{Options, SqliteStore};

use crate::support::{Federation, Phone, SharedStore, eventually};

/// A provider on a runtime of its own, so that it can end without finishing anything.
pub(crate) struct Killable {
    runtime: Option<Runtime>,
    running: Option<Running>,
}

impl Killable {
    async fn start(federation: &Federation, name: &str, store: &impl SharedStore) -> Self {
        Self::start_as(federation.config(name, ""), store).await
    }

    pub(crate) async fn start_as(config: Config, store: &impl SharedStore) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        let starting = runtime.spawn(Running::start_with(config, store.shared(), Clock::system()));
        let running = starting.await.unwrap().unwrap();
        Self { runtime: Some(runtime), running: Some(running) }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// No request is answered, nothing is written from now on.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        self.end();
    }
}

struct Pair<S> {
    federation: Federation,
    stores: [S; 2],
    alice: Phone,
    bob: Phone,
    room: MimiUri,
}

impl<S: SharedStore> Pair<S> {
    async fn start(open: impl Fn(&Federation, &str) -> S) -> (Self, Killable, Killable) {
        let federation = Federation::new();
        let stores = [open(&federation, "a.example"), open(&federation, "b.example")];
        let a = Killable::start(&federation, "a.example", &stores[0]).await;
        let b = Killable::start(&federation, "b.example", &stores[1]).await;
        let mut alice =
            Phone::sign_up(&federation, a.running(), &stores[0], "a.example/alice/phone").await;
        let bob = Phone::sign_up(&federation, b.running(), &stores[1], "b.example/bob/phone").await;
        let room = alice.found("club").await;
        let mut pair = Self { federation, stores, alice, bob, room };
        pair.publish(&[&a, &b]).await;
        pair.bob.grant(&pair.alice.user).await;
        pair.alice.add(&pair.bob.user, &pair.room).await;
        pair.bob.until_epoch(&pair.room, 1).await;
        (pair, a, b)
    }

    async fn publish(&self, providers: &[&Killable]) {
        let names = ["a.example", "b.example"];
        let addresses: Vec<_> = names
            .iter()
            .zip(providers)
            .map(|(name, provider)| (*name, provider.running().addresses().federation))
            .collect();
        self.federation.publish_addresses(&addresses).await;
    }
}

fn in_memory(_: &Federation, _: &str) -> MemoryStore {
    MemoryStore::new()
}

fn database(federation: &Federation, name: &str) -> PathBuf {
    federation.directory.path().join(format!("{name}.db"))
}

fn on_disk(federation: &Federation, name: &str) -> Arc<SqliteStore> {
    let opened = SqliteStore::open(database(federation, name), Options::default());
    Arc::new(opened.unwrap())
}

/// Opens the database of a provider that has been killed, as soon as it is let go.
async fn reopened(federation: &Federation, name: &str) -> Arc<SqliteStore> {
    let path = database(federation, name);
    let open = async || SqliteStore::open(&path, Options::default()).ok();
    Arc::new(eventually(open).await)
}

/// FLOW-16: the hub is killed with a dozen messages and commits since its last snapshot: the room goes on
/// where it was.
#[tokio::test]
async fn the_hub_is_killed() {
    let (mut pair, a, b) = Pair::start(in_memory).await;
    let room = pair.room.clone();
    for number in 0..5 {
        pair.alice.send(&room, &format!("a{number}")).await;
        pair.bob.send(&room, &format!("b{number}")).await;
    }
    pair.alice.commit(&room, &Default::default()).await;
    pair.bob.until_epoch(&room, 2).await;
    a.kill();
    let stored = pair.stores[0].room(&room).await.unwrap().unwrap();
    // Not saved since its founding: all of it comes from the log, the Add too.
    assert_eq!((stored.kind, stored.snapshot_seq), (RoomKind::Hub, 0));
    let a = Killable::start(&pair.federation, "a.example", &pair.stores[0]).await;
    pair.publish(&[&a, &b]).await;
    pair.alice.reconnect(a.running());
    pair.bob.commit(&room, &Default::default()).await;
    pair.bob.send(&room, "last").await;
    pair.alice.until_epoch(&room, 3).await;
    pair.alice.until_read(6).await;
    pair.alice.send(&room, "reply").await;
    pair.bob.until_read(6).await;
    let texts: Vec<_> = pair.bob.read.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["a0", "a1", "a2", "a3", "a4", "reply"]);
    assert_eq!(pair.alice.read.len(), 6);
}

/// FLOW-16: the follower is killed while messages flow, and its issuers are out of reach for the hub, which is
/// killed as well: nothing is lost, nothing doubled, the order is kept.
#[tokio::test]
async fn both_are_killed() {
    let (mut pair, a, b) = Pair::start(in_memory).await;
    let room = pair.room.clone();
    pair.alice.send(&room, "one").await;
    pair.bob.until_read(1).await;
    b.kill();
    pair.alice.send(&room, "two").await;
    pair.alice.commit(&room, &Default::default()).await;
    a.kill();
    // What the hub keeps of its peers is a cache: the room opens without.
    let kept = pair.federation.directory.path().join("a.example").join("peer-issuers");
    std::fs::remove_dir_all(kept).unwrap();
    let a = Killable::start(&pair.federation, "a.example", &pair.stores[0]).await;
    pair.alice.reconnect(a.running());
    pair.alice.send(&room, "three").await;
    let b = Killable::start(&pair.federation, "b.example", &pair.stores[1]).await;
    pair.publish(&[&a, &b]).await;
    pair.bob.reconnect(b.running());
    pair.alice.send(&room, "four").await;
    pair.bob.until_read(4).await;
    let texts: Vec<_> = pair.bob.read.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three", "four"]);
    pair.bob.send(&room, "five").await;
    pair.alice.until_read(1).await;
}

/// The same with databases: both providers are killed in the middle of a conversation.
#[tokio::test]
async fn providers_with_databases_are_killed() {
    let (mut pair, a, b) = Pair::start(on_disk).await;
    let room = pair.room.clone();
    pair.alice.send(&room, "one").await;
    pair.bob.until_read(1).await;
    b.kill();
    pair.alice.send(&room, "two").await;
    pair.alice.commit(&room, &Default::default()).await;
    pair.alice.send(&room, "three").await;
    a.kill();
    let Pair { federation, stores, mut alice, mut bob, .. } = pair;
    drop(stores);
    for phone in [&mut alice, &mut bob] {
        phone.move_to(&MemoryStore::new());
    }
    let stores =
        [reopened(&federation, "a.example").await, reopened(&federation, "b.example").await];
    let a = Killable::start(&federation, "a.example", &stores[0]).await;
    let b = Killable::start(&federation, "b.example", &stores[1]).await;
    alice.move_to(&stores[0]);
    bob.move_to(&stores[1]);
    let mut pair = Pair { federation, stores, alice, bob, room };
    pair.publish(&[&a, &b]).await;
    pair.alice.reconnect(a.running());
    pair.bob.reconnect(b.running());
    pair.bob.until_read(3).await;
    let texts: Vec<_> = pair.bob.read.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    pair.bob.send(&pair.room, "four").await;
    pair.alice.until_read(1).await;
}

/// A provider that is stopped properly saves its rooms, and needs no log to open them again.
#[tokio::test]
async fn a_proper_stop_saves_rooms() {
    let (mut pair, a, b) = Pair::start(in_memory).await;
    let room = pair.room.clone();
    pair.alice.send(&room, "one").await;
    pair.bob.until_read(1).await;
    for mut provider in [a, b] {
        provider.running.take().unwrap().shutdown().await;
    }
    for store in &pair.stores {
        let stored = store.room(&room).await.unwrap().unwrap();
        assert_eq!(stored.snapshot_seq, stored.last_seq);
        assert!(stored.last_seq > 0);
    }
    let a = Killable::start(&pair.federation, "a.example", &pair.stores[0]).await;
    let b = Killable::start(&pair.federation, "b.example", &pair.stores[1]).await;
    pair.publish(&[&a, &b]).await;
    pair.alice.reconnect(a.running());
    pair.bob.reconnect(b.running());
    pair.bob.send(&room, "two").await;
    pair.alice.until_read(1).await;
}
