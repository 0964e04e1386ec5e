//! Direct rooms: one for two people, whoever opens it and how often (POLICY-BASE-2, AMB-POL-8).

use std::collections::BTreeSet;

use mimi_wire::MimiUri;

use super::world::World;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft, Outcome};
use crate::shown::RoomStatus;

/// Two people with a phone each, at these providers, who let each other contact them.
fn two(seed: u64, alices: &str, bobs: &str) -> World {
    let mut world = World::new(seed);
    let alice = world.device(alices, "alice", "phone");
    let bob = world.device(bobs, "bob", "phone");
    world.befriend(alice, bob);
    world.befriend(bob, alice);
    assert_eq!([alice, bob], [ALICE, BOB]);
    world
}

const ALICE: usize = 0;
const BOB: usize = 1;

fn room_of(outcome: Result<Outcome, ClientError>) -> MimiUri {
    match outcome.unwrap() {
        Outcome::Room(room) => room,
        other => panic!("{other:?}"),
    }
}

fn open(world: &mut World, from: usize, to: usize) -> MimiUri {
    let user = world.user(to);
    room_of(world.outcome(from, Command::OpenDirect(user)))
}

#[test]
fn a_direct_room_has_all_devices_of_both_and_is_opened_once() {
    let mut world = two(1, "a.example", "b.example");
    let laptop = world.device("b.example", "bob", "laptop");
    let tablet = world.device("a.example", "alice", "tablet");
    let room = open(&mut world, ALICE, BOB);
    let state = world.state(BOB, &room);
    let devices: Vec<_> = state.participants.iter().map(|it| it.clients.len()).collect();
    assert_eq!(devices, [2, 2]);
    world.text(laptop, &room, "hello");
    assert_eq!(world.texts(tablet, &room), ["hello"]);
    for (from, to) in [(ALICE, BOB), (BOB, ALICE), (laptop, ALICE), (tablet, BOB)] {
        assert_eq!(open(&mut world, from, to), room);
    }
    assert_eq!(world.hub.rooms.len(), 1);
    world.agree(&room);
}

/// POLICY-BASE-1: who leaves stays listed, and yet has left with all devices: another one's message
/// waited for ever for a commit that nobody was left to make.
#[test]
fn who_leaves_a_direct_room_has_left_with_all_devices() {
    let mut world = two(1, "a.example", "b.example");
    let tablet = world.device("a.example", "alice", "tablet");
    let room = open(&mut world, ALICE, BOB);
    world.done(BOB, Command::LeaveRoom(room.clone()));
    world.done(tablet, Command::LeaveRoom(room.clone()));
    assert_eq!(world.state(ALICE, &room).status, RoomStatus::Left);
    let draft = Draft::Text { text: "hello?".to_owned(), in_reply_to: None };
    let written = world.outcome(ALICE, Command::Send { room: room.clone(), draft });
    assert!(matches!(written, Err(ClientError::NotInRoom(_))), "{written:?}");
}

/// POLICY-BASE-1: nobody comes, nobody goes for good; one may be left alone.
#[test]
fn a_direct_room_is_of_two_for_good() {
    let mut world = two(1, "a.example", "b.example");
    let room = open(&mut world, ALICE, BOB);
    let cathy = world.device("c.example", "cathy", "phone");
    world.befriend(cathy, ALICE);
    let user = world.user(cathy);
    for command in [
        Command::AddUser { room: room.clone(), user },
        Command::RemoveUser { room: room.clone(), user: world.user(BOB) },
        Command::RenameRoom { room: room.clone(), name: "Ours".to_owned() },
    ] {
        assert!(matches!(world.outcome(ALICE, command), Err(ClientError::Denied(_))));
    }
    world.done(BOB, Command::LeaveRoom(room.clone()));
    let state = world.state(ALICE, &room);
    let devices: Vec<_> = state.participants.iter().map(|it| it.clients.len()).collect();
    assert_eq!(devices, [1, 0], "bob is listed still, with no device");
    assert_eq!(world.state(BOB, &room).status, RoomStatus::Left);
    // And comes back into the same room.
    world.done(BOB, Command::JoinRoom(room.clone()));
    assert_eq!(open(&mut world, BOB, ALICE), room);
    world.agree(&room);
}

#[test]
fn consent_is_needed() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let bob = world.device("b.example", "bob", "phone");
    let user = world.user(bob);
    let refused = world.outcome(alice, Command::OpenDirect(user.clone()));
    assert!(matches!(refused, Err(ClientError::NoConsent(of)) if of == user), "of bob");
    let own = world.user(alice);
    assert!(world.outcome(alice, Command::OpenDirect(own)).is_err());
    assert!(world.hub.rooms.is_empty());
}

