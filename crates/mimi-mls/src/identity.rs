//! Credentials to users (IDENT-1, AMB-ID-1, AMB-ID-4): X.509 chains under an issuer of the user's
//! own domain (IDENT-2).
//!
//! Decides who a client is. Whether that client may be in a room is for the judge to say.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::ClientIdentity;
use mimi_wire::codec::Reader;
use mimi_wire::mls::{Credential, RatchetTree};
use mimi_wire::room::preauth::Claim;
use mimi_wire::{Domain, MimiUri, UriKind};
use openmls::prelude::CredentialType;
use thiserror::Error;

use crate::framing::tree_leaves;
use crate::identity::certificate::Certificate;

mod certificate;
mod summary;

pub use summary::{CertificateFault, CertificateSummary, pem_to_der, summaries};

/// Certificates in one credential: a leaf, an intermediate, and maybe the issuer's own.
const CHAIN_CERTIFICATES_MAX: usize = 3;
/// Octets of one certificate.
const CERTIFICATE_OCTETS_MAX: usize = 16 * 1024;
/// Issuers that a domain publishes at once.
const ISSUERS_MAX: usize = 16;
/// The host of whoever has no domain: nobody's, so nobody vouches for it (IDENT-4).
const NO_DOMAIN: &str = "local.invalid";
/// Issuers of one domain beyond which earlier ones are forgotten.
const KEPT_ISSUERS_MAX: usize = 8;

/// The client issuers a verifier trusts, each for URIs of its own domain only.
#[derive(Clone, Debug, Default)]
pub struct Issuers {
    x509: BTreeMap<Domain, Vec<Issuer>>,
    /// Domains whose `basic` credentials an operator accepts.
    basic: BTreeSet<Domain>,
}

/// One authority's certificate.
#[derive(Clone, Debug)]
struct Issuer {
    der: Vec<u8>,
    pem: String,
}

/// Why a credential does not prove who a client is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// Fetch the issuers of this domain and try again.
    #[error("the client issuers of {0} are not known")]
    IssuerUnknown(Domain),
    /// None of the issuers known of this domain vouches for it, perhaps because a new one is not
    /// known here yet: fetch them once and try again before refusing.
    #[error("no client issuer known of {0} vouches for the credential")]
    IssuerNotAmong(Domain),
    /// A credential type the room does not use.
    #[error("credential type {0} is not accepted")]
    CredentialType(u16),
    /// The credential is at fault.
    #[error("the credential proves nothing: {0}")]
    NotProven(String),
}

impl IdentityError {
    /// The domain whose issuers may make a difference: fetch them and try again, once.
    pub fn issuers_wanted(&self) -> Option<&Domain> {
        match self {
            Self::IssuerUnknown(domain) | Self::IssuerNotAmong(domain) => Some(domain),
            Self::CredentialType(_) | Self::NotProven(_) => None,
        }
    }

    fn not_proven(reason: impl Into<String>) -> Self {
        Self::NotProven(reason.into())
    }
}

impl Issuers {
    /// Trusts PEM certificates as issuers of a domain, replacing earlier ones: for what an operator
    /// sets, and for what [`trust_also`](Self::trust_also) has given before.
    pub fn trust(&mut self, domain: Domain, pem: &[String]) -> Result<(), IdentityError> {
        self.x509.insert(domain, read_issuers(pem)?);
        Ok(())
    }

    /// Trusts what a provider publishes now, and what it has published before for as long as that
    /// is valid and there is room. A hub and its clients look at different times; a certificate by
    /// an issuer that only one of them knows must not come between them.
    ///
    /// Gives the PEM certificates trusted now, newest first, to be kept and handed to
    /// [`trust`](Self::trust) after a restart.
    pub fn trust_also(
        &mut self,
        domain: Domain,
        pem: &[String],
        now_ms: u64,
    ) -> Result<Vec<String>, IdentityError> {
        let mut issuers = read_issuers(pem)?;
        for earlier in self.x509.get(&domain).into_iter().flatten() {
            let is_listed = issuers.iter().any(|issuer| issuer.der == earlier.der);
            let certificate = Certificate::parse(&earlier.der)?;
            let is_valid = certificate.check_validity(Validity::At(now_ms)).is_ok();
            if !is_listed && is_valid && issuers.len() < KEPT_ISSUERS_MAX {
                issuers.push(earlier.clone());
            }
        }
        let kept = issuers.iter().map(|issuer| issuer.pem.clone()).collect();
        self.x509.insert(domain, issuers);
        Ok(kept)
    }

    /// Accepts `basic` credentials of a domain (development, closed federations).
    pub fn allow_basic(&mut self, domain: Domain) {
        self.basic.insert(domain);
    }

    /// Forgets what a provider publishes.
    pub fn forget(&mut self, domain: &Domain) {
        self.x509.remove(domain);
    }

    /// The domains whose issuers are known.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.x509.keys()
    }

    /// Whether issuers of the domain are known.
    pub fn knows(&self, domain: &Domain) -> bool {
        self.x509.contains_key(domain) || self.basic.contains(domain)
    }
}

