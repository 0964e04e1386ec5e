//! What strangers can do, and what they learn by it: nothing (PROTO-CON-5..10, PROTO-KM-6).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use mimi_provider::record::{EventKind, LoggedEvent};
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::identifier_query::{IdentifierRequest, QueryElement, SearchIdentifier};
use mimi_wire::protocol::key_material::{KeyMaterialResponse, KeyMaterialUserCode};
use mimi_wire::protocol::{AppDataDictionary, Extensions};
use mimi_wire::{MimiUri, Wire};
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Store};

use crate::support::{FakePeer, Federation, Phone, Reply, SharedStore, eventually, status};

/// Names of one length: bobby is there, denny has turned mallory away, gonny has gone, nobby never
/// was.
const TARGETS: [&str; 4] = ["bobby", "denny", "gonny", "nobby"];

fn target(name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://b.example/u/{name}")).unwrap()
}

fn entry(operation: ConsentOperation, requester: &MimiUri, target: &MimiUri) -> Vec<u8> {
    ConsentEntry {
        operation,
        requester_uri: requester.clone(),
        target_uri: target.clone(),
        room_id: None,
        consent_extensions: Extensions::default(),
    }
    .encode()
}

fn grant() -> ConsentOperation {
    ConsentOperation::Grant { client_key_packages: Vec::new() }
}

/// b.example with its users, and mallory at a.example.
struct World {
    federation: Federation,
    store: MemoryStore,
    a: Running,
    b: Running,
    mallory: Phone,
    bobby: Phone,
}

impl World {
    async fn new(contact: &str) -> Self {
        let federation = Federation::new();
        let (a_store, store) = (MemoryStore::new(), MemoryStore::new());
        let a = federation.start_on("a.example", &a_store).await;
        let config = federation.config_with("b.example", &format!("[contact]\n{contact}"));
        let b = Running::start_with(config, store.shared(), Clock::system()).await.unwrap();
        let addresses =
            [("a.example", a.addresses().federation), ("b.example", b.addresses().federation)];
        federation.publish_addresses(&addresses).await;
        let mallory = Phone::sign_up(&federation, &a, &a_store, "a.example/mallory/phone").await;
        let sign_up = async |name: &str| {
            Phone::sign_up(&federation, &b, &store, &format!("b.example/{name}/phone")).await
        };
        let bobby = sign_up("bobby").await;
        let denny = sign_up("denny").await;
        let gone = sign_up("gonny").await;
        let no = denny.says(ConsentOperation::Revoke, &mallory.user, &denny.user).await;
        assert_eq!(no.status, StatusCode::CREATED);
        let changes = vec![
            mimi_provider::Change::RemoveDevice(gone.client.clone()),
            mimi_provider::Change::RemoveAccount(gone.user.clone()),
        ];
        store.commit(Commit { expect: Vec::new(), changes }).await.unwrap();
        Self { federation, store, a, b, mallory, bobby }
    }

    /// As another provider, `from`.
    async fn post(&self, from: &str, endpoint: &str, variable: &str, body: Vec<u8>) -> Reply {
        let caller = self.federation.caller(from);
        let address = self.b.addresses().federation;
        let mut connection = caller.connect(address, "b.example").await.unwrap();
        let path = format!("/mimi/v1/{endpoint}/{variable}");
        connection.post("b.example", from, &path, Bytes::from(body)).await.unwrap()
    }

    async fn asks(&self, from: &str, requester: &MimiUri, target: &MimiUri) -> Reply {
        let body = entry(ConsentOperation::Request, requester, target);
        self.post(from, "requestConsent", "b.example", body).await
    }

    async fn fetches(&self, target: &MimiUri) -> Reply {
        let body = self.mallory.key_material_outside(target).encode();
        self.post("a.example", "keyMaterial", &escaped(target), body).await
    }

    /// Waits until everything that has arrived is looked at, then reads a user's stream.
    async fn events(&self, user: &MimiUri) -> Vec<LoggedEvent> {
        eventually(async || self.store.arrivals(1).await.unwrap().is_empty().then_some(())).await;
        self.store.log(user, 0, 1_000).await.unwrap()
    }
}

fn escaped(uri: &MimiUri) -> String {
    uri.as_str().replace(':', "%3A").replace('/', "%2F")
}

