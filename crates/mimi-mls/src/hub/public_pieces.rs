//! The saved form of a hub's public group.
//!
//! The library would rewrite everything at each merge. Here it writes nowhere, and a snapshot is
//! taken from what the group shows of itself, when somebody asks for one.

use openmls::group::{GroupId, PublicGroup, QueuedProposal};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::crypto::OpenMlsCrypto as _;
use openmls_traits::public_storage::PublicStorageProvider;
use openmls_traits::storage::{CURRENT_VERSION, traits};
use serde::{Deserialize, Serialize};
use tls_codec::Serialize as _;

use crate::error::SnapshotError;
use crate::pieces::{Piece, PieceError, decode, encode};

/// Everything a public group consists of, as the library reads it back.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct PublicPieces {
    group_id: Vec<u8>,
    tree: Vec<u8>,
    context: Vec<u8>,
    confirmation_tag: Vec<u8>,
    interim_transcript_hash: Vec<u8>,
    proposals: Vec<Vec<u8>>,
}

impl PublicPieces {
    /// Where the library may write: nothing is kept.
    pub(super) fn nowhere() -> Self {
        Self::default()
    }

    pub(super) fn of(
        group: &PublicGroup,
        cached: &[QueuedProposal],
    ) -> Result<Self, SnapshotError> {
        let proposals = cached.iter().map(|proposal| octets(Piece::QueuedProposal, proposal));
        let interim = interim_transcript_hash(group)?;
        Ok(Self {
            group_id: group.group_id().as_slice().to_vec(),
            tree: octets(Piece::Tree, group.treesync())?,
            context: octets(Piece::GroupContext, group.group_context())?,
            confirmation_tag: octets(Piece::ConfirmationTag, group.confirmation_tag())?,
            interim_transcript_hash: octets(Piece::InterimTranscriptHash, &interim)?,
            proposals: proposals.collect::<Result<_, _>>()?,
        })
    }

    /// The group and its cached proposals.
    pub(super) fn load(&self) -> Result<(PublicGroup, Vec<QueuedProposal>), SnapshotError> {
        let fault = |error: PieceError| SnapshotError(error.to_string());
        let group = PublicGroup::load(self, &GroupId::from_slice(&self.group_id)).map_err(fault)?;
        let group = group.ok_or_else(|| SnapshotError("parts of the group are missing".into()))?;
        let cached = self.proposals.iter().map(|octets| decode(Piece::QueuedProposal, octets));
        Ok((group, cached.collect::<Result<_, _>>().map_err(fault)?))
    }

    fn read<V: serde::de::DeserializeOwned>(
        piece: Piece,
        octets: &[u8],
    ) -> Result<Option<V>, PieceError> {
        if octets.is_empty() { Ok(None) } else { decode(piece, octets).map(Some) }
    }
}

fn octets(piece: Piece, value: &impl Serialize) -> Result<Vec<u8>, SnapshotError> {
    let octets = encode(piece, value).map_err(|error| SnapshotError(error.to_string()))?;
    Ok(octets.to_vec())
}

/// RFC 9420 section 8.2; the group computes it and keeps it to itself.
fn interim_transcript_hash(group: &PublicGroup) -> Result<Vec<u8>, SnapshotError> {
    let tag = group.confirmation_tag().tls_serialize_detached();
    let tag = tag.map_err(|error| SnapshotError(error.to_string()))?;
    let input = [group.group_context().confirmed_transcript_hash(), &tag].concat();
    let hash = RustCrypto::default().hash(group.ciphersuite().hash_algorithm(), &input);
    hash.map_err(|error| SnapshotError(error.to_string()))
}

#[rustfmt::skip]
impl PublicStorageProvider<CURRENT_VERSION> for PublicPieces {
    type PublicError = PieceError;

    fn tree<K: traits::GroupId<CURRENT_VERSION>, V: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        _group_id: &K,
    ) -> Result<Option<V>, PieceError> {
        Self::read(Piece::Tree, &self.tree)
    }

    fn group_context<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::GroupContext<CURRENT_VERSION>,
    >(
        &self,
        _group_id: &K,
    ) -> Result<Option<V>, PieceError> {
        Self::read(Piece::GroupContext, &self.context)
    }

    fn interim_transcript_hash<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        _group_id: &K,
    ) -> Result<Option<V>, PieceError> {
        Self::read(Piece::InterimTranscriptHash, &self.interim_transcript_hash)
    }

    fn confirmation_tag<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        _group_id: &K,
    ) -> Result<Option<V>, PieceError> {
        Self::read(Piece::ConfirmationTag, &self.confirmation_tag)
    }

    fn queued_proposals<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _group_id: &K,
    ) -> Result<Vec<(R, V)>, PieceError> {
        let proposal = |octets: &Vec<u8>| {
            let queued: QueuedProposal = decode(Piece::QueuedProposal, octets)?;
            let reference = encode(Piece::QueuedProposalRefs, queued.proposal_reference_ref())?;
            let reference = decode(Piece::QueuedProposalRefs, &reference)?;
            Ok((reference, decode(Piece::QueuedProposal, octets)?))
        };
        self.proposals.iter().map(proposal).collect()
    }

    fn write_tree<K: traits::GroupId<CURRENT_VERSION>, V: traits::TreeSync<CURRENT_VERSION>>(
        &self, _group_id: &K, _tree: &V,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn write_interim_transcript_hash<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self, _group_id: &K, _hash: &V,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn write_context<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::GroupContext<CURRENT_VERSION>,
    >(
        &self, _group_id: &K, _context: &V,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn write_confirmation_tag<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self, _group_id: &K, _tag: &V,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn queue_proposal<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self, _group_id: &K, _proposal_ref: &R, _proposal: &V,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn delete_tree<K: traits::GroupId<CURRENT_VERSION>>(&self, _: &K) -> Result<(), PieceError> {
        Ok(())
    }

    fn delete_confirmation_tag<K: traits::GroupId<CURRENT_VERSION>>(
        &self, _group_id: &K,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn delete_context<K: traits::GroupId<CURRENT_VERSION>>(
        &self, _group_id: &K,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn delete_interim_transcript_hash<K: traits::GroupId<CURRENT_VERSION>>(
        &self, _group_id: &K,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn remove_proposal<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self, _group_id: &K, _proposal_ref: &R,
    ) -> Result<(), PieceError> {
        Ok(())
    }

    fn clear_proposal_queue<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self, _group_id: &K,
    ) -> Result<(), PieceError> {
        Ok(())
    }
}
