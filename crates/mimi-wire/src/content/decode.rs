//! Strict decoding of `application/mimi-content`.

use minicbor::data::Type;

use crate::cbor::{KeyOrder, StrictDecoder, malformed};
use crate::codec::Malformed;
use crate::content::view::{
    ContentView, ExtensionView, ExternalPartView, KeyView, NestedPartView, PartView,
};
use crate::content::{Disposition, Expiration, MessageId, PartSemantics};
use crate::limits::{
    APPLICATION_BODY_OCTETS_MAX, CONTENT_LEVELS_MAX, CONTENT_PARTS_MAX, EXTENSION_KEY_OCTETS_MAX,
    TOPIC_ID_OCTETS_MAX,
};
use crate::trace::Trace;

/// Levels of parts beyond which nobody reads on to see whether the rest is well formed.
const LEVELS_READ_MAX: u32 = 64;

impl<'a> ContentView<'a> {
    /// As [`MimiContent::decode`](crate::content::MimiContent::decode), without copies.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        decode(octets, StrictDecoder::new(octets, KeyOrder::Sorted))
    }

    /// As [`MimiContent::decode_any_key_order`](crate::content::MimiContent::decode_any_key_order),
    /// without copies.
    pub fn decode_any_key_order(octets: &'a [u8]) -> Result<Self, Malformed> {
        decode(octets, StrictDecoder::new(octets, KeyOrder::Any))
    }

    /// As [`decode`](Self::decode), telling `trace` of everything read.
    pub(crate) fn decode_traced(octets: &'a [u8], trace: &'a Trace) -> Result<Self, Malformed> {
        decode(octets, StrictDecoder::traced(octets, KeyOrder::Sorted, trace))
    }
}

fn decode<'a>(
    octets: &'a [u8],
    mut decoder: StrictDecoder<'a>,
) -> Result<ContentView<'a>, Malformed> {
    if octets.len() > APPLICATION_BODY_OCTETS_MAX {
        let reason = format!("{} octets, at most {APPLICATION_BODY_OCTETS_MAX}", octets.len());
        return Err(decoder.hopeless(0, "mimiContent", reason));
    }
    let open = decoder.open("mimiContent");
    decoder.array_of(7, "mimiContent")?;
    let content = ContentView {
        octets,
        salt: decoder.octets("mimiContent.salt")?,
        replaces: read_message_id(&mut decoder, "mimiContent.replaces")?,
        topic_id: read_topic_id(&mut decoder)?,
        expires: read_expiration(&mut decoder)?,
        in_reply_to: read_message_id(&mut decoder, "mimiContent.inReplyTo")?,
        extensions: read_extensions(&mut decoder)?,
        body: Parts { decoder: &mut decoder, count: 0 }.read(1)?,
    };
    decoder.close(open);
    decoder.finish()?;
    Ok(content)
}

/// Null, or an ID of the one hash function there is (CONTENT-SEC-1).
fn read_message_id(
    decoder: &mut StrictDecoder<'_>,
    field: &'static str,
) -> Result<Option<MessageId>, Malformed> {
    if decoder.null(field)? {
        return Ok(None);
    }
    MessageId::read(decoder, field).map(Some)
}

impl MessageId {
    /// An ID of the one hash function there is (CONTENT-SEC-1).
    pub(crate) fn read(
        decoder: &mut StrictDecoder<'_>,
        field: &'static str,
    ) -> Result<Self, Malformed> {
        let start = decoder.position();
        let id = Self(decoder.octets(field)?);
        if !id.is_of_known_hash() {
            let reason = format!("unknown hash function {}", id.0[0]);
            decoder.nonsensical(start, field, reason)?;
        }
        Ok(id)
    }
}

fn read_topic_id<'a>(decoder: &mut StrictDecoder<'a>) -> Result<&'a [u8], Malformed> {
    let field = "mimiContent.topicId";
    let start = decoder.position();
    let topic_id = decoder.bytes(field)?;
    if topic_id.len() > TOPIC_ID_OCTETS_MAX {
        let reason = format!("{} octets, at most {TOPIC_ID_OCTETS_MAX}", topic_id.len());
        decoder.nonsensical(start, field, reason)?;
    }
    Ok(topic_id)
}

fn read_expiration(decoder: &mut StrictDecoder<'_>) -> Result<Option<Expiration>, Malformed> {
    if decoder.null("mimiContent.expires")? {
        return Ok(None);
    }
    let open = decoder.open("mimiContent.expires");
    decoder.array_of(2, "mimiContent.expires")?;
    let expiration = Expiration {
        relative: decoder.boolean("Expiration.relative")?,
        time: decoder.unsigned("Expiration.time")?,
    };
    decoder.close(open);
    Ok(Some(expiration))
}

fn read_extensions<'a>(
    decoder: &mut StrictDecoder<'a>,
) -> Result<Vec<(KeyView<'a>, ExtensionView<'a>)>, Malformed> {
    let field = "mimiContent.mimiExtensions";
    let open = decoder.open(field);
    let (count, mut keys) = decoder.map(field)?;
    let mut extensions = Vec::new();
    for _ in 0..count {
        let start = decoder.position();
        let key = read_extension_key(decoder, field)?;
        // No key twice (CONTENT-EXT-1).
        decoder.check_key(&mut keys, start, field)?;
        extensions.push((key, read_extension_value(decoder, key, field)?));
    }
    decoder.close(open);
    Ok(extensions)
}

