//! Role changes, bans, and new definitions of roles.

use mimi_policy::{ProposedChange, Rule};
use mimi_wire::component::PREAUTH_LIST;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::preauth::{PreAuthData, PreAuthRoleEntry};

use crate::room::{
    ADMIN, BANNED, ENFORCER, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied, by,
    hub, roles, user,
};

#[test]
fn roles_change_by_the_table() {
    // POLICY-CAP-ROLE-1
    let room = Room::usual().with("dora", ADMIN, 1).with("erin", ADMIN, 1);
    assert_allowed(room.commit("dora", [room.list_role("bob", ADMIN)]));
    assert_allowed(room.commit("dora", [room.list_role("erin", ORDINARY)]));
    assert_denied(room.commit("dora", [room.list_role("bob", SUPER)]), Rule::ChangeUserRole);
    assert_denied(room.commit("dora", [room.list_role("alice", ADMIN)]), Rule::ChangeUserRole);
    assert_denied(room.commit("carol", [room.list_role("bob", ADMIN)]), Rule::ChangeUserRole);
    assert_denied(room.commit("dora", [room.list_role("bob", 77)]), Rule::RoleDefined);
}

#[test]
fn nobody_changes_the_own_role_by_the_table() {
    // POLICY-CAP-ROLE-1 excludes oneself; POLICY-CAP-ROLE-2 asks the preauthorization list.
    let room = Room::usual().with("dora", ADMIN, 1).with("erin", ADMIN, 1);
    assert_denied(room.commit("dora", [room.list_role("dora", ORDINARY)]), Rule::ChangeOwnRole);
    let room = room.granting(ADMIN, Capability::CAN_CHANGE_OWN_ROLE);
    assert_denied(room.commit("dora", [room.list_role("dora", ORDINARY)]), Rule::ChangeOwnRole);
    let mut open = room;
    let target_role = open.view.role(ORDINARY).unwrap().clone();
    open.view.preauth.entries = vec![PreAuthRoleEntry { claimset: Vec::new(), target_role }];
    assert_allowed(open.commit("dora", [open.list_role("dora", ORDINARY)]));
    assert_denied(open.commit("dora", [open.list_role("dora", SUPER)]), Rule::ChangeOwnRole);
}

#[test]
fn a_ban_changes_the_role_and_removes_the_clients() {
    // POLICY-CAP-ROLE-3, PROTO-UPD-3
    let room = Room::usual();
    let allowed = assert_allowed(room.commit("alice", room.ban("bob")));
    let mut list = allowed.participants().participants.iter();
    assert!(list.any(|pair| pair.user == user("bob") && pair.role_index == BANNED));
    let verdict = room.commit("alice", [room.list_role("bob", BANNED)]);
    assert_denied(verdict, Rule::ClientsLeftBehind);
    let denied = assert_denied(room.commit("carol", room.ban("bob")), Rule::Ban);
    assert_eq!(
        denied.to_string(),
        "carol may not ban bob: their role ordinary_user has neither canBan nor canChangeUserRole"
    );
}

#[test]
fn either_capability_bans() {
    // AMB-POL-25: canChangeUserRole alone covers role and clients.
    let room =
        Room::usual().denying(SUPER, Capability::CAN_BAN).denying(SUPER, Capability::CAN_KICK);
    assert_allowed(room.commit("alice", room.ban("bob")));
    let room = room.granting(SUPER, Capability::CAN_BAN);
    let room = room.denying(SUPER, Capability::CAN_CHANGE_USER_ROLE);
    assert_allowed(room.commit("alice", room.ban("bob")));
    let mut room = room;
    room.role_mut(SUPER).authorized_role_changes.clear();
    assert_denied(room.commit("alice", room.ban("bob")), Rule::Ban);
}

#[test]
fn nobody_bans_oneself() {
    // POLICY-CAP-ROLE-3: another user.
    let room = Room::usual();
    let verdict = room.propose(&room.member("alice"), room.ban("alice"));
    assert_denied(verdict, Rule::ChangeOwnRole);
}

#[test]
fn a_ban_ahead_of_time() {
    // AMB-POL-24
    let room = Room::usual();
    assert_allowed(room.commit("alice", [room.list_add("mallory", BANNED)]));
    assert_allowed(room.propose(&hub(), [room.list_add("mallory", BANNED)]));
    assert_denied(room.commit("bob", [room.list_add("mallory", BANNED)]), Rule::Ban);
    let room = room.denying(SUPER, Capability::CAN_BAN);
    assert_allowed(room.commit("alice", [room.list_add("mallory", BANNED)]));
}

