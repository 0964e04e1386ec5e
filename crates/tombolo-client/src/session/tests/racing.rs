//! Commits that race each other: one wins, the others are built again from what they are for.

use super::world::World;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft, Outcome};
use crate::session::commit::COMMIT_ATTEMPTS_MAX;
use crate::session::request::{Request, TransportError};
use crate::shown::RoomStatus;

const ALICE: usize = 0;
const BOB: usize = 1;
const BOBS_LAPTOP: usize = 2;
const CATHY: usize = 3;

fn retries(world: &World, actor: usize) -> usize {
    let retried = |event: &&ClientEvent| matches!(event, ClientEvent::Retrying { .. });
    world.actors[actor].heard.iter().filter(retried).count()
}

/// PROTO-UPD-9: every racer gets its way, one after the other; whoever lost hears of it once per
/// lost race.
#[test]
fn all_racers_succeed_in_the_end() {
    for seed in 0..10 {
        let (mut world, room) = World::with_room(seed);
        let epoch = world.state(ALICE, &room).epoch;
        let operations: Vec<_> = (0..4)
            .map(|actor| {
                let name = format!("named by {actor}");
                (actor, world.start(actor, Command::RenameRoom { room: room.clone(), name }))
            })
            .collect();
        world.run();
        for (actor, operation) in operations {
            assert_eq!(world.finished(actor, operation).unwrap(), Outcome::Done);
        }
        assert_eq!(world.state(ALICE, &room).epoch, epoch + 4);
        let lost: usize = (0..4).map(|actor| retries(&world, actor)).sum();
        assert!((3..=6).contains(&lost), "{lost} races were lost");
        world.agree(&room);
    }
}

/// The loser's intent may be fulfilled by the winner: then there is nothing left to do.
#[test]
fn two_who_add_the_same_user_add_it_once() {
    for seed in 0..10 {
        let (mut world, room) = World::with_room(seed);
        let dave = world.device("c.example", "dave", "phone");
        world.befriend(dave, ALICE);
        world.befriend(dave, CATHY);
        let user = world.user(dave);
        let add = Command::AddUser { room: room.clone(), user };
        let first = world.start(ALICE, add.clone());
        let second = world.start(CATHY, add);
        world.run();
        assert_eq!(world.finished(ALICE, first).unwrap(), Outcome::Done);
        assert_eq!(world.finished(CATHY, second).unwrap(), Outcome::Done);
        assert_eq!(world.state(dave, &room).participants.len(), 4);
        world.agree(&room);
    }
}

/// AMB-UPD-8: a commit that omits proposals it has not seen waits for them and takes them along.
#[test]
fn omitted_proposals_are_waited_for() {
    let (mut world, room) = World::with_room(1);
    world.actors[ALICE].is_deaf = true;
    let leave = world.start(BOB, Command::LeaveRoom(room.clone()));
    world.run_at_once();
    assert_eq!(world.finished(BOB, leave).unwrap(), Outcome::Done);
    world.actors[CATHY].is_mute = true;
    let name = "Library".to_owned();
    let rename = world.start(ALICE, Command::RenameRoom { room: room.clone(), name });
    world.run_at_once();
    assert!(!world.actors[ALICE].finished.contains_key(&rename));
    world.actors[ALICE].is_deaf = false;
    world.run_at_once();
    assert_eq!(world.finished(ALICE, rename).unwrap(), Outcome::Done);
    world.actors[CATHY].is_mute = false;
    world.run();
    world.agree(&room);
    let state = world.state(CATHY, &room);
    assert_eq!((state.name.as_str(), state.participants.len()), ("Library", 2));
    assert_eq!(world.state(BOBS_LAPTOP, &room).status, RoomStatus::Left);
}

