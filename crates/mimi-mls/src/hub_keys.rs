//! The hub's external-sender key (PROTO-ST-4, AMB-ST-1).

use mimi_wire::Domain;
use mimi_wire::mls::ExternalSender;
use zeroize::Zeroizing;

/// The signature key a hub signs proposals and GroupInfo answers with; wiped on drop.
#[derive(Debug)]
pub struct HubKeys {
    seed: Zeroizing<[u8; 32]>,
    domain: Domain,
}

impl HubKeys {
    /// From a saved or fresh Ed25519 seed.
    pub fn from_seed(domain: Domain, seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), domain }
    }

    /// The entry for `external_senders`: the key and a basic credential `mimi://<domain>`.
    pub fn external_sender(&self) -> ExternalSender {
        let _ = (&self.seed, &self.domain);
        todo!()
    }

    /// SignWithLabel.
    pub fn sign_with_label(&self, label: &str, content: &[u8]) -> Vec<u8> {
        let _ = (label, content);
        todo!()
    }
}
