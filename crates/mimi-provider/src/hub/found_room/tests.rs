use super::*;
use crate::fixture::{NOW, client, domain, room, room_uri, uri, user};

fn creator() -> DeviceIdentity {
    DeviceIdentity { user: user("a/alice"), client: client("a/alice/phone") }
}

fn found(
    view: &RoomView,
    room: &MimiUri,
    hub_sender: HubSender,
) -> Result<Transition<Founded>, Reject> {
    found_room(&FoundRoomInput {
        own: &domain("a.example"),
        creator: &creator(),
        room,
        view,
        envelope: &Envelope::default(),
        hub_sender,
        franking_agent: b"agent",
        group: b"group",
        now_ms: NOW,
    })
}

/// FLOW-1.
#[test]
fn a_room_is_founded() {
    let view = room(&["a/alice/phone"]);
    let transition = found(&view, &room_uri(), HubSender::Ours).unwrap();
    assert_eq!(transition.reply, Founded { accepted_timestamp: NOW });
    assert_eq!(transition.expect, [Expect::NoRoom(room_uri())]);
    let [Change::CreateRoom { room, kind, snapshot }, join] = &transition.changes[..] else {
        panic!("{transition:?}")
    };
    assert_eq!((room, kind), (&room_uri(), &RoomKind::Hub));
    let snapshot = HubSnapshot::decode(snapshot).unwrap();
    assert_eq!(snapshot.group, b"group");
    assert_eq!(snapshot.state.next_timestamp(NOW), NOW + 1);
    let (client, stream) = (client("a/alice/phone"), room_uri());
    assert_eq!(*join, Change::Join { client, stream, from_seq: 1 });
}

/// ID-URI-4, AMB-ID-3, AMB-ID-5, PROTO-ST-4.
#[test]
fn a_room_that_is_not_ours_to_host() {
    let view = room(&["a/alice/phone"]);
    let elsewhere = uri("mimi://b.example/r/1");
    let mut of_elsewhere = view.clone();
    of_elsewhere.metadata.room_uri = elsewhere.clone();
    assert!(found(&of_elsewhere, &elsewhere, HubSender::Ours).is_err());
    assert!(found(&view, &uri("mimi://a.example/r/2"), HubSender::Ours).is_err());
    assert!(found(&view, &uri("mimi://a.example/g/1"), HubSender::Ours).is_err());
    assert!(found(&view, &room_uri(), HubSender::Foreign).is_err());
}

#[test]
fn a_room_begins_with_its_creator_alone() {
    let refused = |view: &RoomView| found(view, &room_uri(), HubSender::Ours).is_err();
    assert!(refused(&room(&["a/alice/phone", "b/bob/phone"])));
    assert!(refused(&room(&["a/alice/phone", "a/alice/laptop"])));
    assert!(refused(&room(&["a/alice/laptop"])));
    assert!(refused(&room(&["b/bob/phone"])));
    assert!(refused(&room(&[])));
    let mut unlisted = room(&["a/alice/phone"]);
    unlisted.participants.participants.clear();
    assert!(refused(&unlisted));
    let mut no_such_role = room(&["a/alice/phone"]);
    no_such_role.participants.participants[0].role_index = 77;
    assert!(refused(&no_such_role));
}

/// ARCH-3, AMB-POL-16: the operator's envelope binds what is founded and what a room becomes.
#[test]
fn a_room_that_the_operator_does_not_host() {
    let view = room(&["a/alice/phone"]);
    let envelope = Envelope { custom_policies: false, presets: Vec::new(), ..Envelope::default() };
    let (own, creator, room_uri) = (domain("a.example"), creator(), room_uri());
    let input = FoundRoomInput {
        own: &own,
        creator: &creator,
        room: &room_uri,
        view: &view,
        envelope: &envelope,
        hub_sender: HubSender::Ours,
        franking_agent: b"agent",
        group: b"group",
        now_ms: NOW,
    };
    let refused = found_room(&input).unwrap_err();
    assert!(matches!(&refused, Reject::Denied(_)), "{refused:?}");
    assert!(refused.peer_message().contains("this provider"), "{}", refused.peer_message());
    let envelope = Envelope::default();
    assert!(found_room(&FoundRoomInput { envelope: &envelope, ..input }).is_ok());
}
