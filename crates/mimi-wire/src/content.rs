//! `application/mimi-content` (content-08 sections 3 to 5): messages and their IDs.
//!
//! ```
//! use mimi_wire::MimiUri;
//! use mimi_wire::content::{MessageId, MimiContent};
//!
//! let alice = MimiUri::new("mimi://a.example/u/alice")?;
//! let room = MimiUri::new("mimi://a.example/r/clubhouse")?;
//! let salt = [7; 16]; // From a CSPRNG, fresh for every message.
//! let octets = MimiContent::text(salt, &alice, &room, "Hi *all*").encode()?;
//!
//! // The receiver: over the octets as received, with the sender and the room that MLS has proven.
//! let content = MimiContent::decode(&octets)?;
//! content.check_claims(Some(&alice), Some(&room))?;
//! content.check_values()?;
//! let id = MessageId::compute(&alice, &room, &octets, &content.salt);
//!
//! // A reply, a reaction and an edit name the message by its ID.
//! let bob = MimiUri::new("mimi://b.example/u/bob")?;
//! let reaction = MimiContent::reaction([8; 16], &bob, &room, id, "\u{2764}");
//! assert_eq!(reaction.reaction_texts(), ["\u{2764}"]);
//! let edit = MimiContent::edit([9; 16], &alice, &room, id, "Hi **all**").in_place_of(&content);
//! assert_eq!(edit.replaces, Some(id));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Decoding is strict: RFC 8949 section 4.2.1 and nothing else (CONTENT-ENC-1, AMB-CNT-5). Which
//! parts to show is in [`parts`], what to discard in [`rules`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::uri::MimiUri;

mod compose;
mod decode;
pub mod derived;
mod encode;
pub mod extension;
pub mod external;
pub mod parts;
pub mod rules;
#[cfg(test)]
mod tests;
pub mod view;

pub use compose::{REACTION_TYPE, TEXT_TYPE};

/// `MessageId` (CONTENT-ID-1).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub [u8; 32]);

impl MessageId {
    /// First octet of an ID that is made with SHA-256, the only function there is.
    const SHA_256: u8 = 0x01;

    /// The ID of a message: over the true sender and room, not those it claims (AMB-CNT-4), and
    /// over the content's octets as received, without framing (AMB-CNT-3).
    pub fn compute(
        sender: &MimiUri,
        room: &MimiUri,
        content_octets: &[u8],
        salt: &[u8; 16],
    ) -> Self {
        let mut hash = Sha256::new();
        for uri in [sender, room] {
            // Octets, not characters (AMB-CNT-2).
            let length =
                u16::try_from(uri.as_bytes().len()).expect("a URI has at most 1024 octets");
            hash.update(length.to_be_bytes());
            hash.update(uri.as_bytes());
        }
        hash.update(content_octets);
        hash.update(salt);
        let mut id = [Self::SHA_256; 32];
        id[1..].copy_from_slice(&hash.finalize()[..31]);
        Self(id)
    }

    /// Whether the first octet names a hash function that is known (CONTENT-SEC-1).
    pub fn is_of_known_hash(&self) -> bool {
        self.0[0] == Self::SHA_256
    }
}

/// Why a text is no message ID.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a message ID is 64 hexadecimal digits")]
pub struct MessageIdError;

/// From 64 hexadecimal digits, as [`Display`](fmt::Display) writes them.
impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or(MessageIdError)?;
        let mut id = [0; 32];
        for (octet, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = pair[0] << 4 | pair[1];
        }
        Ok(Self(id))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(formatter, "{octet:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// `expires`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expiration {
    /// Counted from reading when true, else seconds since the UNIX epoch (CONTENT-EXP-1).
    pub relative: bool,
    /// Seconds.
    pub time: u32,
}

/// Key of an extension (CONTENT-DM-1).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ExtensionKey {
    /// Registered when positive, private when negative.
    Int(i64),
    /// Private, 1 to 255 octets.
    Text(String),
}

impl ExtensionKey {
    /// 1: the URI of the sender.
    pub const SENDER_URI: Self = Self::Int(1);
    /// 2: the URI of the room.
    pub const ROOM_URI: Self = Self::Int(2);
}

