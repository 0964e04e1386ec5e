//! Component 0x0026, `preauth_list` (room-policy section 6.2). The update format is the data format.

use serde::{Deserialize, Serialize};

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
