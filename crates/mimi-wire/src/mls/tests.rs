use super::{
    Capabilities, Credential, ExternalSender, GroupInfo, HpkeCiphertext, KeyPackage, MessageKind,
    MlsMessage, RatchetTree, RequiredCapabilities, Welcome,
};
use crate::Wire;
use crate::codec::Reader;
use crate::fixtures::{assert_octets, fixtures, octets};

/// AMB-NTF-2, PROTO-UPD-5, PROTO-SUB-1.
#[test]
fn a_message_is_known_by_wire_format_and_content_type() {
    let fixtures = fixtures();
    for (message, kind) in [
        (&fixtures.application, MessageKind::Application),
        (&fixtures.proposal, MessageKind::Proposal),
        (&fixtures.commit, MessageKind::Commit),
        (&fixtures.framed_welcome, MessageKind::Welcome),
        (&fixtures.private_commit, MessageKind::Other),
        (&fixtures.framed_group_info, MessageKind::Other),
    ] {
        assert_eq!(message.kind(), kind);
    }
    let key_package = octets!("0001 0005", fixtures.key_package.octets());
    assert_eq!(MlsMessage::decode(&key_package).unwrap().kind(), MessageKind::Other);
}

/// Each object ends where its own structure says; nothing before its end is an object.
#[test]
fn objects_are_exactly_their_octets() {
    let fixtures = fixtures();
    assert_octets(&fixtures.application, fixtures.application.octets());
    assert_octets(&fixtures.proposal, fixtures.proposal.octets());
    assert_octets(&fixtures.commit, fixtures.commit.octets());
    assert_octets(&fixtures.private_commit, fixtures.private_commit.octets());
    assert_octets(&fixtures.framed_welcome, fixtures.framed_welcome.octets());
    assert_octets(&fixtures.welcome, fixtures.welcome.octets());
    assert_octets(&fixtures.group_info, fixtures.group_info.octets());
    assert_octets(&fixtures.group_info_with_tree, fixtures.group_info_with_tree.octets());
    assert_octets(&fixtures.ratchet_tree, fixtures.ratchet_tree.octets());
    assert_octets(&fixtures.key_package, fixtures.key_package.octets());
    assert_octets(&fixtures.credential, fixtures.credential.octets());
    assert_octets(&fixtures.capabilities, fixtures.capabilities.octets());
    assert_octets(&fixtures.required_capabilities, fixtures.required_capabilities.octets());
    assert_octets(&fixtures.external_sender, fixtures.external_sender.octets());
    assert_octets(&fixtures.hpke_ciphertext, fixtures.hpke_ciphertext.octets());
}

/// What follows an object is left for the next field.
fn assert_extent<T: Wire + PartialEq + std::fmt::Debug>(object: &T) {
    let octets = octets!(object.encode(), "01020304");
    let mut reader = Reader::new(&octets);
    assert_eq!(T::read(&mut reader).as_ref(), Ok(object));
    assert_eq!(reader.rest(), [1, 2, 3, 4]);
}

#[test]
fn objects_leave_what_follows() {
    let fixtures = fixtures();
    assert_extent(&fixtures.application);
    assert_extent(&fixtures.proposal);
    assert_extent(&fixtures.commit);
    assert_extent(&fixtures.welcome);
    assert_extent(&fixtures.group_info);
    assert_extent(&fixtures.ratchet_tree);
    assert_extent(&fixtures.key_package);
    assert_extent(&fixtures.credential);
    assert_extent(&fixtures.capabilities);
    assert_extent(&fixtures.required_capabilities);
    assert_extent(&fixtures.external_sender);
    assert_extent(&fixtures.hpke_ciphertext);
}

