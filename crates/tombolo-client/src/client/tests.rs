//! The driver over stores and a provider in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::stream;
use mimi_policy::preset::Preset;
use mimi_wire::{Domain, MimiUri};

use super::files::FILE_OCTETS_MAX;
use super::stream::{StreamSignal, follow};
use super::{Client, ProviderAddress, Registration};
use crate::client::ACKNOWLEDGE_EVERY;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::request::{Outgoing, Request, Response, TransportError};
use crate::session::stream_event::{LogPosition, StreamEvent};
use crate::session::tests::hub::Hub;
use crate::shown::RoomState;
use crate::store::{
    ClientStore, MemoryStore, Saved, SqliteStore, StoreChange, StoreFailure, StoreFuture,
};
use crate::surroundings::Surroundings;
use crate::transport::{EventStream, OpenStream, Token, Transport, TransportFuture};

/// The way to the hub in memory, which looks into the device's store at each request.
struct Wire {
    hub: Arc<Mutex<Hub>>,
    domain: Domain,
    store: Arc<MemoryStore>,
    /// Nothing comes through.
    is_cut: Arc<AtomicBool>,
    /// When, and up to which event.
    acknowledged: Mutex<Vec<(Instant, u64)>>,
}

impl Wire {
    fn new(hub: &Arc<Mutex<Hub>>, domain: &str, store: &Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self {
            hub: hub.clone(),
            domain: Domain::new(domain).unwrap(),
            store: store.clone(),
            is_cut: Arc::default(),
            acknowledged: Mutex::default(),
        })
    }

    /// What leaves for a room is stored before.
    fn assert_stored(&self, request: &Request) {
        let (room, prefix) = match request {
            Request::SubmitMessage { room, .. } => (room, "send/"),
            Request::FoundRoom { room, .. } => (room, "founding"),
            Request::Update { room, .. } => (room, ""),
            _ => return,
        };
        let saved = self.store.saved();
        let values = &saved.rooms[room].values;
        let stored = values.keys().any(|name| match prefix {
            "" => ["commit", "leave", "join"].contains(&name.as_str()),
            prefix => name.starts_with(prefix),
        });
        assert!(stored, "{request:?} left before it was stored");
    }
}

