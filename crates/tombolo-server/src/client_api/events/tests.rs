use std::sync::Arc;

use http::HeaderMap;
use mimi_provider::account::change_token;
use mimi_provider::record::{Account, DeviceRecord, EventKind, LoggedEvent, NewEvent};
use mimi_provider::{Change, Effect, Expect};
use mimi_wire::MimiUri;
use tokio::sync::watch;
use tokio::time::Instant;
use tombolo_store::memory::MemoryStore;

use super::{
    CHUNK_OCTETS, Ending, Feed, KEEP_ALIVE, PAGE_ENTRIES_MAX, last_event_id, there_is, write_frame,
};
use crate::account::password::Passwords;
use crate::assets::{DirectoryBlobs, Uploads};
use crate::client_api::ClientApi;
use crate::config::Config;
use crate::franking_keys::FrankingKeys;
use crate::init::{InitOptions, init};
use crate::issuer::ClientIssuer;
use crate::keys::open_or_create_hub_keys;
use crate::ohttp_keys::OhttpKeys;
use crate::provider::{Parts, Provider};
use crate::surroundings::{Surroundings, Toil};
use crate::tls::Identity;

fn uri(text: &str) -> MimiUri {
    text.parse().unwrap()
}

fn event(seq: u64) -> NewEvent {
    NewEvent {
        stream: uri("mimi://a.example/u/alice"),
        seq,
        kind: EventKind::RequestConsent,
        timestamp_ms: 7,
        payload: vec![0xfb, 0xff],
        audience: Vec::new(),
        targets: None,
        detail: Vec::new(),
    }
}

/// A device of alice on a store in memory, and the switch that stops the provider.
async fn device() -> (ClientApi, DeviceRecord, watch::Sender<bool>) {
    let home = tempfile::tempdir().unwrap();
    let outcome =
        init(&InitOptions::new("a.example".parse().unwrap(), home.path().into())).unwrap();
    let config = Config::load(&outcome.config).unwrap();
    let domain = config.domain.clone();
    let surroundings = Surroundings::of_machine(Arc::new(MemoryStore::new()));
    let clock = surroundings.clock.clone();
    let hub_keys = open_or_create_hub_keys(home.path(), &domain).unwrap();
    let franking = FrankingKeys::open_or_create(home.path(), &domain).unwrap();
    let ohttp_keys = OhttpKeys::open_or_create(home.path()).unwrap();
    let client_issuer = ClientIssuer::open_or_create(home.path(), &domain, clock.now_ms()).unwrap();
    let identity = Identity::from_files(domain, &outcome.certificate, &outcome.key).unwrap();
    let identity = Arc::new(identity);
    let blobs = DirectoryBlobs::new(config.data_dir.join("assets"));
    let assets = Uploads::open(Arc::new(blobs), &config.assets, Toil::Beside).unwrap();
    let parts = Parts {
        config,
        surroundings,
        hub_keys,
        franking,
        ohttp_keys,
        client_issuer,
        identity,
        assets,
    };
    let provider = Provider::new(parts).unwrap();
    let user = uri("mimi://a.example/u/alice");
    let account =
        Account { user: user.clone(), password_hash: None, claims: Vec::new(), created_ms: 1 };
    let record = DeviceRecord {
        client: uri("mimi://a.example/d/alice/phone"),
        user: user.clone(),
        name: "phone".to_owned(),
        token_sha256: [1; 32],
        signature_key: vec![2; 32],
        created_ms: 1,
        last_seen_ms: 0,
    };
    let join = Change::Join { client: record.client.clone(), stream: user, from_seq: 1 };
    let changes = vec![Change::CreateAccount(account), Change::PutDevice(record.clone()), join];
    provider.enqueue(changes, Vec::new(), Vec::new(), None).durable().await.unwrap();
    let (stop, stopping) = watch::channel(false);
    let api = ClientApi::new(provider, Passwords::new(Toil::Beside), stopping);
    (api, record, stop)
}

