//! Our own certificate and key, replaced while connections are open: whoever renews certificates only
//! has to write the files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use mimi_wire::Domain;
use rustls::client::ResolvesClientCert;
use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use thiserror::Error;
use tokio::time::Instant;

use super::crypto;
use crate::clock;

/// The TLS certificate chain and key of the provider's domain.
///
/// One certificate serves both roles, since public authorities no longer issue client certificates.
#[derive(Debug)]
pub struct Identity {
    domain: Domain,
    files: IdentityFiles,
    current: ArcSwap<CertifiedKey>,
    generation: AtomicU64,
    looked: Mutex<Looked>,
}

/// Where chain and key are.
#[derive(Debug)]
struct IdentityFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files looked like when they were last looked at.
#[derive(Debug)]
struct Looked {
    at: Instant,
    marks: [Option<SystemTime>; 2],
}

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
    /// Takes on a chain and key in PEM files; the first certificate must be valid for the domain.
    pub fn from_files(
        domain: Domain,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, IdentityError> {
        let files = IdentityFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        let looked = Looked { at: clock::monotonic(), marks: files.marks() };
        let current = ArcSwap::from_pointee(files.read(&domain)?);
        let (generation, looked) = (AtomicU64::new(0), Mutex::new(looked));
        Ok(Self { domain, files, current, generation, looked })
    }

    /// Replaces chain and key at once, by others in PEM; connections made from now on use them.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), IdentityError> {
        self.take_on(certified_key(&self.domain, certificate, key)?);
        Ok(())
    }

    fn take_on(&self, certified: CertifiedKey) {
        self.current.store(Arc::new(certified));
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Chain and key as of now, or of a moment ago.
    fn current(&self) -> Arc<CertifiedKey> {
        if self.has_changed() {
            match self.files.read(&self.domain) {
                Ok(certified) => {
                    self.take_on(certified);
                    tracing::info!(domain = %self.domain, "the TLS certificate is replaced");
                }
                // The files are perhaps half written, and will be looked at again.
                Err(error) => tracing::warn!(%error, "the TLS certificate is not replaced"),
            }
        }
        self.current.load_full()
    }

    fn has_changed(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.at.elapsed() < LOOK_EVERY {
            return false;
        }
        looked.at = clock::monotonic();
        let marks = self.files.marks();
        let changed = marks != looked.marks;
        looked.marks = marks;
        changed
    }

    /// Grows with every replacement: connections to peers made under an older one are not reused.
    pub(crate) fn generation(&self) -> u64 {
        self.current();
        self.generation.load(Ordering::Relaxed)
    }
}

impl IdentityFiles {
    fn read(&self, domain: &Domain) -> Result<CertifiedKey, IdentityError> {
        certified_key(domain, &read(&self.certificate)?, &read(&self.key)?)
    }

    fn marks(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::metadata(path).ok()?.modified().ok())
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
        Some(self.current())
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
