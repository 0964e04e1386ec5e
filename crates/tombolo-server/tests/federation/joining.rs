//! Coming in by oneself, over the real stack: open rooms, join codes, claims of certificates.

use std::num::NonZeroU32;

use futures_util::future::join;
use mimi_mls::member::CommitPlan;
use mimi_policy::preset::{Preset, hub_preauth};
use mimi_wire::protocol::group_info::{
    GroupInfoOutcome, GroupInfoRatchetTreeTbe, GroupInfoRequest,
};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest, UpdateResponse};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::room::join_code::{JoinCode, RoomLink};
use mimi_wire::room::join_links::JoinLinksUpdate;
use mimi_wire::room::participant_list::{
    ParticipantListUpdate, RoleIndex, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::{PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::{RoleData, SingleSourceRoleChangeTargets};
use mimi_wire::{MimiUri, Wire};

use crate::rooms::{NAMES, Trio};
use crate::support::{Phone, now_ms};

const GUEST: RoleIndex = 2;
const ATTENDEE: RoleIndex = 3;
const BANNED: RoleIndex = 1;

/// A moderated room of alice's at a.example.
async fn moderated(alice: &mut Phone, name: &str) -> MimiUri {
    let preset = Preset::Moderated;
    let preauth = hub_preauth(&alice.user.domain(), preset);
    alice.found_by(name, preset.roles(), preset.creator_role(), preauth).await
}

fn code(role: RoleIndex, uses: Option<u32>, expires_ms: Option<u64>) -> JoinCode {
    let uses = uses.and_then(NonZeroU32::new);
    JoinCode { secret: rand::random(), role, uses, expires_ms }
}

async fn put_up(alice: &mut Phone, room: &MimiUri, code: &JoinCode) {
    let link = RoomLink::new(room.clone(), code).to_component();
    let update = JoinLinksUpdate { added_links: vec![link], ..JoinLinksUpdate::default() };
    let plan = CommitPlan { join_links: Some(update), ..CommitPlan::default() };
    alice.catch_up().await;
    alice.commit(room, &plan).await;
}

async fn take_down(alice: &mut Phone, room: &MimiUri, position: u32) {
    let update = JoinLinksUpdate { removed_indices: vec![position], ..JoinLinksUpdate::default() };
    let plan = CommitPlan { join_links: Some(update), ..CommitPlan::default() };
    alice.catch_up().await;
    alice.commit(room, &plan).await;
}

async fn ask(
    phone: &mut Phone,
    room: &MimiUri,
    code: &JoinCode,
) -> Option<GroupInfoRatchetTreeTbe> {
    phone.group_info_by(room, Some(&code.to_string())).await.1
}

async fn come_by(phone: &mut Phone, room: &MimiUri, code: &JoinCode) {
    let material = ask(phone, room, code).await.expect("the code is good");
    accepted(&phone.come_in(room, &material, Some(code.role)).await);
}

fn accepted(response: &UpdateResponse) {
    assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
}

async fn role(phone: &mut Phone, room: &MimiUri, user: &MimiUri) -> Option<RoleIndex> {
    phone.catch_up().await;
    phone.group(room).view().role_index_of(user)
}

async fn leave_list(alice: &mut Phone, room: &MimiUri, user: &MimiUri, to: Option<RoleIndex>) {
    alice.catch_up().await;
    let remove = alice.leaves(room, user);
    let listed = &alice.group(room).view().participants.participants;
    let index = listed.iter().position(|pair| pair.user == *user).unwrap();
    let user_index = u32::try_from(index).unwrap();
    let participants = match to {
        Some(role_index) => ParticipantListUpdate {
            changed_role_participants: vec![UserIndexRolePair { user_index, role_index }],
            ..Default::default()
        },
        None => ParticipantListUpdate { removed_indices: vec![user_index], ..Default::default() },
    };
    let plan = CommitPlan { remove, participants: Some(participants), ..CommitPlan::default() };
    alice.commit(room, &plan).await;
}

/// FLOW-9, POLICY-CAP-ADD-5, AMB-GI-8, AMB-UPD-13: a code from another provider leads in, in its role,
/// once for each use; then it is worth as little as none (PROTO-GI-2).
#[tokio::test]
async fn a_code_is_used_up() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    let mut cathy = trio.phone("c.example/cathy/phone").await;
    let room = moderated(&mut alice, "tea").await;
    let once = code(GUEST, Some(1), Some(now_ms() + 60_000));
    put_up(&mut alice, &room, &once).await;
    let none = bob.group_info(&room).await.0.outcome;
    assert_eq!(none, GroupInfoOutcome::NotAuthorized);
    come_by(&mut bob, &room, &once).await;
    let asked = trio.sent("b.example", "a.example", "groupInfo");
    let codes = asked.iter().map(|body| GroupInfoRequest::decode(body).unwrap().tbs.joining_code);
    let codes: Vec<_> = codes.map(|code| code.map(|it| it.code)).collect();
    assert_eq!(codes, [None, Some(once.to_string().into_bytes())]);
    alice.until_epoch(&room, 2).await;
    assert_eq!(role(&mut alice, &room, &bob.user.clone()).await, Some(GUEST));
    let spent = cathy.group_info_by(&room, Some(&once.to_string())).await.0.outcome;
    let unknown = cathy.group_info_by(&room, Some(&code(GUEST, None, None).to_string())).await;
    assert_eq!((&spent, &unknown.0.outcome), (&none, &none));
    // Bob is in, and reads.
    alice.send(&room, "welcome").await;
    bob.until_read(1).await;
    // A removed participant comes back by a code that has uses left, and not by one that has none.
    let (bob_user, twice) = (bob.user.clone(), code(GUEST, Some(2), None));
    put_up(&mut alice, &room, &twice).await;
    leave_list(&mut alice, &room, &bob_user, None).await;
    assert!(ask(&mut bob, &room, &once).await.is_none());
    come_by(&mut bob, &room, &twice).await;
}

/// Of two who have the last use, both let in to try, exactly one comes in.
#[tokio::test]
async fn the_last_use_is_raced_for() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    let mut cathy = trio.phone("c.example/cathy/phone").await;
    let room = moderated(&mut alice, "tea").await;
    let last = code(ATTENDEE, Some(1), None);
    put_up(&mut alice, &room, &last).await;
    let of_bob = ask(&mut bob, &room, &last).await.unwrap();
    let of_cathy = ask(&mut cathy, &room, &last).await.unwrap();
    let (first, second) = join(
        bob.come_in(&room, &of_bob, Some(ATTENDEE)),
        cathy.come_in(&room, &of_cathy, Some(ATTENDEE)),
    )
    .await;
    let won = |response: &UpdateResponse| matches!(response.outcome, UpdateOutcome::Success { .. });
    assert!(won(&first) != won(&second), "{first:?} {second:?}");
    // The other one is late by an epoch, asks again, and is refused.
    let late = if won(&first) { &mut cathy } else { &mut bob };
    assert!(ask(late, &room, &last).await.is_none());
    alice.until_epoch(&room, 2).await;
    assert_eq!(alice.group(&room).view().participants.participants.len(), 2);
}

