use super::{FanoutKind, FanoutMessage};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, vector};
use crate::limits::{HANDSHAKE_BODY_OCTETS_MAX, MORE_PROPOSALS_MAX};
use crate::mls::MlsMessage;
use crate::protocol::ratchet_tree::RatchetTreeOption;
use crate::protocol::submit_message::Frank;

fn fanout(message: &MlsMessage, kind: FanoutKind) -> FanoutMessage {
    FanoutMessage { timestamp: 0x0102_0304, message: message.clone(), kind }
}

/// AMB-NTF-1: the timestamp comes first.
const TIME: &str = "0000000001020304";

/// AMB-NTF-2, PROTO-NTF-1, PROTO-NTF-12.
#[test]
fn applications() {
    let message = &fixtures().application;
    let plain = fanout(message, FanoutKind::Application { frank: None });
    assert_octets(&plain, &octets!(TIME, message.octets(), "00"));
    let frank = Frank {
        server_frank: [7; 32],
        franking_signature_ciphersuite: 2,
        franking_integrity_signature: vec![8],
    };
    let octets = octets!(TIME, message.octets(), "01", frank.encode());
    let franked = fanout(message, FanoutKind::Application { frank: Some(frank) });
    assert_octets(&franked, &octets);
}

/// PROTO-NTF-2, RTO-1.
#[test]
fn welcomes() {
    let fixtures = fixtures();
    let message = &fixtures.framed_welcome;
    let ratchet_tree = RatchetTreeOption::Full(fixtures.ratchet_tree.clone());
    let octets = octets!(TIME, message.octets(), "01", fixtures.ratchet_tree.octets());
    assert_octets(&fanout(message, FanoutKind::Welcome { ratchet_tree }), &octets);
}

/// PROTO-NTF-3..5, AMB-NTF-3.
#[test]
fn handshakes() {
    let fixtures = fixtures();
    let (proposal, commit) = (&fixtures.proposal, &fixtures.commit);
    for count in [0, 2] {
        let others = vec![proposal.clone(); count];
        let list = vector(&proposal.octets().repeat(count));
        let kind = FanoutKind::Proposal { more_proposals: others.clone() };
        let octets = octets!(TIME, proposal.octets(), list.clone());
        assert_octets(&fanout(proposal, kind), &octets);
        let kind = FanoutKind::Commit { external_proposals: others };
        assert_octets(&fanout(commit, kind), &octets!(TIME, commit.octets(), list));
    }
    let with = |count| {
        let external_proposals = vec![proposal.clone(); count];
        fanout(commit, FanoutKind::Commit { external_proposals }).encode()
    };
    assert!(FanoutMessage::decode(&with(MORE_PROPOSALS_MAX)).is_ok());
    assert!(FanoutMessage::decode(&with(MORE_PROPOSALS_MAX + 1)).is_err());
}

/// AMB-NTF-2: anything else is malformed.
#[test]
fn other_messages_are_refused() {
    let fixtures = fixtures();
    for message in [&fixtures.private_commit, &fixtures.framed_group_info] {
        let fault = FanoutMessage::decode(&octets!(TIME, message.octets(), "00")).unwrap_err();
        assert_eq!((fault.field, fault.offset), ("FanoutMessage.message", 8));
    }
    let stapled = octets!(TIME, fixtures.commit.octets(), vector(fixtures.commit.octets()));
    assert!(FanoutMessage::decode(&stapled).is_err());
}

/// WIRE-6, AMB-NTF-4: all or nothing, up to the end.
#[test]
fn bodies_are_concatenations() {
    let fixtures = fixtures();
    let first = fanout(&fixtures.commit, FanoutKind::Commit { external_proposals: vec![] });
    let second = fanout(&fixtures.application, FanoutKind::Application { frank: None });
    let body = [first.encode(), second.encode()].concat();
    assert_eq!(FanoutMessage::decode_all(&first.encode()), Ok(vec![first.clone()]));
    assert_eq!(FanoutMessage::decode_all(&body), Ok(vec![first.clone(), second]));
    for end in 0..body.len() {
        // Only the border between the two is an end.
        let whole = end == first.encode().len();
        assert_eq!(FanoutMessage::decode_all(&body[..end]).is_ok(), whole, "cut at {end}");
    }
    assert!(FanoutMessage::decode_all(&[body.as_slice(), &[0]].concat()).is_err());
    let too_large = vec![0; HANDSHAKE_BODY_OCTETS_MAX + 1];
    assert_eq!(FanoutMessage::decode_all(&too_large).unwrap_err().field, "body");
}
