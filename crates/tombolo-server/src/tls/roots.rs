//! Root certificates from files, and the public ones.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

/// Why root certificates cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold certificates.
    #[error("{path} holds no root certificate in PEM: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The roots cannot be used.
    #[error("the root certificates cannot be used: {0}")]
    Unusable(String),
}

/// The roots the public web trusts.
pub(crate) fn public_roots() -> Arc<RootCertStore> {
    Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}

/// All certificates in PEM files, as roots.
pub(crate) fn read_roots(paths: &[PathBuf]) -> Result<Arc<RootCertStore>, RootsError> {
    let mut store = RootCertStore::empty();
    for path in paths {
        let pem = std::fs::read(path)
            .map_err(|source| RootsError::File { path: path.clone(), source })?;
        let wrong = |reason: String| RootsError::Pem { path: path.clone(), reason };
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            store.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if store.len() == before {
            return Err(wrong("the file has no certificate".to_owned()));
        }
    }
    Ok(Arc::new(store))
}
