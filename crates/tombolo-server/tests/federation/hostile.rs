//! What dishonest peers and clients try (PROTO-UPD-2, PROTO-SUB-2, PROTO-NTF-10, AMB-TR-6).

use std::net::SocketAddr;

use bytes::Bytes;
use mimi_mls::member::CommitPlan;
use mimi_policy::preset::Preset;
use mimi_wire::protocol::key_material::{KeyMaterialResponse, KeyMaterialUserCode};
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest, UpdateResponse};
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair};
use mimi_wire::{MimiUri, Wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use tombolo_store::Store;
use tombolo_testkit::TestRoom;

use crate::rooms::{NAMES, Trio, alice_and_bob};
use crate::support::{Reply, captured, eventually};

const ROOM: &str = "mimi%3A%2F%2Fa.example%2Fr%2Fclub";

impl Trio {
    fn address(&self, name: &str) -> SocketAddr {
        let index = NAMES.iter().position(|known| *known == name).unwrap();
        self.running[index].addresses().federation
    }

    /// As one provider to another.
    async fn post(&self, from: &str, to: &str, path: &str, body: impl Into<Bytes>) -> Reply {
        let caller = self.federation.caller(from);
        let mut connection = caller.connect(self.address(to), to).await.unwrap();
        connection.post(to, from, path, body).await.unwrap()
    }

    /// A digest of everything the providers keep, once nothing is on its way between them.
    async fn contents(&self) -> [u8; 32] {
        for store in &self.stores {
            eventually(async || store.waiting_followers().await.unwrap().is_empty().then_some(()))
                .await;
        }
        Sha256::digest(format!("{:?}", self.stores)).into()
    }
}

/// PROTO-NTF-10, FLOW-16: the same body again is accepted again and changes nothing; from anybody but the hub
/// it is refused (AMB-NTF-11).
#[tokio::test]
async fn a_replayed_notify() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    alice.send(&room, "once").await;
    bob.until_read(1).await;
    let bodies = captured(&trio.federation, "b.example", "-in-a.example-notify-request");
    assert!(bodies.len() >= 2, "a Welcome and a message at least");
    let before = trio.contents().await;
    let path = format!("/mimi/v1/notify/{ROOM}");
    for body in &bodies {
        let reply = trio.post("a.example", "b.example", &path, body.clone()).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (201, 0));
    }
    let all: Vec<u8> = bodies.concat();
    assert_eq!(trio.post("a.example", "b.example", &path, all).await.status.as_u16(), 201);
    let reply = trio.post("c.example", "b.example", &path, bodies[0].clone()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "peer_misbehaved"));
    assert_eq!(trio.contents().await, before);
    bob.catch_up().await;
    assert_eq!(bob.read.len(), 1);
}

/// A hub cannot pull our device into a room by an external commit in its name: only what the device
/// has itself sent through us lets it in, and nothing of a room that concerns nobody is kept.
#[tokio::test]
async fn a_forged_external_commit() {
    let trio = Trio::start().await;
    let mut phone = trio.phone("b.example/bob/phone").await;
    let mut strangers = TestRoom::of_alice();
    let plan = {
        let other = strangers.federation.device("b.example", "bob", "other");
        strangers.plan_to_add(vec![other])
    };
    strangers.commit("alice/phone", &plan);
    let namesake = strangers.federation.device("b.example", "bob", "phone");
    strangers.join_externally(namesake);
    let forged = strangers.log.last().unwrap().encode();
    let room = strangers.hub.view().room().clone();
    let path = utf8_percent_encode(room.as_str(), NON_ALPHANUMERIC).to_string();
    let before = trio.contents().await;
    let path = format!("/mimi/v1/notify/{path}");
    let reply = trio.post("a.example", "b.example", &path, forged).await;
    assert_eq!(reply.status.as_u16(), 201);
    assert_eq!(trio.contents().await, before);
    phone.catch_up().await;
    assert!(phone.read.is_empty());
}

