//! `groupInfo` (protocol section 5.6).

use crate::mls::{Credential, ExternalSender, GroupInfo, HpkeCiphertext, MlsMessage};
use crate::protocol::CipherSuite;
use crate::protocol::ratchet_tree::RatchetTreeOption;
use crate::uri::MimiUri;

/// Label of the request's signature.
pub const GROUP_INFO_REQUEST_LABEL: &str = "GroupInfoRequestTBS";
/// Label of the response's signature.
pub const GROUP_INFO_RESPONSE_LABEL: &str = "GroupInfoResponseTBS";
/// Label of the encryption of the GroupInfo; its context is the room URI's octets (AMB-GI-3).
pub const GROUP_INFO_ENCRYPTION_LABEL: &str = "GroupInfo and ratchet_tree encryption";

/// What a client signs to learn a room's GroupInfo.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoRequestTbs {
    /// Of the signature and of the HPKE key (AMB-GI-2).
    pub cipher_suite: CipherSuite,
    /// The client's signature key.
    pub requesting_signature_key: Vec<u8>,
    /// The client's credential.
    pub requesting_credential: Credential,
    /// A fresh HPKE public key to encrypt the answer to.
    pub group_info_public_key: Vec<u8>,
    /// A joining code, if the client has one (AMB-GI-1).
    pub joining_code: Option<Vec<u8>>,
}

/// A request for GroupInfo and tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoRequest {
    /// The signed part.
    pub tbs: GroupInfoRequestTbs,
    /// SignWithLabel with [`GROUP_INFO_REQUEST_LABEL`].
    pub signature: Vec<u8>,
}

/// A proposal the hub holds for the epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingProposal {
    /// The proposal.
    pub proposal: MlsMessage,
    /// When the hub accepted it, in milliseconds since the UNIX epoch.
    pub hub_accepted_time: u64,
}

/// What the answer encrypts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoRatchetTreeTbe {
    /// Without a `ratchet_tree` extension.
    pub group_info: GroupInfo,
    /// The tree.
    pub ratchet_tree: RatchetTreeOption,
    /// In order of acceptance (AMB-GI-6).
    pub pending_proposals: Vec<PendingProposal>,
}

/// The part of a successful answer that the hub signs, after protocol, room and status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoSuccess {
    /// Of the request (AMB-GI-2).
    pub cipher_suite: CipherSuite,
    /// The hub's entry in the group's `external_senders`.
    pub hub_sender: ExternalSender,
    /// [`GroupInfoRatchetTreeTbe`], encrypted.
    pub encrypted_group_info_and_tree: HpkeCiphertext,
    /// SignWithLabel with [`GROUP_INFO_RESPONSE_LABEL`] over
    /// [`GroupInfoResponse::to_be_signed`].
    pub signature: Vec<u8>,
}

/// What the hub answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GroupInfoOutcome {
    /// `success(1)`.
    Success(GroupInfoSuccess),
    /// `notAuthorized(2)`; unsigned, advisory (AMB-GI-4).
    NotAuthorized,
    /// `noSuchRoom(3)`; unsigned, advisory.
    NoSuchRoom,
}

/// The answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoResponse {
    /// The room asked about.
    pub room_id: MimiUri,
    /// The outcome.
    pub outcome: GroupInfoOutcome,
}
