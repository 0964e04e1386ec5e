//! `submitMessage` (protocol section 5.4).

use crate::mls::MlsMessage;
use crate::protocol::CipherSuite;
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
