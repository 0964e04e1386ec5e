mod semantics;

use std::collections::BTreeMap;

use minicbor::Encoder;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use serde_json::Value;

use super::{
    Disposition, Expiration, ExtensionKey, ExtensionValue, ExternalPart, MessageId, MimiContent,
    NestedPart, Part, PartSemantics, REACTION_TYPE, TEXT_TYPE,
};
use crate::fixtures::octets;
use crate::limits::{
    APPLICATION_BODY_OCTETS_MAX, CONTENT_PARTS_MAX, EXTENSION_KEY_OCTETS_MAX, TOPIC_ID_OCTETS_MAX,
};
use crate::uri::MimiUri;

/// The draft's examples by file name.
macro_rules! examples {
    ($($name:literal),* $(,)?) => {
        &[$((
            concat!($name, ".cbor"),
            include_bytes!(concat!("../../../../vectors/content/", $name, ".cbor")).as_slice(),
        )),*]
    };
}

const EXAMPLES: &[(&str, &[u8])] = examples![
    "attachment",
    "conferencing",
    "delete",
    "edit",
    "expiring",
    "mention-html",
    "mention",
    "multipart-1",
    "multipart-2",
    "multipart-3",
    "original",
    "reaction",
    "reply",
    "unlike",
];

/// CONTENT-ENC-1, CONTENT-ID-1, AMB-CNT-1: all examples of the draft.
#[test]
fn the_drafts_examples_decode_encode_again_and_have_their_ids() {
    let ids: Vec<Value> =
        serde_json::from_str(include_str!("../../../../vectors/content/ids.json")).unwrap();
    assert_eq!(ids.len(), EXAMPLES.len());
    for ((name, octets), id) in EXAMPLES.iter().zip(&ids) {
        assert_eq!(id["file"], *name);
        let content = MimiContent::decode(octets).unwrap();
        assert_eq!(content.encode().unwrap(), *octets, "{name}");
        let sender = MimiUri::new(id["sender"].as_str().unwrap()).unwrap();
        let room = MimiUri::new(id["room"].as_str().unwrap()).unwrap();
        assert_eq!(content.sender_uri().as_ref(), Some(&sender));
        assert_eq!(content.room_uri().as_ref(), Some(&room));
        let computed = MessageId::compute(&sender, &room, octets, &content.salt);
        assert_eq!(computed.to_string(), id["message_id"].as_str().unwrap(), "{name}");
        assert!(computed.is_of_known_hash());
    }
}

fn alice() -> MimiUri {
    MimiUri::new("mimi://a.example/u/alice").unwrap()
}

fn room() -> MimiUri {
    MimiUri::new("mimi://a.example/r/clubhouse").unwrap()
}

const SALT: [u8; 16] = [0x5a; 16];
const FIRST: MessageId = MessageId([1; 32]);

/// The smallest content: no extensions, a null part.
const START: &str = "87 505a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a f6 40 f6 f6";
const END: &str = "83 01 60 00";

/// A content with these extensions.
fn with_extensions(extensions: &str) -> Vec<u8> {
    octets!(START, extensions, END)
}

/// A content with this part.
fn with_part(part: &str) -> Vec<u8> {
    octets!(START, "a0", part)
}

#[track_caller]
fn refused(octets: &[u8], reason: &str) {
    let fault = MimiContent::decode(octets).expect_err(reason);
    assert!(fault.reason.contains(reason), "{fault}");
}

