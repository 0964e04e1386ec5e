//! What the MLS library computes with: cryptography, randomness and the pieces of one state.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::random::OpenMlsRand;
use rand::rngs::StdRng;
use rand::{CryptoRng, RngCore, SeedableRng};

use crate::pieces::Pieces;

/// One call's worth of environment for the library.
pub(crate) struct Provider<'a, R = RustCrypto> {
    pub(crate) crypto: &'a RustCrypto,
    pub(crate) rand: &'a R,
    pub(crate) pieces: &'a Pieces,
}

impl<R: OpenMlsRand> OpenMlsProvider for Provider<'_, R> {
    type CryptoProvider = RustCrypto;
    type RandProvider = R;
    type StorageProvider = Pieces;

    fn storage(&self) -> &Pieces {
        self.pieces
    }

    fn crypto(&self) -> &RustCrypto {
        self.crypto
    }

    fn rand(&self) -> &R {
        self.rand
    }
}

/// Randomness from a caller's generator.
pub(crate) struct Seeded(Mutex<StdRng>);

impl Seeded {
    pub(crate) fn from_rng(rng: &mut impl CryptoRng) -> Self {
        Self(Mutex::new(StdRng::from_rng(rng)))
    }
}

impl OpenMlsRand for Seeded {
    type Error = Infallible;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Infallible> {
        let mut octets = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut octets);
        Ok(octets)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, Infallible> {
        let mut octets = vec![0; len];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut octets);
        Ok(octets)
    }
}
