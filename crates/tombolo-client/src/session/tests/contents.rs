//! What goes where, and what newcomers and others can read of it.

use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_render::Text;
use mimi_wire::component::CHAT_HISTORY_POLICY;
use mimi_wire::content::{MimiContent, Part};
use mimi_wire::room::chat_history_policy::{HistoryPolicy, HistorySharing};
use mimi_wire::room::optionality::Conditional;
use mimi_wire::{MimiUri, Wire};

use super::world::World;
use crate::session::command::{Command, Draft, MetadataChange, NewJoinLink};

const ALICE: usize = 0;
const BOB: usize = 1;
const CATHY: usize = 3;

/// PROTO-UPD-1: participants, roles, policy, metadata, links and leaves all change by the hub's
/// `update`, and by nothing else.
#[test]
fn every_change_goes_to_update() {
    let (mut world, room) = World::with_room(1);
    let dave = world.device("c.example", "dave", "phone");
    world.befriend(dave, ALICE);
    let (bob, user) = (world.user(BOB), world.user(dave));
    let to = || room.clone();
    let changes = [
        (ALICE, Command::AddUser { room: to(), user: user.clone() }),
        (ALICE, Command::ChangeRole { room: to(), user: bob, role: 3 }),
        (ALICE, Command::RenameRoom { room: to(), name: "Library".to_owned() }),
        (
            ALICE,
            Command::ChangeMetadata { room: to(), change: MetadataChange::Mood("calm".to_owned()) },
        ),
        (ALICE, Command::KickUser { room: to(), user: user.clone() }),
        (ALICE, Command::BanUser { room: to(), user: user.clone() }),
        (ALICE, Command::UnbanUser { room: to(), user: user.clone(), role: None }),
        (ALICE, Command::RemoveUser { room: to(), user: user.clone() }),
        (CATHY, Command::LeaveRoom(to())),
    ];
    for (actor, change) in changes {
        let epoch = world.hub.room(&room).group.view().epoch;
        world.hub.asked.clear();
        world.done(actor, change.clone());
        world.run();
        let prepares = ["key material", "issuers", "stock", "upload"];
        let asked = world.hub.asked.iter().filter(|kind| !prepares.contains(kind));
        let asked: Vec<_> = asked.collect();
        assert!(!asked.is_empty() && asked.iter().all(|kind| **kind == "update"), "{asked:?}");
        assert!(world.hub.room(&room).group.view().epoch > epoch, "{change:?}");
    }
    // Somebody who comes in by itself asks for the group first.
    world.hub.asked.clear();
    let link = Command::CreateJoinLink { room: to(), wish: NewJoinLink::default() };
    // This room's rules make no links; what is refused goes nowhere.
    assert!(world.outcome(ALICE, link).is_err());
    assert!(!world.hub.asked.contains(&"update"));
}

/// PROTO-ST-5: no follower is made an external sender, so none has to be taken out when its last user
/// leaves: the hub is the only one all along.
#[test]
fn followers_are_no_external_senders() {
    let (mut world, room) = World::with_room(1);
    let names = |world: &World, domain: &str| {
        let octets = world.hub.room(&room).group.group_info().octets().to_vec();
        // A basic credential of a provider, as in `external_senders`.
        let uri = format!("mimi://{domain}");
        let length = u8::try_from(uri.len()).unwrap();
        let credential = [&[0, 1, length], uri.as_bytes()].concat();
        octets.windows(credential.len()).filter(|window| **window == credential).count()
    };
    let check = |world: &World| {
        assert_eq!(names(world, "a.example"), 1);
        assert_eq!(names(world, "b.example") + names(world, "c.example"), 0);
    };
    check(&world);
    world.done(CATHY, Command::LeaveRoom(room.clone()));
    world.run();
    let left = world.state(ALICE, &room).participants;
    assert!(left.iter().all(|one| one.user.domain().as_str() != "c.example"));
    check(&world);
}

/// POLICY-HIST-1: nobody here shares history, whatever the room would allow: newcomers read what is
/// written from then on, and get nothing else.
#[test]
fn newcomers_get_no_history() {
    let sharing = || HistorySharing {
        roles_that_can_share: vec![2, 3, 4],
        automatically_share: true,
        max_time_period: 86_400,
    };
    for policy in
        [Conditional::Forbidden, Conditional::Optional(sharing()), Conditional::Required(sharing())]
    {
        let mut world = World::new(1);
        let alice = world.device("a.example", "alice", "phone");
        let bob = world.device("b.example", "bob", "phone");
        let mut with = RoomPolicy::of_preset(Preset::Cooperative);
        let policy = HistoryPolicy { history_sharing: policy };
        with.components.insert(CHAT_HISTORY_POLICY, policy.encode());
        if let Some(base) = &mut with.base {
            base.policy_component_ids.push(CHAT_HISTORY_POLICY);
        }
        let room = world.create_room_with(alice, with);
        world.text(alice, &room, "before");
        world.befriend(bob, alice);
        let user = world.user(bob);
        world.hub.asked.clear();
        world.done(alice, Command::AddUser { room: room.clone(), user });
        world.run();
        assert!(!world.hub.asked.contains(&"submit"), "nothing is sent to the newcomer");
        world.text(alice, &room, "after");
        assert_eq!(world.texts(bob, &room), ["after"]);
    }
}

fn body(world: &World, actor: usize, room: &MimiUri) -> (String, String) {
    let saved = &world.actors[actor].saved.rooms[room].messages;
    let newest = saved.values().max_by_key(|message| message.timestamp_ms).unwrap();
    let content = MimiContent::decode(&newest.content).unwrap();
    let Part::Single { content_type, content } = content.body.part else { panic!("a text") };
    (content_type, String::from_utf8(content).unwrap())
}

/// CONTENT-GFM-1: what is sent as Markdown holds no HTML tags, in messages, answers, topics and
/// edits, and reads as what was written; a text without markup is sent as one.
#[test]
fn tags_are_sent_as_text() {
    let (mut world, room) = World::with_room(1);
    let written = "a <b>bold</b> *word* & 1 < 2 <!-- hidden -->";
    let text = || written.to_owned();
    let first = world.text(ALICE, &room, "first");
    for draft in [
        Draft::Text { text: text(), in_reply_to: None },
        Draft::Text { text: text(), in_reply_to: Some(first) },
        Draft::Topic { text: text(), topic: b"html".to_vec() },
        Draft::Edit { message: first, text: text() },
    ] {
        world.message(ALICE, &room, draft);
        let (content_type, sent) = body(&world, CATHY, &room);
        assert_eq!(content_type, "text/markdown;variant=GFM-MIMI");
        assert!(!sent.contains("<b>") && !sent.contains("<!--"), "{sent}");
        assert!(sent.contains("1 < 2") && sent.contains("*word*"), "{sent}");
        let read = Text::from_markdown(&sent).plain();
        assert_eq!(read, "a <b>bold</b> word & 1 < 2 <!-- hidden -->");
    }
    world.message(ALICE, &room, Draft::Plain { text: text() });
    let plain = ("text/plain;charset=utf-8".to_owned(), written.to_owned());
    assert_eq!(body(&world, CATHY, &room), plain);
}
