//! The bodies of the endpoints, one file per endpoint, named as everywhere else in the project.

pub mod consent;
pub mod directory;
pub mod group_info;
pub mod key_material;
pub mod notify;
pub mod ratchet_tree;
pub mod submit_message;
pub mod update;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::component::ComponentId;

/// The protocol of a room's messages (WIRE-4). MLS 1.0 is the only one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// `mls10(1)`.
    Mls10,
}

/// A `CipherSuite` number of RFC 9420.
pub type CipherSuite = u16;

/// `AppDataDictionary` as used for the `…_extensions` fields: ascending ids, no duplicates, unknown
/// ids kept (WIRE-7).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extensions(pub std::collections::BTreeMap<ComponentId, Vec<u8>>);
