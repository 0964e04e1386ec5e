//! What people do, without anything going wrong.

use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{MimiUri, Wire};

use super::world::World;
use crate::contacts::ContactWord;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft, Outcome};
use crate::session::key_packages::{STOCK_FULL, STOCK_LOW};
use crate::session::request::TransportError;
use crate::session::stream_event::StreamEventKind;
use crate::shown::RoomStatus;

const ALICE: usize = 0;
const BOB: usize = 1;
const BOBS_LAPTOP: usize = 2;
const CATHY: usize = 3;

fn user(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

#[test]
fn a_device_registers_and_fills_its_stock() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let identity = world.actors[alice].session.identity().unwrap();
    assert_eq!(identity.user, user("mimi://a.example/u/alice"));
    assert_eq!(world.hub.stock[&identity.client].len() as u64, STOCK_FULL);
    assert_eq!(world.hub.asked, ["register", "issuers", "upload"]);
}

#[test]
fn a_low_stock_is_refilled() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let client = world.actors[alice].client.clone().unwrap();
    world.hub.stock.get_mut(&client).unwrap().truncate(usize::try_from(STOCK_LOW).unwrap());
    world.actors[alice].session.connected(true, world.now_ms, &mut world.rng);
    world.flush(alice);
    world.run();
    assert_eq!(world.hub.stock[&client].len() as u64, STOCK_LOW);
    world.hub.stock.get_mut(&client).unwrap().truncate(1);
    let own = world.user(alice);
    let kind = StreamEventKind::KeyPackagesLow;
    world.hub.log(&own, kind, 1, &[], [client.clone()].iter());
    world.run();
    assert_eq!(world.hub.stock[&client].len() as u64, STOCK_FULL);
}

/// PROTO-UPD-2, FLOW-2, FLOW-3: both users come in with all devices, by a participant of another
/// provider too.
#[test]
fn users_are_added_with_all_their_devices() {
    let (world, room) = World::with_room(1);
    let state = world.state(CATHY, &room);
    let clients: Vec<_> = state.participants.iter().map(|it| it.clients.len()).collect();
    assert_eq!(clients, [1, 2, 1]);
    let roles: Vec<_> = state.participants.iter().map(|it| it.role_name.clone()).collect();
    assert_eq!(roles, ["super_admin", "ordinary_user", "ordinary_user"]);
    for actor in 0..world.actors.len() {
        assert_eq!(world.state(actor, &room).status, RoomStatus::Joined);
        let joined = |event: &&ClientEvent| matches!(event, ClientEvent::Joined(it) if *it == room);
        assert_eq!(world.actors[actor].heard.iter().filter(joined).count(), 1);
    }
}

/// PROTO-KM-6 from the client's side: without consent there is no way in, and it costs nothing.
#[test]
fn without_consent_a_user_cannot_be_added() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let bob = world.device("b.example", "bob", "phone");
    let room = world.create_room(alice);
    let target = world.user(bob);
    let add = Command::AddUser { room: room.clone(), user: target.clone() };
    let refused = world.outcome(alice, add.clone());
    assert!(matches!(refused, Err(ClientError::NoConsent(user)) if user == target));

    let ask = Command::SayContact { word: ContactWord::Ask, user: target.clone(), room: None };
    world.done(alice, ask);
    let requester = world.user(alice);
    let asked = |event: &ClientEvent| matches!(event, ClientEvent::ConsentRequested { requester: by, room: None } if *by == requester);
    assert!(world.actors[bob].heard.iter().any(asked));
    let take_back =
        Command::SayContact { word: ContactWord::TakeBack, user: target.clone(), room: None };
    world.done(alice, take_back);
    let withdrawn = |event: &ClientEvent| matches!(event, ClientEvent::ConsentWithdrawn { requester: by, .. } if *by == requester);
    assert!(world.actors[bob].heard.iter().any(withdrawn));
    world.befriend(bob, alice);
    let granted = |event: &ClientEvent| matches!(event, ClientEvent::ConsentChanged { target: by, granted: true, .. } if *by == target);
    assert!(world.actors[alice].heard.iter().any(granted));
    world.done(alice, add.clone());
    world.agree(&room);

    // Who is there already needs no KeyPackage.
    world.hub.asked.clear();
    world.done(alice, add);
    assert!(world.hub.asked.is_empty());
    let nobody = user("mimi://b.example/u/nobody");
    let unknown = world.outcome(alice, Command::AddUser { room, user: nobody });
    assert!(matches!(unknown, Err(ClientError::Refused(_))));
}

