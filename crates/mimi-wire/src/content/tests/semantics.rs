//! What messages mean beyond their octets.

use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::{FIRST, SALT, alice, room};
use crate::content::extension::{ExternalMessageId, Fraction, LastSeen, Scope, SenderTimestamp};
use crate::content::parts::{PartIndex, Preferences, ReferenceFault};
use crate::content::rules::{Delivery, Nonsense, Position, RoomView, first_version, is_reply_loop};
use crate::content::{
    Disposition, Expiration, ExtensionKey, ExtensionValue, MessageId, MimiContent, NestedPart,
    Part, PartSemantics,
};
use crate::fixtures::octets;
use crate::limits::{CLOCK_SKEW_MS_MAX, EXPIRY_SECONDS_MAX, SUBJECT_OCTETS_MAX};
use crate::uri::MimiUri;

const MULTIPART_2: &[u8] = include_bytes!("../../../../../vectors/content/multipart-2.cbor");
const MULTIPART_3: &[u8] = include_bytes!("../../../../../vectors/content/multipart-3.cbor");

fn text() -> MimiContent {
    MimiContent::text(SALT, &alice(), &room(), "hi")
}

fn with(key: ExtensionKey, value: ExtensionValue) -> MimiContent {
    let mut content = text();
    content.extensions.insert(key, value);
    content
}

fn encoded(hex: &str) -> ExtensionValue {
    ExtensionValue::Encoded(octets!(hex))
}

fn single(content_type: &str, content: &str) -> NestedPart {
    NestedPart::single(Disposition::RENDER, content_type, content.as_bytes())
}

fn multi(semantics: PartSemantics, parts: Vec<NestedPart>) -> NestedPart {
    let part = Part::Multi { semantics, parts };
    NestedPart { disposition: Disposition::RENDER, language: String::new(), part }
}

/// CEXT-1: the draft's example, and each unit.
#[test]
fn sender_timestamps() {
    let cases = [
        ("a1 01 1a69119839", None),
        ("a2 01 1a69119839 22 1901cf", Some(Fraction::Milliseconds(463))),
        ("a2 01 1a69119839 25 1a00071045", Some(Fraction::Microseconds(462_917))),
        ("a2 01 1a69119839 28 1a3b9ac9ff", Some(Fraction::Nanoseconds(999_999_999))),
    ];
    for (hex, fraction) in cases {
        let timestamp = SenderTimestamp { seconds: 1_762_760_761, fraction };
        assert_eq!(ExtensionValue::from(timestamp), encoded(hex));
        let content = with(ExtensionKey::SENDER_TIMESTAMP, encoded(hex));
        let content = MimiContent::decode(&content.encode().unwrap()).unwrap();
        assert_eq!(content.sender_timestamp(), Ok(Some(timestamp)));
        assert_eq!(content.check_values(), Ok(()));
    }
    for bad in [
        "a0",
        "a1 22 00",
        "a2 01 00 22 1903e8",
        "a2 01 00 25 1a000f4240",
        "a2 01 00 28 1a3b9aca00",
        "a3 01 00 22 00 25 00",
        "a2 01 00 21 00",
        "a1 01 20",
        "a1 6161 00",
        "01",
    ] {
        refused(with(ExtensionKey::SENDER_TIMESTAMP, encoded(bad)), "senderTimestamp");
    }
    refused(
        with(ExtensionKey::SENDER_TIMESTAMP, ExtensionValue::Text("1".into())),
        "senderTimestamp",
    );
    assert_eq!(text().sender_timestamp(), Ok(None));
}

/// An extension that is well formed CBOR and not what its key says.
#[track_caller]
fn refused(content: MimiContent, field: &str) {
    let Err(Nonsense::Extension(fault)) = content.check_values() else { panic!("{content:?}") };
    assert_eq!(fault.field, field);
}

/// CEXT-2: the draft's example, and each scope.
#[test]
fn external_message_ids() {
    let id = octets!("08bbeeb8175c4a64a8926a5a23bb2811");
    let cases = [
        ("19 0137", Scope::Enterprise(311)),
        ("67 622e74657374 2e", Scope::Domain("b.test.".to_owned())),
        ("d820 63 783a79", Scope::Uri("x:y".to_owned())),
    ];
    for (hex, scope) in cases {
        let external = ExternalMessageId { id: id.clone(), scope };
        let octets = octets!("82 50", id.clone(), hex);
        assert_eq!(ExtensionValue::from(&external), ExtensionValue::Encoded(octets.clone()));
        let content = with(ExtensionKey::EXTERNAL_MESSAGE_ID, ExtensionValue::Encoded(octets));
        let content = MimiContent::decode(&content.encode().unwrap()).unwrap();
        assert_eq!(content.external_message_id(), Ok(Some(external)));
    }
    for bad in ["82 40 00", "82 40 20", "81 40", "82 60 01", "82 40 d821 61 78", "82 40 d820 01"] {
        refused(with(ExtensionKey::EXTERNAL_MESSAGE_ID, encoded(bad)), "externalMessageId");
    }
}

