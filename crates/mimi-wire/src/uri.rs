//! `mimi:` URIs and provider domains (ID-URI-1..5).
//!
//! URIs enter hashes, MACs and list comparisons, so only the canonical spelling exists here: other
//! spellings are refused on input (AMB-ID-2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A provider's domain name: lower-case ASCII (A-labels), no port, no trailing dot.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

/// A canonical `mimi:` URI.
#[derive(Clone, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct MimiUri(String);

/// What a URI names: the first path segment (ID-URI-1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UriKind {
    /// No path: a provider.
    Provider,
    /// `/u/`: a user.
    User,
    /// `/d/`: a client (device).
    Client,
    /// `/r/`: a room.
    Room,
    /// `/g/`: an MLS group.
    Group,
    /// `/p/`: a pseudonym of a user.
    Pseudonym,
    /// `/t/`: a team.
    Team,
    /// Any other first segment; well formed, and nothing this crate can name.
    Other,
}

/// Why a spelling is not a canonical URI or domain.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{input:?} is not a canonical MIMI identifier: {reason}")]
pub struct UriError {
    /// What was given, shortened to 200 characters.
    pub input: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Domain {
    /// Takes a canonical domain name.
    pub fn new(name: &str) -> Result<Self, UriError> {
        let _ = name;
        todo!()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The provider's URI, `mimi://<domain>`.
    pub fn provider_uri(&self) -> MimiUri {
        MimiUri(format!("mimi://{}", self.0))
    }
}

impl MimiUri {
    /// Takes a canonical URI.
    pub fn new(uri: &str) -> Result<Self, UriError> {
        let _ = uri;
        todo!()
    }

    /// `mimi://<domain>/<kind letter>/<segments>`, each segment percent-encoded as needed.
    pub fn build(domain: &Domain, kind: UriKind, segments: &[&str]) -> Result<Self, UriError> {
        let _ = (domain, kind, segments);
        todo!()
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI's octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The provider.
    pub fn domain(&self) -> Domain {
        todo!()
    }

    /// What it names.
    pub fn kind(&self) -> UriKind {
        todo!()
    }

    /// Whether it names a user, by name or by pseudonym (AMB-MMR-2).
    pub fn is_user(&self) -> bool {
        matches!(self.kind(), UriKind::User | UriKind::Pseudonym)
    }

    /// The segments after the kind, percent-decoded, e.g. `["alice", "phone"]`.
    pub fn segments(&self) -> Vec<String> {
        todo!()
    }
}

impl fmt::Debug for MimiUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for MimiUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for MimiUri {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, UriError> {
        Self::new(uri)
    }
}

impl FromStr for Domain {
    type Err = UriError;

    fn from_str(name: &str) -> Result<Self, UriError> {
        Self::new(name)
    }
}

impl TryFrom<String> for MimiUri {
    type Error = UriError;

    fn try_from(uri: String) -> Result<Self, UriError> {
        Self::new(&uri)
    }
}

impl TryFrom<String> for Domain {
    type Error = UriError;

    fn try_from(name: String) -> Result<Self, UriError> {
        Self::new(&name)
    }
}

impl From<MimiUri> for String {
    fn from(uri: MimiUri) -> Self {
        uri.0
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}
