//! Key packages and consent, and paths that lead nowhere.

use mimi_wire::protocol::consent::ConsentOperation;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{JsonValue, Provider, error_code};

#[tokio::test]
async fn key_packages_add_up() {
    let provider = Provider::start(&["alice"]).await;
    let mut phone = provider.phone("alice", "phone").await;
    let empty = json!({"stock": 0, "ending": 0, "suites": []});
    assert_eq!(phone.get("/key-packages").await, empty);
    let first = phone.key_packages(5);
    let answer = phone.post("/key-packages", first.clone()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    // All of them end within a day.
    let suites = json!([{"ciphersuite": 1, "stock": 5}]);
    assert_eq!(answer.json_value().await, json!({"stock": 5, "ending": 5, "suites": suites}));
    let more = phone.key_packages(3);
    phone.post("/key-packages", more).await;
    assert_eq!(phone.get("/key-packages").await["stock"], 8);

    // PROTO-KM-10: sent again because the answer was lost, none is taken in twice.
    let again = phone.post("/key-packages", first).await;
    assert_eq!(again.json_value().await["stock"], 8);
}

#[tokio::test]
async fn key_packages_of_somebody_else_are_refused() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let mut bob = provider.phone("bob", "phone").await;
    let stolen = bob.key_packages(1);
    assert!(alice.post("/key-packages", stolen).await.status().is_client_error());
    assert_eq!(alice.get("/key-packages").await["stock"], 0);
    assert_eq!(bob.get("/key-packages").await["stock"], 0);
}

/// PROTO-CON-1, PROTO-CON-4, PROTO-CON-6: requests and cancels by the requester, grants and
/// refusals by the target; everybody has a list of its own.
#[tokio::test]
async fn consent_is_requested_seen_and_granted() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let created = StatusCode::CREATED;
    let mut seen_by_bob = bob.events(Some(0)).await;
    assert_eq!(alice.consent(ConsentOperation::Request, &bob.user).await, created);
    assert_eq!(seen_by_bob.next().await.unwrap().name, "request_consent");
    let open = bob.get("/consent").await;
    assert_eq!(open["requests"][0]["requester"], alice.user.as_str());
    assert_eq!(open["requests"][0]["room"], json!(null));
    let asked = alice.get("/consent").await;
    assert_eq!((&asked["requests"], &asked["granted"]), (&json!([]), &json!([])));
    assert_eq!(asked["asked"][0]["target"], bob.user.as_str());

    let grant = ConsentOperation::Grant { client_key_packages: Vec::new() };
    assert_eq!(bob.consent(grant, &alice.user).await, created);
    let decided = bob.get("/consent").await;
    assert_eq!(decided["requests"], json!([]));
    assert_eq!(decided["granted"][0]["requester"], alice.user.as_str());
    let told = alice.events(Some(0)).await.next().await.unwrap();
    assert_eq!(told.name, "update_consent");
    assert_eq!(told.data["stream"], alice.user.as_str());
    assert_eq!(alice.get("/consent").await["asked"], json!([]));

    assert_eq!(bob.consent(ConsentOperation::Revoke, &alice.user).await, created);
    let decided = bob.get("/consent").await;
    assert_eq!(decided["granted"], json!([]));
    assert_eq!(decided["refused"][0]["requester"], alice.user.as_str());
}

#[tokio::test]
async fn nobody_speaks_for_another_user() {
    let provider = Provider::start(&["alice", "bob", "cathy"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let mut forger = provider.phone("cathy", "phone").await;
    forger.user = alice.user.clone();
    let answer = forger.consent(ConsentOperation::Request, &bob.user).await;
    assert_eq!(answer, StatusCode::FORBIDDEN);
    assert_eq!(bob.get("/consent").await["requests"], json!([]));
}

#[tokio::test]
async fn unknown_paths_and_methods_say_so_in_json() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let nowhere = phone.request(Method::GET, "/nowhere").send().await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert_eq!(error_code(nowhere).await, "unknown");
    let deleted = phone.request(Method::DELETE, "/devices").send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(error_code(deleted).await, "malformed");
}
