//! The extensions of draft-mimi-content-more-extensions, typed. What does not fit its type is still
//! carried as an unknown extension is (CONTENT-EXT-2), and reported here.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::data::{IanaTag, Type};
use minicbor::encode::Error;

use crate::cbor::{KeyOrder, StrictDecoder, malformed};
use crate::codec::Malformed;
use crate::content::view::ExtensionView;
use crate::content::{ExtensionKey, ExtensionValue, MessageId, MimiContent};
use crate::limits::{LAST_SEEN_MAX, SUBJECT_OCTETS_MAX};

/// Tag of a URI.
const URI_TAG: u64 = 32;

/// `senderTimestamp`: when the sender says it sent (CEXT-1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SenderTimestamp {
    /// Whole seconds since the UNIX epoch.
    pub seconds: u64,
    /// The rest, in at most one unit.
    pub fraction: Option<Fraction>,
}

/// Part of a second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fraction {
    /// 0 to 999.
    Milliseconds(u32),
    /// 0 to 999 999.
    Microseconds(u32),
    /// 0 to 999 999 999.
    Nanoseconds(u32),
}

/// `externalMessageId`: the message's name in another system (CEXT-2).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ExternalMessageId {
    /// The native ID.
    pub id: Vec<u8>,
    /// Whose ID it is.
    pub scope: Scope,
}

/// Where an external ID is from.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// An IANA Private Enterprise Number, above 0.
    Enterprise(u64),
    /// A domain name.
    Domain(String),
    /// A URI.
    Uri(String),
}

/// `lastSeen`: the latest messages the sender knew of (CEXT-4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LastSeen {
    /// Of MIMI; none only if the sender has seen nothing yet.
    Messages(Vec<MessageId>),
    /// Of another system; one or more, since none is written as above.
    External(Vec<ExternalMessageId>),
}

impl ExtensionKey {
    /// 3: see [`SenderTimestamp`].
    pub const SENDER_TIMESTAMP: Self = Self::Int(3);
    /// 4: see [`ExternalMessageId`].
    pub const EXTERNAL_MESSAGE_ID: Self = Self::Int(4);
    /// 5: 1 to 4096 octets of text (CEXT-3).
    pub const SUBJECT: Self = Self::Int(5);
    /// 256: see [`LastSeen`].
    pub const LAST_SEEN: Self = Self::Int(256);

    /// The name of a registered or suggested key.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Int(1) => Some("senderUri"),
            Self::Int(2) => Some("roomUri"),
            Self::Int(3) => Some("senderTimestamp"),
            Self::Int(4) => Some("externalMessageId"),
            Self::Int(5) => Some("subject"),
            Self::Int(256) => Some("lastSeen"),
            _ => None,
        }
    }
}

impl MimiContent {
    /// When the sender says it sent; offsets of faults are into the extension's value.
    pub fn sender_timestamp(&self) -> Result<Option<SenderTimestamp>, Malformed> {
        sender_timestamp(self.value(&ExtensionKey::SENDER_TIMESTAMP))
    }

    /// The message's name in another system.
    pub fn external_message_id(&self) -> Result<Option<ExternalMessageId>, Malformed> {
        external_message_id(self.value(&ExtensionKey::EXTERNAL_MESSAGE_ID))
    }

    /// The subject.
    pub fn subject(&self) -> Result<Option<&str>, Malformed> {
        subject(self.value(&ExtensionKey::SUBJECT))
    }

    /// The latest messages the sender knew of.
    pub fn last_seen(&self) -> Result<Option<LastSeen>, Malformed> {
        last_seen(self.value(&ExtensionKey::LAST_SEEN))
    }

    fn value(&self, key: &ExtensionKey) -> Option<ExtensionView<'_>> {
        self.extensions.get(key).map(ExtensionValue::view)
    }
}

/// Whether every typed extension fits its type.
pub(super) fn check<'a>(
    value: impl Fn(&ExtensionKey) -> Option<ExtensionView<'a>>,
) -> Result<(), Malformed> {
    sender_timestamp(value(&ExtensionKey::SENDER_TIMESTAMP))?;
    external_message_id(value(&ExtensionKey::EXTERNAL_MESSAGE_ID))?;
    subject(value(&ExtensionKey::SUBJECT))?;
    last_seen(value(&ExtensionKey::LAST_SEEN)).map(drop)
}

fn sender_timestamp(
    value: Option<ExtensionView<'_>>,
) -> Result<Option<SenderTimestamp>, Malformed> {
    typed(value, "senderTimestamp", read_timestamp)
}

fn external_message_id(
    value: Option<ExtensionView<'_>>,
) -> Result<Option<ExternalMessageId>, Malformed> {
    let field = "externalMessageId";
    typed(value, field, |decoder| read_external_id(decoder, field))
}

fn subject(value: Option<ExtensionView<'_>>) -> Result<Option<&str>, Malformed> {
    let fault = |reason: String| Err(malformed(0, "subject", reason));
    match value {
        None => Ok(None),
        Some(ExtensionView::Text(text)) => match text.len() {
            1..=SUBJECT_OCTETS_MAX => Ok(Some(text)),
            length => fault(format!("{length} octets, must be 1 to {SUBJECT_OCTETS_MAX}")),
        },
        Some(ExtensionView::Encoded(_)) => fault("must be text".to_owned()),
    }
}

fn last_seen(value: Option<ExtensionView<'_>>) -> Result<Option<LastSeen>, Malformed> {
    typed(value, "lastSeen", read_last_seen)
}