/// Of all who could commit a leave only one does; the others notice and say nothing.
#[test]
fn one_device_commits_for_all() {
    let (mut world, room) = World::with_room(1);
    let epoch = world.state(ALICE, &room).epoch;
    world.done(CATHY, Command::LeaveRoom(room.clone()));
    assert_eq!(world.state(ALICE, &room).epoch, epoch + 1);
    for actor in 0..4 {
        assert_eq!(retries(&world, actor), 0);
    }
    world.agree(&room);
}

/// Messages are not sent over proposals that wait: those are committed first.
#[test]
fn a_message_commits_what_is_pending_first() {
    let (mut world, room) = World::with_room(1);
    world.start(CATHY, Command::LeaveRoom(room.clone()));
    world.run_at_once();
    let before_ms = world.now_ms;
    world.text(ALICE, &room, "cathy is gone");
    world.agree(&room);
    assert_eq!(world.state(ALICE, &room).participants.len(), 2);
    assert_eq!(world.texts(BOB, &room), ["cathy is gone"]);
    assert!(world.texts(CATHY, &room).is_empty(), "{before_ms}");
}

/// Two devices of one person leave at once, while the first waits for a commit of its own: the second is
/// faster, and both have left.
#[test]
fn both_devices_of_a_person_leave() {
    let (mut world, room) = World::with_room(1);
    world.actors[BOB].is_mute = true;
    let name = "Library".to_owned();
    let rename = world.start(BOB, Command::RenameRoom { room: room.clone(), name });
    let leave = world.start(BOB, Command::LeaveRoom(room.clone()));
    world.done(BOBS_LAPTOP, Command::LeaveRoom(room.clone()));
    world.actors[BOB].is_mute = false;
    world.run();
    assert!(world.finished(BOB, rename).is_err());
    assert_eq!(world.finished(BOB, leave).unwrap(), Outcome::Done);
    assert_eq!(world.state(BOB, &room).status, RoomStatus::Left);
    world.agree(&room);
}

/// Both propose to leave at once: the hub takes one, and the other has left with it.
#[test]
fn who_is_second_to_leave_has_left() {
    for answer_is_lost in [false, true] {
        let (mut world, room) = World::with_room(1);
        world.actors[BOB].is_mute = true;
        let leave = world.start(BOB, Command::LeaveRoom(room.clone()));
        if answer_is_lost {
            let id = world.last_request(BOB);
            let lost = Err(TransportError::Unreachable("lost".to_owned()));
            world.answer(BOB, (id, lost));
        }
        world.done(BOBS_LAPTOP, Command::LeaveRoom(room.clone()));
        world.actors[BOB].is_mute = false;
        world.run();
        assert_eq!(world.finished(BOB, leave).unwrap(), Outcome::Done);
        assert_eq!(world.state(BOB, &room).status, RoomStatus::Left);
        world.agree(&room);
    }
}

/// What is on its way when its person leaves by another device ends as the hub has it: it is not said
/// to be lost while everybody reads it.
#[test]
fn a_message_under_way_ends_as_the_hub_says() {
    for is_first in [true, false] {
        let (mut world, room) = World::with_room(1);
        world.actors[BOB].is_mute = true;
        let draft = Draft::Text { text: "bye".to_owned(), in_reply_to: None };
        let write = world.start(BOB, Command::Send { room: room.clone(), draft });
        let answer = is_first.then(|| world.hub_answers(BOB));
        world.done(BOBS_LAPTOP, Command::LeaveRoom(room.clone()));
        world.run();
        assert_eq!(world.state(BOB, &room).status, RoomStatus::Left);
        match answer {
            Some(answer) => world.answer(BOB, answer),
            None => world.actors[BOB].is_mute = false,
        }
        world.run();
        let ended = world.finished(BOB, write);
        let texts = world.texts(ALICE, &room);
        if is_first {
            assert!(matches!(ended.unwrap(), Outcome::Message(_)));
            assert_eq!(
                (texts, world.texts(BOB, &room)),
                (vec!["bye".to_owned()], vec!["bye".to_owned()])
            );
        } else {
            assert!(matches!(ended, Err(ClientError::NotInRoom(_))), "{ended:?}");
            assert_eq!((texts.len(), world.texts(BOB, &room).len()), (0, 0));
        }
        world.agree(&room);
    }
}

