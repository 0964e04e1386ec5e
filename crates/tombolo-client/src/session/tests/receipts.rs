//! What devices tell each other of messages: as the room and the person will have it, in few
//! messages, and nothing that somebody else could have said.

use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_wire::component::STATUS_NOTIFICATION_POLICY;
use mimi_wire::content::{MessageId, MimiContent};
use mimi_wire::media::{ApplicationFraming, MIMI_MESSAGE_STATUS, MediaType};
use mimi_wire::room::optionality::Optionality;
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use mimi_wire::status::{MessageStatus, MessageStatusReport};
use mimi_wire::{MimiUri, Wire};

use super::judging::{framed, submit};
use super::world::World;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft, ReceiptSetting};
use crate::session::receipts::{OWED_MAX, REPORT_ENTRIES_MAX};

const ALICE: usize = 0;
const BOB: usize = 1;
const BOBS_LAPTOP: usize = 2;
const CATHY: usize = 3;
const ALL: ReceiptSetting = ReceiptSetting { delivered: true, read: true };
const NONE: ReceiptSetting = ReceiptSetting { delivered: false, read: false };

fn told(world: &World, actor: usize, room: &MimiUri, id: MessageId) -> Vec<(String, String)> {
    let state = world.state(actor, room);
    let message = state.messages.into_iter().find(|message| message.id == id).unwrap();
    let name = |user: &MimiUri| user.as_str().rsplit('/').next().unwrap().to_owned();
    message.statuses.iter().map(|(user, status)| (name(user), status.to_string())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(user, status)| ((*user).to_owned(), (*status).to_owned())).collect()
}

fn read(world: &mut World, actor: usize, room: &MimiUri, messages: &[MessageId]) {
    let (room, messages) = (room.clone(), messages.to_vec());
    world.done(actor, Command::MarkRead { room, messages });
}

fn everybody_tells(world: &mut World, setting: ReceiptSetting) {
    for actor in 0..world.actors.len() {
        world.done(actor, Command::SetReceipts(setting));
    }
}

fn submissions(world: &World) -> usize {
    world.hub.asked.iter().filter(|kind| **kind == "submit").count()
}

/// A room with bob in it, where receipts are as the policy says.
fn room_with(policy: StatusNotificationPolicy) -> (World, MimiUri) {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let bob = world.device("b.example", "bob", "phone");
    let mut with = RoomPolicy::of_preset(Preset::Cooperative);
    with.components.insert(STATUS_NOTIFICATION_POLICY, policy.encode());
    if let Some(base) = &mut with.base {
        base.policy_component_ids.push(STATUS_NOTIFICATION_POLICY);
    }
    let room = world.create_room_with(alice, with);
    world.befriend(bob, alice);
    let user = world.user(bob);
    world.done(alice, Command::AddUser { room: room.clone(), user });
    (world, room)
}

/// STATUS-3, POLICY-STAT-1: required is told, forbidden is not, whatever the person wishes; in
/// between the person decides. Of each kind by itself.
#[test]
fn what_is_told_by_policy_and_wish() {
    use Optionality as O;
    for policy in [O::Optional, O::Required, O::Forbidden] {
        for wish in [true, false] {
            let tells = match policy {
                O::Required => true,
                O::Optional => wish,
                O::Forbidden => false,
            };
            for kind in [MessageStatus::DELIVERED, MessageStatus::READ] {
                let is_delivery = kind == MessageStatus::DELIVERED;
                let (delivery, receipts) =
                    if is_delivery { (policy, O::Forbidden) } else { (O::Forbidden, policy) };
                let (mut world, room) = room_with(StatusNotificationPolicy {
                    delivery_notifications: delivery,
                    read_receipts: receipts,
                });
                let setting = ReceiptSetting { delivered: wish, read: wish };
                world.done(1, Command::SetReceipts(setting));
                let hello = world.text(0, &room, "hello");
                read(&mut world, 1, &room, &[hello]);
                let expected: &[_] = if tells { &[("bob", kind.name().unwrap())] } else { &[] };
                let told = told(&world, 0, &room, hello);
                assert_eq!(told, pairs(expected), "{policy:?}, wish {wish}, {kind}");
            }
        }
    }
}

