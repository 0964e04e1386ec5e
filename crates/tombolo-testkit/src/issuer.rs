//! A client issuer of one provider.

use mimi_wire::{Domain, MimiUri};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, SanType, SubjectPublicKeyInfo,
};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// DER of the SubjectPublicKeyInfo of an Ed25519 key, up to the key itself (RFC 8410 section 4).
const ED25519_SPKI_PREFIX: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// DER of a PKCS #8 Ed25519 key, up to the seed (RFC 8410 section 7).
const ED25519_PKCS8_PREFIX: [u8; 16] =
    *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A certificate authority that certifies devices.
#[derive(Debug)]
pub struct TestIssuer {
    domain: Domain,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: Vec<u8>,
}

impl TestIssuer {
    /// A fresh authority.
    pub fn new(domain: &str) -> Self {
        Self::with(domain, |_| {})
    }

    /// The authority of this seed: the same octets each time.
    pub fn seeded(domain: &str, seed: [u8; 32]) -> Self {
        let pkcs8 = PrivatePkcs8KeyDer::from([&ED25519_PKCS8_PREFIX[..], &seed].concat());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519).expect("a key");
        Self::made(domain, params(domain, "client issuer", |_| {}), key)
    }

    /// A fresh authority whose certificate is as `edit` leaves it.
    pub fn with(domain: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let (params, key) = authority(domain, "client issuer", edit);
        Self::made(domain, params, key)
    }

    fn made(domain: &str, params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.self_signed(&key).expect("an authority signs itself");
        Self {
            domain: Domain::new(domain).expect("a domain"),
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority under this one, for the same domain.
    pub fn intermediate(&self, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let (params, key) = authority(self.domain.as_str(), "intermediate issuer", edit);
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority signs others");
        Self {
            domain: self.domain.clone(),
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The provider.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Its own certificate as PEM, as the directory publishes it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its own certificate as DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The chain of a device, DER, leaf first.
    pub fn issue(&self, signature_key: &[u8], client: &MimiUri, user: &MimiUri) -> Vec<Vec<u8>> {
        vec![self.issue_with(signature_key, &[client.as_str(), user.as_str()], |_| {})]
    }

    /// [`issue`](Self::issue) with an organization in the subject's name.
    pub fn issue_in(
        &self,
        signature_key: &[u8],
        client: &MimiUri,
        user: &MimiUri,
        organization: Option<&str>,
    ) -> Vec<Vec<u8>> {
        vec![self.issue_with(signature_key, &[client.as_str(), user.as_str()], |params| {
            if let Some(name) = organization {
                params.distinguished_name.push(DnType::OrganizationName, name);
            }
        })]
    }

    /// One certificate with any names, as `edit` leaves it.
    pub fn issue_with(
        &self,
        signature_key: &[u8],
        uris: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let spki = [&ED25519_SPKI_PREFIX[..], signature_key].concat();
        let spki = SubjectPublicKeyInfo::from_der(&spki).expect("an Ed25519 key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "device");
        let uri = |uri: &&str| SanType::URI((*uri).try_into().expect("an ASCII URI"));
        params.subject_alt_names = uris.iter().map(uri).collect();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        edit(&mut params);
        let certificate = params.signed_by(&spki, &self.issuer).expect("an authority signs others");
        certificate.der().to_vec()
    }
}

fn authority(
    domain: &str,
    name: &str,
    edit: impl FnOnce(&mut CertificateParams),
) -> (CertificateParams, KeyPair) {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("randomness");
    (params(domain, name, edit), key)
}

fn params(
    domain: &str,
    name: &str,
    edit: impl FnOnce(&mut CertificateParams),
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{domain} {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    edit(&mut params);
    params
}
