//! Which of its own clients are in a room, as a follower can tell from the handshakes it relays.
//!
//! A follower holds no group state: it learns the tree from the Welcome's fanout and follows adds
//! and removes. It trusts the hub for validity; clients verify everything themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mimi_policy::LeafIndex;
use mimi_wire::MimiUri;
use mimi_wire::Wire;
use mimi_wire::codec::Reader;
use mimi_wire::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX, PARTICIPANTS_MAX};
use mimi_wire::mls::{KeyPackage, MlsMessage, RatchetTree};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use openmls::ciphersuite::hash_ref::make_key_package_ref;
use openmls::prelude::{AddProposalIn, ProposalIn, ProposalOrRefIn, RemoveProposal};
use openmls_rust_crypto::RustCrypto;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tls_codec::Serialize as _;

use crate::error::{SnapshotError, StageError};
use crate::framing::{FrameBody, FrameSender, LeafFrame, PublicFrame, WELCOME_HEADER, tree_leaves};
use crate::identity::claim_of;
use crate::leaf::SUITE;

const SNAPSHOT_VERSION: u8 = 2;
/// Proposals remembered in one epoch; a hub that sends more is followed less well.
const PROPOSALS_MAX: usize = 4_096;

/// Leaves of one room; as many as the list of participants may have.
const LEAVES_MAX: usize = PARTICIPANTS_MAX;

/// Leaves and their clients.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Roster {
    /// Empty until a Welcome has brought the tree.
    leaves: BTreeMap<LeafIndex, MimiUri>,
    /// Clients that came by external commit before there was a tree to find their leaves in.
    unplaced: BTreeSet<MimiUri>,
    /// The epoch's proposals by reference, for the commit that includes them.
    proposals: BTreeMap<Vec<u8>, Step>,
    /// Clients a commit has added, by KeyPackageRef: they come in when their Welcome does.
    awaited: BTreeMap<Vec<u8>, MimiUri>,
    /// Whom the credentials of the last tree name: in the next one most are the same, and to read a
    /// certificate takes far longer than to know it again. Not saved.
    #[serde(skip)]
    named: Arc<BTreeMap<Fingerprint, MimiUri>>,
}

/// SHA-256 of a credential.
type Fingerprint = [u8; 32];

/// What a proposal does to the leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
enum Step {
    Add { client: MimiUri, reference: Vec<u8> },
    Remove(LeafIndex),
}

/// What one fanout message did to the roster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RosterChange {
    /// Clients that came in, by Welcome or by themselves. From the first Welcome on a follower
    /// sees all members; which of them are its own it knows by their domain.
    pub joined: Vec<MimiUri>,
    /// Clients that went.
    pub left: Vec<MimiUri>,
    /// KeyPackageRefs of a Welcome.
    pub welcomed: Vec<Vec<u8>>,
}

impl Roster {
    /// Follows one event. What cannot be followed is ignored: a later Welcome brings a whole tree.
    pub fn follow(&mut self, event: &FanoutMessage) -> RosterChange {
        match &event.kind {
            FanoutKind::Application { .. } => RosterChange::default(),
            FanoutKind::Welcome { ratchet_tree } => self.welcome(&event.message, ratchet_tree),
            FanoutKind::Proposal { more_proposals } => {
                self.proposals(std::iter::once(&event.message).chain(more_proposals));
                RosterChange::default()
            }
            FanoutKind::Commit { external_proposals } => {
                let change = self.commit(&event.message);
                self.proposals(external_proposals);
                change
            }
        }
    }

    /// The clients in the room, by ascending leaf; those whose leaf is unknown come last.
    pub fn clients(&self) -> impl Iterator<Item = &MimiUri> {
        self.leaves.values().chain(&self.unplaced)
    }

