//! What an asker knows beside the room: join codes, members' claims, the parent room, the links.

use std::collections::BTreeMap;

use mimi_policy::message::{Asset, MessageAction, may_apply, may_receive, may_use};
use mimi_policy::parent::orphans;
use mimi_policy::preset::Preset;
use mimi_policy::{
    Actor, Allowed, ClientIdentity, CodeStanding, Denied, JoinCode, JoinCodes, Judge,
    ProposedChange, Rule, StagedChange, StagedProposal,
};
use mimi_wire::Wire;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::preauth::{Claim, PreAuthRoleEntry};

use crate::room::{
    ADMIN, BANNED, NO_ROLE, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied,
    client, uri, user,
};

/// A commit of inline proposals.
fn commit(
    room: &Room,
    committer: Actor,
    changes: impl IntoIterator<Item = ProposedChange>,
) -> StagedChange {
    let inline = |change| StagedProposal { sender: committer.clone(), reference: None, change };
    let proposals = changes.into_iter().map(inline).collect();
    StagedChange { epoch: room.view.epoch, committer: Some(committer.clone()), proposals }
}

/// An external commit of somebody who is not listed.
fn joining(room: &Room, joiner: &ClientIdentity, role: RoleIndex) -> StagedChange {
    let changes = [ProposedChange::ExternalJoin(joiner.clone()), room.list_add("zoe", role)];
    commit(room, Actor::Joiner(joiner.clone()), changes)
}

fn strict() -> Room {
    Room::of(Preset::Strict).with("alice", SUPER, 1).with("dora", ADMIN, 1)
}

/// Zoe joins by a code for one role as another.
fn by_code(room: &Room, code: JoinCode, role: RoleIndex) -> Result<Allowed, Denied> {
    let joiner = client("zoe", 1);
    let codes = BTreeMap::from([(joiner.client.clone(), code)]);
    let judge = Judge::of(&room.view).with_join_codes(JoinCodes::Presented(&codes));
    judge.check(&joining(room, &joiner, role))
}

const VALID: JoinCode = JoinCode { role: ORDINARY, standing: CodeStanding::Valid };

#[test]
fn a_join_code_leads_where_it_says() {
    // POLICY-CAP-ADD-5, AMB-POL-26
    let room = strict();
    assert_allowed(by_code(&room, VALID, ORDINARY));
    let spent = JoinCode { standing: CodeStanding::Spent, ..VALID };
    assert_denied(by_code(&room, spent, ORDINARY), Rule::JoinByCode);
    assert_denied(by_code(&room, VALID, ADMIN), Rule::JoinByCode);
    // Both the code and the table of role 0 say where.
    let admin = JoinCode { role: ADMIN, ..VALID };
    assert_denied(by_code(&room, admin, ADMIN), Rule::JoinByCode);
    assert_allowed(by_code(&room.clone().moving(NO_ROLE, 0, ADMIN), admin, ADMIN));
    let closed = room.denying(NO_ROLE, Capability::CAN_USE_JOIN_CODE);
    let denied = assert_denied(by_code(&closed, VALID, ORDINARY), Rule::JoinByCode);
    assert!(denied.to_string().contains("canUseJoinCode"), "{denied}");
}

#[test]
fn a_join_code_respects_maximums_and_bans() {
    // POLICY-CAP-ADD-5, POLICY-PRE-1
    let mut room = strict();
    room.role_mut(ORDINARY).maximum_participants_constraint = Some(0);
    assert_denied(by_code(&room, VALID, ORDINARY), Rule::MaximumParticipants);
    let banned = strict().with("zoe", BANNED, 0);
    assert_denied(by_code(&banned, VALID, ORDINARY), Rule::AlreadyListed);
}

#[test]
fn clients_trust_their_hub_about_codes() {
    // AMB-POL-20
    let room = strict();
    let joiner = client("zoe", 1);
    let judge = |codes| Judge::of(&room.view).with_join_codes(codes);
    let change = joining(&room, &joiner, ORDINARY);
    assert_allowed(judge(JoinCodes::Unverifiable).check(&change));
    assert_denied(judge(JoinCodes::None).check(&change), Rule::JoinByCode);
    // What can be told from the room is asked by everybody.
    let change = joining(&room, &joiner, ADMIN);
    assert_denied(judge(JoinCodes::Unverifiable).check(&change), Rule::JoinByCode);
    // Somebody else's code is no code.
    let codes = BTreeMap::from([(client("yann", 1).client, VALID)]);
    let change = joining(&room, &joiner, ORDINARY);
    assert_denied(judge(JoinCodes::Presented(&codes)).check(&change), Rule::JoinByCode);
}

