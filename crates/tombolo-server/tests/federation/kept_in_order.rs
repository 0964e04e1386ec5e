//! Rooms that a hub keeps in order by itself: it removes whom its operator deletes, completes leaves
//! that were cut short, keeps one direct room per pair of people, and dependent rooms inside their
//! parents.

use std::sync::Arc;

use futures_util::future::join;
use mimi_mls::member::CommitPlan;
use mimi_wire::MimiUri;
use mimi_wire::protocol::group_info::GroupInfoOutcome;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::room::participant_list::ParticipantListUpdate;
use tombolo_server::admin_api::AdminClient;
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;
use tombolo_store::sqlite::{Options, SqliteStore};

use crate::rooms::{Trio, alice_and_bob};
use crate::support::{Federation, Phone, Reply, eventually};

pub(crate) fn admin(federation: &Federation, running: &Running, name: &str) -> AdminClient {
    let data_dir = federation.directory.path().join(name);
    AdminClient::new(running.addresses().admin, &data_dir).unwrap()
}

/// Reads until so many proposals wait for a commit.
pub(crate) async fn until_pending(phone: &mut Phone, room: &MimiUri, count: usize) {
    eventually(async || {
        phone.catch_up().await;
        let group = phone.groups.get(room)?;
        (group.pending_change().proposals.len() == count).then_some(())
    })
    .await;
}

pub(crate) fn lists(phone: &mut Phone, room: &MimiUri, user: &MimiUri) -> (bool, usize) {
    let view = phone.group(room).view();
    (view.role_index_of(user).is_some(), view.clients_of(user).count())
}

pub(crate) fn room_in(reply: &Reply) -> MimiUri {
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    MimiUri::new(answer["room"].as_str().unwrap()).unwrap()
}

/// PROTO-NTF-3, AMB-ST-4: of a deleted account the hub proposes everything away; a member at another
/// provider commits it. The same for one lost device.
#[tokio::test]
async fn deleted_accounts_and_lost_devices_are_removed() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let mut dora = trio.phone("a.example/dora/phone").await;
    let laptop = trio.phone("a.example/alice/laptop").await;
    dora.grant(&alice.user).await;
    alice.add(&dora.user, &room).await;
    let plan = alice.plan_to_add(&alice.user.clone(), &room).await;
    let plan = CommitPlan { participants: None, ..plan };
    alice.commit(&room, &plan).await;
    for phone in [&mut bob, &mut dora] {
        phone.until_epoch(&room, 3).await;
    }
    let operator = admin(&trio.federation, &trio.running[0], "a.example");
    let removed = operator.remove_user("dora").await.unwrap();
    assert_eq!((removed.devices, removed.rooms), (1, 1));
    until_pending(&mut bob, &room, 2).await;
    bob.commit(&room, &CommitPlan::default()).await;
    assert_eq!(lists(&mut bob, &room, &dora.user), (false, 0));
    // By another device of its user; the operator then finds nothing left to do.
    alice.sign_out(&laptop.client).await;
    until_pending(&mut bob, &room, 1).await;
    let removed = operator.remove_device("alice", "laptop").await.unwrap();
    assert_eq!((removed.removed, removed.devices), (laptop.client.clone(), 0));
    bob.commit(&room, &CommitPlan::default()).await;
    assert_eq!(lists(&mut bob, &room, &alice.user.clone()), (true, 1));
    alice.until_epoch(&room, 5).await;
    bob.send(&room, "we two").await;
    alice.until_read(1).await;
    // Asked again there is nothing to say.
    operator.remove_user("dora").await.unwrap();
    alice.catch_up().await;
    assert!(alice.group(&room).pending_change().proposals.is_empty());
}