/// CONTENT-MSG-2, CONTENT-MSG-3, AMB-CNT-4: each kind, octet by octet, from sender and room on.
#[test]
fn what_people_write() {
    let (alice, room) = (alice(), room());
    let uris = octets!("a2 01 7818", alice.as_bytes(), "02 781c", room.as_bytes(),);
    let salt = octets!("87 50", SALT.as_slice());
    let id = octets!("5820", FIRST.0.as_slice());
    let text_type = octets!("781e", TEXT_TYPE.as_bytes());
    let reaction_type = octets!("7818", REACTION_TYPE.as_bytes());
    let null = || vec![0xf6];
    let cases = [
        (
            MimiContent::text(SALT, &alice, &room, "hi"),
            octets!(
                salt.clone(),
                "f6 40 f6 f6",
                uris.clone(),
                "85 01 60 01",
                text_type.clone(),
                "42 6869"
            ),
            Some("hi"),
        ),
        (
            MimiContent::reply(SALT, &alice, &room, FIRST, ""),
            octets!(
                salt.clone(),
                "f6 40 f6",
                id.clone(),
                uris.clone(),
                "85 01 60 01",
                text_type.clone(),
                "40"
            ),
            Some(""),
        ),
        (
            MimiContent::reaction(SALT, &alice, &room, FIRST, "\u{2764}"),
            octets!(
                salt.clone(),
                "f6 40 f6",
                id.clone(),
                uris.clone(),
                "85 02 60 01",
                reaction_type,
                "43 e29da4"
            ),
            Some("\u{2764}"),
        ),
        (
            MimiContent::edit(SALT, &alice, &room, FIRST, "ho"),
            octets!(
                salt.clone(),
                id.clone(),
                "40 f6 f6",
                uris.clone(),
                "85 01 60 01",
                text_type,
                "42 686f"
            ),
            Some("ho"),
        ),
        (
            MimiContent::delete(SALT, &alice, &room, FIRST),
            octets!(salt.clone(), id.clone(), "40", null(), null(), uris.clone(), "83 01 60 00"),
            None,
        ),
        (
            MimiContent::unlike(SALT, &alice, &room, FIRST),
            octets!(salt, id, "40 f6 f6", uris, "83 02 60 00"),
            None,
        ),
    ];
    for (content, octets, shown) in cases {
        assert_eq!(hex::encode(content.encode().unwrap()), hex::encode(&octets));
        assert_eq!(MimiContent::decode(&octets).as_ref(), Ok(&content));
        assert_eq!(content.sender_uri().as_ref(), Some(&alice));
        assert_eq!(content.room_uri().as_ref(), Some(&room));
        assert_eq!(content.shown_text().as_deref(), shown);
    }
}

/// CONTENT-EDIT-2, AMB-CNT-13.
#[test]
fn edits_repeat_what_they_must_not_change() {
    let (alice, room) = (alice(), room());
    let mut original = MimiContent::reply(SALT, &alice, &room, FIRST, "helo");
    original.topic_id = vec![7];
    original.expires = Some(Expiration { relative: true, time: 60 });
    let replaces = MessageId::compute(&alice, &room, b"helo", &SALT);
    let edit = MimiContent::edit([1; 16], &alice, &room, replaces, "hello").in_place_of(&original);
    assert_eq!(edit.replaces, Some(replaces));
    assert_eq!(edit.in_reply_to, Some(FIRST));
    assert_eq!((edit.topic_id, edit.expires), (original.topic_id, original.expires));
}

#[test]
fn ids_are_written_and_read() {
    let text = "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4";
    let id: MessageId = text.parse().unwrap();
    assert_eq!(id.to_string(), text);
    assert_eq!(text.to_uppercase().parse(), Ok(id));
    for bad in ["", "01", &text[1..], &format!("{text}0"), &text.replace('f', "g"), "+1"] {
        assert!(bad.parse::<MessageId>().is_err(), "{bad}");
    }
    assert_eq!([Disposition(6), Disposition(200)].map(|it| it.to_string()), ["attachment", "200"]);
}

