//! Rooms over several providers, with real MLS on every side (FLOW-1..6).

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::future::join_all;
use mimi_wire::protocol::key_material::{KeyMaterialResponse, KeyMaterialUserCode};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::{MimiUri, Wire};
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::support::{Federation, Phone, captured};

/// Three providers that know each other.
pub(crate) struct Trio {
    pub(crate) federation: Federation,
    pub(crate) stores: [MemoryStore; 3],
    pub(crate) running: Vec<Running>,
}

pub(crate) const NAMES: [&str; 3] = ["a.example", "b.example", "c.example"];

impl Trio {
    pub(crate) async fn start() -> Self {
        let federation = Federation::new();
        let stores: [MemoryStore; 3] = Default::default();
        let mut running = Vec::new();
        for (name, store) in NAMES.iter().zip(&stores) {
            running.push(federation.start_on(name, store).await);
        }
        let trio = Self { federation, stores, running };
        trio.publish().await;
        trio
    }

    pub(crate) async fn publish(&self) {
        let addresses: Vec<_> = NAMES
            .iter()
            .zip(&self.running)
            .map(|(name, running)| (*name, running.addresses().federation))
            .collect();
        self.federation.publish_addresses(&addresses).await;
    }

    pub(crate) async fn phone(&self, name: &str) -> Phone {
        let provider = name.split('/').next().unwrap();
        let index = NAMES.iter().position(|known| *known == provider).unwrap();
        Phone::sign_up(&self.federation, &self.running[index], &self.stores[index], name).await
    }

    /// A phone whose certificate claims something.
    pub(crate) async fn phone_claiming(&self, name: &str, claims: &[&str]) -> Phone {
        let provider = name.split('/').next().unwrap();
        let index = NAMES.iter().position(|known| *known == provider).unwrap();
        let (running, store) = (&self.running[index], &self.stores[index]);
        Phone::sign_up_claiming(&self.federation, running, store, name, claims).await
    }
}

/// Alice's room at a.example with bob of b.example.
pub(crate) async fn alice_and_bob(trio: &Trio) -> (Phone, Phone, MimiUri) {
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    bob.grant(&alice.user).await;
    let room = alice.found("club").await;
    alice.add(&bob.user, &room).await;
    bob.until_epoch(&room, 1).await;
    (alice, bob, room)
}

fn assert_agreement(room: &MimiUri, members: &mut [&mut Phone]) {
    let states: Vec<_> = members
        .iter_mut()
        .map(|member| {
            let group = member.group(room);
            (group.view().clone(), group.tree_hash())
        })
        .collect();
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "all see the same room");
}

/// FLOW-2, FLOW-3, FLOW-4: alice adds bob, bob adds cathy through the hub, everyone reads everyone.
#[tokio::test]
async fn a_room_over_three_providers() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let mut cathy = trio.phone("c.example/cathy/phone").await;
    cathy.grant(&bob.user).await;
    bob.add(&cathy.user, &room).await;
    for member in [&mut alice, &mut bob, &mut cathy] {
        member.until_epoch(&room, 2).await;
    }
    assert_agreement(&room, &mut [&mut alice, &mut bob, &mut cathy]);
    alice.send(&room, "one").await;
    bob.send(&room, "two").await;
    cathy.send(&room, "three").await;
    let said = [("alice", "one"), ("bob", "two"), ("cathy", "three")];
    for member in [&mut alice, &mut bob, &mut cathy] {
        member.until_read(2).await;
        let own = member.user.segments()[0].clone();
        let others = said.iter().filter(|(name, _)| *name != own);
        let others: Vec<_> =
            others.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(member.read, others);
    }
}

/// Requester, hub and target at one provider: nothing crosses a wire.
#[tokio::test]
async fn a_room_at_one_provider() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let running = federation.start_on("a.example", &store).await;
    let sign_up = async |name| Phone::sign_up(&federation, &running, &store, name).await;
    let mut alice = sign_up("a.example/alice/phone").await;
    let mut dora = sign_up("a.example/dora/phone").await;
    dora.grant(&alice.user).await;
    let room = alice.found("club").await;
    alice.add(&dora.user, &room).await;
    dora.until_epoch(&room, 1).await;
    assert_agreement(&room, &mut [&mut alice, &mut dora]);
    dora.send(&room, "hello").await;
    alice.until_read(1).await;
    assert!(captured(&federation, "a.example", "").is_empty());
}

/// FLOW-6: a second device asks the hub, joins by external commit and reads on.
#[tokio::test]
async fn a_device_joins_by_itself() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let mut tablet = trio.phone("b.example/bob/tablet").await;
    tablet.join(&room).await;
    for member in [&mut alice, &mut bob] {
        member.until_epoch(&room, 2).await;
    }
    assert_agreement(&room, &mut [&mut alice, &mut bob, &mut tablet]);
    alice.send(&room, "welcome").await;
    tablet.until_read(1).await;
    assert_eq!(tablet.read, [("alice".to_owned(), "welcome".to_owned())]);
}

