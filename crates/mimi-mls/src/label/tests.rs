use super::*;
use crate::CIPHERSUITE;
use crate::signature_key::SignatureKey;

/// WIRE-5: a signature counts for its own label, content and key only.
#[test]
fn signatures_are_bound_to_label_content_and_key() {
    let key = SignatureKey::from_seed(&[7; 32]);
    let other = SignatureKey::from_seed(&[8; 32]);
    let signature = key.sign_with_label("KeyMaterialRequestTBS", b"content");
    let verify = |public: &[u8], label: &str, content: &[u8], signature: &[u8]| {
        verify_with_label(CIPHERSUITE, public, label, content, signature)
    };
    assert_eq!(verify(key.public(), "KeyMaterialRequestTBS", b"content", &signature), Ok(()));
    let not_valid = Err(LabelError::NotValid);
    assert_eq!(verify(key.public(), "GroupInfoRequestTBS", b"content", &signature), not_valid);
    assert_eq!(verify(key.public(), "KeyMaterialRequestTBS", b"contenT", &signature), not_valid);
    assert_eq!(verify(other.public(), "KeyMaterialRequestTBS", b"content", &signature), not_valid);
    assert_eq!(verify(key.public(), "KeyMaterialRequestTBS", b"content", b""), not_valid);
    assert_eq!(verify(b"short", "KeyMaterialRequestTBS", b"content", &signature), not_valid);
}

/// The octets under the signature are those of RFC 9420 section 5.1.2.
#[test]
fn the_label_is_prefixed_with_the_protocol() {
    use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
    let key = SignatureKey::from_seed(&[7; 32]);
    let signature = key.sign_with_label("x", b"yz");
    let signed = [&[9][..], b"MLS 1.0 x", &[2], b"yz"].concat();
    let public = VerifyingKey::from_bytes(key.public()).unwrap();
    public.verify(&signed, &Signature::from_slice(&signature).unwrap()).unwrap();
}

#[test]
fn what_is_sealed_opens_with_the_same_key_label_and_context_only() {
    let pair = HpkeKeyPair::derive(CIPHERSUITE, &[3; 32]).unwrap();
    let other = HpkeKeyPair::derive(CIPHERSUITE, &[4; 32]).unwrap();
    let sealed = encrypt_with_label(CIPHERSUITE, &pair.public, "l", b"room", b"tree").unwrap();
    let open = |pair: &HpkeKeyPair, label, context| {
        pair.decrypt_with_label(CIPHERSUITE, label, context, &sealed)
    };
    assert_eq!(open(&pair, "l", b"room").unwrap(), b"tree");
    assert_eq!(open(&pair, "m", b"room"), Err(LabelError::NotValid));
    assert_eq!(open(&pair, "l", b"rooM"), Err(LabelError::NotValid));
    assert_eq!(open(&other, "l", b"room"), Err(LabelError::NotValid));
    assert!(encrypt_with_label(CIPHERSUITE, b"no key", "l", b"", b"").is_err());
}

#[test]
fn unknown_suites_are_refused_by_number() {
    assert_eq!(HpkeKeyPair::derive(0x7777, &[0; 32]).err(), Some(LabelError::Suite(0x7777)));
    let refused = verify_with_label(4, &[], "", &[], &[]);
    assert_eq!(refused, Err(LabelError::Suite(4)));
}

#[test]
fn debug_output_shows_no_secret() {
    let pair = HpkeKeyPair::derive(CIPHERSUITE, &[3; 32]).unwrap();
    let shown = format!("{pair:?}");
    assert!(!shown.contains(&format!("{:?}", &pair.secret[..])));
}
