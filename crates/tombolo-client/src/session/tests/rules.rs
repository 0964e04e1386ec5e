//! What people do by the rules of a room, and what they are told where the rules say no.

use mimi_mls::member::CommitPlan;
use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::content::MimiContent;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair};

use super::judging::{commit_unjudged, framed, submit};
use super::world::World;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft, MetadataChange, Outcome};
use crate::shown::{Attempt, RoomStatus};

const ALICE: usize = 0;
const BOB: usize = 1;
const BOBS_LAPTOP: usize = 2;
const CATHY: usize = 3;

const ORDINARY: u32 = 2;
const ADMIN: u32 = 3;

fn role(world: &World, room: &MimiUri, actor: usize, role: u32) -> Command {
    Command::ChangeRole { room: room.clone(), user: world.user(actor), role }
}

fn text(room: &MimiUri, text: &str) -> Command {
    let draft = Draft::Text { text: text.to_owned(), in_reply_to: None };
    Command::Send { room: room.clone(), draft }
}

fn metadata(room: &MimiUri, change: MetadataChange) -> Command {
    Command::ChangeMetadata { room: room.clone(), change }
}

/// alice's room of a policy, with bob and cathy in it by their ordinary role.
fn with_policy(policy: RoomPolicy) -> (World, MimiUri) {
    let (mut world, _) = World::with_room(1);
    let room = world.create_room_with(ALICE, policy);
    world.befriend(CATHY, ALICE);
    for actor in [BOB, CATHY] {
        let user = world.user(actor);
        world.done(ALICE, Command::AddUser { room: room.clone(), user });
    }
    world.agree(&room);
    (world, room)
}

fn denial(result: Result<Outcome, ClientError>) -> String {
    match result {
        Err(ClientError::Denied(denied)) => denied.to_string(),
        other => panic!("{other:?}"),
    }
}

/// POLICY-PRESET-1: a room starts by any preset, and everybody comes in by its ordinary role.
#[test]
fn rooms_of_every_preset_but_direct() {
    for preset in Preset::ALL.iter().copied().filter(|preset| *preset != Preset::Direct) {
        let (world, room) = with_policy(RoomPolicy::of_preset(preset));
        let state = world.state(CATHY, &room);
        assert_eq!(state.roles, preset.roles());
        let indices: Vec<u32> = state.participants.iter().map(|it| it.role_index).collect();
        let ordinary = preset.ordinary_role();
        assert_eq!(indices, [preset.creator_role(), ordinary, ordinary], "{preset:?}");
    }
}

/// POLICY-CAP-ROLE-1, and the sentence before anything is sent.
#[test]
fn roles_are_given_by_who_may() {
    let (mut world, room) = World::with_room(1);
    let told = denial(world.outcome(CATHY, role(&world, &room, BOB, ADMIN)));
    assert!(told.starts_with("cathy may not change the role of bob: "), "{told}");
    world.hub.asked.clear();
    denial(world.outcome(CATHY, role(&world, &room, BOB, ADMIN)));
    assert!(world.hub.asked.is_empty(), "the hub is not asked what is known");
    world.done(ALICE, role(&world, &room, BOB, ADMIN));
    assert_eq!(world.state(CATHY, &room).participants[1].role_name, "group_admin");
    world.done(BOB, role(&world, &room, CATHY, ADMIN));
    let nobody = MimiUri::new("mimi://c.example/u/nobody").unwrap();
    let unknown = Command::ChangeRole { room: room.clone(), user: nobody, role: ADMIN };
    assert!(matches!(world.outcome(ALICE, unknown), Err(ClientError::Refused(_))));
    let undefined = denial(world.outcome(ALICE, role(&world, &room, BOB, 77)));
    assert!(undefined.contains("no such role"), "{undefined}");
    // What is so already needs nothing, and role 1 is a ban with all that belongs to it.
    world.done(ALICE, role(&world, &room, BOB, ADMIN));
    world.done(ALICE, role(&world, &room, CATHY, 1));
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Banned);
    world.agree(&room);
}

