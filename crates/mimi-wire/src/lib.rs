//! Every byte of MIMI: identifiers, the bodies of the endpoints, message content, room components.
//!
//! MIMI (More Instant Messaging Interoperability) lets messengers of different providers share rooms,
//! with MLS (RFC 9420) protecting what is said in them. This crate reads and writes what travels, and
//! decides what is well formed; it knows no HTTP, no keys of MLS and no rules of rooms. It sees no
//! clock, no socket and no source of randomness: what depends on them is handed in.
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
//!
//! # Where is what
//!
//! | draft | section | module |
//! |---|---|---|
//! | draft-ietf-mimi-protocol-06 | 3, 4: identifiers | [`uri`] |
//! | | 5.1 directory | [`protocol::directory`] |
//! | | 5.2 key material | [`protocol::key_material`] |
//! | | 5.3 update | [`protocol::update`] |
//! | | 5.4 submit message | [`protocol::submit_message`] |
//! | | 5.4.1 franking | [`franking`] |
//! | | 5.5 fanout | [`protocol::notify`] |
//! | | 5.6 GroupInfo | [`protocol::group_info`] |
//! | | 5.7 consent | [`protocol::consent`] |
//! | | 5.8 identifier query | [`protocol::identifier_query`] |
//! | | 5.9 abuse reports | [`protocol::report_abuse`] |
//! | | 6 minimal-metadata rooms | [`experimental`] |
//! | | 7.5 participant list | [`room::participant_list`] |
//! | | 7.6 room metadata | [`room::metadata`] |
//! | draft-ietf-mimi-content-08 | 3.3 message IDs, 4.1, 4.3, 6 encoding | [`content`] |
//! | | 4.4 parts | [`content::parts`] |
//! | | 4.5 external content | [`content::external`] |
//! | | 4.6 derived values | [`content::derived`] |
//! | | 7 media types | [`media`] |
//! | | 9 security considerations | [`content::rules`] |
//! | draft-mimi-content-more-extensions-00 | 3 to 6 | [`content::extension`] |
//! | draft-mahy-mimi-message-status-01 | 3, 4 | [`status`] |
//! | draft-ietf-mimi-room-policy-03 | 3 roles, 4 preauthorization | [`room::roles`], [`room::preauth`] |
//! | | 5 base policy | [`room::base_policy`] |
//! | | 6 other policies | one module of [`room`] each |
//! | | 7 operational policy | [`room::operational_policy`] |
//! | | 8 capabilities | [`room::capability`] |
//! | draft-ietf-mls-extensions-10 | 4.1, 4.7, 4.8 components and updates | [`component`] |
//! | | 4.6 `AppDataDictionary` | [`protocol::AppDataDictionary`] |
//! | | 4.9 SafeAAD | [`franking`] |
//! | | 5 wire formats, 7 code points | [`registry`] |
//! | | 6.2 content advertisement, framing | [`media`] |
//! | draft-mahy-mls-ratchet-tree-options-03 | 3, 4 | [`protocol::ratchet_tree`] |
//! | draft-mahy-mls-semiprivatemessage-07 | 3 | [`experimental`] |
//! | RFC 9420 | objects inside the bodies | [`mls`] |
//!
//! # How it reads
//!
//! - Structures in TLS presentation language implement [`Wire`]: `decode` takes a whole body and
//!   refuses what follows it, `encode` gives its one encoding. Messages and status reports are CBOR
//!   and have `decode` and `encode` of their own.
//! - A fault is a [`Malformed`]: the offset, the field in the draft's own terms, and the reason.
//! - Decoding never panics and never allocates more than a small multiple of its input. Every list
//!   and every text has a limit, named in [`limits`].
//! - What a draft lets grow is kept when it is not known: components, capabilities, dispositions,
//!   statuses, extensions, cipher suites, sources of profile fields. What decides how the octets after
//!   it are read must be known.
//! - Objects of MLS keep their exact received octets, which signatures and hashes are of.
//! - Where a draft is unclear, Tombolo's reading is in `docs/decisions.md` under the id that the code
//!   names (`AMB-…`); `docs/readings.md` names the function and the vectors of each reading that
//!   changes octets. Other ids (`PROTO-…`, `CONTENT-…`) are of `docs/requirements.toml`.
//! - [`inspect`] shows any octets as a tree.
//!
//! # Compatibility
//!
//! There are no features. The drafts still change: a new version of one may change octets, and then
//! the minor version of this crate changes too. [`experimental`] may change at any time. `vectors/` in
//! the repository pins every structure, in JSON, for implementations in any language.

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
pub mod public_address;
pub mod registry;
pub mod room;
pub mod status;
mod trace;
pub mod uri;

pub use codec::{Malformed, Wire};
pub use uri::{Domain, MimiUri, UriKind};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
