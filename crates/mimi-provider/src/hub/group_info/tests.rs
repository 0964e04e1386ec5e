use mimi_policy::ProposedChange::{self, RemoveClient, SelfRemove};

use mimi_wire::room::participant_list::UserRolePair;
use mimi_wire::room::preauth::{Claim, PreAuthRoleEntry};
use mimi_wire::room::roles::{Role, SingleSourceRoleChangeTargets};

use super::*;
use crate::fixture::{
    NOW, identity, leaf, member, proposal_message, proposals, references, role_change, room_uri,
    unlisted, user,
};
use crate::hub::fixture::{Hub, appended, local, peer};

const MEMBERS: &[&str] = &["a/alice/phone", "b/bob/phone", "c/cathy/phone"];
const KEY: &[u8] = b"signature key";

/// The role of whoever is not listed (POLICY-ROLE-1).
fn outside(hub: &mut Hub) -> &mut Role {
    hub.view.roles.roles.iter_mut().find(|role| role.role_index == 0).unwrap()
}

/// From outside into these roles.
fn leads_to(roles: &[u32]) -> Vec<SingleSourceRoleChangeTargets> {
    let target_role_indexes = roles.to_vec();
    vec![SingleSourceRoleChangeTargets { from_role_index: 0, target_role_indexes }]
}

/// AMB-GI-8, PROTO-GI-5: a participant's new device may join, and the log remembers it.
#[test]
fn a_participants_new_device() {
    let mut hub = Hub::new(MEMBERS);
    let transition = hub.group_info(&peer("c.example"), "c/cathy/laptop", KEY).unwrap();
    let event = appended(&transition)[0];
    assert_eq!(event.kind, EventKind::HubNote);
    assert!(event.audience.is_empty() && event.targets == Some(Vec::new()));
    assert!(transition.effects.is_empty());
    let grant = JoinGrant {
        user: user("c/cathy"),
        client: identity("c/cathy/laptop").client,
        signature_key: KEY.to_vec(),
        joining_code: None,
        expires_ms: NOW + JOIN_GRANT_LIFETIME_MS,
    };
    assert_eq!(hub.state.grants, [grant]);
    hub.group_info(&local("a/alice/tablet"), "a/alice/tablet", KEY).unwrap();
}

/// A client that asks again and again does not fill the log.
#[test]
fn a_fresh_grant_is_not_written_again() {
    let mut hub = Hub::new(MEMBERS);
    let mut ask = |later_ms: u64, key: &[u8]| {
        hub.now_ms = NOW + later_ms;
        !hub.group_info(&peer("c.example"), "c/cathy/laptop", key).unwrap().changes.is_empty()
    };
    assert!(ask(0, KEY));
    assert!(!ask(JOIN_GRANT_LIFETIME_MS / 2, KEY));
    assert!(ask(JOIN_GRANT_LIFETIME_MS / 2 + 1, KEY));
    assert!(ask(JOIN_GRANT_LIFETIME_MS / 2 + 1, b"another key"));
}

/// PROTO-GI-1, PROTO-GI-2, AMB-TR-6, AMB-GI-8: everyone else is not authorized.
#[test]
fn who_may_not_join() {
    let mut hub = Hub::new(MEMBERS);
    let before = hub.state.clone();
    let mut refused = |requester: &Requester, short: &str| {
        let reject = hub.group_info(requester, short, KEY).unwrap_err();
        let response = crate::reply::group_info(&room_uri(), &reject).unwrap();
        let outcome = mimi_wire::protocol::group_info::GroupInfoOutcome::NotAuthorized;
        assert_eq!(response.outcome, outcome);
    };
    refused(&peer("d.example"), "d/dan/phone");
    refused(&peer("b.example"), "c/cathy/laptop");
    refused(&local("a/alice/tablet"), "a/alice/watch");
    assert_eq!(hub.state, before);
}

#[test]
fn the_banned_may_not_join() {
    let mut hub = Hub::new(MEMBERS);
    let cathy = user("c/cathy");
    hub.view.clients.retain(|client| client.user != cathy);
    for pair in hub.view.participants.participants.iter_mut().filter(|pair| pair.user == cathy) {
        pair.role_index = 1;
    }
    assert!(hub.group_info(&peer("c.example"), "c/cathy/phone", KEY).is_err());
}

/// PROTO-UPD-4: neither who is banned by a proposal nor who is leaving.
#[test]
fn the_leaving_may_not_join() {
    let mut hub = Hub::new(MEMBERS);
    let ban = vec![
        role_change(&hub.view, &user("c/cathy"), 1),
        RemoveClient(leaf(&hub.view, "c/cathy/phone")),
    ];
    let ban = proposals(&hub.view, &member(&hub.view, "a/alice/phone"), 1, ban);
    hub.propose(&local("a/alice/phone"), &ban).unwrap();
    assert!(hub.group_info(&peer("c.example"), "c/cathy/laptop", KEY).is_err());
}

