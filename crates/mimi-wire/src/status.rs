//! `application/mimi-message-status` (message-status-01 section 3): what became of messages.

use std::collections::BTreeMap;
use std::fmt;

use minicbor::Encoder;

use crate::cbor::{KeyOrder, StrictDecoder, malformed};
use crate::codec::Malformed;
use crate::content::{Disposition, MessageId, MimiContent, NestedPart, Part};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, STATUS_REPORT_ENTRIES_MAX};
use crate::media::{ApplicationFraming, ContentType, MIMI_MESSAGE_STATUS};
use crate::trace::Trace;
use crate::uri::MimiUri;

/// `status`; unknown values are kept.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageStatus(pub u8);

/// The draft's name, or the number.
impl fmt::Display for MessageStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => self.0.fmt(formatter),
        }
    }
}

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

    /// The report that a message carries in its body, if it carries one (AMB-STA-1). Nothing is
    /// ever reported of such a message (AMB-STA-2).
    ///
    /// # Errors
    /// [`Malformed`] if the body says that it is a report and is none; offsets are into the body.
    pub fn from_content(content: &MimiContent) -> Result<Option<Self>, Malformed> {
        match &content.body.part {
            Part::Single { content_type, content } if is_report(content_type) => {
                Self::decode(content).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The report that stands directly in framed application data (AMB-STA-1); `None` for any other
    /// type, e.g. that of messages.
    ///
    /// # Errors
    /// As [`from_content`](Self::from_content).
    pub fn from_framing(framing: &ApplicationFraming) -> Result<Option<Self>, Malformed> {
        match is_report(&framing.media_type.media_type) {
            true => Self::decode(&framing.inner_application_content).map(Some),
            false => Ok(None),
        }
    }
}

fn is_report(content_type: &str) -> bool {
    ContentType::parse(content_type).essence == MIMI_MESSAGE_STATUS
}

/// What each member reports of each message of one room.
///
/// ```
/// use mimi_wire::content::MessageId;
/// use mimi_wire::status::{MessageStatus, MessageStatusReport, Statuses};
///
/// let (bob, id) = ("mimi://b.example/u/bob".parse()?, MessageId([1; 32]));
/// let report = |status| MessageStatusReport(vec![(id, status)]);
/// let mut statuses = Statuses::default();
/// assert_eq!(statuses.apply(&bob, &report(MessageStatus::READ), |_| true), 1);
/// // Arrived late: what was read is not merely delivered.
/// assert_eq!(statuses.apply(&bob, &report(MessageStatus::DELIVERED), |_| true), 0);
/// assert_eq!(statuses.of(&id).next(), Some((&bob, MessageStatus::READ)));
/// # Ok::<(), mimi_wire::uri::UriError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Statuses(BTreeMap<MessageId, BTreeMap<MimiUri, MessageStatus>>);

impl Statuses {
    /// Takes in a report of a member, which the caller has verified to be one (STATUS-5), and gives
    /// the number of statuses that changed. What later reports say supersedes (STATUS-1), but for
    /// changes that make no sense (STATUS-2) and for messages that `knows` does not know
    /// (STATUS-5): both are ignored.
    pub fn apply(
        &mut self,
        reporter: &MimiUri,
        report: &MessageStatusReport,
        knows: impl Fn(&MessageId) -> bool,
    ) -> usize {
        let mut changes = 0;
        for (id, status) in report.0.iter().filter(|(id, _)| knows(id)) {
            let of_message = self.0.entry(*id).or_default();
            match of_message.get_mut(reporter) {
                Some(before) if *before == *status || !before.may_become(*status) => continue,
                Some(before) => *before = *status,
                None => drop(of_message.insert(reporter.clone(), *status)),
            }
            changes += 1;
        }
        changes
    }

    /// Drops what is known of a message, and gives those who had reported of it.
    pub fn forget(&mut self, id: &MessageId) -> Vec<MimiUri> {
        self.0.remove(id).unwrap_or_default().into_keys().collect()
    }

    /// What is reported of a message, by user.
    pub fn of(&self, id: &MessageId) -> impl Iterator<Item = (&MimiUri, MessageStatus)> {
        self.0.get(id).into_iter().flatten().map(|(user, status)| (user, *status))
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
