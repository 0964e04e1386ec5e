//! What a hub proposes as external sender, list changes included (PROTO-NTF-3, PROTO-NTF-4).
#![expect(clippy::unwrap_used, reason = "tests")]

use mimi_mls::error::StageError;
use mimi_mls::hub::{HubGroup, HubProposals, StagedUpdate};
use mimi_mls::member::{CommitPlan, MemberGroup, ReceiveError, Received};
use mimi_policy::{Actor, ProposedChange};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::update::{ProposalBundle, UpdateRequest};
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::{MimiUri, Wire};
use tombolo_testkit::{TestMember, TestRoom, now_ms};

/// Alice and cathy with a phone each, bob with a phone and a laptop.
fn room() -> TestRoom {
    let mut room = TestRoom::of_alice();
    let devices = [("b.example", "bob", "phone"), ("b.example", "bob", "laptop")];
    let mut devices: Vec<_> = devices
        .into_iter()
        .map(|(domain, user, device)| room.federation.device(domain, user, device))
        .collect();
    devices.push(room.federation.device("c.example", "cathy", "phone"));
    let plan = room.plan_to_add(devices);
    room.commit("alice/phone", &plan);
    room
}

fn bob() -> MimiUri {
    MimiUri::new("mimi://b.example/u/bob").unwrap()
}

/// The hub proposes that bob goes with everything he has.
fn bob_goes(room: &TestRoom) -> ProposalBundle {
    let leaves = [room.leaf("bob/phone"), room.leaf("bob/laptop")];
    let index = room.user_index(&bob());
    let update = ParticipantListUpdate { removed_indices: vec![index], ..Default::default() };
    let wanted = HubProposals { remove: &leaves, participants: Some(&update) };
    room.hub.propose(&room.hub_keys, wanted).unwrap()
}

fn receive(
    room: &mut TestRoom,
    name: &str,
    event: &FanoutMessage,
) -> Result<Received, ReceiveError> {
    let issuers = room.issuers.clone();
    room.member(name).group.receive(event, &issuers, now_ms())
}

/// A list change by the hub is taken by hub and members alike, also after both were read back from
/// what they have stored, and any member commits it by reference.
#[test]
fn the_hub_removes_a_user() {
    let mut room = room();
    let bundle = bob_goes(&room);
    let request = UpdateRequest::Proposals(bundle);
    let staged = room.hub.stage(&request, &room.issuers, now_ms()).unwrap();
    let change = staged.change();
    assert_eq!(change.proposals.len(), 3);
    assert!(change.proposals.iter().all(|proposal| {
        matches!(proposal.sender, Actor::ExternalSender { index: 0, .. })
            && proposal.reference.is_some()
    }));
    assert!(matches!(change.proposals[2].change, ProposedChange::ParticipantList(_)));
    let events = room.submit(&request).unwrap();
    room.deliver(&events);
    room.hub = HubGroup::restore(&room.hub.snapshot()).unwrap();
    let TestMember { group, .. } = room.member("cathy/phone");
    let state = group
        .take_state_changes()
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| (key, value.to_vec())));
    let state: Vec<_> = state.collect();
    *group = MemberGroup::restore(state).unwrap();
    assert_eq!(group.pending_change().proposals.len(), 3);
    room.commit("cathy/phone", &CommitPlan::default());
    assert!(!room.member("bob/phone").group.is_active());
    let view = room.hub.view();
    assert_eq!((view.clients.len(), view.role_index_of(&bob())), (2, None));
    room.assert_agreement();
}

