//! What can be asked of a room after commits that were missed (AMB-POL-19).

use mimi_policy::skipped::check_skipped;
use mimi_policy::{ClientView, RoomView, Rule};
use mimi_wire::component::{JOIN_LINKS, MLS_OPERATIONAL_POLICY, PREAUTH_LIST};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::metadata::{RichDescription, RoomMetadata};
use mimi_wire::room::participant_list::UserRolePair;
use mimi_wire::room::preauth::PreAuthRoleEntry;

use crate::room::*;

/// A cooperative room whose definitions nobody can change, not even the hub.
fn settled() -> Room {
    let mut room = Room::usual();
    room.view.preauth.entries.clear();
    room.policy_mut().policy_component_ids.retain(|id| *id != PREAUTH_LIST);
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
    // A way in by credentials closes, links come, the group takes no external commits any more.
    let mut with_entry = room.clone();
    let target_role = room.view.role(ORDINARY).unwrap().clone();
    with_entry.policy_mut().policy_component_ids.extend([PREAUTH_LIST, MLS_OPERATIONAL_POLICY]);
    let entry = PreAuthRoleEntry { claimset: Vec::new(), target_role };
    with_entry.view.preauth.entries.push(entry);
    let closes = refused(&with_entry.view, |it| it.preauth.entries.clear());
    assert_eq!(closes, Some(Rule::ChangePreauth));
    let operational = |it: &mut RoomView| {
        let octets = plain(MLS_OPERATIONAL_POLICY);
        it.other_components.insert(MLS_OPERATIONAL_POLICY, octets);
    };
    let operational = refused(&with_entry.view, operational);
    assert_eq!(operational, Some(Rule::ChangeOperationalPolicy));
    let links = room.clone().denied_to_all(Capability::CAN_CREATE_JOIN_CODE);
    let links = links.denied_to_all(Capability::CAN_DELETE_JOIN_CODE);
    let links = refused(&links.view, |it| {
        it.other_components.insert(JOIN_LINKS, vec![0]);
    });
    assert_eq!(links, Some(Rule::ChangeJoinLinks));
}

/// Each part of the metadata has a right of its own.
#[test]
fn metadata_that_nobody_may_change_is_refused() {
    type Changing = fn(&mut RoomMetadata);
    let change: [(Capability, Changing); 5] = [
        (Capability::CAN_CHANGE_ROOM_NAME, |it| it.room_name.push('!')),
        (Capability::CAN_CHANGE_ROOM_DESCRIPTION, |it| {
            it.room_descriptions.push(RichDescription {
                media_type: String::new(),
                language_tag: String::new(),
                description_content: b"new".to_vec(),
            });
        }),
        (Capability::CAN_CHANGE_ROOM_AVATAR, |it| {
            it.room_avatar = "https://a.example/avatar.png".to_owned();
        }),
        (Capability::CAN_CHANGE_ROOM_SUBJECT, |it| it.room_subject = "books".to_owned()),
        (Capability::CAN_CHANGE_ROOM_MOOD, |it| it.room_mood = "grim".to_owned()),
    ];
    for (capability, change) in change {
        let changes = |it: &mut RoomView| change(&mut it.metadata);
        let settled = settled().granting(SUPER, capability);
        assert_eq!(refused(&settled.view, changes), None, "{capability:?}");
        let settled = settled.denied_to_all(capability);
        assert_eq!(refused(&settled.view, changes), Some(Rule::ChangeMetadata), "{capability:?}");
        assert_eq!(refused(&settled.view, |_| {}), None);
    }
}

/// A right may have come and gone meanwhile, where definitions can change.
#[test]
fn whoever_can_change_definitions_can_have_done_anything() {
    let forms =
        [Capability::CAN_CHANGE_ROLE_DEFINITIONS, Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES];
    let limit = |it: &mut RoomView| it.base_policy.as_mut().unwrap().max_users = Some(40);
    for capability in forms {
        let room = settled().granting(ADMIN, capability);
        assert_eq!(refused(&room.view, limit), None);
    }
    assert_eq!(refused(&settled().view, limit), Some(Rule::ChangeBasePolicy));
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
    // A credential may have led there, where an entry says so or entries can come.
    let entries = Capability::CAN_CHANGE_PREAUTHORIZED_USER_LIST;
    let preauthorizing = closed.clone().granting(ADMIN, entries);
    assert_eq!(refused(&preauthorizing.view, rises), None);
    let mut preauthorized = closed.clone();
    let target_role = preauthorized.view.role(SUPER).unwrap().clone();
    preauthorized.policy_mut().policy_component_ids.push(PREAUTH_LIST);
    let entry = PreAuthRoleEntry { claimset: Vec::new(), target_role };
    preauthorized.view.preauth.entries.push(entry);
    assert_eq!(refused(&preauthorized.view, rises), None);
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
    // Fixed is who takes part, not as what.
    let promoted = |it: &mut RoomView| it.participants.participants[1].role_index = ADMIN;
    assert_eq!(refused(&fixed.view, promoted), None);
    assert_eq!(refused(&room.view, goes), None);
    let mut kept = room;
    for role in kept.roles_mut().iter_mut() {
        for entry in &mut role.authorized_role_changes {
            entry.target_role_indexes.retain(|to| *to != NO_ROLE);
        }
    }
    assert_eq!(refused(&kept.view, goes), Some(Rule::ChangeUserRole));
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
