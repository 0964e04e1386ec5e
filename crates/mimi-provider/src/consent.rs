//! Consent (protocol section 5.7, PROTO-CON-1..10, FLOW-12): who may fetch whose KeyPackages.
//!
//! What strangers send is answered before anybody looks whom it is for: [`arrival`] writes it down
//! and looks later. What local users say about their own contacts is decided here.

pub mod arrival;
mod open_requests;
mod telling;

use std::collections::BTreeSet;

use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{Domain, MimiUri, UriKind, Wire};

use crate::account::{KeyPackageUsage, OfferedKeyPackage};
use crate::record::{Arrival, ConsentCounts, ConsentDecision, ConsentRecord, ConsentRequest, Seq};
use crate::requester::DeviceIdentity;
use crate::{Change, Effect, Expect, Reject, Transition};
pub use open_requests::{
    OPEN_REQUESTS_PER_PEER_MAX, OPEN_REQUESTS_PER_REQUESTER_MAX, OPEN_REQUESTS_PER_USER_MAX,
};
use telling::{News, send, tell};

/// Unanswered requests of one user to others.
pub const ASKED_PER_USER_MAX: usize = 256;
/// Decisions of one user.
pub const DECISIONS_PER_USER_MAX: u64 = 10_000;
/// Decisions about one user that others have told without having been asked.
pub const TOLD_PER_USER_MAX: u64 = 1_000;

/// What holds for requesters about whom a user has not decided.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ContactDefault {
    /// The user is shown the request, and nothing is given before the answer.
    #[default]
    Ask,
    /// Nothing is given and nothing is shown: users are reached by those they have let in before.
    Deny,
    /// Everybody may fetch KeyPackages.
    Allow,
}

/// What those without consent are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Disclosure {
    /// The same, whyever there is none (PROTO-KM-6).
    #[default]
    Masked,
    /// That a user does not exist, and that there is consent, but not for this room.
    Plain,
}

/// What the target has decided about a requester and a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consent {
    /// Key material may be fetched.
    Granted,
    /// Not for this room, though for others or in general.
    NotForThisRoom,
    /// Not at all, said or unsaid.
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
    /// KeyPackages of a grant, verified, in the order of the entry.
    pub key_packages: &'a [OfferedKeyPackage],
    /// What the user has asked of others and is not answered.
    pub asked: &'a [ConsentRequest],
    /// Open requests to the user.
    pub open_requests: &'a [ConsentRequest],
    /// The user's decisions about the other user.
    pub consents: &'a [ConsentRecord],
    /// The other user's decisions about this one, as far as they are known here.
    pub back: &'a [ConsentRecord],
    /// How much is kept about the user.
    pub counts: ConsentCounts,
    /// Clients of the other user, if it is one of ours, oldest first.
    pub other_clients: &'a [MimiUri],
    /// Last entry of [`stream_of_local`].
    pub last_seq: Seq,
    /// The time.
    pub now_ms: u64,
}

/// What was decided for (requester, room): an exact room beats any room, the latest wins within a
/// scope (AMB-CON-5); what nobody has decided is as the provider's default.
pub fn consent_for(
    records: &[ConsentRecord],
    requester: &MimiUri,
    room: Option<&MimiUri>,
    default: ContactDefault,
) -> Consent {
    match decision_for(records, requester, room) {
        Some(ConsentDecision::Granted) => return Consent::Granted,
        None if default == ContactDefault::Allow => return Consent::Granted,
        Some(ConsentDecision::Revoked) | None => {}
    }
    let elsewhere = records.iter().any(|record| {
        in_scope(records, requester, record.room.as_ref()) == Some(ConsentDecision::Granted)
    });
    if elsewhere { Consent::NotForThisRoom } else { Consent::Missing }
}

fn decision_for(
    records: &[ConsentRecord],
    requester: &MimiUri,
    room: Option<&MimiUri>,
) -> Option<ConsentDecision> {
    in_scope(records, requester, room).or_else(|| in_scope(records, requester, None))
}

