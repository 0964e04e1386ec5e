//! The messages people write, and what is read out of them.

use std::collections::BTreeMap;

use crate::content::{
    Disposition, ExtensionKey, ExtensionValue, MessageId, MimiContent, NestedPart, Part,
    PartSemantics,
};
use crate::media::{ContentType, TextFormat};
use crate::uri::MimiUri;

/// Media type of the texts we write (CONTENT-MT-1).
pub const TEXT_TYPE: &str = "text/markdown;variant=GFM-MIMI";
/// Media type of the reactions we write.
pub const REACTION_TYPE: &str = "text/plain;charset=utf-8";

impl MimiContent {
    /// A text. As all constructors, states sender and room (AMB-CNT-4); `salt` is fresh from a
    /// CSPRNG (CONTENT-MSG-1).
    pub fn text(salt: [u8; 16], sender: &MimiUri, room: &MimiUri, text: &str) -> Self {
        let body = NestedPart::single(Disposition::RENDER, TEXT_TYPE, text.as_bytes());
        Self::with_body(salt, sender, room, body)
    }

    /// A text that answers exactly one version of a message (CONTENT-REP-2).
    pub fn reply(
        salt: [u8; 16],
        sender: &MimiUri,
        room: &MimiUri,
        in_reply_to: MessageId,
        text: &str,
    ) -> Self {
        Self { in_reply_to: Some(in_reply_to), ..Self::text(salt, sender, room, text) }
    }

    /// A reaction, e.g. one emoji.
    pub fn reaction(
        salt: [u8; 16],
        sender: &MimiUri,
        room: &MimiUri,
        in_reply_to: MessageId,
        reaction: &str,
    ) -> Self {
        let body = NestedPart::single(Disposition::REACTION, REACTION_TYPE, reaction.as_bytes());
        let content = Self::with_body(salt, sender, room, body);
        Self { in_reply_to: Some(in_reply_to), ..content }
    }

    /// Several reactions in one message: each in a part of its own, since a receiver takes the text
    /// of a part for one reaction (CONTENT-PART-5). None without a reaction.
    pub fn reactions(
        salt: [u8; 16],
        sender: &MimiUri,
        room: &MimiUri,
        in_reply_to: MessageId,
        reactions: &[&str],
    ) -> Option<Self> {
        let parts: Vec<NestedPart> = reactions
            .iter()
            .map(|text| NestedPart::single(Disposition::REACTION, REACTION_TYPE, text.as_bytes()))
            .collect();
        let body = match <[NestedPart; 1]>::try_from(parts) {
            Ok([part]) => part,
            Err(parts) if parts.is_empty() => return None,
            Err(parts) => NestedPart {
                disposition: Disposition::REACTION,
                language: String::new(),
                part: Part::Multi { semantics: PartSemantics::ProcessAll, parts },
            },
        };
        let content = Self::with_body(salt, sender, room, body);
        Some(Self { in_reply_to: Some(in_reply_to), ..content })
    }

    /// A new text for the message whose first version is `replaces` (CONTENT-MSG-2); see
    /// [`in_place_of`](Self::in_place_of).
    pub fn edit(
        salt: [u8; 16],
        sender: &MimiUri,
        room: &MimiUri,
        replaces: MessageId,
        text: &str,
    ) -> Self {
        Self { replaces: Some(replaces), ..Self::text(salt, sender, room, text) }
    }

    /// Takes back the message whose first version is `replaces` (CONTENT-MSG-3); see
    /// [`in_place_of`](Self::in_place_of).
    pub fn delete(salt: [u8; 16], sender: &MimiUri, room: &MimiUri, replaces: MessageId) -> Self {
        let body = NestedPart::null(Disposition::RENDER);
        Self { replaces: Some(replaces), ..Self::with_body(salt, sender, room, body) }
    }

    /// Takes back a reaction.
    pub fn unlike(salt: [u8; 16], sender: &MimiUri, room: &MimiUri, replaces: MessageId) -> Self {
        let body = NestedPart::null(Disposition::REACTION);
        Self { replaces: Some(replaces), ..Self::with_body(salt, sender, room, body) }
    }

