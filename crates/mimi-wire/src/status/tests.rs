use proptest::prelude::{any, prop_assert_eq, proptest};

use super::{MessageStatus, MessageStatusReport, Statuses};
use crate::content::{MessageId, MimiContent, Part};
use crate::fixtures::octets;
use crate::limits::STATUS_REPORT_ENTRIES_MAX;
use crate::media::{ApplicationFraming, MIMI_CONTENT, MediaType};
use crate::uri::MimiUri;

const EXAMPLE: &[u8] = include_bytes!("../../../../vectors/status/status.cbor");

fn id(last: u8) -> MessageId {
    let mut id = [1; 32];
    id[31] = last;
    MessageId(id)
}

/// STATUS-1: the example of the draft.
#[test]
fn the_drafts_example() {
    assert_eq!(EXAMPLE.len(), 145);
    let report = MessageStatusReport::decode(EXAMPLE).unwrap();
    assert_eq!(report.encode(), EXAMPLE);
    let statuses: Vec<MessageStatus> = report.0.iter().map(|(_, status)| *status).collect();
    let expected =
        [MessageStatus::READ, MessageStatus::READ, MessageStatus::UNREAD, MessageStatus::EXPIRED];
    assert_eq!(statuses, expected);
    let first = "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4";
    assert_eq!(report.0[0].0.to_string(), first);
}

/// STATUS-1: unknown statuses are kept.
#[test]
fn reports_octet_by_octet() {
    assert_eq!(MessageStatusReport::default().encode(), [0x80]);
    let entry = |status: &str| octets!("82 5820", id(9).0.as_slice(), status);
    let report = |status| MessageStatusReport(vec![(id(9), MessageStatus(status))]);
    for (status, octets) in [(1, "01"), (7, "07"), (23, "17"), (24, "1818"), (255, "18ff")] {
        let octets = octets!("81", entry(octets));
        assert_eq!(report(status).encode(), octets);
        assert_eq!(MessageStatusReport::decode(&octets), Ok(report(status)));
        for end in 0..octets.len() {
            assert!(MessageStatusReport::decode(&octets[..end]).is_err());
        }
    }
    for bad in [
        octets!("81", entry("190100")),
        octets!("81", entry("1817")),
        octets!("81", entry("20")),
        octets!("81", entry("01"), "00"),
        octets!("82", entry("01")),
        octets!("9f", entry("01"), "ff"),
        octets!("81 83 5820", id(9).0.as_slice(), "01 01"),
        octets!("81 82 581f", [1; 31].as_slice(), "01"),
        octets!("81 82 5820", [2; 32].as_slice(), "01"),
        octets!("a0"),
    ] {
        assert!(MessageStatusReport::decode(&bad).is_err(), "{}", hex::encode(bad));
    }
}

#[test]
fn reports_at_the_limit_and_beyond() {
    let limit = usize::try_from(STATUS_REPORT_ENTRIES_MAX).unwrap();
    let many = |count| MessageStatusReport(vec![(id(0), MessageStatus::READ); count]).encode();
    assert!(MessageStatusReport::decode(&many(limit)).is_ok());
    assert!(MessageStatusReport::decode(&many(limit + 1)).is_err());
    // A count alone makes nobody allocate.
    assert!(MessageStatusReport::decode(&octets!("9b ffffffffffffffff")).is_err());
}

/// STATUS-2.
#[test]
fn transitions() {
    let table = [
        "1011111", // unread
        "1111111", // delivered
        "1011111", // read
        "0001000", // expired
        "0000100", // deleted
        "1011111", // hidden
        "1111111", // error
    ];
    for (from, row) in (0..).zip(table) {
        for (to, allowed) in (0..).zip(row.chars()) {
            let may = MessageStatus(from).may_become(MessageStatus(to));
            assert_eq!(may, allowed == '1', "{from} to {to}");
        }
    }
    assert!(MessageStatus::DELETED.may_become(MessageStatus(9)));
    assert!(MessageStatus(9).may_become(MessageStatus::DELIVERED));
    assert_eq!(MessageStatus(6).name(), Some("error"));
    assert_eq!(MessageStatus(7).name(), None);
}

