//! KeyPackages at scale: never one twice, whatever happens at the same time and in between; and
//! devices hear when they run out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use mimi_provider::key_material::KEY_PACKAGE_STOCK_LOW;
use mimi_provider::record::EventKind;
use mimi_wire::protocol::consent::ConsentOperation;
use mimi_wire::protocol::key_material::{ClientMaterial, KeyMaterialResponse, KeyMaterialUserCode};
use mimi_wire::{MimiUri, Wire};
use tokio::task::JoinSet;
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::Store;
use tombolo_store::memory::MemoryStore;
use tombolo_store::sqlite::{Options, SqliteStore};

use crate::restarts::Killable;
use crate::support::{Caller, Federation, Phone, SharedStore, eventually};

const STOCK: u64 = 60;
const ASKING: usize = 40;

/// One request for bob's KeyPackages; nothing if the provider went away before it answered, or said at
/// the last that it cannot.
async fn fetch(
    caller: Arc<Caller>,
    address: SocketAddr,
    body: Bytes,
) -> Option<KeyMaterialResponse> {
    let mut connection = caller.connect(address, "b.example").await.ok()?;
    let path = "/mimi/v1/keyMaterial/mimi%3A%2F%2Fb.example%2Fu%2Fbob";
    let reply = connection.post("b.example", "a.example", path, body).await.ok()?;
    if reply.status.is_server_error() {
        return None;
    }
    assert_eq!(reply.status, StatusCode::OK);
    Some(KeyMaterialResponse::decode(&reply.body).unwrap())
}

fn packages(response: KeyMaterialResponse) -> impl Iterator<Item = Vec<u8>> {
    response.clients.into_iter().filter_map(|client| match client.material {
        ClientMaterial::KeyPackage(package) => Some(package.octets().to_vec()),
        _ => None,
    })
}

fn many(
    caller: &Arc<Caller>,
    address: SocketAddr,
    body: &Bytes,
) -> JoinSet<Option<KeyMaterialResponse>> {
    (0..ASKING).map(|_| fetch(Arc::clone(caller), address, body.clone())).collect()
}

async fn left(store: &SqliteStore, client: &MimiUri) -> u64 {
    let stock = store.key_package_stock(client, 0).await.unwrap();
    stock.iter().map(|suite| suite.count).sum()
}

fn grant() -> ConsentOperation {
    ConsentOperation::Grant { client_key_packages: Vec::new() }
}

/// PROTO-KM-10, AMB-KM-9: many requests at once, octet for octet the same, a kill in the midst of
/// them, a start, and as many again: no KeyPackage is given twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_package_is_given_twice() {
    let federation = Federation::new();
    let plenty = "[contact]\nreleases_per_request = \"1000 + 1/s\"\n\
                  releases_per_peer_and_target = \"1000 + 1/s\"";
    let file = federation.directory.path().join("b.db");
    let a_store = MemoryStore::new();
    let a = federation.start_on("a.example", &a_store).await;
    let store = Arc::new(SqliteStore::open(&file, Options::default()).unwrap());
    let b = Killable::start_as(federation.config_with("b.example", plenty), &store).await;
    let addresses = [
        ("a.example", a.addresses().federation),
        ("b.example", b.running().addresses().federation),
    ];
    federation.publish_addresses(&addresses).await;
    let alice = Phone::sign_up(&federation, &a, &a_store, "a.example/alice/phone").await;
    let mut bob = Phone::sign_up(&federation, b.running(), &store, "b.example/bob/phone").await;
    bob.stock(usize::try_from(STOCK).unwrap() - 10).await;
    bob.says(grant(), &alice.user, &bob.user).await;
    let body = Bytes::from(alice.key_material_outside(&bob.user).encode());
    let (caller, client) = (Arc::new(federation.caller("a.example")), bob.client.clone());

    let asking = many(&caller, b.running().addresses().federation, &body);
    eventually(async || (left(&store, &client).await < STOCK - 10).then_some(())).await;
    b.kill();
    drop((bob, store));
    let mut given = asking.join_all().await;
    let store = eventually(async || SqliteStore::open(&file, Options::default()).ok()).await;
    let (store, config) = (Arc::new(store), federation.config_with("b.example", plenty));
    let again = Running::start_with(config, store.shared(), Clock::system()).await.unwrap();
    given.extend(many(&caller, again.addresses().federation, &body).join_all().await);

    let all: Vec<_> = given.into_iter().flatten().flat_map(packages).collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "one was given twice");
    // What was given and never arrived is gone as well.
    let gone = STOCK - left(&store, &client).await;
    assert!(all.len() as u64 <= gone && all.len() >= 20, "{} of {gone}", all.len());
    again.shutdown().await;
}

