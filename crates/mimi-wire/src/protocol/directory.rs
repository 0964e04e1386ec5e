//! The directory: where a provider's endpoints are (protocol section 5.1, PROTO-DIR-1..4).

use std::collections::BTreeMap;

/// Path of the directory at every provider.
pub const DIRECTORY_PATH: &str = "/.well-known/mimi-protocol-directory";
/// Our additional key: an array of PEM certificates of the provider's client issuers (AMB-ID-1).
pub const CLIENT_ISSUERS_KEY: &str = "clientIssuers";

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
}