/// AMB-STA-1.
#[test]
fn a_report_travels_in_a_message() {
    let report = MessageStatusReport(vec![(id(1), MessageStatus::DELIVERED)]);
    let alice = MimiUri::new("mimi://a.example/u/alice").unwrap();
    let room = MimiUri::new("mimi://a.example/r/clubhouse").unwrap();
    let content =
        MimiContent { body: report.to_part(), ..MimiContent::text([0; 16], &alice, &room, "") };
    let decoded = MimiContent::decode(&content.encode().unwrap()).unwrap();
    assert_eq!(MessageStatusReport::from_content(&decoded), Ok(Some(report.clone())));
    let Part::Single { content, .. } = decoded.body.part else { panic!("a single part") };
    assert_eq!(MessageStatusReport::decode(&content), Ok(report.clone()));
    let text = MimiContent::text([0; 16], &alice, &room, "hi");
    assert_eq!(MessageStatusReport::from_content(&text), Ok(None));

    let framed = |media_type, content: &[u8]| ApplicationFraming {
        media_type: MediaType::new(media_type),
        inner_application_content: content.to_vec(),
    };
    let read = |framing| MessageStatusReport::from_framing(&framing);
    let media_type = "Application/MIMI-message-status";
    assert_eq!(read(framed(media_type, &report.encode())), Ok(Some(report.clone())));
    assert_eq!(read(framed(MIMI_CONTENT, &report.encode())), Ok(None));
    assert!(read(framed(media_type, b"no report")).is_err());
}

/// STATUS-1, STATUS-2, STATUS-5: later reports supersede, what makes no sense and what is unknown
/// is ignored.
#[test]
fn reports_add_up() {
    let user = |name: &str| MimiUri::new(&format!("mimi://a.example/u/{name}")).unwrap();
    let (alice, bob) = (user("alice"), user("bob"));
    let report = |entries: &[(u8, MessageStatus)]| {
        MessageStatusReport(entries.iter().map(|(last, status)| (id(*last), *status)).collect())
    };
    let mut statuses = Statuses::default();
    let mut apply = |user: &MimiUri, entries: &[(u8, MessageStatus)]| {
        statuses.apply(user, &report(entries), |known| known.0[31] < 3)
    };
    assert_eq!(apply(&bob, &[(1, MessageStatus::DELIVERED), (2, MessageStatus::DELIVERED)]), 2);
    assert_eq!(apply(&alice, &[(1, MessageStatus::READ)]), 1);
    assert_eq!(apply(&bob, &[(1, MessageStatus::READ), (9, MessageStatus::READ)]), 1);
    assert_eq!(apply(&bob, &[(1, MessageStatus::DELIVERED)]), 0);
    // Within one report the later entry supersedes, too.
    assert_eq!(apply(&bob, &[(2, MessageStatus::READ), (2, MessageStatus::DELETED)]), 2);
    assert_eq!(apply(&bob, &[(2, MessageStatus::READ)]), 0);
    let of = |last| statuses.of(&id(last)).collect::<Vec<_>>();
    assert_eq!(of(1), [(&alice, MessageStatus::READ), (&bob, MessageStatus::READ)]);
    assert_eq!(of(2), [(&bob, MessageStatus::DELETED)]);
    assert_eq!(of(9), []);
}

proptest! {
    #[test]
    fn reports_round_trip(entries in proptest::collection::vec((any::<[u8; 31]>(), any::<u8>()), 0..40)) {
        let entry = |(rest, status): ([u8; 31], u8)| {
            let mut id = [1; 32];
            id[1..].copy_from_slice(&rest);
            (MessageId(id), MessageStatus(status))
        };
        let report = MessageStatusReport(entries.into_iter().map(entry).collect());
        prop_assert_eq!(MessageStatusReport::decode(&report.encode()), Ok(report));
    }
}
