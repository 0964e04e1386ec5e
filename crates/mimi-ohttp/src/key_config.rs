//! Key configurations (RFC 9458 section 3): what a gateway can open.

use hpke_rs_crypto::types::{AeadAlgorithm, KdfAlgorithm, KemAlgorithm};

use crate::OhttpFault;

/// Octets of all key configurations of a gateway together.
pub const KEY_CONFIGS_OCTETS_MAX: usize = 4 * 1024;
/// Octets of a public key of X25519.
pub const PUBLIC_KEY_OCTETS: usize = 32;

pub(crate) const KEM: KemAlgorithm = KemAlgorithm::DhKem25519;
pub(crate) const KDF: KdfAlgorithm = KdfAlgorithm::HkdfSha256;
const KEM_ID: u16 = 0x0020;
const KDF_ID: u16 = 0x0001;

/// The symmetric algorithms: HKDF-SHA256 with one of two ciphers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Suite {
    /// AES-128-GCM.
    Aes128Gcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
}

impl Suite {
    /// What our own gateways open, the one our clients prefer first.
    pub const ALL: [Self; 2] = [Self::Aes128Gcm, Self::ChaCha20Poly1305];

    pub(crate) fn aead(self) -> AeadAlgorithm {
        match self {
            Self::Aes128Gcm => AeadAlgorithm::Aes128Gcm,
            Self::ChaCha20Poly1305 => AeadAlgorithm::ChaCha20Poly1305,
        }
    }

    fn aead_id(self) -> u16 {
        match self {
            Self::Aes128Gcm => 0x0001,
            Self::ChaCha20Poly1305 => 0x0003,
        }
    }

    fn from_ids(kdf: u16, aead: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| (KDF_ID, suite.aead_id()) == (kdf, aead))
    }

    /// Key identifier and algorithms as they begin every request.
    pub(crate) fn header(self, key_id: u8) -> [u8; HEADER_OCTETS] {
        let [kem, kdf, aead] = [KEM_ID, KDF_ID, self.aead_id()].map(u16::to_be_bytes);
        [key_id, kem[0], kem[1], kdf[0], kdf[1], aead[0], aead[1]]
    }

    /// The algorithms that a request begins with.
    pub(crate) fn of_header(header: [u8; HEADER_OCTETS]) -> Option<Self> {
        let [_, kem0, kem1, kdf0, kdf1, aead0, aead1] = header;
        if u16::from_be_bytes([kem0, kem1]) != KEM_ID {
            return None;
        }
        Self::from_ids(u16::from_be_bytes([kdf0, kdf1]), u16::from_be_bytes([aead0, aead1]))
    }
}

/// Octets before the encapsulated key in a request.
pub(crate) const HEADER_OCTETS: usize = 7;

/// One key of a gateway, X25519, and the algorithms it takes with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyConfig {
    /// Names the key among the gateway's.
    pub key_id: u8,
    /// The key.
    pub public_key: [u8; PUBLIC_KEY_OCTETS],
    /// Algorithms, in the gateway's order; those unknown here are left out.
    pub suites: Vec<Suite>,
}

impl KeyConfig {
    /// As `application/ohttp-keys`, the preferred one first.
    pub fn encode_all(configs: &[Self]) -> Vec<u8> {
        let mut octets = Vec::new();
        for config in configs {
            let config = config.encode();
            let length = u16::try_from(config.len()).expect("at most two suites");
            octets.extend(length.to_be_bytes());
            octets.extend(config);
        }
        octets
    }

    /// One configuration, without the length before it.
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = vec![self.key_id];
        octets.extend(KEM_ID.to_be_bytes());
        octets.extend(self.public_key);
        let length = u16::try_from(4 * self.suites.len()).expect("at most two suites");
        octets.extend(length.to_be_bytes());
        for suite in &self.suites {
            octets.extend(KDF_ID.to_be_bytes());
            octets.extend(suite.aead_id().to_be_bytes());
        }
        octets
    }

    /// Reads one configuration.
    ///
    /// # Errors
    /// [`OhttpFault::UnknownSuite`] if none of its algorithms are known here.
    pub fn decode(octets: &[u8]) -> Result<Self, OhttpFault> {
        let fault = OhttpFault::Format("a key configuration");
        let (&[key_id, kem0, kem1], rest) = octets.split_first_chunk().ok_or(fault)?;
        if u16::from_be_bytes([kem0, kem1]) != KEM_ID {
            // How long its key is, and so all behind it, is not known.
            return Err(OhttpFault::UnknownSuite);
        }
        let (&public_key, rest) = rest.split_first_chunk().ok_or(fault)?;
        let (&length, pairs) = rest.split_first_chunk().ok_or(fault)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length != pairs.len() || length == 0 || length % 4 != 0 {
            return Err(fault);
        }
        let mut suites = Vec::new();
        for pair in pairs.chunks_exact(4) {
            let &[kdf0, kdf1, aead0, aead1] = pair else { continue };
            let known = Suite::from_ids(
                u16::from_be_bytes([kdf0, kdf1]),
                u16::from_be_bytes([aead0, aead1]),
            );
            suites.extend(known.filter(|suite| !suites.contains(suite)));
        }
        if suites.is_empty() {
            return Err(OhttpFault::UnknownSuite);
        }
        Ok(Self { key_id, public_key, suites })
    }

    /// The first configuration of an `application/ohttp-keys` that can be used here: gateways put the
    /// one they prefer first.
    ///
    /// # Errors
    /// [`OhttpFault`] if there is none, or what is there is no such document.
    pub fn choose(octets: &[u8]) -> Result<Self, OhttpFault> {
        if octets.len() > KEY_CONFIGS_OCTETS_MAX {
            return Err(OhttpFault::TooLarge);
        }
        let fault = OhttpFault::Format("key configurations");
        let (mut rest, mut chosen) = (octets, None);
        while !rest.is_empty() {
            let (&length, after) = rest.split_first_chunk().ok_or(fault)?;
            let length = usize::from(u16::from_be_bytes(length));
            let (config, after) = after.split_at_checked(length).ok_or(fault)?;
            match Self::decode(config) {
                Ok(config) => chosen = chosen.or(Some(config)),
                // For others than us.
                Err(OhttpFault::UnknownSuite) => {}
                Err(fault) => return Err(fault),
            }
            rest = after;
        }
        chosen.ok_or(OhttpFault::UnknownSuite)
    }
}
