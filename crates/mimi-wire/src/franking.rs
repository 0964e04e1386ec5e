//! Franking (protocol-06 section 5.4.1) and the authenticated data that carries it (mls-extensions-10
//! section 4.9): what lets a receiver prove to a hub who sent what, and nobody else.
//!
//! ```
//! use mimi_wire::franking::{FrankAad, FrankingIntegrityTbs, SafeAad, ServerFrankingContext};
//! use mimi_wire::{MimiUri, Wire};
//!
//! // The sender: over the exact application data, keyed with the salt of the content.
//! let tag = FrankAad::compute(&[7; 16], b"application data").franking_tag;
//! let authenticated_data = SafeAad::frank(tag).encode();
//!
//! // The hub: it sees the tag, the sender, the room and its clock.
//! let tag = SafeAad::decode(&authenticated_data)?.franking_tag()?.ok_or("no tag")?;
//! let context = ServerFrankingContext {
//!     sender_uri: MimiUri::new("mimi://a.example/u/alice")?,
//!     room_uri: MimiUri::new("mimi://a.example/r/clubhouse")?,
//!     accepted_timestamp: 1_700_000_000_000,
//! };
//! let server_frank = context.server_frank(b"a secret of the hub, 32 octets...", &tag);
//! let signed =
//!     FrankingIntegrityTbs { server_frank, franking_signature_ciphersuite: 1, context }.encode();
//! // SignWithLabel(key, FRANKING_INTEGRITY_LABEL, signed); a receiver rebuilds `signed`.
//! # assert_eq!(signed.len(), 32 + 2 + 25 + 29 + 8);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::component::{ComponentId, FRANK_AAD};
use crate::limits::{KEY_OCTETS_MAX, LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX};
use crate::mls::Credential;
use crate::protocol::CipherSuite;
use crate::uri::MimiUri;

/// Label of the franking agent's signature.
pub const FRANKING_INTEGRITY_LABEL: &str = "FrankingIntegrityTBS";

/// `SafeAAD`: all of `authenticated_data` where `safe_aad` is in the group; the empty vector where
/// there is nothing to send, never nothing at all (MLSX-7, AMB-FRK-13).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SafeAad(pub BTreeMap<ComponentId, Vec<u8>>);

/// `FrankAAD`, the data of the item [`FRANK_AAD`] (FRANK-3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrankAad {
    /// HMAC-SHA256 of the `application_data`, keyed with the content's salt (FRANK-2).
    pub franking_tag: [u8; 32],
}

/// Component 0x0021; the update format is the data format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FrankingAgentData {
    /// Of the group's cipher suite (FRANK-5).
    pub franking_signature_key: Vec<u8>,
    /// Of the hub's domain (FRANK-7).
    pub credential: Credential,
}

/// What the hub commits to beside the tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerFrankingContext {
    /// The true sender.
    pub sender_uri: MimiUri,
    /// The room.
    pub room_uri: MimiUri,
    /// Milliseconds since the UNIX epoch.
    pub accepted_timestamp: u64,
}

/// What the franking agent signs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FrankingIntegrityTbs {
    /// HMAC-SHA256 over [`ServerFrankingContext::server_frank_input`], keyed with the hub's key.
    pub server_frank: [u8; 32],
    /// The group's suite at that time (FRANK-5).
    pub franking_signature_ciphersuite: CipherSuite,
    /// The same context.
    pub context: ServerFrankingContext,
}

impl SafeAad {
    /// Only a franking tag.
    pub fn frank(franking_tag: [u8; 32]) -> Self {
        Self([(FRANK_AAD, FrankAad { franking_tag }.encode())].into())
    }

    /// The franking tag, if there is one; malformed if its item is not a tag.
    pub fn franking_tag(&self) -> Result<Option<[u8; 32]>, Malformed> {
        let Some(data) = self.0.get(&FRANK_AAD) else { return Ok(None) };
        FrankAad::decode(data).map(|aad| Some(aad.franking_tag))
    }
}

impl FrankAad {
    /// The tag of a message: HMAC-SHA256 of the exact `application_data`, framed if the group
    /// frames, keyed with the content's salt (FRANK-2, AMB-FRK-5).
    pub fn compute(salt: &[u8; 16], application_data: &[u8]) -> Self {
        Self { franking_tag: hmac_sha256(salt, application_data) }
    }
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

impl ServerFrankingContext {
    /// The hub's commitment: HMAC-SHA256 of [`server_frank_input`](Self::server_frank_input), keyed
    /// with a secret that only the hub knows.
    pub fn server_frank(&self, hub_key: &[u8], franking_tag: &[u8; 32]) -> [u8; 32] {
        hmac_sha256(hub_key, &self.server_frank_input(franking_tag))
    }

    /// `franking_tag || context`, without any further length (AMB-FRK-3).
    pub fn server_frank_input(&self, franking_tag: &[u8; 32]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(franking_tag);
        self.write(&mut writer);
        writer.into_octets()
    }
}

impl Wire for SafeAad {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut inner = reader.nested("SafeAAD.aad_items")?;
        let mut items = BTreeMap::new();
        while !inner.is_empty() {
            let start = inner.clone();
            let field = "SafeAADItem.component_id";
            let id = inner.u16(field)?;
            if items.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(start.malformed(field, "ids must ascend without repeats (MLSX-7)"));
            }
            if items.len() == LIST_ELEMENTS_MAX {
                return Err(start.malformed(field, format!("more than {LIST_ELEMENTS_MAX}")));
            }
            let data = inner.opaque(OPAQUE_OCTETS_MAX, "SafeAADItem.aad_item_data")?;
            items.insert(id, data.to_vec());
        }
        Ok(Self(items))
    }

    fn write(&self, writer: &mut Writer) {
        let items: Vec<_> = self.0.iter().collect();
        writer.vector(&items, |writer, (id, data)| {
            writer.u16(**id);
            writer.opaque(data);
        });
    }
}

impl Wire for FrankAad {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { franking_tag: reader.array("FrankAAD.franking_tag")? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.franking_tag);
    }
}

impl Wire for FrankingAgentData {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let key = "FrankingAgentData.franking_signature_key";
        Ok(Self {
            franking_signature_key: reader.opaque(KEY_OCTETS_MAX, key)?.to_vec(),
            credential: Credential::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.franking_signature_key);
        self.credential.write(writer);
    }
}

impl Wire for ServerFrankingContext {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            sender_uri: MimiUri::read_field(reader, "ServerFrankingContext.sender_uri")?,
            room_uri: MimiUri::read_field(reader, "ServerFrankingContext.room_uri")?,
            accepted_timestamp: reader.u64("ServerFrankingContext.accepted_timestamp")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.sender_uri.write(writer);
        self.room_uri.write(writer);
        writer.u64(self.accepted_timestamp);
    }
}

impl Wire for FrankingIntegrityTbs {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let suite = "FrankingIntegrityTBS.franking_signature_ciphersuite";
        Ok(Self {
            server_frank: reader.array("FrankingIntegrityTBS.server_frank")?,
            franking_signature_ciphersuite: reader.u16(suite)?,
            context: ServerFrankingContext::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.server_frank);
        writer.u16(self.franking_signature_ciphersuite);
        self.context.write(writer);
    }
}

#[cfg(test)]
mod tests;