/// POLICY-CAP-META-1: each field by its own right; races change what they were about and no more.
#[test]
fn metadata_is_changed_by_who_may() {
    let (mut world, room) = World::with_room(1);
    let describe = metadata(&room, MetadataChange::Description("Books we read".to_owned()));
    let told = denial(world.outcome(BOB, describe.clone()));
    assert!(told.starts_with("bob may not change the room's description"), "{told}");
    world.done(ALICE, describe);
    let subject = metadata(&room, MetadataChange::Subject("Middlemarch".to_owned()));
    let mood = metadata(&room, MetadataChange::Mood("curious".to_owned()));
    let subject = world.start(BOB, subject);
    let mood = world.start(CATHY, mood);
    world.run();
    for (actor, operation) in [(BOB, subject), (CATHY, mood)] {
        assert_eq!(world.finished(actor, operation).unwrap(), Outcome::Done);
    }
    world.agree(&room);
    let said = world.state(ALICE, &room).metadata;
    assert_eq!((said.room_subject.as_str(), said.room_mood.as_str()), ("Middlemarch", "curious"));
    assert_eq!(said.room_descriptions[0].description_content, b"Books we read");
    let avatar = metadata(&room, MetadataChange::Avatar("http://a.example/cat".to_owned()));
    let refused = world.outcome(BOB, avatar).unwrap_err().to_string();
    assert!(refused.contains("https"), "{refused}");
}

/// POLICY-CAP-REM-4, POLICY-CAP-ADD-2: who is kicked is still a participant, and comes again.
#[test]
fn kick_and_return() {
    let (mut world, room) = World::with_room(1);
    let kick = Command::KickUser { room: room.clone(), user: world.user(BOB) };
    let told = denial(world.outcome(CATHY, kick.clone()));
    assert!(told.starts_with("cathy may not remove client ") && told.contains(" of bob"), "{told}");
    world.done(ALICE, kick);
    for actor in [BOB, BOBS_LAPTOP] {
        assert_eq!(world.state(actor, &room).status, RoomStatus::Removed);
    }
    assert!(world.state(CATHY, &room).participants[1].clients.is_empty());
    let removed = world.outcome(BOB, text(&room, "hm")).unwrap_err();
    assert!(matches!(removed, ClientError::Removed(_)), "{removed}");
    world.done(BOB, Command::JoinRoom(room.clone()));
    world.text(BOB, &room, "back");
    world.agree(&room);
    assert_eq!(world.texts(CATHY, &room), ["back"]);
}

/// POLICY-CAP-ROLE-4: the ban is lifted, its clients come in by themselves.
#[test]
fn a_ban_is_lifted() {
    let (mut world, room) = World::with_room(1);
    let user = world.user(CATHY);
    world.done(ALICE, Command::BanUser { room: room.clone(), user: user.clone() });
    assert!(world.state(BOB, &room).participants[2].is_banned);
    let banned = world.outcome(CATHY, Command::JoinRoom(room.clone())).unwrap_err();
    assert!(matches!(banned, ClientError::Banned(_)), "{banned}");
    let unban = Command::UnbanUser { room: room.clone(), user, role: None };
    let told = denial(world.outcome(BOB, unban.clone()));
    assert!(told.starts_with("bob may not lift the ban of cathy"), "{told}");
    world.done(ALICE, unban);
    let cathy = world.state(BOB, &room).participants[2].clone();
    assert_eq!((cathy.role_index, cathy.clients.len()), (ORDINARY, 0));
    world.done(CATHY, Command::JoinRoom(room.clone()));
    world.text(CATHY, &room, "thanks");
    world.agree(&room);
}

/// A device that was offline while its user was banned learns it, and what it still wanted to do
/// ends with a sentence.
#[test]
fn ban_while_offline() {
    let (mut world, room) = World::with_room(1);
    world.actors[CATHY].is_deaf = true;
    world.actors[CATHY].is_mute = true;
    let queued = world.start(CATHY, text(&room, "queued"));
    let rename = Command::RenameRoom { room: room.clone(), name: "Cathy's".to_owned() };
    let rename = world.start(CATHY, rename);
    let user = world.user(CATHY);
    world.done(ALICE, Command::BanUser { room: room.clone(), user });
    world.actors[CATHY].is_deaf = false;
    world.actors[CATHY].is_mute = false;
    world.run();
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Banned);
    for operation in [queued, rename] {
        let ended = world.finished(CATHY, operation).unwrap_err();
        assert!(
            matches!(ended, ClientError::Banned(_)) || ended.to_string().contains("hub"),
            "{ended}"
        );
    }
    let again = world.outcome(CATHY, text(&room, "again")).unwrap_err();
    assert_eq!(again.to_string(), format!("you are banned from {room}"));
    assert!(world.texts(ALICE, &room).is_empty());
    world.agree(&room);
}