/// The answer to a message was lost, and its repeat is refused because the device was signed out
/// meanwhile: nobody says that it was not sent.
#[test]
fn a_message_whose_answer_is_lost_is_in_doubt() {
    for (is_lost, kind) in [(true, "in doubt"), (false, "refused")] {
        let (mut world, room) = World::with_room(1);
        (world.actors[BOB].is_mute, world.actors[BOB].is_deaf) = (true, true);
        let draft = Draft::Text { text: "bye".to_owned(), in_reply_to: None };
        let write = world.start(BOB, Command::Send { room: room.clone(), draft });
        let (mut id, _) = world.hub_answers(BOB);
        if is_lost {
            world.answer(BOB, (id, Err(TransportError::Unreachable("lost".to_owned()))));
            world.run_for(5_000);
            id = world.last_request(BOB);
        }
        let (code, message) = ("unauthorized".to_owned(), "unauthorized".to_owned());
        world.answer(BOB, (id, Err(TransportError::Refused { code, message })));
        let ended = world.finished(BOB, write);
        match kind {
            "in doubt" => assert!(matches!(ended, Err(ClientError::InDoubt(_))), "{ended:?}"),
            _ => assert!(matches!(ended, Err(ClientError::Refused(_))), "{ended:?}"),
        }
    }
}

/// Banning somebody who is leaving: the leave goes first, the ban holds afterwards.
#[test]
fn who_leaves_can_be_banned_all_the_same() {
    let (mut world, room) = World::with_room(1);
    world.start(CATHY, Command::LeaveRoom(room.clone()));
    world.run_at_once();
    let user = world.user(CATHY);
    world.done(ALICE, Command::BanUser { room: room.clone(), user });
    world.agree(&room);
    let participants = world.state(BOB, &room).participants;
    assert_eq!(participants[2].role_name, "banned");
    assert!(world.outcome(CATHY, Command::JoinRoom(room)).is_err());
}

/// The stream is late with the winner: the hub is asked again, and nothing is built on sand.
#[test]
fn a_late_winner_is_waited_for() {
    let (mut world, room) = World::with_room(1);
    world.actors[ALICE].is_deaf = true;
    let name = "Library".to_owned();
    world.done(BOB, Command::RenameRoom { room: room.clone(), name });
    world.hub.asked.clear();
    let user = world.user(CATHY);
    let ban = world.start(ALICE, Command::BanUser { room: room.clone(), user });
    world.run_for(60_000);
    assert!(!world.actors[ALICE].finished.contains_key(&ban));
    assert!(world.hub.asked.iter().filter(|kind| **kind == "update").count() > 3);
    assert_eq!(retries(&world, ALICE), 1);
    world.actors[ALICE].is_deaf = false;
    world.run();
    assert_eq!(world.finished(ALICE, ban).unwrap(), Outcome::Done);
    world.agree(&room);
    assert_eq!(world.state(BOB, &room).name, "Library");
}

/// Our own commit wins, and its answer is lost: neither the hub's `wrongEpoch` nor the stream make a
/// second one of it.
#[test]
fn a_commit_whose_answer_was_lost_is_settled_by_the_stream() {
    let (mut world, room) = World::with_room(1);
    world.hub.forgets_commits = true;
    world.actors[ALICE].is_deaf = true;
    let epoch = world.state(ALICE, &room).epoch;
    let name = "Library".to_owned();
    let rename = world.start(ALICE, Command::RenameRoom { room: room.clone(), name });
    world.faults.answers_lost = 100;
    world.step();
    world.faults.answers_lost = 0;
    world.run_for(60_000);
    assert!(!world.actors[ALICE].finished.contains_key(&rename));
    world.actors[ALICE].is_deaf = false;
    world.run();
    assert_eq!(world.finished(ALICE, rename).unwrap(), Outcome::Done);
    assert_eq!(retries(&world, ALICE), 0, "no race was lost");
    assert_eq!(world.state(BOB, &room).epoch, epoch + 1);
    world.agree(&room);
}

