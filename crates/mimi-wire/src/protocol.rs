//! The bodies of the endpoints (protocol-06 section 5), one module per endpoint, named as in the
//! directory.
//!
//! | endpoint | request | answer in the body |
//! |---|---|---|
//! | `keyMaterial` | [`KeyMaterialRequest`](key_material::KeyMaterialRequest) | [`KeyMaterialResponse`](key_material::KeyMaterialResponse) |
//! | `update` | [`UpdateRequest`](update::UpdateRequest) | [`UpdateResponse`](update::UpdateResponse) |
//! | `submitMessage` | [`SubmitMessageRequest`](submit_message::SubmitMessageRequest) | [`SubmitMessageResponse`](submit_message::SubmitMessageResponse) |
//! | `notify` | one or more [`FanoutMessage`](notify::FanoutMessage)s | none |
//! | `groupInfo` | [`GroupInfoRequest`](group_info::GroupInfoRequest) | [`GroupInfoResponse`](group_info::GroupInfoResponse) |
//! | `requestConsent`, `updateConsent` | [`ConsentEntry`](consent::ConsentEntry) | none |
//! | `identifierQuery` | [`IdentifierRequest`](identifier_query::IdentifierRequest) | [`IdentifierResponse`](identifier_query::IdentifierResponse) |
//! | `reportAbuse` | [`AbuseReport`](report_abuse::AbuseReport) | none |
//! | `proxyDownload` | none: the [`AssetUrl`](proxy_download::AssetUrl) is in the path | the resource |
//!
//! [`found_room`] and [`key_material::KeyPackageList`] are Tombolo's own, between a client and its
//! provider.

pub mod consent;
pub mod directory;
pub mod found_room;
pub mod group_info;
pub mod identifier_query;
pub mod key_material;
pub mod notify;
pub mod proxy_download;
pub mod ratchet_tree;
pub mod report_abuse;
pub mod submit_message;
pub mod update;

use std::collections::BTreeMap;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::component::ComponentId;
use crate::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX};

#[doc(hidden)]
pub use self::AppDataDictionary as Extensions;

/// The protocol of a room's messages (WIRE-4). MLS 1.0 is the only one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// `mls10(1)`.
    Mls10 = 1,
}

/// A `CipherSuite` number of RFC 9420 section 17.1; unknown ones are carried through. Those Tombolo
/// knows are in [`registry::cipher_suite`](crate::registry::cipher_suite).
pub type CipherSuite = u16;

/// `AppDataDictionary` (mls-extensions-10 section 4.6): the content of the MLS extension of that name
/// and of the `…_extensions` fields of this protocol. Ids ascend, none is there twice, unknown ones
/// are kept (WIRE-7). Empty is one octet, 0x00.
///
/// ```
/// use mimi_wire::Wire;
/// use mimi_wire::protocol::AppDataDictionary;
///
/// let mut dictionary = AppDataDictionary::default();
/// assert_eq!(dictionary.encode(), [0]);
/// dictionary.0.insert(0xf001, vec![7]);
/// assert_eq!(AppDataDictionary::decode(&[4, 0xf0, 0x01, 1, 7])?, dictionary);
/// assert!(AppDataDictionary::decode(&[6, 0, 2, 0, 0, 1, 0]).is_err(), "ids that descend");
/// # Ok::<(), mimi_wire::Malformed>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AppDataDictionary(pub BTreeMap<ComponentId, Vec<u8>>);

impl Wire for Protocol {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let start = reader.clone();
        match reader.u8("Protocol")? {
            1 => Ok(Self::Mls10),
            other => Err(start.malformed("Protocol", format!("unknown protocol {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(*self as u8);
    }
}

impl Wire for AppDataDictionary {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut components = BTreeMap::new();
        let mut inner = reader.nested("AppDataDictionary.component_data")?;
        while !inner.is_empty() {
            let start = inner.clone();
            let field = "ComponentData.component_id";
            let id = inner.u16(field)?;
            if components.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(start.malformed(field, "ids must ascend without repeats (WIRE-7)"));
            }
            if components.len() == LIST_ELEMENTS_MAX {
                return Err(start.malformed(field, format!("more than {LIST_ELEMENTS_MAX}")));
            }
            let data = inner.opaque(OPAQUE_OCTETS_MAX, "ComponentData.data")?;
            components.insert(id, data.to_vec());
        }
        Ok(Self(components))
    }

    fn write(&self, writer: &mut Writer) {
        let components: Vec<_> = self.0.iter().collect();
        writer.vector(&components, |writer, (id, data)| {
            writer.u16(**id);
            writer.opaque(data);
        });
    }
}

#[cfg(test)]
mod tests;
