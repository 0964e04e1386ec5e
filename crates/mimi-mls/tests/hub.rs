//! What a hub refuses; after each refusal its state is as before.
#![expect(clippy::unwrap_used, reason = "tests")]

use mimi_mls::error::StageError;
use mimi_mls::hub::{HubGroup, application_frame};
use mimi_mls::member::{CommitPlan, MemberGroup};
use mimi_wire::Wire;
use mimi_wire::codec::{Reader, Writer};
use mimi_wire::mls::{GroupInfo, MlsMessage, Welcome};
use mimi_wire::protocol::ratchet_tree::{GroupInfoOption, PartialGroupInfo, RatchetTreePresence};
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle, UpdateRequest};
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair};
use tombolo_testkit::{Federation, TestMember, TestRoom, now_ms};

fn alice_and_bob() -> TestRoom {
    let mut room = TestRoom::of_alice();
    let bob = room.federation.device("b.example", "bob", "phone");
    let plan = room.plan_to_add(vec![bob]);
    room.commit("alice/phone", &plan);
    room
}

/// A commit of alice's that adds cathy.
fn adding_cathy(room: &mut TestRoom) -> CommitBundle {
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let plan = room.plan_to_add(vec![cathy]);
    room.build("alice/phone", &plan)
}

fn refused(room: &mut TestRoom, bundle: &CommitBundle) -> StageError {
    let before = room.hub.snapshot();
    let error = room.submit(&UpdateRequest::Commit(bundle.clone())).unwrap_err();
    assert_eq!(room.hub.snapshot(), before, "a refusal changes nothing");
    error
}