/// What a stranger sees of an answer, without the name it asked for itself.
fn seen(reply: &Reply, name: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut headers = reply.headers.clone();
    headers.remove("date");
    let mut body = reply.body.to_vec();
    while let Some(at) = body.windows(name.len()).position(|part| part == name.as_bytes()) {
        body.splice(at..at + name.len(), *b"_____");
    }
    (reply.status, headers, body)
}

/// PROTO-KM-6, PROTO-CON-5, PROTO-CON-10, AMB-CON-2, PROTO-IDQ-4: at every endpoint, users that are
/// there, unwilling, gone and unknown are answered alike, octet by octet. Nobody is bothered but who
/// is asked, once.
#[tokio::test]
async fn strangers_are_answered_alike() {
    let world = World::new("").await;
    let mallory = world.mallory.user.clone();
    let query = |name: &str| {
        let handle = |scheme: &str| QueryElement {
            identifier: SearchIdentifier::Handle,
            search_value: format!("{scheme}{name}@b.example"),
        };
        IdentifierRequest {
            query_elements: vec![handle("im:")],
            id_request_extensions: AppDataDictionary::default(),
        }
        .encode()
    };
    let mut answers: Vec<Vec<_>> = Vec::new();
    for name in TARGETS {
        let target = target(name);
        let mut of_target = Vec::new();
        for _ in 0..2 {
            of_target.push(world.fetches(&target).await);
            of_target.push(world.asks("a.example", &mallory, &target).await);
            let unasked = entry(grant(), &target, &mallory);
            of_target.push(world.post("a.example", "updateConsent", "b.example", unasked).await);
            let body = query(name);
            of_target.push(world.post("a.example", "identifierQuery", "b.example", body).await);
            let cancel = entry(ConsentOperation::Cancel, &mallory, &target);
            of_target.push(world.post("a.example", "requestConsent", "b.example", cancel).await);
        }
        answers.push(of_target.iter().map(|reply| seen(reply, name)).collect());
    }
    let material = KeyMaterialResponse::decode(&world.fetches(&target("nobby")).await.body);
    assert_eq!(material.unwrap().user_status, KeyMaterialUserCode::NoConsent);
    assert!(answers[0].iter().all(|(status, _, _)| status.is_success()), "{answers:?}");
    for (name, answer) in TARGETS.iter().zip(&answers) {
        assert_eq!(answer, &answers[0], "{name}");
    }
    // Asked and taken back, twice; the unasked grants are no news.
    let shown = world.events(&target("bobby")).await;
    assert_eq!(shown.len(), 4);
    assert!(shown.iter().all(|event| event.event.kind == EventKind::RequestConsent));
    for name in &TARGETS[1..] {
        assert!(world.events(&target(name)).await.is_empty(), "{name}");
    }
}

/// The same of the provider's own users: at the client API, too.
#[tokio::test]
async fn local_strangers_are_answered_alike() {
    let world = World::new("").await;
    let store = &world.store;
    let eve = Phone::sign_up(&world.federation, &world.b, store, "b.example/eve/phone").await;
    let mut answers: Vec<Vec<_>> = Vec::new();
    for name in TARGETS {
        let target = target(name);
        let body = eve.key_material_outside(&target).encode();
        let path = format!("/key-material/{}", escaped(&target));
        let replies = [
            eve.call(http::Method::POST, &path, body).await,
            eve.says(ConsentOperation::Request, &eve.user, &target).await,
            eve.says(ConsentOperation::Request, &eve.user, &target).await,
            eve.says(grant(), &target, &eve.user).await,
            eve.says(ConsentOperation::Cancel, &eve.user, &target).await,
            eve.says(ConsentOperation::Revoke, &target, &eve.user).await,
        ];
        answers.push(replies.iter().map(|reply| seen(reply, name)).collect());
        let own_list = eve.call(http::Method::GET, "/consent", Vec::new()).await;
        let own_list = String::from_utf8(own_list.body.to_vec()).unwrap();
        assert!(own_list.contains("\"asked\":[]"), "{own_list}");
    }
    for (name, answer) in TARGETS.iter().zip(&answers) {
        assert_eq!(answer, &answers[0], "{name}");
    }
    assert_eq!(world.events(&target("bobby")).await.len(), 2, "asked once, taken back once");
}