/// The latest decision of exactly this scope.
fn in_scope(
    records: &[ConsentRecord],
    requester: &MimiUri,
    room: Option<&MimiUri>,
) -> Option<ConsentDecision> {
    let scope = records.iter().filter(|it| it.requester == *requester && it.room.as_ref() == room);
    scope.max_by_key(|record| record.decided_ms).map(|record| record.granted)
}

/// Whether one user lets another one reach it at all: news between them are no news of a stranger.
fn lets_in(records: &[ConsentRecord], requester: &MimiUri) -> bool {
    consent_for(records, requester, None, ContactDefault::Ask) != Consent::Missing
}

/// The user at the other end of what `actor` says.
pub fn other_user<'a>(actor: &MimiUri, entry: &'a ConsentEntry) -> &'a MimiUri {
    if *actor == entry.requester_uri { &entry.target_uri } else { &entry.requester_uri }
}

/// The stream a local entry goes to, whose last entry is [`LocalConsentInput::last_seq`]: for an
/// answer to a user of ours that user's, else our own.
pub fn stream_of_local(own: &Domain, entry: &ConsentEntry) -> MimiUri {
    match entry.operation {
        ConsentOperation::Grant { .. } | ConsentOperation::Revoke
            if entry.requester_uri.domain() == *own =>
        {
            entry.requester_uri.clone()
        }
        _ => own.provider_uri(),
    }
}

/// A local client requests, cancels, grants or revokes.
///
/// Nothing here depends on whether the other user exists: what a local user asks of another one is
/// an [`Arrival`] like what a peer brings.
pub fn local_consent(input: &LocalConsentInput<'_>) -> Result<Transition<()>, Reject> {
    let entry = input.entry;
    two_users(entry)?;
    let asks = matches!(entry.operation, ConsentOperation::Request | ConsentOperation::Cancel);
    let speaker = if asks { &entry.requester_uri } else { &entry.target_uri };
    if *speaker != input.actor.user {
        return Err(Reject::NotAllowed("a client speaks for its own user only".into()));
    }
    if asks { ask(input) } else { answer(input) }
}

/// Our user asks, or takes back what it asked.
fn ask(input: &LocalConsentInput<'_>) -> Result<Transition<()>, Reject> {
    let entry = input.entry;
    let asked = request_of(entry, input.now_ms);
    let mut transition = Transition::unchanged(());
    if entry.operation == ConsentOperation::Request {
        let again = input.asked.iter().any(|other| is_same_scope(other, &asked));
        if !again && input.asked.len() >= ASKED_PER_USER_MAX {
            let text = format!("{ASKED_PER_USER_MAX} requests are not answered yet");
            return Err(Reject::NotAllowed(text));
        }
        transition.changes.push(Change::PutConsentAsked(asked));
    } else {
        transition.changes.push(Change::RemoveConsentAsked(asked));
    }
    let provider = entry.target_uri.domain();
    if provider == *input.own {
        let from = input.own.clone();
        let arrival = Arrival { from, payload: entry.encode(), arrived_ms: input.now_ms };
        transition.changes.push(Change::PutArrival(arrival));
        transition.effects.push(Effect::WakeArrivals);
    } else {
        send(&mut transition, input.own, &provider, entry, input.last_seq, input.now_ms);
    }
    Ok(transition)
}

