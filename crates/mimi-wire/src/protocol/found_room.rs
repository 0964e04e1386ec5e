//! Founding a room (between a client and its own provider; not a structure of the draft).

use crate::MimiUri;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::mls::{GroupInfo, RatchetTree, Welcome};

/// The state of a group that a client has just created, for its provider to become the hub of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomFounding {
    /// Of the epoch the group is in, without a `ratchet_tree` extension.
    pub group_info: GroupInfo,
    /// The tree of that epoch.
    pub ratchet_tree: RatchetTree,
    /// For the first members beside the creator's client, if there are any.
    pub welcome: Option<FoundingWelcome>,
}

/// A Welcome and whom it is for: the hub, which has not seen the KeyPackages, sends each provider
/// the part for its clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundingWelcome {
    /// The Welcome.
    pub welcome: Welcome,
    /// Each client with its KeyPackageRef, at most [`LIST_ELEMENTS_MAX`].
    pub welcomed: Vec<(MimiUri, Vec<u8>)>,
}

/// Octets of a KeyPackageRef: a hash.
const REFERENCE_OCTETS_MAX: usize = 64;

impl Wire for RoomFounding {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            group_info: GroupInfo::read_without_tree(reader, "RoomFounding.groupInfo")?,
            ratchet_tree: RatchetTree::read(reader)?,
            welcome: reader.optional("RoomFounding.welcome", FoundingWelcome::read)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.group_info.write(writer);
        self.ratchet_tree.write(writer);
        writer.optional(self.welcome.as_ref(), |writer, welcome| welcome.write(writer));
    }
}

impl Wire for FoundingWelcome {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let welcome = Welcome::read(reader)?;
        let field = "FoundingWelcome.welcomed";
        let welcomed = reader.vector(LIST_ELEMENTS_MAX, field, |reader| {
            let client = MimiUri::read(reader)?;
            let reference = reader.opaque(REFERENCE_OCTETS_MAX, "FoundingWelcome.reference")?;
            Ok((client, reference.to_vec()))
        })?;
        Ok(Self { welcome, welcomed })
    }

    fn write(&self, writer: &mut Writer) {
        self.welcome.write(writer);
        writer.vector(&self.welcomed, |writer, (client, reference)| {
            client.write(writer);
            writer.opaque(reference);
        });
    }
}

#[cfg(test)]
mod tests;
