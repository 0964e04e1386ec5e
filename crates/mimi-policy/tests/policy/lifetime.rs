//! How rooms end and go on.

use mimi_policy::lifetime::{check_refounding, may_destroy};
use mimi_policy::{Denied, RoomView, Rule};
use mimi_wire::room::capability::Capability;

use crate::room::{BANNED, ORDINARY, Room, user};

fn rule(verdict: Result<(), Denied>) -> Option<Rule> {
    verdict.err().map(|denied| denied.rule)
}

#[test]
fn who_may_destroy_a_room() {
    // POLICY-CAP-POL-1
    let room =
        Room::usual().with("mallory", BANNED, 0).granting(BANNED, Capability::CAN_DESTROY_ROOM);
    assert_eq!(may_destroy(&room.view, &user("alice")), Ok(()));
    let denied = may_destroy(&room.view, &user("bob")).unwrap_err();
    let said = "bob may not destroy the room: their role ordinary_user lacks canDestroyRoom";
    assert_eq!(denied.to_string(), said);
    assert_eq!(denied.rule.id(), "POLICY-CAP-POL-1");
    assert!(may_destroy(&room.view, &user("mallory")).is_err());
    assert!(may_destroy(&room.view, &user("zoe")).is_err());
}

/// A persistent room whose group is gone, and bob's new group for it.
fn abandoned() -> (RoomView, RoomView) {
    let mut room = Room::usual().with("mallory", BANNED, 0);
    room.policy_mut().persistent_room = true;
    room.view.clients.clear();
    let anew = Room { view: room.view.clone() }.with_client("bob", 7);
    (room.view, anew.view)
}

#[test]
fn a_persistent_room_goes_on() {
    // POLICY-BASE-7
    let (last, anew) = abandoned();
    let refound = |last: &RoomView, anew: &RoomView, name: &str| {
        rule(check_refounding(last, anew, &user(name)))
    };
    assert_eq!(refound(&last, &anew, "bob"), None);
    assert_eq!(refound(&last, &anew, "mallory"), Some(Rule::Refound));
    assert_eq!(refound(&last, &anew, "zoe"), Some(Rule::Refound));
    let lacking = Room { view: last.clone() }.denying(ORDINARY, Capability::CAN_ADD_OWN_CLIENT);
    assert_eq!(refound(&lacking.view, &anew, "bob"), Some(Rule::Refound));
    assert_eq!(refound(&anew, &anew, "bob"), Some(Rule::Refound));
    let mut temporary = last.clone();
    temporary.base_policy.as_mut().unwrap().persistent_room = false;
    assert_eq!(refound(&temporary, &anew, "bob"), Some(Rule::Refound));
    let mut promoted = anew.clone();
    promoted.participants.participants[1].role_index = 4;
    assert_eq!(refound(&last, &promoted, "bob"), Some(Rule::Refound));
    let mut silent = anew.clone();
    silent.other_components.insert(0x0028, vec![0, 0]);
    assert_eq!(refound(&last, &silent, "bob"), Some(Rule::Refound));
    let smuggling = Room { view: anew }.with_client("mallory", 1);
    assert_eq!(refound(&last, &smuggling.view, "bob"), Some(Rule::BannedClient));
}
