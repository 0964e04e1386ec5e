use super::{MessageDerivedValues, Timestamp};
use crate::content::MessageId;
use crate::fixtures::octets;
use crate::uri::MimiUri;

/// Not `original.cbor`'s: its ID is an older one (AMB-CNT-1).
const EXAMPLE: &[u8] = include_bytes!("../../../../../vectors/content/implied-original.cbor");
const ORIGINAL: &[u8] = include_bytes!("../../../../../vectors/content/original.cbor");

fn uri(uri: &str) -> Option<MimiUri> {
    Some(MimiUri::new(uri).unwrap())
}

fn example() -> MessageDerivedValues {
    let group_id = "eeee0d12a7b5b5b78115ad1a1ddb13811c83fd7387c43e66799a594beeda26bf";
    let id = "01b0084467273cc43d6f0ebeac13eb84229c4fffe8f6c3594c905f47779e5a79";
    MessageDerivedValues {
        message_id: MessageId(octets!(id).try_into().unwrap()),
        hub_accepted_timestamp: Timestamp::Milliseconds(1_644_387_225_019),
        mls_group_id: octets!(group_id),
        sender_leaf_index: 4,
        sender_client_url: uri("mimi://example.com/d/3b52249d-68f9-45ce-8bf5-c799f3cad7ec/0003"),
        sender_user_url: uri("mimi://example.com/u/alice-smith"),
        room_url: uri("mimi://example.com/r/engineering_team"),
    }
}

/// CONTENT-DRV-1: the draft's example, octet by octet.
#[test]
fn the_drafts_example() {
    assert_eq!(MessageDerivedValues::decode(EXAMPLE), Ok(example()));
    assert_eq!(example().encode().as_deref(), Ok(EXAMPLE));
    for end in 0..EXAMPLE.len() {
        assert!(MessageDerivedValues::decode(&EXAMPLE[..end]).is_err());
    }
    assert!(MessageDerivedValues::decode(&octets!(EXAMPLE, "00")).is_err());
}

/// CONTENT-DRV-1, AMB-CNT-1: with the ID as the draft's `.edn` file has it.
#[test]
fn the_id_follows_from_the_message() {
    let values = example();
    let (Some(sender), Some(room)) = (&values.sender_user_url, &values.room_url) else {
        panic!("both are there")
    };
    let salt = octets!("5eed9406c2545547ab6f09f20a18b003").try_into().unwrap();
    let id = MessageId::compute(sender, room, ORIGINAL, &salt);
    let edn = "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4";
    assert_eq!(id.to_string(), edn);
    let values = MessageDerivedValues { message_id: id, ..values };
    let octets = values.encode().unwrap();
    assert_eq!(octets[3..35], id.0);
    assert_eq!((&octets[..3], &octets[35..]), (&EXAMPLE[..3], &EXAMPLE[35..]));
    assert_eq!(MessageDerivedValues::decode(&octets), Ok(values));
}

/// CONTENT-DRV-1: what a client may not know, and time in the other form.
#[test]
fn what_is_not_known_and_extended_time() {
    let unknown = MessageDerivedValues {
        hub_accepted_timestamp: Timestamp::Extended(octets!("a2 01 1a62028f99 22 13")),
        sender_client_url: None,
        sender_user_url: None,
        room_url: None,
        ..example()
    };
    let octets = unknown.encode().unwrap();
    assert_eq!(MessageDerivedValues::decode(&octets), Ok(unknown.clone()));
    assert!(octets.ends_with(&[0x60, 0x60, 0x60]));
    for bad in ["01", "a1 01 01 00", "", "a1 81 00 00"] {
        let hub_accepted_timestamp = Timestamp::Extended(octets!(bad));
        let bad = MessageDerivedValues { hub_accepted_timestamp, ..unknown.clone() };
        assert!(bad.encode().is_err());
    }
    let before = octets!("87 5820", example().message_id.0.as_slice());
    let after = octets!("40 04 60 60 60");
    let with =
        |time: &str| MessageDerivedValues::decode(&octets!(before.clone(), time, after.clone()));
    assert!(with("00").is_ok());
    for bad in ["1817", "20", "f6", "c1 00", "d903e9 00", "d903ea a0", "60"] {
        assert!(with(bad).is_err(), "{bad}");
    }
}
