use proptest::prelude::{prop_assert_eq, proptest};

use super::{AbuseReport, AbuseType, AbusiveMessage};
use crate::Wire;
use crate::fixtures::{assert_octets, octets, text, vector};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};
use crate::protocol::AppDataDictionary;
use crate::protocol::submit_message::Frank;
use crate::uri::MimiUri;

const ALICE: &str = "mimi://a.example/u/alice";
const MALLORY: &str = "mimi://c.example/u/mallory";

fn message(length: usize) -> AbusiveMessage {
    AbusiveMessage {
        message_content: vec![0xc0; length],
        frank: Frank {
            server_frank: [0xf0; 32],
            franking_signature_ciphersuite: 1,
            franking_integrity_signature: vec![5, 6],
        },
        accepted_timestamp: 0x0102_0304_0506_0708,
    }
}

fn report(messages: Vec<AbusiveMessage>) -> AbuseReport {
    AbuseReport {
        reporting_user: Some(MimiUri::new(ALICE).unwrap()),
        alleged_abuser_uri: MimiUri::new(MALLORY).unwrap(),
        reason_code: AbuseType::default(),
        note: "rude".to_owned(),
        messages,
        abuse_extensions: AppDataDictionary::default(),
    }
}

/// PROTO-ABU-1, AMB-ABU-1, AMB-ABU-2, AMB-FRK-5.
#[test]
fn reports() {
    let frank = octets!([0xf0; 32].as_slice(), "0001 02 0506");
    let message_octets = octets!("02 c0c0", frank, "0102030405060708");
    assert_octets(&message(2), &message_octets);
    let octets = octets!(
        text(ALICE),
        text(MALLORY),
        "00",
        text("rude"),
        vector(&message_octets.repeat(2)),
        "00",
    );
    assert_octets(&report(vec![message(2); 2]), &octets);
    let anonymous = AbuseReport {
        reporting_user: None,
        reason_code: AbuseType(0xee),
        note: String::new(),
        abuse_extensions: AppDataDictionary([(1, vec![])].into()),
        ..report(vec![])
    };
    assert_octets(&anonymous, &octets!("00", text(MALLORY), "ee 00 00 03 0001 00"));
    let nobody = octets!("00 00 00 00 00 00");
    assert_eq!(AbuseReport::decode(&nobody).unwrap_err().field, "AbuseReport.allegedAbuserUri");
}

#[test]
fn reports_at_the_limits_and_beyond() {
    let decodes = |report: &AbuseReport| AbuseReport::decode(&report.encode()).is_ok();
    assert!(decodes(&report(vec![message(0); LIST_ELEMENTS_MAX])));
    assert!(!decodes(&report(vec![message(0); LIST_ELEMENTS_MAX + 1])));
    assert!(decodes(&report(vec![message(APPLICATION_BODY_OCTETS_MAX)])));
    assert!(!decodes(&report(vec![message(APPLICATION_BODY_OCTETS_MAX + 1)])));
    let noted = |length| AbuseReport { note: "x".repeat(length), ..report(vec![]) };
    assert!(decodes(&noted(TEXT_OCTETS_MAX)));
    assert!(!decodes(&noted(TEXT_OCTETS_MAX + 1)));
}

proptest! {
    #[test]
    fn reports_round_trip(note: String, reason: u8, contents: Vec<Vec<u8>>, time: u64) {
        let messages = contents.into_iter().map(|message_content| AbusiveMessage {
            message_content,
            accepted_timestamp: time,
            ..message(0)
        });
        let reason_code = AbuseType(reason);
        let report = AbuseReport { note, reason_code, ..report(messages.collect()) };
        prop_assert_eq!(AbuseReport::decode(&report.encode()), Ok(report));
    }
}
