//! The tables of the store in memory.

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::record::{
    Account, Arrival, ConsentRecord, ConsentRequest, DeviceRecord, Era, NewEvent, OwedRemoval,
    RoomKind, Seq, StoredKeyPackage,
};
use mimi_wire::{Domain, MimiUri};

use super::profiles::KeptProfile;
use super::table::Table;

/// Everything a provider keeps. Where a key has a part that is always there, that part is an
/// `Option` all the same: `None` sorts first, and so marks where a range begins.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) accounts: Table<MimiUri, Account>,
    pub(super) devices: Table<MimiUri, DeviceRecord>,
    /// Token hash to client.
    pub(super) tokens: Table<[u8; 32], MimiUri>,
    /// In the order in which they came.
    pub(super) key_packages: Table<u64, KeptKeyPackage>,
    /// Reference to place in `key_packages`.
    pub(super) references: Table<Vec<u8>, u64>,
    /// Target, requester, room.
    pub(super) consents: Table<(MimiUri, MimiUri, Option<MimiUri>), ConsentRecord>,
    /// Target, requester, room.
    pub(super) consent_requests: Table<(MimiUri, Option<MimiUri>, Option<MimiUri>), ConsentRequest>,
    /// Requester, target, room.
    pub(super) consent_asked: Table<(MimiUri, Option<MimiUri>, Option<MimiUri>), ConsentRequest>,
    pub(super) arrivals: Table<u64, Arrival>,
    /// One entry: how many arrivals there have been.
    pub(super) arrived: Table<(), u64>,
    pub(super) removals: Table<u64, OwedRemoval>,
    /// One entry: how many removals have been owed.
    pub(super) owed: Table<(), u64>,
    pub(super) profiles: Table<MimiUri, KeptProfile>,
    pub(super) rooms: Table<MimiUri, KeptRoom>,
    /// Rooms of fixed membership by their members.
    pub(super) member_sets: Table<MemberSet, MimiUri>,
    /// Dependent room to parent.
    pub(super) parents: Table<MimiUri, MimiUri>,
    /// The whole log, by id.
    pub(super) events: Table<u64, NewEvent>,
    /// Stream and position to id.
    pub(super) positions: Table<(MimiUri, Seq), u64>,
    /// Stream, client.
    pub(super) memberships: Table<(MimiUri, Option<MimiUri>), Vec<Interval>>,
    pub(super) client_cursors: Table<MimiUri, u64>,
    pub(super) followers: Table<(MimiUri, Domain), PeerCursor>,
    /// By number, ascending.
    pub(super) eras: Table<u64, Era>,
}

/// Where a peer is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerCursor {
    pub(super) seq: Seq,
    pub(super) stale_since_ms: Option<u64>,
}

/// A KeyPackage, or what is remembered of a released one.
#[derive(Clone, Debug)]
pub(super) enum KeptKeyPackage {
    InStock(StoredKeyPackage),
    Released { reference: Vec<u8>, client: MimiUri, not_after_ms: u64 },
}

#[derive(Clone, Debug)]
pub(super) struct KeptRoom {
    pub(super) kind: RoomKind,
    pub(super) snapshot: Vec<u8>,
    pub(super) snapshot_seq: Seq,
}

/// Entries that a client sees; without an end while it sees what comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) from: Seq,
    pub(super) until: Option<Seq>,
}

impl KeptKeyPackage {
    pub(super) fn client(&self) -> &MimiUri {
        match self {
            Self::InStock(package) => &package.client,
            Self::Released { client, .. } => client,
        }
    }

    pub(super) fn reference(&self) -> &[u8] {
        match self {
            Self::InStock(package) => &package.reference,
            Self::Released { reference, .. } => reference,
        }
    }

    pub(super) fn not_after_ms(&self) -> u64 {
        match self {
            Self::InStock(package) => package.not_after_ms,
            Self::Released { not_after_ms, .. } => *not_after_ms,
        }
    }
}

impl Interval {
    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.from <= seq && self.until.is_none_or(|until| seq <= until)
    }
}
