//! Messages that do not last, and messages from before there was a room.

use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::Wire;
use mimi_wire::component::MESSAGE_EXPIRATION_POLICY;
use mimi_wire::content::{Expiration, MimiContent};
use mimi_wire::room::message_expiration_policy::{ExpirationRange, MessageExpiration};
use mimi_wire::room::optionality::Conditional;

use super::judging::{framed, submit};
use super::world::World;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft, Lifetime};

const ALICE: usize = 0;
const BOB: usize = 1;
const CATHY: usize = 3;

fn live(world: &mut World, actor: usize, room: &MimiUri, lifetime: Lifetime) {
    world.done(actor, Command::SetLifetime { room: room.clone(), lifetime });
}

fn wait(world: &mut World, ms: u64) {
    world.now_ms += ms;
    let (rng, now_ms) = (&mut world.rng, world.now_ms);
    for actor in &mut world.actors {
        actor.session.tick(now_ms, rng);
    }
    for actor in 0..world.actors.len() {
        world.flush(actor);
    }
}

/// Everything a device has stored of a room, as text to search in.
fn stored(world: &World, actor: usize, room: &MimiUri) -> String {
    let saved = &world.actors[actor].saved.rooms[room];
    let messages = saved.messages.values();
    messages.map(|it| String::from_utf8_lossy(&it.content).into_owned()).collect()
}

/// CONTENT-EXP-1: what ends after reading ends so long after it is read, on each device by itself,
/// with the reactions to it; unread it stays. What answers it knows that it has been there.
#[test]
fn what_is_read_ends() {
    let (mut world, room) = World::with_room(1);
    live(&mut world, ALICE, &room, Lifetime::Seconds(1_000));
    let secret = world.text(ALICE, &room, "the password is fish");
    live(&mut world, ALICE, &room, Lifetime::Unlimited);
    world.message(BOB, &room, Draft::Reaction { to: secret, reaction: "🐟".to_owned() });
    let in_reply_to = Some(secret);
    world.message(CATHY, &room, Draft::Text { text: "thanks".to_owned(), in_reply_to });
    world.done(CATHY, Command::MarkRead { room: room.clone(), messages: vec![secret] });
    assert!(world.state(CATHY, &room).messages[0].ends_ms.is_some());
    assert_eq!(world.state(BOB, &room).messages[0].ends_ms, None);
    wait(&mut world, 999_000);
    assert_eq!(world.texts(CATHY, &room).len(), 2);
    wait(&mut world, 2_000);
    // Who wrote it has read it.
    for actor in [ALICE, CATHY] {
        assert_eq!(world.texts(actor, &room), ["thanks"]);
        assert!(!stored(&world, actor, &room).contains("fish"));
        assert!(!stored(&world, actor, &room).contains('🐟'));
        let shown = &world.state(actor, &room).messages[0];
        assert!(shown.answers_expired && shown.in_reply_to == Some(secret));
        let ended = |event: &ClientEvent| matches!(event, ClientEvent::Expired { message, .. } if *message == secret);
        assert_eq!(world.actors[actor].heard.iter().filter(|it| ended(it)).count(), 1);
    }
    assert_eq!(world.texts(BOB, &room), ["the password is fish", "thanks"]);
    // Nothing but the name is left, also after a start.
    world.crash(CATHY);
    assert!(world.state(CATHY, &room).messages[0].answers_expired);
    let id = secret.to_string();
    let left = world.actors[CATHY].saved.rooms[&room].values.keys();
    let left: Vec<_> = left.filter(|name| name.contains(&id)).cloned().collect();
    assert_eq!(left, [format!("expired/{id}")]);
    // It can be neither answered nor edited any more.
    let draft = Draft::Edit { message: secret, text: "again".to_owned() };
    let refused = world.outcome(ALICE, Command::Send { room: room.clone(), draft });
    assert!(matches!(refused, Err(ClientError::Other(_))), "{refused:?}");
}

/// CONTENT-EXP-1: an end at a time comes whether it was read or not, with nobody online, and what was
/// over while a device was off is gone before anything is shown.
#[test]
fn what_ends_at_a_time_ends_offline() {
    let (mut world, room) = World::with_room(1);
    let bob = world.user(BOB);
    let time = u32::try_from(world.now_ms / 1_000 + 1_000).unwrap();
    let ending = |salt: u8, text: &str| {
        let expires = Some(Expiration { relative: false, time });
        MimiContent { expires, ..MimiContent::text([salt; 16], &bob, &room, text) }
    };
    submit(&mut world, BOB, &room, &framed(&ending(1, "for now")));
    assert_eq!(world.texts(CATHY, &room), ["for now"]);
    world.actors[CATHY].is_deaf = true;
    world.actors[ALICE].is_mute = true;
    submit(&mut world, BOB, &room, &framed(&ending(2, "too late")));
    world.now_ms += 1_000_000;
    // alice was off: not even the first look shows it.
    world.crash(ALICE);
    assert!(world.texts(ALICE, &room).is_empty());
    assert!(!stored(&world, ALICE, &room).contains("for now"));
    wait(&mut world, 1);
    assert!(world.texts(CATHY, &room).is_empty());
    // What is over when it comes is never shown.
    let heard = world.actors[CATHY].heard.len();
    world.actors[CATHY].is_deaf = false;
    world.run();
    assert!(world.texts(CATHY, &room).is_empty());
    assert_eq!(world.actors[CATHY].heard.len(), heard);
    assert!(!stored(&world, CATHY, &room).contains("too late"));
}

