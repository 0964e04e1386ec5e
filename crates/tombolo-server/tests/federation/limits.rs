//! Limits of requests and connections over real sockets: at the limit all goes well, one beyond it is
//! told so, and whoever is somebody else is not affected (docs/limits.md).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Method;
use http::header::RETRY_AFTER;
use mimi_wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::support::{
    Caller, Connection, Federation, LocalUser, Phone, Reply, SharedStore, eventually,
};

const PATH: &str = "/mimi/v1/submitMessage/mimi%3A%2F%2Fa.example%2Fr%2Fclub";
const UPDATE: &str = "/mimi/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclub";
const DIRECTORY: &str = "/.well-known/mimi-protocol-directory";
const MIB: usize = 1024 * 1024;

/// `a.example` with limits of the test's.
struct Hub {
    federation: Federation,
    store: MemoryStore,
    running: Running,
}

/// Requests or connections that are kept open; they end on drop.
struct Held(Vec<JoinHandle<()>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Hub {
    async fn start(limits: &str) -> Self {
        let federation = Federation::new();
        let config = federation.config_with("a.example", limits);
        let store = MemoryStore::new();
        let running = Running::start_with(config, store.shared(), Clock::system()).await.unwrap();
        Self { federation, store, running }
    }

    fn address(&self) -> SocketAddr {
        self.running.addresses().federation
    }

    async fn connect(&self, peer: &str) -> Connection {
        self.federation.caller(peer).connect(self.address(), "a.example").await.unwrap()
    }

    /// A request of a peer's on a connection of its own; what is in it is malformed.
    async fn ask(&self, peer: &str) -> Reply {
        self.connect(peer).await.post("a.example", peer, PATH, "").await.unwrap()
    }

    /// A peer begins a request and does not end it.
    async fn begin(&self, peer: &'static str, path: &'static str, first: Bytes) -> Held {
        let caller = self.federation.caller(peer);
        let mut connection = caller.connect_http2(self.address(), 65_535).await.unwrap();
        Held(vec![tokio::spawn(async move {
            // Whoever asks in between may be faster: then once more.
            loop {
                let _ = connection.begin(peer, path, first.clone()).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })])
    }

    /// Until a peer is answered so.
    async fn until(&self, peer: &str, status: u16) -> Reply {
        eventually(async || Some(self.ask(peer).await).filter(|it| it.status == status)).await
    }

    async fn phone(&self, name: &str) -> Phone {
        let name = format!("a.example/{name}");
        Phone::sign_up(&self.federation, &self.running, &self.store, &name).await
    }
}

fn says_when_to_come_back(reply: &Reply) {
    let seconds: u64 = reply.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    assert_eq!(reply.code(), "unavailable");
}

#[tokio::test]
async fn requests_of_one_peer() {
    let hub = Hub::start("[limits.requests]\nper_peer_max = 2").await;
    let first = hub.begin("b.example", PATH, Bytes::from_static(b"x")).await;
    let _second = hub.begin("b.example", PATH, Bytes::from_static(b"x")).await;
    says_when_to_come_back(&hub.until("b.example", 429).await);
    assert_eq!(hub.ask("c.example").await.status, 400);
    drop(first);
    hub.until("b.example", 400).await;
}

#[tokio::test]
async fn requests_of_all_peers() {
    let hub = Hub::start("[limits.requests]\npeers_max = 2\nper_peer_max = 1").await;
    let first = hub.begin("b.example", PATH, Bytes::from_static(b"x")).await;
    hub.until("b.example", 429).await;
    assert_eq!(hub.ask("d.example").await.status, 400);
    let _second = hub.begin("c.example", PATH, Bytes::from_static(b"x")).await;
    says_when_to_come_back(&hub.until("d.example", 503).await);
    drop(first);
    hub.until("d.example", 400).await;
}

#[tokio::test]
async fn bodies_held_at_once() {
    let hub =
        Hub::start("[limits.requests]\nbodies_per_peer_mib_max = 16\nbodies_mib_max = 24").await;
    let _ten = hub.begin("b.example", UPDATE, Bytes::from(vec![0; 10 * MIB])).await;
    let send = async |peer: &str, mib: usize| {
        let caller = hub.federation.caller(peer);
        let mut connection = caller.connect_http2(hub.address(), 65_535).await.unwrap();
        let body = Some(Bytes::from(vec![0; mib * MIB]));
        connection.send(Method::POST, Some(peer), UPDATE, body).await.unwrap().status.as_u16()
    };
    eventually(async || (send("b.example", 7).await == 429).then_some(())).await;
    eventually(async || (send("b.example", 5).await == 400).then_some(())).await;
    eventually(async || (send("c.example", 13).await == 400).then_some(())).await;
    eventually(async || (send("c.example", 15).await == 503).then_some(())).await;
}

/// The same of one device; nine mebibytes are held, of sixteen.
#[tokio::test]
async fn bodies_of_one_device() {
    let hub = Hub::start("[limits.requests]\nbodies_per_device_mib_max = 16").await;
    let (alice, bob) = (hub.phone("alice/phone").await, hub.phone("bob/phone").await);
    let path = "/rooms/mimi%3A%2F%2Fa.example%2Fr%2Fclub/update";
    let (mut connection, headers) = alice.connect().await;
    let _nine = Held(vec![tokio::spawn(async move {
        let [host, authorization] = &headers;
        let headers = [(host.0, host.1.as_str()), (authorization.0, authorization.1.as_str())];
        let first = Bytes::from(vec![0; 9 * MIB]);
        let _ = connection.unending(&format!("/client/v1{path}"), &headers, first).await;
    })]);
    let send = async |phone: &Phone, mib: usize| {
        let reply = phone.call(Method::POST, path, vec![0; mib * MIB]).await;
        reply.status.as_u16()
    };
    eventually(async || (send(&alice, 8).await == 429).then_some(())).await;
    assert_eq!(send(&alice, 7).await, 400);
    assert_eq!(send(&bob, 8).await, 400);
}

#[tokio::test]
async fn a_body_takes_its_time() {
    let hub = Hub::start("[limits.requests]\nbody_ms_max = 200").await;
    let mut connection = hub.connect("b.example").await;
    let headers = [("host", "a.example"), ("from", "mimi@b.example")];
    let reply = connection.unending(PATH, &headers, Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(reply.status, 408);
}

#[tokio::test]
async fn connections_of_one_peer() {
    let hub = Hub::start("[limits.connections]\nper_peer_max = 1").await;
    let mut first = hub.connect("b.example").await;
    assert_eq!(first.post("a.example", "b.example", PATH, "").await.unwrap().status, 400);
    says_when_to_come_back(&hub.ask("b.example").await);
    assert_eq!(hub.ask("c.example").await.status, 400);
    assert_eq!(first.post("a.example", "b.example", PATH, "").await.unwrap().status, 400);
    drop(first);
    hub.until("b.example", 400).await;
}

#[tokio::test]
async fn open_connections_wait() {
    let limits = "[limits.connections]\nopen_max = 16\nunproven_max = 16\n\
                  unproven_per_network_max = 16";
    let hub = Hub::start(limits).await;
    let connect = async || TcpStream::connect(hub.address()).await.unwrap();
    let mut open = join_all((0..16).map(|_| connect())).await;
    let caller = hub.federation.caller("b.example");
    let mut waits = Box::pin(caller.connect(hub.address(), "a.example"));
    let soon = Duration::from_millis(300);
    assert!(tokio::time::timeout(soon, &mut waits).await.is_err());
    open.pop();
    let mut connection = waits.await.unwrap();
    let reply = connection.post("a.example", "b.example", PATH, "").await.unwrap();
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn headers_are_bounded() {
    let hub = Hub::start("[limits.connections]\nheader_octets_max = 8192").await;
    for (octets, status) in [(7_000, 400), (8_192, 431)] {
        let mut connection = hub.connect("b.example").await;
        let padding = "x".repeat(octets);
        let headers = [("host", "a.example"), ("from", "mimi@b.example"), ("x", &padding)];
        let reply = connection.send(Method::POST, PATH, &headers, "").await.unwrap();
        assert_eq!(reply.status, status, "{octets}");
        let caller = hub.federation.caller("b.example");
        let mut connection = caller.connect_http2(hub.address(), 65_535).await.unwrap();
        let (from, body) = (Some("b.example"), Some(Bytes::new()));
        let reply = connection.send_with(Method::POST, from, PATH, body, &padding).await.unwrap();
        assert_eq!(reply.status, status, "{octets} by HTTP/2");
    }
    // So many that they come in one CONTINUATION after another: not even read to their end.
    let caller = hub.federation.caller("b.example");
    let mut connection = caller.connect_http2(hub.address(), 65_535).await.unwrap();
    let (from, body, padding) = (Some("b.example"), Some(Bytes::new()), "~".repeat(8 * MIB));
    match connection.send_with(Method::POST, from, PATH, body, &padding).await {
        Ok(reply) => assert_eq!(reply.status, 431),
        Err(error) => tracing::debug!(%error, "the connection has ended"),
    }
    hub.until("b.example", 400).await;
}

#[tokio::test]
async fn streams_of_one_connection() {
    let hub = Hub::start("[limits.connections]\nstreams_max = 2").await;
    let caller = hub.federation.caller("b.example");
    let mut connection = caller.connect_http2(hub.address(), 65_535).await.unwrap();
    let from = Some("b.example");
    let first = connection.send(Method::POST, from, PATH, Some(Bytes::new())).await.unwrap();
    assert_eq!(first.status, 400);
    let hold = || {
        let mut connection = connection.clone();
        Held(vec![tokio::spawn(async move {
            let _ = connection.send(Method::POST, from, PATH, None).await;
        })])
    };
    let one = hold();
    let _other = hold();
    let soon = Duration::from_millis(300);
    tokio::time::sleep(soon).await;
    let mut third = connection.clone();
    let mut third = Box::pin(third.send(Method::POST, from, PATH, Some(Bytes::new())));
    assert!(tokio::time::timeout(soon, &mut third).await.is_err(), "there is no third stream");
    drop(one);
    assert_eq!(third.await.unwrap().status, 400);
}

/// A reader that does not read loses its connection, and holds no place of others meanwhile.
#[tokio::test]
async fn an_answer_that_nobody_takes() {
    let hub = Hub::start("[limits.connections]\nanswer_ms_max = 400").await;
    let nobody = hub.federation.anonymous();
    let mut reads = nobody.connect_http2(hub.address(), 65_535).await.unwrap();
    let reply = reads.send(Method::GET, None, DIRECTORY, Some(Bytes::new())).await.unwrap();
    assert_eq!(reply.status, 200);
    let mut does_not = nobody.connect_http2(hub.address(), 0).await.unwrap();
    let before = Instant::now();
    let outcome = does_not.send(Method::GET, None, DIRECTORY, Some(Bytes::new())).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert!(before.elapsed() >= Duration::from_millis(400));
    let reply = reads.send(Method::GET, None, DIRECTORY, Some(Bytes::new())).await.unwrap();
    assert_eq!(reply.status, 200);
}

/// Nor does a file wait for whoever asked for it: the connection goes, and its place is free.
#[tokio::test]
async fn a_file_that_nobody_takes() {
    let limits = "[limits.connections]\nanswer_ms_max = 400\n\
                  [limits.requests]\nanonymous_per_network_max = 1";
    let hub = Hub::start(limits).await;
    let alice = LocalUser::sign_up(&hub.store, "a.example", "alice").await;
    let file = crate::assets::octets(MIB);
    let url = crate::assets::upload(&hub.federation, &hub.running, &alice, &file).await;
    let path = url.strip_prefix("https://a.example").unwrap();
    let nobody = hub.federation.anonymous();
    let mut reads = nobody.connect_http2(hub.address(), 65_535).await.unwrap();
    let reply = reads.send(Method::GET, None, path, Some(Bytes::new())).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.body), (200, file));
    let mut does_not = nobody.connect_http2(hub.address(), 0).await.unwrap();
    let before = Instant::now();
    let outcome = does_not.send(Method::GET, None, path, Some(Bytes::new())).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert!(before.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn anonymous_requests() {
    let hub = Hub::start("[limits.requests]\nanonymous_per_network_max = 1").await;
    let nobody = hub.federation.anonymous();
    // Takes no octet of the answer.
    let mut reader = nobody.connect_http2(hub.address(), 0).await.unwrap();
    let (status, held) = reader.unread(DIRECTORY).await.unwrap();
    assert_eq!(status, 200);
    let mut another = nobody.connect_http2(hub.address(), 65_535).await.unwrap();
    let mut ask =
        async || another.send(Method::GET, None, DIRECTORY, Some(Bytes::new())).await.unwrap();
    let reply = ask().await;
    assert_eq!(reply.status, 429);
    says_when_to_come_back(&reply);
    // Who has proven who it is is asked for its own share.
    assert_eq!(hub.ask("b.example").await.status, 400);
    // Whoever lets go of its answer has its place again.
    drop(held);
    eventually(async || Some(ask().await).filter(|reply| reply.status == 200)).await;
}

#[tokio::test]
async fn the_unproven_go_sooner() {
    let hub = Hub::start("[limits.connections]\nunproven_idle_ms_max = 300").await;
    let get = [("host", "a.example")];
    let mut nobody = hub.federation.anonymous().connect(hub.address(), "a.example").await.unwrap();
    assert_eq!(nobody.send(Method::GET, DIRECTORY, &get, "").await.unwrap().status, 200);
    let mut peer = hub.connect("b.example").await;
    assert_eq!(peer.post("a.example", "b.example", PATH, "").await.unwrap().status, 400);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(nobody.send(Method::GET, DIRECTORY, &get, "").await.is_err());
    assert_eq!(peer.post("a.example", "b.example", PATH, "").await.unwrap().status, 400);
}

/// A peer that takes connections and says nothing is given up; meanwhile nobody else waits.
#[tokio::test]
async fn a_slow_peer_holds_nobody_else() {
    for limit in ["exchange_ms_max", "directory_ms_max"] {
        let hub = Hub::start(&format!("[limits.peers]\n{limit} = 700")).await;
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        hub.federation.publish_addresses(&[("c.example", address)]).await;
        let alice = hub.phone("alice/phone").await;
        let before = Instant::now();
        let ask = async |path: &str| alice.call(Method::GET, path, Vec::new()).await;
        let waiting = join_all((0..8).map(|_| ask("/issuers/c.example")));
        let others = async {
            for _ in 0..8 {
                assert_eq!(ask("/provider").await.status, 200);
            }
            before.elapsed()
        };
        let (given_up, others) = tokio::join!(waiting, others);
        assert!(others < before.elapsed(), "{limit}: they were answered first");
        for reply in given_up {
            assert_eq!(reply.status, 503, "{limit}");
            says_when_to_come_back(&reply);
        }
        assert!(before.elapsed() >= Duration::from_millis(700), "{limit}");
    }
}

/// A device begins a request and does not end it.
async fn begin(phone: &Phone) -> Held {
    let mut connections = Vec::new();
    // Whoever asks in between may be faster: then once more.
    for _ in 0..5 {
        connections.push(phone.connect().await);
    }
    Held(vec![tokio::spawn(async move {
        for (mut connection, headers) in connections {
            let [host, authorization] = &headers;
            let headers = [
                (host.0, host.1.as_str()),
                (authorization.0, authorization.1.as_str()),
                ("content-type", "application/octet-stream"),
            ];
            let first = Bytes::from_static(b"x");
            let _ = connection.unending("/client/v1/consent", &headers, first).await;
        }
    })])
}

async fn until(phone: &Phone, status: u16) -> Reply {
    let ask = async || phone.call(Method::GET, "/devices", Vec::new()).await;
    eventually(async || Some(ask().await).filter(|reply| reply.status == status)).await
}

#[tokio::test]
async fn requests_of_one_device() {
    let hub = Hub::start("[limits.requests]\nper_device_max = 1").await;
    let (alice, bob) = (hub.phone("alice/phone").await, hub.phone("bob/phone").await);
    let held = begin(&alice).await;
    says_when_to_come_back(&until(&alice, 429).await);
    until(&bob, 200).await;
    drop(held);
    until(&alice, 200).await;
}

/// Whoever makes up a token for each request has no more places, and holds no more octets, than whoever
/// has none: they are its network's. Devices of the same network have their own.
#[tokio::test]
async fn tokens_that_prove_nothing() {
    let hub = Hub::start(
        "[limits.requests]\nanonymous_per_network_max = 2\nper_device_max = 8\nclients_max = 8",
    )
    .await;
    let alice = hub.phone("alice/phone").await;
    let mut asking = FuturesUnordered::new();
    for number in 0..16 {
        let (mut connection, [host, _]) = alice.connect().await;
        asking.push(async move {
            let token = format!("Bearer made-up-{number}");
            let headers = [(host.0, host.1.as_str()), ("authorization", token.as_str())];
            let first = Bytes::from_static(b"{");
            connection.unending("/client/v1/register", &headers, first).await.unwrap()
        });
    }
    // The other two have places, and nobody ends their requests.
    for _ in 0..14 {
        let reply = asking.next().await.unwrap();
        assert_eq!(reply.status, 429);
        says_when_to_come_back(&reply);
    }
    assert_eq!(alice.call(Method::GET, "/devices", Vec::new()).await.status, 200);
    drop(asking);
}

#[tokio::test]
async fn requests_of_all_clients() {
    let hub = Hub::start("[limits.requests]\nclients_max = 2\nper_device_max = 1").await;
    let (alice, bob) = (hub.phone("alice/phone").await, hub.phone("bob/phone").await);
    let cathy = hub.phone("cathy/phone").await;
    let held = begin(&alice).await;
    until(&alice, 429).await;
    until(&cathy, 200).await;
    let _also = begin(&bob).await;
    says_when_to_come_back(&until(&cathy, 503).await);
    drop(held);
    until(&cathy, 200).await;
}

#[tokio::test]
async fn connections_of_one_device() {
    let hub = Hub::start("[limits.connections]\nper_device_max = 1").await;
    let (alice, bob) = (hub.phone("alice/phone").await, hub.phone("bob/phone").await);
    until(&alice, 200).await;
    let (mut connection, headers) = alice.connect().await;
    let [host, authorization] = &headers;
    let headers = [(host.0, host.1.as_str()), (authorization.0, authorization.1.as_str())];
    eventually(async || {
        let reply = connection.send(Method::GET, "/client/v1/devices", &headers, "").await.unwrap();
        (reply.status == 200).then_some(())
    })
    .await;
    says_when_to_come_back(&until(&alice, 429).await);
    until(&bob, 200).await;
    drop(connection);
    until(&alice, 200).await;
}

#[tokio::test]
async fn users_found_so_many_rooms() {
    let limits = "[limits.rooms]\nfoundings_per_user_max = 1\nfounding_refill_ms = 3600000";
    let hub = Hub::start(limits).await;
    let mut alice = hub.phone("alice/phone").await;
    let mut bob = hub.phone("bob/phone").await;
    let first = alice.found("first").await;
    let (reply, _) = alice.found_inside("second", &first).await;
    assert_eq!(reply.status, 429);
    says_when_to_come_back(&reply);
    bob.found("third").await;
}

#[tokio::test]
async fn so_many_rooms_are_known() {
    let hub = Hub::start("[limits.rooms]\nknown_max = 1").await;
    let mut alice = hub.phone("alice/phone").await;
    let first = alice.found("first").await;
    let (reply, _) = alice.found_inside("second", &first).await;
    assert_eq!(reply.status, 503);
    says_when_to_come_back(&reply);
}

/// Message by message: what is left may be exceeded once, then its sender is told to come back, and
/// others go on.
#[tokio::test]
async fn devices_and_peers_fill_logs_at_a_pace() {
    let federation = Federation::new();
    let (a_store, b_store) = (MemoryStore::new(), MemoryStore::new());
    let tables = "[limits.logs]\ndevice_mib_max = 1\ndevice_mib_refill_ms = 3600000\n\
                  peer_mib_max = 1\npeer_mib_refill_ms = 3600000";
    let config = federation.config_with("a.example", tables);
    let a = Running::start_with(config, a_store.shared(), Clock::system()).await.unwrap();
    let b = federation.start_on("b.example", &b_store).await;
    let addresses =
        [("a.example", a.addresses().federation), ("b.example", b.addresses().federation)];
    federation.publish_addresses(&addresses).await;
    let mut alice = Phone::sign_up(&federation, &a, &a_store, "a.example/alice/phone").await;
    let mut cathy = Phone::sign_up(&federation, &a, &a_store, "a.example/cathy/phone").await;
    let mut bob = Phone::sign_up(&federation, &b, &b_store, "b.example/bob/phone").await;
    bob.grant(&alice.user).await;
    cathy.grant(&alice.user).await;
    let club = alice.found("club").await;
    alice.add(&bob.user, &club).await;
    alice.add(&cathy.user, &club).await;
    bob.until_epoch(&club, 2).await;
    cathy.until_epoch(&club, 2).await;
    let large = "x".repeat(600 * 1024);
    let path =
        format!("/rooms/{}/submit-message", club.as_str().replace(':', "%3A").replace('/', "%2F"));
    // The peer's own answer is 503: its client can do nothing about it.
    for (phone, refused) in [(&mut alice, 429), (&mut bob, 503)] {
        phone.send(&club, &large).await;
        phone.send(&club, &large).await;
        let one_more = phone.message(&club, "short").encode();
        let reply = phone.call(Method::POST, &path, one_more).await;
        assert_eq!(reply.status, refused, "{:?}", reply.body);
        says_when_to_come_back(&reply);
    }
    cathy.send(&club, "small").await;
}

/// The second room of one hub waits at the hub until there is place for it; nothing is lost.
#[tokio::test]
async fn rooms_begin_to_be_followed_at_a_pace() {
    let federation = Federation::new();
    let (a_store, b_store) = (MemoryStore::new(), MemoryStore::new());
    let tables = "[limits.rooms]\nfollowings_per_peer_max = 1\nfollowing_refill_ms = 2500";
    let config = federation.config_with("b.example", tables);
    let b = Running::start_with(config, b_store.shared(), Clock::system()).await.unwrap();
    let a = federation.start_on("a.example", &a_store).await;
    let addresses =
        [("a.example", a.addresses().federation), ("b.example", b.addresses().federation)];
    federation.publish_addresses(&addresses).await;
    let mut alice = Phone::sign_up(&federation, &a, &a_store, "a.example/alice/phone").await;
    let mut bob = Phone::sign_up(&federation, &b, &b_store, "b.example/bob/phone").await;
    bob.stock(4).await;
    bob.grant(&alice.user).await;
    let [first, second] = [alice.found("first").await, alice.found("second").await];
    alice.add(&bob.user, &first).await;
    bob.until_epoch(&first, 1).await;
    let before = Instant::now();
    alice.add(&bob.user, &second).await;
    bob.until_epoch(&second, 1).await;
    assert!(before.elapsed() >= Duration::from_secs(1), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_room_begins_with_so_many_clients() {
    for (most, status) in [(2, 201), (1, 403)] {
        let hub = Hub::start(&format!("[limits.rooms]\nfounding_clients_max = {most}")).await;
        let mut alice = hub.phone("alice/phone").await;
        let bob = hub.phone("bob/phone").await;
        bob.grant(&alice.user).await;
        let (reply, _) = alice.open_direct("two", &bob.user).await;
        assert_eq!(reply.status, status, "{:?}", reply.body);
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The kinds of the frames that come until there is one of a kind, or nothing more.
async fn frames_until(stream: &mut (impl AsyncReadExt + Unpin), last: u8) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut head = [0; 9];
    while kinds.last() != Some(&last) && stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
        kinds.push(head[3]);
    }
    kinds
}

/// Requests that are taken back before they are looked at: n are nothing, with one more the connection
/// ends, and keeps nobody from being heard.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    // :method POST, :scheme https, :path /, :authority a.example.
    let request = [b"\x83\x87\x84\x41\x09".as_slice(), b"a.example"].concat();
    let hub = Hub::start("").await;
    let caller: Caller = hub.federation.caller("b.example");
    for (resets, goes_on) in [(32, true), (33, false)] {
        let mut stream = caller.connect_raw(hub.address()).await.unwrap();
        let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        octets.extend(frame(SETTINGS, 0, 0, &[]));
        stream.write_all(&octets).await.unwrap();
        assert_eq!(frames_until(&mut stream, SETTINGS).await.last(), Some(&SETTINGS));
        octets.clear();
        // In one write, so that they are read at once.
        for number in 0..resets {
            octets.extend(frame(HEADERS, 4, 2 * number + 1, &request));
            octets.extend(frame(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes()));
        }
        octets.extend(frame(PING, 0, 0, &[7; 8]));
        stream.write_all(&octets).await.unwrap();
        if goes_on {
            let seen = frames_until(&mut stream, PING).await;
            assert!(seen.ends_with(&[PING]) && !seen.contains(&GOAWAY), "{seen:?}");
            continue;
        }
        assert!(frames_until(&mut stream, GOAWAY).await.ends_with(&[GOAWAY]));
        // No kind of frame any more: the other end closes.
        let end = frames_until(&mut stream, u8::MAX);
        tokio::time::timeout(Duration::from_secs(5), end).await.expect("the connection ends");
    }
    assert_eq!(hub.ask("c.example").await.status, 400);
    hub.until("b.example", 400).await;
}

/// At the limit of one network's connections without proof a further one is closed, and whoever has
/// proven itself goes on.
#[tokio::test]
async fn strangers_do_not_keep_peers_out() {
    let limits = "[limits.connections]\nunproven_max = 8\nunproven_per_network_max = 4";
    let hub = Hub::start(limits).await;
    let mut peer = hub.connect("b.example").await;
    assert_eq!(peer.post("a.example", "b.example", PATH, "").await.unwrap().status, 400);
    let connect = async || TcpStream::connect(hub.address()).await.unwrap();
    let _open = join_all((0..4).map(|_| connect())).await;
    let mut one_more = connect().await;
    assert!(!matches!(one_more.read(&mut [0]).await, Ok(1..)), "it is closed");
    assert_eq!(peer.post("a.example", "b.example", PATH, "").await.unwrap().status, 400);
}