    /// As one versioned blob.
    pub fn snapshot(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![SNAPSHOT_VERSION])
            .expect("plain data in memory has a postcard form")
    }

    /// Restores a [`snapshot`](Self::snapshot).
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        match snapshot.split_first() {
            Some((&SNAPSHOT_VERSION, octets)) => {
                postcard::from_bytes(octets).map_err(|error| SnapshotError(error.to_string()))
            }
            Some((version, _)) => Err(SnapshotError(format!("unknown version {version}"))),
            None => Err(SnapshotError("it is empty".to_owned())),
        }
    }

    /// A Welcome brings the tree as it is once the commit before it has been applied.
    fn welcome(&mut self, message: &MlsMessage, tree: &RatchetTreeOption) -> RosterChange {
        let Some(welcomed) = welcomed(message) else { return RosterChange::default() };
        let awaited = std::mem::take(&mut self.awaited);
        let arrived = welcomed.iter().filter_map(|reference| awaited.get(reference));
        let mut joined: BTreeSet<MimiUri> = arrived.cloned().collect();
        let mut left = BTreeSet::new();
        if let RatchetTreeOption::Full(tree) = tree
            && let Ok(leaves) = tree_leaves(tree)
        {
            let leaves = self.named_in(leaves);
            let not_in = |others: &BTreeMap<LeafIndex, MimiUri>, (leaf, client)| {
                (others.get(leaf) != Some(client)).then(|| MimiUri::clone(client))
            };
            // Most stand where they stood.
            let mut gone = std::mem::take(&mut self.unplaced);
            gone.extend(self.leaves.iter().filter_map(|seat| not_in(&leaves, seat)));
            let come = leaves.iter().filter_map(|seat| not_in(&self.leaves, seat));
            let come: BTreeSet<MimiUri> = come.collect();
            joined.extend(come.difference(&gone).cloned());
            left.extend(gone.difference(&come).cloned());
            self.leaves = leaves;
        }
        // Another provider's Welcome may be on its way for those still awaited.
        self.awaited = awaited.into_iter().filter(|(it, _)| !welcomed.contains(it)).collect();
        RosterChange { joined: in_order(joined), left: in_order(left), welcomed }
    }

    /// The clients of a tree's leaves; who is named by none is left out.
    fn named_in(&mut self, leaves: Vec<(LeafIndex, LeafFrame)>) -> BTreeMap<LeafIndex, MimiUri> {
        let mut named = BTreeMap::new();
        let mut seats = BTreeMap::new();
        for (index, leaf) in leaves {
            if seats.len() == LEAVES_MAX {
                break;
            }
            let fingerprint = fingerprint(&leaf);
            let client = match self.named.get(&fingerprint) {
                Some(client) => Some(client.clone()),
                None => client(&leaf),
            };
            if let Some(client) = client {
                named.insert(fingerprint, client.clone());
                seats.insert(index, client);
            }
        }
        self.named = Arc::new(named);
        seats
    }

    fn proposals<'a>(&mut self, messages: impl IntoIterator<Item = &'a MlsMessage>) {
        for message in messages {
            let Ok(frame) = PublicFrame::parse(message) else { continue };
            let FrameBody::Proposal(proposal) = &frame.body else { continue };
            let Some(step) = step(proposal, frame.sender) else { continue };
            if let Ok(reference) = frame.proposal_ref(SUITE)
                && self.proposals.len() < PROPOSALS_MAX
            {
                self.proposals.insert(reference, step);
            }
        }
    }

    fn commit(&mut self, message: &MlsMessage) -> RosterChange {
        let cached = std::mem::take(&mut self.proposals);
        self.awaited.clear();
        let Ok(frame) = PublicFrame::parse(message) else { return RosterChange::default() };
        let FrameBody::Commit { proposals, path_leaf } = frame.body else {
            return RosterChange::default();
        };
        let steps = proposals.into_iter().filter_map(|listed| match listed {
            ProposalOrRefIn::Proposal(proposal) => step(&proposal, frame.sender),
            ProposalOrRefIn::Reference(reference) => cached.get(reference.as_slice()).cloned(),
        });
        let steps: Vec<Step> = steps.collect();
        let mut left = BTreeSet::new();
        for step in &steps {
            if let Step::Remove(leaf) = step {
                left.extend(self.leaves.remove(leaf));
            }
        }
        let mut search_from = 0;
        for step in steps {
            if let Step::Add { client, reference } = step {
                search_from = self.place(client.clone(), search_from);
                self.awaited.insert(reference, client);
            }
        }
        let joiner = path_leaf.filter(|_| frame.sender == FrameSender::NewMemberCommit);
        let joined = joiner.and_then(|leaf| client(&leaf));
        if let Some(client) = &joined {
            // A client that comes back in place of its old leaf has not left.
            left.remove(client);
            if self.leaves.is_empty() && self.unplaced.len() < LEAVES_MAX {
                self.unplaced.insert(client.clone());
            }
            self.place(client.clone(), 0);
        }
        RosterChange {
            joined: joined.into_iter().collect(),
            left: in_order(left),
            welcomed: Vec::new(),
        }
    }

    /// The leftmost free leaf, none of which are before `search_from`; returns where none are
    /// before now. Without a tree nothing tells which leaves are free.
    fn place(&mut self, client: MimiUri, search_from: LeafIndex) -> LeafIndex {
        if self.leaves.is_empty() || self.leaves.len() >= LEAVES_MAX {
            return search_from;
        }
        let mut free = search_from;
        for taken in self.leaves.range(search_from..).map(|(leaf, _)| *leaf) {
            if taken > free {
                break;
            }
            free = taken + 1;
        }
        self.leaves.insert(free, client);
        free + 1
    }
}

