//! The example flows of the protocol's section 3, with real MLS at every device: who is told what, octet
//! for octet, and who is not. Beside them the ways in and out that have files of their own: FLOW-8
//! (`rules`), FLOW-9..11 (`joining`), FLOW-13 (`franking`), FLOW-15 (`kept_in_order`) and FLOW-16
//! (`restarts`).

use http::Method;
use mimi_mls::label::verify_with_label;
use mimi_mls::member::CommitPlan;
use mimi_wire::codec::Reader;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::group_info::{GROUP_INFO_RESPONSE_LABEL, GroupInfoOutcome};
use mimi_wire::protocol::key_material::{
    ClientMaterial, KeyMaterialRequest, KeyMaterialResponse, KeyMaterialUserCode,
};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::{MimiUri, Wire};
use tombolo_store::Store;

use crate::rooms::{Trio, alice_and_bob};
use crate::support::{Phone, captured, eventually, now_ms};

impl Trio {
    /// The bodies of a kind of request that a provider got from another one.
    pub(crate) fn sent(&self, from: &str, to: &str, what: &str) -> Vec<Vec<u8>> {
        captured(&self.federation, to, &format!("-in-{from}-{what}-request"))
    }

    /// Everything the hub has told a provider.
    pub(crate) fn told(&self, provider: &str) -> Vec<FanoutMessage> {
        let bodies = self.sent("a.example", provider, "notify");
        bodies.iter().flat_map(|body| FanoutMessage::decode_all(body).unwrap()).collect()
    }

    /// Until the hub has nothing more to tell anybody.
    pub(crate) async fn settle(&self) {
        let store = &self.stores[0];
        eventually(async || store.waiting_followers().await.unwrap().is_empty().then_some(()))
            .await;
    }

    /// alice's room at a.example with bob of b.example and cathy of c.example, in epoch 2.
    async fn clubhouse(&self) -> (Phone, Phone, Phone, MimiUri) {
        let (mut alice, mut bob, room) = alice_and_bob(self).await;
        let mut cathy = self.phone("c.example/cathy/phone").await;
        cathy.grant(&bob.user).await;
        bob.add(&cathy.user, &room).await;
        for member in [&mut alice, &mut bob, &mut cathy] {
            member.until_epoch(&room, 2).await;
        }
        self.settle().await;
        (alice, bob, cathy, room)
    }
}

fn kinds(told: &[FanoutMessage]) -> Vec<&'static str> {
    let kind = |message: &FanoutMessage| match message.kind {
        FanoutKind::Application { .. } => "application",
        FanoutKind::Welcome { .. } => "welcome",
        FanoutKind::Proposal { .. } => "proposal",
        FanoutKind::Commit { .. } => "commit",
    };
    told.iter().map(kind).collect()
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

/// Whether a Welcome is for exactly the clients whose KeyPackages an answer has brought.
fn welcomes(welcome: &FanoutMessage, answer: &[u8], issuers: &mimi_mls::identity::Issuers) -> bool {
    let response = KeyMaterialResponse::decode(answer).unwrap();
    let references = response.clients.iter().map(|client| match &client.material {
        ClientMaterial::KeyPackage(package) => {
            mimi_mls::key_package::inspect(package, issuers, now_ms()).unwrap().reference
        }
        other => panic!("{other:?}"),
    });
    references.into_iter().all(|reference| contains(welcome.message.octets(), &reference))
}

/// FLOW-2 (figures 2 and 3): alice's provider fetches bob's KeyPackages from his, which then gets the
/// commit (AMB-NTF-6) and the Welcome with the whole tree; nobody else is told anything.
#[tokio::test]
async fn alice_adds_bob() {
    let trio = Trio::start().await;
    let (alice, bob, room) = alice_and_bob(&trio).await;
    let [request] = &trio.sent("a.example", "b.example", "keyMaterial")[..] else {
        panic!("one request")
    };
    let tbs = KeyMaterialRequest::decode(request).unwrap().tbs;
    assert_eq!((&tbs.requesting_user, &tbs.target_user), (&alice.user, &bob.user));
    assert_eq!(tbs.room_id.as_ref(), Some(&room), "PROTO-KM-3");
    trio.settle().await;
    let told = trio.told("b.example");
    assert_eq!(kinds(&told), ["commit", "welcome"]);
    let FanoutKind::Welcome { ratchet_tree } = &told[1].kind else { panic!("a Welcome") };
    assert!(matches!(ratchet_tree, RatchetTreeOption::Full(_)), "RTO-1");
    let answers = captured(&trio.federation, "a.example", "-in-b.example-keyMaterial-answer");
    assert!(welcomes(&told[1], &answers[0], &alice.issuers()));
    assert!(captured(&trio.federation, "c.example", "").is_empty());
}

