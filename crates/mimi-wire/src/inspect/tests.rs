use serde_json::{Value, json};

use super::{Claims, Kind, NodeValue, content_json, guess, inspect};
use crate::Wire;
use crate::component;
use crate::content::{Expiration, ExtensionKey, ExtensionValue, MimiContent};
use crate::fixtures::{fixtures, octets};
use crate::protocol::Extensions;
use crate::protocol::consent::{ConsentEntry, ConsentOperation};
use crate::protocol::group_info::JoiningCodeForm;
use crate::protocol::group_info::{GroupInfoRequest, GroupInfoRequestTbs, JoiningCode};
use crate::protocol::notify::{FanoutKind, FanoutMessage};
use crate::uri::MimiUri;

const MULTIPART_3: &[u8] = include_bytes!("../../../../vectors/content/multipart-3.cbor");
const ATTACHMENT: &[u8] = include_bytes!("../../../../vectors/content/attachment.cbor");
const STATUS: &[u8] = include_bytes!("../../../../vectors/status/status.cbor");

fn uri(uri: &str) -> MimiUri {
    MimiUri::new(uri).unwrap()
}

fn alice() -> MimiUri {
    uri("mimi://a.example/u/alice")
}

fn room() -> MimiUri {
    uri("mimi://a.example/r/clubhouse")
}

fn consent() -> ConsentEntry {
    ConsentEntry {
        operation: ConsentOperation::Grant {
            client_key_packages: vec![fixtures().key_package.clone()],
        },
        requester_uri: alice(),
        target_uri: uri("mimi://b.example/u/bob"),
        room_id: Some(room()),
        consent_extensions: Extensions([(0x0022, vec![0xff])].into()),
    }
}

/// The nodes of every level lie one after the other, without gaps inside of what they are part of
/// but for prefixes, and their octets are those of the input.
fn assert_in_order(nodes: &[super::Node], from: usize, to: usize) {
    let mut at = from;
    for node in nodes {
        assert!(node.offset >= at && node.offset + node.length <= to, "{node:?}");
        at = node.offset + node.length;
        assert_in_order(&node.children, node.offset, at);
    }
}

#[test]
fn a_tree_names_every_field_with_its_place() {
    let octets = consent().encode();
    let inspection = inspect(Kind::Consent, &octets).unwrap();
    assert_in_order(&inspection.nodes, 0, octets.len());
    let fields: Vec<&str> = inspection.nodes.iter().map(|node| node.field.as_str()).collect();
    let expected = [
        "ConsentEntry.consentOperation",
        "ConsentEntry.requesterUri",
        "ConsentEntry.targetUri",
        "ConsentEntry.roomId",
        "ConsentEntry.clientKeyPackages",
        "AppDataDictionary.component_data",
    ];
    assert_eq!(fields, expected);
    let requester = &inspection.nodes[1];
    assert_eq!((requester.offset, requester.length), (1, 25));
    assert_eq!(requester.value, NodeValue::Text(alice().to_string()));
    let packages = &inspection.nodes[4];
    assert_eq!(packages.value, NodeValue::List(1));
    let package = &packages.children[0];
    assert_eq!(package.field, "[0] KeyPackage");
    assert_eq!(package.children[1].field, "KeyPackage.cipher_suite");
    assert_eq!(package.children[1].value, NodeValue::Number(1));
    let id = &inspection.nodes[5].children[0];
    assert_eq!(id.meaning, Some("participant_list"));
    let shown = inspection.to_string();
    assert!(shown.starts_with(&format!("consent, {} octets\n", octets.len())), "{shown}");
    assert!(shown.contains("0001  ConsentEntry.requesterUri = \"mimi://a.example/u/alice\"\n"));
    let json = inspection.to_json();
    assert_eq!(json["nodes"][0]["value"], 2);
    assert_eq!(json["nodes"][1]["offset"], 1);
}

