use super::{
    DomainList, ExternalReceiver, ExternalReceivers, IdentityLinkTbe, KeyForExternalReceiver,
    PerMessageKeyAndNonces, PseudonymousCredential, PseudonymousCredentialTbs,
    SemiPrivateContentAad, SemiPrivateMessage, SemiPrivateMessageContext,
};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text, vector};
use crate::uri::{Domain, MimiUri};

const CLIENT: &str = "mimi://a.example/d/4d1e5a0c";
const USER: &str = "mimi://a.example/p/9a0f";

/// PROTO-MMR-1, PROTO-MMR-3, AMB-MMR-1, AMB-W-6.
#[test]
fn pseudonyms() {
    let tbs = PseudonymousCredentialTbs {
        client_pseudonym: MimiUri::new(CLIENT).unwrap(),
        user_pseudonym: MimiUri::new(USER).unwrap(),
        signature_public_key: vec![1, 2],
    };
    let signed = octets!(text(CLIENT), text(USER), "02 0102");
    assert_octets(&tbs, &signed);
    let credential = PseudonymousCredential { tbs, identity_link_ciphertext: vec![3] };
    assert_octets(&credential, &octets!(signed, "01 03"));
    let client_credential = fixtures().credential.clone();
    let octets = octets!("02 0405", client_credential.octets());
    let pseudonymous_credential_signature = vec![4, 5];
    assert_octets(
        &IdentityLinkTbe { pseudonymous_credential_signature, client_credential },
        &octets,
    );
}

fn aad() -> SemiPrivateContentAad {
    SemiPrivateContentAad {
        group_id: vec![0xaa],
        epoch: 7,
        content_type: 3,
        authenticated_data: vec![0],
        partial_context_hash: vec![0xbb, 0xbc],
        keys_for_external_receivers: vec![KeyForExternalReceiver {
            external_receiver_ref: vec![0xcc],
            encrypted_keys_and_nonces: fixtures().hpke_ciphertext.clone(),
        }],
        framed_content_tbs_hash: vec![0xdd],
    }
}

/// SPM-1, AMB-SPM-2, AMB-SPM-3, AMB-SPM-4.
#[test]
fn semi_private_messages() {
    let keys = vector(&octets!("01 cc", fixtures().hpke_ciphertext.octets()));
    let start = octets!("01 aa 0000000000000007");
    let end = octets!("01 00 02 bbbc", keys, "01 dd");
    let aad_octets = octets!(start.clone(), "03", end.clone());
    assert_octets(&aad(), &aad_octets);
    let message = SemiPrivateMessage {
        aad: aad(),
        encrypted_sender_data: vec![0xee],
        ciphertext: vec![0xff; 3],
    };
    assert_octets(&message, &octets!(aad_octets, "01 ee 03 ffffff"));
    let application = octets!(start.clone(), "01", end, "01 ee 00");
    assert_eq!(
        SemiPrivateMessage::decode(&application).unwrap_err().field,
        "SemiPrivateMessage.content_type"
    );
    let nobody = octets!(start, "02 01 00 00 00 00 00 00");
    assert_eq!(
        SemiPrivateMessage::decode(&nobody).unwrap_err().field,
        "SemiPrivateMessage.keys_for_external_receivers"
    );
    let context = SemiPrivateMessageContext {
        group_id: vec![0xaa],
        epoch: 7,
        partial_context_hash: vec![0xbb],
    };
    assert_octets(&context, &octets!("01 aa 0000000000000007 01 bb"));
    let keys = PerMessageKeyAndNonces {
        key: vec![1],
        nonce: vec![2, 3],
        reuse_guard: [4, 5, 6, 7],
        sender_leaf_index: 0x0809_0a0b,
    };
    assert_octets(&keys, &octets!("01 01 02 0203 04050607 08090a0b"));
    assert_eq!(keys.partial_context_hash_input(), octets!("08090a0b 0203"));
    let credential = fixtures().credential.clone();
    let octets = octets!("01 09", credential.octets());
    let receiver = ExternalReceiver { external_receiver_public_key: vec![9], credential };
    assert_octets(&receiver, &octets);
    assert_octets(&ExternalReceivers::default(), &[0]);
    assert_octets(&ExternalReceivers(vec![receiver]), &vector(&octets));
}

/// RTO-2, AMB-RTO-5.
#[test]
fn where_trees_come_from() {
    let domains =
        |names: &[&str]| DomainList(names.iter().map(|name| Domain::new(name).unwrap()).collect());
    let list = domains(&["a.example", "cdn.b.example"]);
    let octets = octets!(text("a.example"), text("cdn.b.example"));
    assert_octets(&list, &vector(&octets));
    assert!(DomainList::decode(&[0]).is_err());
    assert!(DomainList::decode(&vector(&text("A.example"))).is_err());
    for url in ["https://a.example/tree", "https://cdn.b.example:8443/x", "https://a.example"] {
        assert!(list.permits(url), "{url}");
    }
    for url in [
        "http://a.example/tree",
        "https://b.example/tree",
        "https://a.example.evil.example/",
        "https://a.example@evil.example/",
        "https://a.example:x@evil.example/",
        "https://evil.example/a.example",
        "https://evil.example\\a.example/",
    ] {
        assert!(!list.permits(url), "{url}");
    }
}
