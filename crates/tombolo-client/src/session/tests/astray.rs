//! Devices and hubs that are not where each other thinks find together again by themselves.

use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::UpdateOutcome;
use mimi_wire::{Domain, MimiUri, Wire};

use super::world::World;
use crate::session::command::{Command, Draft};
use crate::session::request::{Request, Response, TransportError};
use crate::session::stream_event::StreamEventKind;
use crate::shown::RoomStatus;

const ALICE: usize = 0;
const BOB: usize = 1;
const BOBS_LAPTOP: usize = 2;
const CATHY: usize = 3;

fn rename(room: &MimiUri, name: &str) -> Command {
    Command::RenameRoom { room: room.clone(), name: name.to_owned() }
}

fn say(room: &MimiUri, text: &str) -> Command {
    let draft = Draft::Text { text: text.to_owned(), in_reply_to: None };
    Command::Send { room: room.clone(), draft }
}

/// A commit gets lost on the way to cathy.
fn cathy_misses_a_commit(seed: u64) -> (World, MimiUri) {
    let (mut world, room) = World::with_room(seed);
    world.text(ALICE, &room, "before");
    world.actors[CATHY].is_deaf = true;
    world.done(ALICE, rename(&room, "Library"));
    world.lose_event(CATHY);
    world.actors[CATHY].is_deaf = false;
    (world, room)
}

/// PROTO-NTF-1, AMB-NTF-10: what comes after a gap makes the device look for the hub.
#[test]
fn an_epoch_that_does_not_come_is_fetched() {
    let (mut world, room) = cathy_misses_a_commit(1);
    world.text(BOB, &room, "meanwhile");
    world.text(ALICE, &room, "after");
    assert_eq!(world.texts(CATHY, &room), ["before", "after"]);
    world.agree_but_for_messages(&room);
    assert_eq!(world.state(CATHY, &room).name, "Library");
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Joined);
}

fn says_later_epoch(answer: &Result<Response, TransportError>) -> bool {
    match answer {
        Ok(Response::SubmitMessage(response)) => {
            matches!(**response, SubmitMessageResponse::EpochTooOld { .. })
        }
        Ok(Response::Update(response)) => {
            matches!(response.outcome, UpdateOutcome::WrongEpoch { .. })
        }
        _ => false,
    }
}

/// An answer is of the moment in which the hub gave it: the stream may have gone on since. Found by a
/// soak: a device took the hub for one that was put back, and came in again past what was on its way.
#[test]
fn an_answer_that_is_late_leads_nobody_astray() {
    let leave = |room: &MimiUri, _: &str| Command::LeaveRoom(room.clone());
    for command in [say, rename, leave] {
        let (mut world, room) = World::with_room(14);
        world.actors[CATHY].is_deaf = true;
        // Hubs take messages of the epoch before.
        for name in ["Library", "Gallery"] {
            world.done(ALICE, rename(&room, name));
        }
        world.actors[CATHY].is_mute = true;
        let operation = world.start(CATHY, command(&room, "mine"));
        let answer = world.hub_answers(CATHY);
        assert!(says_later_epoch(&answer.1), "{:?}", answer.1);
        for name in ["Cellar", "Attic"] {
            world.done(ALICE, rename(&room, name));
        }
        world.text(BOB, &room, "meanwhile");
        world.actors[CATHY].is_deaf = false;
        // All of it but the last message has come when the answer does.
        for _ in 0..4 {
            world.step();
        }
        assert_eq!(world.state(CATHY, &room).name, "Attic");
        world.answer(CATHY, answer);
        world.actors[CATHY].is_mute = false;
        world.run();
        world.finished(CATHY, operation).unwrap();
        assert!(!world.hub.asked.contains(&"group info"), "nobody came in again");
        assert_eq!(world.texts(CATHY, &room)[0], "meanwhile");
        world.agree(&room);
    }
}

