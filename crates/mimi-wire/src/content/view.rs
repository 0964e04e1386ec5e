//! A message as it stands in its octets: decoded and checked without a copy of any of them.

use crate::codec::Malformed;
use crate::content::rules::{self, Nonsense};
use crate::content::{
    Disposition, Expiration, ExtensionKey, ExtensionValue, ExternalPart, MessageId, MimiContent,
    NestedPart, Part, PartSemantics,
};
use crate::uri::MimiUri;

/// What [`MimiContent`] holds, borrowed from the octets it was decoded from. For who looks at a
/// message and keeps nothing of it; [`to_content`](Self::to_content) makes it one's own.
///
/// ```
/// use mimi_wire::MimiUri;
/// use mimi_wire::content::view::{ContentView, PartView};
/// use mimi_wire::content::MimiContent;
///
/// let alice = MimiUri::new("mimi://a.example/u/alice")?;
/// let room = MimiUri::new("mimi://a.example/r/clubhouse")?;
/// let octets = MimiContent::text([7; 16], &alice, &room, "hello").encode()?;
/// let view = ContentView::decode(&octets)?;
/// view.check_claims(Some(&alice), Some(&room))?;
/// assert!(matches!(view.body.part, PartView::Single { content: b"hello", .. }));
/// assert!(view.message_id(&alice, &room).is_of_known_hash());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentView<'a> {
    pub(super) octets: &'a [u8],
    /// As [`MimiContent::salt`].
    pub salt: [u8; 16],
    /// As [`MimiContent::replaces`].
    pub replaces: Option<MessageId>,
    /// As [`MimiContent::topic_id`].
    pub topic_id: &'a [u8],
    /// As [`MimiContent::expires`].
    pub expires: Option<Expiration>,
    /// As [`MimiContent::in_reply_to`].
    pub in_reply_to: Option<MessageId>,
    /// As [`MimiContent::extensions`], in the order of the octets, each key once.
    pub extensions: Vec<(KeyView<'a>, ExtensionView<'a>)>,
    /// As [`MimiContent::body`].
    pub body: NestedPartView<'a>,
}

/// A borrowed [`ExtensionKey`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyView<'a> {
    /// Registered when positive, private when negative.
    Int(i64),
    /// Private, 1 to 255 octets.
    Text(&'a str),
}

/// A borrowed [`ExtensionValue`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExtensionView<'a> {
    /// A text string.
    Text(&'a str),
    /// Any other item, as its exact deterministic encoding.
    Encoded(&'a [u8]),
}

/// A borrowed [`NestedPart`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NestedPartView<'a> {
    /// What it is for.
    pub disposition: Disposition,
    /// Empty or comma-separated RFC 5646 tags.
    pub language: &'a str,
    /// The body.
    pub part: PartView<'a>,
}

/// A borrowed [`Part`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PartView<'a> {
    /// 0.
    Null,
    /// 1.
    Single {
        /// Media type.
        content_type: &'a str,
        /// Content.
        content: &'a [u8],
    },
    /// 2.
    External(Box<ExternalPartView<'a>>),
    /// 3.
    Multi {
        /// How the parts relate.
        semantics: PartSemantics,
        /// Two or more.
        parts: Vec<NestedPartView<'a>>,
    },
}

/// A borrowed [`ExternalPart`], field by field.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of ExternalPart")]
pub struct ExternalPartView<'a> {
    pub content_type: &'a str,
    pub url: &'a str,
    pub expires: u32,
    pub size: u64,
    pub enc_alg: u16,
    pub key: &'a [u8],
    pub nonce: &'a [u8],
    pub aad: &'a [u8],
    pub hash_alg: u8,
    pub content_hash: &'a [u8],
    pub description: &'a str,
    pub filename: &'a str,
}

impl<'a> ContentView<'a> {
    /// The octets it was decoded from.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The message's ID, over these octets; see [`MessageId::compute`].
    pub fn message_id(&self, sender: &MimiUri, room: &MimiUri) -> MessageId {
        MessageId::compute(sender, room, self.octets, &self.salt)
    }

