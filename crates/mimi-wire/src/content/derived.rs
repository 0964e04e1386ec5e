//! `MessageDerivedValues` (content-08 section 4.6): what a client knows of a message beside its
//! content. Clients hand it to their own devices and tools; it never travels between providers.

use minicbor::Encoder;
use minicbor::data::{Tag, Type};

use crate::cbor::{KeyOrder, StrictDecoder, malformed};
use crate::codec::Malformed;
use crate::content::MessageId;
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, CONTENT_LEVELS_MAX, URI_OCTETS_MAX};
use crate::trace::Trace;
use crate::uri::MimiUri;

/// The tag of extended time (RFC 9581 section 3).
const EXTENDED_TIME_TAG: u64 = 1_001;

/// `Timestamp`: when the hub accepted a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Timestamp {
    /// Milliseconds since the UNIX epoch.
    Milliseconds(u64),
    /// Extended time: the map inside tag 1001, as its exact octets.
    Extended(Vec<u8>),
}

/// `MessageDerivedValues` (CONTENT-DRV-1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageDerivedValues {
    /// See [`MessageId::compute`].
    pub message_id: MessageId,
    /// When the hub accepted the message.
    pub hub_accepted_timestamp: Timestamp,
    /// The MLS group; opaque (AMB-ID-5).
    pub mls_group_id: Vec<u8>,
    /// The leaf of the client that encrypted it.
    pub sender_leaf_index: u32,
    /// The client at that leaf, where its credential tells; empty text on the wire where it does
    /// not.
    pub sender_client_url: Option<MimiUri>,
    /// The user of that client, as above.
    pub sender_user_url: Option<MimiUri>,
    /// The room, as above.
    pub room_url: Option<MimiUri>,
}

impl MessageDerivedValues {
    /// Decodes deterministic CBOR, as [`MimiContent::decode`](crate::content::MimiContent::decode).
    ///
    /// # Errors
    /// [`Malformed`] with the offset and the field at fault.
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        Self::read(octets, StrictDecoder::new(octets, KeyOrder::Sorted))
    }

    pub(crate) fn decode_traced(octets: &[u8], trace: &Trace) -> Result<Self, Malformed> {
        Self::read(octets, StrictDecoder::traced(octets, KeyOrder::Sorted, trace))
    }

    fn read(octets: &[u8], mut decoder: StrictDecoder<'_>) -> Result<Self, Malformed> {
        let field = "MessageDerivedValues";
        if octets.len() > APPLICATION_BODY_OCTETS_MAX {
            let reason = format!("{} octets, at most {APPLICATION_BODY_OCTETS_MAX}", octets.len());
            return Err(malformed(0, field, reason));
        }
        let open = decoder.open(field);
        decoder.array_of(7, field)?;
        let values = Self {
            message_id: MessageId::read(&mut decoder, "MessageDerivedValues.messageId")?,
            hub_accepted_timestamp: read_timestamp(&mut decoder)?,
            mls_group_id: decoder.bytes("MessageDerivedValues.mlsGroupId")?.to_vec(),
            sender_leaf_index: decoder.unsigned("MessageDerivedValues.senderLeafIndex")?,
            sender_client_url: read_url(&mut decoder, "MessageDerivedValues.senderClientUrl")?,
            sender_user_url: read_url(&mut decoder, "MessageDerivedValues.senderUserUrl")?,
            room_url: read_url(&mut decoder, "MessageDerivedValues.roomUrl")?,
        };
        decoder.close(open);
        decoder.finish()?;
        Ok(values)
    }

    /// The values' one encoding.
    ///
    /// # Errors
    /// [`Malformed`] if an extended time is not one map of the data model.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut encoder = Encoder::new(Vec::new());
        let write = |encoder: &mut Encoder<Vec<u8>>| {
            encoder.array(7)?.bytes(&self.message_id.0)?;
            match &self.hub_accepted_timestamp {
                Timestamp::Milliseconds(time_ms) => encoder.u64(*time_ms)?.ok()?,
                Timestamp::Extended(map) => {
                    encoder.tag(Tag::new(EXTENDED_TIME_TAG))?;
                    encoder.writer_mut().extend_from_slice(map);
                }
            }
            encoder.bytes(&self.mls_group_id)?.u32(self.sender_leaf_index)?;
            for url in [&self.sender_client_url, &self.sender_user_url, &self.room_url] {
                encoder.str(url.as_ref().map_or("", MimiUri::as_str))?;
            }
            Ok::<(), minicbor::encode::Error<std::convert::Infallible>>(())
        };
        write(&mut encoder).expect("a vector takes every octet");
        let octets = encoder.into_writer();
        match Self::decode(&octets)? {
            decoded if decoded == *self => Ok(octets),
            _ => Err(malformed(0, "MessageDerivedValues.hubAcceptedTimestamp", "not one map")),
        }
    }
}

fn read_timestamp(decoder: &mut StrictDecoder<'_>) -> Result<Timestamp, Malformed> {
    let field = "MessageDerivedValues.hubAcceptedTimestamp";
    let start = decoder.position();
    if decoder.datatype(field)? != Type::Tag {
        return decoder.unsigned(field).map(Timestamp::Milliseconds);
    }
    let open = decoder.open(field);
    let tag = decoder.tag(field)?;
    let map_start = decoder.position();
    if tag != EXTENDED_TIME_TAG || decoder.datatype(field)? != Type::Map {
        return Err(malformed(start, field, format!("tag {tag} is no extended time")));
    }
    decoder.item(CONTENT_LEVELS_MAX, field)?;
    decoder.close(open);
    Ok(Timestamp::Extended(decoder.since(map_start).to_vec()))
}

/// An untagged text (AMB-CNT-7), empty for none.
fn read_url(
    decoder: &mut StrictDecoder<'_>,
    field: &'static str,
) -> Result<Option<MimiUri>, Malformed> {
    let start = decoder.position();
    let text = decoder.text(field)?;
    if text.len() > URI_OCTETS_MAX {
        return Err(malformed(start, field, format!("longer than {URI_OCTETS_MAX} octets")));
    }
    match text {
        "" => Ok(None),
        url => MimiUri::new(url).map(Some).map_err(|fault| malformed(start, field, fault)),
    }
}

#[cfg(test)]
mod tests;
