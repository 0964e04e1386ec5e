//! Deterministic encoding of `application/mimi-content`.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::encode::Error;

use crate::cbor::malformed;
use crate::codec::Malformed;
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
        let mut encoder = Encoder::new(Vec::new());
        encode_content(&mut encoder, self).expect("a vector takes every octet");
        let octets = encoder.into_writer();
        // The fields are open to everyone, so limits and the octets of extensions are checked by
        // the one who knows them all.
        match Self::decode(&octets)? {
            decoded if decoded == *self => Ok(octets),
            _ => Err(malformed(
                0,
                "mimiContent.mimiExtensions",
                "an encoded value must be one CBOR item other than text",
            )),
        }
    }
}

fn encode_content(encoder: &mut CborEncoder, content: &MimiContent) -> Encoded {
    encoder.array(7)?.bytes(&content.salt)?;
    encode_message_id(encoder, content.replaces)?;
    encoder.bytes(&content.topic_id)?;
    match content.expires {
        None => encoder.null()?,
        Some(expires) => encoder.array(2)?.bool(expires.relative)?.u32(expires.time)?,
    };
    encode_message_id(encoder, content.in_reply_to)?;
    encode_extensions(encoder, content)?;
    encode_part(encoder, &content.body)
}

fn encode_message_id(encoder: &mut CborEncoder, id: Option<MessageId>) -> Encoded {
    match id {
        None => encoder.null()?.ok(),
        Some(id) => encoder.bytes(&id.0)?.ok(),
    }
}

fn encode_extensions(encoder: &mut CborEncoder, content: &MimiContent) -> Encoded {
    let mut pairs = Vec::new();
    for (key, value) in &content.extensions {
        let mut key_encoder = Encoder::new(Vec::new());
        match key {
            ExtensionKey::Int(key) => key_encoder.i64(*key)?,
            ExtensionKey::Text(key) => key_encoder.str(key)?,
        };
        pairs.push((key_encoder.into_writer(), value));
    }
    // RFC 8949 section 4.2.1: bytewise by encoded key, which is not the order of the keys' values.
    pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
    encoder.map(pairs.len() as u64)?;
    for (key, value) in pairs {
        encoder.writer_mut().extend_from_slice(&key);
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