/// AMB-CON-3, PROTO-CON-7: KeyPackages of a grant bring their device in without any being fetched,
/// once, also after a restart.
#[test]
fn key_packages_of_a_grant_are_used_once() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let bob = world.device("b.example", "bob", "phone");
    let (requester, target) = (world.user(alice), world.user(bob));
    let word = ContactWord::AcceptWithKeyPackage;
    world.done(bob, Command::SayContact { word, user: requester, room: None });
    world.crash(alice);
    let rooms = [world.create_room(alice), world.create_room(alice)];
    for (room, fetched) in rooms.iter().zip([0, 1]) {
        world.hub.asked.clear();
        world.done(alice, Command::AddUser { room: room.clone(), user: target.clone() });
        let fetches = world.hub.asked.iter().filter(|asked| **asked == "key material").count();
        assert_eq!(fetches, fetched);
        world.agree(room);
    }
}

/// Who has asked too often is told so, and does not wait for an hour.
#[test]
fn a_long_wait_is_told() {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let word = ContactWord::Ask;
    let ask = Command::SayContact { word, user: user("mimi://b.example/u/bob"), room: None };
    let session = &mut world.actors[alice].session;
    let operation = session.start(ask, world.now_ms, &mut world.rng);
    let outgoing = session.next_request().unwrap();
    let retry_after_ms = Some(3_600_000);
    let busy = TransportError::Busy { message: "too many requests".to_owned(), retry_after_ms };
    session.answer(outgoing.id, Err(busy), world.now_ms, &mut world.rng);
    world.flush(alice);
    let told = world.finished(alice, operation).unwrap_err().to_string();
    assert!(told.contains("try again in 60 minutes"), "{told}");
}

/// FLOW-4, CONTENT-TS-1, PROTO-NTF-7: everybody shows every message once, in one order.
#[test]
fn messages_reach_everybody_once() {
    let (mut world, room) = World::with_room(1);
    let hello = world.text(ALICE, &room, "hello");
    // CONTENT-MSG-1: the same words are never the same message.
    let again = world.text(ALICE, &room, "hello");
    assert_ne!(hello, again);
    world.message(ALICE, &room, Draft::Delete { message: again });
    let reply = Draft::Text { text: "hi".to_owned(), in_reply_to: Some(hello) };
    let reply = world.message(BOB, &room, reply);
    let reaction = Draft::Reaction { to: reply, reaction: "👍".to_owned() };
    world.message(CATHY, &room, reaction);
    let edit = Draft::Edit { message: hello, text: "hello all".to_owned() };
    world.message(ALICE, &room, edit);
    let gone = world.text(CATHY, &room, "oops");
    world.message(CATHY, &room, Draft::Delete { message: gone });
    world.agree(&room);
    let state = world.state(BOBS_LAPTOP, &room);
    let [first, _, second, third] = &state.messages[..] else { panic!("{state:?}") };
    assert_eq!((first.id, first.text.as_deref(), first.edited), (hello, Some("hello all"), true));
    assert_eq!((second.id, second.in_reply_to), (reply, Some(hello)));
    assert_eq!(second.reactions, [(world.user(CATHY), "👍".to_owned())]);
    assert!(third.deleted && third.text.is_none());
    // One octet-identical copy went to each; the sender's own came back and was dropped.
    let shown = world.actors[ALICE].heard.iter();
    let shown = shown.filter(|event| matches!(event, ClientEvent::Message { .. }));
    assert_eq!(shown.count(), 8);
}