/// PROTO-NTF-4, FLOW-15, AMB-UPD-9: an external commit takes the leaver's clients along and nothing
/// else; the hub proposes the rest anew, stapled to that commit, and the next commit carries it out.
#[tokio::test]
async fn an_external_commit_cuts_no_leave_short() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, room) = alice_and_bob(&trio).await;
    let leave = bob.groups.get_mut(&room).unwrap().leave(&bob.device).unwrap();
    let response = bob.update(&room, &UpdateRequest::Proposals(leave)).await;
    assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    let mut tablet = trio.phone("a.example/alice/tablet").await;
    tablet.join(&room).await;
    for phone in [&mut alice, &mut tablet] {
        until_pending(phone, &room, 1).await;
        assert_eq!(lists(phone, &room, &bob.user), (true, 0));
    }
    tablet.commit(&room, &CommitPlan::default()).await;
    alice.until_epoch(&room, 3).await;
    assert_eq!(lists(&mut alice, &room, &bob.user), (false, 0));
    tablet.send(&room, "just me").await;
    alice.until_read(1).await;
}

/// POLICY-BASE-2: of two foundings at one moment one counts; the other is told which.
#[tokio::test]
async fn two_people_have_one_direct_room_at_a_hub() {
    let federation = Federation::new();
    let path = federation.directory.path().join("a.sqlite");
    let open = || Arc::new(SqliteStore::open(path.clone(), Options::default()).unwrap());
    let store = open();
    let running = federation.start_on("a.example", &store).await;
    let sign_up = async |name| Phone::sign_up(&federation, &running, &store, name).await;
    let mut alice = sign_up("a.example/alice/phone").await;
    let mut dora = sign_up("a.example/dora/phone").await;
    alice.grant(&dora.user).await;
    dora.grant(&alice.user).await;
    let (with_dora, with_alice) = (dora.user.clone(), alice.user.clone());
    let (first, second) =
        join(alice.open_direct("one", &with_dora), dora.open_direct("two", &with_alice)).await;
    let codes = [first.0.status.as_u16(), second.0.status.as_u16()];
    assert!(codes == [201, 200] || codes == [200, 201], "{codes:?}");
    let room = room_in(&first.0);
    assert_eq!(room_in(&second.0), room);
    // The other came in by the Welcome.
    for phone in [&mut alice, &mut dora] {
        phone.until_epoch(&room, 1).await;
    }
    alice.send(&room, "hello").await;
    dora.until_read(1).await;
    running.shutdown().await;

    let config = federation.config("a.example", "");
    let running = Running::start_with(config, store.clone(), Clock::system()).await.unwrap();
    for phone in [&mut alice, &mut dora] {
        phone.reconnect(&running);
    }
    let (reply, _) = dora.open_direct("three", &with_alice).await;
    assert_eq!((reply.status.as_u16(), room_in(&reply)), (200, room.clone()));
    // AMB-PL-8: with the last device the room dies, and the two may have another one.
    for phone in [&mut dora, &mut alice] {
        phone.catch_up().await;
        let leave = phone.groups.get_mut(&room).unwrap().leave_alone(&phone.device).unwrap();
        let response = phone.update(&room, &UpdateRequest::Proposals(leave)).await;
        assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    }
    let nowhere = MimiUri::new("mimi://a.example/r/nowhere").unwrap();
    let of_gone = alice.group_info(&room).await.0.outcome;
    assert_eq!(of_gone, alice.group_info(&nowhere).await.0.outcome);
    assert!(!matches!(of_gone, GroupInfoOutcome::Success(_)), "{of_gone:?}");
    let (reply, fourth) = dora.open_direct("four", &with_alice).await;
    assert_eq!((reply.status.as_u16(), room_in(&reply)), (201, fourth));
}