/// Nothing comes any more, but the hub says that it is further.
#[test]
fn who_is_told_to_be_behind_for_long_comes_in_again() {
    for command in [say, rename] {
        let (mut world, room) = cathy_misses_a_commit(2);
        world.actors[CATHY].is_deaf = true;
        world.done(ALICE, rename(&room, "Gallery"));
        world.lose_event(CATHY);
        world.actors[CATHY].is_deaf = false;
        world.done(CATHY, command(&room, "mine"));
        world.agree(&room);
        world.text(ALICE, &room, "after");
        assert_eq!(world.texts(CATHY, &room).last().unwrap(), "after");
    }
}

/// The hub is put back by some epochs; everybody is ahead of it. What was sent then is not doubled,
/// what is sent now arrives, whoever begins and however.
#[test]
fn a_hub_that_was_put_back_is_followed() {
    for (seed, (actor, command)) in
        [(ALICE, say as fn(&MimiUri, &str) -> Command), (CATHY, say), (BOB, rename)]
            .into_iter()
            .enumerate()
    {
        let (mut world, room) = World::with_room(seed as u64);
        world.text(ALICE, &room, "before");
        let backup = world.hub.back_up(&room);
        world.done(BOB, rename(&room, "Library"));
        world.text(CATHY, &room, "lost to the hub");
        world.done(ALICE, rename(&room, "Gallery"));
        world.done(CATHY, rename(&room, "Cellar"));
        world.hub.put_back(&room, backup);
        world.done(actor, command(&room, "anew"));
        world.text(CATHY, &room, "cathy");
        world.text(ALICE, &room, "alice");
        world.agree_but_for_messages(&room);
        for actor in [ALICE, BOB, CATHY] {
            let texts = world.texts(actor, &room);
            assert_eq!(texts[..2], ["before", "lost to the hub"]);
            assert_eq!(texts[texts.len() - 2..], ["cathy", "alice"], "actor {actor}");
        }
        assert_eq!(world.state(BOBS_LAPTOP, &room).status, RoomStatus::Joined);
    }
}

/// A hub that says "not allowed" and means it is not asked for ever, and nobody comes in again.
#[test]
fn a_hub_that_means_no_is_believed() {
    let (mut world, room) = World::with_room(5);
    world.text(CATHY, &room, "before");
    let epoch = world.state(CATHY, &room).epoch;
    world.hub.lets_nobody_write = true;
    world.outcome(CATHY, say(&room, "refused")).unwrap_err();
    let looked = world.hub.asked.iter().filter(|asked| **asked == "group info").count();
    assert_eq!(looked, 1, "its GroupInfo is looked at once");
    world.hub.lets_nobody_write = false;
    assert_eq!(world.state(CATHY, &room).epoch, epoch);
    world.text(CATHY, &room, "allowed");
    world.agree(&room);
}

/// A hub that keeps contradicting itself keeps nobody busy.
#[test]
fn nobody_runs_after_a_hub_that_jumps() {
    let (mut world, room) = World::with_room(6);
    world.text(ALICE, &room, "before");
    let mut stale = world.hub.streams.values().flatten();
    let stale = stale.rfind(|event| event.kind == StreamEventKind::Commit);
    let mut stale = stale.cloned().unwrap();
    let client = world.actors[CATHY].client.clone().unwrap();
    let asked = |world: &World| world.hub.asked.iter().filter(|it| **it == "group info").count();
    for _ in 0..20 {
        // The same commit of an epoch long over, as if it had been accepted just now.
        let now_ms = world.now_ms + 10_000;
        stale.payload[..8].copy_from_slice(&now_ms.to_be_bytes());
        let payload = stale.payload.clone();
        world.hub.log(&room, StreamEventKind::Commit, now_ms, &payload, [&client].into_iter());
        world.run_at_once();
    }
    assert_eq!(asked(&world), 1);
    world.text(ALICE, &room, "after");
    world.agree(&room);
}

