//! The client issuer: certifies who the provider's own devices are (AMB-ID-1).
//!
//! A device's certificate names exactly one client URI and one user URI and holds the device's MLS
//! signature key. The issuer's own certificate is published in the directory, and is trusted by
//! others for URIs of this provider's domain only. Who gets a certificate is for
//! `mimi_provider::account` to decide.

#[cfg(test)]
mod tests;

use std::path::Path;

use ed25519_dalek::{PUBLIC_KEY_LENGTH, VerifyingKey};
use mimi_wire::room::claim_name::{ClaimName, NamedClaim};
use mimi_wire::{Domain, MimiUri, UriKind};
use rcgen::{
    CertificateParams, DnType, IsCa, KeyUsagePurpose, PKCS_ED25519, SanType, SubjectPublicKeyInfo,
};
use time::Duration;

pub use crate::certificate_authority::AuthorityError;
use crate::certificate_authority::{CertificateAuthority, Profile, common_name};

/// The issuer's certificate in the data directory.
pub const ISSUER_CERTIFICATE_FILE: &str = "client-issuer.pem";
/// The issuer's private key in the data directory.
pub const ISSUER_KEY_FILE: &str = "client-issuer.key";
/// How long a device's certificate is valid, if the issuer's is.
pub const DEVICE_CERTIFICATE_DAYS: i64 = 365;
/// How long an issuer's certificate is valid.
pub const ISSUER_CERTIFICATE_DAYS: i64 = 3_650;

/// DER of the SubjectPublicKeyInfo of an Ed25519 key, up to the key itself (RFC 8410 section 4).
const ED25519_SPKI_PREFIX: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// A provider's issuer of device certificates.
#[derive(Debug)]
pub struct ClientIssuer {
    domain: Domain,
    authority: CertificateAuthority,
}

impl ClientIssuer {
    /// Opens the issuer in the data directory, or makes one there at the first start.
    pub fn open_or_create(
        data_dir: &Path,
        domain: &Domain,
        now_ms: u64,
    ) -> Result<Self, AuthorityError> {
        let profile = Profile {
            common_name: format!("{domain} client issuer"),
            algorithm: &PKCS_ED25519,
            lifetime: Duration::days(ISSUER_CERTIFICATE_DAYS),
        };
        let certificate = data_dir.join(ISSUER_CERTIFICATE_FILE);
        let key = data_dir.join(ISSUER_KEY_FILE);
        let authority = CertificateAuthority::open_or_create(&certificate, &key, &profile, now_ms)?;
        Ok(Self { domain: domain.clone(), authority })
    }

    /// The issuer's certificate, for the directory.
    pub fn certificate_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Certifies a device: a chain of DER certificates, the device's own first. The issuer's
    /// certificate is left out: verifiers have it from the directory. Claims become attributes of
    /// the subject's name (AMB-POL-3).
    pub fn issue(
        &self,
        user: &MimiUri,
        client: &MimiUri,
        claims: &[NamedClaim],
        signature_key: &[u8],
        now_ms: u64,
    ) -> Result<Vec<Vec<u8>>, AuthorityError> {
        let ours = |uri: &MimiUri, kind| uri.domain() == self.domain && uri.kind() == kind;
        if !ours(user, UriKind::User) || !ours(client, UriKind::Client) {
            let reason = format!("{client} of {user} is no client of {}", self.domain);
            return Err(AuthorityError::Certify(reason));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("MIMI client");
        for claim in claims {
            params.distinguished_name.push(attribute(&claim.name), claim.value.as_str());
        }
        params.subject_alt_names = vec![uri_name(client)?, uri_name(user)?];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = public_key(signature_key)?;
        let lifetime = Duration::days(DEVICE_CERTIFICATE_DAYS);
        let certificate = self.authority.certify(params, &key, lifetime, now_ms)?;
        Ok(vec![certificate.der().to_vec()])
    }
}

fn attribute(name: &ClaimName) -> DnType {
    match name.arcs() {
        [2, 5, 4, 10] => DnType::OrganizationName,
        [2, 5, 4, 11] => DnType::OrganizationalUnitName,
        arcs => DnType::CustomDnType(arcs.to_vec()),
    }
}

fn uri_name(uri: &MimiUri) -> Result<SanType, AuthorityError> {
    let name = uri.as_str().try_into();
    name.map(SanType::URI).map_err(|error: rcgen::Error| AuthorityError::Certify(error.to_string()))
}

/// A key that signatures can be verified with, and that stands for nobody else's.
fn public_key(signature_key: &[u8]) -> Result<SubjectPublicKeyInfo, AuthorityError> {
    let refused = |reason: &str| AuthorityError::Certify(format!("the signature key {reason}"));
    let octets: &[u8; PUBLIC_KEY_LENGTH] = signature_key
        .try_into()
        .map_err(|_| refused("must be an Ed25519 public key of 32 octets"))?;
    let key = VerifyingKey::from_bytes(octets)
        .map_err(|_| refused("is no point of the Ed25519 curve"))?;
    if key.is_weak() {
        return Err(refused("is one of the few that verify anything"));
    }
    let der = [&ED25519_SPKI_PREFIX[..], octets].concat();
    SubjectPublicKeyInfo::from_der(&der).map_err(|error| AuthorityError::Certify(error.to_string()))
}
