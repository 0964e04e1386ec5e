//! `reportAbuse` (protocol-06 section 5.9). There is no protocol octet and no answer body (AMB-W-10).

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};
use crate::protocol::AppDataDictionary;
use crate::protocol::submit_message::Frank;
use crate::uri::MimiUri;

/// A message with what proves who sent it (PROTO-ABU-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AbusiveMessage {
    /// The exact `application_data`, framed if the group frames (AMB-FRK-5).
    pub message_content: Vec<u8>,
    /// The hub's commitment to it.
    pub frank: Frank,
    /// When the hub accepted it, in milliseconds since the UNIX epoch.
    pub accepted_timestamp: u64,
}

/// `AbuseType`: nothing but `reserved(0)` is assigned, any octet is kept (AMB-ABU-1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AbuseType(pub u8);

/// The request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AbuseReport {
    /// Who reports; zero length on the wire for nobody (AMB-ABU-2).
    pub reporting_user: Option<MimiUri>,
    /// Who is reported, perhaps by pseudonym (AMB-ABU-6).
    pub alleged_abuser_uri: MimiUri,
    /// Why.
    pub reason_code: AbuseType,
    /// For a person; may be empty.
    pub note: String,
    /// The evidence.
    pub messages: Vec<AbusiveMessage>,
    /// Unknown ones are ignored.
    pub abuse_extensions: AppDataDictionary,
}

impl Wire for AbusiveMessage {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let content = "AbusiveMessage.message_content";
        Ok(Self {
            message_content: reader.opaque(APPLICATION_BODY_OCTETS_MAX, content)?.to_vec(),
            frank: Frank::read(reader)?,
            accepted_timestamp: reader.u64("AbusiveMessage.accepted_timestamp")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.message_content);
        self.frank.write(writer);
        writer.u64(self.accepted_timestamp);
    }
}

/// Several messages may each be as large as a message can be: the body's limit is that of
/// handshakes.
impl Wire for AbuseReport {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let abuser = "AbuseReport.allegedAbuserUri";
        let messages = "AbuseReport.messages";
        Ok(Self {
            reporting_user: MimiUri::read_field_or_empty(reader, "AbuseReport.reportingUser")?,
            alleged_abuser_uri: MimiUri::read_field(reader, abuser)?,
            reason_code: AbuseType(reader.u8("AbuseReport.reasonCode")?),
            note: reader.text(TEXT_OCTETS_MAX, "AbuseReport.note")?,
            messages: reader.vector(LIST_ELEMENTS_MAX, messages, AbusiveMessage::read)?,
            abuse_extensions: AppDataDictionary::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(self.reporting_user.as_ref().map_or(&[], MimiUri::as_bytes));
        self.alleged_abuser_uri.write(writer);
        writer.u8(self.reason_code.0);
        writer.opaque(self.note.as_bytes());
        writer.vector(&self.messages, |writer, message| message.write(writer));
        self.abuse_extensions.write(writer);
    }
}

#[cfg(test)]
mod tests;