/// CONTENT-ID-1, AMB-CNT-2, AMB-CNT-3, AMB-CNT-4.
#[test]
fn message_ids_depend_on_everything() {
    let id = MessageId::compute(&alice(), &room(), b"content", &SALT);
    assert_eq!(id, MessageId::compute(&alice(), &room(), b"content", &SALT));
    for other in [
        MessageId::compute(&room(), &room(), b"content", &SALT),
        MessageId::compute(&alice(), &alice(), b"content", &SALT),
        MessageId::compute(&alice(), &room(), b"Content", &SALT),
        MessageId::compute(&alice(), &room(), b"content", &[0; 16]),
    ] {
        assert_ne!(other, id);
    }
    assert!(!MessageId([2; 32]).is_of_known_hash());
}

#[test]
fn the_smallest_content_and_everything_before_its_end() {
    let octets = with_extensions("a0");
    let content = MimiContent::decode(&octets).unwrap();
    assert_eq!(content.encode().unwrap(), octets);
    assert_eq!((content.sender_uri(), content.room_uri()), (None, None));
    for end in 0..octets.len() {
        assert!(MimiContent::decode(&octets[..end]).is_err(), "cut at {end}");
    }
    refused(&[octets.as_slice(), &[0xf6]].concat(), "1 octets after the end");
    for (_, example) in EXAMPLES {
        for end in 0..example.len() {
            assert!(MimiContent::decode(&example[..end]).is_err(), "cut at {end}");
        }
    }
}

/// CONTENT-ENC-1, AMB-CNT-5.
#[test]
fn only_shortest_forms_and_definite_lengths() {
    let short = "not in its shortest form";
    refused(&with_part("83 1801 60 00"), short);
    refused(&with_part("83 190001 60 00"), short);
    refused(&with_part("83 01 7800 00"), short);
    refused(&with_part("9803 01 60 00"), short);
    refused(&octets!("87 5810", SALT.as_slice(), "f6 40 f6 f6 a0", END), short);
    refused(&octets!(START, "b800", END), short);
    refused(&with_part("9f 01 60 00 ff"), "indefinite length");
    refused(&octets!(START, "bf ff", END), "indefinite length");
    for (item, reason) in [
        ("1817", short),
        ("3817", short),
        ("1b00000000ffffffff", short),
        ("3b00000000ffffffff", short),
        ("5817 0000000000000000000000000000000000000000000000", short),
        ("8118 00", short),
        ("b800", short),
        ("d817 00", short),
        ("5f 41 00 ff", "not allowed"),
        ("9f ff", "indefinite"),
        ("bf ff", "indefinite"),
        ("ff", "not allowed"),
        ("1c", "not allowed"),
        ("fc", "not allowed"),
        ("f818", "simple value"),
        ("f800", "simple value"),
        ("c2 48 ffffffffffffffff", "big integer"),
        ("c2 49 00ffffffffffffffff", "big integer"),
        ("c3 49 00ffffffffffffffff", "big integer"),
        ("c2 01", ""),
        ("fa 00000000", "shortest"),
        ("fa 3f800000", "shortest"),
        ("fb 3ff0000000000000", "shortest"),
        ("fb 3ff0000020000000", "shortest"),
        ("fa 33800000", "shortest"),
        ("fa 7f800000", "shortest"),
        ("fb fff0000000000000", "shortest"),
        ("fa 3f80", ""),
        ("f97e01", "NaN"),
        ("f9fe00", "NaN"),
        ("fa 7fc00000", "NaN"),
        ("fb 7ff8000000000000", "NaN"),
        ("62 c328", ""),
    ] {
        refused(&with_extensions(&format!("a1 03 {item}")), reason);
    }
}

