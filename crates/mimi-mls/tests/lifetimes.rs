//! What expires between being sent and being read stops nobody.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use mimi_mls::device::Device;
use mimi_mls::hub::{HubGroup, StagedUpdate};
use mimi_mls::member::{CommitPlan, ReceiveError, Received};
use mimi_policy::ClientIdentity;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::{CommitBundle, UpdateRequest};
use mimi_wire::{MimiUri, mls::KeyPackage};
use tombolo_testkit::{TestRoom, now_ms};

/// 2095-01-01.
const LATE_MS: u64 = 3_944_678_400_000;
/// KeyPackages are valid from an hour before they are made.
const SKEW_S: u64 = 60 * 60;

fn alice_and_bob() -> TestRoom {
    let mut room = TestRoom::of_alice();
    let bob = room.federation.device("b.example", "bob", "phone");
    let plan = room.plan_to_add(vec![bob]);
    room.commit("alice/phone", &plan);
    room
}

/// Alice's tablet, with a certificate from 2020 until 2090.
fn tablet(room: &mut TestRoom) -> Device {
    let mut tablet = Device::generate(&mut room.federation.rng);
    let uri = |text| MimiUri::new(text).unwrap();
    let (client, user) = (uri("mimi://a.example/d/alice/tablet"), uri("mimi://a.example/u/alice"));
    let names = [client.as_str(), user.as_str()];
    let issuer = room.federation.issuer("a.example");
    let chain = vec![issuer.issue_with(tablet.signature_key(), &names, |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    })];
    tablet.certify(&chain, ClientIdentity { user, client, claims: Vec::new() }).unwrap();
    tablet
}

fn key_package(room: &mut TestRoom, device: &mut Device, valid_s: u64) -> KeyPackage {
    let rng = &mut room.federation.rng;
    device.key_packages(1, SKEW_S + valid_s, now_ms(), rng).unwrap().remove(0)
}

fn adding(room: &mut TestRoom, valid_s: u64) -> CommitBundle {
    let mut tablet = tablet(room);
    let add = vec![key_package(room, &mut tablet, valid_s)];
    room.build("alice/phone", &CommitPlan { add, ..Default::default() })
}

fn receive(
    room: &mut TestRoom,
    event: &FanoutMessage,
    at_ms: u64,
) -> Result<Received, ReceiveError> {
    let issuers = room.issuers.clone();
    room.member("bob/phone").group.receive(event, &issuers, at_ms)
}

/// A phone that has been away follows an Add, and a leaf that renews itself, whose certificates
/// have expired since.
#[test]
fn expired_certificates_do_not_stop_who_was_away() {
    let mut room = alice_and_bob();
    let bundle = adding(&mut room, 1_000_000);
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    let Received::Commit(commit) = receive(&mut room, &events[0], LATE_MS).unwrap() else {
        panic!("a commit")
    };
    room.member("bob/phone").group.merge(*commit).unwrap();
    room.member("alice/phone").group.accept_pending().unwrap();
    let mut room = alice_and_bob();
    let tablet = tablet(&mut room);
    let (material, rng) = (room.join_material(), &mut room.federation.rng);
    let (_, bundle) = mimi_mls::member::MemberGroup::join_by_external_commit(
        &tablet,
        &material,
        None,
        &room.issuers,
        rng,
        now_ms(),
    )
    .unwrap();
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    let received = receive(&mut room, &events[0], LATE_MS);
    assert!(matches!(received, Ok(Received::Commit(_))), "{received:?}");
}

/// A clock that is behind does not matter: the hub says when it accepted the event.
#[test]
fn a_slow_clock_does_not_stop_anybody() {
    let mut room = alice_and_bob();
    let bundle = adding(&mut room, 1_000_000);
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    let in_1970 = 1;
    let event = FanoutMessage { timestamp: now_ms(), ..events[0].clone() };
    let received = receive(&mut room, &event, in_1970);
    assert!(matches!(received, Ok(Received::Commit(_))), "{received:?}");
}

/// The library compares KeyPackages with the system's clock: then the way out is to join again.
#[test]
#[expect(clippy::disallowed_methods, reason = "the library knows the system's clock only")]
fn an_expired_key_package_freezes_nobody() {
    let mut room = alice_and_bob();
    let valid_s = 4;
    let bundle = adding(&mut room, valid_s);
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    std::thread::sleep(Duration::from_secs(valid_s + 1));
    let received = receive(&mut room, &events[0], now_ms());
    assert!(matches!(received, Err(ReceiveError::Expired(_))), "{received:?}");
    let bob = room.members.remove("bob/phone").unwrap().device;
    room.member("alice/phone").group.accept_pending().unwrap();
    room.join_externally(bob);
    room.assert_agreement();
}

/// A hub reads its log again when a KeyPackage in it has long expired: what it has saved of the commit
/// leads to the same room and tree, with the next commit on top.
#[test]
#[expect(clippy::disallowed_methods, reason = "the library knows the system's clock only")]
fn an_expired_key_package_keeps_no_room_shut() {
    let mut room = alice_and_bob();
    let mut again = HubGroup::restore(&room.hub.snapshot()).unwrap();
    let valid_s = 4;
    let request = UpdateRequest::Commit(adding(&mut room, valid_s));
    let staged = room.hub.stage(&request, &room.issuers, now_ms()).unwrap();
    let StagedUpdate::Commit(commit) = &staged else { panic!("a commit") };
    let saved = commit.saved().unwrap().unwrap();
    room.hub.merge(staged).unwrap();
    room.member("alice/phone").group.accept_pending().unwrap();
    let next = room.build("alice/phone", &CommitPlan::default());
    std::thread::sleep(Duration::from_secs(valid_s + 1));
    assert!(again.stage_again(&request, now_ms()).is_err(), "the library looks at the clock");
    let staged = again.stage_saved(&request, &saved).unwrap();
    again.merge(staged).unwrap();
    assert_eq!(again.view(), room.hub.view());
    assert_eq!(again.tree_hash(), room.hub.tree_hash());
    assert_eq!(again.group_info().octets(), room.hub.group_info().octets());
    assert_eq!(again.ratchet_tree(), room.hub.ratchet_tree());
    let next = UpdateRequest::Commit(next);
    let (one, other) =
        (again.stage_again(&next, now_ms()), room.hub.stage(&next, &room.issuers, now_ms()));
    again.merge(one.unwrap()).unwrap();
    room.hub.merge(other.unwrap()).unwrap();
    assert_eq!(again.tree_hash(), room.hub.tree_hash());
    let damaged = [&[99], &saved[1..]].concat();
    assert!(again.stage_saved(&request, &damaged).is_err(), "another version, and another epoch");
}
