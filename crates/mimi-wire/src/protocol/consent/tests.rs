use super::{ConsentEntry, ConsentOperation, ConsentScope};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text, vector};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, GRANT_KEY_PACKAGES_MAX};
use crate::protocol::AppDataDictionary;
use crate::uri::MimiUri;

const ALICE: &str = "mimi://a.example/u/alice";
const BOB: &str = "mimi://b.example/u/bob";
const ROOM: &str = "mimi://a.example/r/clubhouse";

fn entry(operation: ConsentOperation, room: Option<&str>) -> ConsentEntry {
    ConsentEntry {
        operation,
        requester_uri: MimiUri::new(ALICE).unwrap(),
        target_uri: MimiUri::new(BOB).unwrap(),
        room_id: room.map(|room| MimiUri::new(room).unwrap()),
        consent_extensions: AppDataDictionary::default(),
    }
}

/// PROTO-CON-4: what a cancellation and its request must share.
#[test]
fn scopes() {
    let any = entry(ConsentOperation::Request, None).scope();
    assert_octets(&any, &octets!(text(ALICE), text(BOB), "00"));
    let one = entry(ConsentOperation::Cancel, Some(ROOM)).scope();
    assert_octets(&one, &octets!(text(ALICE), text(BOB), "01", text(ROOM)));
    assert_ne!(any, one);
    assert_eq!(entry(ConsentOperation::Revoke, Some(ROOM)).scope(), one);
    assert!(ConsentScope::decode(&octets!(text(ALICE), text(BOB), "02")).is_err());
}

fn grant(count: usize) -> ConsentOperation {
    ConsentOperation::Grant { client_key_packages: vec![fixtures().key_package.clone(); count] }
}

/// PROTO-CON-1, PROTO-CON-7, AMB-CON-1, AMB-CON-7.
#[test]
fn entries() {
    let key_package = fixtures().key_package.octets();
    let operations = [
        (ConsentOperation::Cancel, "00", vec![]),
        (ConsentOperation::Request, "01", vec![]),
        (grant(0), "02", octets!("00")),
        (grant(2), "02", vector(&key_package.repeat(2))),
        (ConsentOperation::Revoke, "03", vec![]),
    ];
    for (operation, octet, arm) in operations {
        let octets = octets!(octet, text(ALICE), text(BOB), "00", arm.clone(), "00");
        assert_octets(&entry(operation.clone(), None), &octets);
        let octets = octets!(octet, text(ALICE), text(BOB), "01", text(ROOM), arm, "00");
        assert_octets(&entry(operation, Some(ROOM)), &octets);
    }
    let unknown = octets!("04", text(ALICE), text(BOB), "00 00");
    assert_eq!(ConsentEntry::decode(&unknown).unwrap_err().field, "ConsentEntry.consentOperation");
    let presence_2 = octets!("01", text(ALICE), text(BOB), "02 00");
    assert!(ConsentEntry::decode(&presence_2).is_err());
    let no_target = octets!("01", text(ALICE), "00 00 00");
    assert!(ConsentEntry::decode(&no_target).is_err());
}

/// WIRE-7: unknown extensions are carried.
#[test]
fn extensions() {
    let mut entry = entry(ConsentOperation::Request, None);
    entry.consent_extensions.0.insert(0xf00d, vec![1, 2]);
    let octets = octets!("01", text(ALICE), text(BOB), "00 05 f00d 02 0102");
    assert_octets(&entry, &octets);
}

#[test]
fn entries_at_the_limits_and_beyond() {
    let with = |count| entry(grant(count), None).encode();
    assert!(ConsentEntry::decode(&with(GRANT_KEY_PACKAGES_MAX)).is_ok());
    assert!(ConsentEntry::decode(&with(GRANT_KEY_PACKAGES_MAX + 1)).is_err());
    let too_large = vec![1; APPLICATION_BODY_OCTETS_MAX + 1];
    assert_eq!(ConsentEntry::decode(&too_large).unwrap_err().field, "body");
}
