//! What a provider needs to know of a KeyPackage it keeps or releases (PROTO-KM-9..12).

use mimi_policy::ClientIdentity;
use mimi_wire::mls::{Capabilities, KeyPackage, RequiredCapabilities};
use mimi_wire::protocol::CipherSuite;

use crate::error::StageError;
use crate::identity::Issuers;

/// Verified facts of a KeyPackage.
#[derive(Clone, Debug)]
pub struct KeyPackageFacts {
    /// `KeyPackageRef`.
    pub reference: Vec<u8>,
    /// Whose it is.
    pub identity: ClientIdentity,
    /// Its suite.
    pub ciphersuite: CipherSuite,
    /// Seconds since the epoch.
    pub not_before_s: u64,
    /// Seconds since the epoch.
    pub not_after_s: u64,
    /// Of its leaf.
    pub capabilities: Capabilities,
    /// Carries the last-resort component (never served, AMB-KM-7).
    pub last_resort: bool,
}

/// Verifies signature, lifetime and identity.
pub fn inspect(
    key_package: &KeyPackage,
    issuers: &Issuers,
    now_ms: u64,
) -> Result<KeyPackageFacts, StageError> {
    let _ = (key_package, issuers, now_ms);
    todo!()
}

/// Whether capabilities cover what a room requires (PROTO-KM-9).
pub fn satisfies(capabilities: &Capabilities, required: &RequiredCapabilities) -> bool {
    let _ = (capabilities, required);
    todo!()
}