/// PROTO-CON-9, PROTO-CON-10: whoever is turned away, before or after asking, stays away, does not
/// hear of it and cannot nag; whoever is let in again can come.
#[tokio::test]
async fn who_is_turned_away_stays_away() {
    let world = World::new("").await;
    let (mallory, bobby) = (&world.mallory.user, &world.bobby.user);
    world.mallory.says(ConsentOperation::Request, mallory, bobby).await;
    eventually(async || (world.events(bobby).await.len() == 1).then_some(())).await;
    world.bobby.says(ConsentOperation::Revoke, mallory, bobby).await;
    for _ in 0..3 {
        let reply = world.asks("a.example", mallory, bobby).await;
        assert_eq!(reply.status, StatusCode::CREATED);
    }
    assert_eq!(world.events(bobby).await.len(), 1);
    assert!(world.store.consent_requests(bobby).await.unwrap().is_empty());
    let refused = KeyMaterialResponse::decode(&world.fetches(bobby).await.body).unwrap();
    assert_eq!(refused.user_status, KeyMaterialUserCode::NoConsent);
    world.bobby.says(grant(), mallory, bobby).await;
    let given = KeyMaterialResponse::decode(&world.fetches(bobby).await.body).unwrap();
    assert_eq!(given.user_status, KeyMaterialUserCode::Success);
    drop(world.a);
}

/// Budgets per peer, per requester and per pair: one user's do not touch another's, a peer's not
/// another peer's, and whether the target exists makes no difference.
#[tokio::test]
async fn requests_have_budgets() {
    let world = World::new(
        "consent_per_peer = \"12 + 1/h\"\nrequests_per_requester = \"5 + 1/h\"\n\
         requests_per_pair = \"2 + 1/h\"",
    )
    .await;
    let user = |peer: &str, name: &str| MimiUri::new(&format!("mimi://{peer}/u/{name}")).unwrap();
    let (eve, adam) = (user("a.example", "eve"), user("a.example", "adam"));
    let bobby = &world.bobby.user;
    // Two requests are shown, for they are taken back in between; the third is not, and is answered
    // like the others: who sends in order must not be stopped by one user.
    for _ in 0..3 {
        assert_eq!(world.asks("a.example", &eve, bobby).await.status, StatusCode::CREATED);
        let cancel = entry(ConsentOperation::Cancel, &eve, bobby);
        let reply = world.post("a.example", "requestConsent", "b.example", cancel).await;
        assert_eq!(reply.status, StatusCode::CREATED);
    }
    assert_eq!(world.events(bobby).await.len(), 4);
    // Another user of the same peer is heard.
    assert_eq!(world.asks("a.example", &adam, bobby).await.status, StatusCode::CREATED);
    assert_eq!(world.events(bobby).await.len(), 5);
    // The peer's own budget: told when to come back, whoever it asks for.
    for _ in 0..5 {
        assert_eq!(world.asks("a.example", &eve, &target("nobby")).await.status.as_u16(), 201);
    }
    for name in TARGETS {
        let reply = world.asks("a.example", &adam, &target(name)).await;
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
        let after: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((3_500..=3_600).contains(&after), "{after}");
    }
    let of_c = world.asks("c.example", &user("c.example", "cathy"), bobby).await;
    assert_eq!(of_c.status, StatusCode::CREATED);
    assert_eq!(world.events(bobby).await.len(), 6);
}

/// Our own users are told by 429, for any target alike.
#[tokio::test]
async fn local_requests_have_budgets() {
    let world = World::new("requests_per_pair = \"2 + 1/h\"").await;
    let store = &world.store;
    let eve = Phone::sign_up(&world.federation, &world.b, store, "b.example/eve/phone").await;
    for name in TARGETS {
        let target = target(name);
        for expected in [201, 201, 429] {
            let reply = eve.says(ConsentOperation::Request, &eve.user, &target).await;
            assert_eq!(reply.status.as_u16(), expected, "{name}");
        }
        let last = eve.says(ConsentOperation::Request, &eve.user, &target).await;
        assert!(last.headers.contains_key("retry-after"));
        let cancel = eve.says(ConsentOperation::Cancel, &eve.user, &target).await;
        assert_eq!(cancel.status.as_u16(), 201, "taking back is always possible");
    }
}