/// CONTENT-DM-1, CONTENT-EXT-2: what the data model allows is kept as it is.
#[test]
fn unknown_extensions_are_kept() {
    for item in [
        "00",
        "1818",
        "1bffffffffffffffff",
        "3bffffffffffffffff",
        "40",
        "80",
        "a0",
        "82 01 a1 40 f6",
        "f4",
        "f7",
        "e0",
        "f820",
        "f8ff",
        "f97e00",
        "f90001",
        "f97c00",
        "fa 33000000",
        "fa 3f800001",
        "fa 7f7fffff",
        "fa 00000001",
        "fb 3ff0000000000001",
        "fb 3ff0000010000000",
        "c2 49 010000000000000000",
        "d850 44 7e000000",
        "a3 00 00 20 00 40 00",
    ] {
        let octets = with_extensions(&format!("a1 03 {item}"));
        let content =
            MimiContent::decode(&octets).unwrap_or_else(|fault| panic!("{item}: {fault}"));
        let value = ExtensionValue::Encoded(octets!(item));
        assert_eq!(content.extensions, BTreeMap::from([(ExtensionKey::Int(3), value)]));
        assert_eq!(content.encode().unwrap(), octets);
    }
}

/// CONTENT-ENC-1: bytewise order of the encoded keys, which the order of values is not, and
/// neither is the older order by length.
#[test]
fn keys_are_sorted_bytewise() {
    let sorted = "a7 01 60 190100 60 20 60 21 60 61 62 60 61 63 60 62 61 61 60";
    let octets = with_extensions(sorted);
    let content = MimiContent::decode(&octets).unwrap();
    assert_eq!(content.encode().unwrap(), octets);
    let order = "ascend bytewise";
    for unsorted in [
        "a2 02 60 01 60",
        "a2 21 60 20 60",
        "a2 61 61 60 190100 60",
        "a2 62 61 61 60 61 62 60",
        "a2 01 60 01 60",
        "a1 03 a2 02 00 01 00",
        "a1 03 a2 41 00 00 20 00",
        "a1 03 a2 01 00 01 00",
    ] {
        refused(&with_extensions(unsorted), order);
    }
}

/// AMB-CNT-5: any order on request, but still no key twice (CONTENT-EXT-1).
#[test]
fn keys_in_any_order_on_request() {
    for unsorted in ["a2 02 60 01 60", "a1 03 a2 02 00 01 00"] {
        assert!(MimiContent::decode_any_key_order(&with_extensions(unsorted)).is_ok());
    }
    for twice in ["a2 02 60 02 60", "a1 03 a3 02 00 01 00 02 00"] {
        let fault = MimiContent::decode_any_key_order(&with_extensions(twice)).unwrap_err();
        assert_eq!(fault.reason, "the key is there twice");
    }
    let long = MimiContent::decode_any_key_order(&with_extensions("a1 1801 60")).unwrap_err();
    assert!(long.reason.contains("shortest form"));
}

/// CONTENT-DM-1, AMB-CNT-11.
#[test]
fn keys_of_extensions() {
    for key in ["1b001fffffffffffff", "3b001ffffffffffffe", "61 61", "00"] {
        assert!(MimiContent::decode(&with_extensions(&format!("a1 {key} f6"))).is_ok(), "{key}");
    }
    for (key, reason) in [
        ("1b0020000000000000", "beyond 2^53 - 1"),
        ("3b001fffffffffffff", "beyond 2^53 - 1"),
        ("1bffffffffffffffff", "beyond 2^53 - 1"),
        ("3bffffffffffffffff", "beyond 2^53 - 1"),
        ("60", "must be 1 to 255"),
        ("41 00", ""),
        ("f6", ""),
    ] {
        refused(&with_extensions(&format!("a1 {key} f6")), reason);
    }
    for (key, reason) in [("1b0020000000000000", "beyond 2^53 - 1"), ("f6", ""), ("80", "")] {
        refused(&with_extensions(&format!("a1 03 a1 {key} 00")), reason);
    }
    let named = |length: usize| {
        let mut content = MimiContent::text(SALT, &alice(), &room(), "");
        let key = ExtensionKey::Text("x".repeat(length));
        content.extensions.insert(key, ExtensionValue::Text(String::new()));
        content.encode()
    };
    assert!(named(1).is_ok());
    assert!(named(EXTENSION_KEY_OCTETS_MAX).is_ok());
    assert!(named(EXTENSION_KEY_OCTETS_MAX + 1).is_err());
    assert!(named(0).is_err());
    // The reserved key is read over but never sent.
    let content = MimiContent::decode(&with_extensions("a1 00 f6")).unwrap();
    assert_eq!(content.encode().unwrap_err().reason, "key 0 is reserved");
    // Sender and room are text, but only canonical URIs are taken for one.
    refused(&with_extensions("a1 01 f6"), "must be text");
    refused(&with_extensions("a1 02 01"), "must be text");
    let content = MimiContent::decode(&with_extensions("a2 01 61 78 02 60")).unwrap();
    assert_eq!((content.sender_uri(), content.room_uri()), (None, None));
}

