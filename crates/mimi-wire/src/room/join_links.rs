//! Components 0x0029, `join_link_policy`, and 0x002A, `join_links` (room-policy section 7.2). The
//! policy is replaced as a whole; links come and go one by one.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX, URI_OCTETS_MAX};

/// `JoinLinkPolicy`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinLinkPolicy {
    /// Links are made on request: at most one is kept (POLICY-JL-1).
    pub on_request: bool,
    /// The link, or empty.
    pub join_link: String,
    /// Whether a link serves several users.
    pub multiuser: bool,
    /// Seconds a new link is valid for.
    pub expiration: u32,
}

/// `JoinLinksData` (AMB-POL-12).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinLinks {
    /// The active links.
    pub links: Vec<Vec<u8>>,
}

/// `JoinLinksUpdate`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinLinksUpdate {
    /// Positions to remove.
    pub removed_indices: Vec<u32>,
    /// Links to append.
    pub added_links: Vec<Vec<u8>>,
}

impl Wire for JoinLinkPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            on_request: reader.boolean("JoinLinkPolicy.on_request")?,
            join_link: reader.text(URI_OCTETS_MAX, "JoinLinkPolicy.join_link")?,
            multiuser: reader.boolean("JoinLinkPolicy.multiuser")?,
            expiration: reader.u32("JoinLinkPolicy.expiration")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.boolean(self.on_request);
        writer.opaque(self.join_link.as_bytes());
        writer.boolean(self.multiuser);
        writer.u32(self.expiration);
    }
}

impl Wire for JoinLinks {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { links: read_links(reader, "JoinLinksData")? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.links, |writer, link| writer.opaque(link));
    }
}

impl Wire for JoinLinksUpdate {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "JoinLinksUpdate.removedIndices";
        Ok(Self {
            removed_indices: reader.vector(LIST_ELEMENTS_MAX, field, |reader| reader.u32(field))?,
            added_links: read_links(reader, "JoinLinksUpdate.added_links")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.removed_indices, |writer, index| writer.u32(*index));
        writer.vector(&self.added_links, |writer, link| writer.opaque(link));
    }
}

fn read_links(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<Vec<u8>>, Malformed> {
    reader.vector(LIST_ELEMENTS_MAX, field, |reader| {
        reader.opaque(OPAQUE_OCTETS_MAX, field).map(<[u8]>::to_vec)
    })
}
