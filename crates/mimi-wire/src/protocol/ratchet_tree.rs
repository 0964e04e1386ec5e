//! `RatchetTreeOption` and `PartialGroupInfo` (ratchet-tree-options section 3 and 4).

use crate::mls::{GroupInfo, RatchetTree};

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