fn typed<T>(
    value: Option<ExtensionView<'_>>,
    field: &'static str,
    read: impl FnOnce(&mut StrictDecoder<'_>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match value {
        None => Ok(None),
        Some(ExtensionView::Text(_)) => Err(malformed(0, field, "must not be text")),
        Some(ExtensionView::Encoded(item)) => {
            let mut decoder = StrictDecoder::new(item, KeyOrder::Any);
            read(&mut decoder).map(Some)
        }
    }
}

fn read_timestamp(decoder: &mut StrictDecoder<'_>) -> Result<SenderTimestamp, Malformed> {
    let field = "senderTimestamp";
    let (count, _) = decoder.map(field)?;
    let mut seconds = None;
    let mut fraction = None;
    for _ in 0..count {
        let start = decoder.position();
        let key = decoder.integer_key(field)?;
        if key == 1 {
            seconds = Some(decoder.unsigned(field)?);
            continue;
        }
        let value_start = decoder.position();
        let value: u32 = decoder.unsigned(field)?;
        let (unit, max): (fn(u32) -> Fraction, u32) = match key {
            -3 => (Fraction::Milliseconds, 999),
            -6 => (Fraction::Microseconds, 999_999),
            -9 => (Fraction::Nanoseconds, 999_999_999),
            other => return Err(malformed(start, field, format!("unknown key {other}"))),
        };
        if value > max {
            return Err(malformed(value_start, field, format!("{value} is a second or more")));
        }
        if fraction.replace(unit(value)).is_some() {
            return Err(malformed(start, field, "more than one fraction"));
        }
    }
    let seconds = seconds.ok_or_else(|| malformed(0, field, "no seconds"))?;
    Ok(SenderTimestamp { seconds, fraction })
}

fn read_external_id(
    decoder: &mut StrictDecoder<'_>,
    field: &'static str,
) -> Result<ExternalMessageId, Malformed> {
    decoder.array_of(2, field)?;
    let id = decoder.bytes(field)?.to_vec();
    let start = decoder.position();
    let scope = match decoder.datatype(field)? {
        Type::String => Scope::Domain(decoder.text(field)?.to_owned()),
        Type::Tag => match decoder.tag(field)? {
            URI_TAG => Scope::Uri(decoder.text(field)?.to_owned()),
            other => return Err(malformed(start, field, format!("tag {other} is no scope"))),
        },
        _ => match decoder.unsigned(field)? {
            0 => return Err(malformed(start, field, "enterprise number 0")),
            number => Scope::Enterprise(number),
        },
    };
    Ok(ExternalMessageId { id, scope })
}

/// All of one kind: the first tells which (CEXT-4).
fn read_last_seen(decoder: &mut StrictDecoder<'_>) -> Result<LastSeen, Malformed> {
    let field = "lastSeen";
    let count = decoder.array(field)?;
    if count > LAST_SEEN_MAX {
        return Err(malformed(0, field, format!("{count} messages, at most {LAST_SEEN_MAX}")));
    }
    if count == 0 || decoder.datatype(field)? == Type::Bytes {
        let ids = (0..count).map(|_| MessageId::read(decoder, field)).collect::<Result<_, _>>()?;
        return Ok(LastSeen::Messages(ids));
    }
    let ids = (0..count).map(|_| read_external_id(decoder, field)).collect::<Result<_, _>>()?;
    Ok(LastSeen::External(ids))
}

type CborEncoder = Encoder<Vec<u8>>;

/// Encodes one item.
fn item(encode: impl FnOnce(&mut CborEncoder) -> Result<(), Error<Infallible>>) -> ExtensionValue {
    let mut encoder = Encoder::new(Vec::new());
    encode(&mut encoder).expect("a vector takes every octet");
    ExtensionValue::Encoded(encoder.into_writer())
}

impl From<SenderTimestamp> for ExtensionValue {
    fn from(timestamp: SenderTimestamp) -> Self {
        item(|encoder| {
            encoder.map(1 + u64::from(timestamp.fraction.is_some()))?;
            // 1 sorts before all negative keys.
            encoder.u8(1)?.u64(timestamp.seconds)?;
            match timestamp.fraction {
                None => {}
                Some(Fraction::Milliseconds(value)) => encoder.i8(-3)?.u32(value)?.ok()?,
                Some(Fraction::Microseconds(value)) => encoder.i8(-6)?.u32(value)?.ok()?,
                Some(Fraction::Nanoseconds(value)) => encoder.i8(-9)?.u32(value)?.ok()?,
            }
            Ok(())
        })
    }
}

impl From<&ExternalMessageId> for ExtensionValue {
    fn from(id: &ExternalMessageId) -> Self {
        item(|encoder| encode_external_id(encoder, id))
    }
}

impl From<&LastSeen> for ExtensionValue {
    fn from(last_seen: &LastSeen) -> Self {
        item(|encoder| match last_seen {
            LastSeen::Messages(ids) => {
                encoder.array(ids.len() as u64)?;
                ids.iter().try_for_each(|id| encoder.bytes(&id.0)?.ok())
            }
            LastSeen::External(ids) => {
                encoder.array(ids.len() as u64)?;
                ids.iter().try_for_each(|id| encode_external_id(encoder, id))
            }
        })
    }
}

fn encode_external_id(
    encoder: &mut CborEncoder,
    id: &ExternalMessageId,
) -> Result<(), Error<Infallible>> {
    encoder.array(2)?.bytes(&id.id)?;
    match &id.scope {
        Scope::Enterprise(number) => encoder.u64(*number)?.ok(),
        Scope::Domain(domain) => encoder.str(domain)?.ok(),
        Scope::Uri(uri) => encoder.tag(IanaTag::Uri.tag())?.str(uri)?.ok(),
    }
}