#[test]
fn every_mls_object_of_a_notify_body_is_taken_apart() {
    let fixtures = fixtures();
    let message = |message: &crate::mls::MlsMessage, kind| FanoutMessage {
        timestamp: 1,
        message: message.clone(),
        kind,
    };
    let body = [
        message(&fixtures.application, FanoutKind::Application { frank: None }).encode(),
        message(&fixtures.commit, FanoutKind::Commit { external_proposals: vec![] }).encode(),
        message(
            &fixtures.proposal,
            FanoutKind::Proposal { more_proposals: vec![fixtures.proposal.clone()] },
        )
        .encode(),
    ]
    .concat();
    let inspection = inspect(Kind::Fanout, &body).unwrap();
    assert_in_order(&inspection.nodes, 0, body.len());
    let messages: Vec<_> =
        inspection.nodes.iter().filter(|node| node.field == "MlsMessage").collect();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|node| !node.children.is_empty()));
    for (kind, octets) in [
        (Kind::Welcome, fixtures.welcome.octets()),
        (Kind::GroupInfo, fixtures.group_info.octets()),
        (Kind::KeyPackage, fixtures.key_package.octets()),
        (Kind::Credential, fixtures.credential.octets()),
        (Kind::MlsMessage, fixtures.framed_welcome.octets()),
        (Kind::MlsMessage, fixtures.framed_group_info.octets()),
    ] {
        let inspection = inspect(kind, octets).unwrap();
        assert!(inspection.nodes[0].children.len() > 1, "{kind}");
        assert_in_order(&inspection.nodes, 0, octets.len());
        assert!(guess(octets).contains(&kind), "{kind}");
    }
}

/// What a component holds is taken apart wherever it stands.
#[test]
fn components_are_taken_apart_inside_of_proposals_and_dictionaries() {
    let proposal =
        octets!("0001 0001 01aa 0000000000000001 01 00000000 00 02 0008 0028 01 020201 00 00");
    let inspection = inspect(Kind::MlsMessage, &proposal).unwrap();
    assert_in_order(&inspection.nodes, 0, proposal.len());
    let shown = inspection.to_string();
    for line in [
        "0015    Proposal.proposal_type = 8 (app_data_update)\n",
        "0017    AppDataUpdate.component_id = 40 (status_notification_policy)\n",
        "001b      StatusNotificationPolicy.delivery_notifications = 2\n",
        "001c      StatusNotificationPolicy.read_receipts = 1\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    // What does not decode stays as it is.
    let odd = Extensions([(0x0028, vec![2, 1]), (0x0029, vec![0xff])].into()).encode();
    let inspection = inspect(Kind::AppDataDictionary, &odd).unwrap();
    assert_in_order(&inspection.nodes, 0, odd.len());
    let [_, policy, _, odd] = &inspection.nodes[0].children[..] else { panic!("two components") };
    assert_eq!((policy.children.len(), odd.children.len()), (2, 0));
}

/// CONTENT-SEC-1: a message that is both malformed and nonsensical is malformed.
#[test]
fn whatever_makes_no_sense_is_looked_at_to_its_end() {
    let content = MimiContent {
        topic_id: vec![7; 4_096],
        ..MimiContent::text([7; 16], &alice(), &room(), "hi")
    };
    let mut long = content.encode().unwrap();
    // The topic of 4096 octets becomes one of 4097.
    long.splice(20..22, [0x10, 0x01, 7]);
    let fault = inspect(Kind::Content, &long).unwrap_err();
    assert_eq!((fault.class, fault.offset), ("nonsensical", 19));
    assert_eq!(content_json(&long, Claims::default()).unwrap_err(), fault);
    let both = [&long[..], &[0]].concat();
    assert_eq!(inspect(Kind::Content, &both).unwrap_err().class, "malformed");
    // A body that is nested without end is read to a certain depth only, and not to its fault.
    let two = octets!("85 01 60 03 02 82 83 01 60 00");
    let start = octets!("87 50 07070707070707070707070707070707 f6 40 f6 f6 a0");
    for (levels, class) in [(60, "malformed"), (100, "nonsensical"), (50_000, "nonsensical")] {
        let deep = [&start[..], &two.repeat(levels)].concat();
        assert_eq!(inspect(Kind::Content, &deep).unwrap_err().class, class, "{levels}");
    }
}

/// AMB-GI-1: the reading that failed leaves nothing behind.
#[test]
fn a_second_reading_replaces_the_first() {
    let tbs = GroupInfoRequestTbs {
        cipher_suite: 1,
        requesting_signature_key: vec![1],
        requesting_credential: fixtures().credential.clone(),
        group_info_public_key: vec![2],
        joining_code: Some(JoiningCode { code: vec![1, 3, 9, 9], form: JoiningCodeForm::Plain }),
    };
    let octets = GroupInfoRequest { tbs, signature: vec![4; 70] }.encode();
    let inspection = inspect(Kind::GroupInfoRequest, &octets).unwrap();
    assert_in_order(&inspection.nodes, 0, octets.len());
    let joined: Vec<_> =
        inspection.nodes.iter().filter(|node| node.field.contains("joiningCode")).collect();
    assert_eq!(joined.len(), 1);
}

#[test]
fn faults_of_a_directory_name_the_key_and_its_place() {
    for (text, field, offset) in [
        ("{\"a\":1,\n \"update\":1}", "update", 9),
        ("{\"clientIssuers\":1}", "clientIssuers", 1),
        ("{\n\"a\":?}", "directory", 6),
        ("[]", "directory", 0),
    ] {
        let fault = inspect(Kind::Directory, text.as_bytes()).unwrap_err();
        assert_eq!((fault.field.as_str(), fault.offset), (field, offset), "{text}");
    }
}

#[test]
fn messages_as_trees() {
    let inspection = inspect(Kind::Content, MULTIPART_3).unwrap();
    assert_in_order(&inspection.nodes, 0, MULTIPART_3.len());
    let shown = inspection.to_string();
    assert_eq!(shown.matches("NestedPart: ").count(), 11, "{shown}");
    assert!(shown.contains("NestedPart.disposition = 1 (render)"), "{shown}");
    let status = inspect(Kind::Status, STATUS).unwrap().to_string();
    assert!(status.contains("PerMessageStatus.status = 3 (expired)"), "{status}");
}

#[test]
fn kinds_have_names() {
    for kind in Kind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(*kind));
    }
    for name in ["component 0x0022", "component 34", "component participant_list", "component:34"] {
        assert_eq!(name.parse(), Ok(Kind::Component(component::PARTICIPANT_LIST)), "{name}");
    }
    assert_eq!("component-update 0x2a".parse(), Ok(Kind::ComponentUpdate(component::JOIN_LINKS)));
    for name in ["", "content ", "component", "component x", "component 0x10000", "thing 1"] {
        assert!(name.parse::<Kind>().is_err(), "{name}");
    }
    let unknown = inspect(Kind::Component(0xf00d), &[1, 2]).unwrap();
    assert_eq!(unknown.nodes[0].value, NodeValue::Octets(vec![1, 2]));
}

