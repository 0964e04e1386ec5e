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

/// `Extension extensions<V>` of that type, each with that content.
fn extensions_of(extension_type: u16, content: &[u8], count: usize) -> Vec<u8> {
    let mut one = Writer::default();
    one.u16(extension_type);
    one.opaque(content);
    let mut writer = Writer::default();
    writer.opaque(&one.into_octets().repeat(count));
    writer.into_octets()
}

fn vector(element: &[u8], count: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.opaque(&element.repeat(count));
    writer.into_octets()
}

/// A leaf with these extensions.
fn leaf_with(extensions: &[u8]) -> Vec<u8> {
    // Two keys, a basic credential, capabilities, an update, and a signature.
    [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2], extensions, &[0]].concat()
}

fn key_package_of(extensions: &[u8]) -> Vec<u8> {
    [&[0, 1, 0, 1, 0], &leaf_with(&[0])[..], extensions, &[0]].concat()
}

fn group_info_of(extensions: &[u8]) -> Vec<u8> {
    let context = [&[0, 1, 0, 1, 0][..], &[0; 8], &[0, 0, 0]].concat();
    [&context, extensions, &[0; 6][..]].concat()
}

fn proposal_of(proposal: &[u8]) -> Vec<u8> {
    let start = [&[0, 1, 0, 1, 0][..], &[0; 8], &[1, 0, 0, 0, 0, 0, 2]].concat();
    [&start, proposal, &[0; 3]].concat()
}

#[test]
fn the_extensions_of_each_object() {
    let list = |count| extensions_of(0x0f0f, &[], count);
    for (what, object) in [
        ("GroupInfo.extensions", &group_info_of as &dyn Fn(&[u8]) -> Vec<u8>),
        ("KeyPackage.extensions", &|list| [&[0, 1, 0, 5], &key_package_of(list)[..]].concat()),
        ("KeyPackage.extensions", &|list| {
            proposal_of(&[&[0, 1], &key_package_of(list)[..]].concat())
        }),
        ("LeafNode.extensions", &|list| proposal_of(&[&[0, 2], &leaf_with(list)[..]].concat())),
        ("ReInit.extensions", &|list| proposal_of(&[&[0, 5, 0, 0, 1, 0, 1], list].concat())),
        ("GroupContextExtensions.extensions", &|list| proposal_of(&[&[0, 7], list].concat())),
    ] {
        let check = match what {
            "GroupInfo.extensions" => group_info,
            _ => message,
        };
        assert_eq!(reason(check(Reader::new(&object(&list(LIST_ELEMENTS_MAX))))), None, "{what}");
        let over = reason(check(Reader::new(&object(&list(LIST_ELEMENTS_MAX + 1)))));
        assert_eq!(over, Some(format!("{what}: more than 4096 elements")));
    }
}

/// What the library takes apart inside of extensions.
#[test]
fn the_lists_in_extensions() {
    for (extension_type, element, most, field) in [
        (2, &[0][..], TREE_NODES_MAX, "ratchet_tree"),
        (5, &[0, 0, 1, 0], LIST_ELEMENTS_MAX, "external_senders"),
        (6, &[0, 1, 0], LIST_ELEMENTS_MAX, "app_data_dictionary"),
    ] {
        let object =
            |count| group_info_of(&extensions_of(extension_type, &vector(element, count), 1));
        assert_eq!(reason(group_info(Reader::new(&object(most)))), None, "{field}");
        let over = reason(group_info(Reader::new(&object(most + 1))));
        assert_eq!(over, Some(format!("{field}: more than {most} elements")));
    }
}

/// However many leaves they are spread over.
#[test]
fn the_extensions_of_all_leaves() {
    let tree = |count: usize| {
        let node = |extensions: &[u8]| [&[1, 1], &leaf_with(extensions)[..]].concat();
        let full = node(&extensions_of(0x0f0f, &[], LIST_ELEMENTS_MAX));
        let leaves = [
            full.repeat(count / LIST_ELEMENTS_MAX),
            node(&extensions_of(0x0f0f, &[], count % LIST_ELEMENTS_MAX)),
        ];
        vector(&leaves.concat(), 1)
    };
    assert_eq!(reason(ratchet_tree(Reader::new(&tree(MLS_EXTENSIONS_MAX)))), None);
    let over = reason(ratchet_tree(Reader::new(&tree(MLS_EXTENSIONS_MAX + 1))));
    assert_eq!(over, Some(format!("extensions: more than {MLS_EXTENSIONS_MAX} elements")));
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
