//! Rooms hosted here, seen from their own clients: founding, writing, coming in.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mimi_mls::CIPHERSUITE;
use mimi_mls::label::HpkeKeyPair;
use mimi_mls::member::{Founding, MemberGroup};
use mimi_policy::preset::{Preset, hub_preauth};
use mimi_wire::mls::ExternalSender;
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::protocol::group_info::{
    GROUP_INFO_REQUEST_LABEL, GroupInfoOutcome, GroupInfoRequest, GroupInfoRequestTbs,
    GroupInfoResponse,
};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::{MimiUri, Wire};
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::{Method, Response, StatusCode};
use tombolo_server::clock::Clock;

use crate::harness::{JsonValue, Phone, Provider, error_code, segment};

const ROOM: &str = "mimi://a.example/r/club";

fn founding(room: &str, hub_sender: ExternalSender) -> Founding {
    let preset = Preset::Cooperative;
    Founding {
        group_id: room.replace("/r/", "/g/").into_bytes(),
        metadata: RoomMetadata {
            room_uri: room.parse().unwrap(),
            room_name: "Club".to_owned(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        roles: preset.roles(),
        others: Vec::new(),
        creator_role: preset.creator_role(),
        preauth: hub_preauth(&"a.example".parse().unwrap(), preset),
        base_policy: BaseRoomPolicy {
            fixed_membership: false,
            parent_dependant: false,
            parent_room: None,
            multi_device: true,
            max_clients: None,
            max_users: None,
            pseudonyms_allowed: true,
            persistent_room: true,
            discoverable: false,
            policy_component_ids: vec![0x0025, 0x0026],
        },
        components: BTreeMap::new(),
        hub_sender,
    }
}

async fn hub_sender(phone: &Phone) -> ExternalSender {
    let info = phone.get("/provider").await;
    let octets = BASE64_STANDARD.decode(info["hub_sender"].as_str().unwrap()).unwrap();
    ExternalSender::decode(&octets).unwrap()
}

fn create(phone: &Phone, founding: &Founding) -> (MemberGroup, Vec<u8>) {
    let now_ms = Clock::system().now_ms();
    let mut rng = StdRng::from_os_rng();
    let (group, group_info, ratchet_tree) =
        MemberGroup::create(&phone.mls, founding, &mut rng, now_ms).unwrap();
    (group, RoomFounding { group_info, ratchet_tree, welcome: None }.encode())
}

async fn put(phone: &Phone, room: &str, body: Vec<u8>) -> Response {
    let path = format!("/rooms/{}", segment(room));
    phone.request(Method::PUT, &path).body(body).send().await.unwrap()
}

async fn found(phone: &Phone, room: &str) -> MemberGroup {
    let (group, body) = create(phone, &founding(room, hub_sender(phone).await));
    let answer = put(phone, room, body).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert!(answer.json_value().await["accepted_timestamp"].as_u64().unwrap() > 0);
    group
}

fn message(phone: &Phone, group: &mut MemberGroup, text: &str) -> Vec<u8> {
    let app_message = group.encrypt(&phone.mls, text.as_bytes()).unwrap();
    SubmitMessageRequest { app_message, sending_uri: phone.user.clone() }.encode()
}

async fn submit(phone: &Phone, room: &str, body: Vec<u8>) -> SubmitMessageResponse {
    let answer = phone.post(&format!("/rooms/{}/submit-message", segment(room)), body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    SubmitMessageResponse::decode(&answer.bytes().await.unwrap()).unwrap()
}

/// PROTO-SUB-4, PROTO-NTF-12: one timestamp, in the answer and with the message.
#[tokio::test]
async fn a_message_is_answered_and_delivered_with_one_timestamp() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let mut group = found(&phone, ROOM).await;
    let body = message(&phone, &mut group, "hello");
    let first = submit(&phone, ROOM, body.clone()).await;
    let SubmitMessageResponse::Accepted { accepted_timestamp, .. } = first else {
        panic!("{first:?}")
    };
    // The answer was lost: the same again, and the message only once.
    assert_eq!(submit(&phone, ROOM, body).await, first);
    submit(&phone, ROOM, message(&phone, &mut group, "again")).await;

    let events = phone.events(Some(0)).await.take(2).await;
    assert!(events.iter().all(|event| event.name == "application" && event.data["stream"] == ROOM));
    assert_eq!(events[0].data["timestamp_ms"], accepted_timestamp);
    assert!(events[1].data["timestamp_ms"].as_u64().unwrap() > accepted_timestamp);
    let payload = BASE64_STANDARD.decode(events[0].data["payload"].as_str().unwrap()).unwrap();
    assert_eq!(FanoutMessage::decode(&payload).unwrap().timestamp, accepted_timestamp);
}

#[tokio::test]
async fn a_room_is_founded_once() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    found(&alice, ROOM).await;
    let (_, body) = create(&bob, &founding(ROOM, hub_sender(&bob).await));
    let again = put(&bob, ROOM, body).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(error_code(again).await, "conflict");
}

/// AMB-ST-1, ID-URI-4: our own domain, our own hub key, the room of the path, the founder's own
/// device.
#[tokio::test]
async fn rooms_that_are_not_ours_to_host_are_refused() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let other = Provider::start(&["eve"]).await;
    let eve = other.phone("eve", "phone").await;
    let ours = hub_sender(&alice).await;
    let elsewhere = "mimi://b.example/r/club";
    for (room, founding, what) in [
        (elsewhere, founding(ROOM, ours.clone()), "another domain"),
        (ROOM, founding("mimi://a.example/r/cellar", ours.clone()), "another room in the path"),
        (ROOM, founding(ROOM, hub_sender(&eve).await), "another hub's key"),
    ] {
        let (_, body) = create(&alice, &founding);
        let answer = put(&alice, room, body).await;
        assert!(answer.status().is_client_error(), "{what}: {}", answer.status());
    }
    let (_, body) = create(&alice, &founding(ROOM, ours));
    let answer = put(&bob, ROOM, body).await;
    assert!(answer.status().is_client_error(), "another founder: {}", answer.status());
    found(&alice, ROOM).await;
}