#[test]
fn a_ban_needs_the_banned_role() {
    // POLICY-CAP-ROLE-3, AMB-POL-41: role 1 of another name is an ordinary role.
    let mut room = Room::usual().denying(SUPER, Capability::CAN_CHANGE_USER_ROLE);
    room.role_mut(BANNED).role_name = "Banned".to_owned();
    assert_denied(room.commit("alice", room.ban("bob")), Rule::Ban);
    let mut room = room.granting(SUPER, Capability::CAN_CHANGE_USER_ROLE);
    room.role_mut(BANNED).maximum_active_participants_constraint = None;
    assert_allowed(room.commit("alice", [room.list_role("bob", BANNED)]));
    room.roles_mut().retain(|role| role.role_index != BANNED);
    assert_denied(room.commit("alice", room.ban("bob")), Rule::RoleDefined);
}

#[test]
fn a_ban_is_lifted_to_a_role_of_the_table() {
    // POLICY-CAP-ROLE-4
    let room = Room::usual().with("mallory", BANNED, 0).with("dora", ADMIN, 1);
    let allowed = assert_allowed(room.commit("dora", [room.list_role("mallory", ORDINARY)]));
    assert_eq!(allowed.participants().participants.len(), 5);
    assert_denied(room.commit("dora", [room.list_role("mallory", SUPER)]), Rule::Unban);
    assert_denied(room.commit("bob", [room.list_role("mallory", ORDINARY)]), Rule::Unban);
    // The enforcer may clean up, not restore.
    assert_allowed(room.propose(&hub(), [room.list_remove("mallory")]));
    assert_denied(room.propose(&hub(), [room.list_role("mallory", ORDINARY)]), Rule::Unban);
}

#[test]
fn lifting_a_ban_adds_no_clients() {
    // POLICY-CAP-ROLE-4
    let room = Room::usual().with("mallory", BANNED, 0);
    let room = room.denying(SUPER, Capability::CAN_ADD_PARTICIPANT);
    let change = [room.list_role("mallory", ORDINARY), add_client("mallory", 1)];
    assert_denied(room.commit("alice", change), Rule::AddParticipant);
}

#[test]
fn a_demotion_to_a_role_without_clients_needs_them_gone() {
    // POLICY-ROLE-2: max_active 0.
    let room = Room::usual().moving(SUPER, ORDINARY, ENFORCER);
    let verdict = room.commit("alice", [room.list_role("bob", ENFORCER)]);
    assert_denied(verdict, Rule::MaximumActive);
    let change = [vec![room.list_role("bob", ENFORCER)], room.drop_all("bob")].concat();
    assert_allowed(room.commit("alice", change));
}

#[test]
fn one_change_of_the_list_per_user_and_each_is_judged() {
    // PROTO-PL-3, PROTO-PL-4, AMB-PL-5
    let room = Room::usual().with("dora", ADMIN, 1).with("erin", ADMIN, 1);
    let twice = by(&room.member("alice"), [room.list_role("bob", ADMIN)]);
    let verdict = room.judge_commit(room.member("dora"), twice, room.removal("bob"));
    assert_denied(verdict, Rule::UserTouchedTwice);
    let mixed = [room.list_add("frank", ORDINARY), room.list_role("alice", ORDINARY)];
    assert_denied(room.commit("dora", mixed), Rule::ChangeUserRole);
    let denied = room.commit("alice", [room.list_role("bob", ORDINARY)]);
    assert_denied(denied, Rule::RoleUnchanged);
}

/// New definitions by the hub, who may make them in this preset.
fn redefined(room: &Room, change: impl FnOnce(&mut Room)) -> ProposedChange {
    let mut other = room.clone();
    change(&mut other);
    ProposedChange::Roles(roles(&other))
}

#[test]
fn definitions_change_by_capability() {
    // POLICY-CAP-POL-1
    let room = Room::usual();
    let change = redefined(&room, |room| room.role_mut(ORDINARY).role_name = "guest".to_owned());
    assert_allowed(room.propose(&hub(), [change.clone()]));
    let denied = room.commit("alice", [change.clone()]);
    assert_denied(denied, Rule::ChangeRoleDefinitions);
    assert_denied(room.propose(&hub(), [change.clone(), change]), Rule::ComponentOnce);
}

#[test]
fn definitions_hold_still_while_the_list_changes() {
    // POLICY-ROLE-3
    let room = Room::usual();
    let change = redefined(&room, |room| room.role_mut(ORDINARY).role_name = "guest".to_owned());
    let with_removal = [vec![change.clone()], room.removal("bob")].concat();
    assert_denied(room.propose(&hub(), with_removal), Rule::RolesApartFromList);
    // Whoever sends them.
    let cached = by(&hub(), [change.clone()]);
    let verdict =
        room.judge_commit(room.member("alice"), cached.clone(), [room.list_add("dave", ORDINARY)]);
    assert_denied(verdict, Rule::RolesApartFromList);
    // Clients are not the list.
    assert_allowed(room.judge_commit(room.member("bob"), cached, [add_client("bob", 3)]));
}