    /// The value of an extension.
    pub fn extension(&self, key: &ExtensionKey) -> Option<ExtensionView<'a>> {
        let found = self.extensions.iter().find(|(own, _)| own.is(key));
        found.map(|(_, value)| *value)
    }

    /// As [`MimiContent::check_claims`].
    pub fn check_claims(
        &self,
        sender: Option<&MimiUri>,
        room: Option<&MimiUri>,
    ) -> Result<(), Nonsense> {
        rules::check_claims(|key| self.extension(key), sender, room)
    }

    /// As [`MimiContent::check_values`].
    pub fn check_values(&self) -> Result<(), Nonsense> {
        rules::check_values(self.expires, |key| self.extension(key))
    }

    /// As [`MimiContent::check_expiry`].
    pub fn check_expiry(&self, accepted_at_ms: u64) -> Result<(), Nonsense> {
        rules::check_expiry(self.expires, accepted_at_ms)
    }

    /// The same with octets of its own.
    pub fn to_content(&self) -> MimiContent {
        let own =
            |(key, value): &(KeyView<'_>, ExtensionView<'_>)| (key.to_key(), value.to_value());
        MimiContent {
            salt: self.salt,
            replaces: self.replaces,
            topic_id: self.topic_id.to_vec(),
            expires: self.expires,
            in_reply_to: self.in_reply_to,
            extensions: self.extensions.iter().map(own).collect(),
            body: self.body.to_part(),
        }
    }

    /// Whether these are the extensions of a message, when they are in the order of their keys'
    /// octets.
    pub(super) fn has_values<'b>(
        &self,
        mut values: impl ExactSizeIterator<Item = &'b ExtensionValue>,
    ) -> bool {
        values.len() == self.extensions.len()
            && self
                .extensions
                .iter()
                .all(|(_, own)| values.next().is_some_and(|it| it.view() == *own))
    }
}

impl KeyView<'_> {
    fn is(&self, key: &ExtensionKey) -> bool {
        match (self, key) {
            (Self::Int(own), ExtensionKey::Int(key)) => own == key,
            (Self::Text(own), ExtensionKey::Text(key)) => own == key,
            _ => false,
        }
    }

    /// The key with octets of its own.
    pub fn to_key(&self) -> ExtensionKey {
        match self {
            Self::Int(key) => ExtensionKey::Int(*key),
            Self::Text(key) => ExtensionKey::Text((*key).to_owned()),
        }
    }
}

impl ExtensionView<'_> {
    /// The value with octets of its own.
    pub fn to_value(&self) -> ExtensionValue {
        match self {
            Self::Text(text) => ExtensionValue::Text((*text).to_owned()),
            Self::Encoded(item) => ExtensionValue::Encoded(item.to_vec()),
        }
    }
}

impl ExtensionValue {
    /// The value, borrowed.
    pub fn view(&self) -> ExtensionView<'_> {
        match self {
            Self::Text(text) => ExtensionView::Text(text),
            Self::Encoded(item) => ExtensionView::Encoded(item),
        }
    }
}

impl NestedPartView<'_> {
    /// The part with octets of its own.
    pub fn to_part(&self) -> NestedPart {
        let part = match &self.part {
            PartView::Null => Part::Null,
            PartView::Single { content_type, content } => {
                Part::Single { content_type: (*content_type).to_owned(), content: content.to_vec() }
            }
            PartView::External(external) => Part::External(Box::new(external.to_external())),
            PartView::Multi { semantics, parts } => {
                let parts = parts.iter().map(NestedPartView::to_part).collect();
                Part::Multi { semantics: *semantics, parts }
            }
        };
        NestedPart { disposition: self.disposition, language: self.language.to_owned(), part }
    }
}

impl ExternalPartView<'_> {
    fn to_external(&self) -> ExternalPart {
        ExternalPart {
            content_type: self.content_type.to_owned(),
            url: self.url.to_owned(),
            expires: self.expires,
            size: self.size,
            enc_alg: self.enc_alg,
            key: self.key.to_vec(),
            nonce: self.nonce.to_vec(),
            aad: self.aad.to_vec(),
            hash_alg: self.hash_alg,
            content_hash: self.content_hash.to_vec(),
            description: self.description.to_owned(),
            filename: self.filename.to_owned(),
        }
    }
}

impl MimiContent {
    /// Decodes deterministic CBOR within the content draft's data model; anything else is
    /// malformed (CONTENT-ENC-1, AMB-CNT-5). The message's ID is over these very octets
    /// (AMB-CNT-3).
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        ContentView::decode(octets).map(|view| view.to_content())
    }

    /// As [`decode`](Self::decode), but lets maps have their keys in any order, for senders whose
    /// library cannot sort them (AMB-CNT-5).
    pub fn decode_any_key_order(octets: &[u8]) -> Result<Self, Malformed> {
        ContentView::decode_any_key_order(octets).map(|view| view.to_content())
    }
}
