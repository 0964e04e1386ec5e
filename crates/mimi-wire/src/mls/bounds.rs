//! How many elements an MLS object may have, counted before the MLS library parses it.
//!
//! The library keeps something for every element, and an element may be one octet long: a body of
//! 16 MiB would become gigabytes. Here the structure is walked without keeping anything. Whether an
//! object is sound is for the library to say; this says only that it is not too large.

use openmls::prelude::ProposalOrRefIn;

use crate::codec::{Malformed, Reader};
use crate::limits::{
    HANDSHAKE_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, MLS_EXTENSIONS_MAX, TREE_NODES_MAX,
};

/// `mls_public_message`.
const PUBLIC_MESSAGE: u16 = 1;
/// `mls_welcome`.
const WELCOME: u16 = 3;
/// `mls_group_info`.
const GROUP_INFO: u16 = 4;
/// `mls_key_package`.
const KEY_PACKAGE: u16 = 5;

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
        GROUP_INFO => group_info(reader),
        KEY_PACKAGE => key_package(reader),
        _ => Ok(()),
    }
}

/// An `MLSMessage` that is a PrivateMessage, taken whole; none if it is another. It is all there is
/// to say whether one is sound, so the library need not copy what it cannot read yet.
pub(super) fn private_message<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
) -> Result<Option<&'a [u8]>, Malformed> {
    const MLS_1_0_PRIVATE_MESSAGE: [u8; 4] = [0, 1, 0, 2];

    if !reader.rest().starts_with(&MLS_1_0_PRIVATE_MESSAGE) {
        return Ok(None);
    }
    let mut ahead = reader.untraced();
    ahead.array::<4>("MLSMessage")?;
    opaque(&mut ahead, "PrivateMessage.group_id")?;
    ahead.u64("PrivateMessage.epoch")?;
    let start = ahead.clone();
    let content_type = ahead.u8("PrivateMessage.content_type")?;
    if !matches!(content_type, 1..=3) {
        let reason = format!("unknown type {content_type}");
        return Err(start.malformed("PrivateMessage.content_type", reason));
    }
    opaque(&mut ahead, "PrivateMessage.authenticated_data")?;
    opaque(&mut ahead, "PrivateMessage.encrypted_sender_data")?;
    opaque(&mut ahead, "PrivateMessage.ciphertext")?;
    reader.mls_octets(ahead.offset() - reader.offset(), field).map(Some)
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

/// Nothing that is taken whole.
pub(super) fn nothing<'a>(
    _: &mut Reader<'a>,
    _: &'static str,
) -> Result<Option<&'a [u8]>, Malformed> {
    Ok(None)
}

