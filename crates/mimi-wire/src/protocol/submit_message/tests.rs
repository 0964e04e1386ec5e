use super::{Frank, SubmitMessageRequest, SubmitMessageResponse};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, SIGNATURE_OCTETS_MAX};
use crate::uri::MimiUri;

const BOB: &str = "mimi://b.example/u/bob";

/// PROTO-SUB-1, PROTO-SUB-2.
#[test]
fn requests() {
    let fixtures = fixtures();
    let request = SubmitMessageRequest {
        app_message: fixtures.application.clone(),
        sending_uri: MimiUri::new(BOB).unwrap(),
    };
    assert_octets(&request, &octets!("01", fixtures.application.octets(), text(BOB)));
    for message in [
        &fixtures.private_commit,
        &fixtures.commit,
        &fixtures.proposal,
        &fixtures.framed_welcome,
        &fixtures.framed_group_info,
    ] {
        let fault = SubmitMessageRequest::decode(&octets!("01", message.octets(), text(BOB)));
        assert_eq!(fault.unwrap_err().field, "SubmitMessageRequest.appMessage");
    }
    let other_protocol = octets!("02", fixtures.application.octets(), text(BOB));
    assert!(SubmitMessageRequest::decode(&other_protocol).is_err());
    let no_sender = octets!("01", fixtures.application.octets(), "00");
    assert!(SubmitMessageRequest::decode(&no_sender).is_err());
}

#[test]
fn a_request_beyond_the_limit_is_not_looked_at() {
    let fault = SubmitMessageRequest::decode(&vec![1; APPLICATION_BODY_OCTETS_MAX + 1]);
    assert_eq!(fault.unwrap_err().field, "body");
    let fault = SubmitMessageRequest::decode(&vec![1; APPLICATION_BODY_OCTETS_MAX]);
    assert_ne!(fault.unwrap_err().field, "body");
}

fn frank(signature: usize) -> Frank {
    Frank {
        server_frank: [0xaa; 32],
        franking_signature_ciphersuite: 1,
        franking_integrity_signature: vec![0xbb; signature],
    }
}

#[test]
fn franks() {
    assert_octets(&frank(2), &octets!([0xaa; 32].as_slice(), "0001 02 bbbb"));
    assert!(Frank::decode(&frank(SIGNATURE_OCTETS_MAX).encode()).is_ok());
    assert!(Frank::decode(&frank(SIGNATURE_OCTETS_MAX + 1).encode()).is_err());
}

/// PROTO-SUB-3, PROTO-SUB-4, AMB-SUB-1.
#[test]
fn responses() {
    let accepted = SubmitMessageResponse::Accepted { accepted_timestamp: 258, frank: None };
    assert_octets(&accepted, &octets!("01 00 0000000000000102 00"));
    let frank = Some(frank(1));
    let franked = SubmitMessageResponse::Accepted { accepted_timestamp: 1, frank };
    let octets = octets!("01 00 0000000000000001 01", [0xaa; 32].as_slice(), "0001 01bb");
    assert_octets(&franked, &octets);
    assert_octets(&SubmitMessageResponse::NotAllowed, &octets!("01 01"));
    let too_old = SubmitMessageResponse::EpochTooOld { current_epoch: 9 };
    assert_octets(&too_old, &octets!("01 02 0000000000000009"));
    assert!(SubmitMessageResponse::decode(&octets!("01 03")).is_err());
    assert!(SubmitMessageResponse::decode(&octets!("02 01")).is_err());
    let presence_2 = octets!("01 00 0000000000000001 02");
    assert!(SubmitMessageResponse::decode(&presence_2).is_err());
}
