//! Rooms and their snapshots.

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::record::{RoomKind, StoredRoom};
use mimi_provider::{Change, Expect};

use super::facts::{client, device, entries, hosted, join, leave, room, user};
use super::{Subject, lost, write, write_if};
use crate::Store;

/// A second room of the same name is a lost race, and changes nothing.
pub async fn a_room_is_created_once(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    assert_eq!(store.room(&club).await, Ok(None));
    // A stream is not a room.
    write(&store, entries(&club, 1, 1)).await.expect("appended");
    assert_eq!(store.room(&club).await, Ok(None));
    let followed = Change::CreateRoom {
        room: club.clone(),
        kind: RoomKind::Follower,
        snapshot: b"theirs".to_vec(),
    };
    write_if(&store, [Expect::NoRoom(club.clone())], [followed]).await.expect("created");
    assert!(lost(&write(&store, [hosted("club")]).await));
    assert!(lost(&write_if(&store, [Expect::NoRoom(club.clone())], []).await));
    let expected = StoredRoom {
        room: club.clone(),
        kind: RoomKind::Follower,
        snapshot: b"theirs".to_vec(),
        snapshot_seq: 0,
        last_seq: 1,
    };
    assert_eq!(store.room(&club).await, Ok(Some(expected)));
}

/// An older snapshot does not replace a newer one.
pub async fn a_snapshot_only_gets_newer(subject: &impl Subject) {
    let store = subject.open();
    let put = |name, seq, snapshot: &[u8]| Change::PutSnapshot {
        room: room(name),
        seq,
        snapshot: snapshot.to_vec(),
    };
    write(&store, [hosted("club")]).await.expect("created");
    write(&store, entries(&room("club"), 1, 5)).await.expect("appended");
    for (seq, snapshot, expected) in [
        (0, "again first", (0, "again first")),
        (3, "third", (3, "third")),
        (2, "second", (3, "third")),
        (3, "again third", (3, "again third")),
        (5, "fifth", (5, "fifth")),
    ] {
        write(&store, [put("club", seq, snapshot.as_bytes())]).await.expect("written");
        let found = store.room(&room("club")).await.expect("read").expect("there");
        assert_eq!((found.snapshot_seq, &*found.snapshot), (expected.0, expected.1.as_bytes()));
        assert_eq!((found.kind, found.last_seq), (RoomKind::Hub, 5));
    }
    assert!(lost(&write(&store, [put("attic", 1, b"")]).await), "there is no such room");
}

/// Rooms of a client, of all devices of a user; left ones too, other streams not.
pub async fn rooms_of_clients_and_users(subject: &impl Subject) {
    let store = subject.open();
    let (phone, desk) = (client("alice", "phone"), client("alice", "desk"));
    let changes = [
        hosted("club"),
        hosted("attic"),
        hosted("cellar"),
        Change::PutDevice(device("alice", "phone", 1, 1)),
        Change::PutDevice(device("alice", "desk", 2, 2)),
        Change::PutDevice(device("bob", "phone", 3, 3)),
        join(&phone, &room("club"), 1),
        join(&phone, &room("cellar"), 1),
        leave(&phone, &room("cellar"), 4),
        join(&phone, &room("cellar"), 6),
        join(&desk, &room("attic"), 1),
        leave(&desk, &room("attic"), 3),
        join(&desk, &room("club"), 1),
        join(&desk, &room("no-room"), 1),
        join(&client("bob", "phone"), &room("attic"), 1),
    ];
    write(&store, changes).await.expect("written");
    let (club, cellar, attic) = (room("club"), room("cellar"), room("attic"));
    assert_eq!(store.room_count().await, Ok(3));
    assert_eq!(store.rooms_of(&phone).await, Ok(vec![cellar.clone(), club.clone()]));
    assert_eq!(store.rooms_of(&desk).await, Ok(vec![attic.clone(), club.clone()]));
    assert_eq!(store.rooms_of(&user("alice")).await, Ok(vec![attic.clone(), cellar, club]));
    assert_eq!(store.rooms_of(&user("bob")).await, Ok(vec![attic]));
    assert_eq!(store.rooms_of(&user("carol")).await, Ok(Vec::new()));
}

/// POLICY-BASE-2: the second room of the same people is a lost race; given up, the set is free.
pub async fn a_set_of_members_has_one_room(subject: &impl Subject) {
    let store = subject.open();
    let members = MemberSet([7; 32]);
    let take = |name| Change::TakeMembers { members, room: room(name) };
    let free = |name| Change::FreeMembers { members, room: room(name) };
    let is_free = Expect::MembersFree(members);
    write_if(&store, [is_free.clone()], [hosted("club"), take("club")]).await.expect("taken");
    assert_eq!(store.room_of_members(members).await, Ok(Some(room("club"))));
    assert!(lost(&write_if(&store, [is_free.clone()], []).await));
    assert!(lost(&write(&store, [hosted("tea"), take("tea")]).await));
    assert_eq!(store.room(&room("tea")).await, Ok(None), "all or nothing");
    write(&store, [free("tea"), take("club")]).await.expect("no matter of another room's");
    drop(store);
    let store = subject.open();
    assert_eq!(store.room_of_members(members).await, Ok(Some(room("club"))));
    assert_eq!(store.room_of_members(MemberSet([8; 32])).await, Ok(None));
    write(&store, [free("club")]).await.expect("given up");
    write_if(&store, [is_free], [hosted("tea"), take("tea")]).await.expect("taken again");
    assert_eq!(store.room_of_members(members).await, Ok(Some(room("tea"))));
}

/// POLICY-BASE-3: a room depends on one other at most.
pub async fn dependent_rooms_are_found_by_their_parent(subject: &impl Subject) {
    let store = subject.open();
    let put = |child, parent: Option<&str>| Change::PutParent {
        room: room(child),
        parent: parent.map(room),
    };
    let club = Some("club");
    write(&store, [put("b", club), put("a", club), put("c", Some("tea"))]).await.expect("put");
    let children = store.dependent_rooms(&room("club")).await;
    assert_eq!(children, Ok(vec![room("a"), room("b")]));
    assert_eq!(store.parent_rooms().await, Ok(vec![room("club"), room("tea")]));
    write(&store, [put("a", Some("tea")), put("c", None)]).await.expect("put");
    assert_eq!(store.dependent_rooms(&room("tea")).await, Ok(vec![room("a")]));
    assert_eq!(store.dependent_rooms(&room("club")).await, Ok(vec![room("b")]));
}

/// Followed rooms are somebody else's.
pub async fn hosted_rooms_are_listed(subject: &impl Subject) {
    let store = subject.open();
    let kind = RoomKind::Follower;
    let followed = Change::CreateRoom { room: room("theirs"), kind, snapshot: Vec::new() };
    write(&store, [hosted("tea"), followed, hosted("club")]).await.expect("created");
    assert_eq!(store.hosted_rooms().await, Ok(vec![room("club"), room("tea")]));
}
