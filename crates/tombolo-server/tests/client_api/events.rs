//! The event stream: order, resuming without a gap, acknowledging, taking turns.

use mimi_wire::protocol::consent::ConsentOperation;
use reqwest::{Method, StatusCode};

use crate::harness::{Event, Phone, Provider};

/// One event for the other user each time.
async fn disturb(from: &Phone, to: &Phone, times: usize) {
    for _ in 0..times {
        for operation in [ConsentOperation::Request, ConsentOperation::Cancel] {
            assert_eq!(from.consent(operation, &to.user).await, StatusCode::CREATED);
        }
    }
}

fn sequence(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.data["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_stream_resumes_without_gap_or_repeat() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let writing = disturb(&alice, &bob, 30);
    let reading = async {
        // Cut off after 1, 2, 3 … events, each time going on after the last one that arrived.
        let (mut seen, mut after, mut cut) = (Vec::new(), 0, 1);
        while seen.len() < 60 {
            let mut events = bob.events(Some(after)).await;
            let taken = events.take(usize::min(cut, 60 - seen.len())).await;
            after = taken.last().unwrap().id;
            seen.extend(taken);
            cut += 1;
        }
        seen
    };
    let ((), seen) = tokio::join!(writing, reading);
    assert_eq!(sequence(&seen), (1..=60).collect::<Vec<u64>>());
    assert!(seen.iter().all(|event| event.name == "request_consent"));
    assert!(seen.iter().all(|event| event.data["stream"] == bob.user.as_str()));
    let again = bob.events(Some(0)).await.take(60).await;
    assert_eq!(again, seen);
}

#[tokio::test]
async fn an_open_stream_is_told_at_once() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let mut events = bob.events(None).await;
    disturb(&alice, &bob, 1).await;
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), events.take(2)).await;
    assert_eq!(sequence(&told.unwrap()), [1, 2]);
}

#[tokio::test]
async fn a_device_that_names_no_event_goes_on_after_its_acknowledgement() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    disturb(&alice, &bob, 2).await;
    let first = bob.events(None).await.take(3).await;
    let body = format!("{{\"id\":{}}}", first[1].id);
    let answer = bob.post("/events/ack", body.into_bytes()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(sequence(&bob.events(None).await.take(2).await), [3, 4]);

    let resumed = bob.request(Method::GET, "/events").header("last-event-id", first[2].id);
    let text = String::from_utf8(resumed.send().await.unwrap().chunk_until("seq\":4").await);
    assert!(!text.unwrap().contains("\"seq\":3"));
}

/// Read until a text appears.
trait ChunkUntil {
    async fn chunk_until(self, text: &str) -> Vec<u8>;
}

impl ChunkUntil for reqwest::Response {
    async fn chunk_until(mut self, text: &str) -> Vec<u8> {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(text) {
            read.extend(self.chunk().await.unwrap().expect("the stream goes on"));
        }
        read
    }
}

#[tokio::test]
async fn devices_of_a_user_see_the_same_and_others_see_nothing() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let (phone, laptop) =
        (provider.phone("bob", "phone").await, provider.phone("bob", "laptop").await);
    disturb(&alice, &phone, 1).await;
    let on_phone = phone.events(Some(0)).await.take(2).await;
    assert_eq!(laptop.events(Some(0)).await.take(2).await, on_phone);
    disturb(&phone, &alice, 1).await;
    let for_alice = alice.events(Some(0)).await.take(2).await;
    assert!(for_alice.iter().all(|event| event.data["stream"] == alice.user.as_str()));
}

#[tokio::test]
async fn a_newer_stream_of_a_device_ends_the_older() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let mut older = phone.events(None).await;
    let _newer = phone.events(None).await;
    assert_eq!(older.next().await, None);
    assert_eq!(older.ended.as_deref(), Some("newer_stream"));
}

#[tokio::test]
async fn events_survive_a_restart() {
    let mut provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let mut bob = provider.phone("bob", "phone").await;
    disturb(&alice, &bob, 3).await;
    let before = bob.events(Some(0)).await.take(6).await;
    provider.stop().await;
    provider.run().await;
    bob.http = provider.http();
    assert_eq!(bob.events(Some(0)).await.take(6).await, before);
}

