//! What a decision leads to. The store writes all [`Change`]s of a transition in one atomic commit.

use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::{Domain, MimiUri};

use crate::hub::member_set::MemberSet;
use crate::profile::{StoredProfile, Term};
use crate::record::{
    Account, Arrival, ConsentRecord, ConsentRequest, DeviceChange, DeviceRecord, EraId, NewEvent,
    OwedRemoval, RoomKind, Seq, StoredKeyPackage,
};

/// What to store, who to wake, what to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition<R> {
    /// Written together or not at all.
    pub changes: Vec<Change>,
    /// Must hold when they are written; else the decision is taken anew.
    pub expect: Vec<Expect>,
    /// Hints once they are durable.
    pub effects: Vec<Effect>,
    /// The answer, given once they are durable.
    pub reply: R,
}

impl<R> Transition<R> {
    /// An answer that needs nothing stored.
    pub fn unchanged(reply: R) -> Self {
        Self { changes: Vec::new(), expect: Vec::new(), effects: Vec::new(), reply }
    }
}

/// A condition on the store at commit time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expect {
    /// The stream's last entry has this sequence number (0: the stream is empty or new).
    StreamSeq {
        /// The stream.
        stream: MimiUri,
        /// Its last sequence number.
        seq: Seq,
    },
    /// The room does not exist.
    NoRoom(MimiUri),
    /// The account does not exist.
    NoAccount(MimiUri),
    /// The device does not exist.
    NoDevice(MimiUri),
    /// No room of fixed membership has these members (POLICY-BASE-2).
    MembersFree(MemberSet),
    /// The KeyPackage has not been released.
    KeyPackageUnused(Vec<u8>),
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new account; its user stream begins.
    CreateAccount(Account),
    /// What an account's certificates claim from now on; no effect without the account.
    SetClaims {
        /// The user.
        user: MimiUri,
        /// All of it.
        claims: Vec<NamedClaim>,
    },
    /// Another password of an account, as a PHC string.
    SetPassword {
        /// The user.
        user: MimiUri,
        /// The hash.
        hash: String,
    },
    /// A device changes; no effect on one that is signed out.
    ChangeDevice {
        /// The device.
        client: MimiUri,
        /// In what.
        change: DeviceChange,
    },
    /// A new or replaced device; it joins its user's stream.
    PutDevice(DeviceRecord),
    /// A device is signed out; its KeyPackages and memberships go with it.
    RemoveDevice(MimiUri),
    /// An account is deleted, with its profile and what its user has decided, asked and been asked,
    /// and with what others have decided about it: whoever gets the name next is a stranger to them.
    /// Its devices are removed one by one.
    RemoveAccount(MimiUri),
    /// More KeyPackages of a client.
    AddKeyPackages(Vec<StoredKeyPackage>),
    /// A KeyPackage is released, for good (PROTO-KM-10).
    ReleaseKeyPackage(Vec<u8>),
    /// A decision of a user about being contacted; replaces one of the same scope.
    PutConsent(ConsentRecord),
    /// An open request for contact; replaces one of the same scope.
    PutConsentRequest(ConsentRequest),
    /// The request of this scope is gone.
    RemoveConsentRequest(ConsentRequest),
    /// What a local user has asked of somebody, for its own list; replaces one of the same scope.
    PutConsentAsked(ConsentRequest),
    /// It no longer asks, or has been answered.
    RemoveConsentAsked(ConsentRequest),
    /// A consent entry that has arrived.
    PutArrival(Arrival),
    /// It has been looked at.
    RemoveArrival(u64),
    /// Somebody is gone and has to go from rooms hosted here.
    OweRemoval(OwedRemoval),
    /// A client has to go from the rooms hosted here that it sees or has seen, all that there are when this
    /// is written: one [`OweRemoval`](Self::OweRemoval) for each.
    OweRemovals(MimiUri),
    /// A client of somebody here comes into a room hosted here: [`OweRemoval`](Self::OweRemoval), should
    /// its device be signed in no more when this is written.
    OweRemovalIfGone {
        /// The client.
        client: MimiUri,
        /// The room.
        room: MimiUri,
    },
    /// The hub has asked for it wherever that was owed.
    RemovalDone(u64),
    /// What a local user says of itself, and what it may be found by; replaces what it said before.
    PutProfile {
        /// The profile.
        profile: StoredProfile,
        /// Ascending.
        terms: Vec<Term>,
    },
    /// A new room.
    CreateRoom {
        /// The room.
        room: MimiUri,
        /// Ours, or followed.
        kind: RoomKind,
        /// First snapshot.
        snapshot: Vec<u8>,
    },
    /// A room of fixed membership takes its set of members (POLICY-BASE-2).
    TakeMembers {
        /// The set.
        members: MemberSet,
        /// The room.
        room: MimiUri,
    },
    /// It gives the set up, if it has it.
    FreeMembers {
        /// The set.
        members: MemberSet,
        /// The room.
        room: MimiUri,
    },
    /// On which room a room depends from now on, if on any (POLICY-BASE-3).
    PutParent {
        /// The dependent room.
        room: MimiUri,
        /// The room it depends on.
        parent: Option<MimiUri>,
    },
    /// A newer snapshot of a room, as of `seq`.
    PutSnapshot {
        /// The room.
        room: MimiUri,
        /// Entries up to here are in it.
        seq: Seq,
        /// Opaque to the store.
        snapshot: Vec<u8>,
    },
    /// An entry at the end of a stream's log.
    Append(NewEvent),
    /// A local client sees a stream from an entry on.
    Join {
        /// The client.
        client: MimiUri,
        /// The stream.
        stream: MimiUri,
        /// First entry it sees.
        from_seq: Seq,
    },
    /// A local client sees a stream no further than an entry.
    Leave {
        /// The client.
        client: MimiUri,
        /// The stream.
        stream: MimiUri,
        /// Last entry it sees.
        until_seq: Seq,
    },
    /// A peer gets a stream's entries that name it, from its cursor on; no effect if it has one.
    Follow {
        /// The stream.
        stream: MimiUri,
        /// The peer.
        follower: Domain,
        /// Cursor to start at: the entry before its first.
        after_seq: Seq,
    },
    /// A peer has accepted a stream's entries up to here.
    Delivered {
        /// The stream.
        stream: MimiUri,
        /// The peer.
        follower: Domain,
        /// Its new cursor.
        seq: Seq,
    },
    /// What waits for a peer up to here is given up; the peer is stale until it accepts something
    /// again (AMB-NTF-10).
    GiveUp {
        /// The stream.
        stream: MimiUri,
        /// The peer.
        follower: Domain,
        /// Its new cursor.
        seq: Seq,
        /// The time.
        now_ms: u64,
    },
    /// A new era of the log begins after its last entry; see [`Era`](crate::record::Era).
    BeginEra(EraId),
    /// A client has stored everything up to this entry of the provider's whole log.
    Acknowledge {
        /// The client.
        client: MimiUri,
        /// `LoggedEvent::id`.
        event_id: u64,
    },
}

/// A hint once the changes are durable; losing one costs time, never data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Entries wait for this peer.
    WakeFollower {
        /// The stream.
        stream: MimiUri,
        /// The peer.
        follower: Domain,
    },
    /// Entries wait for local clients of this stream.
    WakeStream(MimiUri),
    /// An arrival waits.
    WakeArrivals,
    /// A removal is owed.
    WakeRemovals,
}
