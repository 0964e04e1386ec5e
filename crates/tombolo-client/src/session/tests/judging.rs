//! Hubs, providers and members that do what they may not: nothing of it is followed or shown.

use mimi_mls::member::CommitPlan;
use mimi_wire::content::{Expiration, MessageId, MimiContent};
use mimi_wire::media::{ApplicationFraming, MediaType};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair};
use mimi_wire::{Domain, MimiUri, Wire};

use super::world::World;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Command, Draft};
use crate::session::request::{Request, Response};
use crate::session::stream_event::StreamEventKind;
use crate::shown::{Attempt, RoomStatus};

const ALICE: usize = 0;
const BOB: usize = 1;
const CATHY: usize = 3;

/// Lets a device commit what its own session would refuse to.
pub(super) fn commit_unjudged(world: &mut World, actor: usize, room: &MimiUri, plan: &CommitPlan) {
    let session = &mut world.actors[actor].session;
    let group = session.rooms.get_mut(room).unwrap().group.as_mut().unwrap();
    let built = group.commit(&session.device, plan, &mut world.rng, world.now_ms);
    let body = UpdateRequest::Commit(built.unwrap().0).encode();
    world.hub.is_corrupt = true;
    let answer = world.hub.update(room, &body, world.now_ms);
    world.hub.is_corrupt = false;
    assert!(matches!(answer.outcome, UpdateOutcome::Success { .. }), "{answer:?}");
}

/// Lets a device send any application data.
pub(super) fn submit(
    world: &mut World,
    actor: usize,
    room: &MimiUri,
    application_data: &[u8],
) -> MlsMessage {
    let sending_uri = world.user(actor);
    let session = &mut world.actors[actor].session;
    let group = session.rooms.get_mut(room).unwrap().group.as_mut().unwrap();
    let app_message = group.encrypt(&session.device, application_data).unwrap();
    let request = SubmitMessageRequest { app_message: app_message.clone(), sending_uri };
    let request = Request::SubmitMessage { room: room.clone(), body: request.encode().into() };
    let domain = Domain::new("a.example").unwrap();
    let answer = world.hub.serve(&domain, None, &request, world.now_ms);
    let Ok(Response::SubmitMessage(answer)) = answer else { panic!("{answer:?}") };
    assert!(matches!(*answer, SubmitMessageResponse::Accepted { .. }));
    world.run();
    app_message
}

pub(super) fn framed(content: &MimiContent) -> Vec<u8> {
    let inner_application_content = content.encode().unwrap();
    ApplicationFraming { media_type: MediaType::default(), inner_application_content }.encode()
}

/// ARCH-4, AMB-POL-19: bob makes himself an administrator with the help of a hub that does not judge. Who
/// sees it freezes the room, keeps the evidence and sends no more.
#[test]
fn a_commit_against_the_rules_freezes_the_room() {
    let (mut world, room) = World::with_room(1);
    world.text(ALICE, &room, "before");
    let rise = UserIndexRolePair { user_index: 1, role_index: 4 };
    let update =
        ParticipantListUpdate { changed_role_participants: vec![rise], ..Default::default() };
    let plan = CommitPlan { participants: Some(update), ..Default::default() };
    commit_unjudged(&mut world, BOB, &room, &plan);
    world.text(BOB, &room, "after");
    world.run();
    let state = world.state(ALICE, &room);
    let RoomStatus::Frozen { reason } = &state.status else { panic!("{:?}", state.status) };
    assert!(reason.contains("bob"), "{reason}");
    let bobs = |state: &crate::RoomState| state.participants[1].role_name.clone();
    assert_eq!(bobs(&state), "ordinary_user", "it is not followed");
    assert_eq!(world.texts(ALICE, &room), ["before"]);
    let frozen = |event: &&ClientEvent| {
        matches!(event, ClientEvent::Left { status: RoomStatus::Frozen { .. }, .. })
    };
    assert_eq!(world.actors[ALICE].heard.iter().filter(frozen).count(), 1);
    let evidence = &world.actors[ALICE].saved.rooms[&room].evidence;
    let (event, told) = evidence.values().next().unwrap();
    assert_eq!((evidence.len(), &event.kind), (1, &StreamEventKind::Commit));
    assert_eq!(told, reason);
    let payload = event.payload.clone();
    // It stays so.
    world.crash(ALICE);
    let evidence = world.actors[ALICE].session.evidence(&room).unwrap();
    let [evidence] = &evidence[..] else { panic!("{evidence:?}") };
    assert_eq!((&evidence.event, &evidence.reason), (&payload, reason));
    let rule = Some("change-user-role (POLICY-CAP-ROLE-1)".to_owned());
    assert!(
        evidence.rule == rule
            || evidence.rule.as_deref() == Some("change-own-role (POLICY-CAP-ROLE-2)")
    );
    assert_eq!(evidence.view.as_ref().map(|view| view.epoch), Some(state.epoch));
    let again =
        mimi_policy::check(evidence.view.as_ref().unwrap(), evidence.change.as_ref().unwrap());
    assert!(reason.contains(&again.unwrap_err().to_string()), "others come to the same");
    let written: crate::shown::Evidence = serde_json::from_str(&evidence.to_json()).unwrap();
    assert_eq!(&written, evidence);
    for command in [
        Command::Send {
            room: room.clone(),
            draft: Draft::Text { text: "hm".to_owned(), in_reply_to: None },
        },
        Command::RenameRoom { room: room.clone(), name: "x".to_owned() },
        Command::LeaveRoom(room.clone()),
        Command::JoinRoom(room.clone()),
    ] {
        let ended = world.outcome(ALICE, command);
        assert!(matches!(ended, Err(ClientError::Frozen { .. })), "{ended:?}");
    }
    assert!(matches!(world.state(ALICE, &room).status, RoomStatus::Frozen { .. }));
}