#[test]
fn members_change_their_own_role_by_their_claims() {
    // POLICY-CAP-ROLE-2, POLICY-PRE-1, POLICY-PRE-2, AMB-POL-3
    let claim = Claim { credential_type: 2, id: vec![85, 4, 10], claim_value: b"A Inc".to_vec() };
    let mut room = Room::of(Preset::MultiOrganization).with("alice", 8, 1).with("bob", 3, 1);
    room = room.granting(3, Capability::CAN_CHANGE_OWN_ROLE);
    let target_role = room.view.role(2).unwrap().clone();
    let entry = PreAuthRoleEntry { claimset: vec![claim.clone()], target_role };
    room.view.preauth.entries.push(entry);
    let ask = |claims: &[Claim], role| {
        let known = BTreeMap::from([(room.leaf("bob", 1), claims.to_vec())]);
        let change = commit(&room, room.member("bob"), [room.list_role("bob", role)]);
        Judge::of(&room.view).with_claims(&known).check(&change)
    };
    let claims = [claim.clone()];
    assert_allowed(ask(&claims, 2));
    assert_denied(ask(&claims, 8), Rule::ChangeOwnRole);
    assert_denied(ask(&[Claim { credential_type: 1, ..claim }], 2), Rule::ChangeOwnRole);
    // Of whom nothing is known, nothing is believed.
    assert_denied(room.commit("bob", [room.list_role("bob", 2)]), Rule::ChangeOwnRole);
}

/// A room and one that depends on it.
fn family() -> (Room, Room) {
    let parent = Room::usual().with("mallory", BANNED, 0);
    let mut child = Room::new().with("alice", SUPER, 1).with("bob", ORDINARY, 1);
    child.view.metadata.room_uri = uri("mimi://a.example/r/huddle");
    let policy = child.policy_mut();
    policy.parent_dependant = true;
    policy.parent_room = Some(parent.view.room().to_string());
    (parent, child)
}

#[test]
fn a_dependent_room_takes_its_people_from_its_parent() {
    // POLICY-BASE-3, AMB-POL-9
    let (parent, child) = family();
    let judge = Judge::of(&child.view).with_parent(&parent.view);
    let add = |name: &str| {
        let changes = [child.list_add(name, ORDINARY), add_client(name, 1)];
        commit(&child, child.member("alice"), changes)
    };
    assert_allowed(judge.check(&add("carol")));
    assert_denied(judge.check(&add("zoe")), Rule::InParent);
    assert_denied(judge.check(&add("mallory")), Rule::InParent);
    // A ban ahead of time brings nobody in.
    let ban = commit(&child, child.member("alice"), [child.list_add("zoe", BANNED)]);
    assert_allowed(judge.check(&ban));
    // Who does not know the parent does not ask (AMB-POL-20).
    assert_allowed(Judge::of(&child.view).check(&add("zoe")));
    let other = Room::new();
    let mut other_view = other.view;
    other_view.metadata.room_uri = uri("mimi://a.example/r/elsewhere");
    assert_allowed(Judge::of(&child.view).with_parent(&other_view).check(&add("zoe")));
}

#[test]
fn who_leaves_the_parent_leaves_what_depends_on_it() {
    // POLICY-BASE-3
    let (parent, child) = family();
    assert!(orphans(&child.view, &parent.view).is_empty());
    let mut without = Room::new().with("alice", SUPER, 1);
    assert_eq!(orphans(&child.view, &without.view), [&user("bob")]);
    without = without.with("bob", BANNED, 0);
    assert_eq!(orphans(&child.view, &without.view), [&user("bob")]);
    assert!(orphans(&Room::usual().view, &without.view).is_empty());
}

#[test]
fn a_room_becomes_dependent_with_everybody_in_the_parent() {
    // POLICY-BASE-3
    let (parent, child) = family();
    let policy = child.view.base_policy.clone().unwrap();
    let become_dependent = |mut room: Room, policy| {
        room.policy_mut().parent_dependant = false;
        room.policy_mut().parent_room = None;
        let change = commit(&room, room.member("alice"), [ProposedChange::BasePolicy(policy)]);
        Judge::of(&room.view).with_parent(&parent.view).check(&change)
    };
    assert_allowed(become_dependent(child.clone(), policy.clone()));
    let stranger = child.clone().with("zoe", ORDINARY, 1);
    assert_denied(become_dependent(stranger, policy.clone()), Rule::InParent);
    // The same hub, and not itself.
    for parent in ["mimi://b.example/r/clubhouse", "mimi://a.example/u/alice", "clubhouse"] {
        let mut policy = policy.clone();
        policy.parent_room = Some(parent.to_owned());
        assert_denied(become_dependent(child.clone(), policy), Rule::ParentRoom);
    }
}

