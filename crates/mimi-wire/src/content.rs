//! `application/mimi-content` (content draft section 3 to 5): deterministic CBOR and message IDs.

use std::collections::BTreeMap;

/// `MessageId` (CONTENT-ID-1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub [u8; 32]);

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
    /// Empty or comma-separated RFC 5646 tags.
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
    /// Any other item, as its exact deterministic encoding.
    Encoded(Vec<u8>),
}
