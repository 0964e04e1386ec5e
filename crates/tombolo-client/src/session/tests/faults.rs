//! The same with losses, repeats, odd orders and crashes: nothing is lost, nothing doubled, all
//! agree.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;

use super::world::{Faults, World};
use crate::session::command::{Command, Draft, Outcome};
use crate::session::stream_event::StreamEventKind;
use crate::shown::RoomStatus;

const ALICE: usize = 0;
const BOB: usize = 1;
const BOBS_LAPTOP: usize = 2;
const CATHY: usize = 3;
const DAVE: usize = 4;
const LAPTOP: usize = 5;

/// Everybody writes and changes things at once, for some rounds; one is banned and a new device
/// joins meanwhile.
fn bustle(world: &mut World, room: &MimiUri, rounds: usize) -> usize {
    let mut sent = 0;
    for round in 0..rounds {
        for actor in [ALICE, BOB, BOBS_LAPTOP, CATHY] {
            let text = format!("{actor}: {round}");
            let draft = Draft::Text { text, in_reply_to: None };
            world.start(actor, Command::Send { room: room.clone(), draft });
            sent += 1;
            world.step();
        }
        let name = format!("renamed in round {round}");
        world.start([BOB, CATHY, BOB][round], Command::RenameRoom { room: room.clone(), name });
        if round == 0 {
            let user = world.user(DAVE);
            world.start(ALICE, Command::BanUser { room: room.clone(), user });
        }
        if round == 1 {
            world.start(LAPTOP, Command::JoinRoom(room.clone()));
        }
    }
    sent
}

/// A room with dave, too, and a second device of cathy's that is not in it yet.
fn prepared(seed: u64) -> (World, MimiUri) {
    let (mut world, room) = World::with_room(seed);
    world.device("c.example", "dave", "phone");
    world.device("c.example", "cathy", "laptop");
    world.befriend(DAVE, ALICE);
    let user = world.user(DAVE);
    world.done(ALICE, Command::AddUser { room: room.clone(), user });
    (world, room)
}

/// It stopped before its external commit was made, or gave up: then nobody knows that it wanted in.
fn let_the_laptop_in(world: &mut World, room: &MimiUri) {
    if world.actors[LAPTOP].session.room(room).is_err() {
        world.done(LAPTOP, Command::JoinRoom(room.clone()));
    }
}

/// A crash may come before the ban was begun, or its loss of the race was final.
fn let_dave_be_banned(world: &mut World, room: &MimiUri) {
    let user = world.user(DAVE);
    world.done(ALICE, Command::BanUser { room: room.clone(), user });
}

fn check(world: &World, room: &MimiUri, sent: usize) {
    world.agree(room);
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for text in world.texts(ALICE, room) {
        *counted.entry(text).or_default() += 1;
    }
    assert_eq!(counted.len(), sent, "something is lost: {counted:?}");
    assert!(counted.values().all(|count| *count == 1), "something is doubled: {counted:?}");
    // Each writer's messages stay in the order written.
    let texts = world.texts(ALICE, room);
    for actor in 0..4 {
        let prefix = format!("{actor}: ");
        let own: Vec<_> = texts.iter().filter(|text| text.starts_with(&prefix)).collect();
        assert!(own.is_sorted(), "{own:?}");
    }
    for (index, actor) in world.actors.iter().enumerate() {
        let (status, stored) = match index {
            DAVE => (RoomStatus::Banned, &["last view", "standing"][..]),
            _ => (RoomStatus::Joined, &["footing", "standing"][..]),
        };
        assert_eq!(actor.session.room(room).unwrap().status, status);
        let values = &actor.saved.rooms[room].values;
        // What is known of the past stays.
        let known = ["view/", "read/", "began"];
        let left = values.keys().filter(|name| !known.iter().any(|it| name.starts_with(it)));
        let left: Vec<_> = left.collect();
        assert_eq!(left, stored, "something is under way for ever");
    }
}

