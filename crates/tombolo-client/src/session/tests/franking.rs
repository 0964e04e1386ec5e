//! Franks at a device: what it sends, what it keeps, what it makes of franks that are wrong, and what
//! it reports.

use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::Wire;
use mimi_wire::component::FRANKING_AGENT;
use mimi_wire::content::MessageId;
use mimi_wire::franking::{FrankAad, FrankingAgentData};
use mimi_wire::media::ApplicationFraming;
use mimi_wire::protocol::submit_message::Frank;
use mimi_wire::room::capability::Capability;

use super::hub::{agent, frank};
use super::world::World;
use crate::error::ClientError;
use crate::session::command::{Command, Draft, Outcome};
use crate::session::franking::{NOTE_OCTETS_MAX, REPORTED_MESSAGES_MAX};
use crate::shown::ShownMessage;

const ALICE: usize = 0;
const BOB: usize = 1;
const CATHY: usize = 3;

/// alice's room at a hub that franks, with bob and cathy in it.
fn franking_room_by(policy: RoomPolicy) -> (World, MimiUri) {
    let (mut world, _) = World::with_room(1);
    world.hub.franks = true;
    let room = world.create_room_with(ALICE, policy);
    world.befriend(CATHY, ALICE);
    for actor in [BOB, CATHY] {
        let user = world.user(actor);
        world.done(ALICE, Command::AddUser { room: room.clone(), user });
    }
    world.agree(&room);
    (world, room)
}

fn franking_room() -> (World, MimiUri) {
    franking_room_by(RoomPolicy::of_preset(Preset::Cooperative))
}

fn shown(world: &World, actor: usize, room: &MimiUri, id: MessageId) -> ShownMessage {
    let messages = world.state(actor, room).messages;
    messages.into_iter().find(|message| message.id == id).unwrap()
}

fn report(room: &MimiUri, messages: &[MessageId], note: &str) -> Command {
    let (messages, note) = (messages.to_vec(), note.to_owned());
    Command::ReportAbuse { room: room.clone(), messages, note }
}

