//! Ways in, asked for before anybody commits (AMB-GI-8): always what the judge says of the commit.

use mimi_policy::preset::Preset;
use mimi_policy::way_in::external_commit;
use mimi_policy::{
    Actor, CodeStanding, JoinCode, JoinCodes, Judge, ProposedChange, Rule, StagedProposal, WaysIn,
    preauthorized_role, ways_in,
};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::preauth::{Claim, PreAuthRoleEntry};

use crate::room::{ADMIN, BANNED, NO_ROLE, ORDINARY, Room, SUPER, client};

fn open() -> Room {
    Room::of(Preset::Strict).with("alice", SUPER, 1).granting(NO_ROLE, Capability::CAN_OPEN_JOIN)
}

#[test]
fn a_newcomer_has_every_role_that_is_open() {
    // POLICY-CAP-ADD-3, AMB-POL-27
    let room = open().moving(NO_ROLE, 0, ADMIN);
    let judge = Judge::of(&room.view);
    let Ok(WaysIn::AsNewcomer(roles)) = ways_in(&judge, &room.view, &client("zoe", 1), &[]) else {
        panic!("the room is open");
    };
    assert!(roles.contains(&ORDINARY) && roles.contains(&ADMIN) && !roles.contains(&BANNED));
    for role in &roles {
        let change = external_commit(&room.view, &client("zoe", 1), Some(*role), &[]);
        judge.check(&change).unwrap();
    }
}

#[test]
fn a_full_role_is_no_way_in_until_somebody_leaves() {
    // PROTO-GI-6: whoever leaves by itself comes along with the joiner.
    let mut room = open().with("bob", ORDINARY, 1);
    room.role_mut(ORDINARY).maximum_active_participants_constraint = Some(1);
    let judge = Judge::of(&room.view);
    let denied = ways_in(&judge, &room.view, &client("zoe", 1), &[]).unwrap_err();
    assert_eq!(denied.rule, Rule::MaximumActive, "{denied}");
    let bob = room.view.clients.iter().find(|it| it.user == client("bob", 1).user).unwrap();
    let leaving = StagedProposal {
        sender: Actor::Member { leaf: bob.leaf, user: bob.user.clone() },
        reference: Some(vec![1]),
        change: ProposedChange::SelfRemove,
    };
    let ways = ways_in(&judge, &room.view, &client("zoe", 1), &[leaving]).unwrap();
    assert_eq!(ways, WaysIn::AsNewcomer(vec![ORDINARY]));
}

#[test]
fn the_listed_come_as_what_they_are() {
    // POLICY-CAP-ADD-2, POLICY-PRE-1
    let room = open().with("bob", ORDINARY, 1).with("mallory", BANNED, 0);
    let judge = Judge::of(&room.view).with_join_codes(JoinCodes::Unverifiable);
    // A new device, and one that takes the place of its old self.
    for number in [1, 2] {
        let ways = ways_in(&judge, &room.view, &client("bob", number), &[]);
        assert_eq!(ways, Ok(WaysIn::AsParticipant));
    }
    let denied = ways_in(&judge, &room.view, &client("mallory", 1), &[]).unwrap_err();
    assert_eq!(denied.rule, Rule::AddOwnClient, "{denied}");
}

#[test]
fn a_closed_room_says_why() {
    let room = Room::of(Preset::Cooperative).with("alice", SUPER, 1);
    let judge = Judge::of(&room.view);
    let denied = ways_in(&judge, &room.view, &client("zoe", 1), &[]).unwrap_err();
    assert_eq!(denied.rule, Rule::OpenJoin, "{denied}");
}

#[test]
fn a_code_that_is_spent_is_told_of() {
    // POLICY-CAP-ADD-5
    let room = Room::of(Preset::Strict).with("alice", SUPER, 1);
    let room = room.granting(NO_ROLE, Capability::CAN_USE_JOIN_CODE).moving(NO_ROLE, 0, ORDINARY);
    let zoe = client("zoe", 1);
    let code = JoinCode { role: ORDINARY, standing: CodeStanding::Spent };
    let codes = [(zoe.client.clone(), code)].into_iter().collect();
    let judge = Judge::of(&room.view).with_join_codes(JoinCodes::Presented(&codes));
    let denied = ways_in(&judge, &room.view, &zoe, &[]).unwrap_err();
    assert_eq!(denied.rule, Rule::JoinByCode, "{denied}");
}

#[test]
fn claims_lead_to_the_role_of_the_first_entry() {
    // POLICY-PRE-2
    let mut room = open();
    let claim = |id| Claim { credential_type: 2, id: vec![id], claim_value: b"staff".to_vec() };
    room.view.preauth.entries.clear();
    for (id, role) in [(1, ADMIN), (2, ORDINARY)] {
        let target_role = room.view.role(role).unwrap().clone();
        let entry = PreAuthRoleEntry { claimset: vec![claim(id)], target_role };
        room.view.preauth.entries.push(entry);
    }
    assert_eq!(preauthorized_role(&room.view, &[claim(2)]), Some(ORDINARY));
    assert_eq!(preauthorized_role(&room.view, &[claim(2), claim(1)]), Some(ADMIN));
    assert_eq!(preauthorized_role(&room.view, &[claim(3)]), None);
}

#[test]
fn a_good_code_to_a_full_role_is_told_to_be_full() {
    // POLICY-CAP-ADD-5, POLICY-ROLE-2
    let room = Room::of(Preset::Strict).with("alice", SUPER, 1).with("dora", ADMIN, 1);
    let room = room.granting(NO_ROLE, Capability::CAN_USE_JOIN_CODE);
    let mut room = room.moving(NO_ROLE, 0, ADMIN);
    room.role_mut(ADMIN).maximum_participants_constraint = Some(1);
    let zoe = client("zoe", 1);
    let code = JoinCode { role: ADMIN, standing: CodeStanding::Valid };
    let codes = [(zoe.client.clone(), code)].into_iter().collect();
    let judge = Judge::of(&room.view).with_join_codes(JoinCodes::Presented(&codes));
    let denied = ways_in(&judge, &room.view, &zoe, &[]).unwrap_err();
    assert_eq!(denied.rule, Rule::MaximumParticipants, "{denied}");
}