#[test]
fn guesses() {
    assert_eq!(guess(MULTIPART_3).first(), Some(&Kind::Content));
    assert_eq!(guess(STATUS).first(), Some(&Kind::Status));
    assert_eq!(guess(&consent().encode()).first(), Some(&Kind::Consent));
    assert_eq!(guess(b"{\"keyMaterial\": 1}").first(), None);
    assert!(guess(&[0xff; 40]).is_empty());
}

#[test]
fn a_message_as_json() {
    let content = MimiContent {
        topic_id: b"t".to_vec(),
        expires: Some(Expiration { relative: true, time: 60 }),
        ..MimiContent::text([7; 16], &alice(), &room(), "hi")
    };
    let octets = content.encode().unwrap();
    let (alice, room) = (alice(), room());
    let claims = Claims {
        sender: Some(&alice),
        room: Some(&room),
        accepted_at_ms: Some(1_000),
        ..Claims::default()
    };
    let id = crate::content::MessageId::compute(&alice, &room, &octets, &[7; 16]);
    let expected = json!({
        "message_id": id.to_string(),
        "salt": "07".repeat(16),
        "replaces": null,
        "topic_id": "74",
        "expires": { "relative": true, "time": 60 },
        "in_reply_to": null,
        "extensions": { "1": alice.as_str(), "2": room.as_str() },
        "body": {
            "part_index": 0,
            "disposition": "render",
            "language": "",
            "cardinality": "single",
            "content_type": "text/markdown;variant=GFM-MIMI",
            "content": "6869",
            "text": "hi",
        },
    });
    assert_eq!(content_json(&octets, claims).unwrap(), expected);
    let unknown = content_json(&octets, Claims::default()).unwrap();
    assert_eq!(unknown["message_id"], Value::Null);
}