fn refusal(result: Result<Outcome, ClientError>) -> String {
    match result {
        Err(ClientError::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// AMB-FRK-1: a room we create names its hub's agent from the start.
#[test]
fn rooms_name_the_hubs_agent() {
    let (world, room) = franking_room();
    let view = world.actors[CATHY].session.view(&room).unwrap();
    let data = FrankingAgentData::decode(&view.other_components[&FRANKING_AGENT]).unwrap();
    assert_eq!(data, agent(&room.domain()).data());
}

/// FRANK-1, FRANK-2, FRANK-3, FRANK-9: what a device reports, after a crash too, is exactly what the
/// sender committed to, with the hub's frank and time; edits go along.
#[test]
fn a_report_has_what_was_franked() {
    let (mut world, room) = franking_room();
    let id = world.text(BOB, &room, "go away");
    world.message(BOB, &room, Draft::Edit { message: id, text: "get lost".to_owned() });
    for actor in [ALICE, BOB, CATHY] {
        assert_eq!(shown(&world, actor, &room, id).unfrankable, None);
    }
    for reporter in [CATHY, ALICE, BOB] {
        world.crash(reporter);
        world.run();
        world.done(reporter, report(&room, &[id], "rude"));
        let sent = world.hub.reports.pop().unwrap();
        assert_eq!(sent.reporting_user, Some(world.user(reporter)));
        assert_eq!((sent.alleged_abuser_uri, sent.note), (world.user(BOB), "rude".to_owned()));
        assert_eq!(sent.messages.len(), 2);
        for message in sent.messages {
            let framed = ApplicationFraming::decode(&message.message_content).unwrap();
            let content = framed.inner_application_content;
            let content = mimi_wire::content::MimiContent::decode(&content).unwrap();
            let tag = FrankAad::compute(&content.salt, &message.message_content).franking_tag;
            let at = message.accepted_timestamp;
            assert_eq!(message.frank, frank(&room, &world.user(BOB), at, &tag));
        }
    }
}

/// FRANK-7, AMB-FRK-8: a frank that a follower has changed, or taken away, keeps nothing from being
/// shown; the message is marked and not reported. The sender has its frank from the hub's answer.
#[test]
fn a_spoilt_frank_marks_a_message() {
    type Spoil = fn(&mut Option<Frank>);
    let cases: [(Spoil, &str); 4] = [
        (|frank| *frank = None, "the hub's frank is missing"),
        (
            |frank| frank.as_mut().unwrap().server_frank[0] ^= 1,
            "its frank is not signed by the hub for this sender and time",
        ),
        (
            |frank| frank.as_mut().unwrap().franking_integrity_signature[9] ^= 1,
            "its frank is not signed by the hub for this sender and time",
        ),
        (
            |frank| frank.as_mut().unwrap().franking_signature_ciphersuite = 3,
            "its frank is of another cipher suite",
        ),
    ];
    for (spoil, reason) in cases {
        let (mut world, room) = franking_room();
        world.hub.spoil = Some(spoil);
        let id = world.text(BOB, &room, "go away");
        let message = shown(&world, CATHY, &room, id);
        assert_eq!(message.text.as_deref(), Some("go away"));
        assert_eq!(message.unfrankable.as_deref(), Some(reason));
        let told = refusal(world.outcome(CATHY, report(&room, &[id], "")));
        assert_eq!(told, format!("it cannot be reported: {reason}"));
        assert!(world.hub.reports.is_empty());
        world.crash(CATHY);
        world.run();
        assert_eq!(shown(&world, CATHY, &room, id).unfrankable.as_deref(), Some(reason));
    }
}

/// FRANK-7, FRANK-8: each input of the check, changed by itself.
#[test]
fn every_input_of_the_check_counts() {
    use crate::session::franking::{Franked, application_data, check, tag};
    use crate::store::StoredMessage;
    use mimi_wire::content::MimiContent;

    let (world, room) = franking_room();
    let view = world.actors[CATHY].session.view(&room).unwrap();
    let (bob, cathy) = (world.user(BOB), world.user(CATHY));
    let content = MimiContent::text([7; 16], &bob, &room, "hi").encode().unwrap();
    let message = StoredMessage {
        id: MessageId::compute(&bob, &room, &content, &[7; 16]),
        sender: bob.clone(),
        timestamp_ms: 5,
        content: content.clone(),
    };
    let data = application_data(&view, &content);
    let own_tag = tag(&view, &content, &data).unwrap();
    let good = frank(&room, &bob, 5, &own_tag);
    let franked =
        Franked { epoch: 0, application_data: &data, tag: Some(own_tag), frank: Some(&good) };
    assert_eq!(check(&view, 1, &message, &franked), Ok(()));
    // Time, sender, suite.
    let other_time = StoredMessage { timestamp_ms: 6, ..message.clone() };
    check(&view, 1, &other_time, &franked).unwrap_err();
    let other_sender = StoredMessage { sender: cathy.clone(), ..message.clone() };
    check(&view, 1, &other_sender, &franked).unwrap_err();
    check(&view, 3, &message, &franked).unwrap_err();
    // Tag, application data, and content that names nobody, somebody else or another room.
    check(&view, 1, &message, &Franked { tag: None, ..franked }).unwrap_err();
    check(&view, 1, &message, &Franked { tag: Some([1; 32]), ..franked }).unwrap_err();
    let unframed = Franked { application_data: &content, ..franked };
    check(&view, 1, &message, &unframed).unwrap_err();
    let elsewhere = MimiUri::new("mimi://a.example/r/elsewhere").unwrap();
    for (sender, room) in [(&cathy, &room), (&bob, &elsewhere)] {
        let content = MimiContent::text([7; 16], sender, room, "hi").encode().unwrap();
        let lying = StoredMessage { content: content.clone(), ..message.clone() };
        let data = application_data(&view, &content);
        let lying_tag = tag(&view, &content, &data);
        let franked = Franked { application_data: &data, tag: lying_tag, ..franked };
        check(&view, 1, &lying, &franked).unwrap_err();
    }
    // The agent: of another hub, unreadable, or with another key.
    let mut other = view.clone();
    let agents = [
        agent(&"b.example".parse().unwrap()).data().encode(),
        b"garbage".to_vec(),
        FrankingAgentData { franking_signature_key: vec![1; 32], ..agent(&room.domain()).data() }
            .encode(),
    ];
    for octets in agents {
        other.other_components.insert(FRANKING_AGENT, octets);
        check(&other, 1, &message, &franked).unwrap_err();
    }
    // A hub cannot frank for another room.
    let mut moved = view;
    moved.metadata.room_uri = elsewhere;
    check(&moved, 1, &message, &franked).unwrap_err();
}

/// MLSX-8: content without a type is of the group's first; where that is another one, ours is named,
/// and what names none, or another one, is no message.
#[test]
fn framing_follows_the_group() {
    use super::super::franking::{application_data, is_content};
    use mimi_wire::component::CONTENT_MEDIA_TYPES;
    use mimi_wire::media::{MediaType, MediaTypeList};

    let (world, room) = franking_room();
    let mut view = world.actors[CATHY].session.view(&room).unwrap();
    let framed = |media_type: &str| ApplicationFraming {
        media_type: MediaType::new(media_type),
        inner_application_content: b"x".to_vec(),
    };
    let decoded = |view: &_| ApplicationFraming::decode(&application_data(view, b"x")).unwrap();
    assert_eq!(decoded(&view), framed(""));
    assert!(is_content(&view, &framed("")));
    let list = ["text/plain", "Application/MIMI-content"].map(MediaType::new);
    let list = MediaTypeList(list.to_vec());
    view.other_components.insert(CONTENT_MEDIA_TYPES, list.encode());
    assert_eq!(decoded(&view), framed("application/mimi-content"));
    assert!(is_content(&view, &decoded(&view)));
    for other in ["", "text/plain", "image/png"] {
        assert!(!is_content(&view, &framed(other)), "{other:?}");
    }
    view.other_components.remove(&CONTENT_MEDIA_TYPES);
    assert_eq!(application_data(&view, b"x"), b"x");
}

/// PROTO-ABU-3, and a sentence for everything that cannot be reported.
#[test]
fn what_is_not_reported() {
    let (mut world, room) = franking_room();
    let bobs = world.text(BOB, &room, "go away");
    let alices = world.text(ALICE, &room, "please be kind");
    let told = refusal(world.outcome(CATHY, report(&room, &[bobs, alices], "")));
    assert_eq!(told, "a report is about one person's messages");
    assert_eq!(refusal(world.outcome(CATHY, report(&room, &[], ""))), "a report needs a message");
    world.done(CATHY, report(&room, &[bobs], &"n".repeat(NOTE_OCTETS_MAX)));
    let long = "n".repeat(NOTE_OCTETS_MAX + 1);
    assert_eq!(
        refusal(world.outcome(CATHY, report(&room, &[bobs], &long))),
        "the report is too long"
    );
    world.done(CATHY, report(&room, &[bobs; REPORTED_MESSAGES_MAX], ""));
    let many = report(&room, &[bobs; REPORTED_MESSAGES_MAX + 1], "");
    assert_eq!(refusal(world.outcome(CATHY, many)), "the report is too long");

    let mut policy = RoomPolicy::of_preset(Preset::Cooperative);
    for role in &mut policy.roles.roles {
        role.role_capabilities.retain(|capability| *capability != Capability::CAN_REPORT_ABUSE);
    }
    let (mut world, room) = franking_room_by(policy);
    let id = world.text(BOB, &room, "go away");
    let denied = world.outcome(CATHY, report(&room, &[id], ""));
    assert!(matches!(denied, Err(ClientError::Denied(_))), "{denied:?}");
}

/// FRANK-4: where no hub franks, nothing is marked, and nothing can be reported.
#[test]
fn rooms_without_an_agent() {
    let (mut world, room) = World::with_room(1);
    let id = world.text(BOB, &room, "go away");
    assert_eq!(shown(&world, ALICE, &room, id).unfrankable, None);
    let told = refusal(world.outcome(ALICE, report(&room, &[id], "")));
    assert_eq!(told, "it cannot be reported: the hub has not franked it");
}
