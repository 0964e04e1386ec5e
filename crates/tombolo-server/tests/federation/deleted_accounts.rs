//! What becomes, in rooms here and elsewhere, of those who delete their accounts.

use std::time::Duration;

use mimi_mls::member::CommitPlan;
use tombolo_client::{ClientError, RoomStatus};
use tombolo_store::Store;

use crate::kept_in_order::{admin, lists, until_pending};
use crate::rooms::Trio;
use crate::rules::{PASSWORD, Person};
use crate::support::{FaultyStore, Federation, Phone, eventually};

/// After how long a provider looks again at a room that it could not write to.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// AMB-ST-3, AMB-UPD-9: the provider cannot say so to other hubs, and its user's device does, before the
/// account goes. At home the hub sees to it (PROTO-NTF-3).
#[tokio::test]
async fn who_deletes_an_account_is_in_no_list_any_more() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut dora = trio.phone("b.example/dora/phone").await;
    let bob = Person::sign_up(&trio, "b.example", "bob").await;
    let user = bob.user();
    let (elsewhere, at_home) = (alice.found("club").await, dora.found("corner").await);
    for (phone, room) in [(&mut alice, &elsewhere), (&mut dora, &at_home)] {
        bob.client.grant_consent(&phone.user).await.unwrap();
        phone.add(&user, room).await;
        bob.until(room, |state| state.participants.len() == 2).await;
    }
    let refused = bob.client.delete_account("wrong horse").await;
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
    // A slip of the fingers: bob is where he was.
    assert_eq!(bob.client.room(&elsewhere).await.unwrap().status, RoomStatus::Joined);
    alice.catch_up().await;
    assert!(alice.group(&elsewhere).pending_change().proposals.is_empty());

    assert_eq!(bob.client.delete_account(PASSWORD).await.unwrap(), []);
    assert_eq!(trio.stores[1].account(&user).await.unwrap(), None);
    for (phone, room) in [(&mut alice, &elsewhere), (&mut dora, &at_home)] {
        until_pending(phone, room, 2).await;
        assert_eq!(lists(phone, room, &user), (true, 1));
        phone.commit(room, &CommitPlan::default()).await;
        assert_eq!(lists(phone, room, &user), (false, 0));
    }
}

/// PROTO-NTF-3: a room in which it fails keeps nobody in the others, and is tried again.
#[tokio::test]
async fn a_room_that_takes_nothing_is_looked_through_again() {
    let federation = Federation::new();
    let store = FaultyStore::default();
    let running = federation.start_on("a.example", &store).await;
    let mut alice = Phone::sign_up(&federation, &running, &store, "a.example/alice/phone").await;
    let mut dora = Phone::sign_up(&federation, &running, &store, "a.example/dora/phone").await;
    dora.grant(&alice.user).await;
    let (full, other) = (alice.found("club").await, alice.found("corner").await);
    for room in [&full, &other] {
        alice.add(&dora.user, room).await;
        dora.until_epoch(room, 1).await;
    }
    store.fail_appends(Some(&full));
    admin(&federation, &running, "a.example").remove_user("dora").await.unwrap();
    until_pending(&mut alice, &other, 2).await;
    // It is written down that this room alone is left, under a number of its own.
    let owed_rooms = async || -> Vec<_> {
        let owed = store.owed_removals(0, 10).await.unwrap();
        owed.into_iter().map(|removal| removal.owed.room).collect()
    };
    let only_this = [Some(full.clone())];
    eventually(async || (owed_rooms().await == only_this).then_some(())).await;
    // As often as one likes, while the log takes nothing.
    let minute_passes = async || {
        tokio::time::pause();
        tokio::time::advance(AGAIN_AFTER).await;
        tokio::time::resume();
    };
    minute_passes().await;
    alice.catch_up().await;
    assert!(alice.group(&full).pending_change().proposals.is_empty());
    assert_eq!(owed_rooms().await, only_this);
    store.fail_appends(None);
    let mut minutes = 0;
    while !owed_rooms().await.is_empty() {
        assert!(minutes < 500, "it is never looked at again");
        minutes += 1;
        minute_passes().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until_pending(&mut alice, &full, 2).await;
    alice.commit(&full, &CommitPlan::default()).await;
    assert_eq!(lists(&mut alice, &full, &dora.user), (false, 0));
    running.shutdown().await;
}