/// PROTO-NTF-10: the provider's log ends before our cursor. What is appended anew gets numbers that
/// this device has seen already, and none of it is passed over.
#[test]
fn a_provider_that_was_put_back_is_heard_again() {
    let (mut world, room) = World::with_room(7);
    world.text(ALICE, &room, "before");
    let after = world.actors[CATHY].session.cursor();
    world.done(ALICE, rename(&room, "Library"));
    world.text(ALICE, &room, "known");
    let client = world.actors[CATHY].client.clone().unwrap();
    let epoch = world.state(CATHY, &room).epoch;
    world.hub.put_back_provider_of(&client, after);
    world.connect(CATHY, "second", after, after);
    world.run();
    world.text(BOB, &room, "new");
    world.text(CATHY, &room, "mine");
    assert_eq!(world.texts(CATHY, &room), ["before", "known", "new", "mine"]);
    assert!(world.state(CATHY, &room).epoch > epoch, "it came in again: a commit was lost");
    assert_eq!(world.actors[CATHY].session.era(), Some("second"));
    // Once more, with nothing lost that matters: nobody comes in again for messages alone.
    let (epoch, after) = (world.state(CATHY, &room).epoch, world.actors[CATHY].session.cursor());
    world.text(ALICE, &room, "later");
    world.connect(CATHY, "third", after, after);
    world.run();
    assert_eq!(world.state(CATHY, &room).epoch, epoch);
    assert_eq!(world.texts(CATHY, &room).iter().filter(|text| *text == "later").count(), 1);
}

/// A device's own store is put back: nothing leaves that its used keys have made.
#[test]
fn a_device_that_was_put_back_uses_no_key_twice() {
    let (mut world, room) = World::with_room(8);
    world.text(CATHY, &room, "before");
    let saved = world.actors[CATHY].saved.clone();
    world.text(CATHY, &room, "in between");
    world.text(ALICE, &room, "heard");
    let acknowledged = world.actors[CATHY].session.cursor();
    let epoch = world.state(CATHY, &room).epoch;
    world.put_back(CATHY, saved);
    let cursor = world.actors[CATHY].session.cursor();
    assert!(cursor < acknowledged);
    // It is told to send before it is connected: with the old keys, which is held.
    let asked = world.hub.asked.len();
    world.start(CATHY, say(&room, "anew"));
    world.run_at_once();
    assert!(!world.hub.asked[asked..].contains(&"submit"), "{:?}", &world.hub.asked[asked..]);
    world.connect(CATHY, "first", cursor, acknowledged);
    world.run();
    assert!(world.state(CATHY, &room).epoch > epoch);
    // The commit that replaces its leaf goes first.
    let told: Vec<_> = world.hub.asked[asked..].to_vec();
    let (commit, message) =
        (told.iter().position(|it| *it == "update"), told.iter().position(|it| *it == "submit"));
    assert!(commit.unwrap() < message.unwrap(), "{told:?}");
    assert_eq!(world.texts(ALICE, &room), ["before", "in between", "heard", "anew"]);
    assert_eq!(world.texts(CATHY, &room).last().unwrap(), "anew");
    // It is said once; the same again is no news.
    let asked = world.hub.asked.len();
    world.connect(CATHY, "first", world.actors[CATHY].session.cursor(), acknowledged);
    world.run();
    assert!(!world.hub.asked[asked..].contains(&"update"));
}

/// A Welcome that was followed before the store was put back brings the device in with keys that
/// have been used, too.
#[test]
fn a_welcome_that_comes_again_is_not_trusted() {
    let (mut world, _) = World::with_room(9);
    world.befriend(CATHY, ALICE);
    let saved = world.actors[CATHY].saved.clone();
    let room = world.create_room(ALICE);
    let user = world.user(CATHY);
    world.done(ALICE, Command::AddUser { room: room.clone(), user });
    world.text(CATHY, &room, "in between");
    let acknowledged = world.actors[CATHY].session.cursor();
    let epoch = world.state(CATHY, &room).epoch;
    world.put_back(CATHY, saved);
    let cursor = world.actors[CATHY].session.cursor();
    world.connect(CATHY, "first", cursor, acknowledged);
    world.run();
    assert!(world.state(CATHY, &room).epoch > epoch);
    world.text(CATHY, &room, "anew");
    assert_eq!(world.texts(ALICE, &room), ["in between", "anew"]);
}