/// Expired, taken back between question and commit, for another room, for another role.
#[tokio::test]
async fn codes_that_are_no_good() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    let room = moderated(&mut alice, "tea").await;
    let elsewhere = moderated(&mut alice, "coffee").await;
    let (expired, good) = (code(GUEST, None, Some(now_ms())), code(GUEST, None, None));
    put_up(&mut alice, &room, &expired).await;
    put_up(&mut alice, &room, &good).await;
    assert!(ask(&mut bob, &room, &expired).await.is_none());
    assert!(ask(&mut bob, &elsewhere, &good).await.is_none());
    // The list entry must be in the code's role.
    let material = ask(&mut bob, &room, &good).await.unwrap();
    let response = bob.come_in(&room, &material, Some(ATTENDEE)).await;
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    assert!(response.error_description.contains("the code is for guest"), "{response:?}");
    // Nobody comes in by what was taken back meanwhile.
    take_down(&mut alice, &room, 1).await;
    let response = bob.come_in(&room, &material, Some(GUEST)).await;
    assert_eq!(response.outcome, UpdateOutcome::WrongEpoch { current_epoch: 3 });
    assert!(ask(&mut bob, &room, &good).await.is_none());
}

/// The hub counts across restarts, with the question before and the commit after one.
#[tokio::test]
async fn a_restart_between_question_and_commit_keeps_count() {
    let mut trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    let mut cathy = trio.phone("c.example/cathy/phone").await;
    let room = moderated(&mut alice, "tea").await;
    let once = code(GUEST, Some(1), None);
    put_up(&mut alice, &room, &once).await;
    let material = ask(&mut bob, &room, &once).await.unwrap();
    restart_hub(&mut trio, &mut alice).await;
    accepted(&bob.come_in(&room, &material, Some(GUEST)).await);
    restart_hub(&mut trio, &mut alice).await;
    assert!(ask(&mut cathy, &room, &once).await.is_none());
    alice.until_epoch(&room, 2).await;
    assert_eq!(role(&mut alice, &room, &bob.user.clone()).await, Some(GUEST));
}