/// AMB-UPD-15, TOM-125: a provider that a room has nothing to do with cannot tell it from one
/// that does not exist, nor learn its group, its epoch or why something is wrong.
#[tokio::test]
async fn strangers_learn_nothing_of_a_room() {
    let trio = Trio::start().await;
    let (_alice, mut bob, room) = alice_and_bob(&trio).await;
    bob.send(&room, "hello").await;
    let mut tablet = trio.phone("b.example/bob/tablet").await;
    tablet.join(&room).await;
    let of_bob = |what: &str| {
        captured(&trio.federation, "a.example", &format!("-in-b.example-{what}-request"))
    };
    let (message, commit) = (of_bob("submitMessage")[0].clone(), of_bob("update")[0].clone());
    let proposal = |epoch: u64| {
        let head = [&[0, 1, 0, 1, 4][..], b"club", &epoch.to_be_bytes()].concat();
        let tail = [&[1, 0, 0, 0, 1, 0, 2, 0, 10, 0x40, 64][..], &[1; 64], &[32], &[2; 32], &[0]];
        [head, tail.concat()].concat()
    };
    let alice = b"mimi://a.example/u/alice";
    let report = [&[0, 24][..], alice, &[0, 0, 0, 0]].concat();
    let asked = [
        ("submitMessage", message.to_vec()),
        ("update", commit.to_vec()),
        ("update", proposal(0)),
        ("update", proposal(2)),
        ("update", proposal(9)),
        ("reportAbuse", report),
    ];
    for (endpoint, body) in asked {
        let mut answers = Vec::new();
        for name in ["club", "none"] {
            let path = format!("/mimi/v1/{endpoint}/mimi%3A%2F%2Fa.example%2Fr%2F{name}");
            let reply = trio.post("c.example", "a.example", &path, body.clone()).await;
            answers.push((reply.status.as_u16(), reply.body));
        }
        assert_eq!(answers[0], answers[1], "{endpoint}");
        let (status, body) = &answers[0];
        match endpoint {
            "submitMessage" => assert_eq!((*status, &body[..]), (200, &[1, 1][..])),
            "update" => {
                let response = UpdateResponse::decode(body).unwrap();
                assert_eq!((*status, response.outcome), (200, UpdateOutcome::NotAllowed));
            }
            _ => assert_eq!(*status, 404),
        }
    }
}

/// Every body that crossed a wire, cut short or with something after its end: refused, and nothing
/// has changed (WIRE-6).
#[tokio::test]
async fn mutilated_bodies() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let mut cathy = trio.phone("c.example/cathy/phone").await;
    cathy.grant(&bob.user).await;
    bob.add(&cathy.user, &room).await;
    cathy.until_epoch(&room, 2).await;
    alice.until_epoch(&room, 2).await;
    let mut tablet = trio.phone("b.example/bob/tablet").await;
    tablet.join(&room).await;
    cathy.until_epoch(&room, 3).await;
    cathy.send(&room, "hello").await;
    alice.until_read(1).await;
    bob.until_read(1).await;
    tablet.until_read(1).await;
    let cathys = utf8_percent_encode(cathy.user.as_str(), NON_ALPHANUMERIC).to_string();
    let cases = [
        ("b.example", "a.example", "update", ROOM),
        ("c.example", "a.example", "submitMessage", ROOM),
        ("b.example", "a.example", "groupInfo", ROOM),
        ("b.example", "a.example", "keyMaterial", &cathys),
        ("a.example", "c.example", "keyMaterial", &cathys),
        ("a.example", "b.example", "notify", ROOM),
        ("c.example", "b.example", "updateConsent", "b.example"),
    ];
    let before = trio.contents().await;
    for (from, to, endpoint, variable) in cases {
        let what = format!("-in-{from}-{endpoint}-request");
        let bodies = captured(&trio.federation, to, &what);
        let body = bodies.first().unwrap_or_else(|| panic!("nothing captured: {to} {what}"));
        let path = format!("/mimi/v1/{endpoint}/{variable}");
        let cuts = [0, 1, body.len() / 2, body.len() - 1].map(|cut| body[..cut].to_vec());
        for mutilated in cuts.into_iter().chain([[body.as_slice(), b"\0"].concat()]) {
            let length = mutilated.len();
            let reply = trio.post(from, to, &path, mutilated).await;
            let seen = (reply.status.as_u16(), reply.code());
            assert_eq!(seen, (400, "malformed".to_owned()), "{endpoint} of {length} octets");
        }
    }
    assert_eq!(trio.contents().await, before);
}

