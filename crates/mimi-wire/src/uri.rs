//! `mimi:` URIs and provider domains (protocol-06 section 3; ID-URI-1..5).
//!
//! URIs enter hashes, MACs and list comparisons, so only the canonical spelling exists here: other
//! spellings are refused on input (AMB-ID-2).
//!
//! ```
//! use mimi_wire::{Domain, MimiUri, UriKind};
//!
//! let uri: MimiUri = "mimi://a.example/d/alice/phone".parse()?;
//! assert_eq!((uri.domain().as_str(), uri.kind()), ("a.example", UriKind::Client));
//! assert_eq!(uri.segments(), ["alice", "phone"]);
//! let built = MimiUri::build(&Domain::new("a.example")?, UriKind::User, &["Zo\u{eb}"])?;
//! assert_eq!(built.as_str(), "mimi://a.example/u/Zo%C3%AB");
//! assert!("mimi://A.example/u/alice".parse::<MimiUri>().is_err());
//! # Ok::<(), mimi_wire::uri::UriError>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::URI_OCTETS_MAX;

/// The scheme and what follows it.
const SCHEME: &str = "mimi://";
/// Octets of a DNS name and of one of its labels (RFC 1035).
pub(crate) const DOMAIN_OCTETS_MAX: usize = 253;
const LABEL_OCTETS_MAX: usize = 63;
/// Characters of the input that an error repeats.
const ERROR_INPUT_CHARACTERS_MAX: usize = 200;

/// What a segment holds percent-encoded: everything but the `pchar` of RFC 3986. One spelling only:
/// what needs no encoding is never encoded (ID-URI-5).
const SEGMENT_ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A provider's domain name: lower-case ASCII (A-labels), no port, no trailing dot.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

/// A canonical `mimi:` URI. A copy shares the octets: a room's state names thousands of them, and
/// is copied for every change of it.
#[derive(Clone, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct MimiUri(Arc<str>);

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
        match domain_fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(reason) => Err(UriError::new(name, reason)),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The provider's URI, `mimi://<domain>`.
    pub fn provider_uri(&self) -> MimiUri {
        MimiUri(format!("{SCHEME}{}", self.0).into())
    }
}

impl MimiUri {
    /// Takes a canonical URI.
    pub fn new(uri: &str) -> Result<Self, UriError> {
        match uri_fault(uri) {
            None => Ok(Self(uri.into())),
            Some(reason) => Err(UriError::new(uri, reason)),
        }
    }

    /// Takes canonical octets, as received in a structure.
    pub fn from_octets(octets: &[u8]) -> Result<Self, UriError> {
        match std::str::from_utf8(octets) {
            Ok(uri) => Self::new(uri),
            Err(_) => Err(UriError::new(&String::from_utf8_lossy(octets), "not valid UTF-8")),
        }
    }

    /// `mimi://<domain>/<kind letter>/<segments>`, each segment percent-encoded as needed.
    pub fn build(domain: &Domain, kind: UriKind, segments: &[&str]) -> Result<Self, UriError> {
        let mut uri = format!("{SCHEME}{domain}");
        match (kind.letter(), segments) {
            (None, []) if kind == UriKind::Provider => {}
            (None, _) => return Err(UriError::new(&uri, "no such URI can be built from segments")),
            (Some(letter), _) => {
                uri.push('/');
                uri.push_str(letter);
            }
        }
        for segment in segments {
            uri.push('/');
            uri.extend(utf8_percent_encode(segment, SEGMENT_ENCODED));
        }
        Self::new(&uri)
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
        Domain(self.split().0.to_owned())
    }

    /// What it names.
    pub fn kind(&self) -> UriKind {
        match self.split().1 {
            None => UriKind::Provider,
            Some(path) => UriKind::of_segment(path.split('/').next().unwrap_or_default()),
        }
    }

    /// Whether it names a user, by name or by pseudonym (AMB-MMR-2).
    pub fn is_user(&self) -> bool {
        matches!(self.kind(), UriKind::User | UriKind::Pseudonym)
    }

    /// The segments after the kind, percent-decoded, e.g. `["alice", "phone"]`.
    pub fn segments(&self) -> Vec<String> {
        let path = self.split().1.unwrap_or_default();
        path.split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect()
    }

    /// Host and path, the latter without its leading slash.
    fn split(&self) -> (&str, Option<&str>) {
        let rest = &self.0[SCHEME.len()..];
        match rest.split_once('/') {
            None => (rest, None),
            Some((host, path)) => (host, Some(path)),
        }
    }

    /// Reads an `IdentifierUri`, naming the field in a fault.
    pub(crate) fn read_field(
        reader: &mut Reader<'_>,
        field: &'static str,
    ) -> Result<Self, Malformed> {
        let start = reader.clone();
        let octets = reader.opaque(URI_OCTETS_MAX, field)?;
        Self::from_octets(octets).map_err(|error| start.malformed(field, error.to_string()))
    }