/// AMB-STA-2, STATUS-1: what arrives together is told in one message, once for all devices of a user,
/// never of reports, reactions, edits and deletions, and reading supersedes arriving.
#[test]
fn reports_are_few() {
    let (mut world, room) = World::with_room(1);
    everybody_tells(&mut world, ALL);
    let before = submissions(&world);
    let mut sent = Vec::new();
    for number in 0..30 {
        let draft = Draft::Text { text: format!("number {number}"), in_reply_to: None };
        world.start(ALICE, Command::Send { room: room.clone(), draft });
    }
    world.run();
    sent.extend(world.state(ALICE, &room).messages.iter().map(|message| message.id));
    assert_eq!(sent.len(), 30);
    // bob with two devices, cathy with one: seldom more than a report each.
    let reports = submissions(&world) - before - 30;
    assert!((2..=6).contains(&reports), "{reports} reports");
    for id in &sent {
        let expected = pairs(&[("bob", "delivered"), ("cathy", "delivered")]);
        assert_eq!(told(&world, ALICE, &room, *id), expected);
    }
    // Others see nothing of it, and it is none of the conversation.
    assert!(told(&world, CATHY, &room, sent[0]).is_empty());
    world.agree(&room);
    // What is read is told as one, too, and not again by the other device.
    let before = submissions(&world);
    read(&mut world, BOB, &room, &sent);
    read(&mut world, BOB, &room, &sent);
    read(&mut world, BOBS_LAPTOP, &room, &sent);
    assert_eq!(submissions(&world) - before, 1);
    assert_eq!(told(&world, ALICE, &room, sent[7])[0], pairs(&[("bob", "read")])[0]);
    assert_eq!(world.state(BOBS_LAPTOP, &room).unread, 0, "read on the phone is read");
    assert_eq!(world.state(CATHY, &room).unread, 30);
    // Nothing is told of what is about a message.
    let before = submissions(&world);
    for draft in [
        Draft::Reaction { to: sent[0], reaction: "👍".to_owned() },
        Draft::Edit { message: sent[0], text: "number zero".to_owned() },
        Draft::Delete { message: sent[1] },
    ] {
        world.message(ALICE, &room, draft);
    }
    assert_eq!(submissions(&world) - before, 3);
    // It stays known.
    world.crash(ALICE);
    assert_eq!(told(&world, ALICE, &room, sent[7])[0], pairs(&[("bob", "read")])[0]);
    let told = |event: &ClientEvent| matches!(event, ClientEvent::Status { .. });
    assert!(world.actors[ALICE].heard.iter().any(told));
}

/// STATUS-4: nothing but arriving and reading is told, and nothing at all before the person was
/// asked.
#[test]
fn nothing_is_told_unasked() {
    let (mut world, room) = World::with_room(1);
    let hello = world.text(ALICE, &room, "hello");
    let before = submissions(&world);
    read(&mut world, BOB, &room, &[hello]);
    assert_eq!(submissions(&world), before);
    assert_eq!(world.actors[BOB].session.receipts(), None);
    // Later wishes are about later messages.
    everybody_tells(&mut world, ALL);
    world.run();
    assert_eq!(submissions(&world), before);
    // One is told and the other is not.
    world.done(BOB, Command::SetReceipts(ReceiptSetting { delivered: true, read: false }));
    world.done(CATHY, Command::SetReceipts(NONE));
    let again = world.text(ALICE, &room, "again");
    read(&mut world, BOB, &room, &[again]);
    assert_eq!(told(&world, ALICE, &room, again), pairs(&[("bob", "delivered")]));
    world.crash(BOB);
    let setting = world.actors[BOB].session.receipts();
    assert_eq!(setting, Some(ReceiptSetting { delivered: true, read: false }));
}