/// AMB-GI-8, POLICY-CAP-ADD-3: an open room takes anybody, by role 0, into a role its table names.
#[test]
fn an_open_room() {
    let mut hub = Hub::new(MEMBERS);
    let dan = peer("d.example");
    assert!(hub.group_info(&dan, "d/dan/phone", KEY).is_err());
    outside(&mut hub).role_capabilities.push(Capability::CAN_OPEN_JOIN);
    assert!(hub.group_info(&dan, "d/dan/phone", KEY).is_err());
    outside(&mut hub).authorized_role_changes = leads_to(&[2]);
    hub.group_info(&dan, "d/dan/phone", KEY).unwrap();
}

/// POLICY-BASE-3: who is not in the parent learns nothing of a room that depends on it.
#[test]
fn a_dependent_room() {
    let mut hub = Hub::new(MEMBERS);
    outside(&mut hub).role_capabilities.push(Capability::CAN_OPEN_JOIN);
    outside(&mut hub).authorized_role_changes = leads_to(&[2]);
    let mut parent = Hub::new(&["a/alice/phone", "b/bob/phone", "c/cathy/phone"]).view;
    parent.metadata.room_uri = crate::fixture::uri("mimi://a.example/r/parent");
    let mut policy = mimi_policy::preset::base_policy();
    policy.parent_dependant = true;
    policy.parent_room = Some(parent.room().as_str().to_owned());
    hub.view.base_policy = Some(policy);
    hub.parent = Some(parent.clone());
    let dan = peer("d.example");
    let refused = hub.group_info(&dan, "d/dan/phone", KEY);
    assert!(matches!(refused, Err(Reject::Denied(_))), "{refused:?}");
    hub.group_info(&peer("c.example"), "c/cathy/laptop", KEY).unwrap();
    parent.participants.participants.push(UserRolePair { user: user("d/dan"), role_index: 2 });
    hub.parent = Some(parent);
    hub.group_info(&dan, "d/dan/phone", KEY).unwrap();
}

/// AMB-GI-8, POLICY-CAP-ADD-4, POLICY-PRE-2: the first entry that matches the credential's claims
/// leads in, where its role may be entered so.
#[test]
fn a_preauthorized_credential() {
    let mut hub = Hub::new(MEMBERS);
    let organization = |name: &str| Claim {
        credential_type: 2,
        id: b"\x55\x04\x0a".to_vec(),
        claim_value: name.as_bytes().to_vec(),
    };
    let target_role = hub.view.role(2).unwrap().clone();
    let entry = PreAuthRoleEntry { claimset: vec![organization("Tea Society")], target_role };
    hub.view.preauth.entries.push(entry);
    let dan = peer("d.example");
    let mut identity = identity("d/dan/phone");
    let ask = |hub: &mut Hub, identity: &ClientIdentity| {
        hub.group_info_with(&dan, identity, KEY, None).map(drop)
    };
    identity.claims = vec![organization("Coffee Society"), organization("Tea Society")];
    // The role must hold canJoinIfPreauthorized.
    assert!(ask(&mut hub, &identity).is_err());
    for role in hub.view.roles.roles.iter_mut().filter(|role| role.role_index == 2) {
        role.role_capabilities.push(Capability::CAN_JOIN_IF_PREAUTHORIZED);
    }
    ask(&mut hub, &identity).unwrap();
    assert_eq!(hub.state.grants[0].joining_code, None);
    identity.claims = vec![organization("Coffee Society")];
    assert!(ask(&mut hub, &identity).is_err());
    // POLICY-PRE-1: whoever is banned stays out, whatever the credential says.
    identity.claims = vec![organization("Tea Society")];
    let banned = UserRolePair { user: identity.user.clone(), role_index: 1 };
    hub.view.participants.participants.push(banned);
    assert!(ask(&mut hub, &identity).is_err());
}

/// PROTO-GI-3, AMB-GI-6: all pending proposals of the epoch, in order, with their times.
#[test]
fn pending_proposals_are_listed() {
    let mut hub = Hub::new(MEMBERS);
    let bob = member(&hub.view, "b/bob/phone");
    let changes: Vec<ProposedChange> = vec![unlisted(&hub.view, &user("b/bob")), SelfRemove];
    let leave = proposals(&hub.view, &bob, 1, changes);
    hub.propose(&peer("b.example"), &leave).unwrap();
    hub.now_ms += 5;
    let answer = hub.group_info(&peer("c.example"), "c/cathy/laptop", KEY).unwrap().reply;
    let marker = references(&leave).concat();
    let expected = [0, 1].map(|number| PendingProposal {
        proposal: proposal_message(0, number, &marker),
        hub_accepted_time: NOW,
    });
    assert_eq!(answer.pending_proposals, expected);
}