/// FLOW-3 (figures 4 and 5): bob's provider asks the hub, the hub cathy's provider, with the same
/// octets (PROTO-KM-2, PROTO-KM-14); his commit goes to the hub, from there to his provider, and the
/// Welcome to hers alone.
#[tokio::test]
async fn bob_adds_cathy() {
    let trio = Trio::start().await;
    let (mut alice, bob, cathy, room) = trio.clubhouse().await;
    let asked = trio.sent("b.example", "a.example", "keyMaterial");
    assert_eq!(asked.len(), 1);
    assert_eq!(trio.sent("a.example", "c.example", "keyMaterial"), asked);
    assert!(trio.sent("b.example", "c.example", "keyMaterial").is_empty());
    let tbs = KeyMaterialRequest::decode(&asked[0]).unwrap().tbs;
    assert_eq!((&tbs.requesting_user, &tbs.target_user), (&bob.user, &cathy.user));
    let [update] = &trio.sent("b.example", "a.example", "update")[..] else { panic!("one") };
    let UpdateRequest::Commit(bundle) = UpdateRequest::decode(update).unwrap() else {
        panic!("a commit")
    };
    assert!(bundle.welcome.is_some());
    let (of_b, of_c) = (trio.told("b.example"), trio.told("c.example"));
    assert_eq!(kinds(&of_b), ["commit", "welcome", "commit"]);
    assert_eq!(kinds(&of_c), ["commit", "welcome"]);
    assert_eq!((&of_b[2].message, &of_c[0].message), (&bundle.commit, &bundle.commit));
    assert_eq!(of_c[1].timestamp, of_b[2].timestamp, "AMB-NTF-8");
    let answers = captured(&trio.federation, "b.example", "-in-a.example-keyMaterial-answer");
    assert!(welcomes(&of_c[1], &answers[0], &bob.issuers()));
    let users = alice.group(&room).view().participants.participants.len();
    assert_eq!(users, 3);
}

/// FLOW-4 (figure 6), ARCH-5: what cathy's provider hands in is handed to everybody's provider, her
/// own included, as it was accepted and without her name; each provider hands it to its devices.
#[tokio::test]
async fn cathy_sends_a_message() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, mut cathy, room) = trio.clubhouse().await;
    let request = cathy.message(&room, "hello");
    let response = cathy.submit(&room, &request).await;
    let SubmitMessageResponse::Accepted { accepted_timestamp, .. } = response else {
        panic!("{response:?}")
    };
    assert_eq!(trio.sent("c.example", "a.example", "submitMessage"), [request.encode()]);
    for reader in [&mut alice, &mut bob] {
        reader.until_read(1).await;
        assert_eq!(reader.read, [("cathy".to_owned(), "hello".to_owned())]);
    }
    trio.settle().await;
    for provider in ["b.example", "c.example"] {
        let told = trio.told(provider);
        let last = told.last().unwrap();
        assert_eq!(kinds(std::slice::from_ref(last)), ["application"]);
        assert_eq!(last.message, request.app_message);
        assert_eq!(last.timestamp, accepted_timestamp, "PROTO-SUB-4");
        assert!(!contains(&last.encode(), cathy.user.as_bytes()), "FRANK-6");
    }
    cathy.catch_up().await;
    assert!(cathy.read.is_empty(), "her own message is none to her (PROTO-NTF-7)");
}