/// Our user decides. The decision closes the requests it answers (PROTO-CON-6).
fn answer(input: &LocalConsentInput<'_>) -> Result<Transition<()>, Reject> {
    let (entry, requester) = (input.entry, &input.entry.requester_uri);
    let granted = decision(&entry.operation);
    let is_new = in_scope(input.consents, requester, entry.room_id.as_ref()).is_none();
    if is_new && input.counts.decided >= DECISIONS_PER_USER_MAX {
        let text = format!("{DECISIONS_PER_USER_MAX} decisions are kept already");
        return Err(Reject::NotAllowed(text));
    }
    let mut transition = Transition::unchanged(());
    transition.changes.push(Change::PutConsent(record(entry, granted, input.now_ms)));
    give(input, &mut transition)?;
    let answered: Vec<_> =
        input.open_requests.iter().filter(|request| is_answered(request, entry)).collect();
    for request in &answered {
        transition.changes.push(Change::RemoveConsentRequest((*request).clone()));
    }
    // A refusal is the target's own business: the requester is not told (PROTO-CON-8).
    if granted == ConsentDecision::Revoked {
        return Ok(transition);
    }
    if requester.domain() != *input.own {
        let provider = requester.domain();
        send(&mut transition, input.own, &provider, entry, input.last_seq, input.now_ms);
        return Ok(transition);
    }
    // Of our own users, those hear of it who asked or are no strangers: nobody else was waiting.
    for request in &answered {
        transition.changes.push(Change::RemoveConsentAsked((*request).clone()));
    }
    if !answered.is_empty() || lets_in(input.back, &entry.target_uri) {
        let (clients, last_seq) = (input.other_clients, input.last_seq);
        let news = News { user: requester, clients, entry, last_seq, now_ms: input.now_ms };
        tell(&mut transition, &news);
    }
    Ok(transition)
}

/// KeyPackages of a grant count as returned (AMB-CON-4): they leave the stock, are never given
/// again, and their Welcomes find their client (PROTO-KM-12).
fn give(input: &LocalConsentInput<'_>, transition: &mut Transition<()>) -> Result<(), Reject> {
    let mut references = BTreeSet::new();
    for package in input.key_packages {
        if package.identity != *input.actor {
            return Err(Reject::NotAllowed("a KeyPackage is of another client".into()));
        }
        // AMB-KM-7.
        if package.usage == KeyPackageUsage::LastResort {
            return Err(Reject::NotAllowed("last-resort KeyPackages are not given".into()));
        }
        // PROTO-KM-11.
        if package.not_after_ms <= input.now_ms {
            return Err(Reject::Malformed("a KeyPackage has expired".into()));
        }
        if !references.insert(&package.reference) {
            return Err(Reject::Malformed("a KeyPackage is there twice".into()));
        }
        let reference = package.reference.clone();
        transition.expect.push(Expect::KeyPackageUnused(reference.clone()));
        transition.changes.push(Change::AddKeyPackages(vec![package.clone().into_stored()]));
        transition.changes.push(Change::ReleaseKeyPackage(reference));
    }
    Ok(())
}

fn two_users(entry: &ConsentEntry) -> Result<(), Reject> {
    let (requester, target) = (&entry.requester_uri, &entry.target_uri);
    let is_room = entry.room_id.as_ref().is_none_or(|room| room.kind() == UriKind::Room);
    if requester.is_user() && target.is_user() && requester != target && is_room {
        Ok(())
    } else {
        Err(Reject::Malformed("consent is between two users, for a room or for any".into()))
    }
}

fn decision(operation: &ConsentOperation) -> ConsentDecision {
    match operation {
        ConsentOperation::Grant { .. } => ConsentDecision::Granted,
        _ => ConsentDecision::Revoked,
    }
}

fn record(entry: &ConsentEntry, granted: ConsentDecision, decided_ms: u64) -> ConsentRecord {
    ConsentRecord {
        target: entry.target_uri.clone(),
        requester: entry.requester_uri.clone(),
        room: entry.room_id.clone(),
        granted,
        decided_ms,
    }
}

fn request_of(entry: &ConsentEntry, requested_ms: u64) -> ConsentRequest {
    ConsentRequest {
        target: entry.target_uri.clone(),
        requester: entry.requester_uri.clone(),
        room: entry.room_id.clone(),
        requested_ms,
    }
}

/// PROTO-CON-4: exactly the same scope.
fn is_same_scope(one: &ConsentRequest, other: &ConsentRequest) -> bool {
    (&one.requester, &one.target, &one.room) == (&other.requester, &other.target, &other.room)
}

/// Whether a decision answers a request: one for any room answers all of them.
fn is_answered(request: &ConsentRequest, entry: &ConsentEntry) -> bool {
    let covered = entry.room_id.is_none() || request.room == entry.room_id;
    request.requester == entry.requester_uri && request.target == entry.target_uri && covered
}

#[cfg(test)]
mod tests;