/// CEXT-3.
#[test]
fn subjects() {
    let subject = |length| with(ExtensionKey::SUBJECT, ExtensionValue::Text("x".repeat(length)));
    assert_eq!(subject(1).subject(), Ok(Some("x")));
    assert_eq!(subject(SUBJECT_OCTETS_MAX).check_values(), Ok(()));
    refused(subject(SUBJECT_OCTETS_MAX + 1), "subject");
    refused(subject(0), "subject");
    refused(with(ExtensionKey::SUBJECT, encoded("01")), "subject");
}

/// CEXT-4, AMB-CEX-1: all of one kind; keys in the order 1 to 5, then 256.
#[test]
fn last_seen() {
    let content = |hex: &str| with(ExtensionKey::LAST_SEEN, encoded(hex));
    assert_eq!(content("80").last_seen(), Ok(Some(LastSeen::Messages(vec![]))));
    let seen = LastSeen::Messages(vec![FIRST, MessageId([1; 32])]);
    let both = with(ExtensionKey::LAST_SEEN, ExtensionValue::from(&seen));
    let decoded = MimiContent::decode(&both.encode().unwrap()).unwrap();
    assert_eq!(decoded.last_seen(), Ok(Some(seen)));
    let external = ExternalMessageId { id: vec![7], scope: Scope::Enterprise(1) };
    let seen = LastSeen::External(vec![external.clone(), external]);
    let external = with(ExtensionKey::LAST_SEEN, ExtensionValue::from(&seen));
    let decoded = MimiContent::decode(&external.encode().unwrap()).unwrap();
    assert_eq!(decoded.last_seen(), Ok(Some(seen)));
    refused(content("82 82 4107 01 4107"), "lastSeen");
    refused(content("81 41 07"), "lastSeen");
    refused(content("a0"), "lastSeen");
    let many = |count: usize| {
        let seen = LastSeen::Messages(vec![FIRST; count]);
        with(ExtensionKey::LAST_SEEN, ExtensionValue::from(&seen))
    };
    assert_eq!(many(65_535).check_values(), Ok(()));
    refused(many(65_536), "lastSeen");

    let mut all = content("80");
    let timestamp = SenderTimestamp { seconds: 1, fraction: None };
    all.extensions.insert(ExtensionKey::SENDER_TIMESTAMP, timestamp.into());
    all.extensions.insert(ExtensionKey::SUBJECT, ExtensionValue::Text("s".to_owned()));
    let octets = all.encode().unwrap();
    let keys = octets!("03 a1 01 01 05 61 73 190100 80");
    assert!(octets.windows(keys.len()).any(|window| window == keys));
    assert_eq!(ExtensionKey::LAST_SEEN.name(), Some("lastSeen"));
    assert_eq!(ExtensionKey::Int(6).name(), None);
}