/// PROTO-KM-14: the hub passes the request on octet for octet.
#[tokio::test]
async fn key_material_requests_travel_unmodified() {
    let trio = Trio::start().await;
    let (_alice, mut bob, room) = alice_and_bob(&trio).await;
    let cathy = trio.phone("c.example/cathy/phone").await;
    cathy.grant(&bob.user).await;
    bob.fetch(&cathy.user, &room).await;
    let at_hub = captured(&trio.federation, "a.example", "-in-b.example-keyMaterial-request");
    let at_target = captured(&trio.federation, "c.example", "-in-a.example-keyMaterial-request");
    assert_eq!((at_hub.len(), at_target.len()), (1, 1));
    assert_eq!(at_hub, at_target);
}

/// AMB-TR-6: requests for a room come through its hub only; AMB-KM-8: and for participants only.
#[tokio::test]
async fn key_material_for_outsiders() {
    let trio = Trio::start().await;
    let (_alice, mut bob, room) = alice_and_bob(&trio).await;
    let cathy = trio.phone("c.example/cathy/phone").await;
    cathy.grant(&bob.user).await;
    let request = bob.key_material_request(&cathy.user, &room);
    let target = utf8_percent_encode(cathy.user.as_str(), NON_ALPHANUMERIC).to_string();
    let path = format!("/mimi/v1/keyMaterial/{target}");
    // Straight to the target's provider, past the hub.
    let reply = trio.post("b.example", "c.example", &path, request.encode()).await;
    assert_eq!(reply.status.as_u16(), 403, "{:?}", reply.body);
    // Through the hub, but by a provider that does not answer for the requester.
    let reply = trio.post("c.example", "a.example", &path, request.encode()).await;
    assert_eq!(user_status(&reply), KeyMaterialUserCode::NoConsent);
    // Another user in the path than in the body (PROTO-KM-1).
    let other = "/mimi/v1/keyMaterial/mimi%3A%2F%2Fc.example%2Fu%2Fdora";
    let reply = trio.post("b.example", "a.example", other, request.encode()).await;
    assert_eq!(reply.status.as_u16(), 400);
    // A signature that is not the requester's (PROTO-KM-5, AMB-KM-3).
    let mut forged = request.clone();
    forged.signature[0] ^= 1;
    let reply = trio.post("b.example", "a.example", &path, forged.encode()).await;
    assert_eq!(reply.status.as_u16(), 403, "{:?}", reply.body);
    // By somebody who is not in the room.
    let mut outsider = trio.phone("b.example/bella/phone").await;
    cathy.grant(&outsider.user).await;
    outsider.groups.extend(bob.groups.remove_entry(&room));
    let request = outsider.key_material_request(&cathy.user, &room);
    let reply = trio.post("b.example", "a.example", &path, request.encode()).await;
    assert_eq!(user_status(&reply), KeyMaterialUserCode::NoConsent);
}

fn user_status(reply: &Reply) -> KeyMaterialUserCode {
    KeyMaterialResponse::decode(&reply.body).unwrap().user_status
}

/// AMB-TR-6: a commit is handed in by the committer's provider or not at all.
#[tokio::test]
async fn a_commit_by_the_wrong_provider() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let commit = UpdateRequest::Commit(bob.build(&room, &CommitPlan::default()));
    let path = format!("/mimi/v1/update/{ROOM}");
    let reply = trio.post("c.example", "a.example", &path, commit.encode()).await;
    let response = UpdateResponse::decode(&reply.body).unwrap();
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    alice.catch_up().await;
    assert_eq!(alice.group(&room).view().epoch, 1);
}

