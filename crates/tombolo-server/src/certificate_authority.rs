//! A certificate authority in two files: made when first asked for, opened ever after.
//!
//! Used for the client issuer of a provider ([`crate::issuer`]) and for development certificates
//! ([`crate::dev_ca`]); what they certify is theirs to say.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::private_file;

/// Certificates are valid from this long ago, for clocks that are late.
const BACKDATED: Duration = Duration::hours(1);
/// Octets of a serial number (RFC 5280 section 4.1.2.2 allows 20).
const SERIAL_OCTETS: usize = 16;

/// Why an authority cannot be opened or does not certify.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path} is not what it should be: {reason}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key is gone while its certificate is still there.
    #[error(
        "{certificate} has lost its private key {key}: restore it from a backup, or remove the \
             certificate to begin anew"
    )]
    KeyLost {
        /// The certificate.
        certificate: PathBuf,
        /// Where its key was.
        key: PathBuf,
    },
    /// The authority's own certificate is no longer valid.
    #[error("the issuing certificate has expired: remove it and its key to begin anew")]
    Expired,
    /// A certificate cannot be made of what was asked.
    #[error("no certificate can be made of this: {0}")]
    Certify(String),
}

/// What a new authority is like.
pub(crate) struct Profile {
    pub(crate) common_name: String,
    pub(crate) algorithm: &'static SignatureAlgorithm,
    pub(crate) lifetime: Duration,
}

/// An authority, ready to certify. Its key never shows in debug output.
#[derive(Debug)]
pub(crate) struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl CertificateAuthority {
    /// Opens the authority in two files, or makes a new one there.
    pub(crate) fn open_or_create(
        certificate: &Path,
        key: &Path,
        profile: &Profile,
        now_ms: u64,
    ) -> Result<Self, AuthorityError> {
        if !key.exists() {
            if certificate.exists() {
                let (certificate, key) = (certificate.to_owned(), key.to_owned());
                return Err(AuthorityError::KeyLost { certificate, key });
            }
            create_key(key, profile)?;
        }
        let key_pair = read_key(key)?;
        // A crash between the two files leaves the key alone: it gets its certificate now.
        if !certificate.exists() {
            let pem = self_sign(&key_pair, profile, now_ms)?.pem();
            create_unless_there(certificate, pem.as_bytes())?;
        }
        Self::open(certificate, key_pair)
    }

    fn open(path: &Path, key_pair: KeyPair) -> Result<Self, AuthorityError> {
        let file = |source| AuthorityError::File { path: path.to_owned(), source };
        let content = |reason: String| AuthorityError::Content { path: path.to_owned(), reason };
        let octets = private_file::read(path).map_err(file)?;
        let pem = String::from_utf8(octets.to_vec()).map_err(|_| content("not PEM".to_owned()))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| content(error.to_string()))?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|error| content(error.to_string()))?;
        if parsed.public_key().raw != key_pair.subject_public_key_info() {
            return Err(content("the private key beside it belongs to another one".to_owned()));
        }
        let not_before = parsed.validity().not_before.to_datetime();
        let not_after = parsed.validity().not_after.to_datetime();
        let issuer =
            Issuer::from_ca_cert_der(&der, key_pair).map_err(|error| content(error.to_string()))?;
        Ok(Self { issuer, pem, not_before, not_after })
    }

    /// The authority's own certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Certifies a key for at most `lifetime`, never longer than the authority itself lasts.
    pub(crate) fn certify(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        lifetime: Duration,
        now_ms: u64,
    ) -> Result<rcgen::Certificate, AuthorityError> {
        let now = moment(now_ms)?;
        if now >= self.not_after {
            return Err(AuthorityError::Expired);
        }
        params.not_before = (now - BACKDATED).max(self.not_before);
        params.not_after = (now + lifetime).min(self.not_after);
        params.serial_number = Some(serial());
        params.use_authority_key_identifier_extension = true;
        params
            .signed_by(key, &self.issuer)
            .map_err(|error| AuthorityError::Certify(error.to_string()))
    }
}

/// A name that consists of a common name alone.
pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn self_sign(
    key: &KeyPair,
    profile: &Profile,
    now_ms: u64,
) -> Result<rcgen::Certificate, AuthorityError> {
    let now = moment(now_ms)?;
    let mut params = CertificateParams::default();
    params.not_before = now - BACKDATED;
    params.not_after = now + profile.lifetime;
    params.serial_number = Some(serial());
    params.distinguished_name = common_name(&profile.common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.self_signed(key).map_err(|error| AuthorityError::Certify(error.to_string()))
}

fn create_key(path: &Path, profile: &Profile) -> Result<(), AuthorityError> {
    let key = KeyPair::generate_for(profile.algorithm)
        .map_err(|error| AuthorityError::Certify(error.to_string()))?;
    let pem = zeroize::Zeroizing::new(key.serialize_pem());
    create_unless_there(path, pem.as_bytes())
}

fn read_key(path: &Path) -> Result<KeyPair, AuthorityError> {
    let file = |source| AuthorityError::File { path: path.to_owned(), source };
    let content = |reason: String| AuthorityError::Content { path: path.to_owned(), reason };
    let octets = private_file::read(path).map_err(file)?;
    let pem = std::str::from_utf8(&octets).map_err(|_| content("not PEM".to_owned()))?;
    KeyPair::from_pem(pem).map_err(|error| content(format!("no private key: {error}")))
}

/// Whoever is first wins; everybody reads what is there afterwards.
fn create_unless_there(path: &Path, octets: &[u8]) -> Result<(), AuthorityError> {
    match private_file::create(path, octets) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(AuthorityError::File { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Random, positive and never zero (RFC 5280 section 4.1.2.2).
fn serial() -> SerialNumber {
    let mut octets: [u8; SERIAL_OCTETS] = rand::random();
    octets[0] = octets[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&octets)
}

fn moment(now_ms: u64) -> Result<OffsetDateTime, AuthorityError> {
    let seconds = i64::try_from(now_ms / 1000).ok();
    seconds
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or_else(|| AuthorityError::Certify("the clock shows no possible time".to_owned()))
}
