//! Registering devices: who may, how often they may try, and what they get.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mimi_policy::preset::Preset;
use mimi_wire::Wire;
use mimi_wire::mls::ExternalSender;
use reqwest::{Method, StatusCode};

use crate::documented::Documented;
use crate::harness::{DOMAIN, JsonValue, PASSWORD, Provider, error_code};

#[tokio::test]
async fn a_device_registers_and_is_who_it_says() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    assert_eq!(phone.user.as_str(), "mimi://a.example/u/alice");
    assert_eq!(phone.client.as_str(), "mimi://a.example/d/alice/phone");
    assert!(phone.token.len() >= 43);
    provider.phone("alice", "laptop").await;

    let devices = phone.get("/devices").await;
    let names: Vec<_> =
        devices["devices"].as_array().unwrap().iter().map(|device| &device["name"]).collect();
    assert_eq!(names, ["phone", "laptop"]);
    assert_eq!(devices["devices"][0]["client"], phone.client.as_str());
    assert!(devices["devices"][0]["created_ms"].as_u64().unwrap() > 1_600_000_000_000);

    let info = phone.get("/provider").await;
    assert_eq!(info["domain"], DOMAIN);
    let presets: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
    assert_eq!(info["presets"], serde_json::json!(presets));
    let hub_sender = BASE64_STANDARD.decode(info["hub_sender"].as_str().unwrap()).unwrap();
    ExternalSender::decode(&hub_sender).unwrap();

    let issuers = phone.get(&format!("/issuers/{DOMAIN}")).await;
    let pem = issuers["issuers"][0].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_account_look_the_same() {
    let provider = Provider::start(&["alice"]).await;
    let http = provider.http();
    let mut bodies = Vec::new();
    for (user, password) in [("alice", "wrong horse"), ("nobody", PASSWORD)] {
        let answer = http.register(user, password, "phone").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        bodies.push(answer.json_value().await);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0]["error"]["code"], "unauthorized");
}

#[tokio::test]
async fn a_device_name_is_taken_once() {
    let provider = Provider::start(&["alice", "bob"]).await;
    provider.phone("alice", "phone").await;
    provider.phone("bob", "phone").await;
    let again = provider.http().register("alice", PASSWORD, "phone").await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(error_code(again).await, "conflict");
}

#[tokio::test]
async fn guessing_is_stopped_and_the_right_password_must_wait_too() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let http = provider.http();
    let mut refused = None;
    for _ in 0..20 {
        let answer = http.register("alice", "wrong horse", "phone").await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = refused.expect("an end to guessing");
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let right = http.register("alice", PASSWORD, "phone").await;
    assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS);
    provider.phone("bob", "phone").await;
}

#[tokio::test]
async fn impossible_names_and_keys_are_refused() {
    let provider = Provider::start(&["alice"]).await;
    let http = provider.http();
    let sound = [9; 32];
    for (user, device, key) in [
        ("", "phone", &sound[..]),
        ("al/ice", "phone", &sound),
        ("alice", "", &sound),
        ("alice", "../phone", &sound),
        ("alice", &"x".repeat(65), &sound),
        ("alice", "phone", &sound[..31]),
        ("alice", "phone", &[0; 32]),
        ("alice", "phone", &[]),
    ] {
        let answer = http.register_key(user, PASSWORD, device, key).await;
        assert!(answer.status().is_client_error(), "{user} {device} {key:?}: {}", answer.status());
    }
}

#[tokio::test]
async fn only_a_token_of_a_device_opens_the_api() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let http = provider.http();
    let all = Documented::all();
    for Documented { method, path, .. } in all.into_iter().filter(Documented::needs_a_token) {
        let without = http.request(method.clone(), &path).send().await.unwrap();
        assert_eq!(without.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(error_code(without).await, "unauthorized");
        let wrong = http.request(method, &path).bearer_auth(format!("{}x", phone.token));
        assert_eq!(wrong.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let basic = http.request(Method::GET, "/devices").basic_auth("alice", Some(PASSWORD));
    assert_eq!(basic.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn devices_and_their_tokens_outlive_a_restart() {
    let mut provider = Provider::start(&["alice"]).await;
    let mut phone = provider.phone("alice", "phone").await;
    let before = phone.get("/provider").await;
    provider.stop().await;
    provider.run().await;
    phone.http = provider.http();
    assert_eq!(phone.get("/provider").await, before);
}
