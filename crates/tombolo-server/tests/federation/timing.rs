//! Whether the time of an answer tells if a user exists (PROTO-CON-10, PROTO-KM-6), or a room
//! (AMB-UPD-15): measured over the whole stack, TLS and SQLite included.
//!
//! Requests about users of three kinds come in turns, on one connection, so that whatever else the
//! machine does touches all kinds alike. For two kinds the measure is the chance that an answer about
//! the one takes longer than an answer about the other (the area under the ROC curve, from the
//! Mann-Whitney rank sum): 0.5 says nothing, 0 or 1 tells them apart at once. `docs/contact.md` has
//! figures of longer runs (`TOMBOLO_TIMING_ROUNDS`).

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Method;
use mimi_mls::member::CommitPlan;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::identifier_query::{IdentifierRequest, QueryElement, SearchIdentifier};
use mimi_wire::protocol::report_abuse::{AbuseReport, AbuseType};
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::protocol::{AppDataDictionary, Extensions};
use mimi_wire::{MimiUri, Wire};
use tombolo_server::clock::Clock;
use tombolo_server::config::Config;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;
use tombolo_store::sqlite::{Options, SqliteStore};

use crate::support::{Caller, Federation, Phone, Reply, SharedStore};

/// Rounds of a test run; each asks about every kind twice.
const ROUNDS: usize = 150;

/// There, unwilling, unknown.
const NAMES: [&str; 3] = ["bobby", "denny", "nobby"];

fn user(provider: &str, name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://{provider}/u/{name}")).unwrap()
}

fn rounds() -> usize {
    std::env::var("TOMBOLO_TIMING_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap())
}

/// Everything may be asked as often as the measurement wants, and nothing is captured.
fn config(federation: &Federation, name: &str) -> Config {
    let plenty = "\"1000000 + 1000/s\"";
    let budgets = [
        "consent_per_peer",
        "requests_per_requester",
        "requests_per_pair",
        "requests_per_peer_and_target",
        "key_material_per_peer",
        "key_material_per_requester",
    ];
    let contact: String = budgets.iter().map(|key| format!("{key} = {plenty}\n")).collect();
    let tables = format!("[identifier_query]\nper_peer = {plenty}\n[contact]\n{contact}");
    let mut config = federation.config_with(name, &tables);
    config.debug.capture_dir = None;
    config
}

/// The chance that one of `left` is greater than one of `right`, ties counted half.
fn roc_area(left: &[f64], right: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = left.iter().map(|time| (*time, true)).collect();
    all.extend(right.iter().map(|time| (*time, false)));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut greater, mut smaller, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let tied = all[at..].iter().take_while(|entry| entry.0 == all[at].0).count();
        let of_left = all[at..at + tied].iter().filter(|entry| entry.1).count() as f64;
        let of_right = tied as f64 - of_left;
        greater += of_left * (smaller + of_right / 2.0);
        smaller += of_right;
        at += tied;
    }
    greater / (left.len() as f64 * right.len() as f64)
}

/// How far from 0.5 the measure may be by chance, for so many answers of each kind: 4.5 standard deviations.
fn deviation_max(answers: usize) -> f64 {
    let answers = answers as f64;
    4.5 * ((2.0 * answers + 1.0) / 12.0).sqrt() / answers
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Times of the three kinds, in milliseconds.
type Times = [Vec<f64>; 3];

/// Says what was measured, and whether the kinds can be told apart.
fn judge(what: &str, times: &Times) {
    let medians = times.each_ref().map(|times| median(times));
    let existing = roc_area(&times[0], &times[2]);
    let denied = roc_area(&times[1], &times[2]);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{what}: {} answers of each kind; medians {:.3} (there), {:.3} (unwilling), {:.3} (unknown) \
         ms; area there/unknown {existing:.3}, unwilling/unknown {denied:.3}",
        times[0].len(),
        medians[0],
        medians[1],
        medians[2],
    )
    .unwrap();
    for area in [existing, denied] {
        assert!((area - 0.5).abs() < deviation_max(times[0].len()), "{what}: {area}");
    }
}

