//! How we find, trust and call peers (PROTO-DIR-3, PROTO-DIR-4, AMB-TR-1, PROTO-TR-4).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tombolo_server::admin_api::AdminClient;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::support::{FakePeer, Federation, LocalUser, Seen, eventually, status};

const DIRECTORY: &str = "/.well-known/mimi-protocol-directory";
const BOB: &str = "mimi://b.example/u/bob";

/// A directory whose consent endpoint is at `template`.
fn directory(template: &str) -> Response<Bytes> {
    Response::new(format!(r#"{{"requestConsent": "{template}", "tomorrow": 7}}"#).into())
}

/// A provider and a user of it, whose requests show how a peer is called.
struct Setup {
    federation: Federation,
    running: Running,
    alice: LocalUser,
}

impl Setup {
    async fn new(federation: Federation) -> Self {
        let store = MemoryStore::new();
        let running = federation.start_on("a.example", &store).await;
        let alice = LocalUser::sign_up(&store, "a.example", "alice").await;
        Self { federation, running, alice }
    }

    async fn ask_bob(&self) {
        let reply = self.alice.request_consent(&self.federation, &self.running, BOB).await;
        assert_eq!(reply.status.as_u16(), 201);
    }

    /// Why the delivery to b.example failed.
    async fn failure(&self) -> String {
        let data_dir = self.federation.directory.path().join("a.example");
        let admin = AdminClient::new(self.running.addresses().admin, &data_dir).unwrap();
        eventually(async || {
            let status = admin.status().await.unwrap();
            status.waiting.into_iter().find_map(|waiting| waiting.last_error)
        })
        .await
    }
}

/// PROTO-DIR-3: on another host, with the variable in the query, under the draft's other name.
#[tokio::test]
async fn endpoints_are_where_the_directory_says() {
    let federation = Federation::new();
    let template = "https://mimi.b.example/consent?who={targetUser}&x=1";
    let peer = FakePeer::start(&federation, "b.example", move |_| directory(template)).await;
    let endpoints = FakePeer::start(&federation, "mimi.b.example", |_| status(201)).await;
    let addresses = [("b.example", peer.address), ("mimi.b.example", endpoints.address)];
    federation.publish_addresses(&addresses).await;
    let setup = Setup::new(federation).await;
    setup.ask_bob().await;
    let seen = eventually(async || endpoints.seen().first().cloned()).await;
    assert_eq!(seen.target, "/consent?who=mimi%3A%2F%2Fb.example%2Fu%2Fbob&x=1");
    assert_eq!(seen.host, "mimi.b.example"); // AMB-TR-1
    assert_eq!(peer.seen().len(), 0);
}

/// PROTO-DIR-4: fetched once for many requests; fetched anew when an endpoint is gone.
#[tokio::test]
async fn the_directory_is_kept_until_an_endpoint_is_gone() {
    let federation = Federation::new();
    let version = Arc::new(AtomicUsize::new(1));
    let current = Arc::clone(&version);
    let respond = move |seen: &Seen| {
        let version = current.load(Ordering::Relaxed);
        match seen.target.as_str() {
            DIRECTORY => directory(&format!("https://b.example/v{version}/{{targetDomain}}")),
            target if target.starts_with(&format!("/v{version}/")) => status(201),
            _ => status(410),
        }
    };
    let peer = FakePeer::start(&federation, "b.example", respond).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let setup = Setup::new(federation).await;
    for count in 1..=3 {
        setup.ask_bob().await;
        eventually(async || (peer.seen().len() == count).then_some(())).await;
    }
    assert_eq!(peer.directory_fetches(), 1);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    version.store(2, Ordering::Relaxed);
    setup.ask_bob().await;
    let seen = eventually(async || peer.seen().get(4).cloned()).await;
    assert_eq!(seen.target, "/v2/b.example");
    assert_eq!(peer.directory_fetches(), 2);
}

/// PROTO-TR-4: who answers at the peer's address must prove to be the peer.
#[tokio::test]
async fn a_server_with_another_certificate_is_not_told_anything() {
    let federation = Federation::new();
    let peer = FakePeer::start(&federation, "c.example", |_| status(201)).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let setup = Setup::new(federation).await;
    setup.ask_bob().await;
    let failure = setup.failure().await;
    assert!(failure.contains("certificate"), "{failure}");
    assert_eq!((peer.seen().len(), peer.directory_fetches()), (0, 0));
}

/// A directory must not steer us into our own network.
#[tokio::test]
async fn hosts_that_nobody_configured_must_be_public() {
    let federation = Federation::new();
    let inner = FakePeer::start(&federation, "localhost", |_| status(201)).await;
    let template = format!("https://localhost:{}/{{targetUser}}", inner.address.port());
    let peer = FakePeer::start(&federation, "b.example", move |_| directory(&template)).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let setup = Setup::new(federation).await;
    setup.ask_bob().await;
    let failure = setup.failure().await;
    assert!(failure.contains("private addresses"), "{failure}");
    assert_eq!(inner.seen().len(), 0);
}

/// Templates that are not https URLs with one variable, redirects, garbage: refused, and said so.
#[tokio::test]
async fn unusable_directories() {
    let bodies = [
        r#"{"requestConsent": "http://b.example/{targetUser}"}"#,
        r#"{"requestConsent": "https://b.example/{roomId}"}"#,
        r#"{"requestConsent": "https://{targetUser}.b.example/"}"#,
        r#"{"update": "https://b.example/{roomId}"}"#,
        "[]",
        "garbage",
    ];
    for body in bodies {
        let federation = Federation::new();
        let peer =
            FakePeer::start(&federation, "b.example", move |_| Response::new(body.into())).await;
        federation.publish_addresses(&[("b.example", peer.address)]).await;
        let setup = Setup::new(federation).await;
        setup.ask_bob().await;
        let failure = setup.failure().await;
        assert!(failure.contains("directory"), "{body}: {failure}");
        assert_eq!(peer.seen().len(), 0, "{body}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let federation = Federation::new();
    let respond = |seen: &Seen| {
        let mut response = status(307);
        let location = format!("https://b.example/elsewhere{}", seen.target);
        response.headers_mut().insert("location", location.parse().unwrap());
        response
    };
    let peer = FakePeer::start(&federation, "b.example", respond).await;
    federation.publish_addresses(&[("b.example", peer.address)]).await;
    let setup = Setup::new(federation).await;
    setup.ask_bob().await;
    let failure = setup.failure().await;
    assert!(failure.contains("307"), "{failure}");
    assert_eq!(peer.seen().len(), 0);
}

/// The operator's word holds for both ways.
#[tokio::test]
async fn a_blocked_peer_is_not_called() {
    let federation = Federation::new();
    let peer = FakePeer::start(&federation, "b.example", |_| status(201)).await;
    let table =
        format!("[peers.\"b.example\"]\naddress = \"{}\"\npolicy = \"block\"\n", peer.address);
    federation.publish(&table).await;
    let setup = Setup::new(federation).await;
    setup.ask_bob().await;
    let failure = setup.failure().await;
    assert!(failure.contains("blocked"), "{failure}");
    assert_eq!((peer.seen().len(), peer.directory_fetches()), (0, 0));
}
