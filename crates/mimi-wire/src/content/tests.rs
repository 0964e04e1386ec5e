use serde_json::Value;

use super::{MessageId, MimiContent};
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
