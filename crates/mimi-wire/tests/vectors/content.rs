//! Messages, their extensions and reports of their status.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::content::derived::{MessageDerivedValues, Timestamp};
use mimi_wire::content::extension::{
    ExternalMessageId, Fraction, LastSeen, Scope, SenderTimestamp,
};
use mimi_wire::content::{
    Disposition, Expiration, ExtensionKey, ExtensionValue, ExternalPart, MessageId, MimiContent,
    NestedPart, Part, PartSemantics,
};
use mimi_wire::inspect::Kind;
use mimi_wire::status::{MessageStatus, MessageStatusReport};

use crate::{Document, Given, Pieces};

const SALT: [u8; 16] = [0x5a; 16];
const ID: MessageId = MessageId([1; 32]);

fn alice() -> MimiUri {
    MimiUri::new("mimi://a.example/u/alice").unwrap()
}

fn room() -> MimiUri {
    MimiUri::new("mimi://a.example/r/clubhouse").unwrap()
}

fn text() -> MimiContent {
    MimiContent::text(SALT, &alice(), &room(), "hi")
}

fn single(text: &str) -> NestedPart {
    NestedPart::single(Disposition::RENDER, "text/plain;charset=utf-8", text.as_bytes())
}

fn multi(semantics: PartSemantics, parts: Vec<NestedPart>) -> NestedPart {
    let part = Part::Multi { semantics, parts };
    NestedPart { disposition: Disposition::RENDER, language: String::new(), part }
}

fn external() -> ExternalPart {
    ExternalPart {
        content_type: "image/png".to_owned(),
        url: "https://a.example/x".to_owned(),
        expires: 0,
        size: 0,
        enc_alg: 0,
        key: vec![],
        nonce: vec![],
        aad: vec![],
        hash_alg: 0,
        content_hash: vec![],
        description: String::new(),
        filename: String::new(),
    }
}

fn body(body: NestedPart) -> Vec<u8> {
    MimiContent { body, ..text() }.encode().unwrap()
}

