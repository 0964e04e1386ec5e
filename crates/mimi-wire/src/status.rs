//! `application/mimi-message-status` (message-status section 3): what became of messages.

use minicbor::Encoder;

use crate::cbor::{KeyOrder, StrictDecoder, malformed};
use crate::codec::Malformed;
use crate::content::{Disposition, MessageId, NestedPart};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, STATUS_REPORT_ENTRIES_MAX};
use crate::media::MIMI_MESSAGE_STATUS;
use crate::trace::Trace;

/// `status`; unknown values are kept.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageStatus(pub u8);

impl MessageStatus {
    /// 0: to be read again.
    pub const UNREAD: Self = Self(0);
    /// 1.
    pub const DELIVERED: Self = Self(1);
    /// 2.
    pub const READ: Self = Self(2);
    /// 3.
    pub const EXPIRED: Self = Self(3);
    /// 4.
    pub const DELETED: Self = Self(4);
    /// 5.
    pub const HIDDEN: Self = Self(5);
    /// 6.
    pub const ERROR: Self = Self(6);

    /// The draft's name of the status.
    pub fn name(self) -> Option<&'static str> {
        let names = ["unread", "delivered", "read", "expired", "deleted", "hidden", "error"];
        names.get(usize::from(self.0)).copied()
    }

    /// Whether a message can come from this status to the next (STATUS-2). What is gone does not
    /// come back; what was read is not merely delivered; unknown statuses may mean anything.
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (from, to) if from == to => true,
            (Self::EXPIRED | Self::DELETED, to) => to.name().is_none(),
            (from, Self::DELIVERED) => from == Self::ERROR || from.name().is_none(),
            _ => true,
        }
    }
}

/// `MessageStatusReport`: messages of one room. A later report supersedes (STATUS-1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MessageStatusReport(pub Vec<(MessageId, MessageStatus)>);

impl MessageStatusReport {
    /// Decodes deterministic CBOR, as [`MimiContent::decode`](crate::content::MimiContent::decode).
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        decode(octets, StrictDecoder::new(octets, KeyOrder::Sorted))
    }

    pub(crate) fn decode_traced(octets: &[u8], trace: &Trace) -> Result<Self, Malformed> {
        decode(octets, StrictDecoder::traced(octets, KeyOrder::Sorted, trace))
    }

    /// The report's one encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        let write = |encoder: &mut Encoder<Vec<u8>>| {
            encoder.array(self.0.len() as u64)?;
            for (id, status) in &self.0 {
                encoder.array(2)?.bytes(&id.0)?.u8(status.0)?;
            }
            Ok::<(), minicbor::encode::Error<std::convert::Infallible>>(())
        };
        write(&mut encoder).expect("a vector takes every octet");
        encoder.into_writer()
    }

    /// The part of a message that carries the report (AMB-STA-1).
    pub fn to_part(&self) -> NestedPart {
        NestedPart::single(Disposition::UNSPECIFIED, MIMI_MESSAGE_STATUS, &self.encode())
    }
}

fn decode(octets: &[u8], mut decoder: StrictDecoder<'_>) -> Result<MessageStatusReport, Malformed> {
    let field = "MessageStatusReport";
    if octets.len() > APPLICATION_BODY_OCTETS_MAX {
        let reason = format!("{} octets, at most {APPLICATION_BODY_OCTETS_MAX}", octets.len());
        return Err(malformed(0, field, reason));
    }
    let whole = decoder.open(field);
    let count = decoder.array(field)?;
    if count > STATUS_REPORT_ENTRIES_MAX {
        let reason = format!("{count} entries, at most {STATUS_REPORT_ENTRIES_MAX}");
        return Err(malformed(0, field, reason));
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let open = decoder.open("PerMessageStatus");
        decoder.array_of(2, "PerMessageStatus")?;
        let id = MessageId::read(&mut decoder, "PerMessageStatus.messageId")?;
        entries.push((id, MessageStatus(decoder.unsigned("PerMessageStatus.status")?)));
        decoder.close(open);
    }
    decoder.close(whole);
    decoder.finish()?;
    Ok(MessageStatusReport(entries))
}

#[cfg(test)]
mod tests;
