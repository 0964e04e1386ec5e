//! Accounts that their people delete: the rooms at other hubs are left first (AMB-ST-3).

use mimi_wire::{Domain, MimiUri};

use super::world::World;
use crate::error::ClientError;
use crate::secret::SecretText;
use crate::session::command::{Command, Outcome};
use crate::session::delete_account::LEAVING_MAX_MS;
use crate::session::request::TransportError;
use crate::shown::RoomStatus;
use crate::store::Saved;

const ALICE: usize = 0;
const BOB: usize = 1;
const CATHY: usize = 3;

fn deletion(password: &str) -> Command {
    Command::DeleteAccount(SecretText::new(password.to_owned()))
}

fn deleted(still_in: &[MimiUri]) -> Outcome {
    Outcome::AccountDeleted { still_in: still_in.to_vec() }
}

fn asked(world: &World, what: &str) -> usize {
    world.hub.asked.iter().filter(|it| **it == what).count()
}

/// PROTO-UPD-2, AMB-UPD-9: all devices go; nothing is left of the one that asks.
#[test]
fn who_deletes_an_account_leaves_the_rooms_at_other_hubs() {
    let (mut world, room) = World::with_room(1);
    let bob = world.user(BOB);
    assert_eq!(world.done(BOB, deletion("p")), deleted(&[]));
    assert!(world.hub.deleted.contains(&bob));
    for other in [ALICE, CATHY] {
        let state = world.state(other, &room);
        assert!(state.participants.iter().all(|it| it.user != bob), "{state:?}");
    }
    assert_eq!(world.hub.room(&room).group.view().clients_of(&bob).count(), 0);
    let actor = &world.actors[BOB];
    assert!(actor.session.is_deleted());
    assert_eq!(actor.saved, Saved::default());
    assert!(actor.session.rooms().is_empty() && actor.session.next_timer().is_none());
}

/// A slip of the fingers costs nothing.
#[test]
fn a_wrong_password_changes_nothing() {
    let (mut world, room) = World::with_room(1);
    let before = asked(&world, "update");
    let refused = world.outcome(BOB, deletion("q")).unwrap_err();
    assert!(matches!(refused, ClientError::Refused(_)), "{refused:?}");
    assert_eq!((asked(&world, "update"), asked(&world, "delete account")), (before, 0));
    assert_eq!(world.state(BOB, &room).status, RoomStatus::Joined);
    // Then the right one is taken.
    assert_eq!(world.done(BOB, deletion("p")), deleted(&[]));
}

/// The answer names the rooms that could not be left in time.
#[test]
fn a_hub_out_of_reach_does_not_keep_the_account() {
    let (mut world, room) = World::with_room(1);
    world.hub.out_of_reach = Some(Domain::new("a.example").unwrap());
    let operation = world.start(BOB, deletion("p"));
    world.run_for(LEAVING_MAX_MS - 1_000);
    assert_eq!(asked(&world, "delete account"), 0, "the hub may still answer");
    let second = world.start(BOB, deletion("p"));
    assert!(world.finished(BOB, second).is_err(), "it is under way");
    world.run_for(2_000);
    assert_eq!(world.finished(BOB, operation).unwrap(), deleted(&[room]));
    assert_eq!(world.actors[BOB].saved, Saved::default());
}

/// The hub is in an epoch that the stream never brings: leaving does not come through.
#[test]
fn a_device_that_is_behind_can_end_its_account() {
    let (mut world, room) = World::with_room(1);
    let bob = world.user(BOB);
    world.actors[BOB].is_deaf = true;
    world.hub.evict(&room, &bob, world.now_ms);
    let began_ms = world.now_ms;
    world.done(BOB, deletion("p"));
    assert!(world.now_ms < began_ms + 2 * LEAVING_MAX_MS);
    assert_eq!(world.actors[BOB].saved, Saved::default());
}

/// Rooms at home are the hub's to see to.
#[test]
fn rooms_at_home_are_not_left() {
    let (mut world, _) = World::with_room(1);
    let before = asked(&world, "update");
    assert_eq!(world.done(ALICE, deletion("p")), deleted(&[]));
    assert_eq!(asked(&world, "update"), before);
}

/// Who does not hear that the account is gone asks again, and is not known any more.
#[test]
fn a_lost_answer_is_no_failure() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let operation = world.start(alice, deletion("p"));
    let checked = world.hub_answers(alice);
    world.answer(alice, checked);
    let (request, carried_out) = world.hub_answers(alice);
    assert!(carried_out.is_ok());
    // Its stream ends first.
    world.actors[alice].session.signed_out();
    world.answer(alice, (request, Err(TransportError::Unreachable("lost".to_owned()))));
    world.run();
    assert_eq!(asked(&world, "delete account"), 2);
    assert_eq!(world.finished(alice, operation).unwrap(), deleted(&[]));
    assert!(world.actors[alice].heard.is_empty(), "{:?}", world.actors[alice].heard);
}
