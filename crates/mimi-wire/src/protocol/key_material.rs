//! `keyMaterial` (protocol section 5.2).

use crate::mls::{Capabilities, Credential, KeyPackage, RequiredCapabilities};
use crate::protocol::CipherSuite;
use crate::uri::MimiUri;

/// Label of the request's signature.
pub const KEY_MATERIAL_REQUEST_LABEL: &str = "KeyMaterialRequestTBS";

/// What a requester signs: [`KeyMaterialRequest`] without its signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMaterialRequestTbs {
    /// Who asks.
    pub requesting_user: MimiUri,
    /// Whose KeyPackages are asked for.
    pub target_user: MimiUri,
    /// The room they are for; absent (zero length on the wire) outside any room (AMB-KM-2).
    pub room_id: Option<MimiUri>,
    /// Acceptable suites, the signing one first; never empty (PROTO-KM-4, AMB-KM-1).
    pub acceptable_ciphersuites: Vec<CipherSuite>,
    /// What the room requires of its members.
    pub required_capabilities: RequiredCapabilities,
    /// The requesting client's signature key.
    pub requester_signature_key: Vec<u8>,
    /// The requesting client's credential.
    pub requester_credential: Credential,
}

/// A request for the KeyPackages of all clients of a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMaterialRequest {
    /// The signed part.
    pub tbs: KeyMaterialRequestTbs,
    /// SignWithLabel over the signed part with [`KEY_MATERIAL_REQUEST_LABEL`].
    pub signature: Vec<u8>,
}

/// How the request fared for the user as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum KeyMaterialUserCode {
    /// Material for every client.
    Success = 0,
    /// Material for at least one client.
    PartialSuccess = 1,
    /// The target's provider does not support the protocol.
    IncompatibleProtocol = 2,
    /// No client has compatible material.
    NoCompatibleMaterial = 3,
    /// No such user.
    UserUnknown = 4,
    /// The target has not consented to the requester.
    NoConsent = 5,
    /// The target has consented, but not for this room.
    NoConsentForThisRoom = 6,
    /// The user is gone.
    UserDeleted = 7,
}

/// What one client has to offer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientMaterial {
    /// `success(0)`.
    KeyPackage(KeyPackage),
    /// `keyMaterialExhausted(1)`; nothing follows (AMB-KM-4).
    Exhausted,
    /// `nothingCompatible(2)`, with the client's capabilities unless withheld (PROTO-KM-15).
    NothingCompatible(Option<Capabilities>),
}

/// One client's part of the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientKeyMaterial {
    /// The client.
    pub client_uri: MimiUri,
    /// Its material.
    pub material: ClientMaterial,
}

/// The answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMaterialResponse {
    /// The outcome for the user.
    pub user_status: KeyMaterialUserCode,
    /// The target user.
    pub user_uri: MimiUri,
    /// Filled for success, partial success and, optionally, no compatible material (PROTO-KM-8).
    pub clients: Vec<ClientKeyMaterial>,
}
