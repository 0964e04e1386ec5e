//! What certificates say, for a person or a program to look at. Proves nothing.

use std::collections::BTreeMap;

use mimi_policy::ClientIdentity;
use mimi_wire::{MimiUri, UriKind};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::oid_registry::{OID_SIG_ED25519, Oid};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::certificate::Certificate;
use super::{IdentityError, x509_identity};

/// Certificates that are looked at in one input.
const SUMMARIES_MAX: usize = 64;

/// What one certificate says that matters to MIMI (AMB-ID-1).
#[derive(Clone, Debug)]
pub struct CertificateSummary {
    /// Offset of its first octet in the input; of PEM, in the joined DER.
    pub offset: usize,
    /// Octets of its DER.
    pub length: usize,
    /// SHA-256 of its DER.
    pub sha256: [u8; 32],
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Whose it is.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// Start of validity, RFC 3339 in UTC.
    pub not_before: String,
    /// End of validity, RFC 3339 in UTC.
    pub not_after: String,
    /// Its key's algorithm, with the bits where there are several sizes, e.g. `Ed25519`, `EC 256`.
    pub key_type: String,
    /// The public key's octets.
    pub public_key: Vec<u8>,
    /// With what it is signed.
    pub signature_algorithm: String,
    /// DNS names it is for.
    pub dns_names: Vec<String>,
    /// URIs it is for, and what those that are canonical MIMI URIs name.
    pub uris: Vec<(String, Option<UriKind>)>,
    /// Other alternative names.
    pub other_names: Vec<String>,
    /// Whether it may sign certificates.
    pub is_ca: bool,
    /// How many authorities may be below it.
    pub path_len: Option<u32>,
    /// What its key is for, in the words of RFC 5280; none if that is not restricted.
    pub key_usage: Option<Vec<&'static str>>,
    /// What it is for, in the words of RFC 5280, or as OIDs; none if that is not restricted.
    pub extended_key_usage: Option<Vec<String>>,
    /// The device it names, if it is one that a device could have, or why not.
    pub identity: Result<ClientIdentity, IdentityError>,
    /// Where the fields begin, by their names in RFC 5280.
    pub offsets: BTreeMap<&'static str, usize>,
}

/// Why octets are no certificates, and where.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{field} at offset {offset}: {reason}")]
pub struct CertificateFault {
    /// Offset into the input; of PEM, into the joined DER.
    pub offset: usize,
    /// The field, in the words of RFC 5280.
    pub field: &'static str,
    /// What is wrong, for a person.
    pub reason: String,
}

/// The DER of the certificates in a PEM text, joined; what is between the blocks does not matter.
pub fn pem_to_der(text: &str) -> Result<Vec<u8>, CertificateFault> {
    let fault = |reason: String| CertificateFault { offset: 0, field: "PEM", reason };
    let mut der = Vec::new();
    for block in Pem::iter_from_buffer(text.as_bytes()) {
        let block = block.map_err(|error| fault(error.to_string()))?;
        if block.label != "CERTIFICATE" {
            return Err(fault(format!("a block is no certificate but {:?}", block.label)));
        }
        der.extend_from_slice(&block.contents);
    }
    if der.is_empty() {
        return Err(fault("no block".to_owned()));
    }
    Ok(der)
}

/// Certificates in DER, one after the other.
pub fn summaries(octets: &[u8]) -> Result<Vec<CertificateSummary>, CertificateFault> {
    let mut summaries = Vec::new();
    let mut offset = 0;
    loop {
        if summaries.len() == SUMMARIES_MAX {
            let reason = format!("more than {SUMMARIES_MAX} certificates");
            return Err(CertificateFault { offset, field: "Certificate", reason });
        }
        let (summary, end) = summary(octets, offset)?;
        summaries.push(summary);
        if end == octets.len() {
            return Ok(summaries);
        }
        offset = end;
    }
}

fn summary(octets: &[u8], offset: usize) -> Result<(CertificateSummary, usize), CertificateFault> {
    let mut walk = Walk { octets, offsets: BTreeMap::new() };
    let end = walk.certificate(offset)?;
    let der = &octets[offset..end];
    let offsets = walk.offsets;
    let fault = |field: &'static str, reason: String| {
        let offset = offsets.get(field).copied().unwrap_or(offset);
        CertificateFault { offset, field, reason }
    };
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| {
        let error = X509Error::from(error);
        fault(field_of(&error), error.to_string())
    })?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| fault("extensions", format!("subjectAltName: {error}")))?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let (mut dns_names, mut uris, mut other_names) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match name {
            GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
            GeneralName::URI(uri) => {
                uris.push(((*uri).to_owned(), MimiUri::new(uri).ok().map(|uri| uri.kind())));
            }
            other => other_names.push(other.to_string()),
        }
    }
    let extension = |found: &dyn Fn(&ParsedExtension<'_>) -> bool| {
        certificate.extensions().iter().any(|extension| found(extension.parsed_extension()))
    };
    if extension(&|parsed| matches!(parsed, ParsedExtension::ParseError { .. })) {
        return Err(fault("extensions", "an extension cannot be read".to_owned()));
    }
    let twice = |name: &str| fault("extensions", format!("{name} twice"));
    let key_usage = certificate.key_usage().map_err(|_| twice("keyUsage"))?;
    let extended = certificate.extended_key_usage().map_err(|_| twice("extKeyUsage"))?;
    let constraints = certificate.basic_constraints().map_err(|_| twice("basicConstraints"))?;
    let public_key = certificate.public_key();
    let summary = CertificateSummary {
        offset,
        length: der.len(),
        sha256: Sha256::digest(der).into(),
        serial: certificate.raw_serial().to_vec(),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: rfc_3339(certificate.validity().not_before),
        not_after: rfc_3339(certificate.validity().not_after),
        key_type: match public_key.parsed() {
            _ if public_key.algorithm.algorithm == OID_SIG_ED25519 => "Ed25519".to_owned(),
            Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
            Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
            _ => name_of(&public_key.algorithm.algorithm),
        },
        public_key: public_key.subject_public_key.data.to_vec(),
        signature_algorithm: name_of(&certificate.signature_algorithm.algorithm),
        dns_names,
        uris,
        other_names,
        is_ca: certificate.is_ca(),
        path_len: constraints.and_then(|constraints| constraints.value.path_len_constraint),
        key_usage: key_usage.map(|usage| usages(usage.value)),
        extended_key_usage: extended.map(|usage| extended_usages(usage.value)),
        identity: Certificate::parse(der).and_then(|certificate| x509_identity(&certificate)),
        offsets,
    };
    Ok((summary, end))
}

