//! PROTO-PL-1..6, AMB-PL-1..5.

use mimi_wire::MimiUri;
use mimi_wire::limits::PARTICIPANTS_MAX;
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, UserIndexRolePair, UserRolePair,
};

use super::{Rule, apply, merge};

fn user(name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://a.example/u/{name}")).unwrap()
}

fn pair(name: &str, role_index: u32) -> UserRolePair {
    UserRolePair { user: user(name), role_index }
}

fn list(pairs: &[(&str, u32)]) -> ParticipantListData {
    let participants = pairs.iter().map(|(name, role)| pair(name, *role)).collect();
    ParticipantListData { participants }
}

fn update(changed: &[(u32, u32)], removed: &[u32], added: &[(&str, u32)]) -> ParticipantListUpdate {
    let changed = changed.iter().map(|(user_index, role_index)| UserIndexRolePair {
        user_index: *user_index,
        role_index: *role_index,
    });
    ParticipantListUpdate {
        changed_role_participants: changed.collect(),
        removed_indices: removed.to_vec(),
        added_participants: added.iter().map(|(name, role)| pair(name, *role)).collect(),
    }
}

fn rule(updates: &[ParticipantListUpdate]) -> Rule {
    apply(&list(&[("alice", 4), ("bob", 2), ("carol", 2)]), updates).unwrap_err().rule
}

#[test]
fn role_changes_then_removals_then_additions() {
    // PROTO-PL-2
    let before = list(&[("alice", 4), ("bob", 2), ("carol", 2), ("dave", 2)]);
    let after = apply(&before, &[update(&[(3, 3)], &[1], &[("erin", 2), ("frank", 1)])]);
    let expected = list(&[("alice", 4), ("carol", 2), ("dave", 3), ("erin", 2), ("frank", 1)]);
    assert_eq!(after, Ok(expected));
}

#[test]
fn every_update_is_relative_to_the_epochs_list() {
    // AMB-PL-1: read one after the other, the second would hit dave.
    let before = list(&[("alice", 4), ("bob", 2), ("carol", 2), ("dave", 2)]);
    let updates = [
        update(&[], &[1], &[("erin", 2)]),
        update(&[], &[2], &[]),
        update(&[(3, 3)], &[], &[("frank", 2)]),
    ];
    let expected = list(&[("alice", 4), ("dave", 3), ("erin", 2), ("frank", 2)]);
    assert_eq!(apply(&before, &updates), Ok(expected));
}

#[test]
fn the_order_of_removals_does_not_matter() {
    // AMB-PL-2
    let before = list(&[("alice", 4), ("bob", 2), ("carol", 2)]);
    assert_eq!(apply(&before, &[update(&[], &[2, 1], &[])]), Ok(list(&[("alice", 4)])));
}

#[test]
fn nobody_is_touched_twice() {
    // PROTO-PL-1, PROTO-PL-4, AMB-PL-2, AMB-PL-4
    for updates in [
        vec![update(&[], &[1, 1], &[])],
        vec![update(&[(1, 3), (1, 4)], &[], &[])],
        vec![update(&[(1, 3)], &[1], &[])],
        vec![update(&[], &[1], &[("bob", 3)])],
        vec![update(&[], &[], &[("erin", 2), ("erin", 3)])],
        vec![update(&[], &[1], &[]), update(&[], &[1], &[])],
        vec![update(&[], &[], &[("erin", 2)]), update(&[], &[], &[("erin", 2)])],
        vec![update(&[(1, 3)], &[], &[]), update(&[], &[1], &[])],
    ] {
        assert_eq!(rule(&updates), Rule::UserTouchedTwice, "{updates:?}");
    }
    assert_eq!(rule(&[update(&[], &[], &[("bob", 3)])]), Rule::AlreadyListed);
    assert_eq!(Rule::AlreadyListed.id(), Rule::UserTouchedTwice.id());
}

#[test]
fn positions_and_roles_exist() {
    // PROTO-PL-5, AMB-PL-3
    for (one, rule_of) in [
        (update(&[], &[3], &[]), Rule::IndexInList),
        (update(&[], &[u32::MAX], &[]), Rule::IndexInList),
        (update(&[(3, 2)], &[], &[]), Rule::IndexInList),
        (update(&[(1, 0)], &[], &[]), Rule::RoleDefined),
        (update(&[], &[], &[("erin", 0)]), Rule::RoleDefined),
        // AMB-PL-5
        (update(&[(1, 2)], &[], &[]), Rule::RoleUnchanged),
    ] {
        assert_eq!(rule(&[one]), rule_of);
    }
}

