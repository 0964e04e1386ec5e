//! The only driver of the MLS library: the hub's view and the member's view of a room's group.
//!
//! Octets go in, verified [`StagedChange`](mimi_policy::StagedChange)s come out, and nothing is
//! merged until the caller says so. Knows no policy, no storage and no HTTP.
//!
//! Time and randomness are arguments, with two exceptions that the library makes: it compares the
//! lifetimes of KeyPackages with the system's clock, and it draws from the system what HPKE and the
//! reuse guards of messages need. So a group's octets are never quite the same twice.

#![warn(missing_docs)]

pub mod device;
pub mod error;
pub mod franking;
pub mod hub;
pub mod hub_keys;
pub mod identity;
pub mod key_package;
pub mod label;
pub mod member;
pub mod roster;

mod changes;
mod components;
mod context;
mod external_update;
mod framing;
mod leaf;
mod pick;
mod pieces;
mod provider;
mod signature_key;

/// The mandatory cipher suite, MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 (AMB-ST-7).
pub const CIPHERSUITE: mimi_wire::protocol::CipherSuite = 0x0001;