async fn restart_hub(trio: &mut Trio, alice: &mut Phone) {
    trio.running.remove(0).shutdown().await;
    let again = trio.federation.start_on(NAMES[0], &trio.stores[0]).await;
    trio.running.insert(0, again);
    trio.publish().await;
    alice.reconnect(&trio.running[0]);
}

/// POLICY-PRE-1: whoever is banned has no way in, by code or by claim.
#[tokio::test]
async fn the_banned_stay_out() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let claims = ["O=Tea Society"];
    let mut bob = trio.phone_claiming("b.example/bob/phone", &claims).await;
    let preset = Preset::Moderated;
    let preauth = preauthorized(&alice, preset, "O=Tea Society", ATTENDEE);
    let room = alice.found_by("tea", preset.roles(), preset.creator_role(), preauth).await;
    let good = code(GUEST, None, None);
    put_up(&mut alice, &room, &good).await;
    come_by(&mut bob, &room, &good).await;
    let user = bob.user.clone();
    leave_list(&mut alice, &room, &user, Some(BANNED)).await;
    assert!(ask(&mut bob, &room, &good).await.is_none());
    assert!(bob.group_info(&room).await.1.is_none());
    // Not with another device either.
    let mut tablet = trio.phone_claiming("b.example/bob/tablet", &claims).await;
    assert!(ask(&mut tablet, &room, &good).await.is_none());
    assert!(tablet.group_info(&room).await.1.is_none());
}

fn preauthorized(by: &Phone, preset: Preset, claim: &str, role: RoleIndex) -> PreAuthData {
    let claim: NamedClaim = claim.parse().unwrap();
    let target_role = preset.roles().roles.into_iter().find(|it| it.role_index == role).unwrap();
    let mut preauth = hub_preauth(&by.user.domain(), preset);
    preauth.entries.push(PreAuthRoleEntry { claimset: vec![claim.to_claim()], target_role });
    preauth
}

/// FLOW-11, POLICY-CAP-ADD-4, POLICY-PRE-2, AMB-POL-3: a certificate of another provider says what the
/// room asks for; no code is needed, and no other role is to be had.
#[tokio::test]
async fn a_claim_of_a_certificate_leads_in() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let claims = ["O=Tea Society", "title=Chair"];
    let mut bob = trio.phone_claiming("b.example/bob/phone", &claims).await;
    let mut cathy = trio.phone_claiming("c.example/cathy/phone", &["O=Coffee Society"]).await;
    let preset = Preset::Strict;
    let preauth = preauthorized(&alice, preset, "O=Tea Society", 2);
    let room = alice.found_by("tea", preset.roles(), preset.creator_role(), preauth).await;
    assert!(cathy.group_info(&room).await.1.is_none());
    let material = bob.group_info(&room).await.1.expect("preauthorized");
    let response = bob.come_in(&room, &material, Some(3)).await;
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    accepted(&bob.come_in(&room, &material, Some(2)).await);
    alice.until_epoch(&room, 1).await;
    alice.send(&room, "welcome").await;
    bob.until_read(1).await;
}