#[test]
fn participants_are_users() {
    // PROTO-PL-1
    let mut one = update(&[], &[], &[("erin", 2)]);
    one.added_participants[0].user = MimiUri::new("mimi://a.example/d/erin/phone").unwrap();
    assert_eq!(rule(&[one.clone()]), Rule::ParticipantIsUser);
    one.added_participants[0].user = MimiUri::new("mimi://a.example/p/shadow").unwrap();
    assert!(apply(&list(&[("alice", 4)]), &[one]).is_ok());
}

#[test]
fn nothing_changes_nothing() {
    let before = list(&[("alice", 4), ("mallory", 1)]);
    assert_eq!(apply(&before, &[]), Ok(before.clone()));
    assert_eq!(apply(&before, &[update(&[], &[], &[])]), Ok(before));
}

#[test]
fn a_list_has_a_limit() {
    let names: Vec<String> = (0..PARTICIPANTS_MAX).map(|number| format!("u{number}")).collect();
    let full =
        ParticipantListData { participants: names.iter().map(|name| pair(name, 2)).collect() };
    let denied = apply(&full, &[update(&[], &[], &[("erin", 2)])]).unwrap_err();
    assert_eq!(denied.rule, Rule::ListFull);
    let swapped = apply(&full, &[update(&[], &[0], &[("erin", 2)])]).unwrap();
    assert_eq!(swapped.participants.len(), PARTICIPANTS_MAX);
    let mut almost = full.clone();
    almost.participants.pop();
    let filled = apply(&almost, &[update(&[], &[], &[("erin", 2)])]).unwrap();
    assert_eq!(filled.participants.len(), PARTICIPANTS_MAX);
    // One that is too long already may stay so, and does not grow.
    let mut over = full;
    over.participants.push(pair("frank", 2));
    assert!(apply(&over, &[update(&[], &[0], &[("erin", 2)])]).is_ok());
    assert!(apply(&over, &[update(&[], &[], &[("erin", 2)])]).is_err());
}

/// AMB-PL-4: however many come, nobody comes who is there.
#[test]
fn few_additions_and_many() {
    let names: Vec<String> = (0..12).map(|number| format!("u{number}")).collect();
    for count in [1, 7, 8, 9, 12] {
        let mut added: Vec<(&str, u32)> =
            names[..count].iter().map(|name| (name.as_str(), 2)).collect();
        let before = list(&[("alice", 4), ("bob", 2)]);
        let after = apply(&before, &[update(&[], &[], &added)]).unwrap();
        assert_eq!(after.participants.len(), 2 + count);
        added[count - 1] = ("bob", 2);
        assert_eq!(rule(&[update(&[], &[], &added)]), Rule::AlreadyListed, "{count}");
    }
}

/// A list it was not judged against is not what it is for; it does no harm there.
#[test]
fn a_delta_takes_nothing_from_a_list_that_is_shorter() {
    let judged = list(&[("alice", 4), ("bob", 2), ("carol", 2)]);
    let change = update(&[(2, 3)], &[1], &[]);
    let delta = merge(&judged, |_| false, [(None, &change)]).unwrap();
    let mut shorter = list(&[("alice", 4)]);
    delta.apply_to(&mut shorter);
    assert_eq!(shorter, list(&[("alice", 4)]));
}

/// PROTO-PL-2: however many go, the others keep their order.
#[test]
fn few_removals_and_many() {
    let user = |number: u32| MimiUri::new(&format!("mimi://a.example/u/{number}")).unwrap();
    let pair = |number| UserRolePair { user: user(number), role_index: 2 };
    let list = ParticipantListData { participants: (0..43).map(pair).collect() };
    for count in [0, 1, 8, 9, 30, 43] {
        let removed_indices: Vec<u32> = (0..count).map(|index| (index + 3) * 41 % 43).collect();
        let stay = (0..43).filter(|number| !removed_indices.contains(number));
        let expected: Vec<UserRolePair> = stay.chain([99]).map(pair).collect();
        let update = ParticipantListUpdate {
            removed_indices: removed_indices.clone(),
            added_participants: vec![pair(99)],
            ..ParticipantListUpdate::default()
        };
        assert_eq!(apply(&list, &[update]).unwrap().participants, expected, "{count}");
    }
}
