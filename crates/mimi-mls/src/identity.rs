//! Credentials to users (AMB-ID-1, AMB-ID-4): X.509 chains under an issuer of the user's own domain.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::ClientIdentity;
use mimi_wire::Domain;
use mimi_wire::mls::Credential;
use thiserror::Error;

/// The client issuers a verifier trusts, each for URIs of its own domain only.
#[derive(Clone, Debug, Default)]
pub struct Issuers {
    /// DER certificates by domain.
    x509: BTreeMap<Domain, Vec<Vec<u8>>>,
    /// Domains whose `basic` credentials an operator accepts.
    basic: BTreeSet<Domain>,
}

/// Why a credential does not prove who a client is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// Fetch the issuers of this domain and try again.
    #[error("the client issuers of {0} are not known")]
    IssuerUnknown(Domain),
    /// A credential type the room does not use.
    #[error("credential type {0} is not accepted")]
    CredentialType(u16),
    /// The credential is at fault.
    #[error("the credential proves nothing: {0}")]
    NotProven(String),
}

impl Issuers {
    /// Trusts PEM certificates as issuers of a domain, replacing earlier ones.
    pub fn trust(&mut self, domain: Domain, pem: &[String]) -> Result<(), IdentityError> {
        let _ = (domain, pem, &self.x509);
        todo!()
    }

    /// Accepts `basic` credentials of a domain (development, closed federations).
    pub fn allow_basic(&mut self, domain: Domain) {
        self.basic.insert(domain);
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
    let _ = (credential, signature_key, issuers, now_ms);
    todo!()
}