/// PROTO-KM-5, AMB-KM-3: a device that was signed out keeps its certificate, which proves no more that it
/// is its user's: not even through a hub that works for whoever has it does it get what the user's
/// devices give one another without consent.
#[tokio::test]
async fn a_device_that_is_gone_gets_nothing() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let b = federation.start_on("b.example", &store).await;
    let address = b.addresses().federation;
    let phone = Phone::sign_up(&federation, &b, &store, "b.example/bob/phone").await;
    let lost = Phone::sign_up(&federation, &b, &store, "b.example/bob/lost").await;
    let room = MimiUri::new("mimi://a.example/r/anywhere").unwrap();
    let body = lost.key_material_for(&phone.user, Some(room)).encode();
    let hub = Arc::new(federation.caller("a.example"));
    let given = fetch(Arc::clone(&hub), address, Bytes::from(body.clone())).await.unwrap();
    assert_eq!(packages(given).count(), 1);
    phone.sign_out(&lost.client).await;
    let mut connection = hub.connect(address, "b.example").await.unwrap();
    let path = "/mimi/v1/keyMaterial/mimi%3A%2F%2Fb.example%2Fu%2Fbob";
    let refused = connection.post("b.example", "a.example", path, body).await.unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

/// PROTO-KM-7: of several devices each gives one, as long as it has any; a device that runs low is
/// told in its own stream, and only it.
#[tokio::test]
async fn several_devices_run_out_one_by_one() {
    let federation = Federation::new();
    let (a_store, store) = (MemoryStore::new(), MemoryStore::new());
    let a = federation.start_on("a.example", &a_store).await;
    let b = federation.start_on("b.example", &store).await;
    let addresses =
        [("a.example", a.addresses().federation), ("b.example", b.addresses().federation)];
    federation.publish_addresses(&addresses).await;
    let alice = Phone::sign_up(&federation, &a, &a_store, "a.example/alice/phone").await;
    let phone = Phone::sign_up(&federation, &b, &store, "b.example/bob/phone").await;
    let mut laptop = Phone::sign_up(&federation, &b, &store, "b.example/bob/laptop").await;
    // The phone has 10, the laptop one more than the mark.
    laptop.stock(usize::try_from(KEY_PACKAGE_STOCK_LOW).unwrap() - 9).await;
    phone.says(grant(), &alice.user, &phone.user).await;
    let path = "/key-material/mimi%3A%2F%2Fb.example%2Fu%2Fbob";
    let fetch = async || {
        let body = alice.key_material_outside(&phone.user).encode();
        let reply = alice.call(Method::POST, path, body).await;
        KeyMaterialResponse::decode(&reply.body).unwrap()
    };
    for _ in 0..10 {
        let response = fetch().await;
        assert_eq!(response.user_status, KeyMaterialUserCode::Success);
        assert_eq!(packages(response).count(), 2);
    }
    let response = fetch().await;
    assert_eq!(response.user_status, KeyMaterialUserCode::PartialSuccess);
    let of_phone = response.clients.iter().find(|it| it.client_uri == phone.client).unwrap();
    assert_eq!(of_phone.material, ClientMaterial::Exhausted);

    let log = store.log(&phone.user, 0, 100).await.unwrap();
    let low = log.iter().filter(|event| event.event.kind == EventKind::KeyPackagesLow);
    let told: Vec<_> = low.map(|event| event.event.targets.clone().unwrap()).collect();
    let (to_phone, to_laptop) = (vec![phone.client.clone()], vec![laptop.client.clone()]);
    assert_eq!(told.iter().filter(|targets| **targets == to_laptop).count(), 2, "at 19 and at 10");
    assert_eq!(told.iter().filter(|targets| **targets == to_phone).count(), 1, "when it is empty");
}
