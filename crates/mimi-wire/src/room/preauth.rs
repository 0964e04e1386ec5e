//! Component 0x0026, `preauth_list` (room-policy-03 section 4). The update format is the data format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX};
use crate::room::roles::Role;

/// `Claim`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Claim {
    /// MLS credential type the claim is read from.
    pub credential_type: u16,
    /// Which claim (AMB-POL-3).
    pub id: Vec<u8>,
    /// The value it must equal.
    pub claim_value: Vec<u8>,
}

/// `PreAuthRoleEntry`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PreAuthRoleEntry {
    /// All must match.
    pub claimset: Vec<Claim>,
    /// Only its index counts (AMB-POL-2).
    pub target_role: Role,
}

/// `PreAuthData`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PreAuthData {
    /// First match wins (POLICY-PRE-2).
    pub entries: Vec<PreAuthRoleEntry>,
}

impl Wire for Claim {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            credential_type: reader.u16("ClaimId.credential_type")?,
            id: reader.opaque(OPAQUE_OCTETS_MAX, "ClaimId.id")?.to_vec(),
            claim_value: reader.opaque(OPAQUE_OCTETS_MAX, "Claim.claim_value")?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.credential_type);
        writer.opaque(&self.id);
        writer.opaque(&self.claim_value);
    }
}

impl Wire for PreAuthRoleEntry {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            claimset: reader.vector(LIST_ELEMENTS_MAX, "PreAuthRoleEntry.claimset", Claim::read)?,
            target_role: Role::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.claimset, |writer, claim| claim.write(writer));
        self.target_role.write(writer);
    }
}

impl Wire for PreAuthData {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "PreAuthData.entries";
        Ok(Self { entries: reader.vector(LIST_ELEMENTS_MAX, field, PreAuthRoleEntry::read)? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.entries, |writer, entry| entry.write(writer));
    }
}
