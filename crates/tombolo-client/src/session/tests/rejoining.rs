//! A device whose group cannot follow the hub's comes in again by itself.

use mimi_mls::hub::HubGroup;
use mimi_mls::member::{Founding, MemberGroup};
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

/// The hub puts another group, of a member's making and by the very rules of the room, in its place.
fn put_another_group(world: &mut World, room: &MimiUri, group_id: &[u8]) {
    let before = world.hub.room(room).group.view().clone();
    let alice = world.user(ALICE);
    let others = before.participants.participants.iter().filter(|pair| pair.user != alice);
    let founding = Founding {
        group_id: group_id.to_vec(),
        metadata: before.metadata.clone(),
        roles: before.roles.clone(),
        creator_role: before.role_index_of(&alice).unwrap(),
        others: others.cloned().collect(),
        preauth: before.preauth.clone(),
        base_policy: before.base_policy.clone().unwrap(),
        components: before.other_components.clone(),
        hub_sender: world.hub.keys[&room.domain()].external_sender(),
    };
    let now_ms = world.now_ms;
    let device = &world.actors[ALICE].session.device;
    let (_, info, tree) =
        MemberGroup::create(device, &founding, &mut tombolo_testkit::rng(77), now_ms).unwrap();
    let group = HubGroup::open(&info, &tree, &world.hub.issuers, now_ms).unwrap();
    world.hub.rooms.get_mut(room).unwrap().group = group;
}

/// AMB-ID-5: whoever comes in again comes into the group it was in, or nowhere; a person who was out
/// comes as a newcomer, into whatever the room is by then.
#[test]
fn another_group_in_the_rooms_place_is_not_entered() {
    let frozen = |status: RoomStatus| match status {
        RoomStatus::Frozen { reason } => reason.contains("another group"),
        _ => false,
    };
    for (seed, is_another, crashes) in [(5, false, false), (6, true, false), (7, true, true)] {
        let (mut world, room) = left_behind(seed);
        let id = world.hub.room(&room).group.group_id().to_vec();
        let other = b"mimi://a.example/g/other".to_vec();
        if crashes {
            // Its commit loses a race: the old group is given up by then, and its id read from the store.
            let asked = |world: &World| {
                world.hub.asked.iter().filter(|asked| **asked == "group info").count()
            };
            let before = asked(&world);
            while asked(&world) == before {
                assert!(world.step());
            }
            world.actors[CATHY].is_mute = true;
            let name = "Gallery".to_owned();
            world.done(ALICE, Command::RenameRoom { room: room.clone(), name });
            world.actors[CATHY].is_mute = false;
            world.run_at_once();
            assert!(world.actors[CATHY].saved.rooms[&room].values.contains_key("last group"));
            world.crash(CATHY);
        }
        put_another_group(&mut world, &room, if is_another { &other } else { &id });
        world.run();
        let status = world.state(CATHY, &room).status;
        assert_eq!(frozen(status.clone()), is_another, "{status:?}");
        assert_eq!(status == RoomStatus::Joined, !is_another, "its id is all that differs");
        world.crash(CATHY);
        world.run();
        assert_eq!(frozen(world.state(CATHY, &room).status), is_another);
        let entered = world.hub.room(&room).group.view().clients.len();
        assert_eq!(entered, if is_another { 1 } else { 2 });
        assert_eq!(world.texts(CATHY, &room), ["before"]);
    }
}

/// Nor by a look at where the hub is.
#[test]
fn a_look_at_another_group_freezes() {
    let (mut world, room) = World::with_room(8);
    world.text(ALICE, &room, "before");
    put_another_group(&mut world, &room, b"mimi://a.example/g/other");
    world.hub.lets_nobody_write = true;
    let draft = Draft::Text { text: "to whom?".to_owned(), in_reply_to: None };
    let sent = world.outcome(CATHY, Command::Send { room: room.clone(), draft });
    assert!(matches!(sent, Err(ClientError::Frozen { .. })), "{sent:?}");
    assert!(matches!(world.state(CATHY, &room).status, RoomStatus::Frozen { .. }));
}
