//! Several devices of a user: who they are, what they are called, and how they are signed out.

use mimi_provider::account::DAY_MS;
use mimi_wire::Wire;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{JsonValue, PASSWORD, Phone, Provider, segment};

impl Phone {
    async fn send(&self, method: Method, path: &str, body: serde_json::Value) -> StatusCode {
        let request = self.request(method, path).body(body.to_string());
        request.send().await.unwrap().status()
    }

    async fn sign_out(&self, other: &str) -> StatusCode {
        let path = format!("/devices/{}", segment(other));
        self.request(Method::DELETE, &path).send().await.unwrap().status()
    }

    /// Whether its provider still knows it.
    async fn is_known(&self) -> bool {
        let answer = self.request(Method::GET, "/devices").send().await.unwrap();
        answer.status() != StatusCode::UNAUTHORIZED
    }
}

#[tokio::test]
async fn the_list_says_who_asks_and_who_was_here() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let laptop = provider.phone("alice", "laptop").await;
    for (asking, current) in [(&phone, [true, false]), (&laptop, [false, true])] {
        let list = asking.get("/devices").await;
        let devices = list["devices"].as_array().unwrap();
        let told: Vec<_> = devices.iter().map(|it| it["current"].as_bool().unwrap()).collect();
        assert_eq!(told, current);
        for device in devices {
            // The day, and no more of it.
            let seen = device["last_seen_ms"].as_u64().unwrap();
            assert!(seen > 0 && seen % DAY_MS == 0);
        }
    }
}

#[tokio::test]
async fn a_device_is_called_something_else() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let phone = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let path = format!("/devices/{}", segment(phone.client.as_str()));
    let call = |name: &'static str| phone.send(Method::PUT, &path, json!({ "name": name }));
    assert_eq!(call("Alice's téléphone").await, StatusCode::NO_CONTENT);
    let list = phone.get("/devices").await;
    assert_eq!(list["devices"][0]["name"], "Alice's téléphone");
    assert_eq!(list["devices"][0]["client"], phone.client.as_str());
    assert_eq!(call("").await, StatusCode::BAD_REQUEST);
    assert_eq!(call("a\u{7}b").await, StatusCode::BAD_REQUEST);
    let by_bob = bob.send(Method::PUT, &path, json!({ "name": "mine" })).await;
    assert_eq!(by_bob, StatusCode::NOT_FOUND);
}

/// Its token is dead, its stream ends and says why, its KeyPackages are gone, and a new device of the
/// same name is another one.
#[tokio::test]
async fn a_device_that_is_signed_out_is_gone_at_once() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let phone = provider.phone("alice", "phone").await;
    let mut laptop = provider.phone("alice", "laptop").await;
    let bob = provider.phone("bob", "phone").await;
    let key_packages = laptop.key_packages(3);
    assert_eq!(laptop.post("/key-packages", key_packages.clone()).await.status(), StatusCode::OK);
    let mut stream = laptop.events(None).await;
    assert_eq!(bob.sign_out(laptop.client.as_str()).await, StatusCode::NOT_FOUND);
    assert!(laptop.is_known().await);

    assert_eq!(phone.sign_out(laptop.client.as_str()).await, StatusCode::NO_CONTENT);
    assert!(!laptop.is_known().await);
    assert_eq!(stream.next().await, None);
    assert_eq!(stream.ended.as_deref(), Some("signed_out"));
    let late = laptop.post("/key-packages", key_packages).await;
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(phone.sign_out(laptop.client.as_str()).await, StatusCode::NOT_FOUND);
    assert_eq!(phone.get("/devices").await["devices"].as_array().unwrap().len(), 1);

    let anew = provider.phone("alice", "laptop").await;
    assert_eq!(anew.get("/key-packages").await["stock"], 0);
    assert!(!laptop.is_known().await);
}

#[tokio::test]
async fn a_device_signs_itself_out_or_all_others() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let phone = provider.phone("alice", "phone").await;
    let others = [provider.phone("alice", "laptop").await, provider.phone("alice", "desk").await];
    let bob = provider.phone("bob", "phone").await;
    let answer = phone.request(Method::POST, "/sign-out-others").send().await.unwrap();
    let expected = [others[0].client.as_str(), others[1].client.as_str()];
    assert_eq!(answer.json_value().await["signed_out"], json!(expected));
    for other in &others {
        assert!(!other.is_known().await);
    }
    assert!(phone.is_known().await && bob.is_known().await);
    assert_eq!(phone.sign_out(phone.client.as_str()).await, StatusCode::NO_CONTENT);
    assert!(!phone.is_known().await);
}

