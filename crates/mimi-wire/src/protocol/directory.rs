//! The directory (protocol-06 section 5.1): where a provider's endpoints are (PROTO-DIR-1..4).
//!
//! ```
//! use mimi_wire::MimiUri;
//! use mimi_wire::protocol::directory::{Directory, Endpoint, identifier_from_path};
//!
//! let document = br#"{"notify": "https://mimi.b.example/n/{roomId}", "unknown": 7}"#;
//! let directory = Directory::from_json(document)?;
//! let room = MimiUri::new("mimi://a.example/r/clubhouse")?;
//! let url = directory.expand_for(Endpoint::Notify, &room)?;
//! assert_eq!(url, "https://mimi.b.example/n/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse");
//!
//! // On the other side, from the path as it was received.
//! assert_eq!(identifier_from_path("mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse")?, room);
//! assert_eq!(identifier_from_path("a.example/r/clubhouse")?, room);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::limits::{DIRECTORY_OCTETS_MAX, TEXT_OCTETS_MAX};
use crate::uri::{Domain, MimiUri, UriError};

/// Path of the directory at every provider.
pub const DIRECTORY_PATH: &str = "/.well-known/mimi-protocol-directory";
/// Our additional key: an array of PEM certificates of the provider's client issuers (AMB-ID-1).
pub const CLIENT_ISSUERS_KEY: &str = "clientIssuers";
/// Our additional key: an array of the hosts that serve the provider's assets.
pub const ASSET_HOSTS_KEY: &str = "assetHosts";
/// Our additional key: the URL of the provider's Oblivious HTTP gateway (AMB-DL-1).
pub const OHTTP_GATEWAY_KEY: &str = "ohttpGateway";

/// Most client issuers of one provider.
pub const CLIENT_ISSUERS_MAX: usize = 64;
/// Most hosts of one provider's assets; further ones are not read.
pub const ASSET_HOSTS_MAX: usize = 64;

/// What simple string expansion leaves bare: the unreserved characters of RFC 6570.
const EXPANSION_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An endpoint by its name in the directory.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Endpoint {
    /// `keyMaterial`, by target user.
    KeyMaterial,
    /// `update`, by room.
    Update,
    /// `notify`, by room.
    Notify,
    /// `submitMessage`, by room.
    SubmitMessage,
    /// `groupInfo`, by room.
    GroupInfo,
    /// `requestConsent`, by target domain (AMB-DIR-3).
    RequestConsent,
    /// `updateConsent`, by requester domain (AMB-DIR-3).
    UpdateConsent,
    /// `identifierQuery`, by domain.
    IdentifierQuery,
    /// `reportAbuse`, by room.
    ReportAbuse,
    /// `proxyDownload`, by URL.
    ProxyDownload,
}

/// A provider's directory: URL templates, taken literally (AMB-DIR-1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Directory {
    /// Template of each known endpoint.
    pub templates: BTreeMap<Endpoint, String>,
    /// PEM certificates of the client issuers.
    pub client_issuers: Vec<String>,
    /// Hosts that serve the provider's assets.
    pub asset_hosts: Vec<Domain>,
    /// The provider's Oblivious HTTP gateway, if the directory names one.
    pub ohttp_gateway: Option<String>,
}

/// Why a directory cannot be used. Always the fault of the provider that published it.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum DirectoryError {
    /// The document is too large.
    #[error("the directory has {0} octets, at most {DIRECTORY_OCTETS_MAX} are allowed")]
    TooLarge(usize),
    /// The document is not a JSON object.
    #[error("the directory is not a JSON object: {0}")]
    NotAnObject(String),
    /// A template cannot be used.
    #[error("the directory's template for {endpoint} cannot be used: {reason}")]
    Template {
        /// Key of the endpoint.
        endpoint: &'static str,
        /// What is wrong with the template.
        reason: &'static str,
    },
    /// The client issuers are not an array of strings, or too many.
    #[error(
        "the directory's {CLIENT_ISSUERS_KEY} must be an array of at most {CLIENT_ISSUERS_MAX} strings"
    )]
    ClientIssuers,
    /// The provider does not offer the endpoint.
    #[error("the directory has no endpoint {0}")]
    Missing(&'static str),
}

impl Endpoint {
    /// Every endpoint the draft names (PROTO-DIR-2).
    pub const ALL: [Self; 10] = [
        Self::KeyMaterial,
        Self::Update,
        Self::Notify,
        Self::SubmitMessage,
        Self::GroupInfo,
        Self::RequestConsent,
        Self::UpdateConsent,
        Self::IdentifierQuery,
        Self::ReportAbuse,
        Self::ProxyDownload,
    ];

