//! Consent (protocol section 5.7, PROTO-CON-1..10).

use mimi_wire::protocol::consent::ConsentEntry;
use mimi_wire::{Domain, MimiUri};

use crate::record::{ConsentRecord, ConsentRequest, Seq};
use crate::requester::DeviceIdentity;
use crate::{Reject, Transition};

/// Open requests kept per user; further ones are acknowledged and dropped.
pub const CONSENT_REQUESTS_PER_USER_MAX: usize = 1_000;

/// What the target has decided about a requester and a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consent {
    /// Key material may be fetched.
    Granted,
    /// Not for this room, though for others or in general.
    NotForThisRoom,
    /// Not at all, said or unsaid: there is no default consent.
    Missing,
}

/// What is known when a local user asks or answers.
#[derive(Clone, Copy, Debug)]
pub struct LocalConsentInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The client that speaks for its user.
    pub actor: &'a DeviceIdentity,
    /// What it says.
    pub entry: &'a ConsentEntry,
    /// Whether the other user exists, where that is a user of this provider.
    pub other: OtherUser,
    /// Open requests to the entry's target, where that is a user of this provider.
    pub open_requests: &'a [ConsentRequest],
    /// Decisions of the entry's target about the requester, as known here.
    pub consents: &'a [ConsentRecord],
    /// Last entry of the other user's stream (a local user), else of the provider's own stream.
    pub last_seq: Seq,
    /// The time.
    pub now_ms: u64,
}

/// The user at the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OtherUser {
    /// Here, with an account.
    Local,
    /// Of this domain, without an account.
    Unknown,
    /// At another provider.
    Remote,
}

/// What is known when a peer's entry arrives.
#[derive(Clone, Copy, Debug)]
pub struct PeerConsentInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The peer, authenticated.
    pub from: &'a Domain,
    /// What it says.
    pub entry: &'a ConsentEntry,
    /// Whether our user (target of a request, requester of an update) has an account.
    pub user: OtherUser,
    /// Open requests to the entry's target.
    pub open_requests: &'a [ConsentRequest],
    /// Decisions of the entry's target about the requester, as known here.
    pub consents: &'a [ConsentRecord],
    /// Last entry of our user's stream.
    pub last_seq: Seq,
    /// The time.
    pub now_ms: u64,
}

/// What was decided for (requester, room): an exact room beats any room, the latest wins within a
/// scope (AMB-CON-5).
pub fn consent_for(
    records: &[ConsentRecord],
    requester: &MimiUri,
    room: Option<&MimiUri>,
) -> Consent {
    let _ = (records, requester, room);
    todo!()
}

/// The stream the answer to a local entry goes to, whose last entry is
/// [`LocalConsentInput::last_seq`]: the other user's, or for another provider our own.
pub fn stream_of_local(own: &Domain, entry: &ConsentEntry) -> MimiUri {
    let _ = (own, entry);
    todo!()
}

/// A local client requests, cancels, grants or revokes.
pub fn local_consent(input: &LocalConsentInput<'_>) -> Result<Transition<()>, Reject> {
    let _ = input;
    todo!()
}

/// `requestConsent` from a peer: request or cancel. Success is 201 whatever came of it
/// (PROTO-CON-5, PROTO-CON-10).
pub fn request_consent(input: &PeerConsentInput<'_>) -> Result<Transition<()>, Reject> {
    let _ = input;
    todo!()
}

/// `updateConsent` from a peer: grant or revoke. Success is 201 whatever came of it.
pub fn update_consent(input: &PeerConsentInput<'_>) -> Result<Transition<()>, Reject> {
    let _ = input;
    todo!()
}