/// CONTENT-DEP-1, AMB-CNT-8: the map itself is the first of four levels.
#[test]
fn extensions_nest_four_levels() {
    for nested in ["81 81 80", "81 82 42 1234 d820 60", "a1 00 a1 00 a0", "c1 c1 c1 00", "81 81 40"]
    {
        assert!(MimiContent::decode(&with_extensions(&format!("a1 03 {nested}"))).is_ok());
    }
    for nested in ["81 81 81 80", "81 81 d820 81 60", "a1 00 a1 00 a1 00 a0", "c1 c1 c1 c1 00"] {
        refused(&with_extensions(&format!("a1 03 {nested}")), "more than 4 levels deep");
    }
    let abyss = octets!(START, "a1 03", vec![0x81; 100_000]);
    refused(&abyss, "more than 4 levels deep");
}

/// CONTENT-PART-1, CONTENT-XP-1, CONTENT-SEC-1, CONTENT-SEC-2.
#[test]
fn parts_that_are_refused() {
    for (part, reason) in [
        ("83 190100 60 00", "256 is too large"),
        ("83 20 60 00", ""),
        ("83 01 40 00", ""),
        ("83 01 60 04", "unknown cardinality 4"),
        ("84 01 60 00 00", "4 items, must be 3"),
        ("84 01 60 01 60 40", "4 items, must be 5"),
        ("85 01 60 01 40 40", ""),
        ("85 01 60 01 60 60", ""),
        ("85 01 60 03 03 82 83016000 83016000", "unknown semantics 3"),
        ("85 01 60 03 00 80", "must be two or more"),
        ("85 01 60 03 00 81 83016000", "must be two or more"),
        ("85 01 60 03 00 9bffffffffffffffff", ""),
        ("8f 01 60 02 60 60 1b0000000100000000 00 00 40 40 40 00 40 60 60", "too large"),
        ("8f 01 60 02 60 60 00 00 1a00010000 40 40 40 00 40 60 60", "too large"),
        ("8f 01 60 02 60 60 00 00 00 40 40 40 190100 40 60 60", "too large"),
        ("8f 01 60 02 60 60 00 00 00 41aa 40 40 00 40 60 60", "must be empty"),
        ("8f 01 60 02 60 d82060 00 00 00 40 40 40 00 40 60 60", ""),
    ] {
        refused(&with_part(part), reason);
    }
    for part in [
        "83 18ff 60 00",
        "85 01 60 03 00 82 83016000 83016000",
        "8f 01 60 02 60 60 1affffffff 1bffffffffffffffff 19ffff 41aa 40 40 18ff 40 60 60",
    ] {
        assert!(MimiContent::decode(&with_part(part)).is_ok(), "{part}");
    }
}