    /// Its key in the directory.
    pub fn key(self) -> &'static str {
        match self {
            Self::KeyMaterial => "keyMaterial",
            Self::Update => "update",
            Self::Notify => "notify",
            Self::SubmitMessage => "submitMessage",
            Self::GroupInfo => "groupInfo",
            Self::RequestConsent => "requestConsent",
            Self::UpdateConsent => "updateConsent",
            Self::IdentifierQuery => "identifierQuery",
            Self::ReportAbuse => "reportAbuse",
            Self::ProxyDownload => "proxyDownload",
        }
    }

    /// The names its template's variable may have, the one we publish first. The draft names the
    /// variable of the consent endpoints in two ways (AMB-DIR-3).
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Self::KeyMaterial => &["targetUser"],
            Self::Update
            | Self::Notify
            | Self::SubmitMessage
            | Self::GroupInfo
            | Self::ReportAbuse => &["roomId"],
            Self::RequestConsent => &["targetDomain", "targetUser"],
            Self::UpdateConsent => &["requesterDomain", "requesterUser"],
            Self::IdentifierQuery => &["domain"],
            Self::ProxyDownload => &["downloadUrl"],
        }
    }

    /// The endpoint of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.key() == key)
    }

    /// Path of the endpoint at our own providers, e.g. `/mimi/v1/update/{roomId}`.
    pub fn standard_path(self) -> String {
        format!("/mimi/v1/{}/{{{}}}", self.key(), self.variables()[0])
    }
}

impl Directory {
    /// Our own directory: what we serve so far, below `base_url`, e.g. `https://a.example:8443`.
    pub fn standard(base_url: &str) -> Self {
        let base = base_url.trim_end_matches('/');
        let template =
            |endpoint: Endpoint| (endpoint, format!("{base}{}", endpoint.standard_path()));
        Self {
            templates: Endpoint::ALL.into_iter().map(template).collect(),
            client_issuers: Vec::new(),
            asset_hosts: Vec::new(),
            ohttp_gateway: None,
        }
    }

    /// Parses a peer's directory. Unknown keys are ignored (PROTO-DIR-2); a known one that cannot
    /// be used makes the directory unusable, so that the operators hear of it.
    pub fn from_json(octets: &[u8]) -> Result<Self, DirectoryError> {
        if octets.len() > DIRECTORY_OCTETS_MAX {
            return Err(DirectoryError::TooLarge(octets.len()));
        }
        let document: Map<String, Value> = serde_json::from_slice(octets)
            .map_err(|error| DirectoryError::NotAnObject(error.to_string()))?;
        let mut templates = BTreeMap::new();
        for endpoint in Endpoint::ALL {
            let Some(value) = document.get(endpoint.key()) else { continue };
            let template = value.as_str().ok_or("not a string").and_then(|template| {
                split_template(template, endpoint)?;
                Ok(template.to_owned())
            });
            match template {
                Ok(template) => templates.insert(endpoint, template),
                Err(reason) => {
                    return Err(DirectoryError::Template { endpoint: endpoint.key(), reason });
                }
            };
        }
        let client_issuers = match document.get(CLIENT_ISSUERS_KEY) {
            None => Vec::new(),
            Some(value) => read_client_issuers(value).ok_or(DirectoryError::ClientIssuers)?,
        };
        let asset_hosts = document.get(ASSET_HOSTS_KEY).map(read_asset_hosts).unwrap_or_default();
        let ohttp_gateway = document.get(OHTTP_GATEWAY_KEY).and_then(read_ohttp_gateway);
        Ok(Self { templates, client_issuers, asset_hosts, ohttp_gateway })
    }

    /// The document to publish (PROTO-DIR-1).
    pub fn to_json(&self) -> String {
        let mut document = Map::new();
        for (endpoint, template) in &self.templates {
            document.insert(endpoint.key().to_owned(), Value::from(template.as_str()));
        }
        if !self.client_issuers.is_empty() {
            document.insert(CLIENT_ISSUERS_KEY.to_owned(), self.client_issuers.clone().into());
        }
        if !self.asset_hosts.is_empty() {
            let hosts: Vec<&str> = self.asset_hosts.iter().map(Domain::as_str).collect();
            document.insert(ASSET_HOSTS_KEY.to_owned(), hosts.into());
        }
        if let Some(url) = &self.ohttp_gateway {
            document.insert(OHTTP_GATEWAY_KEY.to_owned(), Value::from(url.as_str()));
        }
        format!("{:#}", Value::Object(document))
    }

