//! `keyMaterial` (protocol-06 section 5.2): the KeyPackages of a user's clients.
//!
//! ```
//! use mimi_wire::mls::{Credential, RequiredCapabilities};
//! use mimi_wire::protocol::key_material::{KeyMaterialRequest, KeyMaterialRequestTbs};
//! use mimi_wire::{MimiUri, Wire};
//!
//! // A basic credential, and no required capability: extensions, proposals, credentials.
//! let client = MimiUri::new("mimi://a.example/d/alice/phone")?;
//! let credential = [&[0, 1][..], &client.encode()].concat();
//! let tbs = KeyMaterialRequestTbs {
//!     requesting_user: MimiUri::new("mimi://a.example/u/alice")?,
//!     target_user: MimiUri::new("mimi://b.example/u/bob")?,
//!     room_id: Some(MimiUri::new("mimi://a.example/r/clubhouse")?),
//!     acceptable_ciphersuites: vec![1, 2],
//!     required_capabilities: RequiredCapabilities::decode(&[0, 0, 0])?,
//!     requester_signature_key: vec![7; 32],
//!     requester_credential: Credential::decode(&credential)?,
//! };
//! // The signature is SignWithLabel(key, KEY_MATERIAL_REQUEST_LABEL, tbs.encode()).
//! let request = KeyMaterialRequest { tbs, signature: vec![9; 64] };
//! assert_eq!(KeyMaterialRequest::decode(&request.encode())?, request);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{
    APPLICATION_BODY_OCTETS_MAX, GRANT_KEY_PACKAGES_MAX, KEY_MATERIAL_CLIENTS_MAX, KEY_OCTETS_MAX,
    LIST_ELEMENTS_MAX, SIGNATURE_OCTETS_MAX,
};
use crate::mls::{Capabilities, Credential, KeyPackage, RequiredCapabilities};
use crate::protocol::{CipherSuite, Protocol};
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

/// KeyPackages that a client hands to its own provider (PROTO-ST-9); not a structure of the draft.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyPackageList(pub Vec<KeyPackage>);

impl KeyMaterialRequest {
    /// The answer to a body of another protocol than MLS 1.0 (WIRE-4); none if the body is of
    /// MLS 1.0 or holds no well-formed target.
    pub fn incompatible_protocol(body: &[u8]) -> Option<KeyMaterialResponse> {
        let mut reader = Reader::new(body);
        let protocol = reader.u8("KeyMaterialRequest.protocol").ok()?;
        if protocol == Protocol::Mls10 as u8 {
            return None;
        }
        MimiUri::read(&mut reader).ok()?;
        let user_uri = MimiUri::read(&mut reader).ok()?;
        let user_status = KeyMaterialUserCode::IncompatibleProtocol;
        Some(KeyMaterialResponse { user_status, user_uri, clients: Vec::new() })
    }
}

