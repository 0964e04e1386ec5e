//! Oblivious HTTP (RFC 9458) over Binary HTTP (RFC 9292), as far as downloads of assets need it
//! (protocol-06 section 5.10.3).
//!
//! A client seals a request to the key of a hub's gateway and hands it to its own provider, the
//! relay: the relay learns who asks and nothing of what, the gateway what is asked and nothing of
//! who. This crate knows the formats and the encryption; who may ask what of whom is for its users.
//!
//! ```
//! use mimi_ohttp::message::{AssetRequest, AssetResponse};
//! use mimi_ohttp::{GatewayKey, KeyConfig, seal_request};
//! use mimi_wire::protocol::proxy_download::AssetUrl;
//!
//! // At the gateway: a key, and what it publishes.
//! let key = GatewayKey::new(1, &[7; 32])?;
//! let published = KeyConfig::encode_all(&[key.config().clone()]);
//!
//! // At the client.
//! let config = KeyConfig::choose(&published)?;
//! let url = AssetUrl::new("https://c.example/assets/v1/1f")?;
//! let (sealed, pending) = seal_request(&config, &AssetRequest::new(url).encode())?;
//!
//! // At the gateway.
//! let (request, sealer) = key.open_request(&sealed)?;
//! assert_eq!(AssetRequest::decode(&request)?.url.as_str(), "https://c.example/assets/v1/1f");
//! let response = AssetResponse { status: 200, content_range: None, content: b"octets".to_vec() };
//! let sealed = sealer.seal(&response.encode(), &[9; 32])?;
//!
//! // At the client.
//! assert_eq!(AssetResponse::decode(&pending.open(&sealed)?)?.content, b"octets");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The one thing that is not handed in is the randomness of a request's ephemeral key: the HPKE
//! library draws it itself.

#![warn(missing_docs)]

mod encapsulation;
mod key_config;
pub mod message;

pub use encapsulation::{GatewayKey, PendingResponse, ResponseSealer, key_id, seal_request};
pub use key_config::{KEY_CONFIGS_OCTETS_MAX, KeyConfig, PUBLIC_KEY_OCTETS, Suite};

use thiserror::Error;

/// Where a provider's gateway is unless its directory names another place (RFC 9540).
pub const GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
/// Media type of key configurations.
pub const KEYS_TYPE: &str = "application/ohttp-keys";
/// Media type of a sealed request.
pub const REQUEST_TYPE: &str = "message/ohttp-req";
/// Media type of a sealed response.
pub const RESPONSE_TYPE: &str = "message/ohttp-res";
/// Media type of the answer to a request that is sealed to a key unknown to the gateway.
pub const PROBLEM_TYPE: &str = "application/problem+json";
/// The `type` in such an answer (RFC 9458 section 5.3).
pub const UNKNOWN_KEY_PROBLEM: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";

/// Octets of a sealed request: a URL of 4 096 octets, padded, with room for what is around it.
pub const SEALED_REQUEST_OCTETS_MAX: usize = 8 * 1024;
/// Octets of an asset in one response. Larger assets are fetched in parts, by `Range`.
pub const CONTENT_OCTETS_MAX: usize = 1024 * 1024;
/// Octets of a sealed response with as much content, padded.
pub const SEALED_RESPONSE_OCTETS_MAX: usize = CONTENT_OCTETS_MAX + 64 * 1024;

/// What is wrong with octets of Oblivious HTTP.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum OhttpFault {
    /// Octets are missing, too many, or not what the format has.
    #[error("not what {0} looks like")]
    Format(&'static str),
    /// More octets than are allowed.
    #[error("larger than allowed")]
    TooLarge,
    /// It is sealed to a key that is not this one.
    #[error("sealed to a key that is not known here")]
    UnknownKey,
    /// No combination of algorithms that this build knows.
    #[error("no algorithms that are known here")]
    UnknownSuite,
    /// It does not open: another key, or altered on its way.
    #[error("it does not open")]
    NotSealed,
    /// A request that no gateway for assets answers.
    #[error("{0}")]
    NotAnAsset(&'static str),
}
