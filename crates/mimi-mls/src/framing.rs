//! What a handshake says in the clear, read without any group state.
//!
//! The MLS library gives out the body of a PublicMessage only after it has verified it against a
//! group. A follower has no group, and the hub must know what a commit lists before the library
//! merges equal proposals into one.

use mimi_wire::codec::{Malformed, Reader};
use mimi_wire::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX};
use mimi_wire::mls::{MlsMessage, RatchetTree};
use openmls::ciphersuite::hash_ref::make_proposal_ref;
use openmls::prelude::{Ciphersuite, Credential, ProposalIn, ProposalOrRefIn};
use openmls_rust_crypto::RustCrypto;
use tls_codec::Serialize as _;

use crate::error::StageError;

/// `mls_welcome` with its version, as it starts an MLSMessage.
pub(crate) const WELCOME_HEADER: [u8; 4] = [0, 1, 0, 3];
/// `mls_public_message`, likewise.
pub(crate) const PUBLIC_MESSAGE_HEADER: [u8; 4] = [0, 1, 0, 1];
/// Octets that an MLSMessage has before an AuthenticatedContent would start.
const VERSION_OCTETS: usize = 2;

/// A PublicMessage.
#[derive(Debug)]
pub(crate) struct PublicFrame<'a> {
    pub(crate) group_id: &'a [u8],
    pub(crate) epoch: u64,
    pub(crate) sender: FrameSender,
    pub(crate) body: FrameBody,
    pub(crate) authenticated_data: &'a [u8],
    /// What the signature of a sender outside the group covers: `FramedContentTBS`.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: &'a [u8],
    /// The `AuthenticatedContent`, over which a proposal's reference is computed.
    pub(crate) authenticated: &'a [u8],
}

/// Who a frame says sent it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameSender {
    Member(u32),
    External(u32),
    NewMemberProposal,
    NewMemberCommit,
}

/// What a frame carries.
#[derive(Debug)]
pub(crate) enum FrameBody {
    Proposal(Box<ProposalIn>),
    Commit {
        proposals: Vec<ProposalOrRefIn>,
        /// The leaf of the update path.
        path_leaf: Option<LeafFrame>,
    },
}

/// The part of a leaf node that names somebody.
#[derive(Clone, Debug)]
pub(crate) struct LeafFrame {
    pub(crate) credential: Credential,
}

impl<'a> PublicFrame<'a> {
    pub(crate) fn parse(message: &'a MlsMessage) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message.octets());
        if reader.array::<4>("MLSMessage.header")? != PUBLIC_MESSAGE_HEADER {
            return Err(reader.malformed("MLSMessage.wire_format", "not a PublicMessage"));
        }
        let group_id = reader.opaque(OPAQUE_OCTETS_MAX, "FramedContent.group_id")?;
        let epoch = reader.u64("FramedContent.epoch")?;
        let sender = FrameSender::read(&mut reader)?;
        let authenticated_data =
            reader.opaque(OPAQUE_OCTETS_MAX, "FramedContent.authenticated_data")?;
        let body = FrameBody::read(&mut reader)?;
        let signed = &message.octets()[..reader.offset()];
        let signature = reader.opaque(OPAQUE_OCTETS_MAX, "FramedContentAuthData.signature")?;
        if matches!(body, FrameBody::Commit { .. }) {
            reader.opaque(OPAQUE_OCTETS_MAX, "FramedContentAuthData.confirmation_tag")?;
        }
        let authenticated = &message.octets()[VERSION_OCTETS..reader.offset()];
        Ok(Self {
            group_id,
            epoch,
            sender,
            body,
            authenticated_data,
            signed,
            signature,
            authenticated,
        })
    }

    /// The `ProposalRef` of a proposal.
    pub(crate) fn proposal_ref(&self, suite: Ciphersuite) -> Result<Vec<u8>, StageError> {
        let reference = make_proposal_ref(self.authenticated, suite, &RustCrypto::default());
        Ok(reference.map_err(StageError::internal)?.as_slice().to_vec())
    }
}