/// CONTENT-EDIT-1 from the sender's side.
#[test]
fn nobody_edits_or_deletes_for_others_without_the_right() {
    let (mut world, room) = World::with_room(1);
    let hello = world.text(ALICE, &room, "hello");
    for draft in
        [Draft::Edit { message: hello, text: "bye".to_owned() }, Draft::Delete { message: hello }]
    {
        let refused = world.outcome(BOB, Command::Send { room: room.clone(), draft });
        assert!(matches!(refused, Err(ClientError::Denied(_))), "{refused:?}");
    }
    // An administrator may delete what others wrote.
    let hi = world.text(BOB, &room, "hi");
    world.message(ALICE, &room, Draft::Delete { message: hi });
    world.agree(&room);
    assert!(world.state(CATHY, &room).messages[1].deleted);
}

/// FLOW-6, PROTO-GI-7: a new device of a participant comes in by itself and reads on.
#[test]
fn a_second_device_joins_by_external_commit() {
    let (mut world, room) = World::with_room(1);
    world.text(ALICE, &room, "before");
    let laptop = world.device("c.example", "cathy", "laptop");
    world.done(laptop, Command::JoinRoom(room.clone()));
    world.text(ALICE, &room, "after");
    world.text(laptop, &room, "from the laptop");
    world.agree(&room);
    assert_eq!(world.texts(laptop, &room), ["after", "from the laptop"]);
    assert_eq!(world.texts(CATHY, &room).len(), 3);
    // Once in, joining again is nothing.
    world.hub.asked.clear();
    world.done(laptop, Command::JoinRoom(room));
    assert!(world.hub.asked.is_empty());
}

#[test]
fn strangers_do_not_get_in() {
    let (mut world, room) = World::with_room(1);
    let dave = world.device("c.example", "dave", "phone");
    let refused = world.outcome(dave, Command::JoinRoom(room.clone()));
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
    assert!(world.actors[dave].session.rooms().is_empty());
    assert!(world.actors[dave].saved.rooms.is_empty());
    let nowhere = user("mimi://a.example/r/nowhere");
    assert!(world.outcome(dave, Command::JoinRoom(nowhere)).is_err());
    let add = Command::AddUser { room, user: world.user(dave) };
    assert!(matches!(world.outcome(dave, add), Err(ClientError::NotInRoom(_))));
}

/// FLOW-5, AMB-UPD-9: another member commits the leave by itself after a random delay.
#[test]
fn leaving_takes_all_devices_along() {
    let (mut world, room) = World::with_room(1);
    world.text(BOB, &room, "bye");
    let began_ms = world.now_ms;
    world.done(BOB, Command::LeaveRoom(room.clone()));
    assert!(world.now_ms >= began_ms + 200);
    for actor in [BOB, BOBS_LAPTOP] {
        let state = world.state(actor, &room);
        assert_eq!(state.status, RoomStatus::Left);
        assert_eq!(state.messages.len(), 1, "history stays");
        let left = |event: &&ClientEvent| matches!(event, ClientEvent::Left { .. });
        assert_eq!(world.actors[actor].heard.iter().filter(left).count(), 1);
        assert!(world.actors[actor].saved.rooms[&room].group.is_empty(), "keys are gone");
    }
    world.agree(&room);
    assert_eq!(world.state(ALICE, &room).participants.len(), 2);
    let draft = Draft::Text { text: "still here?".to_owned(), in_reply_to: None };
    let refused = world.outcome(BOB, Command::Send { room: room.clone(), draft });
    assert!(matches!(refused, Err(ClientError::NotInRoom(_))));
    // What is not there need not be left, and who left can be asked back.
    world.done(BOB, Command::LeaveRoom(room.clone()));
    let user = world.user(BOB);
    world.done(ALICE, Command::AddUser { room: room.clone(), user });
    world.text(BOBS_LAPTOP, &room, "back");
    world.agree(&room);
    assert_eq!(world.texts(BOB, &room), ["bye", "back"]);
}

