use crate::codec::Writer;
use crate::limits::FANOUT_MESSAGES_MAX;
use crate::mls::{MlsMessage, RatchetTree, Welcome};
use crate::protocol::notify::FanoutMessage;

use super::*;
use crate::Wire;

fn welcome_with(count: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u16(1);
    // Three empty values each.
    writer.opaque(&vec![0; 3 * count]);
    writer.opaque(b"group info");
    writer.into_octets()
}

fn commit_with(count: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.raw(&[0, 1, 0, 1]);
    writer.opaque(b"group");
    writer.u64(1);
    writer.raw(&[1, 0, 0, 0, 0]);
    writer.opaque(b"");
    writer.u8(3);
    // SelfRemove, inline.
    writer.opaque(&[1, 0, 10].repeat(count));
    writer.u8(0);
    writer.opaque(b"signature");
    writer.u8(1);
    writer.opaque(b"tag");
    writer.opaque(b"membership");
    writer.into_octets()
}

fn reason<T>(decoded: Result<T, Malformed>) -> Option<String> {
    decoded.err().map(|error| format!("{}: {}", error.field, error.reason))
}

#[test]
fn the_secrets_of_a_welcome() {
    assert_eq!(reason(Welcome::decode(&welcome_with(LIST_ELEMENTS_MAX))), None);
    let over = welcome_with(LIST_ELEMENTS_MAX + 1);
    let expected = Some("Welcome.secrets: more than 4096 elements".to_owned());
    assert_eq!(reason(Welcome::decode(&over)), expected);
    assert_eq!(reason(MlsMessage::decode(&[&[0, 1, 0, 3], &over[..]].concat())), expected);
}

#[test]
fn the_proposals_of_a_commit() {
    let at_limit = message(Reader::new(&commit_with(LIST_ELEMENTS_MAX)));
    assert_eq!(reason(at_limit), None);
    let over = MlsMessage::decode(&commit_with(LIST_ELEMENTS_MAX + 1));
    assert_eq!(reason(over), Some("Commit.proposals: more than 4096 elements".to_owned()));
}

#[test]
fn the_nodes_of_a_tree() {
    let blanks = |count: usize| {
        let mut writer = Writer::default();
        writer.opaque(&vec![0; count]);
        writer.into_octets()
    };
    assert_eq!(reason(ratchet_tree(Reader::new(&blanks(TREE_NODES_MAX)))), None);
    let over = reason(RatchetTree::decode(&blanks(TREE_NODES_MAX + 1))).unwrap();
    assert_eq!(over, format!("ratchet_tree: more than {TREE_NODES_MAX} elements"));
}

#[test]
fn the_messages_of_a_body() {
    let one = {
        let mut writer = Writer::default();
        writer.u64(1);
        writer.raw(&[0, 1, 0, 2]);
        writer.opaque(b"group");
        writer.u64(0);
        writer.u8(1);
        writer.opaque(b"");
        writer.opaque(b"sender");
        writer.opaque(b"text");
        writer.u8(0);
        writer.into_octets()
    };
    let body = one.repeat(FANOUT_MESSAGES_MAX);
    assert_eq!(FanoutMessage::decode_all(&body).unwrap().len(), FANOUT_MESSAGES_MAX);
    assert!(FanoutMessage::decode_all(&[body, one].concat()).is_err());
}