/// Others who never stop are given way to, but not for ever.
#[test]
fn a_room_that_never_rests_ends_the_attempt() {
    let (mut world, room) = World::with_room(1);
    let user = world.user(CATHY);
    let ban = world.start(ALICE, Command::BanUser { room: room.clone(), user });
    for round in 0..COMMIT_ATTEMPTS_MAX {
        // Each time alice's commit is on its way, bob is faster.
        world.actors[ALICE].is_mute = true;
        let name = format!("round {round}");
        world.done(BOB, Command::RenameRoom { room: room.clone(), name });
        world.run();
    }
    world.actors[ALICE].is_mute = false;
    world.run();
    let ended = world.finished(ALICE, ban);
    assert!(matches!(ended, Err(ClientError::Refused(_))), "{ended:?}");
    assert_eq!(retries(&world, ALICE), COMMIT_ATTEMPTS_MAX as usize);
    world.text(ALICE, &room, "never mind");
    world.agree(&room);
}

/// An external commit that loses starts over from the GroupInfo.
#[test]
fn a_joiner_that_loses_starts_over() {
    for seed in 0..10 {
        let (mut world, room) = World::with_room(seed);
        let laptop = world.device("c.example", "cathy", "laptop");
        let join = world.start(laptop, Command::JoinRoom(room.clone()));
        world.step();
        for actor in 0..4 {
            let name = format!("named by {actor}");
            world.start(actor, Command::RenameRoom { room: room.clone(), name });
        }
        world.run();
        assert_eq!(world.finished(laptop, join).unwrap(), Outcome::Room(room.clone()));
        world.text(laptop, &room, "in");
        world.agree(&room);
    }
}

/// PROTO-GI-6: the SelfRemove of who leaves goes along with who comes.
#[test]
fn a_joiner_takes_along_who_leaves() {
    let (mut world, room) = World::with_room(1);
    let laptop = world.device("a.example", "alice", "laptop");
    for actor in [ALICE, BOBS_LAPTOP] {
        world.actors[actor].is_mute = true;
    }
    world.start(CATHY, Command::LeaveRoom(room.clone()));
    world.actors[BOB].is_mute = true;
    world.run_at_once();
    let join = world.start(laptop, Command::JoinRoom(room.clone()));
    world.run_at_once();
    assert_eq!(world.finished(laptop, join).unwrap(), Outcome::Room(room.clone()));
    for actor in [ALICE, BOB, BOBS_LAPTOP] {
        world.actors[actor].is_mute = false;
    }
    world.run();
    let hub = world.hub.room(&room).group.view();
    assert!(hub.clients_of(&world.user(CATHY)).next().is_none());
    world.agree(&room);
    assert!(world.actors[CATHY].saved.rooms[&room].group.is_empty());
}

/// What was encrypted for an epoch that is gone is encrypted again, once, in the hub's.
#[test]
fn a_message_for_a_past_epoch_is_encrypted_again() {
    let (mut world, room) = World::with_room(1);
    world.actors[ALICE].is_deaf = true;
    world.actors[ALICE].is_mute = true;
    let draft = Draft::Text { text: "slow".to_owned(), in_reply_to: None };
    let send = world.start(ALICE, Command::Send { room: room.clone(), draft });
    for name in ["one", "two", "three"] {
        let name = name.to_owned();
        world.done(BOB, Command::RenameRoom { room: room.clone(), name });
    }
    world.actors[ALICE].is_mute = false;
    world.run_at_once();
    assert!(!world.actors[ALICE].finished.contains_key(&send));
    world.actors[ALICE].is_deaf = false;
    world.run();
    assert!(world.finished(ALICE, send).is_ok());
    assert_eq!(world.texts(CATHY, &room), ["slow"]);
    world.agree(&room);
}

