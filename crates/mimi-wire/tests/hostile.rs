//! Large inputs made to cost: refused or accepted, each is read in time and memory that grow with
//! its length and no faster.

#![expect(clippy::disallowed_methods, reason = "what takes too long is told by a clock")]
#![expect(unreachable_pub, reason = "public in the crate of the fuzz targets")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../../fuzz/src/allocation.rs"]
mod allocation;

use std::time::{Duration, Instant};

use allocation::bounded;
use mimi_wire::codec::Writer;
use mimi_wire::component::ComponentsList;
use mimi_wire::content::MimiContent;
use mimi_wire::content::parts::Preferences;
use mimi_wire::media::{ContentType, MediaTypeList};
use mimi_wire::mls::{GroupInfo, KeyPackage, MlsMessage, RatchetTree, Welcome};
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::directory::Directory;
use mimi_wire::protocol::identifier_query::IdentifierResponse;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::room::participant_list::{ParticipantListData, ParticipantListUpdate};
use mimi_wire::room::roles::RoleData;
use mimi_wire::status::MessageStatusReport;
use mimi_wire::{MimiUri, Wire};

const MIB: usize = 1_024 * 1_024;
/// Octets that may be copied or filled for each octet of the input, all in all: what copies a
/// growing list again and again does not stay below it.
const COPIED_PER_OCTET: u64 = 400;
/// Far more than reading takes on any machine, and far less than quadratic work on a mebibyte.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Runs a decoder within its bounds.
fn within<T>(name: &str, octets: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    let start = Instant::now();
    let mut value = None;
    let info = allocation_counter::measure(|| {
        value = Some(bounded(octets, || decode(octets)));
    });
    let copied = COPIED_PER_OCTET * octets.len() as u64 + allocation::BESIDE;
    assert!(info.bytes_total <= copied, "{name}: {} octets, at most {copied}", info.bytes_total);
    assert!(start.elapsed() < TIME_MAX, "{name}: {:?}", start.elapsed());
    value.unwrap()
}

fn vector(elements: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.opaque(elements);
    writer.into_octets()
}