/// FLOW-5 (figure 7): bob's proposals go to the hub, which tells all; cathy commits them; everybody is
/// told of her commit, bob's provider too.
#[tokio::test]
async fn bob_leaves_the_room() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, mut cathy, room) = trio.clubhouse().await;
    let leave = bob.groups.get_mut(&room).unwrap().leave(&bob.device).unwrap();
    let request = UpdateRequest::Proposals(leave.clone());
    let response = bob.update(&room, &request).await;
    assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    assert_eq!(trio.sent("b.example", "a.example", "update").last(), Some(&request.encode()));
    eventually(async || {
        cathy.catch_up().await;
        (cathy.group(&room).pending_change().proposals.len() == 2).then_some(())
    })
    .await;
    let told = trio.told("c.example");
    let proposed = told.last().unwrap();
    assert_eq!(proposed.message, leave.proposal);
    let FanoutKind::Proposal { more_proposals } = &proposed.kind else { panic!("proposals") };
    assert_eq!(*more_proposals, leave.more_proposals, "PROTO-NTF-5");
    cathy.commit(&room, &CommitPlan::default()).await;
    alice.until_epoch(&room, 3).await;
    eventually(async || {
        bob.catch_up().await;
        (!bob.group(&room).is_active()).then_some(())
    })
    .await;
    trio.settle().await;
    let update = trio.sent("c.example", "a.example", "update").pop().unwrap();
    let UpdateRequest::Commit(bundle) = UpdateRequest::decode(&update).unwrap() else {
        panic!("a commit")
    };
    for provider in ["b.example", "c.example"] {
        assert_eq!(trio.told(provider).last().unwrap().message, bundle.commit, "{provider}");
    }
    let view = alice.group(&room).view();
    assert_eq!(view.role_index_of(&bob.user), None);
    assert_eq!(view.clients_of(&bob.user).count(), 0);
}

/// FLOW-6 (figure 8), PROTO-GI-4: cathy's new device asks the hub, which signs what it gives and
/// encrypts it to that device; its commit is told to everybody.
#[tokio::test]
async fn cathy_adds_a_device() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, mut cathy, room) = trio.clubhouse().await;
    let mut tablet = trio.phone("c.example/cathy/tablet").await;
    let (response, material) = tablet.group_info(&room).await;
    let GroupInfoOutcome::Success(success) = &response.outcome else { panic!("{response:?}") };
    assert_eq!(success.hub_sender, *alice.group(&room).hub_sender());
    let mut reader = Reader::new(success.hub_sender.octets());
    let key = reader.opaque(100, "ExternalSender.signature_key").unwrap();
    let verify = |signed: &[u8]| {
        let (suite, signature) = (success.cipher_suite, &success.signature);
        verify_with_label(suite, key, GROUP_INFO_RESPONSE_LABEL, signed, signature).is_ok()
    };
    let mut signed = response.to_be_signed();
    assert!(verify(&signed));
    for position in (0..signed.len()).step_by(13) {
        signed[position] ^= 1;
        assert!(!verify(&signed), "octet {position}");
        signed[position] ^= 1;
    }
    let answers = captured(&trio.federation, "c.example", "-in-a.example-groupInfo-answer");
    assert_eq!(answers, [response.encode()]);
    assert!(!contains(&answers[0], bob.user.as_bytes()), "nobody between reads who is in");
    let joined = tablet.come_in(&room, &material.unwrap(), None).await;
    assert!(matches!(joined.outcome, UpdateOutcome::Success { .. }), "{joined:?}");
    for member in [&mut alice, &mut bob, &mut cathy] {
        member.until_epoch(&room, 3).await;
    }
    let update = trio.sent("c.example", "a.example", "update").pop().unwrap();
    let UpdateRequest::Commit(bundle) = UpdateRequest::decode(&update).unwrap() else {
        panic!("a commit")
    };
    for provider in ["b.example", "c.example"] {
        assert_eq!(trio.told(provider).last().unwrap().message, bundle.commit, "{provider}");
    }
}

/// FLOW-7, ARCH-6, PROTO-NTF-6: alice removes cathy from the list and all her clients from the group at
/// once. Her provider is told of that, and of nothing that comes after.
#[tokio::test]
async fn alice_removes_cathy() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, mut cathy, room) = trio.clubhouse().await;
    let user = cathy.user.clone();
    let listed = &alice.groups[&room].view().participants.participants;
    let index = listed.iter().position(|pair| pair.user == user).unwrap();
    let update = ParticipantListUpdate {
        removed_indices: vec![u32::try_from(index).unwrap()],
        ..Default::default()
    };
    // The list alone is not enough (PROTO-UPD-3).
    let half = CommitPlan { participants: Some(update.clone()), ..CommitPlan::default() };
    let bundle = alice.build(&room, &half);
    let response = alice.update(&room, &UpdateRequest::Commit(bundle)).await;
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    alice.group(&room).drop_pending().unwrap();
    let remove = alice.leaves(&room, &user);
    let plan = CommitPlan { remove, participants: Some(update), ..CommitPlan::default() };
    alice.commit(&room, &plan).await;
    eventually(async || {
        cathy.catch_up().await;
        (!cathy.group(&room).is_active()).then_some(())
    })
    .await;
    let told = trio.told("c.example").len();
    for number in 1..=3 {
        alice.send(&room, "without her").await;
        bob.until_read(number).await;
    }
    let refused = cathy.group_info(&room).await.1;
    assert!(refused.is_none(), "nor does she come back by herself");
    assert_eq!(kinds(&trio.told("c.example")[told - 1..]), ["commit"]);
}