/// FLOW-7, PROTO-UPD-3.
#[test]
fn removing_takes_all_devices_along() {
    let (mut world, room) = World::with_room(1);
    let target = world.user(BOB);
    let remove = Command::RemoveUser { room: room.clone(), user: target };
    world.done(ALICE, remove.clone());
    world.agree(&room);
    for actor in [BOB, BOBS_LAPTOP] {
        assert_eq!(world.state(actor, &room).status, RoomStatus::Removed);
    }
    world.done(ALICE, remove);
    let own = Command::RemoveUser { room, user: world.user(ALICE) };
    assert!(world.outcome(ALICE, own).is_err());
}

/// FLOW-8: the banned neither read nor write nor come back.
#[test]
fn a_banned_user_is_out() {
    let (mut world, room) = World::with_room(1);
    let target = world.user(CATHY);
    let ban = Command::BanUser { room: room.clone(), user: target.clone() };
    let refused = world.outcome(BOB, ban.clone());
    assert!(matches!(refused, Err(ClientError::Denied(_))));
    world.done(ALICE, ban);
    world.text(ALICE, &room, "cathy cannot read this");
    world.agree(&room);
    let state = world.state(CATHY, &room);
    assert_eq!(state.status, RoomStatus::Banned);
    assert!(state.messages.is_empty());
    assert!(world.outcome(CATHY, Command::JoinRoom(room.clone())).is_err());
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Banned);
    let add = Command::AddUser { room: room.clone(), user: target };
    assert!(matches!(world.outcome(BOB, add), Err(ClientError::Refused(_))));
    let banned = &world.state(ALICE, &room).participants[2];
    assert_eq!((banned.role_name.as_str(), banned.clients.len()), ("banned", 0));
}

#[test]
fn a_room_is_renamed_by_who_may() {
    let (mut world, room) = World::with_room(1);
    let name = "Library".to_owned();
    world.done(BOB, Command::RenameRoom { room: room.clone(), name });
    world.agree(&room);
    assert_eq!(world.state(CATHY, &room).name, "Library");
    assert_eq!(world.done(CATHY, Command::CommitPending(room)), Outcome::Done);
}

/// Our own other devices come in without a change of the list.
#[test]
fn own_devices_are_added_by_key_packages() {
    let (mut world, room) = World::with_room(1);
    let tablet = world.device("a.example", "alice", "tablet");
    let user = world.user(ALICE);
    world.done(ALICE, Command::AddUser { room: room.clone(), user });
    world.text(tablet, &room, "hello");
    world.agree(&room);
    assert_eq!(world.state(BOB, &room).participants[0].clients.len(), 2);
}

/// What is encrypted ahead is like what is sent: franked, read by all, and the device goes on.
#[test]
fn texts_are_prepared_ahead_of_their_sending() {
    let (mut world, room) = World::with_room(1);
    let texts = ["one", "two", "three"].map(str::to_owned);
    let (now_ms, mut rng) = (world.now_ms, world.rng.clone());
    let alice = &mut world.actors[ALICE].session;
    let prepared = alice.prepare_texts(&room, &texts, &mut rng).unwrap();
    let (from, client) =
        (alice.identity().unwrap().clone(), alice.identity().unwrap().client.clone());
    assert!(prepared.iter().all(|one| one.outgoing.token.is_some() && !one.message.is_empty()));
    for one in &prepared {
        let request = &one.outgoing.request;
        world.hub.serve(&from.user.domain(), Some(&client), request, now_ms).unwrap();
    }
    world.flush(ALICE);
    world.text(ALICE, &room, "four");
    world.run();
    assert_eq!(world.texts(CATHY, &room), ["one", "two", "three", "four"]);
    let unfrankable =
        world.state(CATHY, &room).messages.into_iter().filter_map(|it| it.unfrankable);
    assert_eq!(unfrankable.count(), 0);
    let refused =
        world.actors[ALICE].session.prepare_texts(&user("mimi://a.example/r/other"), &[], &mut rng);
    assert!(matches!(refused, Err(ClientError::NotInRoom(_))));
}