/// The client that an external commit says it lets in; `None` for anything else. Nothing is verified.
pub fn external_joiner(commit: &MlsMessage) -> Option<MimiUri> {
    let frame = PublicFrame::parse(commit).ok()?;
    match (frame.sender, frame.body) {
        (FrameSender::NewMemberCommit, FrameBody::Commit { path_leaf, .. }) => client(&path_leaf?),
        _ => None,
    }
}

/// The KeyPackageRefs of a Welcome, read without a copy of all of it.
fn welcomed(message: &MlsMessage) -> Option<Vec<Vec<u8>>> {
    let octets = message.octets().strip_prefix(&WELCOME_HEADER)?;
    let mut reader = Reader::new(octets);
    reader.u16("Welcome.cipher_suite").ok()?;
    let welcomed = reader.vector(LIST_ELEMENTS_MAX, "Welcome.secrets", |reader| {
        let new_member = reader.opaque(OPAQUE_OCTETS_MAX, "EncryptedGroupSecrets.new_member")?;
        reader.opaque(OPAQUE_OCTETS_MAX, "HPKECiphertext.kem_output")?;
        reader.opaque(OPAQUE_OCTETS_MAX, "HPKECiphertext.ciphertext")?;
        Ok(new_member.to_vec())
    });
    welcomed.ok()
}

/// The clients that the leaves of a tree name, cheaply and unverified; a leaf that names none is a
/// fault.
pub fn clients_in(tree: &RatchetTree) -> Result<Vec<MimiUri>, StageError> {
    let leaves = tree_leaves(tree)?;
    let named = leaves.iter().map(|(_, leaf)| claim_of(&leaf.credential).map(|it| it.client));
    Ok(named.collect::<Result<_, _>>()?)
}

fn step(proposal: &ProposalIn, sender: FrameSender) -> Option<Step> {
    match (proposal, sender) {
        (ProposalIn::Add(add), _) => added(add),
        (ProposalIn::Remove(remove), _) => Some(Step::Remove(removed(remove))),
        (ProposalIn::SelfRemove, FrameSender::Member(leaf)) => Some(Step::Remove(leaf)),
        _ => None,
    }
}

fn removed(remove: &RemoveProposal) -> LeafIndex {
    remove.removed().u32()
}

fn added(add: &AddProposalIn) -> Option<Step> {
    let octets = add.tls_serialize_detached().ok()?;
    let key_package = KeyPackage::decode(&octets).ok()?;
    let client = claim_of(&key_package.parsed().unverified_credential().credential).ok()?.client;
    let reference = make_key_package_ref(&octets, SUITE, &RustCrypto::default()).ok()?;
    Some(Step::Add { client, reference: reference.as_slice().to_vec() })
}

fn client(leaf: &LeafFrame) -> Option<MimiUri> {
    Some(claim_of(&leaf.credential).ok()?.client)
}

fn fingerprint(leaf: &LeafFrame) -> Fingerprint {
    let credential = &leaf.credential;
    let mut hash = Sha256::new();
    hash.update(u16::from(credential.credential_type()).to_be_bytes());
    hash.update(credential.serialized_content());
    hash.finalize().into()
}

fn in_order(clients: BTreeSet<MimiUri>) -> Vec<MimiUri> {
    clients.into_iter().collect()
}
