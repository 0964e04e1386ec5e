//! A certificate authority for development: TLS certificates for domains nobody owns.
//!
//! It stands in for a public authority on one machine or in one closed federation. Its root goes
//! into `tls.roots` of every provider that is to trust it.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use mimi_wire::Domain;
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use time::Duration;
use zeroize::Zeroizing;

pub use crate::certificate_authority::AuthorityError;
use crate::certificate_authority::{CertificateAuthority, Profile, common_name};
use crate::private_file;

/// The root certificate in the authority's directory.
pub const CA_CERTIFICATE_FILE: &str = "ca.pem";
/// The root's private key in the authority's directory.
pub const CA_KEY_FILE: &str = "ca.key";
/// How long a server certificate is valid.
pub const SERVER_CERTIFICATE_DAYS: i64 = 825;
/// How long a root is valid.
pub const CA_CERTIFICATE_DAYS: i64 = 3_650;

/// A development authority in a directory.
#[derive(Debug)]
pub struct DevCa {
    directory: PathBuf,
    authority: CertificateAuthority,
}

/// A server certificate and its private key, both PEM.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The chain, the server's own certificate first.
    pub certificate_pem: String,
    /// The private key; wiped when dropped.
    pub key_pem: PrivateKeyPem,
}

/// A private key in PEM that stays out of debug output and is wiped when dropped.
pub struct PrivateKeyPem(Zeroizing<String>);

impl PrivateKeyPem {
    /// The PEM text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PrivateKeyPem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PrivateKeyPem(..)")
    }
}

impl DevCa {
    /// Opens the authority in a directory, or makes a new one there.
    pub fn open_or_create(directory: &Path, now_ms: u64) -> Result<Self, AuthorityError> {
        private_file::create_directory(directory)
            .map_err(|source| AuthorityError::File { path: directory.to_owned(), source })?;
        let profile = Profile {
            common_name: "Tombolo development CA".to_owned(),
            algorithm: &PKCS_ECDSA_P256_SHA256,
            lifetime: Duration::days(CA_CERTIFICATE_DAYS),
        };
        let certificate = directory.join(CA_CERTIFICATE_FILE);
        let key = directory.join(CA_KEY_FILE);
        let authority = CertificateAuthority::open_or_create(&certificate, &key, &profile, now_ms)?;
        Ok(Self { directory: directory.to_owned(), authority })
    }

    /// The root certificate as PEM.
    pub fn root_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Where the root certificate is.
    pub fn root_path(&self) -> PathBuf {
        self.directory.join(CA_CERTIFICATE_FILE)
    }

    /// A new key and a certificate for a domain, good for both roles in TLS: peers with stock
    /// verifiers refuse a certificate without clientAuth from a client.
    pub fn issue(&self, domain: &Domain, now_ms: u64) -> Result<ServerCertificate, AuthorityError> {
        let certify = |error: rcgen::Error| AuthorityError::Certify(error.to_string());
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(certify)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(domain.as_str());
        let name = domain.as_str().try_into().map_err(certify)?;
        params.subject_alt_names = vec![SanType::DnsName(name)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let lifetime = Duration::days(SERVER_CERTIFICATE_DAYS);
        let certificate = self.authority.certify(params, &key, lifetime, now_ms)?;
        Ok(ServerCertificate {
            certificate_pem: certificate.pem(),
            key_pem: PrivateKeyPem(Zeroizing::new(key.serialize_pem())),
        })
    }
}