/// The field that an error of the library is about, as far as it says so.
fn field_of(error: &X509Error) -> &'static str {
    match error {
        X509Error::InvalidVersion => "version",
        X509Error::InvalidSerial => "serialNumber",
        X509Error::InvalidAlgorithmIdentifier => "signature",
        X509Error::InvalidX509Name => "issuer",
        X509Error::InvalidDate => "validity",
        X509Error::InvalidSPKI => "subjectPublicKeyInfo",
        X509Error::InvalidExtensions | X509Error::DuplicateExtensions => "extensions",
        X509Error::InvalidSignatureValue => "signatureValue",
        _ => "tbsCertificate",
    }
}

/// Finds where the fields of a certificate begin, which the library does not tell.
struct Walk<'a> {
    octets: &'a [u8],
    offsets: BTreeMap<&'static str, usize>,
}

impl Walk<'_> {
    /// Walks over the certificate at `offset` and gives its end.
    fn certificate(&mut self, offset: usize) -> Result<usize, CertificateFault> {
        const SEQUENCE: u8 = 0x30;
        const SERIAL: u8 = 0x02;
        const BITS: u8 = 0x03;

        let (inside, end) = self.enter(offset, self.octets.len(), SEQUENCE, "Certificate")?;
        let (mut at, tbs_end) = self.enter(inside, end, SEQUENCE, "tbsCertificate")?;
        at = self.skip_if(at, tbs_end, 0xa0, "version")?;
        at = self.enter(at, tbs_end, SERIAL, "serialNumber")?.1;
        for field in ["signature", "issuer", "validity", "subject", "subjectPublicKeyInfo"] {
            at = self.enter(at, tbs_end, SEQUENCE, field)?.1;
        }
        at = self.skip_if(at, tbs_end, 0x81, "issuerUniqueID")?;
        at = self.skip_if(at, tbs_end, 0x82, "subjectUniqueID")?;
        at = self.skip_if(at, tbs_end, 0xa3, "extensions")?;
        self.ended(at, tbs_end, "tbsCertificate")?;
        at = self.enter(tbs_end, end, SEQUENCE, "signatureAlgorithm")?.1;
        at = self.enter(at, end, BITS, "signatureValue")?.1;
        self.ended(at, end, "Certificate")?;
        Ok(end)
    }

    fn ended(&self, at: usize, end: usize, field: &'static str) -> Result<(), CertificateFault> {
        match at == end {
            true => Ok(()),
            false => Err(fault(at, field, "octets after its last field")),
        }
    }

    fn skip_if(
        &mut self,
        at: usize,
        end: usize,
        tag: u8,
        field: &'static str,
    ) -> Result<usize, CertificateFault> {
        match at < end && self.octets[at] == tag {
            true => Ok(self.enter(at, end, tag, field)?.1),
            false => Ok(at),
        }
    }

    /// Where the content of the element at `at` begins and ends; it must lie before `end`.
    fn enter(
        &mut self,
        at: usize,
        end: usize,
        tag: u8,
        field: &'static str,
    ) -> Result<(usize, usize), CertificateFault> {
        let octets = &self.octets[at..end];
        let [found, first, ..] = octets else { return Err(fault(at, field, "is cut off")) };
        if *found != tag {
            return Err(fault(at, field, format!("tag {found:#04x}, must be {tag:#04x}")));
        }
        let (head, length) = match usize::from(*first) {
            short @ 0..0x80 => (2, short),
            long => {
                // Four octets of length are more than any certificate has.
                let count = long - 0x80;
                let more = octets.get(2..2 + count).filter(|_| (1..=4).contains(&count));
                let more = more.ok_or_else(|| fault(at, field, "its length cannot be read"))?;
                let length = more.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
                (2 + count, length)
            }
        };
        let ends = at.checked_add(head).and_then(|start| start.checked_add(length));
        let Some(ends) = ends.filter(|ends| *ends <= end) else {
            return Err(fault(at, field, format!("{length} octets are not there")));
        };
        self.offsets.insert(field, at);
        Ok((at + head, ends))
    }
}

fn fault(offset: usize, field: &'static str, reason: impl Into<String>) -> CertificateFault {
    CertificateFault { offset, field, reason: reason.into() }
}

fn rfc_3339(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

fn name_of(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned)
}

fn usages(usage: &KeyUsage) -> Vec<&'static str> {
    let all = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    all.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect()
}

fn extended_usages(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let all = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let known = all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name.to_owned());
    known.chain(usage.other.iter().map(Oid::to_id_string)).collect()
}