/// Somebody without KeyPackages, and a device that comes later, come in by themselves.
#[test]
fn devices_without_a_welcome_come_in_by_themselves() {
    let mut world = two(1, "a.example", "a.example");
    let client = world.actors[BOB].client.clone().unwrap();
    world.hub.stock.get_mut(&client).unwrap().clear();
    let room = open(&mut world, ALICE, BOB);
    assert!(world.actors[BOB].session.rooms().is_empty());
    assert_eq!(open(&mut world, BOB, ALICE), room);
    let tablet = world.device("a.example", "alice", "tablet");
    assert_eq!(open(&mut world, tablet, BOB), room);
    world.text(BOB, &room, "here we are");
    assert_eq!(world.texts(tablet, &room), ["here we are"]);
    world.agree(&room);
}

/// Both open one at the same moment, at one provider or two, in any order of what happens: both end
/// in the same room and read each other there.
#[test]
fn two_people_who_open_one_at_once_end_in_the_same() {
    for (alices, bobs) in
        [("a.example", "a.example"), ("a.example", "b.example"), ("b.example", "a.example")]
    {
        for seed in 0..30 {
            let mut world = two(seed, alices, bobs);
            let (alice, bob) = (world.user(ALICE), world.user(BOB));
            let first = world.start(ALICE, Command::OpenDirect(bob.clone()));
            let second = world.start(BOB, Command::OpenDirect(alice.clone()));
            world.run();
            let opened =
                [room_of(world.finished(ALICE, first)), room_of(world.finished(BOB, second))];
            let stays = open(&mut world, ALICE, BOB);
            assert_eq!(open(&mut world, BOB, ALICE), stays, "{alices} {bobs} {seed}");
            if alices == bobs {
                assert_eq!(opened, [stays.clone(), stays.clone()]);
            } else if world.hub.rooms.len() == 2 {
                assert_eq!(stays.domain().as_str(), "a.example", "of the lesser user URI");
                let gone = world.hub.rooms.keys().find(|room| **room != stays).unwrap().clone();
                for actor in [ALICE, BOB] {
                    let by = stays.clone();
                    assert_eq!(world.state(actor, &gone).status, RoomStatus::Superseded { by });
                    assert!(world.actors[actor].heard.iter().any(|event| {
                        matches!(event, ClientEvent::Superseded { room, .. } if *room == gone)
                    }));
                }
            }
            for (actor, room) in [(ALICE, &opened[0]), (BOB, &opened[1])] {
                let text = format!("from {actor}");
                let draft = Draft::Text { text, in_reply_to: None };
                world.done(actor, Command::Send { room: room.clone(), draft });
            }
            for actor in [ALICE, BOB] {
                assert_eq!(world.texts(actor, &stays), ["from 0", "from 1"]);
            }
        }
    }
}

/// TOM-126, TOM-127: the hub takes a deleted account's devices out, and the other's device
/// carries that out. What is left is a room for oneself until the two have another one, which takes
/// its place; while that cannot be had, the old one is opened.
#[test]
fn who_is_left_alone_stays_until_there_is_another_room() {
    let mut world = two(5, "a.example", "a.example");
    let room = open(&mut world, ALICE, BOB);
    world.text(ALICE, &room, "goodbye");
    let alice = world.user(ALICE);
    world.hub.evict(&room, &alice, world.now_ms);
    world.run();
    assert_eq!(world.state(ALICE, &room).status, RoomStatus::Removed);
    let state = world.state(BOB, &room);
    let devices: Vec<_> = state.participants.iter().map(|it| it.clients.len()).collect();
    assert_eq!((state.status, devices), (RoomStatus::Joined, vec![0, 1]));
    assert!(world.hub.room(&room).group.cached_references().count() == 0, "bob has committed");
    world.text(BOB, &room, "nobody reads this");
    let consents = std::mem::take(&mut world.hub.consents);
    assert_eq!(open(&mut world, BOB, ALICE), room);
    world.hub.consents = consents;
    let anew = open(&mut world, BOB, ALICE);
    assert_ne!(anew, room);
    world.text(ALICE, &anew, "here I am again");
    assert_eq!(world.texts(BOB, &anew), ["here I am again"]);
    let by = anew.clone();
    assert_eq!(world.state(BOB, &room).status, RoomStatus::Superseded { by });
    assert_eq!(world.texts(BOB, &room), ["goodbye", "nobody reads this"], "and stays readable");
    assert_eq!(open(&mut world, ALICE, BOB), anew);
    world.agree(&anew);
}

