//! Founding a room (between a client and its own provider; not a structure of the draft).

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::mls::{GroupInfo, RatchetTree};

/// The state of a group that a client has just created, for its provider to become the hub of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomFounding {
    /// Of the group's first epoch, without a `ratchet_tree` extension.
    pub group_info: GroupInfo,
    /// The tree of that epoch.
    pub ratchet_tree: RatchetTree,
}

impl Wire for RoomFounding {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            group_info: GroupInfo::read_without_tree(reader, "RoomFounding.groupInfo")?,
            ratchet_tree: RatchetTree::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.group_info.write(writer);
        self.ratchet_tree.write(writer);
    }
}

#[cfg(test)]
mod tests;