/// PROTO-GI-2: who may not join is not told whether there is a room.
#[tokio::test]
async fn strangers_learn_nothing_of_a_room() {
    let trio = Trio::start().await;
    let (_alice, _bob, room) = alice_and_bob(&trio).await;
    let mut dora = trio.phone("c.example/dora/phone").await;
    let of_room = dora.group_info(&room).await.0;
    let nowhere = MimiUri::new("mimi://a.example/r/nowhere").unwrap();
    let of_nowhere = dora.group_info(&nowhere).await.0;
    assert_eq!(of_room.outcome, of_nowhere.outcome);
}

/// PROTO-UPD-9: of two commits for one epoch one wins; the other is told the epoch and recovers.
#[tokio::test]
async fn of_two_commits_one_wins() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    alice.catch_up().await;
    let losing = UpdateRequest::Commit(bob.build(&room, &Default::default()));
    alice.commit(&room, &Default::default()).await;
    let response = bob.update(&room, &losing).await;
    assert_eq!(response.outcome, UpdateOutcome::WrongEpoch { current_epoch: 2 });
    bob.until_epoch(&room, 2).await;
    bob.commit(&room, &Default::default()).await;
    alice.until_epoch(&room, 3).await;
    assert_agreement(&room, &mut [&mut alice, &mut bob]);
}

/// PROTO-KM-6 and PROTO-KM-10 between providers: nothing without consent, nothing twice.
#[tokio::test]
async fn key_material_needs_consent_and_is_used_once() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let bob = trio.phone("b.example/bob/phone").await;
    let room = alice.found("club").await;
    let refused = alice.fetch(&bob.user, &room).await;
    assert_eq!(refused.user_status, KeyMaterialUserCode::NoConsent);
    assert!(refused.clients.is_empty());
    bob.grant(&alice.user).await;
    let (first, second) =
        (alice.fetch(&bob.user, &room).await, alice.fetch(&bob.user, &room).await);
    assert_eq!(first.user_status, KeyMaterialUserCode::Success);
    assert_eq!(second.user_status, KeyMaterialUserCode::Success);
    assert_ne!(first.clients, second.clients);
}

/// PROTO-KM-10: fetches at the same moment, as like as one egg to another (AMB-KM-9), get different
/// packages.
#[tokio::test]
async fn fetches_at_once_are_disjoint() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let bob = trio.phone("b.example/bob/phone").await;
    bob.grant(&alice.user).await;
    let room = alice.found("club").await;
    let body = Bytes::from(alice.key_material_request(&bob.user, &room).encode());
    let caller = trio.federation.caller("a.example");
    let address = trio.running[1].addresses().federation;
    let path = "/mimi/v1/keyMaterial/mimi%3A%2F%2Fb.example%2Fu%2Fbob";
    let fetch = async || {
        let mut connection = caller.connect(address, "b.example").await.unwrap();
        let reply = connection.post("b.example", "a.example", path, body.clone()).await.unwrap();
        let response = KeyMaterialResponse::decode(&reply.body).unwrap();
        assert_eq!(response.user_status, KeyMaterialUserCode::Success);
        let [client] = response.clients.as_slice() else { panic!("bob has one client") };
        client.encode()
    };
    let fetched = join_all((0..10).map(|_| fetch())).await;
    assert_eq!(fetched.iter().collect::<BTreeSet<_>>().len(), 10);
    // Ten is all there were.
    let exhausted = alice.fetch(&bob.user, &room).await;
    assert_eq!(exhausted.user_status, KeyMaterialUserCode::NoCompatibleMaterial);
}

/// FLOW-5: bob's leave waits at the hub; no commit gets past it, the next one carries it out.
#[tokio::test]
async fn bob_leaves() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let leave = bob.groups.get_mut(&room).unwrap().leave(&bob.device).unwrap();
    let ignorant = UpdateRequest::Commit(alice.build(&room, &Default::default()));
    let response = bob.update(&room, &UpdateRequest::Proposals(leave)).await;
    assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    // PROTO-UPD-12: a commit that omits what the hub has accepted is refused.
    let response = alice.update(&room, &ignorant).await;
    assert!(matches!(response.outcome, UpdateOutcome::InvalidProposal { .. }), "{response:?}");
    alice.group(&room).drop_pending().unwrap();
    alice.catch_up().await;
    alice.commit(&room, &Default::default()).await;
    let view = alice.group(&room).view().clone();
    assert_eq!((view.clients.len(), view.participants.participants.len()), (1, 1));
    // PROTO-NTF-6: bob sees the commit that lets him go.
    crate::support::eventually(async || {
        bob.catch_up().await;
        (!bob.group(&room).is_active()).then_some(())
    })
    .await;
}
