//! Who may send what (POLICY-CAP-MSG-1, POLICY-CAP-MSG-2, CONTENT-EDIT-1, AMB-POL-40).

use mimi_policy::message::{MessageAction, may_apply, may_submit};
use mimi_policy::{Denied, Judge, RoomIndex, RoomView, Rule};
use mimi_wire::room::capability::Capability;

use crate::room::{ADMIN, BANNED, ORDINARY, Room, user};

fn submit(room: &Room, name: &str) -> Result<(), Denied> {
    let verdict = may_submit(&room.view, &user(name));
    // An index says the same, and one of another epoch is not asked.
    let index = RoomIndex::of(&room.view);
    let other = RoomIndex::of(&RoomView { epoch: 8, ..Room::new().view });
    for index in [&index, &other] {
        assert_eq!(Judge::of(&room.view).with_index(index).may_submit(&user(name)), verdict);
    }
    verdict
}

#[test]
fn only_active_participants_submit() {
    // PROTO-SUB-2
    let room = Room::usual().with("dave", ORDINARY, 0).with("mallory", BANNED, 1);
    assert_eq!(submit(&room, "bob"), Ok(()));
    assert_eq!(submit(&room, "dave").unwrap_err().rule, Rule::SenderActive);
    assert_eq!(submit(&room, "erin").unwrap_err().rule, Rule::SenderActive);
    let banned = submit(&room, "mallory").unwrap_err();
    assert_eq!(banned.rule.id(), "POLICY-CAP-MSG-1");
}

#[test]
fn any_kind_of_message_opens_the_door() {
    // POLICY-CAP-MSG-1, AMB-POL-40: the hub cannot tell them apart.
    for code in Capability::ALL.iter().copied() {
        let mut room = Room::usual();
        room.role_mut(ORDINARY).role_capabilities = vec![code];
        let opens = code.0 == 0x0100 || (0x0104..=0x010f).contains(&code.0);
        assert_eq!(submit(&room, "bob").is_ok(), opens, "{code:?}");
    }
}

#[test]
fn receivers_apply_each_kind_by_its_capability() {
    // POLICY-CAP-MSG-2, CONTENT-EDIT-1
    let (own, other) = (&user("bob"), &user("carol"));
    use MessageAction as A;
    let kinds: [(A<'_>, Option<u16>); 15] = [
        (A::Send, Some(0x0100)),
        (A::Reply, Some(0x0104)),
        (A::React, Some(0x0105)),
        (A::EditReaction { original_sender: own }, Some(0x0106)),
        (A::EditReaction { original_sender: other }, None),
        (A::DeleteReaction { original_sender: own }, Some(0x0107)),
        (A::DeleteReaction { original_sender: other }, Some(0x0108)),
        (A::Edit { original_sender: own }, Some(0x0109)),
        (A::Edit { original_sender: other }, None),
        (A::Delete { original_sender: own }, Some(0x010a)),
        (A::Delete { original_sender: other }, Some(0x010b)),
        (A::StartTopic, Some(0x010c)),
        (A::ReplyInTopic, Some(0x010d)),
        (A::EditTopic { original_sender: own }, Some(0x010e)),
        (A::EditTopic { original_sender: other }, Some(0x010f)),
    ];
    for (action, needed) in kinds {
        let mut room = Room::usual();
        if let Some(code) = needed {
            room.role_mut(ORDINARY).role_capabilities = vec![Capability(code)];
            assert_eq!(may_apply(&room.view, own, action), Ok(()), "{action:?}");
        }
        let all = Capability::ALL.iter().copied();
        room.role_mut(ORDINARY).role_capabilities =
            all.filter(|capability| Some(capability.0) != needed).collect();
        assert!(may_apply(&room.view, own, action).is_err(), "{action:?}");
    }
}

#[test]
fn bob_does_not_edit_alice() {
    // CONTENT-EDIT-1
    let room = Room::usual().with("dora", ADMIN, 1);
    let alice = &user("alice");
    let edit = MessageAction::Edit { original_sender: alice };
    let delete = MessageAction::Delete { original_sender: alice };
    let denied = may_apply(&room.view, &user("bob"), delete).unwrap_err();
    assert_eq!(denied.rule.id(), "CONTENT-EDIT-1");
    assert_eq!(
        denied.to_string(),
        "bob may not change the message of somebody else: their role ordinary_user lacks \
         canDeleteOtherMessage"
    );
    assert_eq!(may_apply(&room.view, &user("dora"), delete), Ok(()));
    // A moderator takes words down, and never puts other words into somebody's mouth.
    assert!(may_apply(&room.view, &user("dora"), edit).is_err());
    // POLICY-CAP-MSG-1: what hubs ask too has one rule.
    let mute = Room::usual().denying(ORDINARY, Capability::CAN_SEND_MESSAGE);
    let denied = may_apply(&mute.view, &user("bob"), MessageAction::Send).unwrap_err();
    assert_eq!((denied.rule, denied.target), (Rule::SendMessages, None));
    assert!(may_apply(&room.view, &user("erin"), MessageAction::Send).is_err());
}
