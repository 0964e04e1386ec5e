//! Room metadata: a capability per field (PROTO-RM-1, PROTO-RM-2, POLICY-CAP-META-1).

use mimi_policy::{ProposedChange, Rule};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::metadata::{RichDescription, RoomMetadata};

use crate::room::{ADMIN, ORDINARY, Room, assert_allowed, assert_denied, by, hub, uri};

fn changed(room: &Room, change: impl FnOnce(&mut RoomMetadata)) -> ProposedChange {
    let mut metadata = room.view.metadata.clone();
    change(&mut metadata);
    ProposedChange::Metadata(metadata)
}

#[test]
fn each_field_has_its_capability() {
    type Change = fn(&mut RoomMetadata);
    let fields: [(Change, Capability); 5] = [
        (|it| it.room_name = "x".to_owned(), Capability::CAN_CHANGE_ROOM_NAME),
        (
            |it| it.room_descriptions = vec![RichDescription::default()],
            Capability::CAN_CHANGE_ROOM_DESCRIPTION,
        ),
        (
            |it| it.room_avatar = "https://a.example/x.png".to_owned(),
            Capability::CAN_CHANGE_ROOM_AVATAR,
        ),
        (|it| it.room_subject = "x".to_owned(), Capability::CAN_CHANGE_ROOM_SUBJECT),
        (|it| it.room_mood = "x".to_owned(), Capability::CAN_CHANGE_ROOM_MOOD),
    ];
    for (change, capability) in fields {
        let mut room = Room::usual();
        room.role_mut(ORDINARY).role_capabilities = vec![capability];
        assert_allowed(room.commit("bob", [changed(&room, change)]));
        room.role_mut(ORDINARY).role_capabilities =
            fields.iter().map(|(_, other)| *other).filter(|other| *other != capability).collect();
        assert_denied(room.commit("bob", [changed(&room, change)]), Rule::ChangeMetadata);
    }
}

#[test]
fn two_fields_need_two_capabilities() {
    // PROTO-RM-1
    let room = Room::usual().with("dora", ADMIN, 1);
    let both = changed(&room, |it| {
        it.room_name = "x".to_owned();
        it.room_descriptions = vec![RichDescription::default()];
    });
    let denied = assert_denied(room.commit("bob", [both.clone()]), Rule::ChangeMetadata);
    assert_eq!(
        denied.to_string(),
        "bob may not change the room's description: their role ordinary_user lacks \
         canChangeRoomDescription"
    );
    assert_allowed(room.commit("dora", [both.clone()]));
    assert_denied(room.propose(&hub(), [both]), Rule::ChangeMetadata);
}

#[test]
fn one_update_per_commit() {
    // PROTO-RM-1, AMB-RM-3: whoever sends them.
    let room = Room::usual();
    let name = changed(&room, |it| it.room_name = "x".to_owned());
    let mood = changed(&room, |it| it.room_mood = "x".to_owned());
    assert_denied(room.commit("bob", [name.clone(), mood.clone()]), Rule::MetadataOnce);
    let cached = by(&room.member("carol"), [name]);
    assert_denied(room.judge_commit(room.member("bob"), cached, [mood]), Rule::MetadataOnce);
}

#[test]
fn the_uri_stays_and_the_avatar_is_https() {
    // PROTO-RM-2, AMB-RM-1
    let room = Room::usual();
    let moved = changed(&room, |it| it.room_uri = uri("mimi://a.example/r/elsewhere"));
    assert_denied(room.commit("alice", [moved]), Rule::MetadataValue);
    for avatar in ["http://a.example/x.png", "https://", "x", "https://a.example/ x"] {
        let change = changed(&room, |it| it.room_avatar = avatar.to_owned());
        assert_denied(room.commit("alice", [change]), Rule::MetadataValue);
    }
    let mut room = room;
    room.view.metadata.room_avatar = "https://a.example/x.png".to_owned();
    let emptied = changed(&room, |it| it.room_avatar.clear());
    assert_allowed(room.commit("bob", [emptied]));
}