#[test]
fn headers_that_are_refused() {
    let id = octets!("5820", [1; 32].as_slice());
    let other_hash = octets!("5820 02", [1; 31].as_slice());
    let salt = octets!("87 50", SALT.as_slice());
    let end = octets!("a0", END);
    let content = |fields: Vec<u8>| octets!(salt.clone(), fields, end.clone());
    let decodes = |fields| MimiContent::decode(&content(fields)).is_ok();
    assert!(decodes(octets!(id.clone(), "40 82 f5 1affffffff", id.clone())));
    refused(&content(octets!(other_hash.clone(), "40 f6 f6")), "unknown hash function 2");
    refused(&content(octets!("f6 40 f6", other_hash)), "unknown hash function 2");
    refused(&content(octets!("581f", [1; 31].as_slice(), "40 f6 f6")), "31 octets, must be 32");
    refused(&content(octets!("f6 60 f6 f6")), "");
    refused(&content(octets!("f6 40 82 f5 1b0000000100000000 f6")), "too large");
    refused(&content(octets!("f6 40 82 01 01 f6")), "");
    refused(&content(octets!("f6 40 81 f5 f6")), "1 items, must be 2");
    refused(&octets!("87 4f", [1; 15].as_slice(), "f6 40 f6 f6 a0", END), "must be 16");
    refused(&octets!("86 50", SALT.as_slice(), "f6 40 f6 f6 a0"), "6 items, must be 7");
    refused(&[0xa0], "");
    refused(&[], "");
}

fn nested(levels: usize) -> NestedPart {
    let null = NestedPart::null(Disposition::RENDER);
    (1..levels).fold(null.clone(), |part, _| NestedPart {
        part: Part::Multi { semantics: PartSemantics::SingleUnit, parts: vec![null.clone(), part] },
        ..null.clone()
    })
}

fn with_body(body: NestedPart) -> MimiContent {
    MimiContent { body, ..MimiContent::text(SALT, &alice(), &room(), "") }
}

/// CONTENT-DEP-1, AMB-CNT-10: the root is the first of four levels.
#[test]
fn parts_nest_four_levels() {
    let octets = with_body(nested(4)).encode().unwrap();
    assert!(MimiContent::decode(&octets).is_ok());
    assert!(with_body(nested(5)).encode().unwrap_err().reason.contains("more than 4 levels deep"));
    let abyss = octets!(START, "a0", octets!("85 01 60 03 00 82").repeat(100_000));
    refused(&abyss, "more than 4 levels deep");
}

/// CONTENT-SEC-1.
#[test]
fn limits_of_content() {
    let many = |count| {
        let parts = vec![NestedPart::null(Disposition::RENDER); count];
        let part = Part::Multi { semantics: PartSemantics::ProcessAll, parts };
        let body = NestedPart { part, ..nested(1) };
        with_body(body).encode()
    };
    // The root counts.
    assert!(many(CONTENT_PARTS_MAX - 1).is_ok());
    assert!(many(CONTENT_PARTS_MAX).unwrap_err().reason.contains("more than 1024 parts"));
    let topic = |length| MimiContent { topic_id: vec![1; length], ..with_body(nested(1)) }.encode();
    assert!(topic(TOPIC_ID_OCTETS_MAX).is_ok());
    assert!(topic(TOPIC_ID_OCTETS_MAX + 1).is_err());
    let empty = MimiContent::text(SALT, &alice(), &room(), &"x".repeat(0x1_0000)).encode().unwrap();
    let overhead = empty.len() - 0x1_0000;
    let text = |length| MimiContent::text(SALT, &alice(), &room(), &"x".repeat(length)).encode();
    assert!(text(APPLICATION_BODY_OCTETS_MAX - overhead).is_ok());
    assert!(text(APPLICATION_BODY_OCTETS_MAX - overhead + 1).is_err());
}

#[test]
fn what_cannot_be_decoded_is_not_encoded() {
    for encoded in ["", "01 02", "1801", "81", "61 61", "a1"] {
        let mut content = MimiContent::text(SALT, &alice(), &room(), "");
        let value = ExtensionValue::Encoded(octets!(encoded));
        content.extensions.insert(ExtensionKey::Int(3), value);
        assert!(content.encode().is_err(), "{encoded}");
    }
    let one_part = Part::Multi { semantics: PartSemantics::ChooseOne, parts: vec![nested(1)] };
    assert!(with_body(NestedPart { part: one_part, ..nested(1) }).encode().is_err());
}

