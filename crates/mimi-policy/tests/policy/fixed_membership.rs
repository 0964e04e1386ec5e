//! One room for each set of people, and rooms whose people depend on another.

use mimi_policy::parent::{check_founding, orphans};
use mimi_policy::preset::Preset;
use mimi_policy::{Rule, fixed_membership_key, participant_set_key};

use crate::room::{
    BANNED, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied, by, hub, server, uri,
    user,
};

#[test]
fn the_same_people_in_whatever_order() {
    // POLICY-BASE-2, AMB-POL-8
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let key = participant_set_key([&alice, &bob]);
    assert_eq!(key, participant_set_key([&bob, &alice, &bob]));
    assert_ne!(key, participant_set_key([&alice]));
    assert_ne!(key, participant_set_key([&alice, &bob, &carol]));
    assert_ne!(key, participant_set_key([&alice, &carol]));
    let namesakes = [uri("mimi://b.example/u/alice"), uri("mimi://a.example/u/bob")];
    assert_ne!(key, participant_set_key(&namesakes));
}

#[test]
fn only_fixed_rooms_have_a_key() {
    // POLICY-BASE-2, AMB-POL-42
    let one = Room::of(Preset::Direct).with("alice", 2, 1).with("bob", 2, 0);
    let other = Room::of(Preset::Direct).with("bob", 2, 1).with("alice", 2, 1);
    let key = fixed_membership_key(&one.view).unwrap();
    assert_eq!(Some(key), fixed_membership_key(&other.view));
    assert_eq!(fixed_membership_key(&Room::usual().view), None);
}

/// A parent, and a room of it with bob, carol and mallory, who is banned there.
fn family() -> (Room, Room) {
    let parent = Room::usual();
    let mut child = Room::usual().with("mallory", BANNED, 0).with("dave", ORDINARY, 0);
    child.view.metadata.room_uri = uri("mimi://a.example/r/side");
    let policy = child.policy_mut();
    policy.parent_dependant = true;
    policy.parent_room = Some(parent.view.room().to_string());
    (parent, child)
}

#[test]
fn a_dependent_room_is_founded_by_people_of_its_parent() {
    // POLICY-BASE-3
    let (parent, child) = family();
    let ask = |child: &Room, parent: &Room| {
        check_founding(&child.view, &parent.view).map_err(|denied| denied.rule)
    };
    assert_eq!(ask(&child, &parent), Err(Rule::InParent));
    let with_dave = parent.clone().with("dave", ORDINARY, 0);
    assert_eq!(ask(&child, &with_dave), Ok(()));
    assert_eq!(ask(&child, &parent.with("dave", BANNED, 0)), Err(Rule::InParent));
    assert_eq!(ask(&child, &child), Err(Rule::ParentRoom));
}

#[test]
fn who_leaves_the_parent_is_an_orphan() {
    // POLICY-BASE-3, AMB-POL-9
    let (parent, mut child) = family();
    assert_eq!(orphans(&child.view, &parent.view), [&user("dave")]);
    // With clients or without, where people are fixed as well.
    child = child.with_client("dave", 1);
    child.policy_mut().fixed_membership = true;
    assert_eq!(orphans(&child.view, &parent.view), [&user("dave")]);
    // Nobody where nobody is gone, or the room depends on another.
    let full = Room { view: parent.view.clone() }.with("dave", SUPER, 0);
    assert!(orphans(&child.view, &full.view).is_empty());
    child.policy_mut().parent_room = Some("mimi://a.example/r/third".to_owned());
    assert!(orphans(&child.view, &parent.view).is_empty());
}

/// POLICY-BASE-1, AMB-POL-10, TOM-126: the hub takes the clients of a direct room away that have
/// to go, and does nothing else to it, whoever is in it.
#[test]
fn a_hub_kicks_in_a_direct_room_and_does_nothing_else() {
    let room = Room::of(Preset::Direct).with("alice", 2, 2).with("bob", 2, 1);
    assert_allowed(room.propose(&hub(), room.drop_all("alice")));
    assert_allowed(room.propose(&hub(), [room.drop_client("alice", 2)]));
    assert_denied(room.propose(&hub(), room.removal("alice")), Rule::FixedMembership);
    assert_denied(room.propose(&hub(), [room.list_add("carol", 2)]), Rule::FixedMembership);
    assert_denied(room.propose(&hub(), [add_client("bob", 2)]), Rule::AddParticipant);
    assert_denied(room.propose(&hub(), [room.list_role("bob", 3)]), Rule::ChangeUserRole);
    let stranger = server("mimi://b.example");
    assert_denied(room.propose(&stranger, room.drop_all("alice")), Rule::NotPreauthorized);
    // People have no more to say about each other than before.
    assert_denied(room.commit("bob", room.drop_all("alice")), Rule::Kick);
    // What the hub has proposed either of them commits, and comes back in if it is there.
    let kicked = by(&hub(), room.drop_all("alice"));
    assert_allowed(room.judge_commit(room.member("bob"), kicked, []));
}

/// Rooms from before the hub was let do anything are direct rooms still, and it is not.
#[test]
fn an_earlier_direct_room_is_one() {
    let mut room = Room::of(Preset::Direct).with("alice", 2, 2).with("bob", 2, 1);
    assert_eq!(Preset::of_roles(&room.view.roles), Some(Preset::Direct));
    room.roles_mut().retain(|role| role.role_name != "policy_enforcer");
    assert_eq!(Preset::of_roles(&room.view.roles), Some(Preset::Direct));
    room.view.preauth.entries.clear();
    assert_denied(room.propose(&hub(), room.drop_all("alice")), Rule::NotPreauthorized);
    room.roles_mut().retain(|role| role.role_name != "no_role");
    assert_eq!(Preset::of_roles(&room.view.roles), None);
    for preset in Preset::ALL {
        assert_eq!(Preset::of_roles(&preset.roles()), Some(*preset));
    }
}
