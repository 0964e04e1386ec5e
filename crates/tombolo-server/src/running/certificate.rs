//! What the provider's certificate says, for whoever reads the log.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::StartError;

/// From this long before its end on, a certificate is warned of.
const WARN_DAYS: i64 = 14;
const DAY_S: i64 = 24 * 60 * 60;

/// A certificate in words.
#[derive(Debug)]
pub(super) struct Facts {
    subject: String,
    issuer: String,
    not_after: String,
    not_after_s: i64,
}

/// Reads the first certificate of a file.
pub(super) fn facts(path: &Path) -> Result<Facts, StartError> {
    let unusable = |error: &dyn std::fmt::Display| {
        StartError::Other(format!("{} cannot be read: {error}", path.display()))
    };
    let der = CertificateDer::from_pem_file(path).map_err(|error| unusable(&error))?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|error| unusable(&error))?;
    let not_after = certificate.validity().not_after;
    Ok(Facts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_after: not_after.to_string(),
        not_after_s: not_after.timestamp(),
    })
}

impl Facts {
    pub(super) fn announce(&self, now_ms: u64) {
        let now_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
        let days_left = (self.not_after_s - now_s).div_euclid(DAY_S);
        let Self { subject, issuer, not_after, .. } = self;
        match days_left {
            ..0 => tracing::error!(
                subject,
                issuer,
                not_after,
                "the certificate has expired: peers and clients will refuse it, replace it"
            ),
            0..WARN_DAYS => tracing::warn!(
                subject,
                issuer,
                not_after,
                days_left,
                "the certificate expires soon: replace it and restart"
            ),
            _ => tracing::info!(subject, issuer, not_after, days_left, "certificate"),
        }
    }
}