/// CONTENT-MT-1, CONTENT-PART-1, AMB-CNT-19.
#[test]
fn the_text_to_show() {
    let single = |content_type: &str, content: &[u8]| {
        NestedPart::single(Disposition::RENDER, content_type, content)
    };
    let multi =
        |semantics, parts| NestedPart { part: Part::Multi { semantics, parts }, ..nested(1) };
    let shown = |body| with_body(body).shown_text();
    for content_type in [
        "text/plain",
        "Text/Plain; Charset=UTF-8",
        "text/plain;charset=\"utf-8\"",
        "text/plain;charset=us-ascii",
        "text/markdown",
        "text/markdown;variant=CommonMark",
        TEXT_TYPE,
    ] {
        assert_eq!(shown(single(content_type, b"x")).as_deref(), Some("x"), "{content_type}");
    }
    for content_type in ["text/html", "text/plain;charset=utf-16", "image/png", "", "text"] {
        assert_eq!(shown(single(content_type, b"x")), None, "{content_type}");
    }
    assert_eq!(shown(single("text/plain", &[0xff])), None);
    let parts = || {
        let parts = [("text/html", "<b>"), ("text/plain", "one"), ("text/plain", "two")];
        parts.map(|(content_type, text)| single(content_type, text.as_bytes())).to_vec()
    };
    let choice = multi(PartSemantics::ChooseOne, parts());
    assert_eq!(shown(choice.clone()).as_deref(), Some("one"));
    assert_eq!(shown(multi(PartSemantics::ProcessAll, parts())).as_deref(), Some("one\ntwo"));
    let nested_choice = multi(PartSemantics::SingleUnit, vec![choice, nested(1)]);
    assert_eq!(shown(nested_choice).as_deref(), Some("one"));
    assert_eq!(shown(multi(PartSemantics::SingleUnit, parts())), None, "all or none");
    assert_eq!(shown(multi(PartSemantics::ProcessAll, vec![nested(1), nested(1)])), None);
}

#[test]
fn changed_examples_never_panic() {
    for (_, example) in EXAMPLES {
        for at in 0..example.len() {
            for change in [0x01, 0x20, 0x40, 0x80, 0xff] {
                let mut octets = example.to_vec();
                octets[at] ^= change;
                if let Ok(content) = MimiContent::decode(&octets)
                    && !content.extensions.contains_key(&ExtensionKey::Int(0))
                {
                    assert_eq!(content.encode().unwrap(), octets);
                }
            }
        }
    }
}

fn item() -> impl Strategy<Value = ExtensionValue> {
    fn encoded(item: impl minicbor::Encode<()>) -> ExtensionValue {
        let mut encoder = Encoder::new(Vec::new());
        encoder.encode(item).unwrap();
        ExtensionValue::Encoded(encoder.into_writer())
    }
    prop_oneof![
        any::<String>().prop_map(ExtensionValue::Text),
        any::<i64>().prop_map(encoded),
        any::<Vec<u8>>().prop_map(|octets| encoded(minicbor::bytes::ByteVec::from(octets))),
        any::<Vec<Vec<u64>>>().prop_map(encoded),
        any::<BTreeMap<u8, bool>>().prop_map(encoded),
        Just(encoded(None::<bool>)),
    ]
}

fn key() -> impl Strategy<Value = ExtensionKey> {
    prop_oneof![
        (1..=crate::cbor::INTEGER_KEY_MAX).prop_map(ExtensionKey::Int),
        (3..300_i64).prop_map(ExtensionKey::Int),
        (-crate::cbor::INTEGER_KEY_MAX..0).prop_map(ExtensionKey::Int),
        "[a-zé]{1,40}".prop_map(ExtensionKey::Text),
    ]
}

