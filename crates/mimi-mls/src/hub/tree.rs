//! A group's ratchet tree in octets, written from what the library holds without a copy of it: in a
//! large room, each commit that welcomes somebody carries the whole tree.

use std::collections::BTreeMap;

use mimi_wire::mls::RatchetTree;
use openmls::group::{PublicGroup, StagedCommit};
use openmls::prelude::{LeafNode, ParentNode};
use serde::Deserialize;
use tls_codec::Serialize as _;

use crate::error::StageError;
use crate::pick::pick;

/// Where the library keeps the nodes that a commit seen from outside changes.
const CHANGED_NODES: [&str; 5] = ["state", "PublicState", "staged_diff", "staged_diff", "diff"];
/// `optional<Node>`: absent, a leaf, a parent.
const BLANK: [u8; 1] = [0];
const LEAF: [u8; 2] = [1, 1];
const PARENT: [u8; 2] = [1, 2];

/// Nodes that a commit changes, blank ones included. The library's own form of it.
#[derive(Debug, Default, Deserialize)]
struct Changed {
    leaves: BTreeMap<u32, Option<LeafNode>>,
    parents: BTreeMap<u32, Option<ParentNode>>,
    /// Nodes of the full tree.
    size: u32,
}

/// The tree of a group, or the one that a commit leads to. The library shows that one only once the
/// commit is merged, so what changes is laid over what is there.
pub(super) fn octets(
    group: &PublicGroup,
    staged: Option<&StagedCommit>,
) -> Result<RatchetTree, StageError> {
    let changed = staged.map(changed).transpose()?;
    let mut leaves = group.treesync().leaves();
    let mut parents: Vec<Option<&ParentNode>> = vec![None; leaves.len()];
    for (index, parent) in group.treesync().full_parents() {
        if let Some(place) = parents.get_mut(place(index.u32())) {
            *place = Some(parent);
        }
    }
    if let Some(changed) = &changed {
        let count = place(changed.size / 2 + 1);
        leaves.resize(count, None);
        parents.resize(count, None);
        lay_over(&mut leaves, &changed.leaves)?;
        lay_over(&mut parents, &changed.parents)?;
    }
    let last = leaves.iter().rposition(Option::is_some);
    let last = last.ok_or_else(|| StageError::internal("a tree without leaves"))?;
    let mut nodes = Vec::with_capacity(expected_octets(&leaves));
    for (index, leaf) in leaves[..=last].iter().enumerate() {
        match leaf {
            Some(leaf) => {
                nodes.extend(LEAF);
                leaf.tls_serialize(&mut nodes).map_err(StageError::internal)?;
            }
            None => nodes.extend(BLANK),
        }
        match parents[index] {
            _ if index == last => {}
            Some(parent) => {
                nodes.extend(PARENT);
                parent.tls_serialize(&mut nodes).map_err(StageError::internal)?;
            }
            None => nodes.extend(BLANK),
        }
    }
    Ok(RatchetTree::of_nodes(&nodes))
}

fn changed(staged: &StagedCommit) -> Result<Changed, StageError> {
    let octets = pick(staged, &CHANGED_NODES).map_err(StageError::internal)?;
    let octets = octets.ok_or_else(|| StageError::internal("a commit without changed nodes"))?;
    postcard::from_bytes(&octets).map_err(StageError::internal)
}

fn lay_over<'a, T>(
    nodes: &mut [Option<&'a T>],
    changed: &'a BTreeMap<u32, Option<T>>,
) -> Result<(), StageError> {
    for (index, node) in changed {
        let place = nodes.get_mut(place(*index));
        let place = place.ok_or_else(|| StageError::internal("a node outside of the tree"))?;
        *place = node.as_ref();
    }
    Ok(())
}

/// Leaves are about as large as the first one.
fn expected_octets(leaves: &[Option<&LeafNode>]) -> usize {
    use tls_codec::Size as _;
    let first = leaves.iter().flatten().next().map_or(0, |leaf| leaf.tls_serialized_len());
    leaves.iter().flatten().count() * (first + 16)
}

fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