/// The nodes of a `ratchet_tree`.
pub(super) fn ratchet_tree(mut reader: Reader<'_>) -> Result<(), Malformed> {
    let mut nodes = reader.nested("ratchet_tree")?;
    let mut count = Count::new(TREE_NODES_MAX, "ratchet_tree");
    let mut extensions = Count::extensions();
    while !nodes.is_empty() {
        count.one_more(&nodes)?;
        nodes.optional("ratchet_tree.node", |nodes| match nodes.u8("Node.node_type")? {
            1 => leaf_node(nodes, &mut extensions),
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

/// The extensions of a `GroupInfo` and of its context.
pub(super) fn group_info(mut reader: Reader<'_>) -> Result<(), Malformed> {
    let mut count = Count::extensions();
    reader.u16("GroupContext.version")?;
    reader.u16("GroupContext.cipher_suite")?;
    opaque(&mut reader, "GroupContext.group_id")?;
    reader.u64("GroupContext.epoch")?;
    opaque(&mut reader, "GroupContext.tree_hash")?;
    opaque(&mut reader, "GroupContext.confirmed_transcript_hash")?;
    extensions(&mut reader, "GroupContext.extensions", &mut count)?;
    extensions(&mut reader, "GroupInfo.extensions", &mut count)
}

/// The extensions of a `KeyPackage` and of its leaf.
pub(super) fn key_package(mut reader: Reader<'_>) -> Result<(), Malformed> {
    key_package_with(&mut reader, &mut Count::extensions())
}

fn key_package_with(reader: &mut Reader<'_>, count: &mut Count) -> Result<(), Malformed> {
    reader.u16("KeyPackage.version")?;
    reader.u16("KeyPackage.cipher_suite")?;
    opaque(reader, "KeyPackage.init_key")?;
    leaf_node(reader, count)?;
    extensions(reader, "KeyPackage.extensions", count)
}

fn public_message(mut reader: Reader<'_>) -> Result<(), Malformed> {
    const MEMBER: u8 = 1;
    const EXTERNAL: u8 = 2;
    const PROPOSAL: u8 = 2;
    const COMMIT: u8 = 3;

    opaque(&mut reader, "FramedContent.group_id")?;
    reader.u64("FramedContent.epoch")?;
    if matches!(reader.u8("Sender.sender_type")?, MEMBER | EXTERNAL) {
        reader.u32("Sender.leaf_index")?;
    }
    opaque(&mut reader, "FramedContent.authenticated_data")?;
    match reader.u8("FramedContent.content_type")? {
        PROPOSAL => proposal(&mut reader, &mut Count::extensions()).map(drop),
        COMMIT => commit(reader),
        _ => Ok(()),
    }
}

fn commit(mut reader: Reader<'_>) -> Result<(), Malformed> {
    const PROPOSAL: u8 = 1;
    const REFERENCE: u8 = 2;

    let mut proposals = reader.nested("Commit.proposals")?;
    let mut count = Count::new(LIST_ELEMENTS_MAX, "Commit.proposals");
    let mut extensions = Count::extensions();
    while !proposals.is_empty() {
        count.one_more(&proposals)?;
        let mut ahead = proposals.clone();
        let walked = match ahead.u8("ProposalOrRef.type")? {
            PROPOSAL => proposal(&mut ahead, &mut extensions)?,
            REFERENCE => opaque(&mut ahead, "ProposalOrRef.reference").map(|()| true)?,
            _ => false,
        };
        if walked {
            proposals = ahead;
        } else {
            // Where it ends only the library knows; one at a time, and not kept.
            proposals.mls::<ProposalOrRefIn>("Commit.proposals")?;
        }
    }
    reader.optional("Commit.path", |reader| update_path(reader, &mut extensions)).map(drop)
}

/// Walks the proposals that have lists or are frequent, to their end; false for the others.
fn proposal(reader: &mut Reader<'_>, count: &mut Count) -> Result<bool, Malformed> {
    const ADD: u16 = 1;
    const UPDATE: u16 = 2;
    const REMOVE: u16 = 3;
    const REINIT: u16 = 5;
    const GROUP_CONTEXT_EXTENSIONS: u16 = 7;

    match reader.u16("Proposal.proposal_type")? {
        ADD => {
            key_package_with(reader, count)?;
            opaque(reader, "KeyPackage.signature")?;
        }
        UPDATE => leaf_node(reader, count)?,
        REMOVE => drop(reader.u32("Remove.removed")?),
        REINIT => {
            opaque(reader, "ReInit.group_id")?;
            reader.u16("ReInit.version")?;
            reader.u16("ReInit.cipher_suite")?;
            extensions(reader, "ReInit.extensions", count)?;
        }
        GROUP_CONTEXT_EXTENSIONS => extensions(reader, "GroupContextExtensions.extensions", count)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn update_path(reader: &mut Reader<'_>, extensions: &mut Count) -> Result<(), Malformed> {
    leaf_node(reader, extensions)?;
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

fn leaf_node(reader: &mut Reader<'_>, count: &mut Count) -> Result<(), Malformed> {
    const KEY_PACKAGE: u8 = 1;
    const UPDATE: u8 = 2;

    opaque(reader, "LeafNode.encryption_key")?;
    opaque(reader, "LeafNode.signature_key")?;
    reader.u16("Credential.credential_type")?;
    opaque(reader, "Credential")?;
    for _ in ["versions", "cipher_suites", "extensions", "proposals", "credentials"] {
        opaque(reader, "LeafNode.capabilities")?;
    }
    match reader.u8("LeafNode.leaf_node_source")? {
        KEY_PACKAGE => drop(reader.array::<16>("LeafNode.lifetime")?),
        UPDATE => {}
        _ => opaque(reader, "LeafNode.parent_hash")?,
    }
    extensions(reader, "LeafNode.extensions", count)?;
    opaque(reader, "LeafNode.signature")
}

/// `Extension extensions<V>`, and the lists in those that the library takes apart.
fn extensions(
    reader: &mut Reader<'_>,
    field: &'static str,
    count: &mut Count,
) -> Result<(), Malformed> {
    const RATCHET_TREE: u16 = 2;
    const EXTERNAL_SENDERS: u16 = 5;
    const APP_DATA_DICTIONARY: u16 = 6;

    let mut extensions = reader.nested(field)?;
    let mut own = Count::new(LIST_ELEMENTS_MAX, field);
    while !extensions.is_empty() {
        own.one_more(&extensions)?;
        count.one_more(&extensions)?;
        let extension_type = extensions.u16("Extension.extension_type")?;
        let data = extensions.nested("Extension.extension_data")?;
        match extension_type {
            RATCHET_TREE => ratchet_tree(data)?,
            EXTERNAL_SENDERS => external_senders(data)?,
            APP_DATA_DICTIONARY => app_data_dictionary(data)?,
            _ => {}
        }
    }
    Ok(())
}

fn external_senders(mut reader: Reader<'_>) -> Result<(), Malformed> {
    let mut senders = reader.nested("external_senders")?;
    let mut count = Count::new(LIST_ELEMENTS_MAX, "external_senders");
    while !senders.is_empty() {
        count.one_more(&senders)?;
        opaque(&mut senders, "ExternalSender.signature_key")?;
        senders.u16("Credential.credential_type")?;
        opaque(&mut senders, "Credential")?;
    }
    Ok(())
}

fn app_data_dictionary(mut reader: Reader<'_>) -> Result<(), Malformed> {
    let mut components = reader.nested("app_data_dictionary")?;
    let mut count = Count::new(LIST_ELEMENTS_MAX, "app_data_dictionary");
    while !components.is_empty() {
        count.one_more(&components)?;
        components.u16("ComponentData.component_id")?;
        opaque(&mut components, "ComponentData.data")?;
    }
    Ok(())
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

    /// Of all extensions in one object.
    fn extensions() -> Self {
        Self::new(MLS_EXTENSIONS_MAX, "extensions")
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