async fn append(api: &ClientApi, seqs: std::ops::RangeInclusive<u64>) {
    let stream = uri("mimi://a.example/u/alice");
    let expect = vec![Expect::StreamSeq { stream: stream.clone(), seq: seqs.start() - 1 }];
    let changes = seqs.map(|seq| Change::Append(event(seq))).collect();
    let wake = vec![Effect::WakeStream(stream)];
    api.provider.enqueue(changes, expect, wake, None).durable().await.unwrap();
}

async fn next(feed: &mut Feed) -> Option<String> {
    feed.next().await.map(|chunk| String::from_utf8(chunk.to_vec()).unwrap())
}

/// The positions of the entries in a piece of the stream.
fn seqs(written: &str) -> Vec<u64> {
    let data = written.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| {
        serde_json::from_str::<serde_json::Value>(data).unwrap()["seq"].as_u64().unwrap()
    })
    .collect()
}

/// Large entries travel alone, small ones together up to a bound.
#[tokio::test]
async fn a_chunk_is_bounded() {
    let (api, device, _stop) = device().await;
    let large = |seq| {
        // In base64 a third more: two are just less than a chunk, three are more.
        let payload = vec![7; CHUNK_OCTETS * 3 / 8 - 200];
        Change::Append(NewEvent { payload, ..event(seq) })
    };
    let changes = (1..=4).map(large).collect();
    api.provider.enqueue(changes, Vec::new(), Vec::new(), None).durable().await.unwrap();
    let mut feed = Feed::open(api.clone(), device, 0, true).await.unwrap();
    next(&mut feed).await.unwrap();
    assert_eq!(seqs(&next(&mut feed).await.unwrap()), [1, 2, 3]);
    assert_eq!(seqs(&next(&mut feed).await.unwrap()), [4]);
}

#[test]
fn an_entry_is_written_as_the_api_says() {
    let mut framed = Vec::new();
    write_frame(&mut framed, &LoggedEvent { id: 42, event: event(3) });
    let expected = "id: 42\nevent: request_consent\ndata: {\"stream\":\"mimi://a.example/u/alice\",\
                    \"seq\":3,\"timestamp_ms\":7,\"payload\":\"+/8=\"}\n\n";
    assert_eq!(String::from_utf8(framed).unwrap(), expected);
}

#[test]
fn the_last_event_is_named_by_a_number() {
    let named = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("last-event-id", value.parse().unwrap());
        last_event_id(&headers)
    };
    assert_eq!(last_event_id(&HeaderMap::new()).unwrap(), None);

    let mut headers = HeaderMap::new();
    assert_eq!(super::named(None, &headers).unwrap(), None);
    headers.insert("last-event-id", "7".parse().unwrap());
    assert_eq!(super::named(None, &headers).unwrap(), Some(7));
    assert_eq!(super::named(Some(42), &headers).unwrap(), Some(42));
    assert_eq!(
        super::named(Some(u64::pow(2, 53) - 1), &headers).unwrap(),
        Some(u64::pow(2, 53) - 1)
    );
    assert!(super::named(Some(u64::pow(2, 53)), &headers).is_err());
    headers.insert("last-event-id", "9007199254740992".parse().unwrap());
    assert!(super::named(Some(42), &headers).is_err());
    headers.insert("last-event-id", "seven".parse().unwrap());
    assert!(super::named(Some(42), &headers).is_err());
    assert_eq!(named("17").unwrap(), Some(17));
    named("x").unwrap_err();
    named("-1").unwrap_err();
}

/// Whoever is signed out reads nothing more, also by a stream that is open.
#[tokio::test]
async fn a_feed_ends_when_its_device_is_signed_out() {
    let (api, device, _stop) = device().await;
    let (client, user) = (device.client.clone(), device.user.clone());
    let mut feed = Feed::open(api.clone(), device, 0, true).await.unwrap();
    assert!(next(&mut feed).await.unwrap().starts_with("retry:"));
    let gone = async {
        tokio::task::yield_now().await;
        let (changes, wake) = (vec![Change::RemoveDevice(client)], Effect::WakeStream(user));
        api.provider.enqueue(changes, Vec::new(), vec![wake], None).durable().await.unwrap();
    };
    let waited = async { tokio::time::timeout(KEEP_ALIVE / 2, next(&mut feed)).await };
    let ((), chunk) = tokio::join!(gone, waited);
    let ending = chunk.expect("it ends at once").unwrap();
    assert_eq!(ending, "event: end\ndata: {\"reason\":\"signed_out\"}\n\n");
    assert_eq!(next(&mut feed).await, None);
}

