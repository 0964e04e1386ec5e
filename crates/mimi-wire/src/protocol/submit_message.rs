//! `submitMessage` (protocol-06 section 5.4).

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, SIGNATURE_OCTETS_MAX};
use crate::mls::{MessageKind, MlsMessage};
use crate::protocol::{CipherSuite, Protocol};
use crate::uri::MimiUri;

/// An application message on its way to the hub.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubmitMessageRequest {
    /// A PrivateMessage whose content type is application (PROTO-SUB-1).
    pub app_message: MlsMessage,
    /// The user who sends it (PROTO-SUB-2).
    pub sending_uri: MimiUri,
}

/// The hub's commitment to a message (section 5.4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frank {
    /// HMAC-SHA256 by the hub.
    pub server_frank: [u8; 32],
    /// The suite of the signature.
    pub franking_signature_ciphersuite: CipherSuite,
    /// The franking agent's signature.
    pub franking_integrity_signature: Vec<u8>,
}

/// What the hub answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SubmitMessageResponse {
    /// `accepted(0)` (AMB-SUB-1).
    Accepted {
        /// Milliseconds since the UNIX epoch (PROTO-SUB-4).
        accepted_timestamp: u64,
        /// Present when the message was franked.
        frank: Option<Frank>,
    },
    /// `notAllowed(1)`.
    NotAllowed,
    /// `epochTooOld(2)`.
    EpochTooOld {
        /// The hub's epoch.
        current_epoch: u64,
    },
}

impl Wire for SubmitMessageRequest {
    const OCTETS_MAX: usize = APPLICATION_BODY_OCTETS_MAX;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Protocol::read(reader)?;
        let start = reader.clone();
        let app_message = MlsMessage::read(reader)?;
        // PROTO-SUB-1.
        if app_message.kind() != MessageKind::Application {
            let reason = format!("must be an application message, is {:?}", app_message.kind());
            return Err(start.malformed("SubmitMessageRequest.appMessage", reason));
        }
        let sending_uri = MimiUri::read_field(reader, "SubmitMessageRequest.sendingUri")?;
        Ok(Self { app_message, sending_uri })
    }

    fn write(&self, writer: &mut Writer) {
        Protocol::Mls10.write(writer);
        self.app_message.write(writer);
        self.sending_uri.write(writer);
    }
}

impl Wire for Frank {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let suite = "Frank.franking_signature_ciphersuite";
        let signature = "Frank.franking_integrity_signature";
        Ok(Self {
            server_frank: reader.array("Frank.server_frank")?,
            franking_signature_ciphersuite: reader.u16(suite)?,
            franking_integrity_signature: reader.opaque(SIGNATURE_OCTETS_MAX, signature)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.server_frank);
        writer.u16(self.franking_signature_ciphersuite);
        writer.opaque(&self.franking_integrity_signature);
    }
}

impl Wire for SubmitMessageResponse {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Protocol::read(reader)?;
        let field = "SubmitMessageResponse.statusCode";
        let start = reader.clone();
        match reader.u8(field)? {
            0 => Ok(Self::Accepted {
                accepted_timestamp: reader.u64("SubmitMessageResponse.accepted_timestamp")?,
                frank: reader.optional("SubmitMessageResponse.frank", Frank::read)?,
            }),
            1 => Ok(Self::NotAllowed),
            2 => Ok(Self::EpochTooOld {
                current_epoch: reader.u64("SubmitMessageResponse.currentEpoch")?,
            }),
            other => Err(start.malformed(field, format!("unknown code {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        Protocol::Mls10.write(writer);
        match self {
            Self::Accepted { accepted_timestamp, frank } => {
                writer.u8(0);
                writer.u64(*accepted_timestamp);
                writer.optional(frank.as_ref(), |writer, frank| frank.write(writer));
            }
            Self::NotAllowed => writer.u8(1),
            Self::EpochTooOld { current_epoch } => {
                writer.u8(2);
                writer.u64(*current_epoch);
            }
        }
    }
}

#[cfg(test)]
mod tests;
