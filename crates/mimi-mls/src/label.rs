//! `SignWithLabel`, `VerifyWithLabel`, `EncryptWithLabel`, `DecryptWithLabel` (RFC 9420 section 5.1,
//! WIRE-5).

use mimi_wire::mls::HpkeCiphertext;
use mimi_wire::protocol::CipherSuite;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a labelled operation failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelError {
    /// The suite is not supported.
    #[error("cipher suite {0:#06x} is not supported")]
    Suite(CipherSuite),
    /// The signature or the ciphertext is not valid for this key and label.
    #[error("not valid for this key and label")]
    NotValid,
}

/// Verifies `SignWithLabel(…)` by the signature scheme of a suite.
pub fn verify_with_label(
    suite: CipherSuite,
    signature_key: &[u8],
    label: &str,
    content: &[u8],
    signature: &[u8],
) -> Result<(), LabelError> {
    let _ = (suite, signature_key, label, content, signature);
    todo!()
}

/// Encrypts to an HPKE public key.
pub fn encrypt_with_label(
    suite: CipherSuite,
    public_key: &[u8],
    label: &str,
    context: &[u8],
    plaintext: &[u8],
) -> Result<HpkeCiphertext, LabelError> {
    let _ = (suite, public_key, label, context, plaintext);
    todo!()
}

/// An HPKE key pair for one exchange; the secret is wiped on drop.
#[derive(Debug)]
pub struct HpkeKeyPair {
    /// To hand out.
    pub public: Vec<u8>,
    secret: Zeroizing<Vec<u8>>,
}

impl HpkeKeyPair {
    /// From 32 octets of fresh randomness.
    pub fn derive(suite: CipherSuite, randomness: &[u8; 32]) -> Result<Self, LabelError> {
        let _ = (suite, randomness);
        todo!()
    }

    /// Decrypts what was sealed to the public half.
    pub fn decrypt_with_label(
        &self,
        suite: CipherSuite,
        label: &str,
        context: &[u8],
        ciphertext: &HpkeCiphertext,
    ) -> Result<Vec<u8>, LabelError> {
        let _ = (suite, label, context, ciphertext, &self.secret);
        todo!()
    }
}
