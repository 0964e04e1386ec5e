//! Delivery to peers: in order, again after failures, again after a restart (PROTO-NTF-9, PROTO-TR-6,
//! PROTO-UPD-14, PROTO-CON-2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use mimi_provider::Change;
use mimi_provider::record::{EventKind, NewEvent, RoomKind, Seq};
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::directory::Directory;
use mimi_wire::{MimiUri, Wire};
use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Store};

use crate::support::{FakePeer, Federation, LocalUser, Seen, domain, eventually, now_ms, status};

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

fn room() -> MimiUri {
    MimiUri::new("mimi://a.example/r/club").unwrap()
}

/// Puts an entry into a room's log as a hub's decision would.
async fn append(store: &MemoryStore, seq: Seq, payload: &[u8], audience: &[&str]) {
    let event = NewEvent {
        stream: room(),
        seq,
        kind: EventKind::Application,
        timestamp_ms: now_ms(),
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
