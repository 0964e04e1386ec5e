//! Stopping: what is in flight is finished, what was acknowledged is there again.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use tokio::sync::oneshot;
use tombolo_server::running::DRAIN_MAX;

use crate::harness::{JsonValue, Provider, halting_body};

#[tokio::test]
async fn a_request_in_flight_is_finished() {
    let mut provider = Provider::start(&["alice"]).await;
    let mut phone = provider.phone("alice", "phone").await;
    let mut body = phone.key_packages(3);
    let rest = body.split_off(100);
    let (finish, finished) = oneshot::channel();
    let upload = phone.request(Method::POST, "/key-packages").body(halting_body(body, finished));
    let upload = tokio::spawn(upload.send());
    tokio::time::sleep(Duration::from_millis(300)).await;

    let stopping = tokio::spawn(provider.take_running().shutdown());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!stopping.is_finished(), "it waits for the request");
    finish.send(rest).unwrap();
    let answer = upload.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json_value().await["stock"], 3);
    stopping.await.unwrap();

    provider.run().await;
    phone.http = provider.http();
    assert_eq!(phone.get("/key-packages").await["stock"], 3);
}

#[tokio::test]
async fn open_event_streams_end_and_do_not_hold_it_up() {
    let mut provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let mut events = phone.events(None).await;
    let began = Instant::now();
    let (ended, ()) = tokio::join!(events.next(), provider.stop());
    assert_eq!(ended, None);
    assert!(began.elapsed() < DRAIN_MAX / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off() {
    let mut provider = Provider::start(&["alice"]).await;
    let mut phone = provider.phone("alice", "phone").await;
    let (_finish, finished) = oneshot::channel();
    let body = halting_body(phone.key_packages(1), finished);
    let upload = tokio::spawn(phone.request(Method::POST, "/key-packages").body(body).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    provider.stop().await;
    assert!(began.elapsed() < DRAIN_MAX * 2, "{:?}", began.elapsed());
    upload.abort();
}

#[tokio::test]
async fn nobody_is_let_in_afterwards() {
    let mut provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let addresses = provider.running().addresses();
    provider.stop().await;
    for address in [addresses.federation, addresses.client, addresses.admin] {
        tokio::net::TcpStream::connect(address).await.unwrap_err();
    }
    phone.request(Method::GET, "/devices").send().await.unwrap_err();
}