#[test]
fn definitions_fit_who_has_the_roles() {
    // POLICY-ROLE-1, AMB-POL-14
    let room = Room::usual().with("mallory", BANNED, 0);
    let propose = |change| room.propose(&hub(), [change]);
    let without = |index| {
        redefined(&room, move |room| room.roles_mut().retain(|role| role.role_index != index))
    };
    assert_denied(propose(without(ORDINARY)), Rule::RoleInUse);
    assert_denied(propose(without(BANNED)), Rule::RoleInUse);
    assert_allowed(propose(without(ADMIN)));
    let freed = redefined(&room, |room| room.role_mut(BANNED).role_name = "shy".to_owned());
    assert_denied(propose(freed), Rule::RoleInUse);
    let twice = redefined(&room, |room| {
        let role = room.role_mut(ADMIN).clone();
        room.roles_mut().push(role);
    });
    assert_denied(propose(twice), Rule::RoleIndices);
    let clientless = redefined(&room, |room| {
        room.role_mut(ORDINARY).maximum_active_participants_constraint = Some(0);
    });
    assert_denied(propose(clientless), Rule::MaximumActive);
    let open = redefined(&room, |room| {
        room.role_mut(ORDINARY).role_capabilities.push(Capability::CAN_OPEN_JOIN);
    });
    // POLICY-CAP-ADD-3
    assert_denied(propose(open), Rule::OpenJoinElsewhere);
    // AMB-POL-2: the hub's preauthorization names this role.
    assert_denied(propose(without(ENFORCER)), Rule::PreauthRole);
    let both = [without(ENFORCER), ProposedChange::Preauth(PreAuthData::default())];
    assert_allowed(room.propose(&hub(), both));
}

#[test]
fn fixed_rooms_have_no_role_that_adds() {
    // POLICY-BASE-1
    let mut room = Room::usual();
    room.policy_mut().fixed_membership = true;
    let same = ProposedChange::Roles(roles(&room));
    assert_denied(room.propose(&hub(), [same]), Rule::FixedMembership);
    let without = redefined(&room, |room| {
        for role in room.roles_mut() {
            role.role_capabilities.retain(|held| *held != Capability::CAN_ADD_PARTICIPANT);
        }
    });
    assert_allowed(room.propose(&hub(), [without]));
}

#[test]
fn a_role_change_is_no_kick() {
    // AMB-POL-25 covers the clients of the banned, nobody else's.
    let room = Room::usual().denying(SUPER, Capability::CAN_KICK);
    let change = [vec![room.list_role("bob", ADMIN)], room.drop_all("bob")].concat();
    assert_denied(room.commit("alice", change), Rule::Kick);
}

#[test]
fn in_a_fixed_room_the_banned_role_may_hold_anything() {
    // POLICY-BASE-1: non-zero, non-banned roles.
    let mut room = Room::usual();
    room.policy_mut().fixed_membership = true;
    let held = redefined(&room, |room| {
        for role in room.roles_mut() {
            role.role_capabilities.retain(|held| *held != Capability::CAN_ADD_PARTICIPANT);
        }
        let banned = &mut room.role_mut(BANNED).role_capabilities;
        banned.push(Capability::CAN_ADD_PARTICIPANT);
    });
    assert_allowed(room.propose(&hub(), [held]));
}

#[test]
fn preauthorizations_of_a_role_go_with_it() {
    // POLICY-PRE-2, POLICY-ROLE-3
    let mut room = Room::usual().granting(SUPER, Capability::CAN_CHANGE_ROLE_DEFINITIONS);
    let without = ProposedChange::Roles(roles(&room));
    let mut guest = room.view.role(ORDINARY).unwrap().clone();
    (guest.role_index, guest.role_name) = (6, "guest".to_owned());
    room.roles_mut().push(guest.clone());
    let entry = PreAuthRoleEntry { claimset: Vec::new(), target_role: guest };
    room.view.preauth.entries = vec![entry];
    assert_denied(room.commit("alice", [without.clone()]), Rule::PreauthRole);
    let gone = ProposedChange::RemoveComponent(PREAUTH_LIST);
    assert_allowed(room.commit("alice", [without, gone]));
}

#[test]
fn the_right_to_ban_gives_no_other_role() {
    // POLICY-CAP-ROLE-1, AMB-POL-25
    let room = Room::usual().denying(ADMIN, Capability::CAN_CHANGE_USER_ROLE);
    let room = room.granting(ADMIN, Capability::CAN_BAN).with("dora", ADMIN, 1);
    let verdict = room.commit("dora", [room.list_role("bob", ADMIN)]);
    let denied = assert_denied(verdict, Rule::ChangeUserRole);
    assert!(denied.needed.contains("canChangeUserRole"), "{denied}");
}