/// PROTO-UPD-2: clients of a user who is not listed are not added.
#[tokio::test]
async fn an_add_without_participant_entry() {
    let trio = Trio::start().await;
    let (_alice, mut bob, room) = alice_and_bob(&trio).await;
    let cathy = trio.phone("c.example/cathy/phone").await;
    cathy.grant(&bob.user).await;
    let plan = bob.plan_to_add(&cathy.user, &room).await;
    let plan = CommitPlan { participants: None, ..plan };
    let request = UpdateRequest::Commit(bob.build(&room, &plan));
    let response = bob.update(&room, &request).await;
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    assert!(!response.error_description.is_empty());
}

/// ARCH-1, ID-URI-4, AMB-UPD-15: only the hub knows a room.
#[tokio::test]
async fn rooms_that_are_not_here() {
    let trio = Trio::start().await;
    let (_alice, mut bob, room) = alice_and_bob(&trio).await;
    let commit = UpdateRequest::Commit(bob.build(&room, &CommitPlan::default()));
    let path = format!("/mimi/v1/update/{ROOM}");
    let reply = trio.post("b.example", "c.example", &path, commit.encode()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "unknown"));
    // TOM-125: the hub says of its own domain's rooms only what they let in.
    let path = "/mimi/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fno";
    let reply = trio.post("b.example", "a.example", path, commit.encode()).await;
    let response = UpdateResponse::decode(&reply.body).unwrap();
    assert_eq!((reply.status.as_u16(), response.outcome), (200, UpdateOutcome::NotAllowed));
}

/// PROTO-SUB-2: a peer sends for its own users only, and only for those in the room.
#[tokio::test]
async fn messages_of_others() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let path = format!("/mimi/v1/submitMessage/{ROOM}");
    let request = bob.message(&room, "hello");
    let mut as_alice = request.clone();
    as_alice.sending_uri = alice.user.clone();
    let mut as_bella = request.clone();
    as_bella.sending_uri = MimiUri::new("mimi://b.example/u/bella").unwrap();
    for (from, request) in
        [("c.example", &request), ("b.example", &as_alice), ("b.example", &as_bella)]
    {
        let reply = trio.post(from, "a.example", &path, request.encode()).await;
        let response = SubmitMessageResponse::decode(&reply.body).unwrap();
        assert_eq!(response, SubmitMessageResponse::NotAllowed, "{from}");
    }
    // The same octets twice are one message, with one answer.
    let first = bob.submit(&room, &request).await;
    assert_eq!(bob.submit(&room, &request).await, first);
    alice.until_read(1).await;
    assert_eq!(alice.read, [("bob".to_owned(), "hello".to_owned())]);
}

/// PROTO-UPD-3, PROTO-UPD-4: a ban takes the user's clients along; they can neither send nor read.
#[tokio::test]
async fn a_banned_user_is_out() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let late = bob.message(&room, "too late");
    let banned = 1;
    let entry = UserIndexRolePair { user_index: 1, role_index: banned };
    assert!(Preset::Cooperative.roles().roles.iter().any(|role| role.role_index == banned));
    let update =
        ParticipantListUpdate { changed_role_participants: vec![entry], ..Default::default() };
    let leaves = alice.leaves(&room, &bob.user);
    let plan = CommitPlan { remove: leaves, participants: Some(update), ..CommitPlan::default() };
    alice.commit(&room, &plan).await;
    assert_eq!(bob.submit(&room, &late).await, SubmitMessageResponse::NotAllowed);
    alice.send(&room, "among ourselves").await;
    eventually(async || {
        bob.catch_up().await;
        (!bob.group(&room).is_active()).then_some(())
    })
    .await;
    assert!(bob.read.is_empty());
    // He gets no GroupInfo to come back with either.
    assert!(bob.group_info(&room).await.1.is_none());
}