/// Who a client is, proven by its credential and signature key at a time in ms since the epoch.
pub fn identify(
    credential: &Credential,
    signature_key: &[u8],
    issuers: &Issuers,
    now_ms: u64,
) -> Result<ClientIdentity, IdentityError> {
    prove(credential.parsed(), signature_key, issuers, Validity::At(now_ms))
}

/// Who a credential says its client is. **Proves nothing**: for credentials that have been proven
/// before, and to know whose issuers to fetch.
pub fn claimed(credential: &Credential) -> Result<ClientIdentity, IdentityError> {
    claim_of(credential.parsed())
}

/// The domain whose issuers are needed to prove a credential.
pub fn claimed_domain(credential: &Credential) -> Result<Domain, IdentityError> {
    Ok(claimed(credential)?.user.domain())
}

/// The domains whose issuers are needed to prove the members of a group; leaves whose credentials
/// name none are left out, for whoever proves them to complain about.
pub fn claimed_domains(tree: &RatchetTree) -> BTreeSet<Domain> {
    let leaves = tree_leaves(tree).unwrap_or_default();
    let claims = leaves.iter().filter_map(|(_, leaf)| claim_of(&leaf.credential).ok());
    claims.map(|identity| identity.user.domain()).collect()
}

/// Whether a certificate's expiry counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Validity {
    /// Valid now: for clients that come in, at their provider and at the hub.
    At(u64),
    /// Already valid now, perhaps expired since: for members of a group that a client joins, and
    /// for what the hub has accepted. One expired certificate must not lock a room, nor a device
    /// that has been away.
    MayHaveExpired(u64),
}

/// [`identify`] for the library's own type.
pub(crate) fn prove(
    credential: &openmls::prelude::Credential,
    signature_key: &[u8],
    issuers: &Issuers,
    validity: Validity,
) -> Result<ClientIdentity, IdentityError> {
    let identity = prove_by_type(credential, signature_key, issuers, validity)?;
    if identity.user.domain().as_str() == NO_DOMAIN {
        return Err(IdentityError::not_proven("local.invalid is nobody's domain"));
    }
    Ok(identity)
}

fn prove_by_type(
    credential: &openmls::prelude::Credential,
    signature_key: &[u8],
    issuers: &Issuers,
    validity: Validity,
) -> Result<ClientIdentity, IdentityError> {
    match credential.credential_type() {
        CredentialType::X509 => prove_x509(credential, signature_key, issuers, validity),
        CredentialType::Basic => {
            let identity = basic_identity(credential.serialized_content())?;
            if !issuers.basic.contains(&identity.client.domain()) {
                return Err(IdentityError::CredentialType(CredentialType::Basic.into()));
            }
            Ok(identity)
        }
        // IDENT-3: other types are surveyed and none is mandated.
        other => Err(IdentityError::CredentialType(other.into())),
    }
}

/// [`claimed`] for the library's own type.
pub(crate) fn claim_of(
    credential: &openmls::prelude::Credential,
) -> Result<ClientIdentity, IdentityError> {
    match credential.credential_type() {
        CredentialType::X509 => {
            let chain = read_chain(credential.serialized_content())?;
            let leaf = chain.first().ok_or_else(empty_chain)?;
            x509_identity(&Certificate::parse(leaf)?)
        }
        CredentialType::Basic => basic_identity(credential.serialized_content()),
        other => Err(IdentityError::CredentialType(other.into())),
    }
}