/// POLICY-CAP-ROLE-2: a participant takes the role that its certificate gives, and no other; hub and
/// clients see the same claims.
#[tokio::test]
async fn a_claim_changes_the_own_role() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone_claiming("b.example/bob/phone", &["OU=Speakers"]).await;
    let mut cathy = trio.phone("c.example/cathy/phone").await;
    let preset = Preset::Moderated;
    let preauth = preauthorized(&alice, preset, "OU=Speakers", 4);
    let room = alice.found_by("tea", preset.roles(), preset.creator_role(), preauth).await;
    let attendee = code(ATTENDEE, None, None);
    put_up(&mut alice, &room, &attendee).await;
    come_by(&mut bob, &room, &attendee).await;
    come_by(&mut cathy, &room, &attendee).await;
    for phone in [&mut alice, &mut bob, &mut cathy] {
        phone.until_epoch(&room, 3).await;
    }
    let refused = take_role(&mut cathy, &room, 4).await;
    assert_eq!(refused.outcome, UpdateOutcome::NotAllowed);
    cathy.group(&room).drop_pending().unwrap();
    let refused = take_role(&mut bob, &room, 5).await;
    assert_eq!(refused.outcome, UpdateOutcome::NotAllowed);
    bob.group(&room).drop_pending().unwrap();
    accepted(&take_role(&mut bob, &room, 4).await);
    bob.group(&room).accept_pending().unwrap();
    let user = bob.user.clone();
    for phone in [&mut alice, &mut cathy] {
        phone.until_epoch(&room, 4).await;
        assert_eq!(role(phone, &room, &user).await, Some(4));
    }
}

async fn take_role(phone: &mut Phone, room: &MimiUri, role_index: RoleIndex) -> UpdateResponse {
    let listed = &phone.groups[room].view().participants.participants;
    let index = listed.iter().position(|pair| pair.user == phone.user).unwrap();
    let user_index = u32::try_from(index).unwrap();
    let participants = ParticipantListUpdate {
        changed_role_participants: vec![UserIndexRolePair { user_index, role_index }],
        ..Default::default()
    };
    let plan = CommitPlan { participants: Some(participants), ..CommitPlan::default() };
    let bundle = phone.build(room, &plan);
    phone.update(room, &UpdateRequest::Commit(bundle)).await
}

/// FLOW-10, POLICY-CAP-ADD-3, AMB-POL-27: an open room takes anybody, in any role its table names;
/// whoever leaves is taken along (PROTO-GI-6, MLSX-6).
#[tokio::test]
async fn an_open_room() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    let mut cathy = trio.phone("c.example/cathy/phone").await;
    let preset = Preset::Moderated;
    let preauth = hub_preauth(&alice.user.domain(), preset);
    let room = alice.found_by("tea", open(preset.roles()), preset.creator_role(), preauth).await;
    let material = bob.group_info(&room).await.1.expect("an open room");
    let response = bob.come_in(&room, &material, Some(5)).await;
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    accepted(&bob.come_in(&room, &material, Some(GUEST)).await);
    alice.until_epoch(&room, 1).await;
    bob.catch_up().await;
    let leave = bob.groups.get_mut(&room).unwrap().leave(&bob.device).unwrap();
    accepted(&bob.update(&room, &UpdateRequest::Proposals(leave)).await);
    let material = cathy.group_info(&room).await.1.expect("an open room");
    assert!(!material.pending_proposals.is_empty());
    accepted(&cathy.come_in(&room, &material, Some(ATTENDEE)).await);
    alice.until_epoch(&room, 2).await;
    assert!(alice.leaves(&room, &bob.user).is_empty());
    assert_eq!(alice.leaves(&room, &cathy.user).len(), 1);
}

fn open(mut roles: RoleData) -> RoleData {
    for role in roles.roles.iter_mut().filter(|role| role.role_index == 0) {
        role.role_capabilities = vec![Capability::CAN_OPEN_JOIN];
        let target_role_indexes = vec![GUEST, ATTENDEE];
        role.authorized_role_changes =
            vec![SingleSourceRoleChangeTargets { from_role_index: 0, target_role_indexes }];
    }
    roles
}

/// PROTO-GI-7: a participant who was listed without KeyPackages comes in by itself.
#[tokio::test]
async fn a_participant_without_key_packages() {
    let trio = Trio::start().await;
    let mut alice = trio.phone("a.example/alice/phone").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    let room = alice.found("club").await;
    let pair = UserRolePair { user: bob.user.clone(), role_index: 2 };
    let entry = ParticipantListUpdate { added_participants: vec![pair], ..Default::default() };
    let plan = CommitPlan { participants: Some(entry), ..CommitPlan::default() };
    alice.commit(&room, &plan).await;
    bob.join(&room).await;
    alice.until_epoch(&room, 2).await;
    alice.send(&room, "there you are").await;
    bob.until_read(1).await;
}