    /// Repeats what an edit must not change: topic, expiry and what the original replied to
    /// (CONTENT-EDIT-2, AMB-CNT-13).
    #[must_use]
    pub fn in_place_of(self, original: &Self) -> Self {
        Self {
            topic_id: original.topic_id.clone(),
            expires: original.expires,
            in_reply_to: original.in_reply_to,
            ..self
        }
    }

    fn with_body(salt: [u8; 16], sender: &MimiUri, room: &MimiUri, body: NestedPart) -> Self {
        let text = |uri: &MimiUri| ExtensionValue::Text(uri.as_str().to_owned());
        let extensions = BTreeMap::from([
            (ExtensionKey::SENDER_URI, text(sender)),
            (ExtensionKey::ROOM_URI, text(room)),
        ]);
        Self {
            salt,
            replaces: None,
            topic_id: Vec::new(),
            expires: None,
            in_reply_to: None,
            extensions,
            body,
        }
    }

    /// `senderUri`, if it is there and canonical.
    pub fn sender_uri(&self) -> Option<MimiUri> {
        self.uri_extension(&ExtensionKey::SENDER_URI)
    }

    /// `roomUri`, if it is there and canonical.
    pub fn room_uri(&self) -> Option<MimiUri> {
        self.uri_extension(&ExtensionKey::ROOM_URI)
    }

    fn uri_extension(&self, key: &ExtensionKey) -> Option<MimiUri> {
        match self.extensions.get(key)? {
            ExtensionValue::Text(uri) => MimiUri::new(uri).ok(),
            ExtensionValue::Encoded(_) => None,
        }
    }

    /// Whether it is a reaction to another message. One that does not say to which is
    /// [void](Self::is_void).
    pub fn is_reaction(&self) -> bool {
        self.body.disposition == Disposition::REACTION && self.body.part != Part::Null
    }

    /// The texts it reacts with, one of each part that is a reaction (CONTENT-PART-5); none if it
    /// is no reaction, or reacts with something else than text.
    pub fn reaction_texts(&self) -> Vec<String> {
        if !self.is_reaction() {
            return Vec::new();
        }
        let parts = self.parts().into_iter().map(|part| part.part);
        parts
            .filter(|part| part.disposition == Disposition::REACTION)
            .filter(|part| matches!(part.part, Part::Single { .. }))
            .filter_map(NestedPart::shown_text)
            .collect()
    }

    /// The text to show where only plain text can be shown: markdown as it is written
    /// (CONTENT-MT-1). None if there is no text in it, e.g. when it takes back a message.
    pub fn shown_text(&self) -> Option<String> {
        self.body.shown_text()
    }
}

impl NestedPart {
    /// A part with inline content.
    pub fn single(disposition: Disposition, content_type: &str, content: &[u8]) -> Self {
        let content_type = content_type.to_owned();
        let part = Part::Single { content_type, content: content.to_vec() };
        Self { disposition, language: String::new(), part }
    }

    /// A part without content.
    pub fn null(disposition: Disposition) -> Self {
        Self { disposition, language: String::new(), part: Part::Null }
    }

    fn shown_text(&self) -> Option<String> {
        match &self.part {
            Part::Null | Part::External(_) => None,
            Part::Single { content_type, content } => {
                let text = str::from_utf8(content).ok()?;
                let format = ContentType::parse(content_type).text_format()?;
                (format != TextFormat::Html).then(|| text.to_owned())
            }
            Part::Multi { semantics: PartSemantics::ChooseOne, parts } => {
                parts.iter().find_map(Self::shown_text)
            }
            // All or none (CONTENT-PART-1).
            Part::Multi { semantics: PartSemantics::SingleUnit, parts }
                if !parts
                    .iter()
                    .all(|part| part.part == Part::Null || part.shown_text().is_some()) =>
            {
                None
            }
            Part::Multi { parts, .. } => {
                let texts: Vec<String> = parts.iter().filter_map(Self::shown_text).collect();
                (!texts.is_empty()).then(|| texts.join("\n"))
            }
        }
    }
}
