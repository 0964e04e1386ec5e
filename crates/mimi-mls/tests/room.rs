//! Rooms from founding to the last leave: hub and members agree after every step, and whoever comes
//! later can join from what the hub tracks (PROTO-ST-1, PROTO-ST-3).
#![expect(clippy::unwrap_used, reason = "tests")]

use mimi_mls::error::StageError;
use mimi_mls::hub::{HubProposals, StagedUpdate};
use mimi_mls::member::{CommitPlan, Received};
use mimi_policy::{Actor, ProposedChange};
use mimi_wire::Wire;
use mimi_wire::component::JOIN_LINKS;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::update::{ProposalBundle, UpdateRequest};
use mimi_wire::room::join_links::{JoinLink, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserRolePair};
use tombolo_testkit::{TestMember, TestRoom, now_ms};

/// Alice's phone at a.example with bob's phone and laptop at b.example.
fn alice_and_bob() -> TestRoom {
    let mut room = TestRoom::of_alice();
    let phone = room.federation.device("b.example", "bob", "phone");
    let laptop = room.federation.device("b.example", "bob", "laptop");
    let plan = room.plan_to_add(vec![phone, laptop]);
    room.commit("alice/phone", &plan);
    room
}

fn leave(room: &mut TestRoom, name: &str) -> ProposalBundle {
    let TestMember { device, group } = room.member(name);
    group.leave(device).unwrap()
}

fn hub_proposals(room: &mut TestRoom, name: &str) -> FanoutMessage {
    let leaf = room.leaf(name);
    let wanted = HubProposals { remove: &[leaf], participants: None };
    let bundle = room.hub.propose(&room.hub_keys, wanted).unwrap();
    room.submit(&UpdateRequest::Proposals(bundle)).unwrap().remove(0)
}

/// FLOW-1: the founding names the hub first among the external senders (PROTO-ST-4).
#[test]
fn a_new_room_is_what_its_creator_made() {
    let room = TestRoom::of_alice();
    room.assert_agreement();
    let view = room.hub.view();
    assert_eq!(view.epoch, 0);
    assert_eq!(view.room().as_str(), "mimi://a.example/r/clubhouse");
    assert_eq!(view.participants.participants.len(), 1);
    assert_eq!(room.hub.hub_sender(), &room.hub_keys.external_sender());
    let others: Vec<u16> = view.other_components.keys().copied().collect();
    assert_eq!(others, [1, 2, 3]);
    assert_eq!(view.other_components[&1], hex(&[0x0e], &[2, 3, 0x22, 0x23, 0x25, 0x26, 0x27]));
}

fn hex(prefix: &[u8], ids: &[u16]) -> Vec<u8> {
    let ids = ids.iter().flat_map(|id| id.to_be_bytes());
    prefix.iter().copied().chain(ids).collect()
}

/// FLOW-2 and FLOW-4: a user with two devices is added in one commit and can read and write.
#[test]
fn added_devices_read_and_write() {
    let mut room = alice_and_bob();
    room.assert_agreement();
    assert_eq!(room.members.len(), 3);
    let message = room.message("bob/laptop", b"hello");
    for (name, member) in &mut room.members {
        match member.group.receive(&message, &room.issuers, now_ms()).unwrap() {
            Received::Repeat => assert_eq!(name, "bob/laptop", "PROTO-NTF-7: our own echo"),
            Received::Application { user, client, application_data, leaf, epoch, .. } => {
                assert_eq!(user.as_str(), "mimi://b.example/u/bob");
                assert_eq!(client.as_str(), "mimi://b.example/d/bob/laptop");
                assert_eq!((leaf, epoch), (2, 1));
                assert_eq!(application_data, b"hello");
            }
            other => panic!("{other:?}"),
        }
    }
    let again = room.member("alice/phone").group.receive(&message, &Default::default(), now_ms());
    assert!(matches!(again, Ok(Received::Repeat)));
}

