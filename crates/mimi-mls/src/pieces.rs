//! The saved state of one group or one device: named pieces, each a value of the MLS library.
//!
//! The library stores eagerly, piece by piece; we keep the pieces in memory, remember which have
//! changed, and hand those to the caller, who stores them together with what they led to.
//! Values are postcard, which is compact (openmls keeps its enum tags stable for such formats).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

/// One changed piece: its key and its value, `None` when it is gone.
pub(crate) type StateChange = (Vec<u8>, Option<Zeroizing<Vec<u8>>>);

/// A value that cannot be written or read.
#[derive(Debug, Error)]
#[error("{piece:?}: {reason}")]
pub(crate) struct PieceError {
    piece: Piece,
    reason: String,
}

/// What a piece holds: the first octet of its key. Numbers are never reused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Piece {
    /// Our own: format version and group id.
    Header = 0,
    JoinConfig = 1,
    OwnLeafNodes = 2,
    QueuedProposal = 3,
    QueuedProposalRefs = 4,
    Tree = 5,
    InterimTranscriptHash = 6,
    GroupContext = 7,
    ConfirmationTag = 8,
    GroupState = 9,
    MessageSecrets = 10,
    ResumptionPsks = 11,
    OwnLeafIndex = 12,
    EpochSecrets = 13,
    ApplicationExportTree = 14,
    SignatureKeyPair = 15,
    EncryptionKeyPair = 16,
    EpochKeyPairs = 17,
    KeyPackage = 18,
    Psk = 19,
}

/// Pieces in memory. The library writes through shared references, hence the lock; it is never
/// contended.
#[derive(Default)]
pub(crate) struct Pieces(Mutex<Content>);

#[derive(Default)]
struct Content {
    values: BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    changed: BTreeSet<Vec<u8>>,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Pieces({})", self.content().values.len())
    }
}

impl Pieces {
    /// Pieces read back; none of them counts as changed.
    pub(crate) fn restored(saved: impl IntoIterator<Item = (Vec<u8>, Zeroizing<Vec<u8>>)>) -> Self {
        let values = saved.into_iter().collect();
        Self(Mutex::new(Content { values, changed: BTreeSet::new() }))
    }

    /// All pieces, by ascending key.
    pub(crate) fn all(&self) -> Vec<(Vec<u8>, Zeroizing<Vec<u8>>)> {
        self.content().values.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What changed since the last call: `None` for what is gone.
    pub(crate) fn take_changes(&self) -> Vec<StateChange> {
        let mut content = self.content();
        let changed = std::mem::take(&mut content.changed);
        let value = |key: Vec<u8>| {
            let value = content.values.get(&key).cloned();
            (key, value)
        };
        changed.into_iter().map(value).collect()
    }

    pub(crate) fn put(
        &self,
        piece: Piece,
        key: &impl Serialize,
        value: &impl Serialize,
    ) -> Result<(), PieceError> {
        let key = key_of(piece, key)?;
        self.put_octets(key, encode(piece, value)?);
        Ok(())
    }

    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        piece: Piece,
        key: &impl Serialize,
    ) -> Result<Option<T>, PieceError> {
        let key = key_of(piece, key)?;
        self.content().values.get(&key).map(|octets| decode(piece, octets)).transpose()
    }

    pub(crate) fn delete(&self, piece: Piece, key: &impl Serialize) -> Result<(), PieceError> {
        let key = key_of(piece, key)?;
        let mut content = self.content();
        if content.values.remove(&key).is_some() {
            content.changed.insert(key);
        }
        Ok(())
    }

    fn get_or_default<T: Default + DeserializeOwned>(
        &self,
        piece: Piece,
        key: &impl Serialize,
    ) -> Result<T, PieceError> {
        Ok(self.get(piece, key)?.unwrap_or_default())
    }

