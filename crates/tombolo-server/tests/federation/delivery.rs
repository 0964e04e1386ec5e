//! Delivery to peers: in order, again after failures, again after a restart (PROTO-NTF-9, PROTO-TR-6,
//! PROTO-UPD-14, PROTO-CON-2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use mimi_provider::Change;
use mimi_provider::record::{EventKind, NewEvent, RoomKind, Seq};
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::directory::Directory;
use mimi_wire::{MimiUri, Wire};
use tombolo_server::admin_api::PeerStatus;
use tombolo_server::admin_api::operate;
use tombolo_server::clock::Clock;
use tombolo_server::config::Config;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Store};

use crate::support::{
    FakePeer, FaultyStore, Federation, LocalUser, Seen, SharedStore, domain, eventually, now_ms,
    status,
};

/// Answers with a standard directory, everything else with `respond`.
fn with_directory(
    respond: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static {
    move |seen: &Seen| match seen.target.as_str() {
        "/.well-known/mimi-protocol-directory" => {
            Response::new(Directory::standard("https://b.example").to_json().into())
        }
        _ => respond(seen),
    }
}

pub(crate) fn room() -> MimiUri {
    MimiUri::new("mimi://a.example/r/club").unwrap()
}

/// Puts an entry into a room's log as a hub's decision would.
pub(crate) async fn append(store: &MemoryStore, seq: Seq, payload: &[u8], audience: &[&str]) {
    append_at(store, seq, payload, audience, now_ms()).await;
}

async fn append_at(
    store: &MemoryStore,
    seq: Seq,
    payload: &[u8],
    audience: &[&str],
    timestamp_ms: u64,
) {
    let event = NewEvent {
        stream: room(),
        seq,
        kind: EventKind::Application,
        timestamp_ms,
        payload: payload.to_vec(),
        audience: audience.iter().map(|name| domain(name)).collect(),
        targets: None,
        detail: Vec::new(),
    };
    let mut changes = Vec::new();
    if seq == 1 {
        let (room, kind) = (room(), RoomKind::Hub);
        changes.push(Change::CreateRoom { room, kind, snapshot: Vec::new() });
    }
    for name in audience {
        let (stream, follower) = (room(), domain(name));
        changes.push(Change::Follow { stream, follower, after_seq: seq - 1 });
    }
    changes.push(Change::Append(event));
    store.commit(Commit { expect: Vec::new(), changes }).await.unwrap();
}

async fn cursor(store: &MemoryStore) -> Seq {
    let cursor = store.follower_cursor(&room(), &domain("b.example")).await.unwrap();
    cursor.unwrap().cursor
}

/// AMB-NTF-4, AMB-NTF-7: what waits travels concatenated and in order; what is for others does not.
#[tokio::test]
async fn what_waits_is_delivered_at_start_in_one_body() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"one,", &["b.example"]).await;
    append(&store, 2, b"not for b,", &["c.example"]).await;
    append(&store, 3, b"three", &["b.example", "c.example"]).await;
    let peer = FakePeer::start(&federation, "b.example", with_directory(|_| status(201))).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let running = federation.start_on("a.example", &store).await;
    let seen = eventually(async || peer.seen().first().cloned()).await;
    assert_eq!(seen.target, "/mimi/v1/notify/mimi%3A%2F%2Fa.example%2Fr%2Fclub");
    assert_eq!((seen.host.as_str(), seen.from.as_str()), ("b.example", "mimi@a.example"));
    assert_eq!(seen.body, "one,three");
    eventually(async || (cursor(&store).await == 3).then_some(())).await;
    running.shutdown().await;
    assert_eq!(peer.seen().len(), 1);
    assert_eq!(peer.directory_fetches(), 1);
}

/// PROTO-TR-6: the same body again, not before the peer wants it.
#[tokio::test]
async fn retry_after_is_respected() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"one", &["b.example"]).await;
    let failed = AtomicBool::new(false);
    let respond = move |_: &Seen| {
        if failed.swap(true, Ordering::Relaxed) {
            return status(201);
        }
        let mut response = status(503);
        response.headers_mut().insert("retry-after", "2".parse().unwrap());
        response
    };
    let peer = FakePeer::start(&federation, "b.example", with_directory(respond)).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let running = federation.start_on("a.example", &store).await;
    let seen = eventually(async || Some(peer.seen()).filter(|seen| seen.len() == 2)).await;
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(1_900));
    assert_eq!(seen[0].body, seen[1].body);
    eventually(async || (cursor(&store).await == 1).then_some(())).await;
    running.shutdown().await;
}