fn join(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// A message with these octets as its extensions and its body.
fn message(extensions: &[u8], body: &[u8]) -> Vec<u8> {
    join(&[&[0x87, 0x50], &[7; 16], &[0xf6, 0x40, 0xf6, 0xf6], extensions, body])
}

/// A CBOR head with a length of four octets.
fn head(major: u8, count: usize) -> Vec<u8> {
    let count = u32::try_from(count).unwrap().to_be_bytes();
    join(&[&[major << 5 | 26], &count])
}

/// A part with a text of that type.
fn text_part(content_type: &str, content: &[u8]) -> Vec<u8> {
    let content_type_head = [0x78, u8::try_from(content_type.len()).unwrap()];
    let content_type = join(&[&content_type_head, content_type.as_bytes()]);
    join(&[&[0x85, 1, 0x60, 1], &content_type, &head(2, content.len()), content])
}

const NULL_PART: &[u8] = &[0x83, 1, 0x60, 0];

#[test]
fn lists_of_next_to_nothing() {
    // Two octets are a media type or a parameter.
    let types = vector(&join(&[&[0], &vector(&[0; 2 * 4_096])]).repeat(1_000));
    assert!(within("media types", &types, MediaTypeList::decode).is_ok());
    let empty = vector(&[0; 2 * 4_096]);
    assert!(within("empty media types", &empty, MediaTypeList::decode).is_ok());
    let ids = vector(&[0; 16 * MIB - 8]);
    assert!(within("component ids", &ids, ComponentsList::decode).is_err());
    // 18 octets are a role, 5 of its octets more the targets of a role.
    let role = join(&[&[0; 17], &vector(&[0; 5 * 4_096])]);
    let roles = vector(&role.repeat(700));
    assert!(within("roles", &roles, RoleData::decode).is_ok());
    let participant = join(&[&vector(b"mimi://a.b/u/c"), &[0, 0, 0, 1]]);
    let participants = vector(&participant.repeat(100_000));
    assert!(within("participants", &participants, ParticipantListData::decode).is_ok());
}

#[test]
fn lists_without_repeats() {
    let indices: Vec<u8> = (0..100_000_u32).rev().flat_map(u32::to_be_bytes).collect();
    let update = join(&[&[0], &vector(&indices), &[0]]);
    assert!(within("indices", &update, ParticipantListUpdate::decode).is_ok());
    let entries = |count: u16| (0..count).flat_map(|id| join(&[&id.to_be_bytes(), &[0]]));
    let dictionary = vector(&entries(4_096).collect::<Vec<u8>>());
    assert!(within("dictionary", &dictionary, Extensions::decode).is_ok());
    // Some 2000 URIs that differ in their last octets, none of which is in both lists.
    let uri =
        |number: u16| vector(format!("mimi://a.b/u/{}{number:05}", "a".repeat(200)).as_bytes());
    let listed = vector(&(0..2_000).flat_map(uri).collect::<Vec<u8>>());
    let profile = |number| join(&[&uri(number), &[0]]);
    let profiles = vector(&(2_000..4_000).flat_map(profile).collect::<Vec<u8>>());
    let response = join(&[&[0], &listed, &profiles, &[0]]);
    let response = within("matches", &response, IdentifierResponse::decode).unwrap();
    assert_eq!(response.matches().count(), 4_000);
}

#[test]
fn objects_of_mls() {
    let blanks = vector(&vec![0; 262_143]);
    let _ = within("blank nodes", &blanks, RatchetTree::decode);
    // A parent, then leaves of a few octets each.
    let leaf = [1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0];
    let parent = [1, 2, 0, 0, 0];
    let nodes = join(&[&join(&[&leaf, &parent]).repeat(100_000), &leaf]);
    let _ = within("small nodes", &vector(&nodes), RatchetTree::decode);
    let extension = [&[0x0f, 0x0f, 0], &[0, 2, 1][..]];
    let many = vector(&extension[0].repeat(5 * MIB));
    let context = join(&[&[0, 1, 0, 1, 0], &[0; 10]]);
    let group_info = join(&[&context, &many, &[0; 8]]);
    assert!(within("extensions", &group_info, GroupInfo::decode).is_err());
    let key_package = join(&[&[0, 1, 0, 1, 0], &leaf[2..13], &many, &[0, 0, 0]]);
    assert!(within("of a leaf", &key_package, KeyPackage::decode).is_err());
    let framed = join(&[&[0, 1, 0, 1, 0], &[0; 8], &[1, 0, 0, 0, 0, 0, 2, 0, 7], &many, &[0; 3]]);
    assert!(within("of a proposal", &framed, MlsMessage::decode).is_err());
    let secrets = join(&[&[0, 1], &vector(&[0; 3 * 4_096]), &[0]]);
    let _ = within("secrets", &secrets, Welcome::decode);
    let message = join(&[&[0, 1, 0, 2, 0], &[0; 8], &[1, 0, 0, 0]]);
    let body = join(&[&[0; 8], &message, &[0]]).repeat(16_384);
    assert_eq!(within("fanout", &body, FanoutMessage::decode_all).unwrap().len(), 16_384);
}

#[test]
fn messages() {
    let keys: Vec<u8> = (0x1_0000..0x3_0000_u32)
        .flat_map(|key| join(&[&[0x1a], &key.to_be_bytes(), &[0xf6]]))
        .collect();
    let sorted = message(&join(&[&head(5, 0x2_0000), &keys]), NULL_PART);
    assert!(within("extensions", &sorted, MimiContent::decode).is_ok());
    assert!(within("in any order", &sorted, MimiContent::decode_any_key_order).is_ok());
    let backwards: Vec<u8> = keys.chunks(6).rev().flatten().copied().collect();
    let backwards = message(&join(&[&head(5, 0x2_0000), &backwards]), NULL_PART);
    assert!(within("backwards", &backwards, MimiContent::decode_any_key_order).is_ok());
    let items = join(&[&[0xa1, 0x07], &head(4, 900_000), &[0xf6; 900_000]]);
    assert!(within("items", &message(&items, NULL_PART), MimiContent::decode).is_ok());
    // More than there are octets.
    let endless = message(&[0xa1, 7, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[]);
    assert!(within("endless", &endless, MimiContent::decode).is_err());
    let tags = message(&join(&[&[0xa1, 7], &[0xc1; 100_000]]), NULL_PART);
    assert!(within("tags", &tags, MimiContent::decode).is_err());
    let parts = join(&[&[0x85, 1, 0x60, 3, 2, 0x99, 0x03, 0xff], &NULL_PART.repeat(1_023)]);
    assert!(within("parts", &message(&[0xa0], &parts), MimiContent::decode).is_ok());
    let entry = join(&[&[0x82, 0x58, 0x20, 1], &[0; 31], &[1]]);
    let report = join(&[&[0x99, 0x40, 0], &entry.repeat(16_384)]);
    assert!(within("report", &report, MessageStatusReport::decode).is_ok());
}

/// References that begin and never end.
#[test]
fn references_between_parts() {
    let text = b"cid:".repeat(250_000);
    let part = text_part("text/markdown;variant=GFM-MIMI", &text);
    let content = MimiContent::decode(&message(&[0xa0], &part)).unwrap();
    let receiver =
        Preferences { media_types: vec!["text/markdown".to_owned()], ..Preferences::default() };
    let shown = within("references", &text, |_| content.chosen_parts(&receiver).len());
    assert_eq!(shown, 1);
}

#[test]
fn texts() {
    for text in [";".repeat(MIB / 2), "a=b;".repeat(MIB / 4), "\"\\".repeat(MIB / 2)] {
        within("content type", text.as_bytes(), |_| ContentType::parse(&text));
    }
    let uri = format!("mimi://a.b/u/{}", "%C3%A4".repeat(200_000));
    assert!(within("uri", uri.as_bytes(), |_| MimiUri::new(&uri)).is_err());
    let wide = format!("{{\"x\":[{}0]}}", "0,".repeat(MIB / 2 - 20));
    assert!(within("wide JSON", wide.as_bytes(), Directory::from_json).is_ok());
    let deep = "[".repeat(MIB - 1);
    assert!(within("deep JSON", deep.as_bytes(), Directory::from_json).is_err());
}
