//! `SignWithLabel`, `VerifyWithLabel`, `EncryptWithLabel`, `DecryptWithLabel` (RFC 9420 section 5.1,
//! WIRE-5).

use std::sync::LazyLock;

use mimi_wire::Wire;
use mimi_wire::mls::HpkeCiphertext;
use mimi_wire::protocol::CipherSuite;
use openmls::prelude::SignContent;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::Ciphersuite;
use thiserror::Error;
use tls_codec::{Serialize as _, TlsSerialize, TlsSize, VLBytes};
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

/// What needs no randomness is computed by one for all: making one draws a seed from the system.
static CRYPTO: LazyLock<RustCrypto> = LazyLock::new(RustCrypto::default);

/// `EncryptContext` of RFC 9420 section 5.1.3; the library keeps its own private.
#[derive(TlsSerialize, TlsSize)]
struct EncryptContext {
    label: VLBytes,
    context: VLBytes,
}

impl EncryptContext {
    fn octets(label: &str, context: &[u8]) -> Result<Vec<u8>, LabelError> {
        let label = [b"MLS 1.0 ", label.as_bytes()].concat().into();
        let context = Self { label, context: context.to_vec().into() };
        context.tls_serialize_detached().map_err(|_| LabelError::NotValid)
    }
}

/// Verifies `SignWithLabel(…)` by the signature scheme of a suite.
pub fn verify_with_label(
    suite: CipherSuite,
    signature_key: &[u8],
    label: &str,
    content: &[u8],
    signature: &[u8],
) -> Result<(), LabelError> {
    let scheme = supported(suite)?.signature_algorithm();
    let octets = SignContent::new(label, content.to_vec().into())
        .tls_serialize_detached()
        .map_err(|_| LabelError::NotValid)?;
    CRYPTO
        .verify_signature(scheme, &octets, signature_key, signature)
        .map_err(|_| LabelError::NotValid)
}

/// Encrypts to an HPKE public key.
pub fn encrypt_with_label(
    suite: CipherSuite,
    public_key: &[u8],
    label: &str,
    context: &[u8],
    plaintext: &[u8],
) -> Result<HpkeCiphertext, LabelError> {
    let config = supported(suite)?.hpke_config();
    let info = EncryptContext::octets(label, context)?;
    let sealed = RustCrypto::default()
        .hpke_seal(config, public_key, &info, &[], plaintext)
        .map_err(|_| LabelError::NotValid)?;
    let octets = sealed.tls_serialize_detached().map_err(|_| LabelError::NotValid)?;
    HpkeCiphertext::decode(&octets).map_err(|_| LabelError::NotValid)
}

/// An HPKE key pair for one exchange; the secret is wiped on drop.
pub struct HpkeKeyPair {
    /// To hand out.
    pub public: Vec<u8>,
    secret: Zeroizing<Vec<u8>>,
}

impl HpkeKeyPair {
    /// From 32 octets of fresh randomness.
    pub fn derive(suite: CipherSuite, randomness: &[u8; 32]) -> Result<Self, LabelError> {
        let config = supported(suite)?.hpke_config();
        let pair = RustCrypto::default()
            .derive_hpke_keypair(config, randomness)
            .map_err(|_| LabelError::NotValid)?;
        Ok(Self { public: pair.public, secret: Zeroizing::new(pair.private.to_vec()) })
    }

    /// Decrypts what was sealed to the public half.
    pub fn decrypt_with_label(
        &self,
        suite: CipherSuite,
        label: &str,
        context: &[u8],
        ciphertext: &HpkeCiphertext,
    ) -> Result<Vec<u8>, LabelError> {
        let config = supported(suite)?.hpke_config();
        let info = EncryptContext::octets(label, context)?;
        RustCrypto::default()
            .hpke_open(config, ciphertext.parsed(), &self.secret, &info, &[])
            .map_err(|_| LabelError::NotValid)
    }
}

impl std::fmt::Debug for HpkeKeyPair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HpkeKeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A suite by its number, if this build can compute with it.
pub(crate) fn supported(suite: CipherSuite) -> Result<Ciphersuite, LabelError> {
    let known = Ciphersuite::try_from(suite).map_err(|_| LabelError::Suite(suite))?;
    CRYPTO.supports(known).map_err(|_| LabelError::Suite(suite))?;
    Ok(known)
}

#[cfg(test)]
mod tests;