#[test]
fn extensions_and_parts_as_json() {
    let mut content = MimiContent::text([7; 16], &alice(), &room(), "hi");
    let values = [
        (ExtensionKey::Int(3), "a2 01 1b001fffffffffffff 25 01"),
        (ExtensionKey::Int(-1), "3bffffffffffffffff"),
        (ExtensionKey::Int(900), "85 f93c00 f97c00 f97e00 fa7f7fffff f98001"),
        (ExtensionKey::Int(901), "84 f4 f6 f7 f8ff"),
        (ExtensionKey::Text("12".to_owned()), "d820 61 78"),
        (ExtensionKey::Text("a".to_owned()), "a2 41ff 01 6161 02"),
    ];
    for (key, hex) in values {
        content.extensions.insert(key, ExtensionValue::Encoded(octets!(hex)));
    }
    let json = content_json(&content.encode().unwrap(), Claims::default()).unwrap();
    let extensions = &json["extensions"];
    assert_eq!(extensions["3"], json!({ "1": 9_007_199_254_740_991_i64, "-6": 1 }));
    assert_eq!(extensions["-1"], "-18446744073709551616");
    let floats = json!([1.0, "inf", "NaN", 3.402_823_466_385_288_6e38, -5.960_464_477_539_063e-8]);
    assert_eq!(extensions["900"], floats);
    let simple = json!([false, null, { "simple": 23 }, { "simple": 255 }]);
    assert_eq!(extensions["901"], simple);
    assert_eq!(extensions["\"12\""], json!({ "tag": 32, "value": "x" }));
    assert_eq!(extensions["a"], json!({ "h'ff'": 1, "a": 2 }));
    let external = content_json(ATTACHMENT, Claims::default()).unwrap();
    assert_eq!(external["body"]["cardinality"], "external");
    assert_eq!(external["body"]["enc_alg"], 1);
    let multi = content_json(MULTIPART_3, Claims::default()).unwrap();
    assert_eq!(multi["body"]["semantics"], "chooseOne");
    assert_eq!(multi["body"]["parts"][1]["parts"][1]["part_index"], 10);
}

/// CONTENT-SEC-1: faults name class, offset and field.
#[test]
fn faults_as_json() {
    let content = MimiContent::text([7; 16], &alice(), &room(), "hi");
    let octets = content.encode().unwrap();
    let cut = content_json(&octets[..octets.len() - 1], Claims::default()).unwrap_err();
    assert_eq!((cut.class, cut.field.as_str()), ("malformed", "SinglePart.content"));
    assert_eq!(cut.to_json()["error"]["offset"], octets.len() - 3);

    let (mallory, alice) = (uri("mimi://c.example/u/mallory"), alice());
    let other = Claims { sender: Some(&mallory), ..Claims::default() };
    let fault = content_json(&octets, other).unwrap_err();
    assert_eq!((fault.class, fault.offset), ("nonsensical", 24));
    assert_eq!(fault.field, "mimiContent.mimiExtensions.senderUri");
    let elsewhere = Claims { room: Some(&alice), ..Claims::default() };
    let fault = content_json(&octets, elsewhere).unwrap_err();
    assert_eq!(fault.field, "mimiContent.mimiExtensions.roomUri");

    let expires = Some(Expiration { relative: false, time: 5 });
    let old = MimiContent { expires, ..content.clone() }.encode().unwrap();
    assert!(content_json(&old, Claims::default()).is_ok());
    let accepted = Claims { accepted_at_ms: Some(1_700_000_000_000), ..Claims::default() };
    let fault = content_json(&old, accepted).unwrap_err();
    assert_eq!((fault.offset, fault.field.as_str()), (20, "mimiContent.expires"));

    let mut subject = content;
    subject.extensions.insert(ExtensionKey::SUBJECT, ExtensionValue::Encoded(vec![1]));
    let octets = subject.encode().unwrap();
    let fault = content_json(&octets, Claims::default()).unwrap_err();
    assert_eq!(fault.field, "mimiContent.mimiExtensions.subject");
    assert_eq!(octets[fault.offset - 1..=fault.offset], [5, 1]);
}

proptest::proptest! {
    #[test]
    fn noise_is_inspected_without_panic(octets: Vec<u8>) {
        for kind in guess(&octets) {
            let inspection = inspect(kind, &octets).unwrap();
            assert_in_order(&inspection.nodes, 0, octets.len());
            let _ = (inspection.to_string(), inspection.to_json());
        }
        let _ = content_json(&octets, Claims::default());
    }
}
