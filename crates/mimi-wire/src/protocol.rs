//! The bodies of the endpoints, one file per endpoint, named as everywhere else in the project.

pub mod consent;
pub mod directory;
pub mod found_room;
pub mod group_info;
pub mod identifier_query;
pub mod key_material;
pub mod notify;
pub mod ratchet_tree;
pub mod report_abuse;
pub mod submit_message;
pub mod update;

use std::collections::BTreeMap;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::component::ComponentId;
use crate::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX};

/// The protocol of a room's messages (WIRE-4). MLS 1.0 is the only one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// `mls10(1)`.
    Mls10 = 1,
}

/// A `CipherSuite` number of RFC 9420.
pub type CipherSuite = u16;

/// `AppDataDictionary` as used for the `…_extensions` fields: ascending ids, no duplicates, unknown
/// ids kept (WIRE-7).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extensions(pub BTreeMap<ComponentId, Vec<u8>>);

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

impl Wire for Extensions {
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