fn extensions() -> impl Strategy<Value = BTreeMap<ExtensionKey, ExtensionValue>> {
    proptest::collection::btree_map(key(), item(), 0..20).prop_map(|mut extensions| {
        // Those two are text.
        extensions.remove(&ExtensionKey::SENDER_URI);
        extensions.remove(&ExtensionKey::ROOM_URI);
        extensions
    })
}

fn leaf() -> impl Strategy<Value = Part> {
    let external = (any::<(u32, u64, u16, u8)>(), any::<[Vec<u8>; 4]>(), any::<[String; 4]>());
    prop_oneof![
        Just(Part::Null),
        any::<(String, Vec<u8>)>()
            .prop_map(|(content_type, content)| Part::Single { content_type, content }),
        external.prop_map(|((expires, size, enc_alg, hash_alg), octets, texts)| {
            let [key, nonce, aad, content_hash] = octets;
            let [content_type, url, description, filename] = texts;
            let enc_alg = enc_alg.max(1);
            Part::External(Box::new(ExternalPart {
                content_type,
                url,
                expires,
                size,
                enc_alg,
                key,
                nonce,
                aad,
                hash_alg,
                content_hash,
                description,
                filename,
            }))
        }),
    ]
}

fn part() -> impl Strategy<Value = NestedPart> {
    let wrap =
        |part| {
            (any::<u8>(), any::<String>(), part).prop_map(|(disposition, language, part)| {
                NestedPart { disposition: Disposition(disposition), language, part }
            })
        };
    wrap(leaf().boxed()).prop_recursive(3, 24, 4, move |inner| {
        let semantics = prop_oneof![
            Just(PartSemantics::ChooseOne),
            Just(PartSemantics::SingleUnit),
            Just(PartSemantics::ProcessAll),
        ];
        let multi = (semantics, proptest::collection::vec(inner, 2..5))
            .prop_map(|(semantics, parts)| Part::Multi { semantics, parts });
        wrap(multi.boxed())
    })
}

fn message_id() -> impl Strategy<Value = Option<MessageId>> {
    any::<Option<[u8; 31]>>().prop_map(|tail| {
        tail.map(|tail| {
            let mut id = [1; 32];
            id[1..].copy_from_slice(&tail);
            MessageId(id)
        })
    })
}

proptest! {
    /// CONTENT-ENC-1: one encoding per content.
    #[test]
    fn contents_round_trip(
        header in any::<([u8; 16], Vec<u8>, Option<(bool, u32)>)>(),
        ids in (message_id(), message_id()),
        extensions in extensions(),
        body in part(),
    ) {
        let (salt, topic_id, expires) = header;
        let content = MimiContent {
            salt,
            replaces: ids.0,
            topic_id,
            expires: expires.map(|(relative, time)| Expiration { relative, time }),
            in_reply_to: ids.1,
            extensions,
            body,
        };
        let octets = content.encode().unwrap();
        prop_assert_eq!(MimiContent::decode(&octets).unwrap(), content.clone());
        prop_assert_eq!(MimiContent::decode_any_key_order(&octets).unwrap(), content);
    }

    /// Shortest forms of floats by another way: what a lossless narrowing exists for is refused.
    #[test]
    fn single_floats_are_accepted_iff_no_half_exists(bits: u32, half: u16, use_half: bool) {
        let value = if use_half { half_to_single(half) } else { f32::from_bits(bits) };
        let octets = with_extensions(&format!("a1 03 fa {:08x}", value.to_bits()));
        let fits = (0..=u16::MAX).any(|half| half_to_single(half).to_bits() == value.to_bits());
        prop_assert_eq!(MimiContent::decode(&octets).is_ok(), !value.is_nan() && !fits);
    }
}

fn half_to_single(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(half >> 10 & 0x1f);
    let fraction = f32::from(half & 0x3ff);
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}
