//! `requestConsent` and `updateConsent` (protocol section 5.7).

use crate::mls::KeyPackage;
use crate::protocol::Extensions;
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
    pub consent_extensions: Extensions,
}
