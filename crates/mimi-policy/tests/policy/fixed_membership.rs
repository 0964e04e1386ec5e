//! One room for each set of people, and rooms whose people depend on another.

use mimi_policy::parent::{cascade, check_founding, orphans};
use mimi_policy::preset::Preset;
use mimi_policy::{ProposedChange, Rule, fixed_membership_key, participant_set_key};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::ParticipantListUpdate;

use crate::room::{BANNED, ORDINARY, Room, SUPER, assert_allowed, hub, uri, user};

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
fn who_leaves_the_parent_goes_with_all_clients() {
    // POLICY-BASE-3, AMB-POL-9
    let (parent, mut child) = family();
    let gone = |child: &Room| {
        let proposals = cascade(&child.view, &parent.view);
        assert_allowed(child.propose(&hub(), proposals.clone()));
        proposals
    };
    assert_eq!(orphans(&child.view, &parent.view), [&user("dave")]);
    let entry = |removed_indices| {
        ProposedChange::ParticipantList(ParticipantListUpdate {
            removed_indices,
            ..ParticipantListUpdate::default()
        })
    };
    assert_eq!(gone(&child), [entry(vec![4])]);
    child = child.with_client("dave", 1).with_client("dave", 2);
    let (one, two) = (child.leaf("dave", 1), child.leaf("dave", 2));
    let leaves = [one, two].map(ProposedChange::RemoveClient);
    assert_eq!(gone(&child), [vec![entry(vec![4])], leaves.to_vec()].concat());
    // Where people are fixed, nobody changes the list and the clients go.
    for role in child.roles_mut() {
        let adds = Capability::CAN_ADD_PARTICIPANT;
        role.role_capabilities.retain(|held| *held != adds);
    }
    child.policy_mut().fixed_membership = true;
    assert_eq!(gone(&child), leaves);
    // Nothing to do where nobody is gone, or the room depends on another.
    let full = Room { view: parent.view.clone() }.with("dave", SUPER, 0);
    assert!(cascade(&child.view, &full.view).is_empty());
    child.policy_mut().parent_room = Some("mimi://a.example/r/third".to_owned());
    assert!(cascade(&child.view, &parent.view).is_empty());
}