/// AMB-NTF-13, PROTO-NTF-2: each provider gets a Welcome with the secrets of its own clients only.
#[test]
fn a_welcome_is_cut_per_provider() {
    let mut room = alice_and_bob();
    let bill = room.federation.device("b.example", "bill", "phone");
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let tablet = room.federation.device("c.example", "cathy", "tablet");
    let plan = room.plan_to_add(vec![cathy, bill, tablet]);
    let bundle = room.build("alice/phone", &plan);
    let request = UpdateRequest::Commit(bundle);
    let staged = room.hub.stage(&request, &room.issuers, now_ms()).unwrap();
    let StagedUpdate::Commit(commit) = &staged else { panic!("a commit") };
    let slices: Vec<(String, Vec<String>)> = commit
        .welcomes()
        .iter()
        .map(|slice| {
            let clients = slice.clients.iter().map(|(client, _)| client.to_string());
            (slice.domain.to_string(), clients.collect())
        })
        .collect();
    let b = ("b.example".to_owned(), vec!["mimi://b.example/d/bill/phone".to_owned()]);
    let c =
        ["mimi://c.example/d/cathy/phone".to_owned(), "mimi://c.example/d/cathy/tablet".to_owned()];
    assert_eq!(slices, [b, ("c.example".to_owned(), c.to_vec())]);
    let foreign = commit.welcomes()[0].message.octets();
    for (_, reference) in &commit.welcomes()[1].clients {
        assert!(!foreign.windows(reference.len()).any(|octets| octets == reference));
    }
    assert_eq!(commit.added().len(), 3);
    let events = room.submit(&request).unwrap();
    room.member("alice/phone").group.accept_pending().unwrap();
    room.deliver(&events);
    assert_eq!(room.members.len(), 6);
    room.assert_agreement();
}

/// FLOW-3: a member at a follower adds a user of a third provider.
#[test]
fn a_follower_s_user_adds_a_third_provider_s() {
    let mut room = alice_and_bob();
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let plan = room.plan_to_add(vec![cathy]);
    room.commit("bob/phone", &plan);
    room.assert_agreement();
    assert_eq!(room.hub.view().participants.participants.len(), 3);
}

/// FLOW-6, PROTO-GI-6: a device joins by itself, and again in place of its old leaf.
#[test]
fn devices_join_by_external_commit() {
    let mut room = alice_and_bob();
    let tablet = room.federation.device("a.example", "alice", "tablet");
    room.join_externally(tablet);
    room.assert_agreement();
    room.commit("alice/tablet", &CommitPlan::default());
    room.assert_agreement();
    let tablet = room.members.remove("alice/tablet").unwrap().device;
    let leaf = room.leaf("alice/tablet");
    room.join_externally(tablet);
    assert_eq!(room.leaf("alice/tablet"), leaf);
    room.assert_agreement();
}

/// A new participant lists itself in the commit it joins by (AMB-UPD-16), and the hub tells with
/// which key it came (PROTO-GI-5).
#[test]
fn an_unlisted_user_joins_with_its_list_entry() {
    let mut room = alice_and_bob();
    let dora = room.federation.device("c.example", "dora", "phone");
    let user = dora.identity().unwrap().user.clone();
    let entry = UserRolePair { user: user.clone(), role_index: TestRoom::MEMBER };
    let update = ParticipantListUpdate { added_participants: vec![entry], ..Default::default() };
    let (_, bundle) = mimi_mls::member::MemberGroup::join_by_external_commit(
        &dora,
        &room.join_material(),
        Some(update.clone()),
        &room.issuers,
        &mut room.federation.rng,
        now_ms(),
    )
    .unwrap();
    let request = UpdateRequest::Commit(bundle);
    let staged = room.hub.stage(&request, &room.issuers, now_ms()).unwrap();
    let changes: Vec<_> = staged.change().proposals.iter().map(|it| &it.change).collect();
    assert!(changes.contains(&&ProposedChange::ParticipantList(update)));
    let joins = |change: &&&ProposedChange| matches!(change, ProposedChange::ExternalJoin(_));
    assert_eq!(changes.iter().filter(joins).count(), 1);
    assert!(matches!(&staged.change().committer, Some(Actor::Joiner(it)) if it.user == user));
    let StagedUpdate::Commit(commit) = staged else { panic!("a commit") };
    assert_eq!(commit.joiner_signature_key(), Some(dora.signature_key()));
    assert!(commit.after().is_active(&user));
}

