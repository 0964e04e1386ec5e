//! Rooms from founding to the last leave, hub and members in one process.
#![expect(clippy::unwrap_used, reason = "tests")]

use mimi_mls::member::{CommitPlan, Received};
use tombolo_testkit::{TestRoom, now_ms};

#[test]
fn the_first_way_through() {
    let mut room = TestRoom::of_alice();
    room.assert_agreement();
    let phone = room.federation.device("b.example", "bob", "phone");
    let laptop = room.federation.device("b.example", "bob", "laptop");
    let plan = room.plan_to_add(vec![phone, laptop]);
    room.commit("alice/phone", &plan);
    room.assert_agreement();
    assert_eq!(room.members.len(), 3);
    let message = room.message("bob/laptop", b"hello");
    for (name, member) in &mut room.members {
        let received = member.group.receive(&message, &room.issuers, now_ms()).unwrap();
        match received {
            Received::Repeat => assert_eq!(name, "bob/laptop"),
            Received::Application { user, application_data, leaf, epoch, .. } => {
                assert_eq!(user.as_str(), "mimi://b.example/u/bob");
                assert_eq!((leaf, epoch), (2, 1));
                assert_eq!(application_data, b"hello");
            }
            other => panic!("{other:?}"),
        }
    }
    let tablet = room.federation.device("a.example", "alice", "tablet");
    room.join_externally(tablet);
    room.assert_agreement();
    room.commit("alice/tablet", &CommitPlan::default());
    room.assert_agreement();
}