/// A KeyPackage that was handed out twice: its Welcome cannot be opened, and the device, which is a
/// member by then, comes in by itself.
#[test]
fn a_key_package_used_twice_locks_nobody_out() {
    let (mut world, _) = World::with_room(10);
    world.befriend(CATHY, ALICE);
    let client = world.actors[CATHY].client.clone().unwrap();
    let stock = world.hub.stock[&client].clone();
    let user = world.user(CATHY);
    let first = world.create_room(ALICE);
    world.done(ALICE, Command::AddUser { room: first.clone(), user: user.clone() });
    world.hub.stock.insert(client, stock);
    let second = world.create_room(ALICE);
    world.done(ALICE, Command::AddUser { room: second.clone(), user });
    assert_eq!(world.state(CATHY, &second).status, RoomStatus::Joined);
    world.text(ALICE, &second, "welcome all the same");
    world.agree(&second);
    world.agree(&first);
}

/// Hubs take messages of the epoch before, unread. One that nobody can read makes everybody look where
/// the hub is, once, and nobody come in again.
#[test]
fn a_message_that_nobody_can_read_moves_nobody() {
    let (mut world, room) = World::with_room(11);
    let sending_uri = world.user(BOB);
    let session = &mut world.actors[BOB].session;
    let group = session.rooms.get_mut(&room).unwrap().group.as_mut().unwrap();
    let mut garbage = Vec::new();
    for _ in 0..3 {
        let mut octets = group.encrypt(&session.device, b"").unwrap().octets().to_vec();
        *octets.last_mut().unwrap() ^= 1;
        garbage.push(MlsMessage::decode(&octets).unwrap());
    }
    world.done(ALICE, rename(&room, "Library"));
    let epoch = world.state(ALICE, &room).epoch;
    for app_message in garbage {
        let request = SubmitMessageRequest { app_message, sending_uri: sending_uri.clone() };
        let request = Request::SubmitMessage { room: room.clone(), body: request.encode().into() };
        let domain = Domain::new("b.example").unwrap();
        world.hub.serve(&domain, None, &request, world.now_ms).unwrap();
        world.run_at_once();
    }
    let looked = world.hub.asked.iter().filter(|asked| **asked == "group info").count();
    assert_eq!(looked, 3, "each other device in the room once");
    world.text(ALICE, &room, "after");
    world.text(CATHY, &room, "all the same");
    assert_eq!(world.state(ALICE, &room).epoch, epoch);
    world.agree(&room);
}

/// A provider that keeps saying that it, or the device, was put back keeps no room busy.
#[test]
fn nobody_runs_after_a_provider_that_jumps() {
    let (mut world, room) = World::with_room(12);
    world.text(ALICE, &room, "before");
    let cursor = world.actors[CATHY].session.cursor();
    world.connect(CATHY, "first", cursor, cursor);
    world.run();
    let epoch = world.state(CATHY, &room).epoch;
    for lie in 1..20 {
        let cursor = world.actors[CATHY].session.cursor();
        world.connect(CATHY, "first", cursor, cursor + 1_000 * lie);
        world.run_at_once();
    }
    assert_eq!(world.state(ALICE, &room).epoch, epoch, "who runs was not put back");
    for era in 1..20 {
        world.connect(CATHY, &format!("era {era}"), 0, 0);
        world.run_at_once();
    }
    world.run();
    assert_eq!(world.state(ALICE, &room).epoch, epoch + 1);
    world.text(CATHY, &room, "after");
    assert_eq!(world.texts(CATHY, &room), ["before", "after"]);
    world.agree(&room);
}