/// CONTENT-PART-2: the draft's list of eleven parts.
#[test]
fn part_indices() {
    let content = MimiContent::decode(MULTIPART_3).unwrap();
    let parts = content.parts();
    let levels: Vec<u32> = parts.iter().map(|part| part.level).collect();
    assert_eq!(levels, [1, 2, 3, 4, 4, 3, 2, 3, 4, 4, 3]);
    assert!(parts.iter().enumerate().all(|(place, part)| part.index == PartIndex(place)));
    let types: Vec<_> = parts
        .iter()
        .filter_map(|part| match &part.part.part {
            Part::Single { content_type, .. } => Some(content_type.as_str()),
            Part::External(external) => Some(external.content_type.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(types.len(), 6);
}

/// CONTENT-PART-3.
#[test]
fn references() {
    let content = MimiContent::decode(MULTIPART_3).unwrap();
    assert_eq!(PartIndex(5).to_cid(), "cid:5@local.invalid");
    assert_eq!(content.referred_part("cid:5@local.invalid").unwrap().index, PartIndex(5));
    for (uri, fault) in [
        ("cid:2@local.invalid", ReferenceFault::NotAContent),
        ("cid:11@local.invalid", ReferenceFault::NoSuchPart),
        ("cid:05@local.invalid", ReferenceFault::NotAReference),
        ("cid:+5@local.invalid", ReferenceFault::NotAReference),
        ("cid:@local.invalid", ReferenceFault::NotAReference),
        ("cid:5@elsewhere.invalid", ReferenceFault::NotAReference),
        ("cid:99999999999999999999999@local.invalid", ReferenceFault::NotAReference),
        ("https://a.example/", ReferenceFault::NotAReference),
    ] {
        assert_eq!(content.referred_part(uri).unwrap_err(), fault, "{uri}");
    }
}

fn chosen(body: NestedPart, receiver: &Preferences) -> Vec<usize> {
    let content = MimiContent { body, ..text() };
    content.chosen_parts(receiver).iter().map(|part| part.index.0).collect()
}

fn preferences(media_types: &[&str], languages: &[&str]) -> Preferences {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Preferences { media_types: owned(media_types), languages: owned(languages) }
}

/// CONTENT-PART-1.
#[test]
fn choosing_among_alternatives() {
    let parts = || {
        vec![
            single("text/plain;charset=utf-8", "a"),
            single("application/x", "b"),
            single("text/html", "c"),
        ]
    };
    let plain = preferences(&["text/plain"], &[]);
    let rich = preferences(&["text/html", "Text/Plain"], &[]);
    let nothing = preferences(&[], &[]);
    let choose = |receiver| chosen(multi(PartSemantics::ChooseOne, parts()), receiver);
    assert_eq!(choose(&plain), [1]);
    assert_eq!(choose(&rich), [3]);
    assert!(choose(&nothing).is_empty());
    let all = |receiver| chosen(multi(PartSemantics::ProcessAll, parts()), receiver);
    assert_eq!(all(&plain), [1]);
    assert_eq!(all(&rich), [1, 3]);
    let unit = |receiver| chosen(multi(PartSemantics::SingleUnit, parts()), receiver);
    assert!(unit(&rich).is_empty());
    let everything = preferences(&["text/html", "text/plain", "application/x"], &[]);
    assert_eq!(unit(&everything), [1, 2, 3]);
    // A choice inside of a unit, and a unit that cannot be shown inside of a choice.
    let nested = multi(
        PartSemantics::ChooseOne,
        vec![multi(PartSemantics::SingleUnit, parts()), single("text/plain", "d")],
    );
    assert_eq!(chosen(nested.clone(), &plain), [5]);
    assert_eq!(chosen(nested, &everything), [5], "the unit is as good as its worst part");
    assert_eq!(chosen(NestedPart::null(Disposition::RENDER), &plain), [0]);
    // Equals: the sender's first.
    let twice = vec![single("text/plain", "1"), single("text/plain", "2")];
    assert_eq!(chosen(multi(PartSemantics::ChooseOne, twice), &plain), [1]);
}

/// CONTENT-PART-1, CONTENT-PART-3: GIF or PNG, English or French; the image is shown where the
/// text shows it.
#[test]
fn the_drafts_nested_example_is_chosen_from() {
    let content = MimiContent::decode(MULTIPART_3).unwrap();
    let indices = |receiver: &Preferences| -> Vec<usize> {
        content.chosen_parts(receiver).iter().map(|part| part.index.0).collect()
    };
    assert_eq!(indices(&preferences(&["text/html", "image/gif"], &["fr"])), [4]);
    assert_eq!(indices(&preferences(&["text/html", "image/png"], &["en"])), [8]);
    assert_eq!(indices(&preferences(&["image/png"], &[])), [10]);
    assert_eq!(indices(&preferences(&["image/gif", "image/png"], &[])), [5]);
    assert!(indices(&preferences(&["text/plain"], &[])).is_empty());
}

/// CONTENT-REP-1, CONTENT-SEC-2: what is unknown ends the chain.
#[test]
fn reply_loops() {
    let id = |last| MessageId([last; 32]);
    let answers = BTreeMap::from([(id(1), id(2)), (id(2), id(3)), (id(8), id(9)), (id(9), id(8))]);
    let answered = |id: &MessageId| answers.get(id).copied();
    assert!(!is_reply_loop(id(0), None, answered));
    assert!(!is_reply_loop(id(0), Some(id(1)), answered));
    assert!(!is_reply_loop(id(0), Some(id(7)), answered));
    assert!(is_reply_loop(id(0), Some(id(0)), answered));
    assert!(is_reply_loop(id(3), Some(id(1)), answered));
    assert!(is_reply_loop(id(0), Some(id(8)), answered), "a loop that was there before");
}

/// CONTENT-MSG-2, AMB-CNT-12: edits of edits are edits of the first version.
#[test]
fn first_versions() {
    let id = |last| MessageId([last; 32]);
    let replaces = BTreeMap::from([(id(2), id(1)), (id(3), id(2)), (id(8), id(9)), (id(9), id(8))]);
    let first = |last| first_version(id(last), |id| replaces.get(id).copied());
    assert_eq!([first(1), first(2), first(3), first(7)], [id(1), id(1), id(1), id(7)]);
    assert_eq!(first(8), id(9), "a loop has an end");
}

/// CONTENT-MSG-4, CONTENT-TS-1.
#[test]
fn positions_sort_by_time_then_by_id() {
    let at = |accepted_at_ms, last| Position { accepted_at_ms, id: MessageId([last; 32]) };
    let mut positions = [at(2, 1), at(1, 9), at(1, 3), at(0, 200)];
    positions.sort_unstable();
    assert_eq!(positions, [at(0, 200), at(1, 3), at(1, 9), at(2, 1)]);
}

/// CONTENT-PART-5, AMB-CNT-22: one reaction in each part, and to something.
#[test]
fn several_reactions() {
    let react = |texts: &[&str]| MimiContent::reactions(SALT, &alice(), &room(), FIRST, texts);
    assert_eq!(react(&[]), None);
    let one = react(&["\u{2764}"]).unwrap();
    assert_eq!(one, MimiContent::reaction(SALT, &alice(), &room(), FIRST, "\u{2764}"));
    assert_eq!(one.reaction_texts(), ["\u{2764}"]);
    let two = react(&["\u{2764}", "+1"]).unwrap();
    let two = MimiContent::decode(&two.encode().unwrap()).unwrap();
    assert_eq!(two.reaction_texts(), ["\u{2764}", "+1"]);
    assert!(two.is_reaction() && !two.is_void());
    let Part::Multi { semantics: PartSemantics::ProcessAll, parts } = &two.body.part else {
        panic!("each for itself")
    };
    assert!(parts.iter().all(|part| part.disposition == Disposition::REACTION));

    // The draft's own example does not say to what: codec only.
    let example = MimiContent::decode(MULTIPART_2).unwrap();
    assert_eq!(example.reaction_texts().len(), 3);
    assert!(example.is_void());
    assert!(text().reaction_texts().is_empty() && !text().is_void());
    let unlike = MimiContent::unlike(SALT, &alice(), &room(), FIRST);
    assert!(!unlike.is_reaction() && !unlike.is_void());
}

struct Club {
    members: Vec<MimiUri>,
    known: Vec<MessageId>,
    created_at_ms: Option<u64>,
}

impl RoomView for Club {
    fn is_member(&self, user: &MimiUri) -> bool {
        self.members.contains(user)
    }

    fn knows(&self, id: &MessageId) -> bool {
        self.known.contains(id)
    }

    fn created_at_ms(&self) -> Option<u64> {
        self.created_at_ms
    }
}

const NOW_MS: u64 = 1_700_000_000_000;

/// CONTENT-SEC-1, AMB-CNT-4, AMB-CNT-15: one message for each rule, at its limit and beyond.
#[test]
fn nonsensical_messages_are_refused_for_one_reason_each() {
    let (alice, room) = (alice(), room());
    let id = MessageId([1; 32]);
    let club = || Club {
        members: vec![alice.clone()],
        known: vec![],
        created_at_ms: Some(NOW_MS - 1_000),
    };
    let delivery = Delivery { sender: &alice, room: &room, accepted_at_ms: NOW_MS };
    let check =
        |content: &MimiContent, delivery, club: &Club| content.check(&id, delivery, club, NOW_MS);
    assert_eq!(check(&text(), delivery, &club()), Ok(()));

    let other = MimiUri::new("mimi://b.example/u/mallory").unwrap();
    let claims_other = MimiContent::text(SALT, &other, &room, "hi");
    assert_eq!(check(&claims_other, delivery, &club()), Err(Nonsense::OtherSender));
    let elsewhere = Delivery { room: &other, ..delivery };
    assert_eq!(check(&text(), elsewhere, &club()), Err(Nonsense::OtherRoom));
    let silent = MimiContent { extensions: BTreeMap::new(), ..text() };
    assert_eq!(check(&silent, delivery, &club()), Ok(()), "nothing claimed, nothing false");
    let odd = with(ExtensionKey::SENDER_URI, ExtensionValue::Text("MIMI://a.example".to_owned()));
    assert_eq!(check(&odd, delivery, &club()), Err(Nonsense::OtherSender));

    let left = Club { members: vec![], ..club() };
    assert_eq!(check(&text(), delivery, &left), Err(Nonsense::NotAMember));
    let known = Club { known: vec![id], ..club() };
    assert_eq!(check(&text(), delivery, &known), Err(Nonsense::DuplicateId));

    let at = |accepted_at_ms| Delivery { accepted_at_ms, ..delivery };
    assert_eq!(check(&text(), at(NOW_MS + CLOCK_SKEW_MS_MAX), &club()), Ok(()));
    let future = at(NOW_MS + CLOCK_SKEW_MS_MAX + 1);
    assert_eq!(check(&text(), future, &club()), Err(Nonsense::FutureTimestamp));
    assert_eq!(check(&text(), at(NOW_MS - 1_000), &club()), Ok(()));
    assert_eq!(check(&text(), at(NOW_MS - 1_001), &club()), Err(Nonsense::BeforeRoom));
    let old = Club { created_at_ms: None, ..club() };
    assert_eq!(check(&text(), at(0), &old), Ok(()), "the draft's own examples are older");

    let expiring = |relative, time| {
        let expires = Some(Expiration { relative, time });
        check(&MimiContent { expires, ..text() }, delivery, &club())
    };
    let (now, year) = (u32::try_from(NOW_MS / 1_000).unwrap(), EXPIRY_SECONDS_MAX);
    assert_eq!(expiring(true, year), Ok(()));
    assert_eq!(expiring(true, year + 1), Err(Nonsense::ExpiresTooLate));
    assert_eq!(expiring(false, now + year), Ok(()));
    assert_eq!(expiring(false, now + year + 1), Err(Nonsense::ExpiresTooLate));
    assert_eq!(expiring(false, now - year), Ok(()));
    assert_eq!(expiring(false, now - year - 1), Err(Nonsense::ExpiredLongAgo));
    assert_eq!(expiring(false, 0), Err(Nonsense::ExpiredLongAgo));

    let bad = with(ExtensionKey::SUBJECT, ExtensionValue::Text(String::new()));
    assert!(matches!(check(&bad, delivery, &club()), Err(Nonsense::Extension(_))));
}

/// CONTENT-SEC-2: none of these is malicious, CONTENT-PART-4.
#[test]
fn unusual_messages_are_not_refused() {
    let unusual = [
        MimiContent { in_reply_to: Some(MessageId([1; 32])), ..text() },
        MimiContent { replaces: Some(MessageId([1; 32])), ..text() },
        MimiContent { body: single("x-odd", "?"), ..text() },
        MimiContent {
            body: NestedPart { language: "tlh, x-none".to_owned(), ..single("text/plain", "") },
            ..text()
        },
        MimiContent {
            body: NestedPart { disposition: Disposition(200), ..single("text/plain", "") },
            ..text()
        },
    ];
    for content in unusual {
        let content = MimiContent::decode(&content.encode().unwrap()).unwrap();
        assert_eq!(content.check_values(), Ok(()));
        assert!(!content.is_void());
    }
    let nothing = MimiContent { body: NestedPart::null(Disposition::RENDER), ..text() };
    assert!(nothing.is_void());
    assert!(!MimiContent::delete(SALT, &alice(), &room(), FIRST).is_void());
}

/// CONTENT-EXP-1, AMB-CNT-20.
#[test]
fn expiry() {
    let relative = Expiration { relative: true, time: 30 };
    assert_eq!(relative.deletes_at_ms(None), None);
    assert_eq!(relative.deletes_at_ms(Some(5)), Some(30_005));
    let absolute = Expiration { relative: false, time: 1_644_390_004 };
    assert_eq!(absolute.deletes_at_ms(None), Some(1_644_390_004_000));
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        (1..u64::MAX).prop_map(Scope::Enterprise),
        any::<String>().prop_map(Scope::Domain),
        any::<String>().prop_map(Scope::Uri),
    ]
}

proptest! {
    #[test]
    fn typed_extensions_round_trip(
        seconds: u64,
        milliseconds in proptest::option::of(0..1_000u32),
        id: Vec<u8>,
        scope in scope(),
    ) {
        let fraction = milliseconds.map(Fraction::Milliseconds);
        let timestamp = SenderTimestamp { seconds, fraction };
        let mut content = with(ExtensionKey::SENDER_TIMESTAMP, timestamp.into());
        let external = ExternalMessageId { id, scope };
        content.extensions.insert(ExtensionKey::EXTERNAL_MESSAGE_ID, (&external).into());
        let content = MimiContent::decode(&content.encode().unwrap()).unwrap();
        prop_assert_eq!(content.sender_timestamp(), Ok(Some(timestamp)));
        prop_assert_eq!(content.external_message_id(), Ok(Some(external)));
    }
}