impl Transport for Wire {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        if self.is_cut.load(Ordering::SeqCst) {
            let cut = TransportError::Unreachable("the wire is cut".to_owned());
            return Box::pin(async { Err(cut) });
        }
        self.assert_stored(&outgoing.request);
        let client = outgoing.token.map(|token| MimiUri::new(token.reveal()).unwrap());
        let now_ms = Surroundings::of_machine().now_ms();
        let mut hub = self.hub.lock().unwrap();
        let answer = hub.serve(&self.domain, client.as_ref(), &outgoing.request, now_ms);
        Box::pin(async { answer })
    }

    fn events(&self, token: Token, after: u64, _: Option<String>) -> TransportFuture<OpenStream> {
        let client = MimiUri::new(token.reveal()).unwrap();
        let (hub, is_cut) = (self.hub.clone(), self.is_cut.clone());
        let events = stream::unfold(after, move |after| {
            let (hub, client, is_cut) = (hub.clone(), client.clone(), is_cut.clone());
            async move {
                loop {
                    if is_cut.load(Ordering::SeqCst) {
                        return None;
                    }
                    let next = next_event(&hub, &client, after);
                    if let Some(event) = next {
                        let id = event.id;
                        return Some((Ok(event), id));
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        });
        let cut = self.is_cut.load(Ordering::SeqCst);
        Box::pin(async move {
            match cut {
                true => Err(TransportError::Unreachable("the wire is cut".to_owned())),
                false => {
                    let events = Box::pin(events) as EventStream;
                    Ok(OpenStream { position: None, events })
                }
            }
        })
    }

    fn acknowledge(&self, _: Token, id: u64) -> TransportFuture<()> {
        let saved = self.store.saved();
        let cursor: u64 = crate::session::saved::unpack(&saved.values["cursor"], "it").unwrap();
        assert!(cursor >= id, "acknowledged before it was stored");
        self.acknowledged.lock().unwrap().push((Instant::now(), id));
        Box::pin(async { Ok(()) })
    }
}

fn next_event(hub: &Mutex<Hub>, client: &MimiUri, after: u64) -> Option<StreamEvent> {
    let hub = hub.lock().unwrap();
    hub.streams[client].iter().find(|event| event.id > after).cloned()
}

fn registration(user: &str) -> Registration {
    let provider =
        ProviderAddress { url: "https://a.example".to_owned(), resolve: None, roots_pem: None };
    Registration {
        provider,
        user: user.to_owned(),
        password: "p".to_owned(),
        device: "phone".to_owned(),
    }
}

async fn sees(client: &Client, room: &MimiUri, holds: impl Fn(&RoomState) -> bool) -> RoomState {
    for _ in 0..2_000 {
        if let Ok(state) = client.room(room).await
            && holds(&state)
        {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never seen: {:?}", client.room(room).await);
}

async fn pair(hub: &Arc<Mutex<Hub>>) -> (Client, Client, [(Arc<MemoryStore>, Arc<Wire>); 2]) {
    let [alices, bobs] = [("a.example", 0), ("b.example", 1)].map(|(domain, _)| {
        let store = Arc::new(MemoryStore::default());
        let wire = Wire::new(hub, domain, &store);
        (store, wire)
    });
    let register = async |(store, wire): &(Arc<MemoryStore>, Arc<Wire>), user| {
        Client::register_over(store.clone(), wire.clone(), registration(user)).await.unwrap()
    };
    let alice = register(&alices, "alice").await;
    let bob = register(&bobs, "bob").await;
    (alice, bob, [alices, bobs])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_survives_closing() {
    let hub = Arc::new(Mutex::new(Hub::new()));
    let (alice, bob, [_, (bobs_store, bobs_wire)]) = pair(&hub).await;
    let mut heard = alice.subscribe();
    let alices = alice.identity().user.clone();
    bob.grant_consent(&alices).await.unwrap();
    let room = alice.create_room("Clubhouse", Preset::Cooperative).await.unwrap();
    alice.add_user(&room, &bob.identity().user).await.unwrap();
    sees(&bob, &room, |state| state.participants.len() == 2).await;
    let hello = alice.send_text(&room, "hello").await.unwrap();
    sees(&bob, &room, |state| state.messages.len() == 1).await;
    let answer = bob.reply(&room, hello, "hi").await.unwrap();
    bob.react(&room, hello, "👍").await.unwrap();
    bob.edit(&room, answer, "hi!").await.unwrap();
    let state =
        sees(&alice, &room, |state| state.messages.get(1).is_some_and(|message| message.edited));
    assert_eq!(state.await.messages[0].reactions.len(), 1);
    while !matches!(heard.recv().await.unwrap(), ClientEvent::Joined(joined) if joined == room) {}

    bob.close().await.unwrap();
    alice.send_text(&room, "anybody?").await.unwrap();
    let bob = Client::start(bobs_store.clone(), bobs_wire.clone()).await.unwrap();
    let state = sees(&bob, &room, |state| state.messages.len() == 3).await;
    let alices = alice.room(&room).await.unwrap();
    // Everybody has read own words only.
    assert_eq!((state.unread, alices.unread), (2, 1));
    assert_eq!(state, RoomState { unread: 2, ..alices });
    bob.send_text(&room, "here").await.unwrap();
    sees(&alice, &room, |state| state.messages.len() == 4).await;
    assert_eq!(bob.rooms().await.unwrap(), std::slice::from_ref(&room));
    let last = hub.lock().unwrap().streams[&bob.identity().client].last().unwrap().id;
    for _ in 0..1_000 {
        if bobs_wire.acknowledged.lock().unwrap().last().is_some_and(|(_, id)| *id == last) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the last event was never acknowledged");
}

/// However many events come: the provider writes each acknowledgement down.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_acknowledged_now_and_then() {
    let registered = Instant::now();
    let hub = Arc::new(Mutex::new(Hub::new()));
    let (alice, bob, [_, (_, bobs_wire)]) = pair(&hub).await;
    bob.grant_consent(&alice.identity().user).await.unwrap();
    let room = alice.create_room("Clubhouse", Preset::Cooperative).await.unwrap();
    alice.add_user(&room, &bob.identity().user).await.unwrap();
    let mut sent = 0;
    let begun = Instant::now();
    while begun.elapsed() < ACKNOWLEDGE_EVERY * 2 {
        alice.send_text(&room, "hello").await.unwrap();
        sent += 1;
        sees(&bob, &room, |state| state.messages.len() == sent).await;
    }
    assert!(sent > 4);
    let acknowledged = bobs_wire.acknowledged.lock().unwrap().len();
    let at_most = 1 + registered.elapsed().as_secs();
    assert!((2..=at_most).contains(&(acknowledged as u64)), "{acknowledged} of {sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_while_the_wire_is_cut_comes_through_later() {
    let hub = Arc::new(Mutex::new(Hub::new()));
    let (alice, _, [(_, wire), _]) = pair(&hub).await;
    let room = alice.create_room("Clubhouse", Preset::Cooperative).await.unwrap();
    let mut heard = alice.subscribe();
    wire.is_cut.store(true, Ordering::SeqCst);
    let restore = async {
        loop {
            if let ClientEvent::Connected(false) = heard.recv().await.unwrap() {
                wire.is_cut.store(false, Ordering::SeqCst);
                return;
            }
        }
    };
    let (sent, ()) = tokio::join!(alice.send_text(&room, "hello"), restore);
    sent.unwrap();
    assert_eq!(alice.room(&room).await.unwrap().messages.len(), 1);
    // A handle that is dropped closes, too.
    drop(alice);
}

/// A store that fails from some commit on.
struct FailingStore {
    store: Arc<MemoryStore>,
    commits_left: AtomicUsize,
}

impl ClientStore for FailingStore {
    fn load(&self) -> StoreFuture<'_, Saved> {
        self.store.load()
    }

    fn commit(&self, changes: Vec<StoreChange>) -> StoreFuture<'_, ()> {
        let left = self
            .commits_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.store.commit(changes),
            Err(_) => Box::pin(async { Err(StoreFailure("the disk is full".to_owned())) }),
        }
    }
}

/// What cannot be stored does not leave, and the device stops instead of going on from memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_store_stops_the_device() {
    let hub = Arc::new(Mutex::new(Hub::new()));
    let memory = Arc::new(MemoryStore::default());
    let wire = Wire::new(&hub, "a.example", &memory);
    let failing =
        FailingStore { store: memory.clone(), commits_left: AtomicUsize::new(usize::MAX) };
    let store = Arc::new(failing);
    let alice = Client::register_over(store.clone(), wire.clone(), registration("alice"));
    let alice = alice.await.unwrap();
    let room = alice.create_room("Clubhouse", Preset::Cooperative).await.unwrap();
    let asked = hub.lock().unwrap().asked.len();
    store.commits_left.store(0, Ordering::SeqCst);
    let failed = alice.send_text(&room, "hello").await;
    assert!(
        matches!(&failed, Err(ClientError::Storage(why)) if why.contains("full")),
        "{failed:?}"
    );
    assert!(alice.rooms().await.is_err());
    let asked_since = hub.lock().unwrap().asked[asked..].to_vec();
    assert!(!asked_since.contains(&"submit"), "{asked_since:?}");
    let alice = Client::start(memory, wire).await.unwrap();
    alice.send_text(&room, "hello").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_ends_with_its_account() {
    let hub = Arc::new(Mutex::new(Hub::new()));
    let (alice, bob, [_, (store, wire)]) = pair(&hub).await;
    bob.grant_consent(&alice.identity().user).await.unwrap();
    let room = alice.create_room("Clubhouse", Preset::Cooperative).await.unwrap();
    alice.add_user(&room, &bob.identity().user).await.unwrap();
    sees(&bob, &room, |state| state.participants.len() == 2).await;
    let refused = bob.delete_account("q").await;
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
    assert_eq!(bob.delete_account("p").await.unwrap(), []);
    assert_eq!(store.saved(), Saved::default());
    sees(&alice, &room, |state| state.participants.len() == 1).await;
    let told = bob.rooms().await.unwrap_err();
    assert!(told.to_string().contains("the account is deleted"), "{told}");
    let again = Client::start(store, wire).await;
    assert!(matches!(again, Err(ClientError::NotRegistered)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_holds_one_device() {
    let hub = Arc::new(Mutex::new(Hub::new()));
    let (alice, _, [(store, wire), _]) = pair(&hub).await;
    alice.close().await.unwrap();
    let second = Client::register_over(store, wire, registration("eve")).await;
    assert!(second.unwrap_err().to_string().contains("holds a device already"));
}

/// A file of as many octets as may be is read, one of one more is not.
#[tokio::test]
async fn larger_files_are_refused() {
    let hub = Arc::new(Mutex::new(Hub::new()));
    let (alice, _bob, _) = pair(&hub).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let room = MimiUri::new("mimi://a.example/r/nowhere").unwrap();
    for (octets, is_read) in [(FILE_OCTETS_MAX, true), (FILE_OCTETS_MAX + 1, false)] {
        std::fs::File::create(&path).unwrap().set_len(octets).unwrap();
        let refused = alice.send_file(&room, &path).await.unwrap_err();
        let for_size = matches!(&refused, ClientError::Refused(text) if text.contains("at most"));
        assert_eq!(for_size, !is_read, "{refused:?}");
    }
    let large = vec![0; usize::try_from(FILE_OCTETS_MAX + 1).unwrap()];
    let refused = alice.send_content(&room, "file", "text/plain", &large).await;
    assert!(matches!(refused, Err(ClientError::Refused(text)) if text.contains("at most")));
}

#[tokio::test]
async fn files_without_a_device_and_odd_addresses_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    assert!(matches!(Client::open(&path).await, Err(ClientError::Storage(_))));
    SqliteStore::create(&path).await.unwrap().close().await.unwrap();
    assert!(matches!(Client::open(&path).await, Err(ClientError::NotRegistered)));
    for url in ["http://a.example", "https://a.example/path", "a.example", "https://"] {
        let mut registration = registration("alice");
        registration.provider.url = url.to_owned();
        let refused = Client::register(&path, registration).await;
        assert!(matches!(refused, Err(ClientError::Other(_))), "{url}");
    }
    let mut registration = registration("alice");
    registration.provider.roots_pem = Some("no PEM".to_owned());
    assert!(Client::register(&path, registration).await.is_err());
}

/// Nothing listens there: the caller hears of it, and the same file can be used again.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_provider_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    let mut registration = registration("alice");
    registration.provider.resolve = Some("127.0.0.1:1".parse().unwrap());
    for _ in 0..2 {
        let told = Client::register(&path, registration.clone()).await;
        assert!(matches!(told, Err(ClientError::Unreachable(_))), "{told:?}");
    }
    assert!(format!("{registration:?}").contains("alice's phone"));
    assert!(!format!("{registration:?}").contains("password"));
}

/// A provider whose log ends before the cursor of a device, which knows no era of it.
#[derive(Default)]
struct PutBack(Mutex<Vec<Option<String>>>);

impl Transport for PutBack {
    fn request(&self, _: Outgoing) -> TransportFuture<Response> {
        Box::pin(async { Err(TransportError::Unreachable("not asked".to_owned())) })
    }

    fn events(&self, _: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        assert_eq!(after, 9);
        self.0.lock().unwrap().push(era.clone());
        Box::pin(async move {
            if era.is_none() {
                let (code, message) = ("conflict".to_owned(), "the log ends at 3".to_owned());
                return Err(TransportError::Refused { code, message });
            }
            let position = LogPosition { era: "second".to_owned(), after: 3, acknowledged: 3 };
            Ok(OpenStream { position: Some(position), events: Box::pin(stream::pending()) })
        })
    }

    fn acknowledge(&self, _: Token, _: u64) -> TransportFuture<()> {
        Box::pin(async { Ok(()) })
    }
}

/// AMB-NTF-10: a device from before there were eras is not refused for ever.
#[tokio::test]
async fn who_knows_no_era_is_told_where_the_log_is() {
    let transport = Arc::new(PutBack::default());
    let (signals, mut received) = tokio::sync::mpsc::channel(4);
    let token = Token::new("alice".to_owned());
    let rng = Surroundings::of_machine().rng();
    let following = tokio::spawn(follow(transport.clone(), token, 9, None, rng, signals));
    let signal = tokio::time::timeout(Duration::from_secs(20), received.recv()).await.unwrap();
    let Some(StreamSignal::Opened(Some(position))) = signal else { panic!("{signal:?}") };
    assert_eq!(position.after, 3);
    assert_eq!(*transport.0.lock().unwrap(), [None, Some("0".repeat(32))]);
    following.abort();
}
