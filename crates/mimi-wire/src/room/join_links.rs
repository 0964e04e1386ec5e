//! Components 0x0029, `join_link_policy`, and 0x002A, `join_links` (room-policy-03 section 6.2).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{LIST_ELEMENTS_MAX, URI_OCTETS_MAX};
use crate::room::optionality::{read_u32s, read_uri};

/// `JoinLinkPolicy`; the update format is the data format.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinLinkPolicy {
    /// Links are made when asked for; at most one is kept (POLICY-JL-1).
    pub on_request: bool,
    /// The link; empty where there is none.
    pub join_link: String,
    /// Whether more than one user may use a link.
    pub multiuser: bool,
    /// Seconds that a new link is valid for.
    pub expiration: u32,
}

/// `JoinLink` (AMB-W-6).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinLink(pub Vec<u8>);

/// `JoinLinksData` (AMB-POL-12).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinLinksData {
    /// The links.
    pub links: Vec<JoinLink>,
}

/// `JoinLinksUpdate`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinLinksUpdate {
    /// Positions in the current list, each once.
    pub removed_indices: Vec<u32>,
    /// To be appended.
    pub added_links: Vec<JoinLink>,
}

impl JoinLinksData {
    /// The list after an update; none if it removes a link that is not there.
    #[must_use]
    pub fn updated(&self, update: &JoinLinksUpdate) -> Option<Self> {
        let removed: BTreeSet<usize> = update
            .removed_indices
            .iter()
            .map(|index| usize::try_from(*index).ok())
            .collect::<Option<_>>()?;
        if removed.last().is_some_and(|last| *last >= self.links.len()) {
            return None;
        }
        let kept = self.links.iter().enumerate().filter(|(index, _)| !removed.contains(index));
        let links = kept.map(|(_, link)| link).chain(&update.added_links).cloned().collect();
        Some(Self { links })
    }
}

impl Wire for JoinLinkPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            on_request: reader.boolean("JoinLinkPolicy.on_request")?,
            join_link: read_uri(reader, "JoinLinkPolicy.join_link")?,
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

impl Wire for JoinLink {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self(reader.opaque(URI_OCTETS_MAX, "JoinLink.join_link")?.to_vec()))
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.0);
    }
}

impl Wire for JoinLinksData {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { links: reader.vector(LIST_ELEMENTS_MAX, "JoinLinksData", JoinLink::read)? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.links, |writer, link| link.write(writer));
    }
}

impl Wire for JoinLinksUpdate {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "JoinLinksUpdate.removedIndices";
        let start = reader.clone();
        let removed_indices = read_u32s(reader, field)?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = removed_indices.iter().find(|index| !seen.insert(**index)) {
            return Err(start.malformed(field, format!("index {twice} is there twice")));
        }
        let field = "JoinLinksUpdate.added_links";
        let added_links = reader.vector(LIST_ELEMENTS_MAX, field, JoinLink::read)?;
        Ok(Self { removed_indices, added_links })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.removed_indices, |writer, index| writer.u32(*index));
        writer.vector(&self.added_links, |writer, link| link.write(writer));
    }
}
