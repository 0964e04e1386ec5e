use super::{CommitBundle, ProposalBundle, UpdateOutcome, UpdateRequest, UpdateResponse};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text, vector};
use crate::limits::{HASH_OCTETS_MAX, LIST_ELEMENTS_MAX, MORE_PROPOSALS_MAX, TEXT_OCTETS_MAX};
use crate::mls::MlsMessage;
use crate::protocol::ratchet_tree::{
    GroupInfoOption, PartialGroupInfo, RatchetTreeOption, RatchetTreePresence,
};

/// PROTO-UPD-6, PROTO-UPD-7, AMB-W-10, AMB-UPD-6: no protocol octet, a bare Welcome.
#[test]
fn commits() {
    let fixtures = fixtures();
    let whole = CommitBundle {
        commit: fixtures.commit.clone(),
        welcome: Some(fixtures.welcome.clone()),
        group_info: GroupInfoOption::Full(fixtures.group_info.clone()),
        ratchet_tree: RatchetTreeOption::Full(fixtures.ratchet_tree.clone()),
    };
    let octets = octets!(
        fixtures.commit.octets(),
        "01",
        fixtures.welcome.octets(),
        "01",
        fixtures.group_info.octets(),
        "01",
        fixtures.ratchet_tree.octets(),
    );
    assert_octets(&UpdateRequest::Commit(whole.clone()), &octets);
    let partial = PartialGroupInfo {
        ratchet_tree_presence: RatchetTreePresence::NoRatchetTree,
        group_info_extensions: vec![],
        signature: vec![0xcc],
    };
    let least = CommitBundle {
        welcome: None,
        group_info: GroupInfoOption::Partial(partial),
        ratchet_tree: RatchetTreeOption::DistributionService,
        ..whole
    };
    let octets = octets!(fixtures.commit.octets(), "00 02 00 00 01cc 04");
    assert_octets(&UpdateRequest::Commit(least), &octets);
    let presence_2 = octets!(fixtures.commit.octets(), "02 02 00 00 01cc 04");
    assert!(UpdateRequest::decode(&presence_2).unwrap_err().reason.contains("presence octet 2"));
}

/// PROTO-UPD-11.
#[test]
fn proposals() {
    let proposal = &fixtures().proposal;
    let bundle = |more: usize| {
        UpdateRequest::Proposals(ProposalBundle {
            proposal: proposal.clone(),
            more_proposals: vec![proposal.clone(); more],
        })
    };
    assert_octets(&bundle(0), &octets!(proposal.octets(), "00"));
    let twice = [proposal.octets(), proposal.octets()].concat();
    assert_octets(&bundle(2), &octets!(proposal.octets(), vector(&twice)));
    // AMB-UPD-12.
    assert!(UpdateRequest::decode(&bundle(MORE_PROPOSALS_MAX).encode()).is_ok());
    assert!(UpdateRequest::decode(&bundle(MORE_PROPOSALS_MAX + 1).encode()).is_err());
}

/// PROTO-UPD-5, AMB-UPD-4: handshakes that the hub can read, and nothing else.
#[test]
fn other_messages_are_refused() {
    let fixtures = fixtures();
    for message in [&fixtures.private_commit, &fixtures.application, &fixtures.framed_welcome] {
        let octets = octets!(message.octets(), "00 02 00 00 01cc 04");
        let fault = UpdateRequest::decode(&octets).unwrap_err();
        assert_eq!((fault.field, fault.offset), ("HandshakeBundle.proposalOrCommit", 0));
    }
    let commit_beside = octets!(fixtures.proposal.octets(), vector(fixtures.commit.octets()));
    let fault = UpdateRequest::decode(&commit_beside).unwrap_err();
    assert_eq!(fault.field, "HandshakeBundle.moreProposals");
}

/// AMB-UPD-5.
#[test]
fn an_embedded_tree_is_refused() {
    let fixtures = fixtures();
    let octets =
        octets!(fixtures.commit.octets(), "00 01", fixtures.group_info_with_tree.octets(), "04");
    assert_eq!(UpdateRequest::decode(&octets).unwrap_err().field, "GroupInfoOption.groupInfo");
}

fn response(outcome: UpdateOutcome, description: &str) -> UpdateResponse {
    UpdateResponse { outcome, error_description: description.to_owned() }
}

/// PROTO-UPD-9, PROTO-UPD-10, PROTO-UPD-13, AMB-UPD-2.
#[test]
fn responses() {
    let success = UpdateOutcome::Success { accepted_timestamp: 0x0102_0304_0506_0708 };
    assert_octets(&response(success, ""), &octets!("00 00 0102030405060708"));
    let wrong_epoch = UpdateOutcome::WrongEpoch { current_epoch: 7 };
    assert_octets(&response(wrong_epoch, "é"), &octets!("01 02c3a9 0000000000000007"));
    let not_allowed = response(UpdateOutcome::NotAllowed, "no");
    assert_octets(&not_allowed, &octets!("02", text("no")));
    let none = UpdateOutcome::InvalidProposal { invalid_proposals: vec![] };
    assert_octets(&response(none, ""), &octets!("03 00 00"));
    let references = vec![vec![0xaa; 32], vec![0xbb]];
    let two = UpdateOutcome::InvalidProposal { invalid_proposals: references };
    let octets = octets!("03 00 23 20", vec![0xaa; 32], "01bb");
    assert_octets(&response(two, ""), &octets);
    assert!(UpdateResponse::decode(&octets!("04 00")).is_err());
    assert!(UpdateResponse::decode(&octets!("02 01 ff")).is_err(), "not UTF-8");
}

#[test]
fn responses_at_the_limits_and_beyond() {
    let described = |length| response(UpdateOutcome::NotAllowed, &"x".repeat(length)).encode();
    assert!(UpdateResponse::decode(&described(TEXT_OCTETS_MAX)).is_ok());
    assert!(UpdateResponse::decode(&described(TEXT_OCTETS_MAX + 1)).is_err());
    let with = |count, length| {
        let invalid_proposals = vec![vec![1; length]; count];
        response(UpdateOutcome::InvalidProposal { invalid_proposals }, "").encode()
    };
    assert!(UpdateResponse::decode(&with(LIST_ELEMENTS_MAX, 1)).is_ok());
    assert!(UpdateResponse::decode(&with(LIST_ELEMENTS_MAX + 1, 1)).is_err());
    assert!(UpdateResponse::decode(&with(1, HASH_OCTETS_MAX)).is_ok());
    assert!(UpdateResponse::decode(&with(1, HASH_OCTETS_MAX + 1)).is_err());
}

/// The message inside is the received one, octet by octet.
#[test]
fn messages_keep_their_octets() {
    let proposal = &fixtures().proposal;
    let octets = octets!(proposal.octets(), "00");
    let UpdateRequest::Proposals(bundle) = UpdateRequest::decode(&octets).unwrap() else {
        panic!("a proposal");
    };
    assert_eq!(bundle.proposal.octets(), proposal.octets());
    assert_eq!(MlsMessage::decode(bundle.proposal.octets()).unwrap(), *proposal);
}