/// A request that the provider cannot serve now comes through later; one it refuses ends.
#[test]
fn passing_faults_pass_and_refusals_end() {
    let (mut world, room) = World::with_room(1);
    let session = &mut world.actors[ALICE].session;
    let name = "Library".to_owned();
    let command = Command::RenameRoom { room: room.clone(), name };
    let operation = session.start(command, world.now_ms, &mut world.rng);
    let outgoing = session.next_request().unwrap();
    assert!(matches!(outgoing.request, Request::Update { .. }));
    let busy = TransportError::Busy { message: "later".to_owned(), retry_after_ms: Some(7_000) };
    session.answer(outgoing.id, Err(busy), world.now_ms, &mut world.rng);
    assert!(session.next_request().is_none());
    let due = session.next_timer().unwrap();
    assert!(due >= world.now_ms + 7_000);
    session.tick(due, &mut world.rng);
    let again = session.next_request().unwrap();
    assert_eq!(again.request, outgoing.request);
    let refused =
        TransportError::Refused { code: "too_large".to_owned(), message: "too large".to_owned() };
    session.answer(again.id, Err(refused), due, &mut world.rng);
    world.flush(ALICE);
    let ended = world.finished(ALICE, operation);
    assert!(matches!(ended, Err(ClientError::Refused(text)) if text == "too large"));
    world.run();
    world.agree(&room);
}

/// Refused on the second sending, it may have been accepted on the first: the person hears of the
/// refusal, the stream says what is so, and nothing is done twice.
#[test]
fn a_commit_in_doubt_is_settled_by_the_stream() {
    let (mut world, room) = World::with_room(1);
    let epoch = world.state(ALICE, &room).epoch;
    world.actors[ALICE].is_deaf = true;
    world.faults.answers_lost = 100;
    let user = world.user(CATHY);
    let ban = world.start(ALICE, Command::BanUser { room: room.clone(), user });
    world.step();
    world.faults.answers_lost = 0;
    let session = &mut world.actors[ALICE].session;
    let due = session.next_timer().unwrap();
    session.tick(due, &mut world.rng);
    let again = session.next_request().unwrap();
    let refused =
        TransportError::Refused { code: "unknown".to_owned(), message: "no room".to_owned() };
    session.answer(again.id, Err(refused), due, &mut world.rng);
    world.flush(ALICE);
    assert!(matches!(world.finished(ALICE, ban), Err(ClientError::Refused(_))));
    world.actors[ALICE].is_deaf = false;
    world.run();
    world.agree(&room);
    assert_eq!(world.state(ALICE, &room).epoch, epoch + 1);
    world.text(ALICE, &room, "still fine");
    world.agree(&room);
}

/// A user that was removed while a commit of its own was under way hears that it is out. What has become
/// of the message that it had sent, the hub says.
#[test]
fn operations_of_who_is_out_end() {
    let (mut world, room) = World::with_room(1);
    world.actors[CATHY].is_mute = true;
    let name = "Cathy's".to_owned();
    let rename = world.start(CATHY, Command::RenameRoom { room: room.clone(), name });
    let draft = Draft::Text { text: "late".to_owned(), in_reply_to: None };
    let send = world.start(CATHY, Command::Send { room: room.clone(), draft });
    let user = world.user(CATHY);
    world.done(ALICE, Command::RemoveUser { room: room.clone(), user });
    world.run();
    let ended = world.finished(CATHY, rename);
    assert!(matches!(ended, Err(ClientError::Removed(_))), "{ended:?}");
    assert!(!world.actors[CATHY].finished.contains_key(&send));
    world.actors[CATHY].is_mute = false;
    world.run();
    let ended = world.finished(CATHY, send);
    assert!(matches!(ended, Err(ClientError::Removed(_))), "{ended:?}");
    let values = &world.actors[CATHY].saved.rooms[&room].values;
    let left: Vec<_> = values.keys().collect();
    assert_eq!(left, ["began", "last view", "standing"]);
    world.agree(&room);
}
