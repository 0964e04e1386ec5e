//! Leaving a room (AMB-UPD-9): proposals of the leaver, committed by somebody who stays.

use mimi_policy::{ProposedChange, Rule};
use mimi_wire::room::capability::Capability;

use crate::room::{ADMIN, ORDINARY, Room, assert_allowed, assert_denied, by, client, hub, user};

#[test]
fn leaving_takes_everything_along() {
    // POLICY-CAP-REM-3, AMB-UPD-9
    let room = Room::usual();
    let bob = room.member("bob");
    assert_allowed(room.propose(&bob, room.leave("bob")));
    let referred = by(&bob, room.leave("bob"));
    let allowed = assert_allowed(room.judge_commit(room.member("carol"), referred, []));
    assert!(allowed.participants().participants.iter().all(|pair| pair.user != user("bob")));
}

#[test]
fn leaving_by_removes_alone_is_accepted() {
    // AMB-UPD-11: Remove of the own leaf instead of SelfRemove.
    let room = Room::usual();
    assert_allowed(room.propose(&room.member("bob"), room.removal("bob")));
}

#[test]
fn leaving_leaves_no_client_behind() {
    // POLICY-CAP-REM-3, PROTO-UPD-3
    let room = Room::usual();
    let bob = room.member("bob");
    let only_self = [room.list_remove("bob"), ProposedChange::SelfRemove];
    assert_denied(room.propose(&bob, only_self), Rule::ClientsLeftBehind);
    assert_denied(room.propose(&bob, [room.list_remove("bob")]), Rule::ClientsLeftBehind);
}

#[test]
fn the_leaver_cannot_commit_it() {
    // POLICY-CAP-REM-2, POLICY-CAP-REM-3
    let room = Room::usual();
    assert_denied(room.commit("bob", room.leave("bob")), Rule::CommitOwnRemoval);
    assert_denied(room.commit("bob", room.removal("bob")), Rule::CommitOwnRemoval);
    let cached = by(&room.member("alice"), room.ban("bob"));
    assert_denied(room.judge_commit(room.member("bob"), cached, []), Rule::CommitOwnRemoval);
}

#[test]
fn leaving_asks_capability_and_table() {
    // POLICY-CAP-REM-3
    let room = Room::usual().denying(ORDINARY, Capability::CAN_REMOVE_SELF);
    let denied = assert_denied(room.propose(&room.member("bob"), room.leave("bob")), Rule::Leave);
    assert!(denied.to_string().contains("canRemoveSelf"), "{denied}");
    let mut room = Room::usual();
    room.role_mut(ORDINARY).authorized_role_changes.clear();
    let denied = assert_denied(room.propose(&room.member("bob"), room.leave("bob")), Rule::Leave);
    assert_eq!(denied.needed, "their role ordinary_user is not one that may leave");
}

#[test]
fn removing_others_does_not_let_one_leave() {
    // POLICY-CAP-REM-1 excludes oneself: canRemoveParticipant is no canRemoveSelf.
    let room = Room::usual().denying(ORDINARY, Capability::CAN_REMOVE_SELF);
    assert_denied(room.propose(&room.member("bob"), room.removal("bob")), Rule::Leave);
}

#[test]
fn the_last_of_a_role_with_a_minimum_stays() {
    // POLICY-ROLE-2, POLICY-CAP-REM-3
    let room = Room::usual().with("dora", ADMIN, 1);
    let dora = room.member("dora");
    let denied = room.propose(&dora, room.leave("dora"));
    assert_denied(denied, Rule::MinimumParticipants);
    let room = room.with("erin", ADMIN, 1);
    assert_allowed(room.propose(&dora, room.leave("dora")));
    // Both at once would leave nobody: the hub sees it when it judges the second with the first.
    let both = [by(&dora, room.leave("dora")), by(&room.member("erin"), room.leave("erin"))];
    assert_denied(room.judge_bundle(both.concat()), Rule::MinimumParticipants);
}

#[test]
fn an_external_commit_carries_the_self_remove_of_a_leave() {
    // AMB-UPD-9, AMB-UPD-10: even where the leaver may only leave, not drop clients.
    let room = Room::usual().denying(ORDINARY, Capability::CAN_REMOVE_OWN_CLIENT);
    let cached = by(&room.member("bob"), [ProposedChange::SelfRemove]);
    let joiner = client("carol", 2);
    let verdict = room.judge_commit(
        mimi_policy::Actor::Joiner(joiner.clone()),
        cached.clone(),
        [ProposedChange::ExternalJoin(joiner)],
    );
    assert_allowed(verdict);
    // In a member's commit the rest of the leave has to stand beside it.
    let verdict = room.judge_commit(room.member("carol"), cached, []);
    assert_denied(verdict, Rule::RemoveOwnClient);
}

#[test]
fn the_hub_clears_what_a_leave_left_over() {
    // AMB-UPD-9: after an external commit took the SelfRemove, list entry and leaf remain.
    let room = Room::usual().with("dave", ORDINARY, 0);
    assert_allowed(room.propose(&hub(), [room.list_remove("dave")]));
    assert_allowed(room.propose(&hub(), room.removal("bob")));
    assert_denied(room.propose(&hub(), [room.list_remove("bob")]), Rule::ClientsLeftBehind);
}

#[test]
fn two_leave_in_one_commit() {
    // PROTO-PL-2, AMB-PL-1: both written against the epoch's list.
    let room = Room::usual();
    let cached = [
        by(&room.member("bob"), room.leave("bob")),
        by(&room.member("carol"), room.leave("carol")),
    ];
    let allowed = assert_allowed(room.judge_commit(room.member("alice"), cached.concat(), []));
    let users: Vec<_> = allowed.participants().participants.iter().map(|pair| &pair.user).collect();
    assert_eq!(users, [&user("alice")]);
}
