//! An index that is kept says what a new one would.

use mimi_policy::participant_list::{ListDelta, apply};
use mimi_policy::{ClientView, Judge, ProposedChange, RoomIndex, StagedChange, StagedProposal};
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair, UserRolePair};

use crate::room::{ADMIN, BANNED, ORDINARY, Room, client, user};

/// Many with one client each; alice may do anything.
fn crowd(count: u32) -> Room {
    let mut room = Room::usual();
    for number in 0..count {
        room = room.with(&format!("user{number:03}"), ORDINARY, number % 3);
    }
    room
}

fn commit(room: &Room, changes: Vec<ProposedChange>) -> StagedChange {
    let committer = room.member("alice");
    let inline = |change| StagedProposal { sender: committer.clone(), reference: None, change };
    let proposals = changes.into_iter().map(inline).collect();
    StagedChange { epoch: room.view.epoch, committer: Some(committer.clone()), proposals }
}

/// The room after a change, clients and all.
fn after(room: &Room, change: &StagedChange, delta: &ListDelta) -> Room {
    let mut view = room.view.clone();
    view.epoch += 1;
    delta.apply_to(&mut view.participants);
    for proposal in &change.proposals {
        if let ProposedChange::RemoveClient(leaf) = &proposal.change {
            view.clients.retain(|client| client.leaf != *leaf);
        }
    }
    for proposal in &change.proposals {
        if let ProposedChange::AddClient(new) = &proposal.change {
            let leaf = (0..).find(|leaf| view.client_at(*leaf).is_none()).unwrap();
            let client = ClientView { leaf, user: new.user.clone(), client: new.client.clone() };
            view.clients.push(client);
            view.clients.sort_by_key(|client| client.leaf);
        }
    }
    Room { view }
}

#[test]
fn a_busy_day_in_a_crowd() {
    let mut room = crowd(60);
    let mut index = RoomIndex::of(&room.view);
    let add = |name: &str, number| ProposedChange::AddClient(client(name, number));
    for day in 0..40_u32 {
        let victim = format!("user{:03}", day + 7);
        let banned = format!("user{:03}", (day * 7) % 40);
        let new = format!("new{day:03}");
        let mut changes = Vec::new();
        if room.view.role_index_of(&user(&victim)).is_some_and(|role| role != BANNED) {
            changes.extend(room.removal(&victim));
        }
        let role = room.view.role_index_of(&user(&banned));
        if banned != victim && role.is_some_and(|role| role != BANNED) {
            changes.extend(room.ban(&banned));
        }
        changes.extend([room.list_add(&new, ORDINARY), add(&new, 1), add("bob", day + 9)]);
        let change = commit(&room, changes);
        let judge = Judge::of(&room.view).with_index(&index);
        let delta = judge.decide(&change).unwrap();
        assert_eq!(delta, Judge::of(&room.view).decide(&change).unwrap());
        let next = after(&room, &change, &delta);
        index.update(&room.view, &next.view, &change, &delta);
        assert_eq!(index, RoomIndex::of(&next.view), "day {day}");
        room = next;
    }
}

#[test]
fn a_leaf_that_changes_hands_at_once() {
    let room = Room::usual();
    let leaf = room.leaf("bob", 2);
    let changes =
        vec![ProposedChange::RemoveClient(leaf), ProposedChange::AddClient(client("alice", 3))];
    let change = commit(&room, changes);
    let delta = Judge::of(&room.view).decide(&change).unwrap();
    let next = after(&room, &change, &delta);
    assert_eq!(next.view.client_at(leaf).unwrap().user, user("alice"));
    let mut index = RoomIndex::of(&room.view);
    index.update(&room.view, &next.view, &change, &delta);
    assert_eq!(index, RoomIndex::of(&next.view));
}

#[test]
fn what_does_not_fit_is_indexed_anew() {
    let (room, other) = (Room::usual(), crowd(5));
    let change = commit(&room, Vec::new());
    let mut index = RoomIndex::of(&room.view);
    index.update(&other.view, &other.view, &change, &ListDelta::default());
    assert_eq!(index, RoomIndex::of(&other.view));
    let mut index = RoomIndex::of(&room.view);
    index.update(&room.view, &other.view, &change, &ListDelta::default());
    assert_eq!(index, RoomIndex::of(&other.view));
}

#[test]
fn many_removals_are_taken_out_as_few_are() {
    // PROTO-PL-2
    let room = crowd(40);
    let list = &room.view.participants;
    for count in [1, 8, 9, 30] {
        let removed: Vec<u32> = (3..3 + count).map(|index| index * 41 % 43).collect();
        let update = ParticipantListUpdate {
            changed_role_participants: vec![UserIndexRolePair { user_index: 0, role_index: ADMIN }]
                .into_iter()
                .filter(|_| !removed.contains(&0))
                .collect(),
            removed_indices: removed.clone(),
            added_participants: vec![UserRolePair { user: user("new"), role_index: ORDINARY }],
        };
        let expected: Vec<_> = (0..)
            .zip(&list.participants)
            .filter(|(position, _)| !removed.contains(position))
            .map(|(_, pair)| pair.user.clone())
            .chain([user("new")])
            .collect();
        let after = apply(list, &[update]).unwrap();
        let users: Vec<_> = after.participants.into_iter().map(|pair| pair.user).collect();
        assert_eq!(users, expected);
    }
}
