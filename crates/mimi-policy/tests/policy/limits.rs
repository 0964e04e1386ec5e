//! How many may be in a room: what its base policy states (POLICY-BASE-4, POLICY-BASE-5), counted as
//! the room will be.

use mimi_policy::{Rule, check_founding};
use mimi_wire::room::capability::Capability;

use crate::room::{
    ADMIN, BANNED, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied, by, user,
};

#[test]
fn the_banned_are_no_participants() {
    // POLICY-BASE-5
    let mut room = Room::usual().with("mallory", BANNED, 0);
    let listing = [room.list_add("dave", ORDINARY)];
    room.policy_mut().max_users = Some(4);
    assert_allowed(room.commit("alice", listing.clone()));
    room.policy_mut().max_users = Some(3);
    assert_denied(room.commit("alice", listing), Rule::MaximumUsers);
    assert_eq!(check_founding(&room.view), Ok(()));
    room.policy_mut().max_users = Some(2);
    assert_eq!(check_founding(&room.view).unwrap_err().rule, Rule::MaximumUsers);
}

#[test]
fn whoever_goes_makes_room() {
    // POLICY-BASE-4, POLICY-BASE-5
    let mut room = Room::usual();
    room.policy_mut().max_clients = Some(5);
    room.policy_mut().max_users = Some(3);
    assert_denied(room.commit("alice", [add_client("alice", 3)]), Rule::MaximumClients);
    assert_allowed(room.commit("alice", [add_client("alice", 3), room.drop_client("bob", 2)]));
    let listing = room.list_add("dave", ORDINARY);
    assert_denied(room.commit("alice", [listing.clone()]), Rule::MaximumUsers);
    assert_allowed(room.commit("alice", [room.removal("carol"), vec![listing]].concat()));
}

#[test]
fn whoever_lists_too_many_is_named() {
    // POLICY-BASE-5
    let mut room = Room::usual();
    room.policy_mut().max_users = Some(3);
    let bundle = [
        by(&room.member("alice"), [add_client("alice", 3)]),
        by(&room.member("bob"), [room.list_add("dave", ORDINARY)]),
    ];
    let denied = assert_denied(room.judge_bundle(bundle.concat()), Rule::MaximumUsers);
    assert_eq!(denied.actor, Some(user("bob")));
}

#[test]
fn what_was_too_much_blocks_only_what_makes_it_more() {
    // POLICY-BASE-4, AMB-POL-17
    let mut room = Room::usual();
    room.policy_mut().multi_device = false;
    assert_allowed(room.commit("alice", [room.list_role("bob", ADMIN)]));
    assert_denied(room.commit("alice", [add_client("alice", 3)]), Rule::SingleDevice);
    // PROTO-ST-8: clients that belong to nobody may go one by one.
    let room = Room::usual().granting(SUPER, Capability::CAN_KICK);
    let room = room.with_client("dave", 1).with_client("dave", 2);
    assert_allowed(room.commit("alice", [room.drop_client("dave", 1)]));
    assert_denied(room.commit("alice", [add_client("dave", 3)]), Rule::ListedFirst);
}
