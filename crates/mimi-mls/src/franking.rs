//! The hub's franking agent: the key that signs franks, and the component that names it
//! (protocol-06 section 5.4.1).

use mimi_wire::franking::FrankingAgentData;
use mimi_wire::mls::Credential;
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use openmls::prelude::CredentialType;
use openmls_traits::types::SignatureScheme;
use tls_codec::Serialize as _;

use crate::label::{supported, verify_with_label};
use crate::signature_key::{SignatureKey, labelled};

pub use mimi_wire::franking::FRANKING_INTEGRITY_LABEL;

/// Octets of a credential's identity that are looked at.
const IDENTITY_OCTETS_MAX: usize = mimi_wire::limits::URI_OCTETS_MAX;
/// Type of a basic credential.
const CREDENTIAL_BASIC: u16 = 1;

/// The signature key of a hub's franks, of the scheme of the suite that rooms have (FRANK-5);
/// wiped on drop.
#[derive(Clone, Debug)]
pub struct FrankingAgent {
    key: SignatureKey,
    domain: Domain,
}

impl FrankingAgent {
    /// From a saved or fresh Ed25519 seed.
    pub fn from_seed(domain: Domain, seed: [u8; 32]) -> Self {
        let seed = zeroize::Zeroizing::new(seed);
        Self { key: SignatureKey::from_seed(&seed), domain }
    }

    /// The content of component 0x0021: the key and a basic credential `mimi://<domain>`
    /// (AMB-FRK-1, AMB-FRK-7).
    pub fn data(&self) -> FrankingAgentData {
        let identity = self.domain.provider_uri().as_bytes().to_vec();
        let credential = openmls::prelude::Credential::new(CredentialType::Basic, identity);
        let octets = credential.tls_serialize_detached().expect("a domain name is short");
        FrankingAgentData {
            franking_signature_key: self.key.public().to_vec(),
            credential: Credential::decode(&octets).expect("octets just written by the library"),
        }
    }

    /// Whether the key is of the signature scheme of a suite (FRANK-5).
    pub fn signs_for(suite: CipherSuite) -> bool {
        let ed25519 = SignatureScheme::ED25519;
        supported(suite).is_ok_and(|suite| suite.signature_algorithm() == ed25519)
    }

    /// The integrity signature over an encoded `FrankingIntegrityTBS`.
    pub fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        self.key.sign_with_label(FRANKING_INTEGRITY_LABEL, tbs)
    }

    /// The octets that are signed for an encoded `FrankingIntegrityTBS`, by whoever computes Ed25519
    /// faster than this crate, with the same result as [`sign`](Self::sign).
    pub fn signed_octets(tbs: &[u8]) -> Vec<u8> {
        labelled(FRANKING_INTEGRITY_LABEL, tbs)
    }

    /// Whether a signature is this agent's, by the algorithm of the suite a frank names
    /// (PROTO-ABU-2).
    pub fn verifies(&self, suite: CipherSuite, tbs: &[u8], signature: &[u8]) -> bool {
        verifies(self.key.public(), suite, tbs, signature)
    }
}

/// Whether a signature over an encoded `FrankingIntegrityTBS` is of a key, by the algorithm of a
/// suite (FRANK-7).
pub fn verifies(key: &[u8], suite: CipherSuite, tbs: &[u8], signature: &[u8]) -> bool {
    supported(suite).is_ok()
        && verify_with_label(suite, key, FRANKING_INTEGRITY_LABEL, tbs, signature).is_ok()
}

/// The provider that an agent's credential names; `None` where we cannot tell (FRANK-7,
/// AMB-FRK-7). A certificate would name it in its SAN; no hub has one yet that we could trust.
pub fn agent_domain(agent: &FrankingAgentData) -> Option<Domain> {
    let mut reader = mimi_wire::codec::Reader::new(agent.credential.octets());
    if reader.u16("Credential.credential_type").ok()? != CREDENTIAL_BASIC {
        return None;
    }
    let identity = reader.opaque(IDENTITY_OCTETS_MAX, "Credential.identity").ok()?;
    let uri = MimiUri::new(std::str::from_utf8(identity).ok()?).ok()?;
    (uri.kind() == UriKind::Provider).then(|| uri.domain())
}

#[cfg(test)]
mod tests {
    use super::{FrankingAgent, agent_domain, verifies};

    /// FRANK-5, FRANK-7: the credential names the hub; a signature counts for its key, suite and
    /// octets alone.
    #[test]
    fn an_agent_signs_for_its_domain() {
        let agent = FrankingAgent::from_seed("a.example".parse().unwrap(), [7; 32]);
        let data = agent.data();
        assert_eq!(agent_domain(&data), Some("a.example".parse().unwrap()));
        let signature = agent.sign(b"tbs");
        let key = &data.franking_signature_key;
        assert!(verifies(key, crate::CIPHERSUITE, b"tbs", &signature));
        assert!(FrankingAgent::signs_for(1) && FrankingAgent::signs_for(3));
        assert!(!FrankingAgent::signs_for(2) && !FrankingAgent::signs_for(0xffff));
        assert!(agent.verifies(crate::CIPHERSUITE, b"tbs", &signature));
        assert!(!verifies(key, crate::CIPHERSUITE, b"other", &signature));
        assert!(!verifies(&[1; 32], crate::CIPHERSUITE, b"tbs", &signature));
        // ECDSA P-256, and a number nobody has assigned.
        assert!(!verifies(key, 2, b"tbs", &signature));
        assert!(!verifies(key, 0xffff, b"tbs", &signature));
        let other = FrankingAgent::from_seed("a.example".parse().unwrap(), [8; 32]);
        assert!(!other.verifies(crate::CIPHERSUITE, b"tbs", &signature));
    }
}