/// PROTO-UPD-9: one commit per epoch; the loser learns the epoch, follows, and tries again.
#[test]
fn of_two_racing_commits_one_wins() {
    let mut room = alice_and_bob();
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let plan = room.plan_to_add(vec![cathy]);
    let winner = room.build("alice/phone", &plan);
    let loser = room.build("bob/phone", &CommitPlan::default());
    let events = room.submit(&UpdateRequest::Commit(winner)).unwrap();
    let refused = room.submit(&UpdateRequest::Commit(loser)).unwrap_err();
    assert_eq!(refused, StageError::WrongEpoch { current: 2, given: 1 });
    assert!(room.member("bob/phone").group.has_pending());
    room.member("alice/phone").group.accept_pending().unwrap();
    room.deliver(&events);
    assert!(!room.member("bob/phone").group.has_pending());
    room.assert_agreement();
    room.commit("bob/phone", &CommitPlan::default());
    room.assert_agreement();
}

/// A refused commit can be dropped and made again in the same epoch.
#[test]
fn a_dropped_commit_leaves_no_trace() {
    let mut room = alice_and_bob();
    room.build("bob/phone", &CommitPlan::default());
    room.member("bob/phone").group.drop_pending().unwrap();
    room.assert_agreement();
    room.commit("bob/phone", &CommitPlan::default());
    room.assert_agreement();
}

/// PROTO-NTF-7: our accepted commit comes back before or after the hub's answer.
#[test]
fn our_own_commit_comes_back() {
    let mut room = alice_and_bob();
    let bundle = room.build("bob/phone", &CommitPlan::default());
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    let bob = &mut room.members.get_mut("bob/phone").unwrap().group;
    let received = bob.receive(&events[0], &room.issuers, now_ms()).unwrap();
    assert!(matches!(received, Received::OwnCommit));
    let received = bob.receive(&events[0], &room.issuers, now_ms()).unwrap();
    assert!(matches!(received, Received::Repeat));
    room.deliver(&events);
    room.assert_agreement();
}

