//! One hostile peer, or device, must not slow others: what a good peer needs for an exchange while
//! somebody floods the same hub, beside what it needs in quiet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use mimi_mls::member::CommitPlan;
use mimi_provider::budget::Rate;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::identifier_query::{IdentifierRequest, QueryElement, SearchIdentifier};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::protocol::{AppDataDictionary, Extensions};
use mimi_wire::{MimiUri, Wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tombolo_server::clock::Clock;
use tombolo_server::config::Config;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::rooms::NAMES;
use crate::support::{Federation, Phone, SharedStore};

/// Exchanges that are measured, in quiet and under the flood.
const EXCHANGES: usize = 40;
/// What the flood may cost: so many times the median in quiet, and this on top. The flood's own work
/// is done on the same processors.
const FACTOR: u32 = 10;
const ALLOWANCE: Duration = Duration::from_millis(120);

/// Three providers with default limits: the hub, the good peer, the hostile one.
struct Three {
    federation: Federation,
    stores: [MemoryStore; 3],
    running: Vec<Running>,
}

impl Three {
    /// With default limits, but for what a test changes.
    async fn start(change: impl Fn(&mut Config)) -> Self {
        let federation = Federation::new();
        let stores: [MemoryStore; 3] = Default::default();
        let mut running = Vec::new();
        for (name, store) in NAMES.iter().zip(&stores) {
            let mut config = federation.config(name, "");
            // The flood is not to be kept.
            config.debug.capture_dir = None;
            change(&mut config);
            let started = Running::start_with(config, store.shared(), Clock::system()).await;
            running.push(started.unwrap());
        }
        let addresses: Vec<_> = NAMES
            .iter()
            .zip(&running)
            .map(|(name, running)| (*name, running.addresses().federation))
            .collect();
        federation.publish_addresses(&addresses).await;
        Self { federation, stores, running }
    }

    async fn phone(&self, name: &str) -> Phone {
        let provider = name.split('/').next().unwrap();
        let at = NAMES.iter().position(|known| *known == provider).unwrap();
        Phone::sign_up(&self.federation, &self.running[at], &self.stores[at], name).await
    }

    /// A room of somebody of the hub's with somebody of another provider's.
    async fn room(&self, name: &str, founder: &str, guest: &str) -> (Phone, Phone, MimiUri) {
        let mut founder = self.phone(founder).await;
        let mut guest = self.phone(guest).await;
        guest.grant(&founder.user).await;
        let room = founder.found(name).await;
        founder.add(&guest.user, &room).await;
        guest.until_epoch(&room, 1).await;
        (founder, guest, room)
    }
}

/// What is built for tests is many times slower than what operators run.
fn a_slower_pace(config: &mut Config) {
    let requests = &mut config.limits.requests;
    (requests.peer_burst_max, requests.peer_refill_us) = (100, 10_000);
    (requests.device_burst_max, requests.device_refill_us) = (100, 20_000);
}

/// Median time of an exchange: a message of the good peer's, accepted by the hub.
async fn median(good: &mut Phone, room: &MimiUri) -> Duration {
    let mut times = Vec::new();
    for number in 0..EXCHANGES {
        let before = Instant::now();
        good.send(room, &format!("message {number}")).await;
        times.push(before.elapsed());
    }
    times.sort_unstable();
    times[EXCHANGES / 2]
}

/// What hostile tasks share.
#[derive(Clone)]
struct Flood {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    address: SocketAddr,
    /// Root certificate and the hostile peer's own, to make callers of.
    caller: Arc<crate::support::Caller>,
}

impl Flood {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// The same request again and again, each on the same connection as long as that stays.
    async fn repeat(self, path: String, body: Bytes) {
        while self.goes_on() {
            let Ok(mut connection) = self.caller.connect(self.address, "a.example").await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            while self.goes_on() {
                let posted = connection.post("a.example", "c.example", &path, body.clone());
                if posted.await.is_err() {
                    break;
                }
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Connections on which nothing is said.
    async fn connect_and_wait(self) {
        let mut open = Vec::new();
        while self.goes_on() {
            open.extend(TcpStream::connect(self.address).await);
            if open.len() > 200 {
                open.drain(..100);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Bodies that do not end.
    async fn write_slowly(self, path: String) {
        let headers = [("host", "a.example"), ("from", "mimi@c.example")];
        while self.goes_on() {
            if let Ok(mut connection) = self.caller.connect(self.address, "a.example").await {
                let first = Bytes::from_static(&[0; 1_024]);
                let _ = connection.unending(&path, &headers, first).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Answers that are not read, and requests that are taken back at once.
    async fn abuse_http2(self, path: String) {
        while self.goes_on() {
            if let Ok(connection) = self.caller.connect_http2(self.address, 0).await {
                for _ in 0..64 {
                    let mut unread = connection.clone();
                    let unread_path = path.clone();
                    tokio::spawn(async move {
                        let body = Some(Bytes::new());
                        let sent = unread.send(Method::POST, Some("c.example"), &unread_path, body);
                        let _ = tokio::time::timeout(Duration::from_secs(2), sent).await;
                    });
                    let mut reset = connection.clone();
                    let sent = reset.send(Method::POST, Some("c.example"), &path, None);
                    let _ = tokio::time::timeout(Duration::from_millis(1), sent).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All of it, on a runtime of its own, until it is told to stop.
    fn start(&self, update: Bytes, den: &MimiUri) -> std::thread::JoinHandle<()> {
        let flood = self.clone();
        let den = utf8_percent_encode(den.as_str(), NON_ALPHANUMERIC).to_string();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let path = |endpoint: &str| format!("/mimi/v1/{endpoint}/{den}");
                let mut tasks = Vec::new();
                for _ in 0..64 {
                    tasks.push(tokio::spawn(flood.clone().repeat(path("update"), update.clone())));
                }
                let large = Bytes::from(vec![0; 1024 * 1024]);
                for endpoint in ["update", "notify", "reportAbuse", "submitMessage"] {
                    tasks.push(tokio::spawn(flood.clone().repeat(path(endpoint), large.clone())));
                }
                for endpoint in ["groupInfo", "keyMaterial", "identifierQuery", "requestConsent"] {
                    let body = Bytes::from_static(b"not MIMI");
                    tasks.push(tokio::spawn(flood.clone().repeat(path(endpoint), body)));
                }
                for _ in 0..32 {
                    tasks.push(tokio::spawn(flood.clone().write_slowly(path("update"))));
                }
                tasks.push(tokio::spawn(flood.clone().abuse_http2(path("groupInfo"))));
                tasks.push(tokio::spawn(flood.clone().connect_and_wait()));
                while flood.goes_on() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                tasks.iter().for_each(tokio::task::JoinHandle::abort);
            });
        })
    }
}

/// It is told how it fared in quiet and under the flood.
#[expect(clippy::print_stdout, reason = "figures, for who reads the log")]
fn assert_not_slowed(quiet: Duration, flooded: Duration, answers: u64) {
    println!("quiet {quiet:?}, flooded {flooded:?}, {answers} answers to the flood");
    assert!(answers > 0, "there was no flood");
    let most = FACTOR * quiet + ALLOWANCE;
    assert!(flooded <= most, "{flooded:?} under the flood, {quiet:?} in quiet: over {most:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_peer_slows_nobody_else() {
    let three = Three::start(a_slower_pace).await;
    let (mut alice, mut bob, club) =
        three.room("club", "a.example/alice/phone", "b.example/bob/phone").await;
    let (mut mallory, mut cathy, den) =
        three.room("den", "a.example/mallory/phone", "c.example/cathy/phone").await;
    // Well formed, signed by a member, and too late: it takes all of the hub's checks to refuse it.
    let late = UpdateRequest::Commit(cathy.build(&den, &CommitPlan::default()));
    mallory.commit(&den, &CommitPlan::default()).await;
    let refused = cathy.update(&den, &late).await;
    assert!(matches!(refused.outcome, UpdateOutcome::WrongEpoch { .. }), "{refused:?}");

    let quiet = median(&mut bob, &club).await;
    let flood = Flood {
        stop: Arc::default(),
        answers: Arc::default(),
        address: three.running[0].addresses().federation,
        caller: Arc::new(three.federation.caller("c.example")),
    };
    let flooding = flood.start(Bytes::from(late.encode()), &den);
    while flood.answers.load(Ordering::Relaxed) < 100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let flooded = median(&mut bob, &club).await;
    flood.stop.store(true, Ordering::Relaxed);
    flooding.join().unwrap();
    assert_not_slowed(quiet, flooded, flood.answers.load(Ordering::Relaxed));
    // Nothing was lost either.
    alice.until_read(2 * EXCHANGES).await;
}

/// The same with a device of the hub's own that floods its provider.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_device_slows_nobody_else() {
    let three = Three::start(a_slower_pace).await;
    let (mut alice, mut bob, club) =
        three.room("club", "a.example/alice/phone", "b.example/bob/phone").await;
    let mut mallory = three.phone("a.example/mallory/phone").await;
    let den = mallory.found("den").await;
    let late = UpdateRequest::Commit(mallory.build(&den, &CommitPlan::default()));
    mallory.group(&den).drop_pending().unwrap();
    mallory.commit(&den, &CommitPlan::default()).await;

    let quiet = median(&mut bob, &club).await;
    let stop: Arc<AtomicBool> = Arc::default();
    let answers: Arc<AtomicU64> = Arc::default();
    let mut tasks = Vec::new();
    let den = utf8_percent_encode(den.as_str(), NON_ALPHANUMERIC).to_string();
    let bodies = [late.encode(), vec![0; 512 * 1024], b"not MIMI".to_vec()];
    for number in 0..60 {
        let (mut connection, headers) = mallory.connect().await;
        let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
        let (path, body) = (format!("/client/v1/rooms/{den}/update"), bodies[number % 3].clone());
        tasks.push(tokio::spawn(async move {
            let [host, authorization] = &headers;
            let headers = [(host.0, host.1.as_str()), (authorization.0, authorization.1.as_str())];
            let body = Bytes::from(body);
            while !stop.load(Ordering::Relaxed) {
                let sent = connection.send(Method::POST, &path, &headers, body.clone()).await;
                if sent.is_err() {
                    return;
                }
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    while answers.load(Ordering::Relaxed) < 100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let flooded = median(&mut bob, &club).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert_not_slowed(quiet, flooded, answers.load(Ordering::Relaxed));
    alice.until_read(2 * EXCHANGES).await;
}

/// Answers to what is valid: taken, and refused for want of budget.
#[derive(Clone, Default)]
struct Valid {
    taken: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

/// Valid requests, again and again, each one another.
async fn ask(
    flood: Flood,
    valid: Valid,
    path: impl Fn(u64) -> String,
    body: impl Fn(u64) -> Vec<u8>,
) {
    let mut connection = flood.caller.connect(flood.address, "a.example").await.unwrap();
    for number in 0.. {
        if !flood.goes_on() {
            return;
        }
        let body = Bytes::from(body(number));
        let reply = connection.post("a.example", "c.example", &path(number), body).await.unwrap();
        let counted = match reply.status.as_u16() {
            200 | 201 => &valid.taken,
            429 => &valid.refused,
            other => panic!("{other}: {:?}", reply.body),
        };
        counted.fetch_add(1, Ordering::Relaxed);
        flood.answers.fetch_add(1, Ordering::Relaxed);
    }
}

fn consent_request(lane: u64, number: u64) -> Vec<u8> {
    let user = |domain: &str| format!("mimi://{domain}/u/{lane}-{number}").parse().unwrap();
    ConsentEntry {
        operation: ConsentOperation::Request,
        requester_uri: user("c.example"),
        target_uri: user("a.example"),
        room_id: None,
        consent_extensions: Extensions::default(),
    }
    .encode()
}

fn handle_query(lane: u64, number: u64) -> Vec<u8> {
    let search_value = format!("mimi://a.example/u/{lane}-{number}");
    let element = QueryElement { identifier: SearchIdentifier::Handle, search_value };
    let id_request_extensions = AppDataDictionary::default();
    IdentifierRequest { query_elements: vec![element], id_request_extensions }.encode()
}

/// The same with requests for consent and queries that are in order, until their budgets are used up
/// and beyond.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valid_requests_beyond_their_budgets_slow_nobody_else() {
    let three = Three::start(|config| {
        config.contact.rates.consent_per_peer = Rate::new(100, 100);
        config.query_rates.per_peer = Rate::new(100, 100);
    })
    .await;
    let (mut alice, mut bob, club) =
        three.room("club", "a.example/alice/phone", "b.example/bob/phone").await;
    let quiet = median(&mut bob, &club).await;
    let flood = Flood {
        stop: Arc::default(),
        answers: Arc::default(),
        address: three.running[0].addresses().federation,
        caller: Arc::new(three.federation.caller("c.example")),
    };
    let (consent, queries) = (Valid::default(), Valid::default());
    let asking = flood.clone();
    let counted = (consent.clone(), queries.clone());
    let flooding = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for lane in 0..16 {
                let target = move |number: u64| {
                    let user = format!("mimi://a.example/u/{lane}-{number}");
                    let user = utf8_percent_encode(&user, NON_ALPHANUMERIC).to_string();
                    format!("/mimi/v1/requestConsent/{user}")
                };
                let request = move |number| consent_request(lane, number);
                tasks.spawn(ask(asking.clone(), counted.0.clone(), target, request));
                let path = |_: u64| "/mimi/v1/identifierQuery/a.example".to_owned();
                let query = move |number| handle_query(lane, number);
                tasks.spawn(ask(asking.clone(), counted.1.clone(), path, query));
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
        });
    });
    // One half while there is budget, the other when it is used up.
    let refused = |valid: &Valid| valid.refused.load(Ordering::Relaxed);
    let flooded = median(&mut bob, &club).await;
    while refused(&consent) < 20 || refused(&queries) < 20 {
        assert!(!flooding.is_finished(), "the flood has ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let beyond = median(&mut bob, &club).await;
    flood.stop.store(true, Ordering::Relaxed);
    flooding.join().unwrap();
    let answers = flood.answers.load(Ordering::Relaxed);
    assert_not_slowed(quiet, flooded, answers);
    assert_not_slowed(quiet, beyond, answers);
    for valid in [&consent, &queries] {
        assert!(valid.taken.load(Ordering::Relaxed) >= 100);
    }
    alice.until_read(3 * EXCHANGES).await;
}