    fn put_octets(&self, key: Vec<u8>, octets: Zeroizing<Vec<u8>>) {
        let mut content = self.content();
        if content.values.get(&key) != Some(&octets) {
            content.values.insert(key.clone(), octets);
            content.changed.insert(key);
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(piece: Piece, key: &impl Serialize) -> Result<Vec<u8>, PieceError> {
    let fault = |error: postcard::Error| PieceError { piece, reason: error.to_string() };
    postcard::to_extend(key, vec![piece as u8]).map_err(fault)
}

/// The join configuration reads itself by trial, which only self-describing formats can do.
pub(crate) fn encode(
    piece: Piece,
    value: &impl Serialize,
) -> Result<Zeroizing<Vec<u8>>, PieceError> {
    let octets = match piece {
        Piece::JoinConfig => serde_json::to_vec(value).map_err(|error| error.to_string()),
        _ => postcard::to_allocvec(value).map_err(|error| error.to_string()),
    };
    octets.map(Zeroizing::new).map_err(|reason| PieceError { piece, reason })
}

pub(crate) fn decode<T: DeserializeOwned>(piece: Piece, octets: &[u8]) -> Result<T, PieceError> {
    let value = match piece {
        Piece::JoinConfig => serde_json::from_slice(octets).map_err(|error| error.to_string()),
        _ => postcard::from_bytes(octets).map_err(|error| error.to_string()),
    };
    value.map_err(|reason| PieceError { piece, reason })
}

/// A value of its own per group or object: its writer, its reader and its deleter.
macro_rules! value {
    ($piece:ident, $key:ident, $value:ident, $write:ident, $read:ident, $delete:ident) => {
        fn $write<K: traits::$key<CURRENT_VERSION>, V: traits::$value<CURRENT_VERSION>>(
            &self,
            key: &K,
            value: &V,
        ) -> Result<(), PieceError> {
            self.put(Piece::$piece, key, value)
        }

        value!($piece, $key, $value, $read, $delete);
    };
    ($piece:ident, $key:ident, $value:ident, $read:ident, $delete:ident) => {
        fn $read<K: traits::$key<CURRENT_VERSION>, V: traits::$value<CURRENT_VERSION>>(
            &self,
            key: &K,
        ) -> Result<Option<V>, PieceError> {
            self.get(Piece::$piece, key)
        }

        fn $delete<K: traits::$key<CURRENT_VERSION>>(&self, key: &K) -> Result<(), PieceError> {
            self.delete(Piece::$piece, key)
        }
    };
}

/// As above, for the pairs whose reader or writer names its value before its key.
macro_rules! value_before_key {
    ($piece:ident, $key:ident, $value:ident, $write:ident, $read:ident, $delete:ident) => {
        fn $write<K: traits::$key<CURRENT_VERSION>, V: traits::$value<CURRENT_VERSION>>(
            &self,
            key: &K,
            value: &V,
        ) -> Result<(), PieceError> {
            self.put(Piece::$piece, key, value)
        }

        fn $read<V: traits::$value<CURRENT_VERSION>, K: traits::$key<CURRENT_VERSION>>(
            &self,
            key: &K,
        ) -> Result<Option<V>, PieceError> {
            self.get(Piece::$piece, key)
        }

        fn $delete<K: traits::$key<CURRENT_VERSION>>(&self, key: &K) -> Result<(), PieceError> {
            self.delete(Piece::$piece, key)
        }
    };
}

#[rustfmt::skip]
impl StorageProvider<CURRENT_VERSION> for Pieces {
    type Error = PieceError;

    value!(JoinConfig, GroupId, MlsGroupJoinConfig,
        write_mls_join_config, mls_group_join_config, delete_group_config);
    value!(Tree, GroupId, TreeSync, write_tree, tree, delete_tree);
    value!(InterimTranscriptHash, GroupId, InterimTranscriptHash,
        write_interim_transcript_hash, interim_transcript_hash, delete_interim_transcript_hash);
    value!(GroupContext, GroupId, GroupContext, write_context, group_context, delete_context);
    value!(ConfirmationTag, GroupId, ConfirmationTag,
        write_confirmation_tag, confirmation_tag, delete_confirmation_tag);
    value!(MessageSecrets, GroupId, MessageSecrets,
        write_message_secrets, message_secrets, delete_message_secrets);
    value!(ResumptionPsks, GroupId, ResumptionPskStore,
        write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets);
    value!(OwnLeafIndex, GroupId, LeafNodeIndex,
        write_own_leaf_index, own_leaf_index, delete_own_leaf_index);
    value!(EpochSecrets, GroupId, GroupEpochSecrets,
        write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets);
    value!(KeyPackage, HashReference, KeyPackage,
        write_key_package, key_package, delete_key_package);
    value!(SignatureKeyPair, SignaturePublicKey, SignatureKeyPair,
        write_signature_key_pair, signature_key_pair, delete_signature_key_pair);
    value_before_key!(Psk, PskId, PskBundle, write_psk, psk, delete_psk);
    value_before_key!(EncryptionKeyPair, EncryptionKey, HpkeKeyPair,
        write_encryption_key_pair, encryption_key_pair, delete_encryption_key_pair);

    fn write_group_state<
        V: traits::GroupState<CURRENT_VERSION>,
        K: traits::GroupId<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        group_state: &V,
    ) -> Result<(), PieceError> {
        self.put(Piece::GroupState, group_id, group_state)
    }

    fn group_state<
        V: traits::GroupState<CURRENT_VERSION>,
        K: traits::GroupId<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
    ) -> Result<Option<V>, PieceError> {
        self.get(Piece::GroupState, group_id)
    }

    fn delete_group_state<K: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &K,
    ) -> Result<(), PieceError> {
        self.delete(Piece::GroupState, group_id)
    }