impl FrameSender {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u8("Sender.sender_type")? {
            1 => Ok(Self::Member(reader.u32("Sender.leaf_index")?)),
            2 => Ok(Self::External(reader.u32("Sender.sender_index")?)),
            3 => Ok(Self::NewMemberProposal),
            4 => Ok(Self::NewMemberCommit),
            other => Err(reader.malformed("Sender.sender_type", format!("unknown type {other}"))),
        }
    }

    /// For the library's own type, whose index of an external sender is private.
    pub(crate) fn of(sender: &openmls::prelude::Sender) -> Result<Self, StageError> {
        let octets = sender.tls_serialize_detached().map_err(StageError::internal)?;
        Ok(Self::read(&mut Reader::new(&octets))?)
    }
}

impl FrameBody {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u8("FramedContent.content_type")? {
            2 => Ok(Self::Proposal(Box::new(reader.mls("FramedContent.proposal")?.1))),
            3 => {
                let proposals = reader.vector(LIST_ELEMENTS_MAX, "Commit.proposals", |reader| {
                    Ok(reader.mls("Commit.proposals")?.1)
                })?;
                let path_leaf = reader.optional("Commit.path", |reader| {
                    let leaf = LeafFrame::read(reader)?;
                    reader.nested("UpdatePath.nodes")?;
                    Ok(leaf)
                })?;
                Ok(Self::Commit { proposals, path_leaf })
            }
            other => {
                let reason = format!("type {other} is no handshake");
                Err(reader.malformed("FramedContent.content_type", reason))
            }
        }
    }
}

impl LeafFrame {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.opaque(OPAQUE_OCTETS_MAX, "LeafNode.encryption_key")?;
        reader.opaque(OPAQUE_OCTETS_MAX, "LeafNode.signature_key")?;
        let credential = reader.mls::<Credential>("LeafNode.credential")?.1;
        for _ in ["versions", "cipher_suites", "extensions", "proposals", "credentials"] {
            reader.opaque(OPAQUE_OCTETS_MAX, "LeafNode.capabilities")?;
        }
        match reader.u8("LeafNode.leaf_node_source")? {
            1 => drop(reader.array::<16>("LeafNode.lifetime")?),
            2 => {}
            3 => drop(reader.opaque(OPAQUE_OCTETS_MAX, "LeafNode.parent_hash")?),
            other => {
                let reason = format!("unknown source {other}");
                return Err(reader.malformed("LeafNode.leaf_node_source", reason));
            }
        }
        reader.opaque(OPAQUE_OCTETS_MAX, "LeafNode.extensions")?;
        reader.opaque(OPAQUE_OCTETS_MAX, "LeafNode.signature")?;
        Ok(Self { credential })
    }
}

/// The leaves of a tree with their indices.
pub(crate) fn tree_leaves(tree: &RatchetTree) -> Result<Vec<(u32, LeafFrame)>, Malformed> {
    let mut reader = Reader::new(tree.octets()).nested("ratchet_tree")?;
    let mut leaves = Vec::new();
    let mut position: u32 = 0;
    while !reader.is_empty() {
        let leaf = reader.optional("ratchet_tree.node", |reader| {
            match reader.u8("Node.node_type")? {
                1 => Ok(Some(LeafFrame::read(reader)?)),
                2 => {
                    for _ in ["encryption_key", "parent_hash", "unmerged_leaves"] {
                        reader.opaque(OPAQUE_OCTETS_MAX, "ParentNode")?;
                    }
                    Ok(None)
                }
                other => Err(reader.malformed("Node.node_type", format!("unknown type {other}"))),
            }
        })?;
        if let Some(leaf) = leaf.flatten() {
            if !position.is_multiple_of(2) {
                return Err(reader.malformed("ratchet_tree.node", "a leaf where a parent belongs"));
            }
            leaves.push((position / 2, leaf));
        }
        position = position.saturating_add(1);
    }
    Ok(leaves)
}