/// What is said between other people is neither shown nor kept.
#[test]
fn consent_of_other_people_is_passed_over() {
    let (mut world, _) = World::with_room(33);
    let (alice, bob, cathy) = (0, 1, 3);
    let client = world.actors[bob].client.clone().unwrap();
    let heard = world.actors[bob].heard.len();
    for (operation, kind) in [
        (ConsentOperation::Request, StreamEventKind::RequestConsent),
        (ConsentOperation::Cancel, StreamEventKind::RequestConsent),
        (
            ConsentOperation::Grant { client_key_packages: Vec::new() },
            StreamEventKind::UpdateConsent,
        ),
        (ConsentOperation::Revoke, StreamEventKind::UpdateConsent),
    ] {
        let entry = ConsentEntry {
            operation,
            requester_uri: world.user(alice),
            target_uri: world.user(cathy),
            room_id: None,
            consent_extensions: Extensions::default(),
        };
        let (user, now_ms) = (world.user(bob), world.now_ms);
        world.hub.log(&user, kind, now_ms, &entry.encode(), [&client].into_iter());
    }
    world.run();
    assert_eq!(world.actors[bob].heard.len(), heard, "{:?}", world.actors[bob].heard.last());
}

/// A provider that has forgotten everything, also who asks, makes nobody throw out healthy devices.
#[test]
fn a_list_of_devices_without_one_s_own_is_not_believed() {
    let (mut world, room) = World::with_room(32);
    let (bob, laptop, cathy) = (1, 2, 3);
    for device in [bob, laptop] {
        let client = world.actors[device].client.clone().unwrap();
        world.hub.lost_devices.insert(client);
    }
    let asked = world.hub.asked.len();
    world.crash(bob);
    world.run();
    assert!(world.hub.asked[asked..].contains(&"devices"));
    let user = world.user(bob);
    let participants = world.state(cathy, &room).participants;
    assert_eq!(participants.iter().find(|it| it.user == user).unwrap().clients.len(), 2);
    assert_eq!(world.state(laptop, &room).status, RoomStatus::Joined);
}

/// AMB-ST-3: a lost device is taken out of a room at another provider by another device of the same
/// user, without anybody's help; and the last one is left alone.
#[test]
fn a_lost_device_is_removed_by_its_siblings() {
    let (mut world, room) = World::with_room(31);
    let (bob, laptop, cathy) = (1, 2, 3);
    let lost = world.actors[laptop].client.clone().unwrap();
    assert_ne!(room.domain(), lost.domain(), "the hub is another provider");
    let user = world.user(bob);
    let bobs_devices = |world: &World| {
        let participants = world.state(cathy, &room).participants;
        participants.iter().find(|it| it.user == user).unwrap().clients.len()
    };
    world.crash(bob);
    world.run();
    assert_eq!(bobs_devices(&world), 2, "both are known to the provider");
    world.actors[laptop].is_deaf = true;
    world.hub.lost_devices.insert(lost.clone());
    world.crash(bob);
    world.crash(cathy);
    world.run();
    assert_eq!(bobs_devices(&world), 1);
    // The person hears of it, once.
    let told = world.actors[bob].heard.iter().filter_map(|event| match event {
        ClientEvent::DevicesLost(devices) => Some(devices.clone()),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [vec![lost]]);
    world.text(bob, &room, "still here");
    assert!(world.texts(cathy, &room).contains(&"still here".to_owned()));
    // PROTO-NTF-6: it is told, should it ever listen again.
    world.actors[laptop].is_deaf = false;
    world.run();
    assert_eq!(world.state(laptop, &room).status, RoomStatus::Removed);
}