/// A device makes up its next token; whoever has the old one reads no further.
#[tokio::test]
async fn a_token_is_replaced() {
    let provider = Provider::start(&["alice"]).await;
    let mut phone = provider.phone("alice", "phone").await;
    let laptop = provider.phone("alice", "laptop").await;
    let mut stream = phone.events(None).await;
    for improper in ["", "short", &laptop.token[1..], &format!("{}=", laptop.token)] {
        let status = phone.send(Method::PUT, "/token", json!({ "token": improper })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{improper}");
    }
    let taken = phone.send(Method::PUT, "/token", json!({ "token": laptop.token })).await;
    assert_eq!(taken, StatusCode::CONFLICT);
    let fresh = "A".repeat(43);
    let replaced = phone.send(Method::PUT, "/token", json!({ "token": fresh })).await;
    assert_eq!(replaced, StatusCode::NO_CONTENT);
    assert!(!phone.is_known().await);
    assert_eq!(stream.next().await, None);
    assert_eq!(stream.ended.as_deref(), Some("token_replaced"));
    phone.token = fresh;
    assert!(phone.is_known().await && laptop.is_known().await);
}

#[tokio::test]
async fn a_password_is_replaced_by_who_knows_it() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let laptop = provider.phone("alice", "laptop").await;
    let replace = |old: &'static str, new: &'static str, sign_out_others: bool| {
        let body = json!({
            "password": old, "new_password": new, "sign_out_others": sign_out_others,
        });
        phone.send(Method::PUT, "/password", body)
    };
    assert_eq!(replace("wrong horse", "battery staple", true).await, StatusCode::FORBIDDEN);
    assert_eq!(replace(PASSWORD, "short", true).await, StatusCode::BAD_REQUEST);
    assert!(laptop.is_known().await);
    assert_eq!(replace(PASSWORD, "battery staple", false).await, StatusCode::OK);
    assert!(laptop.is_known().await);
    assert_eq!(replace("battery staple", "battery horse", true).await, StatusCode::OK);
    assert!(phone.is_known().await && !laptop.is_known().await);
    let http = provider.http();
    for (password, expected) in
        [(PASSWORD, StatusCode::UNAUTHORIZED), ("battery horse", StatusCode::OK)]
    {
        assert_eq!(http.register("alice", password, "tablet").await.status(), expected);
    }
}

#[tokio::test]
async fn an_account_is_deleted_by_who_knows_its_password() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let laptop = provider.phone("alice", "laptop").await;
    let delete = |password: &'static str, check_only: bool| {
        let body = json!({ "password": password, "check_only": check_only });
        phone.send(Method::POST, "/delete-account", body)
    };
    for check_only in [true, false] {
        assert_eq!(delete("wrong horse", check_only).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(delete(PASSWORD, true).await, StatusCode::NO_CONTENT);
    assert!(phone.is_known().await && laptop.is_known().await, "nothing was to be deleted");
    let body = json!({ "password": PASSWORD });
    assert_eq!(phone.send(Method::POST, "/delete-account", body).await, StatusCode::NO_CONTENT);
    assert!(!phone.is_known().await && !laptop.is_known().await);
    let gone = provider.http().register("alice", PASSWORD, "phone").await;
    assert_eq!(gone.status(), StatusCode::UNAUTHORIZED);
}

/// What a device began to say before it was signed out does not count.
#[tokio::test]
async fn a_body_that_outlasts_its_device() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let (thief, alice) =
        (provider.phone("alice", "phone").await, provider.phone("alice", "laptop").await);
    let bob = provider.phone("bob", "phone").await;
    let entry = ConsentEntry {
        operation: ConsentOperation::Request,
        requester_uri: alice.user.clone(),
        target_uri: bob.user.clone(),
        room_id: None,
        consent_extensions: Extensions::default(),
    };
    let octets = entry.encode();
    for signs_out in [false, true] {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
        let body = futures_util::stream::unfold(receiver, async |mut receiver| {
            Some((Ok::<_, std::io::Error>(receiver.recv().await?), receiver))
        });
        let body = reqwest::Body::wrap_stream(body);
        let request = thief.request(Method::POST, "/consent").body(body).send();
        let slow = async {
            sender.send(octets[..4].to_vec()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            if signs_out {
                assert_eq!(alice.sign_out(thief.client.as_str()).await, StatusCode::NO_CONTENT);
            }
            sender.send(octets[4..].to_vec()).await.unwrap();
            drop(sender);
        };
        let (answer, ()) = tokio::join!(request, slow);
        let expected = if signs_out { StatusCode::UNAUTHORIZED } else { StatusCode::CREATED };
        assert_eq!(answer.unwrap().status(), expected);
    }
}
