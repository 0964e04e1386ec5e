//! Which domain a connected peer may speak for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mimi_wire::Domain;
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;

use super::crypto;

/// How long a proof holds on an open connection before validity is checked again.
const PROOF_TTL_MS: u64 = 5 * 60 * 1_000;

/// The certificates a connection presented, leaf first.
#[derive(Debug)]
pub(crate) struct PeerChain {
    certificates: Vec<CertificateDer<'static>>,
    proven: Mutex<Option<Proof>>,
}

/// The last successful check of a connection. Nearly always the only one.
#[derive(Debug)]
struct Proof {
    domain: Domain,
    generation: u64,
    at_ms: u64,
}

/// Why a chain does not prove a domain.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the TLS certificate does not prove {domain}: {reason}")]
pub(crate) struct ProofError {
    domain: Domain,
    reason: String,
}

impl PeerChain {
    /// Of a connection whose handshake has been verified.
    pub(crate) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self { certificates, proven: Mutex::new(None) }
    }

    /// Whether the chain speaks for a domain under the roots trusted for exactly that domain
    /// (PROTO-TR-4). `generation` names the state of the trust settings the roots are from.
    pub(crate) fn proves(
        &self,
        domain: &Domain,
        roots: &RootCertStore,
        generation: u64,
        now_ms: u64,
    ) -> Result<(), ProofError> {
        if self.is_proven(domain, generation, now_ms) {
            return Ok(());
        }
        self.verify(domain, roots, now_ms)
            .map_err(|reason| ProofError { domain: domain.clone(), reason })?;
        let proof = Proof { domain: domain.clone(), generation, at_ms: now_ms };
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(proof);
        Ok(())
    }

    fn is_proven(&self, domain: &Domain, generation: u64, now_ms: u64) -> bool {
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.as_ref().is_some_and(|proof| {
            proof.domain == *domain
                && proof.generation == generation
                && now_ms.saturating_sub(proof.at_ms) < PROOF_TTL_MS
        })
    }

    fn verify(&self, domain: &Domain, roots: &RootCertStore, now_ms: u64) -> Result<(), String> {
        let (leaf, intermediates) =
            self.certificates.split_first().ok_or("there is no certificate")?;
        let name = ServerName::try_from(domain.as_str()).map_err(|error| error.to_string())?;
        let parsed = ParsedCertificate::try_from(leaf).map_err(|error| error.to_string())?;
        verify_server_name(&parsed, &name).map_err(|error| error.to_string())?;
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
        let algorithms = crypto().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)
            .map_err(|error| error.to_string())
    }
}