fn octets(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

/// Salt and absent fields, up to the extensions; no octet is left out.
const START: &str = "87 505a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a f6 40 f6 f6";
/// A null part.
const END: &str = "83 01 60 00";

fn extended(extensions: &str) -> Vec<u8> {
    octets(&[START, extensions, END].concat())
}

pub(crate) fn content() -> Document {
    let mut document = Document::new("content.json", "draft-ietf-mimi-content-08");
    let kind = Kind::Content;
    let written = [
        ("text", text()),
        ("reply", MimiContent::reply(SALT, &alice(), &room(), ID, "yes")),
        ("reaction", MimiContent::reaction(SALT, &alice(), &room(), ID, "\u{2764}")),
        ("edit", MimiContent::edit(SALT, &alice(), &room(), ID, "ho")),
        ("delete", MimiContent::delete(SALT, &alice(), &room(), ID)),
        ("unlike", MimiContent::unlike(SALT, &alice(), &room(), ID)),
        ("topic", MimiContent { topic_id: b"topic".to_vec(), ..text() }),
    ];
    for (name, content) in written {
        document.valid(name, kind, &content.encode().unwrap());
    }
    for (relative, latest) in [(true, YEAR), (false, u32::MAX)] {
        for time in [0, 23, 24, latest] {
            let expires = Some(Expiration { relative, time });
            let octets = MimiContent { expires, ..text() }.encode().unwrap();
            document.valid(&format!("expires: relative {relative}, {time}"), kind, &octets);
        }
    }
    for disposition in (0..=9).chain([255]) {
        let part = NestedPart { disposition: Disposition(disposition), ..single("x") };
        document.valid(&format!("disposition {disposition}"), kind, &body(part));
    }
    let part = NestedPart { language: "en-GB, fr".to_owned(), ..single("x") };
    document.valid("language", kind, &body(part));
    parts(&mut document);
    extension_map(&mut document);
    invalid(&mut document);
    limits(&mut document);
    nonsense(&mut document);
    document
}

/// When a message was accepted: 2026-01-01T00:00:00Z, in seconds.
const ACCEPTED: u32 = 1_767_225_600;
/// 365 days in seconds.
const YEAR: u32 = 31_536_000;

/// CONTENT-SEC-1: what decodes and is discarded all the same, and the last that is not.
fn nonsense(document: &mut Document) {
    let mallory = MimiUri::new("mimi://c.example/u/mallory").unwrap();
    let of_alice = text().encode().unwrap();
    let true_sender = |sender: MimiUri| Given { sender: Some(sender), ..Given::default() };
    let true_room = |room: MimiUri| Given { room: Some(room), ..Given::default() };
    let both = Given { sender: Some(alice()), room: Some(room()), ..Given::default() };
    document.sensible("claims that are true", &of_alice, &both);
    document.nonsensical("another sender", &of_alice, &true_sender(mallory));
    document.nonsensical("a sender in another spelling", &of_alice, &true_sender(room()));
    document.nonsensical("another room", &of_alice, &true_room(alice()));
    document.sensible("no claims", &extended("a0"), &both);
    let both_ways =
        extended("a2 01 6e 6d696d693a2f2f6c2f722f78797a 02 6e 6d696d693a2f2f6c2f722f78797a");
    document.nonsensical("claims of somewhere else", &both_ways, &both);

    let accepted_ms = u64::from(ACCEPTED) * 1_000 + 999;
    let accepted_at_ms = Some(accepted_ms);
    let accepted = Given { accepted_at_ms, ..Given::default() };
    let expiring = |relative, time| {
        let expires = Some(Expiration { relative, time });
        MimiContent { expires, ..text() }.encode().unwrap()
    };
    let within = [
        ("expires a year after reading", expiring(true, YEAR)),
        ("expires a year after acceptance", expiring(false, ACCEPTED + YEAR)),
        ("expired a year before acceptance", expiring(false, ACCEPTED - YEAR)),
    ];
    for (name, octets) in within {
        document.sensible(name, &octets, &accepted);
    }
    let beyond = [
        ("expires a second too late after acceptance", expiring(false, ACCEPTED + YEAR + 1)),
        ("expired a second too early before acceptance", expiring(false, ACCEPTED - YEAR - 1)),
    ];
    for (name, octets) in beyond {
        document.nonsensical(name, &octets, &accepted);
    }
    let late = expiring(true, YEAR + 1);
    document.nonsensical("expires a second too late after reading", &late, &Given::default());

    let skew = 5 * 60 * 1_000;
    let at = |now_ms: u64| Given { now_ms: Some(now_ms), accepted_at_ms, ..Given::default() };
    let now_ms = accepted_ms - skew;
    document.sensible("accepted five minutes from now", &of_alice, &at(now_ms));
    document.nonsensical("accepted more than five minutes from now", &of_alice, &at(now_ms - 1));
    let created = |ms| Given { room_created_at_ms: Some(ms), accepted_at_ms, ..Given::default() };
    document.sensible("accepted when the room was created", &of_alice, &created(accepted_ms));
    let older = created(accepted_ms + 1);
    document.nonsensical("accepted before the room was created", &of_alice, &older);
}

fn parts(document: &mut Document) {
    let kind = Kind::Content;
    for semantics in
        [PartSemantics::ChooseOne, PartSemantics::SingleUnit, PartSemantics::ProcessAll]
    {
        let part = multi(semantics, vec![single("a"), single("b")]);
        document.valid(&format!("multi-part: {}", semantics.name()), kind, &body(part));
    }
    let deep = |levels: u32| {
        (1..levels).fold(single("deep"), |part, _| {
            multi(PartSemantics::ProcessAll, vec![single("x"), part])
        })
    };
    document.valid("four levels of parts", kind, &body(deep(4)));
    let of_external = |part: ExternalPart| {
        let part = Part::External(Box::new(part));
        body(NestedPart { disposition: Disposition::ATTACHMENT, language: String::new(), part })
    };
    document.valid("external part: only what must be", kind, &of_external(external()));
    let full = ExternalPart {
        expires: u32::MAX,
        size: u64::MAX,
        enc_alg: 1,
        key: vec![1; 16],
        nonce: vec![2; 12],
        aad: b"aad".to_vec(),
        hash_alg: 1,
        content_hash: vec![3; 32],
        description: "a picture".to_owned(),
        filename: "x.png".to_owned(),
        ..external()
    };
    document.valid("external part: everything", kind, &of_external(full));
}

fn extension_map(document: &mut Document) {
    let kind = Kind::Content;
    let valid = [
        ("none", "a0"),
        ("an unknown key", "a1 18c8 01"),
        ("key 0, reserved", "a1 00 01"),
        ("a private key", "a1 20 01"),
        ("a text key", "a1 6161 01"),
        ("257 sorts before a text", "a2 190101 01 6161 02"),
        ("the largest integer key", "a1 1b001fffffffffffff 01"),
        ("the smallest integer key", "a1 3b001ffffffffffffe 01"),
        ("NaN", "a1 0a f97e00"),
        ("floats in their shortest forms", "a1 0a 83 f93c00 fa7f7fffff fb3ff199999999999a"),
        ("simple values", "a1 0a 85 f4 f5 f6 f7 f8ff"),
        ("a map with all kinds of keys", "a1 0a a3 01 02 41ff 03 6161 04"),
        ("four levels", "a1 0a 81 81 a1 01 02"),
        ("a tag is a level", "a1 0a d820 81 81 01"),
    ];
    for (name, extensions) in valid {
        document.valid(&format!("extensions: {name}"), kind, &extended(extensions));
    }
    let invalid = [
        ("a key twice", "a2 01 6161 01 6162"),
        ("keys that descend", "a2 02 6161 01 6162"),
        ("a text before 256 (the order of RFC 7049)", "a2 6161 02 190100 01"),
        ("a key that is a float", "a1 f93c00 01"),
        ("a key that is octets", "a1 4161 01"),
        ("an empty text key", "a1 60 01"),
        ("an integer key that is too large", "a1 1b0020000000000000 01"),
        ("an integer key that is too small", "a1 3b001fffffffffffff 01"),
        ("a nested key that is a list", "a1 0a a1 80 01"),
        ("senderUri that is not text", "a1 01 01"),
        ("roomUri that is not text", "a1 02 4161"),
        ("a float that is not in its shortest form", "a1 0a fa3f800000"),
        ("a NaN with a payload", "a1 0a f97e01"),
        ("a number that is not in its shortest form", "a1 0a 1801"),
        ("text that is not UTF-8", "a1 0a 61ff"),
        ("an indefinite list", "a1 0a 9f01ff"),
        ("an indefinite map", "bf 0a01 ff"),
        ("five levels", "a1 0a 81 81 81 81 01"),
        ("five levels with a tag", "a1 0a d820 81 81 81 01"),
        ("a big integer that fits an ordinary one", "a1 0a c2 4101"),
        ("a simple value that is not in its shortest form", "a1 0a f814"),
    ];
    for (name, extensions) in invalid {
        document.invalid(&format!("extensions: {name}"), kind, &extended(extensions));
    }
}

fn invalid(document: &mut Document) {
    let kind = Kind::Content;
    let start = |from: &str, to: &str| octets(&[&START.replace(from, to), "a0", END].concat());
    let cases = [
        ("not CBOR", octets("ff")),
        ("a map", octets("a0")),
        ("an array of 6", octets("86 50 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a f6 40 f6 f6 a0")),
        ("an indefinite array", octets(&[&START.replace("87", "9f"), "a0", END, "ff"].concat())),
        ("a salt of 15 octets", start("505a", "4f")),
        ("a salt that is text", start("505a", "705a")),
        ("a topicId that is null", start("f6 40", "f6 f6")),
        ("a topicId that is not in its shortest form", start("f6 40", "f6 5800")),
        ("expires that is a number", start("40 f6", "40 01")),
        ("expires of one item", start("40 f6", "40 81f5")),
        ("expires whose relative is a number", start("40 f6", "40 820101")),
        ("expires beyond 32 bits", start("40 f6", "40 82f51b0000000100000000")),
        ("expires before the epoch", start("40 f6", "40 82f420")),
        ("replaces of 31 octets", start("f6 40", &["581f", &"01".repeat(31), "40"].concat())),
        ("replaces of an unknown hash", start("f6 40", &["5820", &"02".repeat(32), "40"].concat())),
        (
            "inReplyTo of an unknown hash",
            start("40 f6 f6", &["40 f6 5820", &"00".repeat(32)].concat()),
        ),
        ("octets after the end", octets(&[START, "a0", END, "00"].concat())),
    ];
    for (name, octets) in cases {
        document.invalid(name, kind, &octets);
    }
    let parts = [
        ("disposition 256", "83 190100 60 00"),
        ("disposition below 0", "83 20 60 00"),
        ("a language that is octets", "83 01 40 00"),
        ("unknown cardinality", "83 01 60 04"),
        ("a null part with content", "85 01 60 00 60 40"),
        ("a single part without content", "84 01 60 01 60"),
        ("a single part whose content is text", "85 01 60 01 60 60"),
        ("a multi-part of one", "85 01 60 03 00 81 83 01 60 00"),
        ("unknown partSemantics", "85 01 60 03 03 82 83 01 60 00 83 01 60 00"),
        (
            "an external part with a tagged URL",
            "8f 01 60 02 60 d820 60 00 00 00 40 40 40 00 40 60 60",
        ),
        (
            "an external part with a key and no encryption",
            "8f 01 60 02 60 60 00 00 00 4101 40 40 00 40 60 60",
        ),
        (
            "an external part whose hashAlg is 256",
            "8f 01 60 02 60 60 00 00 00 40 40 40 190100 40 60 60",
        ),
        (
            "an external part whose encAlg is 65536",
            "8f 01 60 02 60 60 00 00 1a00010000 40 40 40 00 40 60 60",
        ),
        (
            "an external part that expires beyond 32 bits",
            "8f 01 60 02 60 60 1b0000000100000000 00 00 40 40 40 00 40 60 60",
        ),
    ];
    for (name, part) in parts {
        document.invalid(name, kind, &octets(&[START, "a0", part].concat()));
    }
    let two = |inner: &str| ["85 01 60 03 02 82 83 01 60 00", inner].concat();
    let deep = (0..4).fold(END.to_owned(), |part, _| two(&part));
    document.invalid("five levels of parts", kind, &octets(&[START, "a0", &deep].concat()));
}

fn limits(document: &mut Document) {
    let kind = Kind::Content;
    let salt = "87 505a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a f6";
    let length = |count: usize| u16::try_from(count).unwrap().to_be_bytes().to_vec();
    let topic = |count: usize| {
        let head = [octets(salt), vec![0x59], length(count)].concat();
        Pieces(vec![(head, 1), (vec![7], count), (octets(&["f6f6a0", END].concat()), 1)])
    };
    document.limit("topicId", kind, topic, 4_096);
    let part = octets(END);
    let parts = |count: usize| {
        // The multi-part itself is one of them.
        let head = octets(&[START, "a0 85 01 60 03 02 99"].concat());
        let head = [head, length(count - 1)].concat();
        Pieces(vec![(head, 1), (part.clone(), count - 1)])
    };
    document.limit("parts", kind, parts, 1_024);
    let key = |count: usize| {
        let text = match u8::try_from(count) {
            Ok(short) => vec![0x78, short],
            Err(_) => [vec![0x79], length(count)].concat(),
        };
        let head = [octets(&[START, "a1"].concat()), text].concat();
        Pieces(vec![(head, 1), (vec![b'k'], count), (octets(&["01", END].concat()), 1)])
    };
    document.limit("a text key of an extension", kind, key, 255);
    let overhead = 22 + 1 + 4 + 1 + 5;
    let whole = |count: usize| {
        let content = u32::try_from(count - overhead).unwrap().to_be_bytes();
        let head = octets(&[START, "a0 85 01 60 01 60 5a"].concat());
        Pieces(vec![([head, content.to_vec()].concat(), 1), (vec![7], count - overhead)])
    };
    assert_eq!(whole(200_000).octets().len(), 200_000);
    document.limit("the whole message", kind, whole, 1_048_576);
}

fn with(extensions: Vec<(ExtensionKey, ExtensionValue)>) -> Vec<u8> {
    let extensions: BTreeMap<_, _> = extensions.into_iter().collect();
    MimiContent { extensions, ..text() }.encode().unwrap()
}

/// Well formed by the content draft, whatever the extension holds.
pub(crate) fn extensions() -> Document {
    let draft = "draft-mimi-content-more-extensions-00";
    let mut document = Document::new("content-extensions.json", draft);
    let kind = Kind::Content;
    for (name, fraction) in [
        ("whole seconds", None),
        ("milliseconds", Some(Fraction::Milliseconds(999))),
        ("microseconds", Some(Fraction::Microseconds(462_917))),
        ("nanoseconds", Some(Fraction::Nanoseconds(999_999_999))),
    ] {
        let timestamp = SenderTimestamp { seconds: 1_762_760_377, fraction };
        let octets = with(vec![(ExtensionKey::SENDER_TIMESTAMP, timestamp.into())]);
        document.valid(&format!("senderTimestamp: {name}"), kind, &octets);
    }
    let id = |scope| ExternalMessageId { id: vec![8; 16], scope };
    for (name, scope) in [
        ("an enterprise", Scope::Enterprise(311)),
        ("a domain", Scope::Domain("a.example".to_owned())),
        ("a URI", Scope::Uri("https://a.example/".to_owned())),
    ] {
        let value = ExtensionValue::from(&id(scope));
        let octets = with(vec![(ExtensionKey::EXTERNAL_MESSAGE_ID, value)]);
        document.valid(&format!("externalMessageId: {name}"), kind, &octets);
    }
    let subject = ExtensionValue::Text("This space intentionally left blank".to_owned());
    document.valid("subject", kind, &with(vec![(ExtensionKey::SUBJECT, subject.clone())]));
    for (name, seen) in [
        ("nothing", LastSeen::Messages(vec![])),
        ("messages", LastSeen::Messages(vec![ID, MessageId([1; 32])])),
        ("external ones", LastSeen::External(vec![id(Scope::Enterprise(1))])),
    ] {
        let octets = with(vec![(ExtensionKey::LAST_SEEN, ExtensionValue::from(&seen))]);
        document.valid(&format!("lastSeen: {name}"), kind, &octets);
    }
    let timestamp = SenderTimestamp { seconds: 1, fraction: None };
    let text = |uri: MimiUri| ExtensionValue::Text(uri.as_str().to_owned());
    let all = with(vec![
        (ExtensionKey::SENDER_URI, text(alice())),
        (ExtensionKey::ROOM_URI, text(room())),
        (ExtensionKey::SENDER_TIMESTAMP, timestamp.into()),
        (ExtensionKey::EXTERNAL_MESSAGE_ID, ExtensionValue::from(&id(Scope::Enterprise(1)))),
        (ExtensionKey::SUBJECT, subject),
        (ExtensionKey::LAST_SEEN, ExtensionValue::from(&LastSeen::Messages(vec![ID]))),
    ]);
    document.valid("all, in the order of their keys", kind, &all);
    nonsensical_extensions(&mut document);
    extension_limits(&mut document);
    document
}

pub(crate) fn derived() -> Document {
    let mut document = Document::new("content-derived.json", "draft-ietf-mimi-content-08");
    let kind = Kind::DerivedValues;
    let example = include_bytes!("../../../../vectors/content/implied-original.cbor");
    document.valid("the draft's example", kind, example);
    let values = MessageDerivedValues {
        message_id: ID,
        hub_accepted_timestamp: Timestamp::Milliseconds(1_700_000_000_000),
        mls_group_id: vec![7],
        sender_leaf_index: 0,
        sender_client_url: None,
        sender_user_url: Some(alice()),
        room_url: Some(room()),
    };
    document.valid("a client that is not known", kind, &values.encode().unwrap());
    let hub_accepted_timestamp = Timestamp::Extended(octets("a2 01 1a62028f99 22 13"));
    let extended = MessageDerivedValues { hub_accepted_timestamp, ..values.clone() };
    document.valid("extended time", kind, &extended.encode().unwrap());
    let start = ["87 5820", &"01".repeat(32)].concat();
    let with = |rest: &str| octets(&[&start, rest].concat());
    for (name, rest) in [
        ("another tag than 1001", "d903ea a0 40 00 60 60 60"),
        ("extended time that is no map", "d903e9 00 40 00 60 60 60"),
        ("a leaf beyond 32 bits", "00 40 1b0000000100000000 60 60 60"),
        ("a tagged URL", "00 40 00 d82060 60 60"),
        ("a URL that is not canonical", "00 40 00 66 4d494d493a78 60 60"),
    ] {
        document.invalid(name, kind, &with(rest));
    }
    document
}

/// Well formed by the content draft, and not what the extension is.
fn nonsensical_extensions(document: &mut Document) {
    let id = ["5820", &"01".repeat(32)].concat();
    let unknown = ["5820", &"02".repeat(32)].concat();
    let short = ["581f", &"01".repeat(31)].concat();
    let cases = [
        ("senderTimestamp: a number", "a1 03 01".to_owned()),
        ("senderTimestamp: text", "a1 03 6131".to_owned()),
        ("senderTimestamp: no seconds", "a1 03 a1 22 01".to_owned()),
        ("senderTimestamp: nothing", "a1 03 a0".to_owned()),
        ("senderTimestamp: before the epoch", "a1 03 a1 01 20".to_owned()),
        ("senderTimestamp: seconds that are a float", "a1 03 a1 01 f93c00".to_owned()),
        ("senderTimestamp: 1000 milliseconds", "a1 03 a2 01 01 22 1903e8".to_owned()),
        ("senderTimestamp: 1000000 microseconds", "a1 03 a2 01 01 25 1a000f4240".to_owned()),
        ("senderTimestamp: 1000000000 nanoseconds", "a1 03 a2 01 01 28 1a3b9aca00".to_owned()),
        ("senderTimestamp: two fractions", "a1 03 a3 01 01 22 01 25 01".to_owned()),
        ("senderTimestamp: another key", "a1 03 a2 01 01 02 01".to_owned()),
        ("externalMessageId: octets alone", "a1 04 4108".to_owned()),
        ("externalMessageId: no scope", "a1 04 81 4108".to_owned()),
        ("externalMessageId: three items", "a1 04 83 4108 01 01".to_owned()),
        ("externalMessageId: an ID that is text", "a1 04 82 6108 01".to_owned()),
        ("externalMessageId: enterprise 0", "a1 04 82 4108 00".to_owned()),
        ("externalMessageId: a scope below 0", "a1 04 82 4108 20".to_owned()),
        ("externalMessageId: a scope of octets", "a1 04 82 4108 4108".to_owned()),
        ("externalMessageId: a scope with another tag", "a1 04 82 4108 d821 6161".to_owned()),
        ("subject: empty", "a1 05 60".to_owned()),
        ("subject: octets", "a1 05 4161".to_owned()),
        ("lastSeen: an ID alone", ["a1 190100", &id].concat()),
        ("lastSeen: an ID of 31 octets", ["a1 190100 81", &short].concat()),
        ("lastSeen: an ID of an unknown hash", ["a1 190100 81", &unknown].concat()),
        ("lastSeen: both sorts", ["a1 190100 82", &id, "82 4108 01"].concat()),
        ("lastSeen: both sorts, the other first", ["a1 190100 82 82 4108 01", &id].concat()),
        ("lastSeen: a number", "a1 190100 81 01".to_owned()),
    ];
    for (name, extensions) in cases {
        document.nonsensical(name, &extended(&extensions), &Given::default());
    }
}

fn extension_limits(document: &mut Document) {
    let length = |count: usize| u16::try_from(count).unwrap().to_be_bytes();
    let subject = |count: usize| {
        let head = [&octets(&[START, "a1 05 79"].concat())[..], &length(count)].concat();
        Pieces(vec![(head, 1), (vec![b's'], count), (octets(END), 1)])
    };
    document.limit("subject", Kind::Content, subject, 4_096);
    let seen = |count: usize| {
        let count_octets = u32::try_from(count).unwrap().to_be_bytes();
        let head = match u16::try_from(count) {
            Ok(short) => [vec![0x99], short.to_be_bytes().to_vec()].concat(),
            Err(_) => [vec![0x9a], count_octets.to_vec()].concat(),
        };
        let head = [octets(&[START, "a1 190100"].concat()), head].concat();
        // The shortest there is: IDs of MIMI would make the message too large before.
        Pieces(vec![(head, 1), (octets("82 40 01"), count), (octets(END), 1)])
    };
    document.limit("lastSeen", Kind::Content, seen, 65_535);
}

pub(crate) fn status() -> Document {
    let mut document = Document::new("message-status.json", "draft-mahy-mimi-message-status-01");
    let kind = Kind::Status;
    document.valid("none", kind, &MessageStatusReport::default().encode());
    for status in (0..=7).chain([255]) {
        let report = MessageStatusReport(vec![(ID, MessageStatus(status))]);
        document.valid(&format!("status {status}"), kind, &report.encode());
    }
    let report = MessageStatusReport(vec![(ID, MessageStatus::READ); 2]);
    document.valid("two", kind, &report.encode());
    let entry = |status: &str| octets(&["81 82 5820", &"01".repeat(32), status].concat());
    let short = ["81 82 581f", &"01".repeat(31), "01"].concat();
    let unknown = ["81 82 5820", &"02".repeat(32), "01"].concat();
    for (name, octets) in [
        ("status 256", entry("190100")),
        ("status below 0", entry("20")),
        ("status not in its shortest form", entry("1801")),
        ("an ID of 31 octets", octets(&short)),
        ("an ID of an unknown hash", octets(&unknown)),
        ("an entry of one item", octets("81 81 00")),
        ("a map", octets("a0")),
        ("an indefinite array", octets("9fff")),
    ] {
        document.invalid(name, kind, &octets);
    }
    let one = entry("02");
    let many = |count: usize| {
        let head = [vec![0x99], u16::try_from(count).unwrap().to_be_bytes().to_vec()].concat();
        Pieces(vec![(head, 1), (one[1..].to_vec(), count)])
    };
    document.limit("entries", kind, many, 16_384);
    document
}