/// What was written before the other room was heard of is read; then the devices go.
#[test]
fn a_superseded_room_is_left_after_a_while() {
    let mut world = two(3, "a.example", "b.example");
    let (alice, bob) = (world.user(ALICE), world.user(BOB));
    world.actors[ALICE].is_deaf = true;
    world.actors[BOB].is_deaf = true;
    let first = world.start(ALICE, Command::OpenDirect(bob));
    let second = world.start(BOB, Command::OpenDirect(alice));
    world.run();
    let stays = room_of(world.finished(ALICE, first));
    let gone = room_of(world.finished(BOB, second));
    assert_ne!(stays, gone);
    world.text(BOB, &gone, "did you get this?");
    world.actors[ALICE].is_deaf = false;
    world.actors[BOB].is_deaf = false;
    world.run_for(30_000);
    assert_eq!(world.texts(ALICE, &gone), ["did you get this?"]);
    assert_eq!(world.hub.room(&gone).group.view().clients.len(), 2);
    for actor in [ALICE, BOB] {
        world.crash(actor);
    }
    world.run_for(200_000);
    world.run();
    // Who goes last is alone, and so cannot be committed away: then the room is deserted.
    let left = &world.hub.room(&gone).group;
    assert_eq!(left.view().clients.len(), left.cached_references().count(), "both are gone");
    assert_eq!(world.texts(ALICE, &gone), ["did you get this?"], "and can still be read");
    let id = world.text(BOB, &gone, "moved on");
    assert!(world.state(BOB, &stays).messages.iter().any(|message| message.id == id));
    world.agree(&stays);
}

/// Who leaves the one that stays, before the other has given way, stays in that one: the other
/// person has moved there.
#[test]
fn leaving_the_one_that_stays_leads_both_to_the_other() {
    for leaver in [ALICE, BOB] {
        let mut world = two(3, "a.example", "b.example");
        let (alice, bob) = (world.user(ALICE), world.user(BOB));
        world.actors[ALICE].is_deaf = true;
        world.actors[BOB].is_deaf = true;
        let first = world.start(ALICE, Command::OpenDirect(bob));
        let second = world.start(BOB, Command::OpenDirect(alice));
        world.run();
        let stays = room_of(world.finished(ALICE, first));
        let other = room_of(world.finished(BOB, second));
        world.actors[ALICE].is_deaf = false;
        world.actors[BOB].is_deaf = false;
        world.run_for(5_000);
        let by = stays.clone();
        assert_eq!(world.state(leaver, &other).status, RoomStatus::Superseded { by });
        let left = world.start(leaver, Command::LeaveRoom(stays.clone()));
        world.run_for(5_000);
        world.finished(leaver, left).unwrap();
        world.run_for(200_000);
        world.run();
        assert_eq!(world.state(leaver, &stays).status, RoomStatus::Left);
        for actor in [ALICE, BOB] {
            assert_eq!(world.state(actor, &other).status, RoomStatus::Joined, "{leaver} {actor}");
        }
        world.text(leaver, &other, "here I am");
        assert_eq!(world.texts(1 - leaver, &other), ["here I am"]);
    }
}

/// A provider that calls a room of others the direct one is not believed, whether the device is in
/// that room or is to come in: what is meant for one person would be written there.
#[test]
fn a_room_of_others_is_no_direct_room() {
    let (mut world, room) = World::with_room(1);
    let (alice, bob) = (world.user(ALICE), world.user(BOB));
    let members = BTreeSet::from([alice.clone(), bob.clone()]);
    world.hub.direct_rooms.insert((alice.domain(), members), room.clone());
    let refused = world.outcome(ALICE, Command::OpenDirect(bob.clone()));
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
    let tablet = world.device("a.example", "alice", "tablet");
    let refused = world.outcome(tablet, Command::OpenDirect(bob));
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
    assert_eq!(world.hub.room(&room).group.view().clients_of(&alice).count(), 1);
}

/// POLICY-BASE-3: a room inside another one is at the same hub.
#[test]
fn a_subroom_is_of_its_parents_hub() {
    let (mut world, room) = World::with_room(1);
    let subroom = |parent: &MimiUri| Command::CreateSubroom {
        parent: parent.clone(),
        name: "Corner".to_owned(),
    };
    assert!(world.outcome(BOB, subroom(&room)).is_err(), "bob's provider is another one");
    let corner = room_of(world.outcome(ALICE, subroom(&room)));
    let policy = world.hub.room(&corner).group.view().base_policy.clone().unwrap();
    assert_eq!(
        (policy.parent_dependant, policy.parent_room.as_deref()),
        (true, Some(room.as_str()))
    );
}
