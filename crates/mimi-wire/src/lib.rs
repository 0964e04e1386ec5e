//! Every byte of MIMI: identifiers, the bodies of the endpoints, message content, room components.
//!
//! This crate decides what is well formed and nothing else. It knows no HTTP, no cryptography and
//! no rules: what a structure means is for `mimi-policy` and `mimi-provider` to say. Objects of MLS
//! inside the bodies are parsed by the MLS library and kept together with their received octets.
//!
//! ```
//! use mimi_wire::content::{MessageId, MimiContent};
//! use mimi_wire::{MimiUri, Wire};
//!
//! let alice = MimiUri::new("mimi://a.example/u/alice")?;
//! let room = MimiUri::new("mimi://a.example/r/clubhouse")?;
//! assert_eq!(MimiUri::decode(&alice.encode())?, alice);
//!
//! let salt = [7; 16];
//! let octets = MimiContent::text(salt, &alice, &room, "hello").encode()?;
//! let content = MimiContent::decode(&octets)?;
//! assert_eq!(content.shown_text().as_deref(), Some("hello"));
//! assert!(MessageId::compute(&alice, &room, &octets, &salt).is_of_known_hash());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

mod cbor;
pub mod codec;
pub mod component;
pub mod content;
pub mod experimental;
#[cfg(test)]
mod fixtures;
pub mod franking;
pub mod inspect;
pub mod limits;
pub mod media;
pub mod mls;
pub mod protocol;
pub mod registry;
pub mod room;
pub mod status;
mod trace;
pub mod uri;

pub use codec::{Malformed, Wire};
pub use uri::{Domain, MimiUri, UriKind};