#[test]
fn links_come_by_one_right_and_go_by_another() {
    // AMB-POL-13, POLICY-CAP-RES-1, POLICY-JL-1
    let mut room = Room::usual();
    let links = JoinLinksData { links: vec![JoinLink(b"one".to_vec()), JoinLink(b"two".to_vec())] };
    room.view.other_components.insert(0x002a, links.encode());
    let update = |removed: &[u32], added: usize| {
        ProposedChange::JoinLinks(JoinLinksUpdate {
            removed_indices: removed.to_vec(),
            added_links: vec![JoinLink(b"new".to_vec()); added],
        })
    };
    let creating = room.clone().granting(ORDINARY, Capability::CAN_CREATE_JOIN_CODE);
    assert_allowed(creating.commit("bob", [update(&[], 1)]));
    assert_allowed(creating.commit("bob", [update(&[], 1), update(&[], 1)]));
    assert_denied(creating.commit("bob", [update(&[0], 0)]), Rule::ChangeJoinLinks);
    assert_denied(creating.commit("bob", [update(&[0], 1)]), Rule::ChangeJoinLinks);
    let deleting = room.clone().granting(ORDINARY, Capability::CAN_DELETE_JOIN_CODE);
    assert_allowed(deleting.commit("bob", [update(&[0, 1], 0)]));
    assert_denied(deleting.commit("bob", [update(&[], 1)]), Rule::ChangeJoinLinks);
    assert_denied(deleting.commit("bob", [update(&[2], 0)]), Rule::JoinLinkPresent);
    assert_denied(deleting.commit("bob", [update(&[1, 1], 0)]), Rule::JoinLinkPresent);
    assert_denied(room.commit("bob", [update(&[], 0)]), Rule::ChangeJoinLinks);
    // On request, one link is kept.
    let policy = JoinLinkPolicy {
        on_request: true,
        join_link: String::new(),
        multiuser: false,
        expiration: 60,
    };
    let mut both = creating.granting(ORDINARY, Capability::CAN_DELETE_JOIN_CODE);
    both.view.other_components.insert(0x0029, policy.encode());
    assert_denied(both.commit("bob", [update(&[], 1)]), Rule::JoinLinkKept);
    assert_allowed(both.commit("bob", [update(&[0, 1], 1)]));
}

#[test]
fn assets_links_and_reading_by_capability() {
    // POLICY-CAP-ASSET-1, POLICY-CAP-MSG-1, POLICY-CAP-MSG-2, POLICY-CAP-RT-1, AMB-POL-29
    let kinds = [
        (Asset::of(false, "image/png"), Some(Asset::Image), 0x0200, 0x0204),
        (Asset::of(false, "AUDIO/ogg"), Some(Asset::Audio), 0x0201, 0x0205),
        (Asset::of(false, "video/webm"), Some(Asset::Video), 0x0202, 0x0206),
        (Asset::of(true, "image/png"), Some(Asset::Attachment), 0x0203, 0x0207),
    ];
    assert_eq!(Asset::of(false, "text/plain"), None);
    for (is, should, upload, download) in kinds {
        assert_eq!(is, should);
        let asset = is.unwrap();
        assert_eq!((asset.upload().0, asset.download().0), (upload, download));
        let mut room = Room::usual();
        room.role_mut(ORDINARY).role_capabilities = vec![asset.upload(), Capability(0x0403)];
        let bob = &user("bob");
        assert_eq!(may_apply(&room.view, bob, MessageAction::Upload(asset)), Ok(()));
        let denied = may_use(&room.view, bob, asset.download()).unwrap_err();
        assert_eq!(denied.rule, Rule::OwnUse);
        assert_eq!(may_use(&room.view, bob, Capability::CAN_RECEIVE_AUDIO), Ok(()));
        assert!(!may_receive(&room.view, bob));
        for action in [MessageAction::SendLink, MessageAction::SendLinkPreview] {
            assert_eq!(may_apply(&room.view, bob, action).unwrap_err().rule, Rule::MessageKind);
        }
    }
    // POLICY-CAP-RT-1: calls are each user's own affair, by a capability each.
    for code in 0x0400..=0x0407 {
        let mut room = Room::usual();
        let others = (0x0400..=0x0407).filter(|other| *other != code).map(Capability);
        room.role_mut(ORDINARY).role_capabilities = others.collect();
        let capability = Capability(code);
        let denied = may_use(&room.view, &user("bob"), capability).unwrap_err();
        assert_eq!(denied.rule, Rule::OwnUse, "{code:#06x}");
        assert!(denied.to_string().contains(capability.name().unwrap()), "{denied}");
        room.role_mut(ORDINARY).role_capabilities.push(capability);
        assert_eq!(may_use(&room.view, &user("bob"), capability), Ok(()));
    }
    assert!(may_receive(&Room::usual().view, &user("bob")));
    assert!(!may_receive(&Room::usual().view, &user("zoe")));
}
