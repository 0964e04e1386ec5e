//! Who is gone goes from every room of its provider, from those of fixed membership too, and whenever
//! the provider stops in between.

use mimi_mls::member::CommitPlan;
use mimi_provider::account::remove_account;
use mimi_provider::{Change, Effect};
use mimi_wire::MimiUri;
use mimi_wire::protocol::group_info::GroupInfoOutcome;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Store};

use crate::kept_in_order::{admin, lists, room_in, until_pending};
use crate::rooms::Trio;
use crate::support::{Federation, Phone, eventually};

/// A direct room at a.example, of alice there and bob of b.example.
async fn direct_room(trio: &Trio) -> (Phone, Phone, MimiUri) {
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    bob.grant(&alice.user).await;
    let (reply, room) = alice.open_direct("two", &bob.user.clone()).await;
    assert_eq!(reply.status.as_u16(), 201, "{:?}", reply.body);
    bob.until_epoch(&room, 1).await;
    (alice, bob, room)
}

/// Commits what the hub has proposed, which is so much.
async fn commit_pending(phone: &mut Phone, room: &MimiUri, count: usize) {
    until_pending(phone, room, count).await;
    phone.commit(room, &CommitPlan::default()).await;
}

/// PROTO-NTF-3, TOM-126, TOM-127: a lost device goes from a direct room, then the whole
/// account. The one who is left stays, writes and goes when it likes; who has the name next comes into
/// that room no more, and the two may have another one.
#[tokio::test]
async fn a_deleted_account_goes_from_a_direct_room() {
    let trio = Trio::start().await;
    let (alice, mut bob, room) = direct_room(&trio).await;
    let mut laptop = trio.phone("a.example/alice/laptop").await;
    laptop.join(&room).await;
    bob.until_epoch(&room, 2).await;
    let operator = admin(&trio.federation, &trio.running[0], "a.example");
    operator.remove_device("alice", "laptop").await.unwrap();
    commit_pending(&mut bob, &room, 1).await;
    assert_eq!(lists(&mut bob, &room, &alice.user), (true, 1));
    bob.send(&room, "still there?").await;
    let removed = operator.remove_user("alice").await.unwrap();
    assert_eq!((removed.devices, removed.rooms), (1, 1));
    commit_pending(&mut bob, &room, 1).await;
    assert_eq!(lists(&mut bob, &room, &alice.user), (true, 0));
    bob.send(&room, "to myself").await;

    let mut namesake = trio.phone("a.example/alice/tablet").await;
    let nowhere = MimiUri::new("mimi://a.example/r/nowhere").unwrap();
    let refused = namesake.group_info(&room).await.0.outcome;
    assert!(!matches!(refused, GroupInfoOutcome::Success(_)), "{refused:?}");
    assert_eq!(refused, namesake.group_info(&nowhere).await.0.outcome);
    let (reply, again) = namesake.open_direct("again", &bob.user.clone()).await;
    assert_eq!((reply.status.as_u16(), room_in(&reply)), (201, again.clone()));
    bob.until_epoch(&again, 1).await;
    // The old one ends with bob.
    let leave = bob.groups.get_mut(&room).unwrap().leave_alone(&bob.device).unwrap();
    let response = bob.update(&room, &UpdateRequest::Proposals(leave)).await;
    assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    let gone = bob.group_info(&room).await.0.outcome;
    assert_eq!(gone, bob.group_info(&nowhere).await.0.outcome);
    namesake.send(&again, "hello").await;
    bob.until_read(1).await;
}

/// The last device of a user is lost: it goes, and the user comes back with another one.
#[tokio::test]
async fn the_last_device_goes_from_a_direct_room() {
    let trio = Trio::start().await;
    let (alice, mut bob, room) = direct_room(&trio).await;
    let operator = admin(&trio.federation, &trio.running[0], "a.example");
    operator.remove_device("alice", "phone").await.unwrap();
    commit_pending(&mut bob, &room, 1).await;
    assert_eq!(lists(&mut bob, &room, &alice.user), (true, 0));
    let mut tablet = trio.phone("a.example/alice/tablet").await;
    let (reply, _) = tablet.open_direct("anew", &bob.user.clone()).await;
    assert_eq!((reply.status.as_u16(), room_in(&reply)), (200, room.clone()));
    tablet.join(&room).await;
    bob.until_epoch(&room, 3).await;
    tablet.send(&room, "a new one").await;
    bob.until_read(1).await;
}

/// A provider that stopped between the end of an account and what follows in its rooms carries that
/// out after its start, once.
#[tokio::test]
async fn removals_survive_a_stop() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let running = federation.start_on("a.example", &store).await;
    let sign_up = async |name| Phone::sign_up(&federation, &running, &store, name).await;
    let mut alice = sign_up("a.example/alice/phone").await;
    let mut dora = sign_up("a.example/dora/phone").await;
    dora.grant(&alice.user).await;
    let club = alice.found("club").await;
    alice.add(&dora.user, &club).await;
    let (_, direct) = alice.open_direct("two", &dora.user.clone()).await;
    for room in [&club, &direct] {
        dora.until_epoch(room, 1).await;
    }
    running.shutdown().await;
    // As if this had been the last thing it did: nobody looks at the rooms.
    let devices = store.devices(&dora.user).await.unwrap();
    let removal = remove_account(&dora.user, &devices);
    assert!(removal.effects.contains(&Effect::WakeRemovals));
    store.commit(Commit { expect: Vec::new(), changes: removal.changes }).await.unwrap();
    assert_eq!(store.account(&dora.user).await.unwrap(), None);

    let running = federation.start_on("a.example", &store).await;
    alice.reconnect(&running);
    commit_pending(&mut alice, &club, 2).await;
    commit_pending(&mut alice, &direct, 1).await;
    assert_eq!(lists(&mut alice, &club, &dora.user), (false, 0));
    assert_eq!(lists(&mut alice, &direct, &dora.user), (true, 0));
    let nothing_owed = async || {
        let owed = store.owed_removals(0, 9).await.unwrap();
        owed.is_empty().then_some(())
    };
    eventually(nothing_owed).await;
    running.shutdown().await;

    // Carried out again, as after a stop before it was written that all is done.
    let owed = remove_account(&dora.user, &[]).changes;
    let owed: Vec<_> =
        owed.into_iter().filter(|change| matches!(change, Change::OweRemoval(_))).collect();
    assert_eq!(owed.len(), 1);
    store.commit(Commit { expect: Vec::new(), changes: owed }).await.unwrap();
    let running = federation.start_on("a.example", &store).await;
    eventually(nothing_owed).await;
    alice.reconnect(&running);
    alice.catch_up().await;
    for room in [&club, &direct] {
        assert!(alice.group(room).pending_change().proposals.is_empty());
    }
    running.shutdown().await;
}
