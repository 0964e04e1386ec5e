//! Ed25519 signature keys of devices and hubs, made from a seed and wiped when dropped.

use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::SignContent;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use tls_codec::Serialize as _;
use zeroize::Zeroizing;

/// A signature key pair. Its `Debug` shows the public half only.
#[derive(Clone, Debug)]
pub(crate) struct SignatureKey {
    key: SigningKey,
    public: [u8; 32],
}

impl SignatureKey {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key().to_bytes();
        Self { key, public }
    }

    pub(crate) fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    pub(crate) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// `SignWithLabel` (RFC 9420 section 5.1.2, WIRE-5).
    pub(crate) fn sign_with_label(&self, label: &str, content: &[u8]) -> Vec<u8> {
        let octets = labelled(label, content);
        self.key.sign(&octets).to_bytes().to_vec()
    }
}

/// What `SignWithLabel` signs.
pub(crate) fn labelled(label: &str, content: &[u8]) -> Vec<u8> {
    SignContent::new(label, content.to_vec().into())
        .tls_serialize_detached()
        .expect("a label and content in memory are shorter than 2^30 octets")
}

impl Signer for SignatureKey {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