/// The library's own vectors obey the same rules as ours (WIRE-1).
#[test]
fn length_prefixes_inside_objects_are_minimal() {
    assert!(HpkeCiphertext::decode(&octets!("4001 aa 01 bb")).is_err());
    assert!(HpkeCiphertext::decode(&octets!("01 aa 80000001 bb")).is_err());
    assert!(HpkeCiphertext::decode(&octets!("01 aa c000000000000001 bb")).is_err());
    assert!(Credential::decode(&octets!("0001 4001 aa")).is_err());
    assert!(RequiredCapabilities::decode(&octets!("4002 0006 00 00")).is_err());
    assert!(RequiredCapabilities::decode(&octets!("01 00 00 00")).is_err());
}

/// No claimed length is believed before the octets are there.
#[test]
fn huge_claims_are_refused() {
    for claim in ["bfffffff", "bfffffff 00", "7fff", "ffffffffffffffff"] {
        let claim = octets!(claim);
        assert!(HpkeCiphertext::decode(&claim).is_err());
        assert!(RatchetTree::decode(&claim).is_err());
        assert!(Capabilities::decode(&claim).is_err());
        assert!(ExternalSender::decode(&claim).is_err());
        assert!(Credential::decode(&octets!("0002", claim)).is_err());
        assert!(Welcome::decode(&octets!("0001", claim)).is_err());
        assert!(MlsMessage::decode(&octets!("0001 0002", claim)).is_err());
        assert!(MlsMessage::decode(&octets!("0001 0001", claim)).is_err());
    }
}

/// AMB-UPD-5.
#[test]
fn an_embedded_tree_is_seen() {
    assert!(!fixtures().group_info.embeds_ratchet_tree());
    assert!(fixtures().group_info_with_tree.embeds_ratchet_tree());
}

/// Every octet changed in several ways: an answer of some kind, never a panic.
fn survive_changes<T: Wire>(object: &[u8]) {
    for at in 0..object.len() {
        for change in [0x01, 0x40, 0x80, 0xff] {
            let mut octets = object.to_vec();
            octets[at] ^= change;
            if let Ok(object) = T::decode(&octets) {
                assert_eq!(object.encode(), octets);
            }
        }
    }
}

#[test]
fn changed_messages_never_panic() {
    let fixtures = fixtures();
    for message in [
        &fixtures.application,
        &fixtures.proposal,
        &fixtures.commit,
        &fixtures.framed_welcome,
        &fixtures.framed_group_info,
    ] {
        survive_changes::<MlsMessage>(message.octets());
    }
}

/// What is taken whole is what the library takes, no more and no less.
#[test]
fn private_messages_are_those_of_the_library() {
    use openmls::prelude::MlsMessageIn;
    use tls_codec::Deserialize;

    let check = |octets: &[u8]| {
        let mut left = octets;
        let library = MlsMessageIn::tls_deserialize(&mut left).ok();
        let mut reader = Reader::new(octets);
        let ours = MlsMessage::read(&mut reader).ok();
        assert_eq!(ours.as_ref().map(|ours| ours.parsed()), library.as_ref());
        if ours.is_some() {
            assert_eq!(reader.rest(), left);
        }
    };
    let octets = fixtures().application.octets();
    for at in 0..octets.len() {
        check(&octets[..at]);
        for other in 0..=255 {
            let mut changed = octets.to_vec();
            changed[at] = other;
            check(&changed);
        }
    }
    check(&[octets, b"more"].concat());
    // Of the other content types, and with a prefix that is too long.
    for start in ["0001 0002 0161 0000000000000001 02 00 00 00", "0001 0002 4001 61"] {
        let digits = start.replace(' ', "");
        check(&[hex::decode(digits).unwrap(), vec![0; 16]].concat());
    }
}

#[test]
fn changed_objects_never_panic() {
    let fixtures = fixtures();
    survive_changes::<GroupInfo>(fixtures.group_info.octets());
    survive_changes::<RatchetTree>(fixtures.ratchet_tree.octets());
    survive_changes::<KeyPackage>(fixtures.key_package.octets());
    survive_changes::<Capabilities>(fixtures.capabilities.octets());
    survive_changes::<RequiredCapabilities>(fixtures.required_capabilities.octets());
    survive_changes::<ExternalSender>(fixtures.external_sender.octets());
}