/// PROTO-NTF-8: any error status means not accepted. Nothing is lost when the provider stops before
/// it got through.
#[tokio::test]
async fn delivery_resumes_after_a_restart() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"one", &["b.example"]).await;
    let healthy = Arc::new(AtomicBool::new(false));
    let is_healthy = Arc::clone(&healthy);
    let respond = move |_: &Seen| match is_healthy.load(Ordering::Relaxed) {
        true => status(202), // AMB-TR-4: any 2xx is taken for success
        false => status(400),
    };
    let peer = FakePeer::start(&federation, "b.example", with_directory(respond)).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let running = federation.start_on("a.example", &store).await;
    eventually(async || peer.seen().first().cloned()).await;
    running.shutdown().await;
    assert_eq!(cursor(&store).await, 0);
    append(&store, 2, b"two", &["b.example"]).await;
    healthy.store(true, Ordering::Relaxed);
    let running = federation.start_on("a.example", &store).await;
    eventually(async || (cursor(&store).await == 2).then_some(())).await;
    assert_eq!(peer.seen().last().unwrap().body, "onetwo");
    running.shutdown().await;
}

/// A peer that is not there is tried again until it is.
#[tokio::test]
async fn a_peer_that_comes_up_later() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"one", &["b.example"]).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    federation.publish_addresses(&[("b.example", address)]).await;
    let running = federation.start_on("a.example", &store).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let certificate = federation.certificate("b.example");
    let respond = with_directory(|_| status(201));
    let peer = FakePeer::start_on(&federation, &certificate, listener, respond);
    let seen = eventually(async || peer.seen().first().cloned()).await;
    assert_eq!(seen.body, "one");
    running.shutdown().await;
}

/// PROTO-TR-6: a peer that calls us while it wants to be left alone is left alone.
#[tokio::test]
async fn a_sign_of_life_does_not_shorten_retry_after() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"one", &["b.example"]).await;
    let failed = AtomicBool::new(false);
    let respond = move |_: &Seen| {
        if failed.swap(true, Ordering::Relaxed) {
            return status(201);
        }
        let mut response = status(503);
        response.headers_mut().insert("retry-after", "2".parse().unwrap());
        response
    };
    let peer = FakePeer::start(&federation, "b.example", with_directory(respond)).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let running = federation.start_on("a.example", &store).await;
    eventually(async || peer.seen().first().cloned()).await;
    let failed = std::time::Instant::now();
    let caller = federation.caller("b.example");
    let path = "/mimi/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclub";
    eventually(async || {
        caller.post(running.addresses().federation, "b.example", path, "").await.unwrap();
        (peer.seen().len() == 2).then_some(())
    })
    .await;
    assert!(failed.elapsed().as_millis() > 1_500, "{:?}", failed.elapsed());
    running.shutdown().await;
}

/// PROTO-CON-2: consent goes straight to the other provider, one entry a request, in order.
#[tokio::test]
async fn consent_is_delivered_entry_by_entry() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let peer = FakePeer::start(&federation, "b.example", with_directory(|_| status(201))).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let running = federation.start_on("a.example", &store).await;
    let alice = LocalUser::sign_up(&store, "a.example", "alice").await;
    let targets = ["mimi://b.example/u/bob", "mimi://b.example/u/bella"];
    for target in targets {
        let reply = alice.request_consent(&federation, &running, target).await;
        assert_eq!(reply.status.as_u16(), 201, "{reply:?}");
    }
    let seen = eventually(async || Some(peer.seen()).filter(|seen| seen.len() == 2)).await;
    for (seen, target) in seen.iter().zip(targets) {
        // AMB-DIR-3: whatever the template calls its variable.
        assert_eq!(seen.target, "/mimi/v1/requestConsent/b.example");
        let entry = ConsentEntry::decode(&seen.body).unwrap();
        assert_eq!(entry.operation, ConsentOperation::Request);
        assert_eq!(entry.requester_uri, alice.user);
        assert_eq!(entry.target_uri.as_str(), target);
    }
    running.shutdown().await;
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A clock that is ahead of the machine's by as much as the test wants.
fn shifted(ahead_ms: &Arc<AtomicU64>) -> Clock {
    let ahead_ms = Arc::clone(ahead_ms);
    Clock::from_fn(move || now_ms() + ahead_ms.load(Ordering::SeqCst))
}

async fn start_shifted(config: &Config, store: &MemoryStore, ahead_ms: &Arc<AtomicU64>) -> Running {
    let store = Arc::new(store.clone());
    Running::start_with(config.clone(), store, shifted(ahead_ms)).await.unwrap()
}

/// What the operator sees of b.example.
async fn seen_by_operator(config: &Config) -> Option<PeerStatus> {
    let list = operate::peers(config).await.unwrap();
    list.peers.into_iter().find(|status| status.peer == domain("b.example"))
}