    fn write_application_export_tree<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        tree: &V,
    ) -> Result<(), PieceError> {
        self.put(Piece::ApplicationExportTree, group_id, tree)
    }

    fn application_export_tree<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
    ) -> Result<Option<V>, PieceError> {
        self.get(Piece::ApplicationExportTree, group_id)
    }

    fn delete_application_export_tree<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
    ) -> Result<(), PieceError> {
        self.delete(Piece::ApplicationExportTree, group_id)
    }

    fn append_own_leaf_node<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::LeafNode<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        leaf_node: &V,
    ) -> Result<(), PieceError> {
        let mut list: Vec<Vec<u8>> = self.get_or_default(Piece::OwnLeafNodes, group_id)?;
        list.push(encode(Piece::OwnLeafNodes, leaf_node)?.to_vec());
        self.put(Piece::OwnLeafNodes, group_id, &list)
    }

    fn own_leaf_nodes<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::LeafNode<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
    ) -> Result<Vec<V>, PieceError> {
        let list: Vec<Vec<u8>> = self.get_or_default(Piece::OwnLeafNodes, group_id)?;
        list.iter().map(|octets| decode(Piece::OwnLeafNodes, octets)).collect()
    }

    fn delete_own_leaf_nodes<K: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &K,
    ) -> Result<(), PieceError> {
        self.delete(Piece::OwnLeafNodes, group_id)
    }

    fn queue_proposal<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        proposal_ref: &R,
        proposal: &V,
    ) -> Result<(), PieceError> {
        self.put(Piece::QueuedProposal, &(group_id, proposal_ref), proposal)?;
        let mut list: Vec<Vec<u8>> = self.get_or_default(Piece::QueuedProposalRefs, group_id)?;
        list.push(encode(Piece::QueuedProposalRefs, proposal_ref)?.to_vec());
        self.put(Piece::QueuedProposalRefs, group_id, &list)
    }

    fn queued_proposal_refs<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
    ) -> Result<Vec<R>, PieceError> {
        let list: Vec<Vec<u8>> = self.get_or_default(Piece::QueuedProposalRefs, group_id)?;
        list.iter().map(|octets| decode(Piece::QueuedProposalRefs, octets)).collect()
    }

    fn queued_proposals<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
    ) -> Result<Vec<(R, V)>, PieceError> {
        let refs: Vec<R> = self.queued_proposal_refs(group_id)?;
        let missing = || PieceError {
            piece: Piece::QueuedProposal,
            reason: "named in the queue and missing".to_owned(),
        };
        let proposal = |proposal_ref: R| {
            let proposal = self.get(Piece::QueuedProposal, &(group_id, &proposal_ref))?;
            Ok((proposal_ref, proposal.ok_or_else(missing)?))
        };
        refs.into_iter().map(proposal).collect()
    }

    fn remove_proposal<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        proposal_ref: &R,
    ) -> Result<(), PieceError> {
        self.delete(Piece::QueuedProposal, &(group_id, proposal_ref))?;
        let mut list: Vec<Vec<u8>> = self.get_or_default(Piece::QueuedProposalRefs, group_id)?;
        let removed = encode(Piece::QueuedProposalRefs, proposal_ref)?;
        list.retain(|octets| *octets != *removed);
        self.put(Piece::QueuedProposalRefs, group_id, &list)
    }

    fn clear_proposal_queue<
        K: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
    ) -> Result<(), PieceError> {
        let refs: Vec<R> = self.queued_proposal_refs(group_id)?;
        for proposal_ref in &refs {
            self.delete(Piece::QueuedProposal, &(group_id, proposal_ref))?;
        }
        self.delete(Piece::QueuedProposalRefs, group_id)
    }

    fn write_encryption_epoch_key_pairs<
        K: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        V: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        epoch: &E,
        leaf_index: u32,
        key_pairs: &[V],
    ) -> Result<(), PieceError> {
        self.put(Piece::EpochKeyPairs, &(group_id, epoch, leaf_index), &key_pairs)
    }

    fn encryption_epoch_key_pairs<
        K: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        V: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        epoch: &E,
        leaf_index: u32,
    ) -> Result<Vec<V>, PieceError> {
        self.get_or_default(Piece::EpochKeyPairs, &(group_id, epoch, leaf_index))
    }

    fn delete_encryption_epoch_key_pairs<
        K: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
    >(
        &self,
        group_id: &K,
        epoch: &E,
        leaf_index: u32,
    ) -> Result<(), PieceError> {
        self.delete(Piece::EpochKeyPairs, &(group_id, epoch, leaf_index))
    }
}