/// A device that names the era of its cursor is told where the stream goes on, and which of the two
/// was set back; then its KeyPackages may have been used, and are released (PROTO-KM-10).
#[tokio::test]
async fn a_stream_tells_who_was_set_back() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let mut bob = provider.phone("bob", "phone").await;
    disturb(&alice, &bob, 2).await;
    let last = bob.events(Some(0)).await.take(4).await[3].id;
    let open = async |bob: &Phone, query: &str| {
        let path = format!("/events?follow=false&{query}");
        let answer = bob.request(Method::GET, &path).send().await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let numbers = ["tombolo-after", "tombolo-acknowledged"]
            .map(|name| header(name).map(|text| text.parse::<u64>().unwrap()));
        (answer.status(), header("tombolo-era"), numbers)
    };
    let stock = async |bob: &Phone| bob.get("/key-packages").await["stock"].as_u64().unwrap();
    let key_packages = bob.key_packages(3);
    assert_eq!(bob.post("/key-packages", key_packages).await.status(), StatusCode::OK);
    let (_, era, numbers) = open(&bob, &format!("after={last}")).await;
    assert_eq!(numbers, [Some(last), Some(0)]);
    let era = era.unwrap();
    assert_eq!(open(&bob, &format!("after={last}&era={era}")).await.2, [Some(last), Some(0)]);
    assert_eq!(stock(&bob).await, 3, "nothing is amiss");
    // Beyond what there is, and of a log that nobody knows.
    let beyond = last + 5;
    let (status, _, numbers) = open(&bob, &format!("after={beyond}&era={era}")).await;
    assert_eq!((status, numbers), (StatusCode::OK, [Some(last), Some(0)]));
    assert_eq!(stock(&bob).await, 0);
    let unknown = "0".repeat(32);
    assert_eq!(open(&bob, &format!("after={last}&era={unknown}")).await.2, [Some(0), Some(0)]);
    // The device has forgotten what it acknowledged.
    let acknowledged = bob.post("/events/ack", format!("{{\"id\":{last}}}").into_bytes()).await;
    assert_eq!(acknowledged.status(), StatusCode::NO_CONTENT);
    let key_packages = bob.key_packages(3);
    assert_eq!(bob.post("/key-packages", key_packages).await.status(), StatusCode::OK);
    assert_eq!(open(&bob, &format!("after=0&era={era}")).await.2, [Some(0), Some(last)]);
    assert_eq!(stock(&bob).await, 0);
    for wrong in ["12", &"g".repeat(32), &"0".repeat(33)] {
        assert_eq!(open(&bob, &format!("era={wrong}")).await.0, StatusCode::BAD_REQUEST);
    }
}

/// Several streams of a device that was set back release the same KeyPackages: none of them fails.
#[tokio::test]
async fn streams_opened_at_once_after_a_set_back() {
    let provider = Provider::start(&["bob"]).await;
    let mut bob = provider.phone("bob", "phone").await;
    let era = bob.events(None).await.header("tombolo-era");
    for _ in 0..5 {
        let key_packages = bob.key_packages(20);
        assert_eq!(bob.post("/key-packages", key_packages).await.status(), StatusCode::OK);
        let path = format!("/events?follow=false&after=1000&era={era}");
        let open = (0..8).map(|_| bob.request(Method::GET, &path).send());
        for answer in futures_util::future::join_all(open).await {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
        assert_eq!(bob.get("/key-packages").await["stock"], 0);
    }
}

/// A device that looks now and then gets what there is, and the connection back.
#[tokio::test]
async fn a_stream_that_does_not_follow_ends_at_the_end() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    disturb(&alice, &bob, 20).await;
    // What was asked is looked at after it was answered: all of it has to be there.
    bob.events(Some(0)).await.take(40).await;
    let response = bob.request(Method::GET, "/events?after=0&follow=false").send().await.unwrap();
    let mut events = bob.events_of(response);
    assert_eq!(sequence(&events.take(40).await), (1..=40).collect::<Vec<u64>>());
    assert_eq!(events.next().await, None);
    assert_eq!(events.ended.as_deref(), Some("caught_up"));
}

/// Whoever names any entry gets everything behind it, and nothing before.
#[tokio::test]
async fn a_stream_begins_at_any_entry() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    disturb(&alice, &bob, 10).await;
    let all = bob.events(Some(0)).await.take(20).await;
    for (at, event) in all.iter().enumerate() {
        let behind = bob.events(Some(event.id)).await.take(all.len() - at - 1).await;
        assert_eq!(behind, all[at + 1..]);
    }
    let after = all[19].id + 1_000;
    let ahead = bob.request(Method::GET, &format!("/events?after={after}")).send().await.unwrap();
    assert_eq!(ahead.status(), StatusCode::CONFLICT);
}

/// Who does not read holds up nobody, and misses nothing.
#[tokio::test]
async fn a_reader_that_sleeps_holds_up_nobody() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let sleeper = provider.phone("bob", "laptop").await;
    let mut asleep = sleeper.events(Some(0)).await;
    let mut awake = bob.events(Some(0)).await;
    disturb(&alice, &bob, 150).await;
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(20), awake.take(300)).await;
    let expected: Vec<u64> = (1..=300).collect();
    assert_eq!(sequence(&in_time.expect("nobody waits for the sleeper")), expected);
    assert_eq!(sequence(&asleep.take(300).await), expected);
}
