//! A device whose group cannot follow the hub's comes in again by itself.

use mimi_wire::MimiUri;

use super::world::World;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft, Outcome};
use crate::shown::RoomStatus;

const ALICE: usize = 0;
const BOB: usize = 1;
const CATHY: usize = 3;

/// Spoils the last commit for a device: its membership tag, which no hub can check, before the empty
/// list of stapled proposals.
fn spoil_last(world: &mut World, actor: usize) {
    let client = world.actors[actor].client.clone().unwrap();
    let event = world.hub.streams.get_mut(&client).unwrap().last_mut().unwrap();
    let last = event.payload.len() - 2;
    event.payload[last] ^= 1;
}

/// Cathy has read one message, and cannot follow the commit after it.
fn left_behind(seed: u64) -> (World, MimiUri) {
    let (mut world, room) = World::with_room(seed);
    world.text(ALICE, &room, "before");
    world.actors[CATHY].is_deaf = true;
    world.done(ALICE, Command::RenameRoom { room: room.clone(), name: "Library".to_owned() });
    spoil_last(&mut world, CATHY);
    world.text(BOB, &room, "meanwhile");
    world.actors[CATHY].is_deaf = false;
    (world, room)
}

#[test]
fn a_device_that_cannot_follow_comes_in_again() {
    let (mut world, room) = left_behind(1);
    let draft = |text: &str| Draft::Text { text: text.to_owned(), in_reply_to: None };
    // What is under way goes on in the new group.
    world.actors[CATHY].is_mute = true;
    let send = world.start(CATHY, Command::Send { room: room.clone(), draft: draft("mine") });
    let name = "Cathy's".to_owned();
    let rename = world.start(CATHY, Command::RenameRoom { room: room.clone(), name });
    world.run_at_once();
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Joined, "nothing for a person to do");
    let asked = world.outcome(CATHY, Command::CommitPending(room.clone()));
    assert!(matches!(asked, Err(ClientError::Refused(_))));
    world.actors[CATHY].is_mute = false;
    world.run();
    assert!(world.finished(CATHY, send).is_ok());
    assert_eq!(world.finished(CATHY, rename).unwrap(), Outcome::Done);
    world.text(ALICE, &room, "after");
    let state = world.state(CATHY, &room);
    assert_eq!((state.status, state.name.as_str()), (RoomStatus::Joined, "Cathy's"));
    // What was sent in the epochs between is lost to it: nobody but their members can read it.
    assert_eq!(world.texts(CATHY, &room), ["before", "mine", "after"]);
    assert_eq!(world.texts(BOB, &room), ["before", "meanwhile", "mine", "after"]);
    assert_eq!(state.tree_hash, world.hub.room(&room).group.tree_hash());
    assert_eq!(world.actors[CATHY].saved.rooms[&room].evidence.len(), 1);
    let joined = |event: &&ClientEvent| matches!(event, ClientEvent::Joined(_));
    assert_eq!(world.actors[CATHY].heard.iter().filter(joined).count(), 1);
    assert_eq!(state.participants[2].clients.len(), 1, "its old leaf is gone");
}

#[test]
fn a_crash_on_the_way_back_does_not_lose_it() {
    let (mut calm, _) = left_behind(2);
    let setup = calm.steps;
    calm.run();
    for step in setup..calm.steps {
        let (mut world, room) = left_behind(2);
        world.crash_at = Some((step, CATHY));
        world.run();
        world.text(CATHY, &room, "back");
        let state = world.state(CATHY, &room);
        assert_eq!(state.status, RoomStatus::Joined);
        assert_eq!(state.tree_hash, world.hub.room(&room).group.tree_hash());
        assert_eq!(world.texts(CATHY, &room), ["before", "back"]);
        assert!(world.actors[CATHY].saved.rooms[&room].waiting.is_empty());
    }
}

/// The commit that cannot be followed was the one that removed the device.
#[test]
fn who_was_removed_does_not_come_back() {
    let (mut world, room) = World::with_room(3);
    world.text(ALICE, &room, "before");
    world.actors[CATHY].is_deaf = true;
    let user = world.user(CATHY);
    world.done(ALICE, Command::RemoveUser { room: room.clone(), user });
    spoil_last(&mut world, CATHY);
    world.actors[CATHY].is_deaf = false;
    world.run();
    let state = world.state(CATHY, &room);
    assert_eq!(state.status, RoomStatus::Removed);
    assert_eq!(state.messages.len(), 1);
    assert!(world.actors[CATHY].saved.rooms[&room].group.is_empty());
    world.crash(CATHY);
    world.run();
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Removed);
}

/// The provider is away for a while.
#[test]
fn coming_back_is_tried_until_it_works() {
    let (mut world, room) = left_behind(4);
    world.faults.requests_lost = 100;
    world.run_for(45_000);
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Joined);
    world.faults.requests_lost = 0;
    world.run();
    world.text(CATHY, &room, "back");
    assert_eq!(world.texts(CATHY, &room), ["before", "back"]);
}
