//! How many elements an MLS object may have, counted before the MLS library parses it.
//!
//! The library keeps something for every element, and an element may be one octet long: a body of
//! 16 MiB would become gigabytes. Here the structure is walked without keeping anything. Whether an
//! object is sound is for the library to say; this says only that it is not too large.

use openmls::prelude::{Credential, ProposalOrRefIn};

use crate::codec::{Malformed, Reader};
use crate::limits::{HANDSHAKE_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TREE_NODES_MAX};

/// `mls_public_message`.
const PUBLIC_MESSAGE: u16 = 1;
/// `mls_welcome`.
const WELCOME: u16 = 3;

/// An object without lists that matter.
pub(super) fn unbounded(_: Reader<'_>) -> Result<(), Malformed> {
    Ok(())
}

/// An `MLSMessage`: the secrets of a Welcome, the proposals and the path of a commit.
pub(super) fn message(mut reader: Reader<'_>) -> Result<(), Malformed> {
    reader.u16("MLSMessage.version")?;
    match reader.u16("MLSMessage.wire_format")? {
        PUBLIC_MESSAGE => public_message(reader),
        WELCOME => welcome(reader),
        _ => Ok(()),
    }
}

/// `Welcome.secrets`.
pub(super) fn welcome(mut reader: Reader<'_>) -> Result<(), Malformed> {
    reader.u16("Welcome.cipher_suite")?;
    let mut secrets = reader.nested("Welcome.secrets")?;
    let mut count = Count::new(LIST_ELEMENTS_MAX, "Welcome.secrets");
    while !secrets.is_empty() {
        count.one_more(&secrets)?;
        opaque(&mut secrets, "EncryptedGroupSecrets.new_member")?;
        ciphertext(&mut secrets)?;
    }
    Ok(())
}

/// The nodes of a `ratchet_tree`.
pub(super) fn ratchet_tree(mut reader: Reader<'_>) -> Result<(), Malformed> {
    let mut nodes = reader.nested("ratchet_tree")?;
    let mut count = Count::new(TREE_NODES_MAX, "ratchet_tree");
    while !nodes.is_empty() {
        count.one_more(&nodes)?;
        nodes.optional("ratchet_tree.node", |nodes| match nodes.u8("Node.node_type")? {
            1 => leaf_node(nodes),
            2 => {
                for field in ["ParentNode.encryption_key", "parent_hash", "unmerged_leaves"] {
                    opaque(nodes, field)?;
                }
                Ok(())
            }
            other => Err(nodes.malformed("Node.node_type", format!("unknown type {other}"))),
        })?;
    }
    Ok(())
}

fn public_message(mut reader: Reader<'_>) -> Result<(), Malformed> {
    const MEMBER: u8 = 1;
    const EXTERNAL: u8 = 2;
    const COMMIT: u8 = 3;

    opaque(&mut reader, "FramedContent.group_id")?;
    reader.u64("FramedContent.epoch")?;
    if matches!(reader.u8("Sender.sender_type")?, MEMBER | EXTERNAL) {
        reader.u32("Sender.leaf_index")?;
    }
    opaque(&mut reader, "FramedContent.authenticated_data")?;
    if reader.u8("FramedContent.content_type")? != COMMIT {
        return Ok(());
    }
    let mut proposals = reader.nested("Commit.proposals")?;
    let mut count = Count::new(LIST_ELEMENTS_MAX, "Commit.proposals");
    while !proposals.is_empty() {
        count.one_more(&proposals)?;
        // One at a time, and not kept.
        proposals.mls::<ProposalOrRefIn>("Commit.proposals")?;
    }
    reader.optional("Commit.path", update_path).map(drop)
}

fn update_path(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    leaf_node(reader)?;
    let mut nodes = reader.nested("UpdatePath.nodes")?;
    let mut count = Count::new(TREE_NODES_MAX, "UpdatePath.nodes");
    while !nodes.is_empty() {
        count.one_more(&nodes)?;
        opaque(&mut nodes, "UpdatePathNode.encryption_key")?;
        let mut secrets = nodes.nested("UpdatePathNode.encrypted_path_secret")?;
        while !secrets.is_empty() {
            count.one_more(&secrets)?;
            ciphertext(&mut secrets)?;
        }
    }
    Ok(())
}

fn leaf_node(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    const KEY_PACKAGE: u8 = 1;
    const UPDATE: u8 = 2;

    opaque(reader, "LeafNode.encryption_key")?;
    opaque(reader, "LeafNode.signature_key")?;
    reader.mls::<Credential>("LeafNode.credential")?;
    for _ in ["versions", "cipher_suites", "extensions", "proposals", "credentials"] {
        opaque(reader, "LeafNode.capabilities")?;
    }
    match reader.u8("LeafNode.leaf_node_source")? {
        KEY_PACKAGE => drop(reader.array::<16>("LeafNode.lifetime")?),
        UPDATE => {}
        _ => opaque(reader, "LeafNode.parent_hash")?,
    }
    opaque(reader, "LeafNode.extensions")?;
    opaque(reader, "LeafNode.signature")
}

fn ciphertext(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    opaque(reader, "HPKECiphertext.kem_output")?;
    opaque(reader, "HPKECiphertext.ciphertext")
}

fn opaque(reader: &mut Reader<'_>, field: &'static str) -> Result<(), Malformed> {
    reader.opaque(HANDSHAKE_BODY_OCTETS_MAX, field).map(drop)
}

struct Count {
    left: usize,
    max: usize,
    field: &'static str,
}

impl Count {
    fn new(max: usize, field: &'static str) -> Self {
        Self { left: max, max, field }
    }

    fn one_more(&mut self, reader: &Reader<'_>) -> Result<(), Malformed> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(reader.malformed(self.field, format!("more than {} elements", self.max)));
        };
        self.left = left;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
