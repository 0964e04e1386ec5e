//! `RatchetTreeOption` and `PartialGroupInfo` (ratchet-tree-options-03 section 3 and 4).

use std::collections::BTreeSet;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{OPAQUE_OCTETS_MAX, SIGNATURE_OCTETS_MAX, TEXT_OCTETS_MAX};
use crate::mls::{GroupInfo, RatchetTree};

/// The `ratchet_tree` extension type of RFC 9420.
const RATCHET_TREE_EXTENSION: u16 = 2;

/// How the ratchet tree of an epoch reaches the receiver (RTO-1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RatchetTreeOption {
    /// `full(1)`.
    Full(RatchetTree),
    /// `httpsUri(2)`.
    HttpsUri {
        /// Where the tree is.
        url: String,
        /// A signature whose content the draft leaves open (AMB-RTO-3).
        tree_signature: Vec<u8>,
    },
    /// `outOfBand(3)`.
    OutOfBand {
        /// As above.
        tree_signature: Vec<u8>,
    },
    /// `distributionService(4)`: the receiver has the tree.
    DistributionService,
}

/// What became of the `ratchet_tree` extension between two epochs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum RatchetTreePresence {
    /// `no_ratchet_tree(0)`, the only one MIMI allows (AMB-RTO-4).
    NoRatchetTree = 0,
    /// `present(1)`.
    Present = 1,
    /// `removed(2)`.
    Removed = 2,
    /// `added(3)`.
    Added = 3,
}

/// The part of a GroupInfo that a commit does not already tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartialGroupInfo {
    /// Whether the GroupInfo embeds a tree.
    pub ratchet_tree_presence: RatchetTreePresence,
    /// `Extension group_info_extensions<V>`: the octets of the vector's content.
    pub group_info_extensions: Vec<u8>,
    /// The committer's signature of the whole GroupInfo.
    pub signature: Vec<u8>,
}

/// `GroupInfoOption`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GroupInfoOption {
    /// `full(1)`.
    Full(GroupInfo),
    /// `partial(2)`.
    Partial(PartialGroupInfo),
}

impl Wire for RatchetTreeOption {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "RatchetTreeOption.representation";
        let start = reader.clone();
        match reader.u8(field)? {
            1 => RatchetTree::read(reader).map(Self::Full),
            2 => Ok(Self::HttpsUri {
                url: reader.text(TEXT_OCTETS_MAX, "RatchetTreeOption.ratchet_tree_url")?,
                tree_signature: read_tree_signature(reader)?,
            }),
            3 => Ok(Self::OutOfBand { tree_signature: read_tree_signature(reader)? }),
            4 => Ok(Self::DistributionService),
            other => Err(start.malformed(field, format!("unknown representation {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Full(tree) => {
                writer.u8(1);
                tree.write(writer);
            }
            Self::HttpsUri { url, tree_signature } => {
                writer.u8(2);
                writer.opaque(url.as_bytes());
                writer.opaque(tree_signature);
            }
            Self::OutOfBand { tree_signature } => {
                writer.u8(3);
                writer.opaque(tree_signature);
            }
            Self::DistributionService => writer.u8(4),
        }
    }
}

fn read_tree_signature(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    Ok(reader.opaque(SIGNATURE_OCTETS_MAX, "RatchetTreeOption.tree_signature")?.to_vec())
}

impl Wire for RatchetTreePresence {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "RatchetTreePresence";
        let start = reader.clone();
        match reader.u8(field)? {
            0 => Ok(Self::NoRatchetTree),
            1 => Ok(Self::Present),
            2 => Ok(Self::Removed),
            3 => Ok(Self::Added),
            other => Err(start.malformed(field, format!("unknown presence {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(*self as u8);
    }
}

impl Wire for PartialGroupInfo {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let ratchet_tree_presence = RatchetTreePresence::read(reader)?;
        let mut extensions = reader.nested("PartialGroupInfo.group_info_extensions")?;
        let group_info_extensions = extensions.rest().to_vec();
        check_extensions(&mut extensions)?;
        let field = "PartialGroupInfo.signature";
        let signature = reader.opaque(SIGNATURE_OCTETS_MAX, field)?.to_vec();
        Ok(Self { ratchet_tree_presence, group_info_extensions, signature })
    }

    fn write(&self, writer: &mut Writer) {
        self.ratchet_tree_presence.write(writer);
        writer.opaque(&self.group_info_extensions);
        writer.opaque(&self.signature);
    }
}

/// Well-formed extensions, each once, none of them the tree.
fn check_extensions(extensions: &mut Reader<'_>) -> Result<(), Malformed> {
    let mut seen = BTreeSet::new();
    while !extensions.is_empty() {
        let field = "PartialGroupInfo.group_info_extensions.extension_type";
        let start = extensions.clone();
        let extension_type = extensions.u16(field)?;
        if extension_type == RATCHET_TREE_EXTENSION {
            return Err(start.malformed(field, "holds the ratchet_tree extension"));
        }
        if !seen.insert(extension_type) {
            return Err(start.malformed(field, format!("{extension_type} is there twice")));
        }
        extensions.opaque(OPAQUE_OCTETS_MAX, "PartialGroupInfo.group_info_extensions.data")?;
    }
    Ok(())
}

impl Wire for GroupInfoOption {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "GroupInfoOption.representation";
        let start = reader.clone();
        match reader.u8(field)? {
            1 => GroupInfo::read_without_tree(reader, "GroupInfoOption.groupInfo").map(Self::Full),
            2 => {
                let partial = PartialGroupInfo::read(reader)?;
                // MIMI never embeds the tree, so it cannot come or go either (AMB-RTO-4).
                if partial.ratchet_tree_presence != RatchetTreePresence::NoRatchetTree {
                    return Err(start.malformed(
                        "PartialGroupInfo.ratchet_tree_presence",
                        "must be no_ratchet_tree (AMB-RTO-4)",
                    ));
                }
                Ok(Self::Partial(partial))
            }
            other => Err(start.malformed(field, format!("unknown representation {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Full(group_info) => {
                writer.u8(1);
                group_info.write(writer);
            }
            Self::Partial(partial) => {
                writer.u8(2);
                partial.write(writer);
            }
        }
    }
}

#[cfg(test)]
mod tests;