impl Phone {
    /// Asks, takes back, grants or revokes, as one of the two.
    async fn consent(&self, operation: ConsentOperation, requester: &MimiUri, target: &MimiUri) {
        let entry = consent(operation, requester, target);
        let reply = self.call(Method::POST, "/consent", entry.encode()).await;
        assert_eq!(reply.status.as_u16(), 201, "{:?}", reply.body);
    }

    /// Who waits for an answer of this user's.
    async fn askers(&self) -> Vec<String> {
        let reply = self.call(Method::GET, "/consent", Vec::new()).await;
        let open: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let open = open["requests"].as_array().unwrap();
        open.iter().map(|it| it["requester"].as_str().unwrap().to_owned()).collect()
    }
}

fn consent(operation: ConsentOperation, requester: &MimiUri, target: &MimiUri) -> ConsentEntry {
    ConsentEntry {
        operation,
        requester_uri: requester.clone(),
        target_uri: target.clone(),
        room_id: None,
        consent_extensions: Extensions::default(),
    }
}

fn grant() -> ConsentOperation {
    ConsentOperation::Grant { client_key_packages: Vec::new() }
}

/// FLOW-12: alice asks bob, straight through their two providers; he consents and asks in turn, and
/// they are connected; he revokes, and she has his KeyPackages no longer.
#[tokio::test]
async fn two_people_connect() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    let (a, b) = (alice.user.clone(), bob.user.clone());
    let (of_alice, of_bob) = (alice.found("club").await, bob.found("pub").await);
    let before = alice.fetch(&b, &of_alice).await;
    assert_eq!(before.user_status, KeyMaterialUserCode::NoConsent);
    alice.consent(ConsentOperation::Request, &a, &b).await;
    let asked = eventually(async || {
        let asked = bob.askers().await;
        (!asked.is_empty()).then_some(asked)
    })
    .await;
    assert_eq!(asked, [a.as_str()]);
    let request = consent(ConsentOperation::Request, &a, &b).encode();
    assert_eq!(trio.sent("a.example", "b.example", "requestConsent"), [request]);
    let still = alice.fetch(&b, &of_alice).await;
    assert_eq!(still.user_status, KeyMaterialUserCode::NoConsent, "a request is no consent");
    bob.consent(grant(), &a, &b).await;
    assert!(bob.askers().await.is_empty());
    eventually(async || {
        let told = trio.sent("b.example", "a.example", "updateConsent");
        (told == [consent(grant(), &a, &b).encode()]).then_some(())
    })
    .await;
    let given = alice.fetch(&b, &of_alice).await;
    assert_eq!(given.user_status, KeyMaterialUserCode::Success);
    // The other way it is another matter.
    let other_way = bob.fetch(&a, &of_bob).await;
    assert_eq!(other_way.user_status, KeyMaterialUserCode::NoConsent);
    bob.consent(ConsentOperation::Request, &b, &a).await;
    eventually(async || (alice.askers().await == [b.as_str()]).then_some(())).await;
    alice.consent(grant(), &b, &a).await;
    let other_way = bob.fetch(&a, &of_bob).await;
    assert_eq!(other_way.user_status, KeyMaterialUserCode::Success);
    bob.consent(ConsentOperation::Revoke, &a, &b).await;
    let revoked = alice.fetch(&b, &of_alice).await;
    assert_eq!(revoked.user_status, KeyMaterialUserCode::NoConsent);
    assert!(revoked.clients.is_empty(), "PROTO-KM-8");
    assert!(captured(&trio.federation, "c.example", "").is_empty());
}