/// PROTO-NTF-4, FLOW-15: what an external commit voids is made anew for the epoch it leads to, and
/// stapled; everybody takes it in with the commit, the joiner too.
#[test]
fn voided_proposals_are_stapled_anew() {
    let mut room = room();
    let events = room.submit(&UpdateRequest::Proposals(bob_goes(&room))).unwrap();
    room.deliver(&events);
    let tablet = room.federation.device("a.example", "alice", "tablet");
    let material = room.join_material();
    let (issuers, rng) = (&room.issuers, &mut room.federation.rng);
    let (group, bundle) =
        MemberGroup::join_by_external_commit(&tablet, &material, None, issuers, rng, now_ms())
            .unwrap();
    let request = UpdateRequest::Commit(bundle.clone());
    let staged = room.hub.stage(&request, &room.issuers, now_ms()).unwrap();
    let StagedUpdate::Commit(commit) = staged else { panic!("a commit") };
    assert!(room.hub.takes_list_changes() && room.hub.takes_list_changes_after(&commit));
    let leaves: Vec<u32> = commit.after().clients_of(&bob()).map(|client| client.leaf).collect();
    let update = ParticipantListUpdate {
        removed_indices: vec![room.user_index(&bob())],
        ..Default::default()
    };
    let wanted = HubProposals { remove: &leaves, participants: Some(&update) };
    let stapled = room.hub.propose_after(&room.hub_keys, &commit, wanted).unwrap();
    room.hub.merge(StagedUpdate::Commit(commit)).unwrap();
    let again = UpdateRequest::Proposals(stapled.clone());
    let staged = room.hub.stage(&again, &room.issuers, now_ms()).unwrap();
    room.hub.merge(staged).unwrap();
    let external_proposals =
        std::iter::once(stapled.proposal).chain(stapled.more_proposals).collect();
    let kind = FanoutKind::Commit { external_proposals };
    let event = FanoutMessage { timestamp: 9, message: bundle.commit, kind };
    room.deliver(std::slice::from_ref(&event));
    room.members.insert("alice/tablet".to_owned(), TestMember { device: tablet, group });
    let Ok(Received::Proposals(change)) = receive(&mut room, "alice/tablet", &event) else {
        panic!("the joiner is in the commit's epoch already")
    };
    assert_eq!(change.proposals.len(), 3);
    room.commit("alice/tablet", &CommitPlan::default());
    assert_eq!(room.hub.view().role_index_of(&bob()), None);
    room.assert_agreement();
}

/// Every octet of the message counts, for hub and members; a repeat is known as such.
#[test]
fn a_tampered_list_change_is_refused() {
    let mut room = room();
    let bundle = bob_goes(&room);
    let update = bundle.more_proposals.last().unwrap().clone();
    let event = |message| {
        let kind = FanoutKind::Proposal { more_proposals: Vec::new() };
        FanoutMessage { timestamp: 9, message, kind }
    };
    let octets = update.octets().to_vec();
    for position in 4..octets.len() {
        let mut tampered = octets.clone();
        tampered[position] ^= 0x10;
        let Ok(message) = MlsMessage::decode(&tampered) else { continue };
        let bundle = ProposalBundle { proposal: message.clone(), more_proposals: Vec::new() };
        let request = UpdateRequest::Proposals(bundle);
        let staged = room.hub.stage(&request, &room.issuers, now_ms());
        assert!(staged.is_err(), "octet {position}");
        match receive(&mut room, "alice/phone", &event(message)) {
            // Of another epoch, at most.
            Err(ReceiveError::Unreadable(_)) | Ok(Received::Future { .. } | Received::Repeat) => {}
            other => panic!("octet {position}: {other:?}"),
        }
    }
    assert!(room.member("alice/phone").group.pending_change().proposals.is_empty());
    for expected in ["new", "a repeat"] {
        let received = receive(&mut room, "alice/phone", &event(update.clone())).unwrap();
        let is_new = matches!(received, Received::Proposals(_));
        assert_eq!(is_new, expected == "new", "{received:?}");
    }
}

/// Whoever else signs cannot speak for the hub.
#[test]
fn another_hub_s_list_change_is_refused() {
    let mut room = room();
    let other = room.federation.hub_keys("b.example");
    let update = ParticipantListUpdate { removed_indices: vec![0], ..Default::default() };
    let wanted = HubProposals { remove: &[], participants: Some(&update) };
    let bundle = room.hub.propose(&other, wanted).unwrap();
    let request = UpdateRequest::Proposals(bundle);
    let refused = room.hub.stage(&request, &room.issuers, now_ms()).unwrap_err();
    assert!(matches!(refused, StageError::Invalid(_)), "{refused}");
}

/// A hub proposes something, for leaves that are there.
#[test]
fn nothing_and_nobody_cannot_be_proposed() {
    let room = room();
    for remove in [&[][..], &[77]] {
        let wanted = HubProposals { remove, participants: None };
        assert!(room.hub.propose(&room.hub_keys, wanted).is_err());
    }
}