/// A role is lost while an operation that needs it is on its way: it is built again from what is
/// wanted, and ends with the judge's sentence.
#[test]
fn demotion_during_a_race() {
    let (mut world, room) = World::with_room(1);
    for actor in [BOB, CATHY] {
        world.done(ALICE, role(&world, &room, actor, ADMIN));
    }
    world.actors[BOB].is_mute = true;
    let user = world.user(CATHY);
    let ban = world.start(BOB, Command::BanUser { room: room.clone(), user });
    world.done(ALICE, role(&world, &room, BOB, ORDINARY));
    world.actors[BOB].is_mute = false;
    world.run();
    let told = denial(world.finished(BOB, ban));
    assert!(told.starts_with("bob may not ban cathy: their role ordinary_user has"), "{told}");
    assert_eq!(world.state(CATHY, &room).status, RoomStatus::Joined);
    world.text(BOB, &room, "well then");
    world.agree(&room);
}

/// What waits to be sent is judged again in the epoch it is sent in.
#[test]
fn muted_while_writing() {
    let (mut world, room) = with_policy(RoomPolicy::of_preset(Preset::Moderated));
    let names = world.state(ALICE, &room).roles.roles;
    let index = |name: &str| names.iter().find(|it| it.role_name == name).unwrap().role_index;
    world.done(ALICE, role(&world, &room, BOB, index("speaker")));
    world.text(BOB, &room, "heard");
    world.actors[BOB].is_mute = true;
    let first = world.start(BOB, text(&room, "first"));
    let second = world.start(BOB, text(&room, "second"));
    world.done(ALICE, role(&world, &room, BOB, index("attendee")));
    world.actors[BOB].is_mute = false;
    world.run();
    let told = denial(world.finished(BOB, second));
    assert!(told.starts_with("bob may not send messages: their role attendee lacks"), "{told}");
    // The first was encrypted as a speaker, and the hub takes it as such or not at all.
    let heard = world.finished(BOB, first);
    let expected: &[&str] = if heard.is_ok() { &["heard", "first"] } else { &["heard"] };
    assert_eq!(world.texts(ALICE, &room), expected);
    world.agree(&room);
}

/// AMB-POL-40, POLICY-CAP-MSG-2: the hub lets a role write that may only react; receivers do not
/// show its plain message as one.
#[test]
fn a_plain_message_of_who_may_only_react() {
    let (mut world, room) = with_policy(RoomPolicy::of_preset(Preset::Moderated));
    let hello = world.text(ALICE, &room, "hello");
    let bob = world.user(BOB);
    let told = denial(world.outcome(BOB, text(&room, "me too")));
    assert!(told.starts_with("bob may not send messages"), "{told}");
    let forged = MimiContent::text([7; 16], &bob, &room, "me too");
    submit(&mut world, BOB, &room, &framed(&forged));
    for actor in [ALICE, CATHY] {
        assert_eq!(world.texts(actor, &room), ["hello"]);
        let shown = world.state(actor, &room).messages;
        let refused = shown[1].refused.as_ref().unwrap();
        assert_eq!(refused.attempt, Attempt::Send { text: Some("me too".to_owned()) });
        assert_eq!((shown[1].text.as_ref(), refused.reason.as_str()), (None, told.as_str()));
    }
    let like = Draft::Reaction { to: hello, reaction: "+1".to_owned() };
    world.message(BOB, &room, like);
    assert_eq!(world.state(CATHY, &room).messages[0].reactions.len(), 1);
    let heard = world.actors[CATHY].heard.iter().any(|event| match event {
        ClientEvent::Message { message, .. } => message.refused.is_some(),
        _ => false,
    });
    assert!(heard, "the person sees it at once");
}