/// Key material: a stranger's budget is the same for every target, and a request that is played
/// again costs few KeyPackages (AMB-KM-9), though none is given twice (PROTO-KM-10).
#[tokio::test]
async fn key_material_has_budgets() {
    let world =
        World::new("key_material_per_requester = \"9 + 1/h\"\nreleases_per_request = \"3 + 1/h\"")
            .await;
    world.bobby.says(grant(), &world.mallory.user, &world.bobby.user).await;
    let mut given = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let reply = world.fetches(&world.bobby.user).await;
        let response = KeyMaterialResponse::decode(&reply.body).unwrap();
        assert_eq!(response.user_status, KeyMaterialUserCode::Success);
        given.insert(response.clients[0].encode());
    }
    assert_eq!(given.len(), 3);
    let replayed = world.fetches(&world.bobby.user).await;
    assert_eq!(replayed.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(replayed.headers.contains_key("retry-after"));
    for name in ["nobby", "denny", "gonny", "nobby", "denny"] {
        assert_eq!(world.fetches(&target(name)).await.status, StatusCode::OK);
    }
    for name in TARGETS {
        assert_eq!(world.fetches(&target(name)).await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    // Through its own provider a client is told likewise.
    let path = format!("/key-material/{}", escaped(&world.bobby.user));
    let body = world.mallory.key_material_outside(&world.bobby.user).encode();
    let reply = world.mallory.call(http::Method::POST, &path, body).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let after: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(after > 3_000, "as the other provider says: {after}");
}

/// `deny`: nobody is shown anything; `allow`: whoever asks is answered at once, and may fetch.
#[tokio::test]
async fn the_operators_default() {
    let closed = World::new("default = \"deny\"").await;
    let (mallory, bobby) = (closed.mallory.user.clone(), closed.bobby.user.clone());
    assert_eq!(closed.asks("a.example", &mallory, &bobby).await.status, StatusCode::CREATED);
    assert!(closed.events(&bobby).await.is_empty());
    let open = World::new("default = \"allow\"").await;
    open.mallory.says(ConsentOperation::Request, &mallory, &bobby).await;
    let asked = async || {
        let reply = open.mallory.call(http::Method::GET, "/consent", Vec::new()).await;
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        text.contains("\"asked\":[]").then_some(())
    };
    eventually(asked).await;
    assert!(open.events(&bobby).await.is_empty());
    let given = KeyMaterialResponse::decode(&open.fetches(&bobby).await.body).unwrap();
    assert_eq!(given.user_status, KeyMaterialUserCode::Success);
    let refused = KeyMaterialResponse::decode(&open.fetches(&target("denny")).await.body).unwrap();
    assert_eq!(refused.user_status, KeyMaterialUserCode::NoConsent);
}

/// What was answered with 201 is not lost by a stop at any moment: entries that nobody has looked at
/// are looked at after the start.
#[tokio::test]
async fn arrivals_survive_a_stop() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let peer = FakePeer::start(&federation, "a.example", |_| status(404)).await;
    federation.publish_addresses(&[("a.example", peer.address)]).await;
    let first = federation.start_on("b.example", &store).await;
    let bobby = Phone::sign_up(&federation, &first, &store, "b.example/bobby/phone").await;
    first.shutdown().await;
    let mallory = MimiUri::new("mimi://a.example/u/mallory").unwrap();
    let arrival = mimi_provider::record::Arrival {
        from: mallory.domain(),
        payload: entry(ConsentOperation::Request, &mallory, &bobby.user),
        arrived_ms: 1,
    };
    let changes = vec![mimi_provider::Change::PutArrival(arrival)];
    store.commit(Commit { expect: Vec::new(), changes }).await.unwrap();
    let second = federation.start_on("b.example", &store).await;
    let open = async || {
        let open = store.consent_requests(&bobby.user).await.unwrap();
        (open.len() == 1).then_some(())
    };
    eventually(open).await;
    assert!(store.arrivals(1).await.unwrap().is_empty());
    tokio::time::timeout(Duration::from_secs(10), second.shutdown()).await.unwrap();
}
