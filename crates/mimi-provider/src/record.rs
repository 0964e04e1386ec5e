//! The facts a provider keeps: what the store reads and writes.

use mimi_wire::protocol::CipherSuite;
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::{Domain, MimiUri};
use serde::{Deserialize, Serialize};

/// Position in a stream's log, counted from 1 without gaps.
pub type Seq = u64;

/// A local user.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The user.
    pub user: MimiUri,
    /// PHC string of the password; `None` where another system signs users in.
    pub password_hash: Option<String>,
    /// What its devices' certificates claim beside who they are (AMB-POL-3).
    pub claims: Vec<NamedClaim>,
    /// Milliseconds since the epoch.
    pub created_ms: u64,
}

/// A local client.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRecord {
    /// The client.
    pub client: MimiUri,
    /// Its user.
    pub user: MimiUri,
    /// For a person.
    pub name: String,
    /// SHA-256 of its access token.
    pub token_sha256: [u8; 32],
    /// MLS signature key.
    pub signature_key: Vec<u8>,
    /// Milliseconds since the epoch.
    pub created_ms: u64,
    /// The day on which it was last here, in milliseconds since the epoch: no more is kept.
    pub last_seen_ms: u64,
}

/// What changes about a device that stays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DeviceChange {
    /// What a person calls it.
    Name(String),
    /// SHA-256 of another access token; the one before is good no longer.
    Token([u8; 32]),
    /// The day on which it was here, in milliseconds since the epoch.
    Seen(u64),
}

/// A KeyPackage in stock.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKeyPackage {
    /// `KeyPackageRef`.
    pub reference: Vec<u8>,
    /// Whose.
    pub client: MimiUri,
    /// The KeyPackage.
    pub octets: Vec<u8>,
    /// Its suite.
    pub ciphersuite: CipherSuite,
    /// Its leaf's capabilities.
    pub capabilities: Vec<u8>,
    /// Milliseconds since the epoch.
    pub not_after_ms: u64,
}

/// How many KeyPackages of one suite a client has in stock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SuiteStock {
    /// The suite.
    pub ciphersuite: CipherSuite,
    /// How many.
    pub count: u64,
}

/// What a user decided about being contacted (AMB-CON-5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsentRecord {
    /// Who decided; for decisions told to us by other providers, a remote user.
    pub target: MimiUri,
    /// About whom.
    pub requester: MimiUri,
    /// For one room or for any.
    pub room: Option<MimiUri>,
    /// The decision.
    pub granted: ConsentDecision,
    /// Milliseconds since the epoch.
    pub decided_ms: u64,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConsentDecision {
    /// The requester may fetch KeyPackages.
    Granted,
    /// It may not.
    Revoked,
}

/// An open request for contact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsentRequest {
    /// Who is asked.
    pub target: MimiUri,
    /// Who asks.
    pub requester: MimiUri,
    /// For one room or for any.
    pub room: Option<MimiUri>,
    /// Milliseconds since the epoch.
    pub requested_ms: u64,
}

/// A consent entry that is written down before anybody looks whom it is for, so that answering it
/// takes the same whatever comes of it (PROTO-CON-10).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// The peer that brought it; this provider for what local users ask of each other.
    pub from: Domain,
    /// A `ConsentEntry`.
    pub payload: Vec<u8>,
    /// Milliseconds since the epoch.
    pub arrived_ms: u64,
}

/// An arrival in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredArrival {
    /// Its number, ascending in the order of arrival.
    pub id: u64,
    /// It.
    pub arrival: Arrival,
}

/// Somebody who is gone from here, and has to go from rooms hosted here too: written down together
/// with the end of the account or the device, and carried out afterwards, however often the provider
/// stops before that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwedRemoval {
    /// A local user, or one of its clients.
    pub gone: MimiUri,
    /// From this room; from every room hosted here where none is named.
    pub room: Option<MimiUri>,
}

/// An owed removal in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredRemoval {
    /// Its number, ascending.
    pub id: u64,
    /// It.
    pub owed: OwedRemoval,
}

/// How much is kept about a local user's contacts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ConsentCounts {
    /// Decisions of the user.
    pub decided: u64,
    /// Decisions of others about the user, as far as they are known here.
    pub about: u64,
}

/// Whether a room is hosted here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RoomKind {
    /// We are the hub.
    Hub,
    /// We follow its hub.
    Follower,
}

/// A room as the store has it: a snapshot, and where its log ends.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRoom {
    /// The room.
    pub room: MimiUri,
    /// Ours, or followed.
    pub kind: RoomKind,
    /// Opaque to the store.
    pub snapshot: Vec<u8>,
    /// Entries up to here are in the snapshot.
    pub snapshot_seq: Seq,
    /// The last entry of the log.
    pub last_seq: Seq,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[repr(u8)]
pub enum EventKind {
    /// A room's application message; the payload is a `FanoutMessage`.
    Application = 1,
    /// A room's commit, likewise.
    Commit = 2,
    /// A room's proposals, likewise.
    Proposal = 3,
    /// A Welcome for some clients, likewise.
    Welcome = 4,
    /// The provider remembers something about the room; nobody is sent it.
    HubNote = 5,
    /// `requestConsent`; the payload is a `ConsentEntry`.
    RequestConsent = 6,
    /// `updateConsent`, likewise.
    UpdateConsent = 7,
    /// The client's stock of KeyPackages is low; no payload.
    KeyPackagesLow = 8,
    /// A report of abuse, for the provider's moderators; the payload is an `AbuseReport`.
    ReportAbuse = 9,
    /// A moderator is done with a report.
    ReportClosed = 10,
}

/// An entry to append. A stream is a room, a local user, or (`mimi://<own domain>`) the provider
/// itself for what it owes other providers outside rooms.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// The stream.
    pub stream: MimiUri,
    /// The stream's last sequence number plus one.
    pub seq: Seq,
    /// What it is.
    pub kind: EventKind,
    /// When the hub accepted it (rooms) or it happened, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// What is delivered.
    pub payload: Vec<u8>,
    /// Peers to deliver it to, sorted.
    pub audience: Vec<Domain>,
    /// Local clients it is for; `None`: all that see the stream. An empty list: none.
    pub targets: Option<Vec<MimiUri>>,
    /// What a hub needs to apply it again after a restart (an `UpdateRequest`, a note); else empty.
    pub detail: Vec<u8>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEvent {
    /// Position in the provider's whole log, ascending; the cursor of clients.
    pub id: u64,
    /// The entry.
    pub event: NewEvent,
}

/// Where a peer is in a stream that has more for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FollowerCursor {
    /// The stream.
    pub stream: MimiUri,
    /// The peer.
    pub follower: Domain,
    /// Last entry it has accepted, or that was given up.
    pub cursor: Seq,
    /// Since when it is stale: what waited for it was given up, and it has accepted nothing since
    /// (AMB-NTF-10). Milliseconds since the epoch.
    pub stale_since_ms: Option<u64>,
}

/// Names an era of the log, at random.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct EraId(pub [u8; 16]);

/// A time in which the provider's log only grew. One begins at each start: from which era a client's
/// cursor is shows whether what it has seen is still part of the log, or was lost when a backup was
/// put back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Era {
    /// Its name.
    pub id: EraId,
    /// The last entry before it.
    pub after_id: u64,
}

/// How the log came about, and where it ends.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogHistory {
    /// The latest eras, oldest first.
    pub eras: Vec<Era>,
    /// The last entry of the whole log; 0 when there is none.
    pub last_id: u64,
}

/// Eras that are remembered. A cursor of one forgotten is treated like one of an unknown log.
pub const ERAS_MAX: usize = 256;
