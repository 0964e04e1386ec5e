//! What can be asked of a room after commits that were missed (AMB-POL-19).

use mimi_policy::skipped::check_skipped;
use mimi_policy::{ClientView, RoomView, Rule};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::UserRolePair;

use crate::room::*;

/// A cooperative room whose definitions nobody can change, not even the hub.
fn settled() -> Room {
    let mut room = Room::usual();
    room.view.preauth.entries.clear();
    room.policy_mut().policy_component_ids.retain(|id| *id != mimi_wire::component::PREAUTH_LIST);
    room.roles_mut().retain(|role| role.role_index != ENFORCER);
    for index in [ORDINARY, ADMIN, SUPER] {
        for capability in [
            Capability::CAN_CHANGE_ROLE_DEFINITIONS,
            Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES,
            Capability::CAN_CHANGE_PREAUTHORIZED_USER_LIST,
            Capability::CAN_CHANGE_ROOM_MEMBERSHIP_STYLE,
        ] {
            room = room.denying(index, capability);
        }
    }
    room
}

fn refused(before: &RoomView, change: impl FnOnce(&mut RoomView)) -> Option<Rule> {
    let mut after = before.clone();
    after.epoch += 3;
    change(&mut after);
    check_skipped(before, &after).err().map(|denied| denied.rule)
}

#[test]
fn what_somebody_had_a_right_to_passes() {
    let room = settled();
    let dave = UserRolePair { user: user("dave"), role_index: ORDINARY };
    let change = |after: &mut RoomView| {
        after.metadata.room_name = "Library".to_owned();
        after.participants.participants.push(dave);
        after.participants.participants[1].role_index = ADMIN;
        // carol went.
        after.participants.participants.remove(2);
        after.clients.retain(|client| client.user != user("carol"));
    };
    assert_eq!(refused(&room.view, change), None);
}

#[test]
fn what_nobody_had_a_right_to_is_refused() {
    let room = settled();
    let view = &room.view;
    assert_eq!(refused(view, |it| it.preauth = Room::new().view.preauth), Some(Rule::PreauthRole));
    let roles = refused(view, |it| it.roles.roles[2].role_name = "everybody".to_owned());
    assert_eq!(roles, Some(Rule::ChangeRoleDefinitions));
    let base = refused(view, |it| it.base_policy.as_mut().unwrap().max_users = Some(40));
    assert_eq!(base, Some(Rule::ChangeBasePolicy));
    let other = refused(view, |it| drop(it.other_components.insert(0xf0f0, vec![1])));
    assert_eq!(other, Some(Rule::ChangeOtherPolicy));
    let quiet = room.clone().denying(ORDINARY, Capability::CAN_CHANGE_ROOM_MOOD);
    let quiet = quiet.denying(ADMIN, Capability::CAN_CHANGE_ROOM_MOOD);
    let quiet = quiet.denying(SUPER, Capability::CAN_CHANGE_ROOM_MOOD);
    let mood = refused(&quiet.view, |it| it.metadata.room_mood = "grim".to_owned());
    assert_eq!(mood, Some(Rule::ChangeMetadata));
}

/// A way of any number of steps will do, and none will not.
#[test]
fn roles_are_come_by_on_ways() {
    let room = settled();
    let mut closed = room.clone();
    for role in closed.roles_mut().iter_mut() {
        for entry in &mut role.authorized_role_changes {
            entry.target_role_indexes.retain(|to| *to != SUPER);
        }
    }
    let rises = |it: &mut RoomView| it.participants.participants[1].role_index = SUPER;
    assert_eq!(refused(&room.view, rises), None);
    assert_eq!(refused(&closed.view, rises), Some(Rule::ChangeUserRole));
    let fixed = {
        let mut fixed = room.clone();
        fixed.policy_mut().fixed_membership = true;
        fixed.roles_mut().iter_mut().for_each(|role| {
            role.role_capabilities.retain(|held| *held != Capability::CAN_ADD_PARTICIPANT);
        });
        fixed
    };
    let goes = |it: &mut RoomView| {
        it.participants.participants.remove(2);
        it.clients.retain(|client| client.user != user("carol"));
    };
    assert_eq!(refused(&fixed.view, goes), Some(Rule::FixedMembership));
}

/// Whatever rights there are, a room holds together.
#[test]
fn a_room_that_does_not_hold_together_is_refused() {
    let room = Room::usual();
    let banned = refused(&room.view, |it| it.participants.participants[2].role_index = BANNED);
    assert_eq!(banned, Some(Rule::BannedClient));
    let stranger = |it: &mut RoomView| {
        let leaf = it.clients.len().try_into().unwrap();
        let (user, client) = (user("mallory"), client("mallory", 1).client);
        it.clients.push(ClientView { leaf, user, client });
    };
    assert_eq!(refused(&room.view, stranger), Some(Rule::UnlistedClient));
    let elsewhere = |it: &mut RoomView| it.metadata.room_uri = uri("mimi://a.example/r/other");
    assert_eq!(refused(&room.view, elsewhere), Some(Rule::MetadataValue));
    // The hub, as policy enforcer, may change definitions, and so anything with them.
    let rises = |it: &mut RoomView| it.participants.participants[1].role_index = SUPER;
    assert_eq!(refused(&room.view, rises), None);
}

/// A base policy that forbids pseudonyms leaves those that are there, as the judge does.
#[test]
fn pseudonyms_that_were_there_may_stay() {
    let mut room = Room::usual();
    room.policy_mut().pseudonyms_allowed = true;
    let nobody = uri("mimi://a.example/p/nobody");
    let pair = UserRolePair { user: nobody, role_index: ORDINARY };
    room.view.participants.participants.push(pair);
    let forbid = |it: &mut RoomView| {
        if let Some(policy) = &mut it.base_policy {
            policy.pseudonyms_allowed = false;
        }
    };
    let mut policy = room.view.base_policy.clone().unwrap();
    policy.pseudonyms_allowed = false;
    let change = mimi_policy::ProposedChange::BasePolicy(policy);
    assert!(room.commit("alice", vec![change]).is_ok(), "the judge takes it");
    assert_eq!(refused(&room.view, forbid), None);
}