#[test]
fn any_order_leads_to_the_same() {
    for seed in 0..20 {
        let (mut world, room) = prepared(seed);
        world.faults.delays = u32::try_from(seed).unwrap();
        let sent = bustle(&mut world, &room, 3);
        world.run();
        check(&world, &room, sent);
        assert!(world.actors.iter().all(|actor| actor.finished.values().all(Result::is_ok)));
    }
}

#[test]
fn lost_requests_and_answers_and_repeated_events_change_nothing() {
    for seed in 100..115 {
        let (mut world, room) = prepared(seed);
        world.faults = Faults {
            requests_lost: 15,
            answers_lost: 20,
            events_repeated: 10,
            delays: 15,
            crashes: 0,
        };
        // Half of the hubs do not recognise repeats of a commit: then the stream settles it.
        world.hub.forgets_commits = seed % 2 == 0;
        let sent = bustle(&mut world, &room, 3);
        world.run();
        world.faults = Faults::default();
        let_the_laptop_in(&mut world, &room);
        check(&world, &room, sent);
    }
}

#[test]
fn a_crash_at_any_step_loses_and_doubles_nothing() {
    let (mut calm, room) = prepared(7);
    let setup = calm.steps;
    bustle(&mut calm, &room, 2);
    calm.run();
    for step in setup..calm.steps {
        let (mut world, room) = prepared(7);
        world.hub.forgets_commits = step % 2 == 0;
        world.crash_at = Some((step, step % 6));
        let sent = bustle(&mut world, &room, 2);
        world.run();
        let_the_laptop_in(&mut world, &room);
        let_dave_be_banned(&mut world, &room);
        check(&world, &room, sent);
    }
}

#[test]
fn all_at_once_is_survived() {
    for seed in 200..220 {
        let (mut world, room) = prepared(seed);
        world.faults = Faults {
            requests_lost: 10,
            answers_lost: 10,
            events_repeated: 10,
            delays: 15,
            crashes: 5,
        };
        world.hub.forgets_commits = seed % 2 == 0;
        let sent = bustle(&mut world, &room, 3);
        world.run();
        assert!(world.actors.iter().any(|actor| actor.crashes > 0));
        world.faults = Faults::default();
        world.run();
        let_the_laptop_in(&mut world, &room);
        let_dave_be_banned(&mut world, &room);
        check(&world, &room, sent);
    }
}

/// A crash while a user is added or leaves, at every step.
#[test]
fn a_crash_while_people_come_and_go_leaves_no_one_between() {
    let play = |crash_at: Option<(usize, usize)>| {
        let (mut world, room) = World::with_room(9);
        let dave = world.device("c.example", "dave", "phone");
        world.befriend(dave, ALICE);
        let setup = world.steps;
        world.crash_at = crash_at;
        let user = world.user(dave);
        world.start(ALICE, Command::AddUser { room: room.clone(), user: user.clone() });
        world.start(BOB, Command::LeaveRoom(room.clone()));
        world.run();
        let steps = world.steps;
        // What had not begun to be sent when the device stopped was not promised to anybody.
        world.crash_at = None;
        if world.state(BOB, &room).status == RoomStatus::Joined {
            world.done(BOB, Command::LeaveRoom(room.clone()));
        }
        world.done(ALICE, Command::AddUser { room: room.clone(), user });
        world.text(dave, &room, "hello");
        world.agree(&room);
        assert_eq!(world.state(BOBS_LAPTOP, &room).status, RoomStatus::Left);
        assert_eq!(world.state(ALICE, &room).participants.len(), 3);
        (setup, steps)
    };
    let (setup, steps) = play(None);
    for step in setup..steps {
        for actor in [ALICE, 1 + step % 4] {
            play(Some((step, actor)));
        }
    }
}