/// TOM-55: what a hub staples to a commit against the rules freezes the room like any proposals,
/// for who made the commit too, and before anybody builds on it.
#[test]
fn stapled_proposals_against_the_rules_freeze_the_room() {
    let (mut world, room) = World::with_room(1);
    // bob is to go from the list, and his clients are to stay.
    let removed_indices = vec![1];
    world.hub.staple = Some(ParticipantListUpdate { removed_indices, ..Default::default() });
    world.done(ALICE, Command::RenameRoom { room: room.clone(), name: "Library".to_owned() });
    world.run();
    for actor in [ALICE, BOB] {
        let state = world.state(actor, &room);
        assert_eq!(state.name, "Library");
        assert!(matches!(state.status, RoomStatus::Frozen { .. }), "{:?}", state.status);
        assert_eq!(world.actors[actor].session.evidence(&room).unwrap().len(), 1);
    }
}

/// AMB-CNT-4, PROTO-SUB-6: what a message claims to be must be proven.
#[test]
fn messages_that_claim_what_is_not_so_are_dropped() {
    let (mut world, room) = World::with_room(1);
    let (alice, bob) = (world.user(ALICE), world.user(BOB));
    let other = MimiUri::new("mimi://a.example/r/other").unwrap();
    let lies = [
        MimiContent::text([1; 16], &alice, &room, "I am alice"),
        MimiContent::text([2; 16], &bob, &other, "elsewhere"),
    ];
    for lie in lies {
        submit(&mut world, BOB, &room, &framed(&lie));
    }
    // CONTENT-SEC-1: so is what makes no sense.
    for expires in [(true, u32::MAX), (false, 1), (false, u32::MAX)] {
        let mut odd = MimiContent::text([4; 16], &bob, &room, "for ever");
        odd.expires = Some(Expiration { relative: expires.0, time: expires.1 });
        submit(&mut world, BOB, &room, &framed(&odd));
    }
    submit(&mut world, BOB, &room, b"no framing");
    let garbage = ApplicationFraming {
        media_type: MediaType::default(),
        inner_application_content: b"no CBOR".to_vec(),
    };
    submit(&mut world, BOB, &room, &garbage.encode());
    let status = ApplicationFraming {
        media_type: MediaType::new("application/mimi-message-status"),
        inner_application_content: vec![0xa0],
    };
    submit(&mut world, BOB, &room, &status.encode());
    for actor in [ALICE, CATHY] {
        assert!(world.texts(actor, &room).is_empty());
    }
    // Without claims the proof is enough, and the true values make the ID.
    let mut silent = MimiContent::text([3; 16], &bob, &room, "unclaimed");
    silent.extensions.clear();
    let typed = ApplicationFraming {
        media_type: MediaType::new("Application/MIMI-Content"),
        inner_application_content: silent.encode().unwrap(),
    };
    submit(&mut world, BOB, &room, &typed.encode());
    let shown = world.state(CATHY, &room).messages;
    let id = MessageId::compute(&bob, &room, &silent.encode().unwrap(), &[3; 16]);
    assert_eq!(shown[0].id, id);
}

/// CONTENT-EDIT-1, CONTENT-SEC-1: nobody's words are changed by others, and a message counts once.
#[test]
fn violations_of_receivers_rules_are_not_applied() {
    let (mut world, room) = World::with_room(1);
    let hello = world.text(ALICE, &room, "hello");
    let bob = world.user(BOB);
    let forged = MimiContent::edit([1; 16], &bob, &room, hello, "goodbye");
    submit(&mut world, BOB, &room, &framed(&forged));
    let deleted = MimiContent::delete([2; 16], &bob, &room, hello);
    submit(&mut world, BOB, &room, &framed(&deleted));
    let twice = MimiContent::text([3; 16], &bob, &room, "twice");
    submit(&mut world, BOB, &room, &framed(&twice));
    submit(&mut world, BOB, &room, &framed(&twice));
    for actor in [ALICE, CATHY] {
        assert_eq!(world.texts(actor, &room), ["hello", "twice"]);
    }
    let state = world.state(ALICE, &room);
    assert!(!state.messages[0].edited);
    // CONTENT-EDIT-1: shown as what they are, with the reason.
    let refused: Vec<_> = state.messages.iter().filter_map(|it| it.refused.clone()).collect();
    assert_eq!(refused.len(), 2);
    let text = Some("goodbye".to_owned());
    assert_eq!(refused[0].attempt, Attempt::Edit { message: hello, text });
    assert_eq!(refused[1].attempt, Attempt::Delete { message: hello });
    assert!(refused[0].reason.starts_with("bob may not"), "{}", refused[0].reason);
    assert_eq!(refused[0].rule, "others-message (CONTENT-EDIT-1)");
    assert_eq!(state.messages, world.state(CATHY, &room).messages);
    // It stays so.
    world.crash(ALICE);
    assert_eq!(world.state(ALICE, &room).messages, state.messages);
}