    /// Reads an `IdentifierUri` that is empty where there is nothing to name (AMB-KM-2).
    pub(crate) fn read_field_or_empty(
        reader: &mut Reader<'_>,
        field: &'static str,
    ) -> Result<Option<Self>, Malformed> {
        if reader.rest().first() == Some(&0) {
            reader.opaque(0, field)?;
            return Ok(None);
        }
        Self::read_field(reader, field).map(Some)
    }
}

/// `IdentifierUri` is `opaque uri<V>` (WIRE-5).
impl Wire for MimiUri {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::read_field(reader, "IdentifierUri")
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(self.as_bytes());
    }
}

impl UriKind {
    /// The first path segment; none for what has no path or no name here.
    pub fn letter(self) -> Option<&'static str> {
        match self {
            Self::Provider | Self::Other => None,
            Self::User => Some("u"),
            Self::Client => Some("d"),
            Self::Room => Some("r"),
            Self::Group => Some("g"),
            Self::Pseudonym => Some("p"),
            Self::Team => Some("t"),
        }
    }

    fn of_segment(segment: &str) -> Self {
        match segment {
            "u" => Self::User,
            "d" => Self::Client,
            "r" => Self::Room,
            "g" => Self::Group,
            "p" => Self::Pseudonym,
            "t" => Self::Team,
            _ => Self::Other,
        }
    }
}

impl UriError {
    pub(crate) fn new(input: &str, reason: &'static str) -> Self {
        Self { input: input.chars().take(ERROR_INPUT_CHARACTERS_MAX).collect(), reason }
    }
}

/// What keeps `name` from being a canonical domain name. An address is not a domain: the last label
/// starts with a letter.
fn domain_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("the domain is empty");
    }
    if name.len() > DOMAIN_OCTETS_MAX {
        return Some("the domain is longer than 253 octets");
    }
    let labels = || name.split('.');
    if labels().any(str::is_empty) {
        return Some("the domain has an empty label");
    }
    if labels().any(|label| label.len() > LABEL_OCTETS_MAX) {
        return Some("the domain has a label longer than 63 octets");
    }
    let allowed = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if !labels().all(|label| label.bytes().all(allowed)) {
        return Some("the domain may hold only lower-case letters, digits, hyphens and dots");
    }
    if labels().any(|label| label.starts_with('-') || label.ends_with('-')) {
        return Some("a label of the domain starts or ends with a hyphen");
    }
    let last = labels().next_back().unwrap_or_default();
    if !last.starts_with(|character: char| character.is_ascii_lowercase()) {
        return Some("the last label of the domain does not start with a letter");
    }
    None
}

/// What keeps `uri` from being canonical (ID-URI-1, ID-URI-5, AMB-ID-2).
fn uri_fault(uri: &str) -> Option<&'static str> {
    if uri.len() > URI_OCTETS_MAX {
        return Some("longer than 1024 octets");
    }
    let Some(rest) = uri.strip_prefix(SCHEME) else {
        return Some("does not start with mimi:// in lower case");
    };
    let (host, path) = match rest.split_once('/') {
        None => (rest, None),
        Some((host, path)) => (host, Some(path)),
    };
    if let Some(fault) = domain_fault(host) {
        return Some(fault);
    }
    let path = path?;
    if let Some(fault) = path.split('/').find_map(segment_fault) {
        return Some(fault);
    }
    // A kind says what the next segment names, so there must be one.
    let mut segments = path.split('/');
    let kind = UriKind::of_segment(segments.next().unwrap_or_default());
    if kind != UriKind::Other && segments.next().is_none() {
        return Some("nothing is named after the kind");
    }
    None
}

/// What keeps one path segment from being canonical.
fn segment_fault(segment: &str) -> Option<&'static str> {
    match segment {
        "" => return Some("a path segment is empty"),
        "." | ".." => return Some("a path segment is a dot segment"),
        _ => {}
    }
    let Ok(decoded) = percent_decode_str(segment).decode_utf8() else {
        return Some("a path segment does not decode to UTF-8");
    };
    // Terminals and logs show these names.
    if decoded.chars().any(char::is_control) {
        return Some("a path segment holds a control character");
    }
    // Encoding is a function of the decoded segment, so this refuses every second spelling: lower
    // case hex, needless escapes, stray percent signs, queries and fragments.
    let spelled = utf8_percent_encode(&decoded, SEGMENT_ENCODED);
    if !spelled.flat_map(str::bytes).eq(segment.bytes()) {
        return Some("a path segment is not percent-encoded in the one canonical way");
    }
    None
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
        uri.as_str().to_owned()
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

#[cfg(test)]
mod tests;