/// STATUS-5, STATUS-2: what others say of third parties, of their own words, of what nobody knows,
/// or against the course of things, counts for nothing. AMB-STA-1: a report may stand in the framing
/// alone.
#[test]
fn reports_that_mean_nothing() {
    let (mut world, room) = World::with_room(1);
    let (hello, hi) = (world.text(ALICE, &room, "hello"), world.text(BOB, &room, "hi"));
    let report = |entries: &[(MessageId, MessageStatus)]| {
        let inner_application_content = MessageStatusReport(entries.to_vec()).encode();
        let media_type = MediaType::new(MIMI_MESSAGE_STATUS);
        ApplicationFraming { media_type, inner_application_content }.encode()
    };
    let unknown = MessageId([1; 32]);
    let read = MessageStatus::READ;
    submit(&mut world, BOB, &room, &report(&[(unknown, read), (hi, read), (hello, read)]));
    assert_eq!(told(&world, ALICE, &room, hello), pairs(&[("bob", "read")]));
    assert!(told(&world, BOB, &room, hi).is_empty());
    assert!(
        told(&world, CATHY, &room, hi).is_empty() && told(&world, CATHY, &room, hello).is_empty()
    );
    submit(&mut world, BOB, &room, &report(&[(hello, MessageStatus::DELIVERED)]));
    assert_eq!(told(&world, ALICE, &room, hello), pairs(&[("bob", "read")]));
    submit(&mut world, BOB, &room, &report(&[(hello, MessageStatus::DELETED)]));
    submit(&mut world, BOB, &room, &report(&[(hello, read)]));
    assert_eq!(told(&world, ALICE, &room, hello), pairs(&[("bob", "deleted")]));
    // What says that it is a report and is none is dropped.
    let bob = world.user(BOB);
    let mut broken = MimiContent::text([1; 16], &bob, &room, "");
    broken.body.part = mimi_wire::content::Part::Single {
        content_type: MIMI_MESSAGE_STATUS.to_owned(),
        content: b"no CBOR".to_vec(),
    };
    submit(&mut world, BOB, &room, &framed(&broken));
    assert_eq!(world.texts(ALICE, &room), ["hello", "hi"]);
}

/// What was owed when a device stopped is told after its start, and only once.
#[test]
fn what_is_owed_survives_a_crash() {
    for seed in 0..8 {
        let (mut world, room) = World::with_room(seed);
        world.done(CATHY, Command::SetReceipts(ALL));
        world.faults.crashes = 10;
        world.faults.answers_lost = 10;
        world.faults.delays = 10;
        let draft = Draft::Text { text: "hello".to_owned(), in_reply_to: None };
        world.start(ALICE, Command::Send { room: room.clone(), draft });
        world.run();
        let hello = world.state(CATHY, &room).messages[0].id;
        let messages = vec![hello];
        world.start(CATHY, Command::MarkRead { room: room.clone(), messages });
        world.run();
        world.faults = super::world::Faults::default();
        world.run();
        assert_eq!(told(&world, ALICE, &room, hello), pairs(&[("cathy", "read")]), "seed {seed}");
        let saved = &world.actors[CATHY].saved.rooms[&room].values;
        assert!(!saved.keys().any(|name| name.starts_with("owed/") || name.starts_with("send/")));
        world.agree(&room);
    }
}

/// A device that was away for long tells of the newest messages only, and of no more than so many
/// in one report.
#[test]
fn a_long_absence_is_no_storm() {
    let (mut world, room) = room_with(StatusNotificationPolicy::default());
    world.done(1, Command::SetReceipts(ALL));
    world.actors[1].is_deaf = true;
    let total = OWED_MAX + 1;
    for number in 0..total {
        let draft = Draft::Text { text: format!("number {number}"), in_reply_to: None };
        world.start(0, Command::Send { room: room.clone(), draft });
        world.run_at_once();
    }
    world.run();
    let before = submissions(&world);
    world.actors[1].is_deaf = false;
    world.steps = 0;
    world.run_at_once();
    world.run();
    assert_eq!(submissions(&world) - before, OWED_MAX.div_ceil(REPORT_ENTRIES_MAX));
    let sent = world.state(0, &room).messages;
    let silent: Vec<_> = sent.iter().filter(|message| message.statuses.is_empty()).collect();
    assert_eq!(sent.len(), total);
    assert_eq!(silent.len(), 1, "one over the limit");
    assert_eq!(silent[0].text.as_deref(), Some("number 0"), "the oldest");
}
