//! `requestConsent` and `updateConsent` (protocol-06 section 5.7): who may reach whom.

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, GRANT_KEY_PACKAGES_MAX};
use crate::mls::KeyPackage;
use crate::protocol::AppDataDictionary;
use crate::uri::MimiUri;

/// What is asked or answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConsentOperation {
    /// `cancel(0)`: the requester withdraws a request of exactly this scope (PROTO-CON-4).
    Cancel,
    /// `request(1)`.
    Request,
    /// `grant(2)`, with KeyPackages or none (PROTO-CON-7, AMB-CON-3).
    Grant {
        /// KeyPackages of the target's clients.
        client_key_packages: Vec<KeyPackage>,
    },
    /// `revoke(3)`, also a denial in advance (PROTO-CON-9).
    Revoke,
}

/// `ConsentEntry`, the body of both endpoints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsentEntry {
    /// What happens.
    pub operation: ConsentOperation,
    /// Who wants to reach the target.
    pub requester_uri: MimiUri,
    /// Who is to be reached.
    pub target_uri: MimiUri,
    /// Only for this room; for any room when absent.
    pub room_id: Option<MimiUri>,
    /// Unknown ones are ignored.
    pub consent_extensions: AppDataDictionary,
}

/// `ConsentScope`: what a consent is about. A cancellation is for exactly the scope of the earlier
/// request (PROTO-CON-4); a grant or a revocation for one room beats that for any (AMB-CON-5).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ConsentScope {
    /// Who wants to reach the target.
    pub requester_uri: MimiUri,
    /// Who is to be reached.
    pub target_uri: MimiUri,
    /// Only for this room; for any room when absent.
    pub room_id: Option<MimiUri>,
}

impl ConsentEntry {
    /// What the entry is about.
    pub fn scope(&self) -> ConsentScope {
        ConsentScope {
            requester_uri: self.requester_uri.clone(),
            target_uri: self.target_uri.clone(),
            room_id: self.room_id.clone(),
        }
    }
}

impl Wire for ConsentScope {
    const OCTETS_MAX: usize = APPLICATION_BODY_OCTETS_MAX;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            requester_uri: MimiUri::read_field(reader, "ConsentScope.requesterUri")?,
            target_uri: MimiUri::read_field(reader, "ConsentScope.targetUri")?,
            room_id: reader.optional("ConsentScope.roomId", |reader| {
                MimiUri::read_field(reader, "ConsentScope.roomId")
            })?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.requester_uri.write(writer);
        self.target_uri.write(writer);
        writer.optional(self.room_id.as_ref(), |writer, room| room.write(writer));
    }
}

impl Wire for ConsentEntry {
    const OCTETS_MAX: usize = APPLICATION_BODY_OCTETS_MAX;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "ConsentEntry.consentOperation";
        let start = reader.clone();
        let code = reader.u8(field)?;
        let requester_uri = MimiUri::read_field(reader, "ConsentEntry.requesterUri")?;
        let target_uri = MimiUri::read_field(reader, "ConsentEntry.targetUri")?;
        let room_id = reader.optional("ConsentEntry.roomId", |reader| {
            MimiUri::read_field(reader, "ConsentEntry.roomId")
        })?;
        // The KeyPackages come before the extensions (AMB-CON-1).
        let operation = match code {
            0 => ConsentOperation::Cancel,
            1 => ConsentOperation::Request,
            2 => ConsentOperation::Grant {
                client_key_packages: reader.vector(
                    GRANT_KEY_PACKAGES_MAX,
                    "ConsentEntry.clientKeyPackages",
                    KeyPackage::read,
                )?,
            },
            3 => ConsentOperation::Revoke,
            other => return Err(start.malformed(field, format!("unknown operation {other}"))),
        };
        let consent_extensions = AppDataDictionary::read(reader)?;
        Ok(Self { operation, requester_uri, target_uri, room_id, consent_extensions })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(match self.operation {
            ConsentOperation::Cancel => 0,
            ConsentOperation::Request => 1,
            ConsentOperation::Grant { .. } => 2,
            ConsentOperation::Revoke => 3,
        });
        self.requester_uri.write(writer);
        self.target_uri.write(writer);
        writer.optional(self.room_id.as_ref(), |writer, room| room.write(writer));
        if let ConsentOperation::Grant { client_key_packages } = &self.operation {
            writer.vector(client_key_packages, |writer, key_package| key_package.write(writer));
        }
        self.consent_extensions.write(writer);
    }
}

#[cfg(test)]
mod tests;