/// FLOW-5, PROTO-UPD-12: proposals to leave wait at the hub; no commit can leave them out.
#[test]
fn leaving_is_guaranteed() {
    let mut room = alice_and_bob();
    // Alice has built a commit before she knows.
    let late = room.build("alice/phone", &CommitPlan::default());
    let bundle = leave(&mut room, "bob/phone");
    assert_eq!(bundle.more_proposals.len(), 2);
    room.propose(bundle);
    let references: Vec<Vec<u8>> = room.hub.cached_references().map(<[u8]>::to_vec).collect();
    assert_eq!(references.len(), 3);
    let refused = room.submit(&UpdateRequest::Commit(late)).unwrap_err();
    let StageError::InvalidProposal { references: omitted, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(omitted, references, "PROTO-UPD-10, AMB-UPD-8");
    room.member("alice/phone").group.drop_pending().unwrap();
    let pending = room.member("alice/phone").group.pending_change();
    assert_eq!(pending.proposals.len(), 3);
    assert!(matches!(pending.proposals[0].change, ProposedChange::ParticipantList(_)));
    assert_eq!(pending.proposals[2].change, ProposedChange::SelfRemove);
    room.commit("alice/phone", &CommitPlan::default());
    room.assert_agreement();
    for name in ["bob/phone", "bob/laptop"] {
        let group = &room.members[name].group;
        assert!(!group.is_active(), "{name} is out");
        assert_eq!(group.view(), room.hub.view(), "and knows the room it left");
    }
    assert_eq!(room.hub.view().participants.participants.len(), 1);
    assert_eq!(room.hub.view().clients.len(), 1);
}

/// Who is about to go cannot commit, and nobody writes before the leave is committed.
#[test]
fn a_leaver_does_not_commit() {
    let mut room = alice_and_bob();
    let bundle = leave(&mut room, "bob/phone");
    room.propose(bundle);
    for name in ["bob/phone", "bob/laptop"] {
        let bundle = room.build(name, &CommitPlan::default());
        let refused = room.submit(&UpdateRequest::Commit(bundle)).unwrap_err();
        assert!(matches!(refused, StageError::InvalidProposal { .. }), "{refused}");
    }
    let TestMember { device, group } = room.member("bob/phone");
    assert!(group.leave(device).is_err(), "once is enough");
    let TestMember { device, group } = room.member("alice/phone");
    assert!(group.encrypt(device, b"too early").is_err());
}

/// AMB-UPD-9, PROTO-GI-6: an external commit includes SelfRemoves; the rest of a leave dies.
#[test]
fn an_external_commit_carries_self_removes_only() {
    let mut room = alice_and_bob();
    let bundle = leave(&mut room, "bob/phone");
    room.propose(bundle);
    let tablet = room.federation.device("a.example", "alice", "tablet");
    let mut material = room.join_material();
    assert_eq!(material.pending_proposals.len(), 3);
    material.pending_proposals.pop();
    let (_, without) = mimi_mls::member::MemberGroup::join_by_external_commit(
        &tablet,
        &material,
        None,
        &room.issuers,
        &mut room.federation.rng,
        now_ms(),
    )
    .unwrap();
    let refused = room.submit(&UpdateRequest::Commit(without)).unwrap_err();
    assert!(
        matches!(refused, StageError::InvalidProposal { references, .. } if references.len() == 1)
    );
    room.join_externally(tablet);
    room.assert_agreement();
    assert!(!room.members["bob/phone"].group.is_active());
    assert!(room.members["bob/laptop"].group.is_active(), "its Remove has died");
    let bob = room.user("bob/laptop");
    assert!(room.hub.view().role_index_of(&bob).is_some(), "and so has the list change");
    assert_eq!(room.hub.cached_references().count(), 0);
}

/// A device whose SelfRemove waits changes its mind and joins anew: one of the two removals of its
/// old leaf is enough, two would be invalid.
#[test]
fn a_leaver_comes_back_by_itself() {
    let mut room = alice_and_bob();
    let bundle = leave(&mut room, "bob/phone");
    room.propose(bundle);
    let phone = room.members.remove("bob/phone").unwrap().device;
    room.join_externally(phone);
    room.assert_agreement();
}

/// Two members ask to remove the same leaf, which also leaves by itself.
#[test]
fn several_removals_of_one_leaf_become_one() {
    let mut room = alice_and_bob();
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let plan = room.plan_to_add(vec![cathy]);
    room.commit("alice/phone", &plan);
    let bundle = leave(&mut room, "cathy/phone");
    room.propose(bundle);
    let event = hub_proposals(&mut room, "cathy/phone");
    room.deliver(&[event]);
    let leaf = room.leaf("cathy/phone");
    room.commit("bob/phone", &CommitPlan { remove: vec![leaf], ..Default::default() });
    room.assert_agreement();
    assert!(!room.members["cathy/phone"].group.is_active());
}

/// FLOW-8, PROTO-UPD-3: a ban is a role change and the removal of all clients in one commit.
#[test]
fn a_ban_removes_every_device() {
    let mut room = alice_and_bob();
    let bob = room.user("bob/phone");
    let plan = room.plan_to_ban(&bob);
    let bundle = room.build("alice/phone", &plan);
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    let laptop = &mut room.members.get_mut("bob/laptop").unwrap().group;
    let received = laptop.receive(&events[0], &room.issuers, now_ms()).unwrap();
    let Received::Commit(commit) = received else { panic!("{received:?}") };
    assert!(commit.evicts_us(), "PROTO-NTF-6");
    assert_eq!(commit.after().role_index_of(&bob), Some(TestRoom::BANNED));
    assert_eq!(commit.change().proposals.len(), 3);
    room.member("alice/phone").group.accept_pending().unwrap();
    room.deliver(&events);
    room.assert_agreement();
    assert!(!room.members["bob/phone"].group.is_active());
    assert!(!room.hub.view().is_active(&bob));
    let TestMember { device, group } = room.member("bob/phone");
    assert!(group.encrypt(device, b"let me in").is_err());
    let message = room.message("alice/phone", b"quiet");
    let unread = room.member("bob/phone").group.receive(&message, &Default::default(), now_ms());
    assert!(unread.is_err());
}

/// PROTO-NTF-3: a hub's own Remove is verified by everybody and committed by anybody.
#[test]
fn the_hub_proposes_a_removal() {
    let mut room = alice_and_bob();
    let event = hub_proposals(&mut room, "bob/laptop");
    let alice = &mut room.members.get_mut("alice/phone").unwrap().group;
    let received = alice.receive(&event, &room.issuers, now_ms()).unwrap();
    let Received::Proposals(change) = received else { panic!("{received:?}") };
    let Actor::ExternalSender { index: 0, claims } = &change.proposals[0].sender else {
        panic!("{change:?}")
    };
    assert_eq!(claims[0].claim_value, b"mimi://a.example");
    assert_eq!(change.proposals[0].change, ProposedChange::RemoveClient(2));
    let again = alice.receive(&event, &room.issuers, now_ms()).unwrap();
    assert!(matches!(again, Received::Repeat));
    room.deliver(&[event]);
    room.commit("bob/phone", &CommitPlan::default());
    room.assert_agreement();
    assert!(!room.members["bob/laptop"].group.is_active());
}

/// PROTO-NTF-4: what the hub staples to an external commit counts in the new epoch.
#[test]
fn stapled_proposals_are_taken_in_with_the_commit() {
    let mut room = alice_and_bob();
    let tablet = room.federation.device("a.example", "alice", "tablet");
    let material = room.join_material();
    let (group, bundle) = mimi_mls::member::MemberGroup::join_by_external_commit(
        &tablet,
        &material,
        None,
        &room.issuers,
        &mut room.federation.rng,
        now_ms(),
    )
    .unwrap();
    let mut events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    let proposal = hub_proposals(&mut room, "bob/laptop").message;
    events[0].kind = FanoutKind::Commit { external_proposals: vec![proposal.clone()] };
    room.members.insert("alice/tablet".to_owned(), TestMember { device: tablet, group });
    room.deliver(&events);
    assert_eq!(room.member("bob/phone").group.pending_change().proposals.len(), 1);
    room.commit("bob/phone", &CommitPlan::default());
    assert!(!room.members["bob/laptop"].group.is_active());
}

/// Metadata is replaced whole (PROTO-RM-1); the URI stays.
#[test]
fn metadata_changes() {
    let mut room = alice_and_bob();
    let mut metadata = room.hub.view().metadata.clone();
    metadata.room_subject = "Bridge on Friday".to_owned();
    let plan = CommitPlan { metadata: Some(metadata.clone()), ..Default::default() };
    room.commit("bob/phone", &plan);
    room.assert_agreement();
    assert_eq!(room.hub.view().metadata, metadata);
    metadata.room_uri = mimi_wire::MimiUri::new("mimi://b.example/r/stolen").unwrap();
    let plan = CommitPlan { metadata: Some(metadata), ..Default::default() };
    let TestMember { device, group } = room.members.get_mut("bob/phone").unwrap();
    let refused = group.commit(device, &plan, &mut room.federation.rng, now_ms()).unwrap_err();
    assert!(matches!(refused, StageError::InvalidProposal { .. }), "{refused}");
}

/// Join links come and go by differences against the epoch's list (AMB-POL-12), the same for hub and
/// members.
#[test]
fn join_links_come_and_go() {
    let mut room = alice_and_bob();
    let link = |text: &str| JoinLink(text.as_bytes().to_vec());
    let update = |removed_indices: &[u32], added: &[&str]| {
        let added_links = added.iter().map(|text| link(text)).collect();
        let update = JoinLinksUpdate { removed_indices: removed_indices.to_vec(), added_links };
        CommitPlan { join_links: Some(update), ..Default::default() }
    };
    let links = |room: &TestRoom| {
        room.assert_agreement();
        let octets = &room.hub.view().other_components[&JOIN_LINKS];
        JoinLinksData::decode(octets).unwrap().links
    };
    room.commit("alice/phone", &update(&[], &["one", "two", "three"]));
    assert_eq!(links(&room), [link("one"), link("two"), link("three")]);
    room.commit("bob/phone", &update(&[0, 2], &["four"]));
    assert_eq!(links(&room), [link("two"), link("four")]);
    let TestMember { device, group } = room.members.get_mut("bob/phone").unwrap();
    let plan = update(&[2], &[]);
    let refused = group.commit(device, &plan, &mut room.federation.rng, now_ms()).unwrap_err();
    assert!(matches!(refused, StageError::InvalidProposal { .. }), "{refused}");
}