/// PROTO-SUB-2: nobody writes who is not in the room, or in somebody else's name.
#[tokio::test]
async fn strangers_cannot_write() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let bob = provider.phone("bob", "phone").await;
    let mut group = found(&alice, ROOM).await;
    let body = message(&alice, &mut group, "hello");
    let path = format!("/rooms/{}/submit-message", segment(ROOM));
    assert!(bob.post(&path, body.clone()).await.status().is_client_error());

    let mut request = SubmitMessageRequest::decode(&body).unwrap();
    request.sending_uri = bob.user.clone();
    let answer = submit(&bob, ROOM, request.encode()).await;
    assert_eq!(answer, SubmitMessageResponse::NotAllowed);
    let nowhere = "mimi://a.example/r/nowhere";
    let path = format!("/rooms/{}/submit-message", segment(nowhere));
    assert!(alice.post(&path, body).await.status().is_client_error());
}

async fn ask_to_join(phone: &Phone, room: &str) -> GroupInfoResponse {
    let key = HpkeKeyPair::derive(CIPHERSUITE, &[5; 32]).unwrap();
    let tbs = GroupInfoRequestTbs {
        cipher_suite: CIPHERSUITE,
        requesting_signature_key: phone.mls.signature_key().to_vec(),
        requesting_credential: phone.mls.credential().unwrap(),
        group_info_public_key: key.public.clone(),
        joining_code: None,
    };
    let signature = phone.mls.sign_with_label(GROUP_INFO_REQUEST_LABEL, &tbs.encode());
    let body = GroupInfoRequest { tbs, signature }.encode();
    let answer = phone.post(&format!("/rooms/{}/group-info", segment(room)), body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    GroupInfoResponse::decode(&answer.bytes().await.unwrap()).unwrap()
}

/// PROTO-GI-1, PROTO-GI-2, PROTO-GI-7: a participant's new device may come in, others learn nothing.
#[tokio::test]
async fn group_info_is_for_participants() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let alice = provider.phone("alice", "phone").await;
    let laptop = provider.phone("alice", "laptop").await;
    let bob = provider.phone("bob", "phone").await;
    found(&alice, ROOM).await;
    let room: MimiUri = ROOM.parse().unwrap();
    let answer = ask_to_join(&laptop, ROOM).await;
    assert_eq!(answer.room_id, room);
    assert!(matches!(answer.outcome, GroupInfoOutcome::Success(_)), "{answer:?}");
    let refused = ask_to_join(&bob, ROOM).await.outcome;
    assert!(!matches!(refused, GroupInfoOutcome::Success(_)));
    let missing = ask_to_join(&bob, "mimi://a.example/r/nowhere").await.outcome;
    assert_eq!(missing, refused);
}

#[tokio::test]
async fn rooms_survive_a_restart() {
    let mut provider = Provider::start(&["alice"]).await;
    let mut phone = provider.phone("alice", "phone").await;
    let mut group = found(&phone, ROOM).await;
    let body = message(&phone, &mut group, "before");
    let before = submit(&phone, ROOM, body.clone()).await;
    provider.stop().await;
    provider.run().await;
    phone.http = provider.http();
    assert_eq!(submit(&phone, ROOM, body).await, before);
    let after = submit(&phone, ROOM, message(&phone, &mut group, "after")).await;
    assert!(matches!(after, SubmitMessageResponse::Accepted { .. }));
    assert_eq!(phone.events(Some(0)).await.take(2).await.len(), 2);
}

/// A new device learns where its user is; pages go on where the last one ended.
#[tokio::test]
async fn the_rooms_of_a_user_are_listed_in_pages() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let phone = provider.phone("alice", "phone").await;
    let names = ["c", "a", "b"].map(|name| format!("mimi://a.example/r/{name}"));
    for name in &names {
        found(&phone, name).await;
    }
    let tablet = provider.phone("alice", "tablet").await;
    let (a, b, c) = (&names[1], &names[2], &names[0]);
    let all = serde_json::json!({ "rooms": [a, b, c], "next": null });
    assert_eq!(tablet.get("/rooms").await, all);
    assert_eq!(tablet.get("/rooms?limit=3").await, all);
    let first = tablet.get("/rooms?limit=2").await;
    assert_eq!(first, serde_json::json!({ "rooms": [a, b], "next": b }));
    let rest = tablet.get(&format!("/rooms?limit=2&after={}", segment(b))).await;
    assert_eq!(rest, serde_json::json!({ "rooms": [c], "next": null }));
    let bob = provider.phone("bob", "phone").await;
    assert_eq!(bob.get("/rooms").await, serde_json::json!({ "rooms": [], "next": null }));
    for limit in ["0", "1001", "-1", "x"] {
        let refused = tablet.request(Method::GET, &format!("/rooms?limit={limit}"));
        assert_eq!(refused.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "{limit}");
    }
}