/// A registration whose answer was stored goes on where it was.
#[test]
fn a_registration_is_taken_up_after_a_crash() {
    let mut world = World::new(3);
    world.hub.pems.clear();
    let session = crate::session::Session::new(&mut world.rng);
    let command = || Command::Register {
        user: "alice".to_owned(),
        password: crate::secret::SecretText::new("p".to_owned()),
        device: "phone".to_owned(),
    };
    world.actors.push(super::world::Actor::new(session, "a.example"));
    assert!(world.outcome(0, command()).is_err(), "nobody knows the issuers");
    assert!(world.actors[0].session.identity().is_none());
    world.crash(0);
    world.hub.restore_pems();
    world.hub.asked.clear();
    world.done(0, command());
    assert_eq!(world.hub.asked, ["issuers", "upload"]);
    // The same file is no other device's.
    let mut world = World::new(3);
    world.device("a.example", "alice", "phone");
    assert!(world.outcome(0, command()).is_err());
}

/// Issuers that cannot be had hold a room up, with all that comes, until they can.
#[test]
fn a_room_waits_for_issuers_across_a_crash() {
    let mut world = World::new(5);
    world.device("a.example", "alice", "phone");
    world.device("b.example", "bob", "phone");
    world.device("c.example", "cathy", "phone");
    let (bob, cathy) = (1, 2);
    let room = world.create_room(ALICE);
    world.befriend(bob, ALICE);
    world.befriend(cathy, ALICE);
    let user = world.user(bob);
    world.done(ALICE, Command::AddUser { room: room.clone(), user });
    // Bob does not hear of cathy's issuers before everything has come.
    world.actors[bob].is_mute = true;
    let user = world.user(cathy);
    world.done(ALICE, Command::AddUser { room: room.clone(), user });
    world.text(cathy, &room, "hello");
    world.text(ALICE, &room, "welcome");
    assert!(world.texts(bob, &room).is_empty());
    assert_eq!(world.actors[bob].saved.rooms[&room].waiting.len(), 3);
    world.crash(bob);
    world.actors[bob].is_mute = false;
    world.run();
    assert_eq!(world.texts(bob, &room), ["hello", "welcome"]);
    world.agree(&room);
}

/// A provider renews its issuer: whoever meets it first asks again before holding it against anybody.
#[test]
fn a_renewed_issuer_is_learnt_when_it_is_met() {
    let (mut world, room) = World::with_room(8);
    world.hub.renew_issuer("c.example");
    // Long enough for what is known of the old one to be of yesterday.
    world.now_ms += 600_000;
    let dave = world.device("c.example", "dave", "phone");
    world.befriend(dave, ALICE);
    let user = world.user(dave);
    world.done(ALICE, Command::AddUser { room: room.clone(), user });
    world.text(dave, &room, "hello");
    world.agree(&room);
    assert_eq!(world.state(BOB, &room).participants.len(), 4);
}

/// POLICY-OP-1: events before their time wait as a whole: here a message before the commit that opens its epoch.
#[test]
fn events_ahead_wait_for_their_epoch() {
    let (mut world, room) = World::with_room(6);
    world.actors[CATHY].is_deaf = true;
    let name = "Library".to_owned();
    world.done(ALICE, Command::RenameRoom { room: room.clone(), name });
    world.text(BOB, &room, "in the new epoch");
    let client = world.actors[CATHY].client.clone().unwrap();
    let stream = world.hub.streams.get_mut(&client).unwrap();
    let last = stream.len() - 1;
    assert_eq!(stream[last].kind, StreamEventKind::Application);
    // A provider that mixes them up.
    let (commit, message) = (stream[last - 1].clone(), stream[last].clone());
    stream[last - 1] = super::super::StreamEvent { id: commit.id, ..message.clone() };
    stream[last] = super::super::StreamEvent { id: message.id, ..commit };
    world.actors[CATHY].is_deaf = false;
    world.step();
    assert!(world.texts(CATHY, &room).is_empty());
    assert_eq!(world.actors[CATHY].saved.rooms[&room].waiting.len(), 1);
    world.crash(CATHY);
    world.run();
    assert_eq!(world.texts(CATHY, &room), ["in the new epoch"]);
    world.agree(&room);
    assert!(matches!(world.done(CATHY, Command::CommitPending(room)), Outcome::Done));
}