/// `disposition`; unknown values are kept and treated as render.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Disposition(pub u8);

impl Disposition {
    /// 0.
    pub const UNSPECIFIED: Self = Self(0);
    /// 1.
    pub const RENDER: Self = Self(1);
    /// 2.
    pub const REACTION: Self = Self(2);
    /// 3.
    pub const PROFILE: Self = Self(3);
    /// 4.
    pub const INLINE: Self = Self(4);
    /// 5.
    pub const ICON: Self = Self(5);
    /// 6.
    pub const ATTACHMENT: Self = Self(6);
    /// 7.
    pub const SESSION: Self = Self(7);
    /// 8.
    pub const PREVIEW: Self = Self(8);

    /// The draft's name of the value.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 9] = [
            "unspecified",
            "render",
            "reaction",
            "profile",
            "inline",
            "icon",
            "attachment",
            "session",
            "preview",
        ];
        NAMES.get(usize::from(self.0)).copied()
    }
}

/// The draft's name, or the number.
impl fmt::Display for Disposition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => self.0.fmt(formatter),
        }
    }
}

/// What the receiver does with the parts of a multi-part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum PartSemantics {
    /// Exactly one.
    ChooseOne = 0,
    /// All or none.
    SingleUnit = 1,
    /// As many as possible.
    ProcessAll = 2,
}

impl PartSemantics {
    /// The draft's name of the value.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChooseOne => "chooseOne",
            Self::SingleUnit => "singleUnit",
            Self::ProcessAll => "processAll",
        }
    }
}

/// `ExternalPart`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalPart {
    /// Media type.
    pub content_type: String,
    /// Untagged text (AMB-CNT-7).
    pub url: String,
    /// 0 = never.
    pub expires: u32,
    /// Octets; 0 = unknown.
    pub size: u64,
    /// IANA AEAD number; 0 = none.
    pub enc_alg: u16,
    /// Key.
    pub key: Vec<u8>,
    /// Nonce.
    pub nonce: Vec<u8>,
    /// Additional data.
    pub aad: Vec<u8>,
    /// Named Information hash; 0 = none.
    pub hash_alg: u8,
    /// Over the octets served at the URL (AMB-CNT-9).
    pub content_hash: Vec<u8>,
    /// For a person.
    pub description: String,
    /// Suggested file name.
    pub filename: String,
}

/// The body of a part, by cardinality.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// 0.
    Null,
    /// 1.
    Single {
        /// Media type.
        content_type: String,
        /// Content.
        content: Vec<u8>,
    },
    /// 2.
    External(Box<ExternalPart>),
    /// 3.
    Multi {
        /// How the parts relate.
        semantics: PartSemantics,
        /// Two or more.
        parts: Vec<NestedPart>,
    },
}

/// `NestedPart`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NestedPart {
    /// What it is for.
    pub disposition: Disposition,
    /// Empty or comma-separated RFC 5646 tags; what is no tag is not malicious (CONTENT-PART-4).
    pub language: String,
    /// The body.
    pub part: Part,
}

/// A MIMI message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MimiContent {
    /// 16 octets from a CSPRNG (CONTENT-MSG-1).
    pub salt: [u8; 16],
    /// The first instance of the message this one edits or deletes (CONTENT-MSG-2).
    pub replaces: Option<MessageId>,
    /// Empty = none.
    pub topic_id: Vec<u8>,
    /// Never when absent.
    pub expires: Option<Expiration>,
    /// The message this one answers or reacts to.
    pub in_reply_to: Option<MessageId>,
    /// `senderUri` is key 1, `roomUri` key 2.
    pub extensions: BTreeMap<ExtensionKey, ExtensionValue>,
    /// The body.
    pub body: NestedPart,
}

/// Value of an extension: any CBOR item within the data model (CONTENT-DM-1, CONTENT-DEP-1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExtensionValue {
    /// A text string.
    Text(String),
    /// Any other item, as its exact deterministic encoding, known or not (CONTENT-EXT-2).
    Encoded(Vec<u8>),
}
