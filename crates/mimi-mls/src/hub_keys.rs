//! The hub's external-sender key (PROTO-ST-4, AMB-ST-1).

use mimi_wire::mls::ExternalSender;
use mimi_wire::{Domain, Wire};
use openmls::prelude::{Credential, CredentialType};
use tls_codec::Serialize as _;

use crate::signature_key::SignatureKey;

/// The signature key a hub signs proposals and GroupInfo answers with; wiped on drop.
#[derive(Clone, Debug)]
pub struct HubKeys {
    key: SignatureKey,
    domain: Domain,
}

impl HubKeys {
    /// From a saved or fresh Ed25519 seed.
    pub fn from_seed(domain: Domain, seed: [u8; 32]) -> Self {
        let seed = zeroize::Zeroizing::new(seed);
        Self { key: SignatureKey::from_seed(&seed), domain }
    }

    /// The public signature key (Ed25519, 32 octets).
    pub fn signature_key(&self) -> &[u8] {
        self.key.public()
    }

    /// The entry for `external_senders`: the key and a basic credential `mimi://<domain>`.
    pub fn external_sender(&self) -> ExternalSender {
        let identity = self.domain.provider_uri().as_bytes().to_vec();
        let credential = Credential::new(CredentialType::Basic, identity);
        let sender =
            openmls::prelude::ExternalSender::new(self.key.public().to_vec().into(), credential);
        let octets = sender.tls_serialize_detached().expect("a key and a domain name are short");
        ExternalSender::decode(&octets).expect("octets just written by the library")
    }

    /// SignWithLabel.
    pub fn sign_with_label(&self, label: &str, content: &[u8]) -> Vec<u8> {
        self.key.sign_with_label(label, content)
    }
}
