use mimi_policy::{ClientView, RoomView};
use mimi_wire::component::STATUS_NOTIFICATION_POLICY;
use mimi_wire::room::optionality::Optionality;
use mimi_wire::room::participant_list::UserRolePair;
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use mimi_wire::status::MessageStatus;
use mimi_wire::{MimiUri, Wire};

use super::{RECEIPTS_PARTICIPANTS_MAX, ReceiptSetting, is_told};
use crate::session::tests::world::World;

/// A room with so many active participants, and one who has no device in it.
fn room_of(active: usize) -> RoomView {
    let (world, room) = World::with_room(1);
    let mut view = world.actors[0].session.view(&room).unwrap();
    view.clients.clear();
    view.participants.participants.clear();
    for number in 0..=active {
        let uri = |kind: &str| MimiUri::new(&format!("mimi://a.example/{kind}")).unwrap();
        let user = uri(&format!("u/u{number}"));
        view.participants.participants.push(UserRolePair { user: user.clone(), role_index: 2 });
        if number < active {
            let client = uri(&format!("d/u{number}/phone"));
            view.clients.push(ClientView { leaf: u32::try_from(number).unwrap(), user, client });
        }
    }
    view
}

/// STATUS-3, STATUS-4: in a crowd nothing is told that the room does not require, and nothing but
/// arriving and reading by one's own wish.
#[test]
fn a_crowd_is_told_what_it_requires() {
    let all = ReceiptSetting { delivered: true, read: true };
    let (some, crowd) =
        (room_of(RECEIPTS_PARTICIPANTS_MAX), room_of(RECEIPTS_PARTICIPANTS_MAX + 1));
    assert!(is_told(&some, MessageStatus::READ, all));
    assert!(!is_told(&crowd, MessageStatus::READ, all));
    for status in [MessageStatus::UNREAD, MessageStatus::HIDDEN, MessageStatus::DELETED] {
        assert!(!is_told(&some, status, all), "{status}");
    }
    let mut requires = crowd;
    let policy = StatusNotificationPolicy {
        delivery_notifications: Optionality::Optional,
        read_receipts: Optionality::Required,
    };
    requires.other_components.insert(STATUS_NOTIFICATION_POLICY, policy.encode());
    assert!(is_told(&requires, MessageStatus::READ, ReceiptSetting::default()));
    assert!(!is_told(&requires, MessageStatus::DELIVERED, all));
}