/// Asks about every kind in turns: forwards, then backwards, so that none is always behind another.
async fn measure(ask: impl AsyncFnMut(&'static str, usize) -> Reply) -> Times {
    measure_rounds(rounds(), ask).await
}

async fn measure_rounds(
    rounds: usize,
    mut ask: impl AsyncFnMut(&'static str, usize) -> Reply,
) -> Times {
    let mut times = Times::default();
    for round in 0..rounds {
        for kind in [0, 1, 2, 2, 1, 0] {
            let begun = Instant::now();
            let reply = ask(NAMES[kind], round).await;
            let took = begun.elapsed().as_secs_f64() * 1_000.0;
            assert!(reply.status.is_success() || reply.status == 404, "{reply:?}");
            // The first few warm caches up.
            if round > 2 {
                times[kind].push(took);
            }
        }
    }
    times
}

struct World {
    caller: Caller,
    b: Running,
    mallory: Phone,
    eve: Phone,
    /// Whatever has to stay.
    _federation: Federation,
    _a: Running,
}

async fn world() -> World {
    let federation = Federation::new();
    let a_store = MemoryStore::new();
    let a =
        Running::start_with(config(&federation, "a.example"), a_store.shared(), Clock::system())
            .await
            .unwrap();
    let file = federation.directory.path().join("b.db");
    let store = Arc::new(SqliteStore::open(file, Options::default()).unwrap());
    let b = Running::start_with(config(&federation, "b.example"), store.shared(), Clock::system());
    let b = b.await.unwrap();
    let addresses =
        [("a.example", a.addresses().federation), ("b.example", b.addresses().federation)];
    federation.publish_addresses(&addresses).await;
    let mallory = Phone::sign_up(&federation, &a, &a_store, "a.example/mallory/phone").await;
    let eve = Phone::sign_up(&federation, &b, &store, "b.example/eve/phone").await;
    for name in ["bobby", "denny"] {
        let name = format!("b.example/{name}/phone");
        let phone = Phone::sign_up(&federation, &b, &store, &name).await;
        if name.contains("denny") {
            for stranger in [&mallory.user, &eve.user] {
                phone.says(ConsentOperation::Revoke, stranger, &phone.user).await;
            }
        }
    }
    let caller = federation.caller("a.example");
    World { caller, b, mallory, eve, _federation: federation, _a: a }
}

fn entry(operation: ConsentOperation, requester: &MimiUri, name: &str) -> Bytes {
    let entry = ConsentEntry {
        operation,
        requester_uri: requester.clone(),
        target_uri: user("b.example", name),
        room_id: None,
        consent_extensions: Extensions::default(),
    };
    Bytes::from(entry.encode())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_take_the_same_for_everybody() {
    let world = world().await;
    let address = world.b.addresses().federation;
    let mut connection = world.caller.connect(address, "b.example").await.unwrap();
    let mut post = async |endpoint: &str, variable: &str, body: Bytes| {
        let path = format!("/mimi/v1/{endpoint}/{variable}");
        connection.post("b.example", "a.example", &path, body).await.unwrap()
    };

    let requests = NAMES.map(|name| {
        let request = world.mallory.key_material_outside(&user("b.example", name));
        Bytes::from(request.encode())
    });
    let times = measure(async |name, _| {
        let at = NAMES.iter().position(|known| *known == name).unwrap();
        let variable = format!("mimi%3A%2F%2Fb.example%2Fu%2F{name}");
        post("keyMaterial", &variable, requests[at].clone()).await
    });
    judge("keyMaterial", &times.await);

    // Asked and taken back in turns, so that the one who is there is bothered each time.
    let mut asked = 0;
    let times = measure(async |name, _| {
        asked += 1;
        let operation = match (asked - 1) / 3 % 2 {
            0 => ConsentOperation::Request,
            _ => ConsentOperation::Cancel,
        };
        let body = entry(operation, &world.mallory.user, name);
        post("requestConsent", "b.example", body).await
    });
    judge("requestConsent", &times.await);

    let query = |name: &str| {
        let handle = QueryElement {
            identifier: SearchIdentifier::Handle,
            search_value: format!("im:{name}@b.example"),
        };
        let request = IdentifierRequest {
            query_elements: vec![handle],
            id_request_extensions: AppDataDictionary::default(),
        };
        Bytes::from(request.encode())
    };
    let times = measure(async |name, _| post("identifierQuery", "b.example", query(name)).await);
    judge("identifierQuery", &times.await);
}

/// The provider's own users are strangers to each other, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_our_own_take_the_same_for_everybody() {
    let world = world().await;
    let eve = &world.eve;
    // One connection: opening one takes longer than any answer, and who opens many at once is held off.
    let (mut connection, headers) = eve.connect().await;
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut post = async |path: &str, body: Vec<u8>| {
        let path = format!("/client/v1{path}");
        connection.send(Method::POST, &path, &headers, body).await.unwrap()
    };
    let times = measure(async |name, _| {
        let target = user("b.example", name);
        let body = eve.key_material_outside(&target).encode();
        let path = format!("/key-material/mimi%3A%2F%2Fb.example%2Fu%2F{name}");
        post(&path, body).await
    });
    judge("client API, key-material", &times.await);
    let mut asked = 0;
    let times = measure(async |name, _| {
        asked += 1;
        let operation = match (asked - 1) / 3 % 2 {
            0 => ConsentOperation::Request,
            _ => ConsentOperation::Cancel,
        };
        post("/consent", entry(operation, &eve.user, name).to_vec()).await
    });
    judge("client API, consent", &times.await);
}

/// AMB-UPD-15, TOM-125: what a stranger hears about rooms takes the same for one that there is, one that
/// goes about its business, and none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_about_rooms_take_the_same_for_strangers() {
    let mut world = world().await;
    let address = world.b.addresses().federation;
    let (club, yard) = (world.eve.found("club").await, world.eve.found("yard").await);
    world.eve.send(&yard, "hello").await;
    let plan = CommitPlan::default();
    let bundle = world.eve.build(&club, &plan);
    let (_, group_info) = world.mallory.group_info_request(None);
    let report = AbuseReport {
        reporting_user: Some(world.mallory.user.clone()),
        alleged_abuser_uri: world.eve.user.clone(),
        reason_code: AbuseType(1),
        note: String::new(),
        messages: Vec::new(),
        abuse_extensions: AppDataDictionary::default(),
    };
    let asked: [(&str, Vec<u8>); 4] = [
        ("groupInfo", group_info.encode()),
        ("update", UpdateRequest::Commit(bundle).encode()),
        ("submitMessage", world.eve.message(&yard, "hello").encode()),
        ("reportAbuse", report.encode()),
    ];
    let room = |name: &str| match name {
        "bobby" => "club",
        "denny" => "yard",
        _ => "none",
    };
    for (endpoint, body) in asked {
        let body = Bytes::from(body);
        let mut connection = world.caller.connect(address, "b.example").await.unwrap();
        // Each answer takes fifty milliseconds.
        let times = measure_rounds(rounds() / 5, async |name, _| {
            let room = room(name);
            let path = format!("/mimi/v1/{endpoint}/mimi%3A%2F%2Fb.example%2Fr%2F{room}");
            connection.post("b.example", "a.example", &path, body.clone()).await.unwrap()
        });
        judge(&format!("{endpoint}, rooms"), &times.await);
    }
}