/// Late messages are judged by their own epoch, also where our ban was accepted before they came.
#[test]
fn late_messages_are_judged_by_their_epoch() {
    let (mut world, room) = World::with_room(1);
    world.actors[ALICE].is_deaf = true;
    world.text(CATHY, &room, "my last words");
    let user = world.user(CATHY);
    world.done(ALICE, Command::BanUser { room: room.clone(), user });
    world.crash(ALICE);
    world.actors[ALICE].is_deaf = false;
    world.run();
    world.agree(&room);
    assert_eq!(world.texts(ALICE, &room), ["my last words"]);
}

/// PROTO-GI-4, PROTO-GI-6: the hub proves itself, and the group names the same hub.
#[test]
fn a_false_hub_is_not_joined() {
    let (mut world, room) = World::with_room(1);
    let laptop = world.device("c.example", "cathy", "laptop");
    let a = Domain::new("a.example").unwrap();
    let true_keys = world.hub.keys[&a].clone();
    // Another key of the right domain: it signs, and the group does not name it.
    let false_keys = world.hub.federation.hub_keys("a.example");
    world.hub.keys.insert(a.clone(), false_keys);
    let refused = world.outcome(laptop, Command::JoinRoom(room.clone()));
    assert!(matches!(&refused, Err(ClientError::Refused(_))), "{refused:?}");
    // The key of another domain.
    let other = world.hub.keys[&Domain::new("b.example").unwrap()].clone();
    world.hub.keys.insert(a.clone(), other);
    let refused = world.outcome(laptop, Command::JoinRoom(room.clone()));
    assert!(matches!(&refused, Err(ClientError::Refused(_))), "{refused:?}");
    assert!(world.actors[laptop].session.rooms().is_empty());
    world.hub.keys.insert(a, true_keys);
    world.done(laptop, Command::JoinRoom(room.clone()));
    world.agree(&room);
}

/// Whose KeyPackages are given must be proven by them.
#[test]
fn key_packages_of_somebody_else_are_not_added() {
    let (mut world, room) = World::with_room(1);
    let dave = world.device("c.example", "dave", "phone");
    let eve = world.device("c.example", "eve", "phone");
    world.befriend(dave, ALICE);
    let client = |world: &World, actor: usize| world.actors[actor].client.clone().unwrap();
    let eves = world.hub.stock[&client(&world, eve)].clone();
    world.hub.stock.insert(client(&world, dave), eves);
    let user = world.user(dave);
    let refused = world.outcome(ALICE, Command::AddUser { room: room.clone(), user: user.clone() });
    assert!(matches!(&refused, Err(ClientError::Refused(_))), "{refused:?}");
    // A user without any can be told of, not added.
    world.hub.stock.insert(client(&world, dave), Vec::new());
    let refused = world.outcome(ALICE, Command::AddUser { room: room.clone(), user });
    assert!(matches!(&refused, Err(ClientError::Refused(_))), "{refused:?}");
    world.agree(&room);
    assert_eq!(world.state(ALICE, &room).participants.len(), 3);
}

/// Octets that are nothing are passed over, and what comes after them is not lost.
#[test]
fn garbage_in_the_stream_stops_nothing() {
    let (mut world, room) = World::with_room(1);
    let clients: Vec<_> = world.actors.iter().filter_map(|actor| actor.client.clone()).collect();
    let elsewhere = MimiUri::new("mimi://a.example/r/elsewhere").unwrap();
    for stream in [&room, &elsewhere] {
        for kind in [
            StreamEventKind::Application,
            StreamEventKind::Commit,
            StreamEventKind::Proposal,
            StreamEventKind::Welcome,
            StreamEventKind::UpdateConsent,
            StreamEventKind::Unknown("new".to_owned()),
        ] {
            for payload in [&b""[..], b"garbage", &[0; 64]] {
                world.hub.log(stream, kind.clone(), 1, payload, clients.iter());
            }
        }
    }
    world.text(ALICE, &room, "still here");
    world.agree(&room);
    assert_eq!(world.actors[CATHY].session.rooms(), std::slice::from_ref(&room));
    assert_eq!(world.texts(CATHY, &room), ["still here"]);
}