fn invalid(error: StageError) -> String {
    match error {
        StageError::Invalid(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn full(bundle: &CommitBundle) -> &GroupInfo {
    match &bundle.group_info {
        GroupInfoOption::Full(group_info) => group_info,
        GroupInfoOption::Partial(_) => panic!("our clients send it whole"),
    }
}

/// The parts of a GroupInfo: before the extensions, their content, between, the signature.
fn cut(group_info: &GroupInfo) -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>) {
    let octets = group_info.octets();
    let mut reader = Reader::new(octets);
    reader.mls::<openmls::group::GroupContext>("group_context").unwrap();
    let context = octets[..reader.offset()].to_vec();
    let extensions = reader.opaque(100_000, "extensions").unwrap().to_vec();
    let start = reader.offset();
    reader.opaque(100, "confirmation_tag").unwrap();
    reader.u32("signer").unwrap();
    let middle = octets[start..reader.offset()].to_vec();
    let signature = reader.opaque(1_000, "signature").unwrap().to_vec();
    (context, extensions, middle, signature)
}

fn flipped(octets: &[u8], position: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[position] ^= 0x10;
    octets
}

/// Every octet under the committer's signature counts. What follows it, the membership tag, only
/// members can verify.
#[test]
fn a_tampered_commit_is_refused() {
    let mut room = alice_and_bob();
    let bundle = adding_cathy(&mut room);
    let octets = bundle.commit.octets();
    let membership_tag = 33;
    for position in (4..octets.len() - membership_tag).step_by(5) {
        let Ok(commit) = MlsMessage::decode(&flipped(octets, position)) else { continue };
        let tampered = CommitBundle { commit, ..bundle.clone() };
        refused(&mut room, &tampered);
    }
    room.submit(&UpdateRequest::Commit(bundle)).unwrap();
}

/// PROTO-UPD-7: the GroupInfo is the committer's, and of exactly the new epoch.
#[test]
fn a_wrong_group_info_is_refused() {
    let mut room = alice_and_bob();
    let old = room.hub.group_info().clone();
    let bundle = adding_cathy(&mut room);
    let with = |group_info| CommitBundle {
        group_info: GroupInfoOption::Full(group_info),
        ..bundle.clone()
    };
    assert!(invalid(refused(&mut room, &with(old))).contains("epoch"));
    let octets = full(&bundle).octets();
    for position in (0..octets.len()).step_by(7) {
        let Ok(group_info) = GroupInfo::decode(&flipped(octets, position)) else { continue };
        refused(&mut room, &with(group_info));
    }
    // Bob's, for a commit of his own in the same epoch.
    let other = room.build("bob/phone", &CommitPlan::default());
    assert!(invalid(refused(&mut room, &with(full(&other).clone()))).contains("epoch"));
    room.submit(&UpdateRequest::Commit(bundle)).unwrap();
}

/// PROTO-UPD-8, RTO-3: from a PartialGroupInfo the hub rebuilds exactly what the committer has signed.
#[test]
fn a_partial_group_info_is_rebuilt() {
    let mut room = alice_and_bob();
    let bundle = adding_cathy(&mut room);
    let (_, group_info_extensions, _, signature) = cut(full(&bundle));
    let partial = PartialGroupInfo {
        ratchet_tree_presence: RatchetTreePresence::NoRatchetTree,
        group_info_extensions,
        signature,
    };
    let with =
        |partial| CommitBundle { group_info: GroupInfoOption::Partial(partial), ..bundle.clone() };
    let present = RatchetTreePresence::Present;
    let embedded = PartialGroupInfo { ratchet_tree_presence: present, ..partial.clone() };
    assert!(invalid(refused(&mut room, &with(embedded))).contains("embed"), "AMB-RTO-4");
    let unsigned = flipped(&partial.signature, 3);
    let unsigned = PartialGroupInfo { signature: unsigned, ..partial.clone() };
    assert!(invalid(refused(&mut room, &with(unsigned))).contains("signature"));
    let without = PartialGroupInfo { group_info_extensions: Vec::new(), ..partial.clone() };
    assert!(invalid(refused(&mut room, &with(without))).contains("external_pub"));
    let events = room.submit(&UpdateRequest::Commit(with(partial))).unwrap();
    assert_eq!(room.hub.group_info(), full(&bundle));
    room.member("alice/phone").group.accept_pending().unwrap();
    room.deliver(&events);
    let tablet = room.federation.device("a.example", "alice", "tablet");
    room.join_externally(tablet);
    room.assert_agreement();
}

/// PROTO-UPD-6, AMB-UPD-5: no ratchet tree inside a GroupInfo, whoever signs it.
#[test]
fn an_embedded_tree_is_refused() {
    let mut room = alice_and_bob();
    let bundle = adding_cathy(&mut room);
    let tree = room.hub.ratchet_tree();
    let embed = |group_info: &GroupInfo| {
        let (context, extensions, middle, signature) = cut(group_info);
        let mut inner = Writer::default();
        inner.raw(&extensions);
        inner.u16(2);
        inner.opaque(tree.octets());
        let mut writer = Writer::default();
        writer.raw(&context);
        writer.opaque(&inner.into_octets());
        writer.raw(&middle);
        writer.opaque(&signature);
        GroupInfo::decode(&writer.into_octets()).unwrap()
    };
    let group_info = embed(full(&bundle));
    let embedded = CommitBundle { group_info: GroupInfoOption::Full(group_info), ..bundle.clone() };
    assert!(invalid(refused(&mut room, &embedded)).contains("embed"));
    let device = room.federation.device("a.example", "alice", "tablet");
    let mut material = room.join_material();
    material.group_info = embed(&material.group_info);
    let rng = &mut room.federation.rng;
    let joined = MemberGroup::join_by_external_commit(
        &device,
        &material,
        None,
        &room.issuers,
        rng,
        now_ms(),
    );
    assert!(invalid(joined.unwrap_err()).contains("embed"));
}

/// A Welcome comes exactly when clients are added, and for exactly these.
#[test]
fn a_welcome_that_does_not_fit_is_refused() {
    let mut room = alice_and_bob();
    let plain = room.build("bob/phone", &CommitPlan::default());
    let bundle = adding_cathy(&mut room);
    let welcome = bundle.welcome.clone().unwrap();
    let without = CommitBundle { welcome: None, ..bundle.clone() };
    assert!(invalid(refused(&mut room, &without)).contains("Welcome"));
    let surplus = CommitBundle { welcome: Some(welcome.clone()), ..plain };
    assert!(invalid(refused(&mut room, &surplus)).contains("nobody"));
    // The first octet of the KeyPackageRef follows suite, length and length.
    let other = Welcome::decode(&flipped(welcome.octets(), 8)).unwrap();
    let other = CommitBundle { welcome: Some(other), ..bundle.clone() };
    assert!(invalid(refused(&mut room, &other)).contains("exactly"));
    let twice = Welcome::decode(&doubled(&welcome)).unwrap();
    let twice = CommitBundle { welcome: Some(twice), ..bundle.clone() };
    assert!(invalid(refused(&mut room, &twice)).contains("twice"));
    room.submit(&UpdateRequest::Commit(bundle)).unwrap();
}

/// A Welcome with all its secrets twice.
fn doubled(welcome: &Welcome) -> Vec<u8> {
    let mut reader = Reader::new(welcome.octets());
    let suite = reader.u16("suite").unwrap();
    let secrets = reader.opaque(100_000, "secrets").unwrap();
    let mut writer = Writer::default();
    writer.u16(suite);
    writer.opaque(&[secrets, secrets].concat());
    writer.raw(reader.rest());
    writer.into_octets()
}

#[test]
fn another_group_s_commit_is_refused() {
    let mut room = alice_and_bob();
    let mut other = alice_and_bob();
    let mut foreign = other.build("bob/phone", &CommitPlan::default());
    let error = refused(&mut room, &foreign);
    assert!(invalid(error).contains("signature"), "the same group id, other keys");
    let mut reader = Reader::new(foreign.commit.octets());
    reader.array::<4>("header").unwrap();
    let length = reader.opaque(1_000, "group_id").unwrap().len();
    foreign.commit = MlsMessage::decode(&flipped(foreign.commit.octets(), 4 + length)).unwrap();
    assert!(invalid(refused(&mut room, &foreign)).contains("another group"));
}

/// PROTO-UPD-9, both ways.
#[test]
fn another_epoch_s_commit_is_refused() {
    let mut room = alice_and_bob();
    let stale = room.build("bob/phone", &CommitPlan::default());
    let before = HubGroup::restore(&room.hub.snapshot()).unwrap();
    room.commit("alice/phone", &CommitPlan::default());
    assert_eq!(refused(&mut room, &stale), StageError::WrongEpoch { current: 2, given: 1 });
    room.hub = before;
    let early = room.build("alice/phone", &CommitPlan::default());
    assert_eq!(refused(&mut room, &early), StageError::WrongEpoch { current: 1, given: 2 });
}

/// PROTO-UPD-5: commits and proposals come as PublicMessages, each in its own place.
#[test]
fn other_messages_are_refused() {
    let mut room = alice_and_bob();
    let bundle = room.build("bob/phone", &CommitPlan::default());
    let application = room.message("alice/phone", b"hello").message;
    let commit = bundle.commit.clone();
    let private = CommitBundle { commit: application.clone(), ..bundle.clone() };
    refused(&mut room, &private);
    let mut propose = |proposal: &MlsMessage| {
        let bundle = ProposalBundle { proposal: proposal.clone(), more_proposals: Vec::new() };
        room.submit(&UpdateRequest::Proposals(bundle)).unwrap_err()
    };
    propose(&application);
    propose(&commit);
    // PROTO-SUB-1.
    let frame = application_frame(&application).unwrap();
    assert_eq!((frame.epoch, frame.group_id.as_slice()), (1, room.hub.group_id()));
    application_frame(&commit).unwrap_err();
    application_frame(&room.log[1].message).unwrap_err();
}

/// PROTO-UPD-11, AMB-UPD-12: a bundle has one sender, and is taken whole or not at all.
#[test]
fn a_bundle_of_proposals_stands_or_falls_as_one() {
    let mut room = alice_and_bob();
    let TestMember { device, group } = room.member("bob/phone");
    let bob = group.leave(device).unwrap();
    let TestMember { device, group } = room.member("alice/phone");
    let alice = group.leave(device).unwrap();
    let mut submit = |proposal: &MlsMessage, more: &[MlsMessage]| {
        let before = room.hub.snapshot();
        let proposal = proposal.clone();
        let bundle = ProposalBundle { proposal, more_proposals: more.to_vec() };
        let error = room.submit(&UpdateRequest::Proposals(bundle)).unwrap_err();
        assert_eq!(room.hub.snapshot(), before);
        error
    };
    let mixed = submit(&bob.proposal, &alice.more_proposals);
    assert!(invalid(mixed).contains("one sender"));
    let tampered = bob.more_proposals[0].octets();
    let tampered = MlsMessage::decode(&flipped(tampered, tampered.len() - 50)).unwrap();
    submit(&bob.proposal, &[tampered]);
    // The same twice in one bundle.
    let twice = submit(&bob.proposal, std::slice::from_ref(&bob.proposal));
    assert!(
        matches!(twice, StageError::InvalidProposal { references, .. } if references.len() == 1)
    );
    room.propose(bob.clone());
    let again = room.submit(&UpdateRequest::Proposals(bob)).unwrap_err();
    assert!(matches!(again, StageError::InvalidProposal { .. }), "{again}");
}

/// What cannot be committed together cannot wait together: else no commit could follow.
#[test]
fn proposals_that_exclude_each_other_are_refused() {
    let mut room = alice_and_bob();
    let tablet = room.federation.device("b.example", "bob", "tablet");
    let plan = room.plan_to_add(vec![tablet]);
    room.commit("alice/phone", &plan);
    let TestMember { device, group } = room.member("bob/phone");
    let first = group.leave(device).unwrap();
    let TestMember { device, group } = room.member("bob/tablet");
    let second = group.leave(device).unwrap();
    room.propose(first);
    let before = room.hub.snapshot();
    let error = room.submit(&UpdateRequest::Proposals(second)).unwrap_err();
    assert!(matches!(error, StageError::Denied(_)), "bob's list entry would go twice: {error}");
    assert_eq!(room.hub.snapshot(), before);
    room.commit("alice/phone", &CommitPlan::default());
    room.assert_agreement();
}

/// PROTO-PL-5: an index out of range never becomes a list.
#[test]
fn a_list_change_that_cannot_be_applied_is_not_built() {
    let mut room = alice_and_bob();
    let change = UserIndexRolePair { user_index: 7, role_index: TestRoom::MEMBER };
    let update =
        ParticipantListUpdate { changed_role_participants: vec![change], ..Default::default() };
    let plan = CommitPlan { participants: Some(update), ..Default::default() };
    let TestMember { device, group } = room.members.get_mut("bob/phone").unwrap();
    let refused = group.commit(device, &plan, &mut room.federation.rng, now_ms()).unwrap_err();
    assert!(matches!(refused, StageError::Denied(_)), "{refused}");
    assert!(!group.has_pending());
}

/// A hub opens only what is a MIMI room of its own: epoch 0 or 1, the hub's own sender first.
#[test]
fn a_founding_that_is_no_room_is_refused() {
    let mut room = alice_and_bob();
    // With its first members in, and no later.
    let (tree, issuers) = (room.hub.ratchet_tree(), room.issuers.clone());
    HubGroup::open(room.hub.group_info(), &tree, &issuers, now_ms()).unwrap();
    room.commit("alice/phone", &CommitPlan::default());
    let tree = room.hub.ratchet_tree();
    let late = HubGroup::open(room.hub.group_info(), &tree, &issuers, now_ms()).unwrap_err();
    assert!(invalid(late).contains("epoch 0"));
    let fresh = TestRoom::of_alice();
    let (group_info, tree) = (fresh.hub.group_info(), fresh.hub.ratchet_tree());
    let open = |group_info: &GroupInfo| HubGroup::open(group_info, &tree, &fresh.issuers, now_ms());
    open(group_info).unwrap();
    let octets = group_info.octets();
    for position in (0..octets.len()).step_by(3) {
        if let Ok(tampered) = GroupInfo::decode(&flipped(octets, position)) {
            open(&tampered).unwrap_err();
        }
    }
    let stranger = HubGroup::open(group_info, &tree, &Default::default(), now_ms()).unwrap_err();
    assert!(matches!(stranger, StageError::Identity(_)), "{stranger}");
    let other = &room.hub.ratchet_tree();
    HubGroup::open(group_info, other, &fresh.issuers, now_ms()).unwrap_err();
    room.commit("bob/phone", &CommitPlan::default());
}

/// ARCH-1, PROTO-GI-6, AMB-ID-3: the first external sender is the provider of the room's URI.
#[test]
fn a_room_belongs_to_its_hub() {
    let mut federation = Federation::new(&["a.example", "b.example"]);
    let alice = federation.device("a.example", "alice", "phone");
    let foreign = federation.hub_keys("b.example");
    let error = TestRoom::try_found(federation, alice, &foreign).unwrap_err();
    assert!(invalid(error).contains("external sender"));
}

/// What was staged against one state is not merged into another.
#[test]
fn a_stale_stage_is_not_merged() {
    let mut room = alice_and_bob();
    let one = UpdateRequest::Commit(room.build("alice/phone", &CommitPlan::default()));
    let two = UpdateRequest::Commit(room.build("bob/phone", &CommitPlan::default()));
    let issuers = room.issuers.clone();
    let one = room.hub.stage(&one, &issuers, now_ms()).unwrap();
    let two = room.hub.stage(&two, &issuers, now_ms()).unwrap();
    room.hub.merge(one).unwrap();
    assert!(matches!(room.hub.merge(two), Err(StageError::Internal(_))));
    assert_eq!(room.hub.view().epoch, 2);
}