/// Topics: started, replied in, changed by who may.
#[test]
fn messages_have_topics() {
    let (mut world, room) = World::with_room(1);
    let topic = Draft::Topic { text: "any good ones?".to_owned(), topic: b"books".to_vec() };
    let first = world.message(BOB, &room, topic);
    let reply = Draft::Text { text: "many".to_owned(), in_reply_to: Some(first) };
    world.message(CATHY, &room, reply);
    let shown = world.state(ALICE, &room).messages;
    assert_eq!((&*shown[0].topic, &*shown[1].topic), (&b"books"[..], &b"books"[..]));
    let set = |topic: &[u8]| Draft::SetTopic { message: first, topic: topic.to_vec() };
    let others = Command::Send { room: room.clone(), draft: set(b"films") };
    let told = denial(world.outcome(CATHY, others));
    assert!(told.contains("topic of somebody else"), "{told}");
    world.message(ALICE, &room, set(b"films"));
    let shown = world.state(CATHY, &room).messages[0].clone();
    assert_eq!((&*shown.topic, shown.text.as_deref()), (&b"films"[..], Some("any good ones?")));
    assert_eq!(shown.sender, world.user(BOB));
    let edit = Draft::Edit { message: first, text: "any?".to_owned() };
    world.message(BOB, &room, edit);
    let shown = world.state(CATHY, &room).messages[0].clone();
    assert_eq!((&*shown.topic, shown.text.as_deref()), (&b"films"[..], Some("any?")));
    world.agree(&room);
    let before = world.state(CATHY, &room);
    world.crash(CATHY);
    assert_eq!(world.state(CATHY, &room), before);
}

/// POLICY-CAP-POL-1, POLICY-ROLE-3: definitions change in a room whose policy lets somebody do so.
#[test]
fn a_policy_is_changed() {
    let mut policy = RoomPolicy::of_preset(Preset::Cooperative);
    let creator = policy.creator_role;
    let role_of = |policy: &mut RoomPolicy, index: u32, capability: Capability| {
        let role = policy.roles.roles.iter_mut().find(|role| role.role_index == index).unwrap();
        role.role_capabilities.push(capability);
    };
    role_of(&mut policy, creator, Capability::CAN_CHANGE_ROLE_DEFINITIONS);
    let (mut world, room) = with_policy(policy.clone());
    let mut wanted = policy.clone();
    role_of(&mut wanted, ORDINARY, Capability::CAN_CHANGE_ROOM_DESCRIPTION);
    wanted.base.as_mut().unwrap().max_users = Some(3);
    let change = Command::ChangePolicy { room: room.clone(), policy: Box::new(wanted.clone()) };
    let told = denial(world.outcome(BOB, change.clone()));
    assert!(told.starts_with("bob may not change"), "{told}");
    // Somebody's leave is pending: it goes first, alone.
    world.start(CATHY, Command::LeaveRoom(room.clone()));
    world.run_at_once();
    world.done(ALICE, change.clone());
    world.agree(&room);
    let view = world.actors[BOB].session.view(&room).unwrap();
    assert_eq!((&view.roles, &view.base_policy), (&wanted.roles, &wanted.base));
    assert_eq!(view.participants.participants.len(), 2);
    let epoch = view.epoch;
    world.done(ALICE, change);
    assert_eq!(world.state(ALICE, &room).epoch, epoch, "what holds already needs no commit");
    let described = metadata(&room, MetadataChange::Description("ours".to_owned()));
    world.done(BOB, described);
    // What the judge cannot let stand is said before it is sent.
    let mut broken = wanted;
    broken.roles.roles.retain(|role| role.role_index != ORDINARY);
    let change = Command::ChangePolicy { room: room.clone(), policy: Box::new(broken) };
    assert!(!denial(world.outcome(ALICE, change)).is_empty());
    world.agree(&room);
}

/// AMB-POL-19: proposals that a hub should not have accepted freeze the room too, since whoever
/// commits next would have to include them.
#[test]
fn commits_against_the_rules_freeze_everybody_else() {
    let (mut world, room) = World::with_room(1);
    let rise = UserIndexRolePair { user_index: 2, role_index: 4 };
    let update =
        ParticipantListUpdate { changed_role_participants: vec![rise], ..Default::default() };
    let plan = CommitPlan { participants: Some(update), ..Default::default() };
    commit_unjudged(&mut world, BOB, &room, &plan);
    world.run();
    for actor in [ALICE, BOBS_LAPTOP, CATHY] {
        assert!(matches!(world.state(actor, &room).status, RoomStatus::Frozen { .. }));
        assert_eq!(world.actors[actor].session.evidence(&room).unwrap().len(), 1);
        assert_eq!(world.state(actor, &room).participants[2].role_index, ORDINARY);
    }
}
