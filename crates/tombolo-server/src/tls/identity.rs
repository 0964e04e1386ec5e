//! Our own certificate and key, replaceable while connections are open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use mimi_wire::Domain;
use rustls::client::ResolvesClientCert;
use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use thiserror::Error;

use super::crypto;

/// The TLS certificate chain and key of the provider's domain.
///
/// One certificate serves both roles, since public authorities no longer issue client certificates.
#[derive(Debug)]
pub struct Identity {
    domain: Domain,
    current: ArcSwap<CertifiedKey>,
    generation: AtomicU64,
}

/// Why a certificate or key cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not PEM, or not of the right kind.
    #[error("no certificate chain and key in PEM: {0}")]
    Pem(String),
    /// The key does not fit the certificate, or its type is not supported.
    #[error("the certificate and the key cannot be used together: {0}")]
    Unusable(String),
    /// The certificate is for somebody else.
    #[error("the certificate is not valid for {domain}: {reason}")]
    WrongDomain {
        /// Our domain.
        domain: Domain,
        /// Why.
        reason: String,
    },
}

impl Identity {
    /// Takes on a chain and key in PEM; the first certificate must be valid for the domain.
    pub fn from_pem(domain: Domain, certificate: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let certified = certified_key(&domain, certificate, key)?;
        let current = ArcSwap::from_pointee(certified);
        Ok(Self { domain, current, generation: AtomicU64::new(0) })
    }

    /// As [`from_pem`](Self::from_pem), from files.
    pub fn from_files(
        domain: Domain,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, IdentityError> {
        Self::from_pem(domain, &read(certificate)?, &read(key)?)
    }

    /// Replaces chain and key; connections made from now on use them.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), IdentityError> {
        let certified = certified_key(&self.domain, certificate, key)?;
        self.current.store(Arc::new(certified));
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Grows with every replacement: connections to peers made under an older one are not reused.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    std::fs::read(path).map_err(|source| IdentityError::File { path: path.to_owned(), source })
}

fn certified_key(
    domain: &Domain,
    certificate: &[u8],
    key: &[u8],
) -> Result<CertifiedKey, IdentityError> {
    let pem = |error: rustls_pki_types::pem::Error| IdentityError::Pem(error.to_string());
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(pem)?;
    let Some(leaf) = chain.first() else {
        return Err(IdentityError::Pem("there is no certificate".to_owned()));
    };
    check_name(domain, leaf)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(pem)?;
    CertifiedKey::from_der(chain, key, &crypto())
        .map_err(|error| IdentityError::Unusable(error.to_string()))
}

fn check_name(domain: &Domain, leaf: &CertificateDer<'_>) -> Result<(), IdentityError> {
    let wrong = |reason: String| IdentityError::WrongDomain { domain: domain.clone(), reason };
    let name = ServerName::try_from(domain.as_str()).map_err(|error| wrong(error.to_string()))?;
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| wrong(error.to_string()))?;
    verify_server_name(&parsed, &name).map_err(|error| wrong(error.to_string()))
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