#[tokio::test]
async fn a_feed_reads_page_by_page_and_then_waits() {
    let (api, device, _stop) = device().await;
    let most = PAGE_ENTRIES_MAX as u64;
    append(&api, 1..=most + 1).await;
    let mut feed = Feed::open(api.clone(), device, 0, true).await.unwrap();
    assert!(next(&mut feed).await.unwrap().starts_with("retry: "));
    let page = next(&mut feed).await.unwrap();
    assert_eq!(seqs(&page), (1..=most).collect::<Vec<_>>(), "what is there together");
    assert!(feed.page.is_empty(), "no more is held than one page");
    assert_eq!(seqs(&next(&mut feed).await.unwrap()), [most + 1]);
    let (written, ()) = tokio::join!(next(&mut feed), append(&api, most + 2..=most + 2));
    assert!(written.unwrap().contains(&format!("\"seq\":{},", most + 2)));
}

#[tokio::test]
async fn silence_is_broken_by_keep_alives() {
    let (api, device, _stop) = device().await;
    let mut feed = Feed::open(api, device, 0, true).await.unwrap();
    next(&mut feed).await.unwrap();
    tokio::time::pause();
    for _ in 0..2 {
        let before = Instant::now();
        assert_eq!(next(&mut feed).await.unwrap(), ": keep-alive\n\n");
        assert_eq!(before.elapsed().as_secs(), KEEP_ALIVE.as_secs());
    }
}

#[tokio::test]
async fn a_feed_ends_when_the_provider_stops() {
    let (api, device, stop) = device().await;
    let mut feed = Feed::open(api, device, 0, true).await.unwrap();
    next(&mut feed).await.unwrap();
    let (ended, _) = tokio::join!(next(&mut feed), async { stop.send_replace(true) });
    assert_eq!(ended.unwrap().as_bytes(), Ending::Stopping.frame());
    assert_eq!(next(&mut feed).await, None);
}

/// A device that only looks is told when it has seen everything.
#[tokio::test]
async fn a_feed_that_does_not_follow_ends_at_the_end() {
    let (api, device, _stop) = device().await;
    append(&api, 1..=2).await;
    let mut feed = Feed::open(api, device, 0, false).await.unwrap();
    next(&mut feed).await.unwrap();
    assert_eq!(seqs(&next(&mut feed).await.unwrap()), [1, 2]);
    assert_eq!(next(&mut feed).await.unwrap().as_bytes(), Ending::CaughtUp.frame());
    assert_eq!(next(&mut feed).await, None);
}

/// Whoever waited behind the end of the log would miss what comes until there.
#[tokio::test]
async fn a_position_behind_the_end_is_refused() {
    let (api, _, _stop) = device().await;
    append(&api, 1..=2).await;
    let last = api.provider.store.last_event_id().await.unwrap();
    assert_eq!(there_is(&api, last).await.unwrap(), last);
    let (_, code, _) = there_is(&api, last + 1).await.unwrap_err().parts();
    assert_eq!(code, "conflict");
}

/// The old token's streams end, and say that the device itself has not gone.
#[tokio::test]
async fn a_feed_ends_when_its_token_is_replaced() {
    let (api, device, _stop) = device().await;
    let renewed = change_token(&device, [3; 32]);
    let mut feed = Feed::open(api.clone(), device, 0, true).await.unwrap();
    next(&mut feed).await.unwrap();
    api.provider.apply(renewed).await.unwrap();
    assert_eq!(next(&mut feed).await.unwrap().as_bytes(), Ending::TokenReplaced.frame());
}