/// Whether a certificate in a credential has expired.
pub(crate) fn has_expired(credential: &openmls::prelude::Credential, now_ms: u64) -> bool {
    let chain = match credential.credential_type() {
        CredentialType::X509 => read_chain(credential.serialized_content()).unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut certificates = chain.into_iter().filter_map(|der| Certificate::parse(der).ok());
    certificates.any(|certificate| certificate.check_validity(Validity::At(now_ms)).is_err())
}

/// The claims of an external sender's credential, for preauthorization (AMB-POL-3, POLICY-PRE-4).
/// Nobody proves an X.509 one of a server here, so it claims nothing.
pub(crate) fn claims_of(credential: &openmls::prelude::Credential) -> Vec<Claim> {
    match credential.credential_type() {
        CredentialType::Basic => vec![basic_claim(credential.serialized_content())],
        _ => Vec::new(),
    }
}

/// The content of an X.509 credential: each certificate with its length; the library adds the
/// length of the whole.
pub(crate) fn chain_content(chain: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = mimi_wire::codec::Writer::default();
    for certificate in chain {
        writer.opaque(certificate);
    }
    writer.into_octets()
}

fn read_issuers(pem: &[String]) -> Result<Vec<Issuer>, IdentityError> {
    let mut issuers = Vec::new();
    for text in pem {
        for (pem, der) in certificate::from_pem(text)? {
            Certificate::parse(&der)?.check_authority()?;
            if issuers.len() == ISSUERS_MAX {
                return Err(IdentityError::not_proven(format!("over {ISSUERS_MAX} issuers")));
            }
            issuers.push(Issuer { der, pem });
        }
    }
    if issuers.is_empty() {
        return Err(IdentityError::not_proven("no certificate in the PEM text"));
    }
    Ok(issuers)
}

fn prove_x509(
    credential: &openmls::prelude::Credential,
    signature_key: &[u8],
    issuers: &Issuers,
    validity: Validity,
) -> Result<ClientIdentity, IdentityError> {
    let chain = read_chain(credential.serialized_content())?;
    let certificates = chain.iter().map(|der| Certificate::parse(der));
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    let leaf = certificates.first().ok_or_else(empty_chain)?;
    let identity = x509_identity(leaf)?;
    let domain = identity.user.domain();
    // An issuer counts for its own domain only, whoever else trusts it (AMB-ID-1).
    let Some(trusted) = issuers.x509.get(&domain) else {
        return Err(IdentityError::IssuerUnknown(domain));
    };
    leaf.check_leaf(signature_key)?;
    leaf.check_validity(validity)?;
    let trusted = trusted.iter().map(|issuer| Certificate::parse(&issuer.der));
    let trusted = trusted.collect::<Result<Vec<_>, _>>()?;
    if trusted.iter().any(|issuer| issuer.vouches_for(leaf, 0, validity)) {
        return Ok(identity);
    }
    let intermediate = certificates.get(1).filter(|one| one.vouches_for(leaf, 0, validity));
    let vouched = |between: &&Certificate<'_>| {
        trusted.iter().any(|issuer| issuer.vouches_for(between, 1, validity))
    };
    if intermediate.is_some_and(|between| vouched(&between)) {
        return Ok(identity);
    }
    Err(IdentityError::IssuerNotAmong(domain))
}

/// Exactly one client and one user, of the same domain; other names do not matter.
fn x509_identity(leaf: &Certificate<'_>) -> Result<ClientIdentity, IdentityError> {
    let mut client = None;
    let mut user = None;
    for uri in leaf.mimi_uris()? {
        let place = match uri.kind() {
            UriKind::Client => &mut client,
            UriKind::User | UriKind::Pseudonym => &mut user,
            _ => continue,
        };
        if place.replace(uri).is_some() {
            return Err(IdentityError::not_proven("more than one client or user is named"));
        }
    }
    let (Some(client), Some(user)) = (client, user) else {
        return Err(IdentityError::not_proven("it names no client or no user"));
    };
    if client.domain() != user.domain() {
        return Err(IdentityError::not_proven("client and user are of different domains"));
    }
    Ok(ClientIdentity { user, client, claims: x509_claims(leaf) })
}

/// AMB-POL-3: of the client's own certificate, nothing left out. What occurs several times is there
/// several times; any of them matches.
fn x509_claims(leaf: &Certificate<'_>) -> Vec<Claim> {
    let credential_type = CredentialType::X509.into();
    let claim = |(id, value): (&[u8], &[u8])| Claim {
        credential_type,
        id: id.to_vec(),
        claim_value: value.to_vec(),
    };
    leaf.claims().into_iter().map(claim).collect()
}

/// `mimi://<domain>/d/<user>/<device>` (AMB-ID-4).
fn basic_identity(octets: &[u8]) -> Result<ClientIdentity, IdentityError> {
    let text = std::str::from_utf8(octets)
        .map_err(|_| IdentityError::not_proven("the identity is not text"))?;
    let client =
        MimiUri::new(text).map_err(|error| IdentityError::not_proven(error.to_string()))?;
    let segments = client.segments();
    let [user, _device] = segments.as_slice() else {
        return Err(IdentityError::not_proven("not of the form /d/<user>/<device>"));
    };
    if client.kind() != UriKind::Client {
        return Err(IdentityError::not_proven("not a client"));
    }
    let user = MimiUri::build(&client.domain(), UriKind::User, &[user])
        .map_err(|error| IdentityError::not_proven(error.to_string()))?;
    let claims = vec![basic_claim(octets)];
    Ok(ClientIdentity { user, client, claims })
}

fn basic_claim(identity: &[u8]) -> Claim {
    let credential_type = CredentialType::Basic.into();
    Claim { credential_type, id: Vec::new(), claim_value: identity.to_vec() }
}

fn read_chain(content: &[u8]) -> Result<Vec<&[u8]>, IdentityError> {
    let mut reader = Reader::new(content);
    let mut chain = Vec::new();
    while !reader.is_empty() {
        if chain.len() == CHAIN_CERTIFICATES_MAX {
            let reason = format!("over {CHAIN_CERTIFICATES_MAX} certificates");
            return Err(IdentityError::NotProven(reason));
        }
        let certificate = reader
            .opaque(CERTIFICATE_OCTETS_MAX, "Credential.certificates")
            .map_err(|malformed| IdentityError::not_proven(malformed.to_string()))?;
        chain.push(certificate);
    }
    Ok(chain)
}

fn empty_chain() -> IdentityError {
    IdentityError::not_proven("no certificate")
}