/// AMB-NTF-10: after thirty days a peer is stale, its queue is dropped and the operator sees it. When
/// it is back it gets what is new, and only that.
#[tokio::test]
async fn a_peer_that_is_away_for_a_month_is_stale_until_it_is_back() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"old", &["b.example"]).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    federation.publish_addresses(&[("b.example", address)]).await;
    let (config, ahead_ms) = (federation.config("a.example", ""), Arc::default());
    let running = start_shifted(&config, &store, &ahead_ms).await;
    let failing = async || seen_by_operator(&config).await.filter(|seen| seen.attempts > 0);
    let seen = eventually(failing).await;
    assert_eq!((seen.waiting, seen.streams, seen.stale_since_ms), (1, 1, None));
    assert!(seen.last_error.is_some() && seen.oldest_ms.is_some());
    running.shutdown().await;

    // A day less than that changes nothing.
    ahead_ms.store(29 * DAY_MS, Ordering::SeqCst);
    let running = start_shifted(&config, &store, &ahead_ms).await;
    assert_eq!(eventually(failing).await.stale_since_ms, None);
    running.shutdown().await;
    assert_eq!(cursor(&store).await, 0);

    ahead_ms.store(31 * DAY_MS, Ordering::SeqCst);
    let running = start_shifted(&config, &store, &ahead_ms).await;
    let stale = async || seen_by_operator(&config).await.filter(|seen| seen.stale_streams == 1);
    let seen = eventually(stale).await;
    assert_eq!((seen.waiting, cursor(&store).await), (0, 1), "nothing is kept for it");
    assert!(seen.stale_since_ms.unwrap() > now_ms() + 30 * DAY_MS);

    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let certificate = federation.certificate("b.example");
    let respond = with_directory(|_| status(201));
    let peer = FakePeer::start_on(&federation, &certificate, listener, respond);
    append_at(&store, 2, b"new", &["b.example"], now_ms() + 31 * DAY_MS).await;
    eventually(async || {
        operate::retry_peer(&config, "b.example").await.unwrap();
        peer.seen().first().cloned()
    })
    .await;
    assert_eq!(peer.seen()[0].body, "new");
    eventually(async || seen_by_operator(&config).await.is_none().then_some(())).await;
    assert_eq!(store.stale_followers().await.unwrap(), []);
    running.shutdown().await;
}

/// The operator need not wait for a month.
#[tokio::test]
async fn an_operator_gives_up_what_waits() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"old", &["b.example"]).await;
    let config = federation.config("a.example", "");
    let respond = with_directory(|seen| status(if seen.body == "old" { 503 } else { 201 }));
    let peer = FakePeer::start(&federation, "b.example", respond).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let running = federation.start_on("a.example", &store).await;
    eventually(async || peer.seen().first().cloned()).await;
    let nobody = operate::drop_peer(&config, "c.example").await.unwrap();
    assert_eq!(nobody.streams, 0);
    assert_eq!(operate::drop_peer(&config, "b.example").await.unwrap().streams, 1);
    append(&store, 2, b"new", &["b.example"]).await;
    eventually(async || {
        operate::retry_peer(&config, "b.example").await.unwrap();
        (peer.seen().last()?.body == "new").then_some(())
    })
    .await;
    assert!(operate::retry_peer(&config, "no domain").await.is_err());
    running.shutdown().await;
}

/// A day of refusals as malformed, and only the entry at fault is left out: before and behind it
/// everything arrives, in order.
#[tokio::test]
async fn what_a_peer_calls_malformed_stops_nothing_for_good() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    for (seq, payload) in [(1, &b"one,"[..]), (2, b"bad,"), (3, b"three,"), (4, b"four,")] {
        append(&store, seq, payload, &["b.example"]).await;
    }
    let respond = with_directory(|seen| {
        let is_bad = std::str::from_utf8(&seen.body).unwrap().contains("bad");
        status(if is_bad { 400 } else { 201 })
    });
    let peer = FakePeer::start(&federation, "b.example", respond).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let (config, ahead_ms) = (federation.config("a.example", ""), Arc::default());
    let running = start_shifted(&config, &store, &ahead_ms).await;
    let refused = async || peer.seen().iter().any(|seen| seen.body == "bad,").then_some(());
    eventually(refused).await;
    let seen = seen_by_operator(&config).await.unwrap();
    assert_eq!((seen.waiting, seen.left_out), (3, 0));
    assert!(seen.last_error.unwrap().contains("400"));
    ahead_ms.store(DAY_MS + 60_000, Ordering::SeqCst);
    eventually(async || {
        operate::retry_peer(&config, "b.example").await.unwrap();
        (cursor(&store).await == 4).then_some(())
    })
    .await;
    assert_eq!(seen_by_operator(&config).await.unwrap().left_out, 1);
    let bodies = peer.seen().into_iter().map(|seen| seen.body);
    let taken: Vec<_> = bodies.filter(|body| !body.windows(3).any(|it| it == b"bad")).collect();
    assert_eq!(taken, ["one,", "three,", "four,"]);
    running.shutdown().await;
}

