//! Minimums and maximums of roles (POLICY-ROLE-2, AMB-POL-17).

use mimi_policy::{ProposedChange, Rule};

use crate::room::{
    ADMIN, BANNED, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied, by,
};

#[test]
fn a_minimum_binds_whoever_takes_somebody_out() {
    let mut room = Room::usual();
    room.role_mut(ORDINARY).minimum_participants_constraint = 2;
    let denied =
        assert_denied(room.commit("alice", room.removal("bob")), Rule::MinimumParticipants);
    assert_eq!(
        denied.to_string(),
        "alice may not take participants out of ordinary_user: at least 2 must stay in it"
    );
    assert_denied(room.commit("alice", room.ban("bob")), Rule::MinimumParticipants);
    let promoted = room.commit("alice", [room.list_role("bob", ADMIN)]);
    assert_denied(promoted, Rule::MinimumParticipants);
    room.role_mut(ORDINARY).minimum_participants_constraint = 1;
    assert_allowed(room.commit("alice", room.removal("bob")));
}

#[test]
fn it_is_the_final_state_that_counts() {
    let mut room = Room::usual();
    room.role_mut(ORDINARY).minimum_participants_constraint = 2;
    room.role_mut(ORDINARY).maximum_participants_constraint = Some(2);
    let swap = [room.removal("bob"), vec![room.list_add("dave", ORDINARY)]].concat();
    assert_allowed(room.commit("alice", swap));
}

#[test]
fn a_maximum_binds_whoever_puts_somebody_in() {
    let mut room = Room::usual();
    room.role_mut(ORDINARY).maximum_participants_constraint = Some(2);
    let added = room.commit("alice", [room.list_add("dave", ORDINARY)]);
    assert_denied(added, Rule::MaximumParticipants);
    assert_allowed(room.commit("alice", [room.list_add("dave", ADMIN)]));
    let demoted = Room { ..room.clone() }.with("dora", ADMIN, 1).with("erin", ADMIN, 1);
    let verdict = demoted.commit("alice", [demoted.list_role("dora", ORDINARY)]);
    assert_denied(verdict, Rule::MaximumParticipants);
}

#[test]
fn active_minimums_count_clients() {
    // POLICY-CAP-REM-2, POLICY-CAP-REM-4: no role changes, and still the role is touched.
    let mut room = Room::usual();
    room.role_mut(ORDINARY).minimum_active_participants_constraint = 2;
    assert_denied(room.commit("alice", room.drop_all("bob")), Rule::MinimumActive);
    assert_allowed(room.commit("alice", [room.drop_client("bob", 1)]));
    let gone = room.propose(&room.member("carol"), [ProposedChange::SelfRemove]);
    assert_denied(gone, Rule::MinimumActive);
}

#[test]
fn active_maximums_count_clients() {
    // POLICY-CAP-ADD-1, AMB-POL-39
    let mut room = Room::usual().with("dave", ORDINARY, 0);
    room.role_mut(ORDINARY).maximum_active_participants_constraint = Some(2);
    assert_denied(room.commit("bob", [add_client("dave", 1)]), Rule::MaximumActive);
    assert_allowed(room.commit("bob", [add_client("bob", 3)]));
    let newcomer = [room.list_add("erin", ORDINARY), add_client("erin", 1)];
    assert_denied(room.commit("bob", newcomer), Rule::MaximumActive);
    assert_allowed(room.commit("bob", [room.list_add("erin", ORDINARY)]));
}

#[test]
fn what_is_violated_already_blocks_only_what_touches_it() {
    // AMB-POL-17: nobody is group_admin at creation, though one should be.
    let room = Room::usual();
    assert_eq!(room.view.role(ADMIN).unwrap().minimum_participants_constraint, 1);
    assert_allowed(room.commit("alice", room.removal("bob")));
    let mut crowded = room;
    crowded.role_mut(ORDINARY).maximum_participants_constraint = Some(1);
    crowded.role_mut(SUPER).minimum_participants_constraint = 3;
    assert_allowed(crowded.commit("alice", crowded.removal("bob")));
    let swap = [crowded.removal("bob"), vec![crowded.list_add("dave", ORDINARY)]].concat();
    assert_denied(crowded.commit("alice", swap), Rule::MaximumParticipants);
    let leave = by(&crowded.member("alice"), crowded.leave("alice"));
    let verdict = crowded.judge_commit(crowded.member("bob"), leave, []);
    assert_denied(verdict, Rule::MinimumParticipants);
}

#[test]
fn a_full_banned_role_never_prevents_a_ban() {
    // AMB-POL-17, POLICY-CAP-ROLE-3
    let mut room = Room::usual().with("mallory", BANNED, 0);
    room.role_mut(BANNED).maximum_participants_constraint = Some(1);
    assert_allowed(room.commit("alice", room.ban("bob")));
    assert_allowed(room.commit("alice", [room.list_add("dave", BANNED)]));
}

#[test]
fn an_active_minimum_asks_only_who_makes_somebody_inactive() {
    // AMB-POL-17
    let mut room = Room::usual();
    room.role_mut(ORDINARY).minimum_active_participants_constraint = 3;
    assert_allowed(room.commit("alice", [room.list_add("dave", ORDINARY)]));
    let newcomer = [room.list_add("dave", ORDINARY), add_client("dave", 1)];
    assert_allowed(room.commit("alice", newcomer));
    assert_denied(room.commit("alice", room.drop_all("bob")), Rule::MinimumActive);
}

#[test]
fn who_comes_or_goes_without_a_client_touches_the_active_limits_too() {
    // AMB-POL-17, by the letter: the role is left or entered, whatever the participant's activity.
    let mut room = Room::usual().with("dave", ORDINARY, 0);
    room.role_mut(ORDINARY).minimum_active_participants_constraint = 3;
    assert_denied(room.commit("alice", [room.list_remove("dave")]), Rule::MinimumActive);
    room.role_mut(ORDINARY).minimum_active_participants_constraint = 2;
    assert_allowed(room.commit("alice", [room.list_remove("dave")]));
    room.role_mut(ORDINARY).maximum_active_participants_constraint = Some(1);
    let listed = room.commit("alice", [room.list_add("erin", ORDINARY)]);
    assert_denied(listed, Rule::MaximumActive);
    assert_allowed(room.commit("alice", [room.list_add("erin", BANNED)]));
    room.role_mut(ORDINARY).maximum_active_participants_constraint = Some(2);
    assert_allowed(room.commit("alice", [room.list_add("erin", ORDINARY)]));
}