    /// The URL of an endpoint for `value`, whatever its template calls the variable: RFC 6570
    /// simple string expansion, with the other parts left alone (PROTO-DIR-3, AMB-DIR-2).
    pub fn expand(&self, endpoint: Endpoint, value: &str) -> Result<String, DirectoryError> {
        let (before, _, after) = self.split(endpoint)?;
        Ok(format!("{before}{}{after}", utf8_percent_encode(value, EXPANSION_ENCODED)))
    }

    /// The URL of an endpoint for a room or user: for the whole URI, or for its domain where that
    /// is what the template's variable stands for (AMB-DIR-3, AMB-DIR-4).
    pub fn expand_for(
        &self,
        endpoint: Endpoint,
        identifier: &MimiUri,
    ) -> Result<String, DirectoryError> {
        match self.split(endpoint)?.1 {
            "targetDomain" | "requesterDomain" | "domain" => {
                self.expand(endpoint, identifier.domain().as_str())
            }
            _ => self.expand(endpoint, identifier.as_str()),
        }
    }

    fn split(&self, endpoint: Endpoint) -> Result<(&str, &str, &str), DirectoryError> {
        let key = endpoint.key();
        let template = self.templates.get(&endpoint).ok_or(DirectoryError::Missing(key))?;
        split_template(template, endpoint)
            .map_err(|reason| DirectoryError::Template { endpoint: key, reason })
    }
}

/// An array of PEM texts; what is in them is for who verifies certificates.
fn read_client_issuers(value: &Value) -> Option<Vec<String>> {
    let array = value.as_array().filter(|array| array.len() <= CLIENT_ISSUERS_MAX)?;
    array.iter().map(|pem| pem.as_str().map(str::to_owned)).collect()
}

/// The hosts in an array, as far as they are domain names: a provider that means something else by
/// the key loses its proxied downloads, not its federation.
fn read_asset_hosts(value: &Value) -> Vec<Domain> {
    let hosts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    hosts.filter_map(|host| Domain::new(host).ok()).take(ASSET_HOSTS_MAX).collect()
}

/// An https URL without user information; as for asset hosts, anything else is none.
fn read_ohttp_gateway(value: &Value) -> Option<String> {
    let url = value.as_str().filter(|url| url.len() <= TEXT_OCTETS_MAX)?;
    let rest = url.strip_prefix("https://")?;
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    let is_sound = !authority.is_empty()
        && !authority.contains('@')
        && rest.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&octet));
    is_sound.then(|| url.to_owned())
}

/// What is before the variable, its name, and what is after it.
fn split_template(template: &str, endpoint: Endpoint) -> Result<(&str, &str, &str), &'static str> {
    if template.len() > TEXT_OCTETS_MAX {
        return Err("longer than 4096 octets");
    }
    // PROTO-TR-1.
    let Some(rest) = template.strip_prefix("https://") else {
        return Err("not an https URL");
    };
    let (before, expression) = template.split_once('{').ok_or("it has no variable")?;
    let (variable, after) = expression.split_once('}').ok_or("its variable is not closed")?;
    if after.contains(['{', '}']) || before.contains('}') {
        return Err("it must have exactly one variable");
    }
    if !endpoint.variables().contains(&variable) {
        return Err("its variable is not the endpoint's");
    }
    let in_url = |octet: u8| octet.is_ascii_graphic() && !b"\"<>\\^`|#".contains(&octet);
    if !before.bytes().chain(after.bytes()).all(in_url) {
        return Err("it holds characters that an endpoint's URL cannot have");
    }
    // A value must never become part of the host.
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let authority = &rest[..authority_end];
    if authority.is_empty() || authority.contains(['{', '@']) {
        return Err("its host is empty, or holds a variable or user information");
    }
    Ok((before, variable, after))
}

/// The URI in the raw, still encoded path variable of a request: the whole URI percent-encoded, or
/// the path without the scheme as in the draft's flows. Proxies that decode some of it are
/// tolerated, since only canonical URIs come out (AMB-DIR-2).
pub fn identifier_from_path(raw: &str) -> Result<MimiUri, UriError> {
    const SCHEME: &str = "mimi://";

    let Ok(decoded) = percent_decode_str(raw).decode_utf8() else {
        return Err(UriError::new(raw, "the path does not decode to UTF-8"));
    };
    let fault = if decoded.starts_with(SCHEME) {
        match MimiUri::new(&decoded) {
            Ok(uri) => return Ok(uri),
            Err(fault) => fault,
        }
    } else {
        UriError::new(raw, "the path names no MIMI identifier")
    };
    let readings = [raw.to_owned(), format!("{SCHEME}{raw}"), format!("{SCHEME}{decoded}")];
    readings.iter().find_map(|reading| MimiUri::new(reading).ok()).ok_or(fault)
}

#[cfg(test)]
mod tests;
