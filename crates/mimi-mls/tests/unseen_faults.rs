//! Faults that a hub cannot see, since it holds no secret of the group: they freeze nobody, and an
//! external commit ends them.
#![expect(clippy::unwrap_used, reason = "tests")]

use mimi_mls::error::StageError;
use mimi_mls::member::{CommitPlan, MemberGroup, ReceiveError, Received};
use mimi_wire::Wire;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle, UpdateRequest};
use tombolo_testkit::{TestMember, TestRoom, now_ms};

/// Alice, bob and cathy.
fn three() -> TestRoom {
    let mut room = TestRoom::of_alice();
    for (domain, user) in [("b.example", "bob"), ("c.example", "cathy")] {
        let device = room.federation.device(domain, user, "phone");
        let plan = room.plan_to_add(vec![device]);
        room.commit("alice/phone", &plan);
    }
    room
}

/// The membership tag comes last in a PublicMessage of a member.
fn with_wrong_membership_tag(message: &MlsMessage) -> MlsMessage {
    let mut octets = message.octets().to_vec();
    *octets.last_mut().unwrap() ^= 1;
    MlsMessage::decode(&octets).unwrap()
}

fn receive(
    room: &mut TestRoom,
    name: &str,
    event: &FanoutMessage,
) -> Result<Received, ReceiveError> {
    let issuers = room.issuers.clone();
    room.member(name).group.receive(event, &issuers, now_ms())
}

fn follow(room: &mut TestRoom, name: &str, event: &FanoutMessage) {
    let Ok(Received::Commit(commit)) = receive(room, name, event) else { panic!("{name}") };
    room.member(name).group.merge(*commit).unwrap();
}

/// A member drops its group and joins the hub's by external commit.
fn rejoin(room: &mut TestRoom, name: &str) -> FanoutMessage {
    let TestMember { device, .. } = room.members.remove(name).unwrap();
    let material = room.join_material();
    let (issuers, rng) = (&room.issuers, &mut room.federation.rng);
    let (group, bundle) =
        MemberGroup::join_by_external_commit(&device, &material, None, issuers, rng, now_ms())
            .unwrap();
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    room.members.insert(name.to_owned(), TestMember { device, group });
    events.into_iter().next().unwrap()
}

/// What cathy says when she leaves, with wrong membership tags, at the hub and at the others.
fn unverifiable_leave(room: &mut TestRoom, how_many: usize) {
    let TestMember { device, group } = room.member("cathy/phone");
    let ProposalBundle { proposal, more_proposals } = group.leave(device).unwrap();
    let tampered = ProposalBundle {
        proposal: with_wrong_membership_tag(&proposal),
        more_proposals: more_proposals.iter().map(with_wrong_membership_tag).collect(),
    };
    let ProposalBundle { proposal, mut more_proposals } = tampered;
    more_proposals.truncate(how_many - 1);
    let bundle = ProposalBundle { proposal, more_proposals };
    let events = room.submit(&UpdateRequest::Proposals(bundle)).unwrap();
    for name in ["alice/phone", "bob/phone"] {
        let received = receive(room, name, &events[0]);
        assert!(matches!(received, Err(ReceiveError::Unreadable(_))), "{name}: {received:?}");
        assert!(room.member(name).group.pending_change().proposals.is_empty());
    }
    assert_eq!(room.hub.cached_references().count(), how_many);
}

/// Nobody can commit what the hub has cached and members have dropped; one rejoin ends the epoch
/// for all.
#[test]
fn a_proposal_only_the_hub_takes_freezes_nobody() {
    let mut room = three();
    unverifiable_leave(&mut room, 1);
    let bundle = room.build("alice/phone", &CommitPlan::default());
    let refused = room.submit(&UpdateRequest::Commit(bundle)).unwrap_err();
    let StageError::InvalidProposal { references, .. } = refused else { panic!("{refused}") };
    let alice = &mut room.member("alice/phone").group;
    assert_eq!(alice.lacks(&references), references, "trying again is no use");
    alice.drop_pending().unwrap();
    let event = rejoin(&mut room, "alice/phone");
    for name in ["bob/phone", "cathy/phone"] {
        follow(&mut room, name, &event);
    }
    room.assert_agreement();
    room.commit("bob/phone", &CommitPlan::default());
    room.assert_agreement();
}

/// A joiner cannot verify membership tags, and must include every SelfRemove (AMB-UPD-9): whoever
/// has dropped one joins again in turn.
#[test]
fn a_self_remove_only_the_hub_takes_ends_with_rejoins() {
    let mut room = three();
    unverifiable_leave(&mut room, 2);
    let event = rejoin(&mut room, "alice/phone");
    let received = receive(&mut room, "bob/phone", &event);
    assert!(matches!(received, Err(ReceiveError::RejoinNeeded(_))), "{received:?}");
    let event = rejoin(&mut room, "bob/phone");
    follow(&mut room, "alice/phone", &event);
    room.members.remove("cathy/phone").unwrap();
    assert_eq!(room.hub.view().clients.len(), 2, "cathy has left");
    room.assert_agreement();
    room.commit("alice/phone", &CommitPlan::default());
    room.assert_agreement();
}

#[test]
fn a_commit_only_the_hub_takes_ends_with_rejoins() {
    let mut room = three();
    let bundle = room.build("cathy/phone", &CommitPlan::default());
    let commit = with_wrong_membership_tag(&bundle.commit);
    let bundle = CommitBundle { commit, ..bundle };
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    room.member("cathy/phone").group.accept_pending().unwrap();
    let event = events.first().unwrap().clone();
    for name in ["alice/phone", "bob/phone"] {
        let received = receive(&mut room, name, &event);
        assert!(matches!(received, Err(ReceiveError::RejoinNeeded(_))), "{name}: {received:?}");
    }
    let event = rejoin(&mut room, "alice/phone");
    follow(&mut room, "cathy/phone", &event);
    let event = rejoin(&mut room, "bob/phone");
    for name in ["alice/phone", "cathy/phone"] {
        follow(&mut room, name, &event);
    }
    room.assert_agreement();
}

/// As after a restored backup: its own commit counts, and it no longer has what it made for it.
#[test]
fn a_forgotten_commit_of_one_s_own_ends_with_a_rejoin() {
    let mut room = three();
    let bundle = room.build("bob/phone", &CommitPlan::default());
    room.member("bob/phone").group.drop_pending().unwrap();
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    let received = receive(&mut room, "bob/phone", &events[0]);
    assert!(matches!(received, Err(ReceiveError::RejoinNeeded(_))), "{received:?}");
}

/// A path that its sender has not signed is for the hub to refuse.
#[test]
fn a_commit_that_an_honest_hub_refuses_freezes() {
    let mut room = three();
    let tablet = room.federation.device("a.example", "alice", "tablet");
    let material = room.join_material();
    let (issuers, rng) = (&room.issuers, &mut room.federation.rng);
    let (_, bundle) =
        MemberGroup::join_by_external_commit(&tablet, &material, None, issuers, rng, now_ms())
            .unwrap();
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    // Of a commit nobody's membership tag covers, an octet of the path.
    let mut octets = events[0].message.octets().to_vec();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    let message = MlsMessage::decode(&octets).unwrap();
    let tampered = FanoutMessage { message, ..events[0].clone() };
    let received = receive(&mut room, "bob/phone", &tampered);
    assert!(matches!(received, Err(ReceiveError::Stage(_))), "{received:?}");
    follow(&mut room, "bob/phone", &events[0]);
}
