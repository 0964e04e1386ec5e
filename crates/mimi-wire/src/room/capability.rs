//! Capability codes of roles (room-policy section 8, registry in requirements section 23).

use serde::{Deserialize, Serialize};

/// `CapabilityType`; unknown codes are carried through (POLICY-CAP-RES-1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Capability(pub u16);