impl Wire for KeyMaterialRequestTbs {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Protocol::read(reader)?;
        let key = "KeyMaterialRequest.requesterSignatureKey";
        Ok(Self {
            requesting_user: MimiUri::read_field(reader, "KeyMaterialRequest.requestingUser")?,
            target_user: MimiUri::read_field(reader, "KeyMaterialRequest.targetUser")?,
            room_id: MimiUri::read_field_or_empty(reader, "KeyMaterialRequest.roomId")?,
            acceptable_ciphersuites: read_ciphersuites(reader)?,
            required_capabilities: RequiredCapabilities::read(reader)?,
            requester_signature_key: reader.opaque(KEY_OCTETS_MAX, key)?.to_vec(),
            requester_credential: Credential::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        Protocol::Mls10.write(writer);
        self.requesting_user.write(writer);
        self.target_user.write(writer);
        writer.opaque(self.room_id.as_ref().map_or(&[], MimiUri::as_bytes));
        writer.vector(&self.acceptable_ciphersuites, |writer, suite| writer.u16(*suite));
        self.required_capabilities.write(writer);
        writer.opaque(&self.requester_signature_key);
        self.requester_credential.write(writer);
    }
}

/// At least one (PROTO-KM-4).
fn read_ciphersuites(reader: &mut Reader<'_>) -> Result<Vec<CipherSuite>, Malformed> {
    let field = "KeyMaterialRequest.acceptableCiphersuites";
    let start = reader.clone();
    let suites = reader.vector(LIST_ELEMENTS_MAX, field, |reader| reader.u16(field))?;
    if suites.is_empty() {
        return Err(start.malformed(field, "must not be empty"));
    }
    Ok(suites)
}

impl Wire for KeyMaterialRequest {
    const OCTETS_MAX: usize = APPLICATION_BODY_OCTETS_MAX;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "KeyMaterialRequest.key_material_request_signature";
        Ok(Self {
            tbs: KeyMaterialRequestTbs::read(reader)?,
            signature: reader.opaque(SIGNATURE_OCTETS_MAX, field)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.tbs.write(writer);
        writer.opaque(&self.signature);
    }
}

impl Wire for KeyMaterialUserCode {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "KeyMaterialResponse.userStatus";
        let start = reader.clone();
        match reader.u8(field)? {
            0 => Ok(Self::Success),
            1 => Ok(Self::PartialSuccess),
            2 => Ok(Self::IncompatibleProtocol),
            3 => Ok(Self::NoCompatibleMaterial),
            4 => Ok(Self::UserUnknown),
            5 => Ok(Self::NoConsent),
            6 => Ok(Self::NoConsentForThisRoom),
            7 => Ok(Self::UserDeleted),
            other => Err(start.malformed(field, format!("unknown code {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(*self as u8);
    }
}

impl Wire for ClientKeyMaterial {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "ClientKeyMaterial.clientStatus";
        let start = reader.clone();
        let status = reader.u8(field)?;
        let client_uri = MimiUri::read_field(reader, "ClientKeyMaterial.clientUri")?;
        let material = match status {
            0 => ClientMaterial::KeyPackage(KeyPackage::read(reader)?),
            1 => ClientMaterial::Exhausted,
            2 => ClientMaterial::NothingCompatible(
                reader.optional("ClientKeyMaterial.clientCapabilities", Capabilities::read)?,
            ),
            other => return Err(start.malformed(field, format!("unknown code {other}"))),
        };
        Ok(Self { client_uri, material })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(match self.material {
            ClientMaterial::KeyPackage(_) => 0,
            ClientMaterial::Exhausted => 1,
            ClientMaterial::NothingCompatible(_) => 2,
        });
        self.client_uri.write(writer);
        match &self.material {
            ClientMaterial::KeyPackage(key_package) => key_package.write(writer),
            ClientMaterial::Exhausted => {}
            ClientMaterial::NothingCompatible(capabilities) => {
                writer.optional(capabilities.as_ref(), |writer, value| value.write(writer));
            }
        }
    }
}

impl Wire for KeyMaterialResponse {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Protocol::read(reader)?;
        let user_status = KeyMaterialUserCode::read(reader)?;
        let user_uri = MimiUri::read_field(reader, "KeyMaterialResponse.userUri")?;
        let field = "KeyMaterialResponse.clients";
        let start = reader.clone();
        let clients = reader.vector(KEY_MATERIAL_CLIENTS_MAX, field, ClientKeyMaterial::read)?;
        if !user_status.may_list_clients() && !clients.is_empty() {
            return Err(start.malformed(field, format!("must be empty with {user_status:?}")));
        }
        Ok(Self { user_status, user_uri, clients })
    }

    fn write(&self, writer: &mut Writer) {
        Protocol::Mls10.write(writer);
        self.user_status.write(writer);
        self.user_uri.write(writer);
        writer.vector(&self.clients, |writer, client| client.write(writer));
    }
}

impl KeyMaterialUserCode {
    /// Whether an answer with this code lists clients (PROTO-KM-8).
    pub fn may_list_clients(self) -> bool {
        matches!(self, Self::Success | Self::PartialSuccess | Self::NoCompatibleMaterial)
    }
}

impl Wire for KeyPackageList {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "KeyPackageList";
        Ok(Self(reader.vector(GRANT_KEY_PACKAGES_MAX, field, KeyPackage::read)?))
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.0, |writer, key_package| key_package.write(writer));
    }
}

#[cfg(test)]
mod tests;
