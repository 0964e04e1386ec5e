//! Storage that fails, storage that is slow, and two processes on one storage: what is answered is
//! written, and what is not written has not happened (PROTO-UPD-14).

use std::time::Duration;

use http::Method;
use http::header::RETRY_AFTER;
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::{MimiUri, Wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tombolo_server::running::Running;
use tombolo_store::Store;
use tombolo_store::memory::MemoryStore;

use crate::support::{FaultyStore, Federation, Phone};

/// Alice's phone and tablet in a room at their own provider.
async fn two_devices(
    federation: &Federation,
    running: &Running,
    store: &FaultyStore,
) -> (Phone, Phone, MimiUri) {
    let mut phone = Phone::sign_up(federation, running, store, "a.example/alice/phone").await;
    let mut tablet = Phone::sign_up(federation, running, store, "a.example/alice/tablet").await;
    let room = phone.found("club").await;
    tablet.join(&room).await;
    phone.until_epoch(&room, 1).await;
    (phone, tablet, room)
}

fn path(room: &MimiUri, endpoint: &str) -> String {
    format!("/rooms/{}/{endpoint}", utf8_percent_encode(room.as_str(), NON_ALPHANUMERIC))
}

#[tokio::test]
async fn a_commit_that_is_not_written_has_not_happened() {
    let federation = Federation::new();
    let store = FaultyStore::default();
    let running = federation.start_on("a.example", &store).await;
    let (mut phone, mut tablet, room) = two_devices(&federation, &running, &store).await;
    let request = UpdateRequest::Commit(phone.build(&room, &Default::default()));
    store.fail(1);
    let reply = phone.call(Method::POST, &path(&room, "update"), request.encode()).await;
    // A full disk may be mended: clients and peers try again.
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "unavailable"));
    assert_eq!(reply.headers[RETRY_AFTER], "5");
    assert!(!String::from_utf8_lossy(&reply.body).contains("device"), "internals stay inside");
    // The room is as before: the same commit is accepted now, and nothing was shown to anybody.
    tablet.catch_up().await;
    assert_eq!(tablet.group(&room).view().epoch, 1);
    let response = phone.update(&room, &request).await;
    assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    phone.group(&room).accept_pending().unwrap();
    tablet.until_epoch(&room, 2).await;
    phone.send(&room, "hello").await;
    tablet.until_read(1).await;
    running.shutdown().await;
}

/// PROTO-UPD-13 and the promise behind it: a repeat that comes before the first is durable is not
/// answered earlier, and gets the same answer.
#[tokio::test]
async fn a_repeat_waits_for_the_first() {
    let federation = Federation::new();
    let store = FaultyStore::default();
    let running = federation.start_on("a.example", &store).await;
    let (mut phone, mut tablet, room) = two_devices(&federation, &running, &store).await;
    let request = phone.message(&room, "once");
    store.slow_down(200);
    let started = std::time::Instant::now();
    let (first, second) =
        tokio::join!(phone.submit(&room, &request), phone.submit(&room, &request));
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(first, second);
    store.slow_down(0);
    tablet.until_read(1).await;
    tablet.catch_up().await;
    assert_eq!(tablet.read.len(), 1);
    running.shutdown().await;
}

/// Decisions follow each other in memory while the disk is still writing the first of them.
#[tokio::test]
async fn decisions_do_not_wait_for_the_disk() {
    let federation = Federation::new();
    let store = FaultyStore::default();
    let running = federation.start_on("a.example", &store).await;
    let (mut phone, mut tablet, room) = two_devices(&federation, &running, &store).await;
    let requests: Vec<_> = (0..10).map(|n| phone.message(&room, &n.to_string())).collect();
    store.slow_down(300);
    let started = std::time::Instant::now();
    let submit = requests.iter().map(|request| phone.submit(&room, request));
    let responses = futures_util::future::join_all(submit).await;
    assert!(
        started.elapsed() < Duration::from_millis(1_500),
        "one by one it would take three seconds"
    );
    let mut timestamps: Vec<u64> = responses
        .iter()
        .map(|response| match response {
            SubmitMessageResponse::Accepted { accepted_timestamp, .. } => *accepted_timestamp,
            other => panic!("{other:?}"),
        })
        .collect();
    timestamps.sort_unstable();
    timestamps.dedup();
    assert_eq!(timestamps.len(), 10, "AMB-NTF-8: timestamps of a room strictly increase");
    store.slow_down(0);
    tablet.until_read(10).await;
    running.shutdown().await;
}

/// When one commit fails, those behind it were decided on what has not happened: they fail too, and
/// the room goes on from what is written.
#[tokio::test]
async fn what_follows_a_failure_fails_too() {
    let federation = Federation::new();
    let store = FaultyStore::default();
    let running = federation.start_on("a.example", &store).await;
    let (mut phone, mut tablet, room) = two_devices(&federation, &running, &store).await;
    let requests: Vec<_> = (0..6).map(|n| phone.message(&room, &n.to_string())).collect();
    store.slow_down(50);
    store.fail(1);
    let path = path(&room, "submit-message");
    let calls = requests.iter().map(|it| phone.call(Method::POST, &path, it.encode()));
    let replies = futures_util::future::join_all(calls).await;
    let failed = replies.iter().filter(|reply| reply.status.as_u16() == 503).count();
    let accepted = replies.iter().filter(|reply| reply.status.as_u16() == 200).count();
    assert_eq!((failed, accepted), (1, 5), "the others were decided anew");
    store.slow_down(0);
    tablet.until_read(5).await;
    let stored = store.last_seq(&room).await.unwrap();
    let log = store.log(&room, 0, 100).await.unwrap();
    assert_eq!(log.len() as u64, stored, "no gaps");
    running.shutdown().await;
}

/// A second process on the same storage has written meanwhile: the first notices, follows, and
/// decides anew.
#[tokio::test]
async fn a_lost_race_is_run_again() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let first = federation.start_on("a.example", &store).await;
    let second = federation.start_on("a.example", &store).await;
    let mut phone = Phone::sign_up(&federation, &first, &store, "a.example/alice/phone").await;
    let mut tablet = Phone::sign_up(&federation, &second, &store, "a.example/alice/tablet").await;
    let room = phone.found("club").await;
    tablet.join(&room).await;
    phone.until_epoch(&room, 1).await;
    for round in 0..3 {
        phone.send(&room, &format!("phone {round}")).await;
        tablet.send(&room, &format!("tablet {round}")).await;
    }
    phone.until_read(3).await;
    tablet.until_read(3).await;
    assert_eq!(
        store.last_seq(&room).await.unwrap(),
        store.log(&room, 0, 100).await.unwrap().len() as u64
    );
}
