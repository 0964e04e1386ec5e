//! A device's own keys: its signature key, its credential and the private halves of KeyPackages.

use mimi_policy::ClientIdentity;
use mimi_wire::mls::{Credential, KeyPackage};
use rand::{CryptoRng, RngCore};

use crate::error::{SnapshotError, StageError};

/// A device before and after its provider has certified it.
#[derive(Debug)]
pub struct Device {
    _private: (),
}

impl Device {
    /// A fresh signature key, without a credential yet.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let _ = rng;
        todo!()
    }

    /// The public signature key (Ed25519, 32 octets).
    pub fn signature_key(&self) -> &[u8] {
        todo!()
    }

    /// Takes on the X.509 chain its provider issued, DER, leaf first.
    pub fn certify(&mut self, chain: &[Vec<u8>], identity: ClientIdentity) -> Result<(), StageError> {
        let _ = (chain, identity);
        todo!()
    }

    /// Who the device is; `None` before it is certified.
    pub fn identity(&self) -> Option<&ClientIdentity> {
        todo!()
    }

    /// The credential; `None` before it is certified.
    pub fn credential(&self) -> Option<Credential> {
        todo!()
    }

    /// SignWithLabel with the device's signature key.
    pub fn sign_with_label(&self, label: &str, content: &[u8]) -> Vec<u8> {
        let _ = (label, content);
        todo!()
    }

    /// Fresh KeyPackages, valid from an hour ago for `lifetime_s`; private halves stay inside.
    pub fn key_packages(
        &mut self,
        count: usize,
        lifetime_s: u64,
        now_ms: u64,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<KeyPackage>, StageError> {
        let _ = (count, lifetime_s, now_ms, rng);
        todo!()
    }

    /// The whole device as one versioned blob. Holds secrets.
    pub fn snapshot(&self) -> zeroize::Zeroizing<Vec<u8>> {
        todo!()
    }

    /// Restores a [`snapshot`](Self::snapshot).
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let _ = snapshot;
        todo!()
    }
}