/// POLICY-BASE-3, AMB-POL-9: nobody is in the child who is not in the parent, from its founding on.
#[tokio::test]
async fn a_dependent_room_follows_its_parent() {
    let trio = Trio::start().await;
    let (mut alice, mut bob, parent) = alice_and_bob(&trio).await;
    let cathy = trio.phone("c.example/cathy/phone").await;
    cathy.grant(&alice.user).await;
    let nowhere = MimiUri::new("mimi://a.example/r/nowhere").unwrap();
    let elsewhere = MimiUri::new("mimi://b.example/r/club").unwrap();
    for wrong in [&nowhere, &elsewhere] {
        let (reply, _) = alice.found_inside("lost", wrong).await;
        assert_eq!(reply.status.as_u16(), 403, "{:?}", reply.body);
    }
    let (reply, child) = alice.found_inside("corner", &parent).await;
    assert_eq!(reply.status.as_u16(), 201, "{:?}", reply.body);
    alice.add(&bob.user, &child).await;
    bob.until_epoch(&child, 1).await;
    let plan = alice.plan_to_add(&cathy.user, &child).await;
    let stranger = UpdateRequest::Commit(alice.build(&child, &plan));
    let response = alice.update(&child, &stranger).await;
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    assert!(response.error_description.contains("parent"), "{response:?}");
    alice.group(&child).drop_pending().unwrap();
    // Bob goes from the parent.
    let view = alice.group(&parent).view();
    let index = view.participants.participants.iter().position(|it| it.user == bob.user);
    let update = ParticipantListUpdate {
        removed_indices: vec![u32::try_from(index.unwrap()).unwrap()],
        ..Default::default()
    };
    let remove = alice.leaves(&parent, &bob.user.clone());
    let plan = CommitPlan { remove, participants: Some(update), ..Default::default() };
    alice.commit(&parent, &plan).await;
    until_pending(&mut alice, &child, 2).await;
    alice.commit(&child, &CommitPlan::default()).await;
    assert_eq!(lists(&mut alice, &child, &bob.user), (false, 0));
    eventually(async || {
        bob.catch_up().await;
        (!bob.group(&child).is_active()).then_some(())
    })
    .await;
}

/// A provider that stopped between the change of a parent and what follows looks again when it
/// starts.
#[tokio::test]
async fn dependent_rooms_are_looked_at_after_a_start() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let running = federation.start_on("a.example", &store).await;
    let sign_up = async |name| Phone::sign_up(&federation, &running, &store, name).await;
    let mut alice = sign_up("a.example/alice/phone").await;
    let mut dora = sign_up("a.example/dora/phone").await;
    dora.grant(&alice.user).await;
    let parent = alice.found("club").await;
    alice.add(&dora.user, &parent).await;
    let (_, child) = alice.found_inside("corner", &parent).await;
    alice.add(&dora.user, &child).await;
    dora.until_epoch(&child, 1).await;
    running.shutdown().await;
    // As if the commit in the parent had been the last thing it did: no task looks at the child.
    let put = mimi_provider::Change::PutParent { room: child.clone(), parent: None };
    let without = tombolo_store::Commit { expect: Vec::new(), changes: vec![put] };
    tombolo_store::Store::commit(&store, without).await.unwrap();
    let running = federation.start_on("a.example", &store).await;
    alice.reconnect(&running);
    alice.catch_up().await;
    let view = alice.group(&parent).view();
    let index = view.participants.participants.iter().position(|it| it.user == dora.user);
    let update = ParticipantListUpdate {
        removed_indices: vec![u32::try_from(index.unwrap()).unwrap()],
        ..Default::default()
    };
    let remove = alice.leaves(&parent, &dora.user.clone());
    let plan = CommitPlan { remove, participants: Some(update), ..Default::default() };
    alice.commit(&parent, &plan).await;
    running.shutdown().await;
    let put = mimi_provider::Change::PutParent { room: child.clone(), parent: Some(parent) };
    let with = tombolo_store::Commit { expect: Vec::new(), changes: vec![put] };
    tombolo_store::Store::commit(&store, with).await.unwrap();
    let running = federation.start_on("a.example", &store).await;
    alice.reconnect(&running);
    until_pending(&mut alice, &child, 2).await;
    alice.commit(&child, &CommitPlan::default()).await;
    assert_eq!(lists(&mut alice, &child, &dora.user), (false, 0));
    running.shutdown().await;
}
