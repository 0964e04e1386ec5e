//! Deterministic encoding of `application/mimi-content`.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::encode::Error;

use crate::cbor::malformed;
use crate::codec::Malformed;
use crate::content::view::ContentView;
use crate::content::{
    ExtensionKey, ExtensionValue, ExternalPart, MessageId, MimiContent, NestedPart, Part,
};

type CborEncoder = Encoder<Vec<u8>>;
type Encoded = Result<(), Error<Infallible>>;

impl MimiContent {
    /// The content's one encoding (CONTENT-ENC-1). Fails for what [`decode`](Self::decode) would
    /// refuse, and for the reserved extension key 0 (AMB-CNT-11).
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        if self.extensions.contains_key(&ExtensionKey::Int(0)) {
            return Err(malformed(0, "mimiContent.mimiExtensions", "key 0 is reserved"));
        }
        let values = in_order(self);
        let mut encoder = Encoder::new(Vec::with_capacity(self.octets_about()));
        encode_content(&mut encoder, self, &values).expect("a vector takes every octet");
        let octets = encoder.into_writer();
        // The fields are open to everyone, so limits and the octets of extensions are checked by
        // the one who knows them all. What else there is has one encoding.
        if ContentView::decode(&octets)?.has_values(values.iter().map(|(_, value)| *value)) {
            return Ok(octets);
        }
        let reason = "an encoded value must be one CBOR item other than text";
        Err(malformed(0, "mimiContent.mimiExtensions", reason))
    }

    /// Octets the encoding will about have.
    fn octets_about(&self) -> usize {
        let extension = |value: &ExtensionValue| match value {
            ExtensionValue::Text(text) => text.len(),
            ExtensionValue::Encoded(item) => item.len(),
        };
        let extensions: usize = self.extensions.values().map(|value| 8 + extension(value)).sum();
        let body = match &self.body.part {
            Part::Single { content_type, content } => content_type.len() + content.len(),
            _ => 0,
        };
        128 + self.topic_id.len() + extensions + body
    }
}

fn encode_content(
    encoder: &mut CborEncoder,
    content: &MimiContent,
    extensions: &[(&ExtensionKey, &ExtensionValue)],
) -> Encoded {
    encoder.array(7)?.bytes(&content.salt)?;
    encode_message_id(encoder, content.replaces)?;
    encoder.bytes(&content.topic_id)?;
    match content.expires {
        None => encoder.null()?,
        Some(expires) => encoder.array(2)?.bool(expires.relative)?.u32(expires.time)?,
    };
    encode_message_id(encoder, content.in_reply_to)?;
    encode_extensions(encoder, extensions)?;
    encode_part(encoder, &content.body)
}

fn encode_message_id(encoder: &mut CborEncoder, id: Option<MessageId>) -> Encoded {
    match id {
        None => encoder.null()?.ok(),
        Some(id) => encoder.bytes(&id.0)?.ok(),
    }
}

/// The extensions in the order of their keys' octets (RFC 8949 section 4.2.1).
fn in_order(content: &MimiContent) -> Vec<(&ExtensionKey, &ExtensionValue)> {
    // Shortest forms ascend as what they stand for does: major type, number or length, octets.
    fn place(key: &ExtensionKey) -> (u8, u64, &str) {
        match key {
            ExtensionKey::Int(key) => (u8::from(*key < 0), key.unsigned_abs(), ""),
            ExtensionKey::Text(key) => (3, key.len() as u64, key),
        }
    }
    let mut pairs: Vec<_> = content.extensions.iter().collect();
    pairs.sort_unstable_by(|(left, _), (right, _)| place(left).cmp(&place(right)));
    pairs
}

fn encode_extensions(
    encoder: &mut CborEncoder,
    pairs: &[(&ExtensionKey, &ExtensionValue)],
) -> Encoded {
    encoder.map(pairs.len() as u64)?;
    for (key, value) in pairs {
        match key {
            ExtensionKey::Int(key) => encoder.i64(*key)?,
            ExtensionKey::Text(key) => encoder.str(key)?,
        };
        match value {
            ExtensionValue::Text(text) => encoder.str(text)?.ok()?,
            ExtensionValue::Encoded(item) => encoder.writer_mut().extend_from_slice(item),
        }
    }
    Ok(())
}

fn encode_part(encoder: &mut CborEncoder, nested: &NestedPart) -> Encoded {
    let (items, cardinality) = match nested.part {
        Part::Null => (3, 0),
        Part::Single { .. } => (5, 1),
        Part::External(_) => (15, 2),
        Part::Multi { .. } => (5, 3),
    };
    encoder.array(items)?.u8(nested.disposition.0)?.str(&nested.language)?.u8(cardinality)?;
    match &nested.part {
        Part::Null => {}
        Part::Single { content_type, content } => {
            encoder.str(content_type)?.bytes(content)?;
        }
        Part::External(external) => encode_external(encoder, external)?,
        Part::Multi { semantics, parts } => {
            encoder.u8(*semantics as u8)?.array(parts.len() as u64)?;
            for part in parts {
                encode_part(encoder, part)?;
            }
        }
    }
    Ok(())
}

fn encode_external(encoder: &mut CborEncoder, part: &ExternalPart) -> Encoded {
    encoder
        .str(&part.content_type)?
        .str(&part.url)?
        .u32(part.expires)?
        .u64(part.size)?
        .u16(part.enc_alg)?
        .bytes(&part.key)?
        .bytes(&part.nonce)?
        .bytes(&part.aad)?
        .u8(part.hash_alg)?
        .bytes(&part.content_hash)?
        .str(&part.description)?
        .str(&part.filename)?
        .ok()
}