/// An integer or a text of 1 to 255 octets (CONTENT-DM-1). Key 0 is reserved and kept like any
/// unknown one (AMB-CNT-11).
fn read_extension_key<'a>(
    decoder: &mut StrictDecoder<'a>,
    field: &'static str,
) -> Result<KeyView<'a>, Malformed> {
    let start = decoder.position();
    if decoder.datatype(field)? != Type::String {
        return decoder.integer_key(field).map(KeyView::Int);
    }
    let text = decoder.text(field)?;
    if text.is_empty() || text.len() > EXTENSION_KEY_OCTETS_MAX {
        let reason = format!("a text key of {} octets, must be 1 to 255", text.len());
        return Err(malformed(start, field, reason));
    }
    Ok(KeyView::Text(text))
}

fn read_extension_value<'a>(
    decoder: &mut StrictDecoder<'a>,
    key: KeyView<'_>,
    field: &'static str,
) -> Result<ExtensionView<'a>, Malformed> {
    let start = decoder.position();
    if decoder.datatype(field)? == Type::String {
        return Ok(ExtensionView::Text(decoder.text(field)?));
    }
    if matches!(key, KeyView::Int(1 | 2)) {
        return Err(malformed(start, field, "senderUri and roomUri must be text"));
    }
    // The extensions map itself is the first level (AMB-CNT-8).
    decoder.item(CONTENT_LEVELS_MAX - 1, field)?;
    Ok(ExtensionView::Encoded(decoder.since(start)))
}

/// Reads nested parts and counts them (CONTENT-SEC-1).
struct Parts<'d, 'a> {
    decoder: &'d mut StrictDecoder<'a>,
    count: usize,
}

impl<'a> Parts<'_, 'a> {
    /// A part; the root is on the first level (CONTENT-DEP-1, AMB-CNT-10).
    fn read(&mut self, level: u32) -> Result<NestedPartView<'a>, Malformed> {
        let start = self.decoder.position();
        if level > CONTENT_LEVELS_MAX {
            let reason = "more than 4 levels deep (CONTENT-DEP-1)";
            if level > LEVELS_READ_MAX {
                return Err(self.decoder.hopeless(start, "NestedPart", reason));
            }
            self.decoder.nonsensical(start, "NestedPart", reason)?;
        }
        self.count += 1;
        if self.count > CONTENT_PARTS_MAX {
            let reason = "more than 1024 parts (CONTENT-SEC-1)";
            self.decoder.nonsensical(start, "NestedPart", reason)?;
        }
        let open = self.decoder.open("NestedPart");
        let items = self.decoder.array("NestedPart")?;
        let disposition = Disposition(self.decoder.unsigned("NestedPart.disposition")?);
        let language = self.decoder.text("NestedPart.language")?;
        let (expected, part) = match self.decoder.unsigned::<u64>("NestedPart.cardinality")? {
            0 => (3, PartView::Null),
            1 => (5, self.read_single()?),
            2 => (15, PartView::External(Box::new(self.read_external()?))),
            3 => (5, self.read_multi(level)?),
            other => {
                let reason = format!("unknown cardinality {other}");
                return Err(malformed(start, "NestedPart.cardinality", reason));
            }
        };
        if items != expected {
            let reason = format!("{items} items, must be {expected}");
            return Err(malformed(start, "NestedPart", reason));
        }
        self.decoder.close(open);
        Ok(NestedPartView { disposition, language, part })
    }

    fn read_single(&mut self) -> Result<PartView<'a>, Malformed> {
        Ok(PartView::Single {
            content_type: self.decoder.text("SinglePart.contentType")?,
            content: self.decoder.bytes("SinglePart.content")?,
        })
    }

    fn read_external(&mut self) -> Result<ExternalPartView<'a>, Malformed> {
        let start = self.decoder.position();
        let decoder = &mut *self.decoder;
        let part = ExternalPartView {
            content_type: decoder.text("ExternalPart.contentType")?,
            url: decoder.text("ExternalPart.url")?,
            expires: decoder.unsigned("ExternalPart.expires")?,
            size: decoder.unsigned("ExternalPart.size")?,
            enc_alg: decoder.unsigned("ExternalPart.encAlg")?,
            key: decoder.bytes("ExternalPart.key")?,
            nonce: decoder.bytes("ExternalPart.nonce")?,
            aad: decoder.bytes("ExternalPart.aad")?,
            hash_alg: decoder.unsigned("ExternalPart.hashAlg")?,
            content_hash: decoder.bytes("ExternalPart.contentHash")?,
            description: decoder.text("ExternalPart.description")?,
            filename: decoder.text("ExternalPart.filename")?,
        };
        // CONTENT-XP-1.
        let unused = [part.key, part.nonce, part.aad];
        if part.enc_alg == 0 && unused.iter().any(|octets| !octets.is_empty()) {
            let reason = "key, nonce and aad must be empty without encryption";
            return Err(malformed(start, "ExternalPart.encAlg", reason));
        }
        Ok(part)
    }

    fn read_multi(&mut self, level: u32) -> Result<PartView<'a>, Malformed> {
        let field = "MultiPart.partSemantics";
        let start = self.decoder.position();
        let semantics = match self.decoder.unsigned::<u64>(field)? {
            0 => PartSemantics::ChooseOne,
            1 => PartSemantics::SingleUnit,
            2 => PartSemantics::ProcessAll,
            other => {
                let reason = format!("unknown semantics {other}");
                self.decoder.nonsensical(start, field, reason)?;
                PartSemantics::ChooseOne
            }
        };
        let start = self.decoder.position();
        let open = self.decoder.open("MultiPart.parts");
        let count = self.decoder.array("MultiPart.parts")?;
        if count < 2 {
            return Err(malformed(start, "MultiPart.parts", "must be two or more"));
        }
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(self.read(level + 1)?);
        }
        self.decoder.close(open);
        Ok(PartView::Multi { semantics, parts })
    }
}
