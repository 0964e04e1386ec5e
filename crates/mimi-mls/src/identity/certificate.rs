//! What is asked of one X.509 certificate.

use mimi_wire::MimiUri;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

use super::{IdentityError, Validity};

/// A parsed certificate without anything critical that we would overlook.
pub(super) struct Certificate<'a>(X509Certificate<'a>);

/// Ends each certificate in a PEM text.
const PEM_END: &str = "-----END CERTIFICATE-----";

/// The certificates in a PEM text: of each its own part of the text, and its DER.
pub(super) fn from_pem(text: &str) -> Result<Vec<(String, Vec<u8>)>, IdentityError> {
    let mut certificates = Vec::new();
    for part in text.split_inclusive(PEM_END) {
        for block in Pem::iter_from_buffer(part.as_bytes()) {
            let block =
                block.map_err(|error| IdentityError::not_proven(format!("PEM: {error}")))?;
            if block.label != "CERTIFICATE" {
                let reason = format!("a PEM block is no certificate but {:?}", block.label);
                return Err(IdentityError::NotProven(reason));
            }
            certificates.push((part.trim().to_owned(), block.contents));
        }
    }
    Ok(certificates)
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, IdentityError> {
        let (rest, certificate) = X509Certificate::from_der(der)
            .map_err(|_| IdentityError::not_proven("not a certificate"))?;
        if !rest.is_empty() {
            return Err(IdentityError::not_proven("octets after a certificate"));
        }
        if certificate.tbs_certificate.signature != certificate.signature_algorithm {
            return Err(IdentityError::not_proven("two different signature algorithms"));
        }
        // RFC 5280 section 4.2: refuse what is critical and not understood here. Name constraints
        // are among it: an issuer is bound to its domain by who publishes it, not by them.
        let overlooked = certificate.iter_extensions().find(|extension| {
            let understood = matches!(
                extension.parsed_extension(),
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::ExtendedKeyUsage(_)
                    | ParsedExtension::SubjectAlternativeName(_)
            );
            extension.critical && !understood
        });
        if let Some(extension) = overlooked {
            let reason = format!("critical extension {} is not understood", extension.oid);
            return Err(IdentityError::NotProven(reason));
        }
        Ok(Self(certificate))
    }

    /// Whatever the certificate says of its subject, by OID: the attributes of the subject's name,
    /// then the extensions (AMB-POL-3).
    pub(super) fn claims(&self) -> Vec<(&[u8], &[u8])> {
        let attributes = self.0.subject().iter_attributes();
        let attributes = attributes.map(|it| (it.attr_type().as_bytes(), it.as_slice()));
        let extensions = self.0.iter_extensions().map(|it| (it.oid.as_bytes(), it.value));
        attributes.chain(extensions).collect()
    }

    /// The MIMI URIs among the subject alternative names.
    pub(super) fn mimi_uris(&self) -> Result<Vec<MimiUri>, IdentityError> {
        let names = self.0.subject_alternative_name();
        let names =
            names.map_err(|_| IdentityError::not_proven("subject alternative names twice"))?;
        let mut uris = Vec::new();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            let GeneralName::URI(uri) = name else { continue };
            let scheme = uri.split(':').next().unwrap_or_default();
            if scheme.eq_ignore_ascii_case("mimi") {
                let uri = MimiUri::new(uri);
                uris.push(uri.map_err(|error| IdentityError::not_proven(error.to_string()))?);
            }
        }
        Ok(uris)
    }

    /// A client's own certificate: for signing, with the signature key of its leaf node (AMB-ID-1).
    pub(super) fn check_leaf(&self, signature_key: &[u8]) -> Result<(), IdentityError> {
        let public_key = self.0.public_key();
        if public_key.algorithm.algorithm != OID_SIG_ED25519 {
            return Err(IdentityError::not_proven("the certificate's key is not Ed25519"));
        }
        if *public_key.subject_public_key.data != *signature_key {
            return Err(IdentityError::not_proven("the certificate is of another signature key"));
        }
        if self.0.is_ca() {
            return Err(IdentityError::not_proven("a client's certificate must not be a CA's"));
        }
        let key_usage = self.key_usage()?;
        if key_usage.is_some_and(|usage| !usage.value.digital_signature()) {
            return Err(IdentityError::not_proven("the certificate is not for signatures"));
        }
        Ok(())
    }

    /// A certificate that may sign others.
    pub(super) fn check_authority(&self) -> Result<(), IdentityError> {
        if !self.0.is_ca() {
            return Err(IdentityError::not_proven("an issuer's certificate lacks the CA flag"));
        }
        if self.key_usage()?.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(IdentityError::not_proven("an issuer's key is not for certificates"));
        }
        Ok(())
    }

    pub(super) fn check_validity(&self, validity: Validity) -> Result<(), IdentityError> {
        let (now_ms, expired_counts) = match validity {
            Validity::At(now_ms) => (now_ms, true),
            Validity::MayHaveExpired(now_ms) => (now_ms, false),
        };
        let now_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
        let window = self.0.validity();
        if now_s < window.not_before.timestamp() {
            return Err(IdentityError::not_proven("a certificate is not valid yet"));
        }
        if expired_counts && now_s > window.not_after.timestamp() {
            return Err(IdentityError::not_proven("a certificate has expired"));
        }
        Ok(())
    }

    /// Whether this authority issued `subject`, with `below` further authorities under it.
    pub(super) fn vouches_for(&self, subject: &Self, below: u32, validity: Validity) -> bool {
        let path = self.0.basic_constraints().ok().flatten();
        let path = path.and_then(|constraints| constraints.value.path_len_constraint);
        self.0.subject().as_raw() == subject.0.issuer().as_raw()
            && self.check_authority().is_ok()
            && self.check_validity(validity).is_ok()
            && path.is_none_or(|most| below <= most)
            && subject.0.verify_signature(Some(self.0.public_key())).is_ok()
    }

    fn key_usage(
        &self,
    ) -> Result<
        Option<x509_parser::certificate::BasicExtension<&x509_parser::extensions::KeyUsage>>,
        IdentityError,
    > {
        self.0.key_usage().map_err(|_| IdentityError::not_proven("key usage twice"))
    }
}