/// PROTO-DIR-4: the peer has moved its endpoints. The old ones answer 404, or nobody answers there;
/// either way its directory is looked at again, and delivery goes on.
#[tokio::test]
async fn a_peer_whose_endpoints_have_moved_is_found() {
    for old in ["https://b.example/old", "https://gone.b.example"] {
        let federation = Federation::new();
        let store = MemoryStore::new();
        append(&store, 1, b"one", &["b.example"]).await;
        let has_moved = Arc::new(AtomicBool::new(false));
        let moved = Arc::clone(&has_moved);
        let respond = move |seen: &Seen| {
            let base = if moved.load(Ordering::SeqCst) { "https://b.example/new" } else { old };
            match seen.target.as_str() {
                "/.well-known/mimi-protocol-directory" => {
                    Response::new(Directory::standard(base).to_json().into())
                }
                target if target.starts_with("/new/") => status(201),
                _ => status(404),
            }
        };
        let peer = FakePeer::start(&federation, "b.example", respond).await;
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = nobody.local_addr().unwrap();
        drop(nobody);
        let addresses = [("b.example", peer.address), ("gone.b.example", closed)];
        federation.publish_addresses(&addresses).await;
        let config = federation.config("a.example", "");
        let running = federation.start_on("a.example", &store).await;
        let failed = async || seen_by_operator(&config).await.filter(|seen| seen.attempts > 0);
        eventually(failed).await;
        assert_eq!(cursor(&store).await, 0);
        has_moved.store(true, Ordering::SeqCst);
        // A directory is not looked at again at once, so this takes some attempts.
        let delivered = async {
            while cursor(&store).await == 0 {
                operate::retry_peer(&config, "b.example").await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), delivered).await.expect(old);
        let last = peer.seen().last().unwrap().clone();
        assert!(last.target.starts_with("/new/mimi/v1/notify/"), "{}", last.target);
        assert!(peer.directory_fetches() < 12, "fetched {} times", peer.directory_fetches());
        running.shutdown().await;
    }
}

/// The peer's certificate is renewed while we talk: connections made from then on see the new one.
#[tokio::test]
async fn a_peer_renews_its_certificate() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    append(&store, 1, b"one", &["b.example"]).await;
    let respond = || with_directory(|_| status(201));
    let peer = FakePeer::start(&federation, "b.example", respond()).await;
    let address = peer.address;
    federation.publish_addresses(&[("b.example", address)]).await;
    let config = federation.config("a.example", "");
    let running = federation.start_on("a.example", &store).await;
    eventually(async || (cursor(&store).await == 1).then_some(())).await;
    drop(peer);
    let rebound = async || tokio::net::TcpListener::bind(address).await.ok();
    let listener = eventually(rebound).await;
    let renewed = federation.certificate("b.example");
    let peer = FakePeer::start_on(&federation, &renewed, listener, respond());
    append(&store, 2, b"two", &["b.example"]).await;
    eventually(async || {
        operate::retry_peer(&config, "b.example").await.unwrap();
        (cursor(&store).await == 2).then_some(())
    })
    .await;
    assert_eq!(peer.seen()[0].body, "two");
    running.shutdown().await;
}

/// However many rooms wait for a peer that does not answer, no more is read of them than may be on its
/// way to it.
#[tokio::test]
async fn what_waits_for_a_slow_peer_waits_in_the_store() {
    let federation = Federation::new();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    federation.publish_addresses(&[("b.example", silent.local_addr().unwrap())]).await;
    let store = FaultyStore::default();
    let follower = domain("b.example");
    for number in 0..20 {
        let stream = MimiUri::new(&format!("mimi://a.example/r/{number}")).unwrap();
        let event = NewEvent {
            stream: stream.clone(),
            seq: 1,
            kind: EventKind::Application,
            timestamp_ms: now_ms(),
            payload: b"one".to_vec(),
            audience: vec![follower.clone()],
            targets: None,
            detail: Vec::new(),
        };
        let (room, kind) = (stream.clone(), RoomKind::Hub);
        let changes = vec![
            Change::CreateRoom { room, kind, snapshot: Vec::new() },
            Change::Follow { stream, follower: follower.clone(), after_seq: 0 },
            Change::Append(event),
        ];
        store.shared().commit(Commit { expect: Vec::new(), changes }).await.unwrap();
    }
    let limits = "[limits.peers]\ndeliveries_per_peer_max = 3";
    let config = federation.config_with("a.example", limits);
    let running = Running::start_with(config, store.shared(), Clock::system()).await.unwrap();
    eventually(async || (store.batches_read() >= 3).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(store.batches_read(), 3);
    running.shutdown().await;
}