/// POLICY-EXPR-1: in a room where messages must end, every one does: ours because they say so, others
/// because it is the room's rule.
#[test]
fn a_room_in_which_nothing_lasts() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let bob = world.device("b.example", "bob", "phone");
    let mut with = RoomPolicy::of_preset(Preset::Cooperative);
    let range = ExpirationRange {
        min_expiration_duration: 60,
        max_expiration_duration: 600,
        default_expiration_duration: Some(120),
    };
    let policy = MessageExpiration { expiring_messages: Conditional::Required(range) };
    with.components.insert(MESSAGE_EXPIRATION_POLICY, policy.encode());
    if let Some(base) = &mut with.base {
        base.policy_component_ids.push(MESSAGE_EXPIRATION_POLICY);
    }
    let room = world.create_room_with(alice, with);
    world.befriend(bob, alice);
    let user = world.user(bob);
    world.done(alice, Command::AddUser { room: room.clone(), user: user.clone() });
    for (lifetime, may) in [
        (Lifetime::Seconds(59), false),
        (Lifetime::Seconds(60), true),
        (Lifetime::Unlimited, false),
        (Lifetime::AsSuggested, true),
    ] {
        let chosen = world.outcome(alice, Command::SetLifetime { room: room.clone(), lifetime });
        assert_eq!(chosen.is_ok(), may, "{lifetime:?}");
    }
    assert_eq!(world.state(alice, &room).lifetime_s, Some(120));
    world.text(alice, &room, "two minutes");
    let saved = &world.actors[bob].saved.rooms[&room].messages;
    let sent = MimiContent::decode(&saved.values().next().unwrap().content).unwrap();
    assert_eq!(sent.expires, Some(Expiration { relative: true, time: 120 }));
    // Somebody who does not know of it.
    let lasting = MimiContent::text([9; 16], &user, &room, "for ever");
    submit(&mut world, bob, &room, &framed(&lasting));
    let ids: Vec<_> = world.state(alice, &room).messages.iter().map(|it| it.id).collect();
    world.done(alice, Command::MarkRead { room: room.clone(), messages: ids });
    world.crash(alice);
    assert_eq!(world.texts(alice, &room), ["two minutes", "for ever"]);
    wait(&mut world, 121_000);
    assert!(world.texts(alice, &room).is_empty());
}

/// CONTENT-SEC-1, AMB-CNT-15: a message that says it is older than the room is dropped; a device
/// takes for the room's beginning the hub's time of the event that brought it in.
#[test]
fn messages_from_before_the_room_are_dropped() {
    let (mut world, room) = World::with_room(1);
    world.text(ALICE, &room, "in time");
    for actor in [ALICE, BOB, CATHY] {
        let began = world.actors[actor].session.rooms[&room].began_ms.unwrap();
        let first = world.state(actor, &room).messages[0].timestamp_ms;
        assert!(began < first, "{actor}");
        world.crash(actor);
        assert_eq!(world.actors[actor].session.rooms[&room].began_ms, Some(began));
        // A hub that dates the next message back, just to the beginning and then before it.
        let known = world.actors[actor].session.rooms.get_mut(&room).unwrap();
        known.began_ms = Some(first + 1_000_000);
    }
    world.now_ms += 999_000;
    world.text(BOB, &room, "too early");
    for actor in [ALICE, CATHY] {
        assert_eq!(world.texts(actor, &room), ["in time"]);
    }
    world.now_ms += 2_000;
    world.text(BOB, &room, "now");
    for actor in [ALICE, CATHY] {
        assert_eq!(world.texts(actor, &room), ["in time", "now"]);
    }
}

/// A message whose sender encrypts it once more, not knowing that it was accepted, does not come back
/// to those for whom its time is over.
#[test]
fn what_has_ended_does_not_come_back() {
    let (mut world, room) = World::with_room(8);
    live(&mut world, ALICE, &room, Lifetime::Seconds(1_000));
    let secret = world.text(ALICE, &room, "the password is fish");
    let content = &world.actors[CATHY].saved.rooms[&room].messages[&secret].content;
    let content = MimiContent::decode(content).unwrap();
    world.done(CATHY, Command::MarkRead { room: room.clone(), messages: vec![secret] });
    wait(&mut world, 1_001_000);
    assert!(world.texts(CATHY, &room).is_empty());
    submit(&mut world, ALICE, &room, &framed(&content));
    assert!(world.texts(CATHY, &room).is_empty());
    assert!(!stored(&world, CATHY, &room).contains("fish"));
    // To whom it has not ended it is no news.
    assert_eq!(world.texts(BOB, &room), ["the password is fish"]);
    world.crash(CATHY);
    submit(&mut world, ALICE, &room, &framed(&content));
    assert!(world.texts(CATHY, &room).is_empty());
}
