//! Consent entries of other providers, and what local users ask of each other.
//!
//! [`request_consent`] and [`update_consent`] look at nothing but the entry and who brings it: it is
//! written down, and the answer is 201 (PROTO-CON-5). Whether its user exists, is willing, has been
//! asked before or asked at all is looked at afterwards, by [`take_in`]: so the answer is the same,
//! and takes the same, for all of them (PROTO-CON-10).

use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{Domain, MimiUri, Wire};

use super::open_requests::{Room, room_for};
use super::telling::{News, send, tell};
use super::{
    ContactDefault, TOLD_PER_USER_MAX, decision, decision_for, in_scope, is_answered,
    is_same_scope, lets_in, record, request_of, two_users,
};
use crate::record::{Arrival, ConsentDecision, ConsentRecord, ConsentRequest, Seq};
use crate::{Change, Effect, Reject, Transition};

/// A peer's entry.
#[derive(Clone, Copy, Debug)]
pub struct PeerEntryInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The peer, authenticated.
    pub from: &'a Domain,
    /// What it says.
    pub entry: &'a ConsentEntry,
    /// The time.
    pub now_ms: u64,
}

/// What is known when an arrival is looked at.
#[derive(Clone, Copy, Debug)]
pub struct ArrivalInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// What has arrived.
    pub entry: &'a ConsentEntry,
    /// What holds where nobody has decided.
    pub default: ContactDefault,
    /// Whether [`user_of`] has an account.
    pub user_exists: bool,
    /// Its clients, oldest first.
    pub clients: &'a [MimiUri],
    /// Open requests to the entry's target.
    pub open_requests: &'a [ConsentRequest],
    /// What the entry's requester has asked and is not answered.
    pub asked: &'a [ConsentRequest],
    /// Decisions of the entry's target about the requester, as known here.
    pub consents: &'a [ConsentRecord],
    /// Decisions of the entry's requester about the target, as known here.
    pub back: &'a [ConsentRecord],
    /// How many decisions about our user are kept.
    pub about: u64,
    /// Last entry of the stream of [`user_of`].
    pub user_seq: Seq,
    /// Last entry of [`answer_stream`].
    pub answer_seq: Seq,
    /// The time.
    pub now_ms: u64,
}

/// `requestConsent` from a peer: request or cancel.
pub fn request_consent(input: &PeerEntryInput<'_>) -> Result<Transition<()>, Reject> {
    let entry = input.entry;
    two_users(entry)?;
    // PROTO-CON-1.
    if !matches!(entry.operation, ConsentOperation::Request | ConsentOperation::Cancel) {
        return Err(Reject::Malformed("requestConsent carries request or cancel".into()));
    }
    // PROTO-CON-3.
    if entry.requester_uri.domain() != *input.from || entry.target_uri.domain() != *input.own {
        let message = "the requester is not the sender's user, or the target not ours";
        return Err(Reject::PeerMisbehaved(message.into()));
    }
    Ok(written_down(input))
}

/// `updateConsent` from a peer: grant or revoke.
pub fn update_consent(input: &PeerEntryInput<'_>) -> Result<Transition<()>, Reject> {
    let entry = input.entry;
    two_users(entry)?;
    // PROTO-CON-1.
    if !matches!(entry.operation, ConsentOperation::Grant { .. } | ConsentOperation::Revoke) {
        return Err(Reject::Malformed("updateConsent carries grant or revoke".into()));
    }
    // PROTO-CON-3.
    if entry.target_uri.domain() != *input.from || entry.requester_uri.domain() != *input.own {
        let message = "the target is not the sender's user, or the requester not ours";
        return Err(Reject::PeerMisbehaved(message.into()));
    }
    Ok(written_down(input))
}

fn written_down(input: &PeerEntryInput<'_>) -> Transition<()> {
    let (from, payload) = (input.from.clone(), input.entry.encode());
    let arrival = Arrival { from, payload, arrived_ms: input.now_ms };
    Transition {
        changes: vec![Change::PutArrival(arrival)],
        effects: vec![Effect::WakeArrivals],
        ..Transition::unchanged(())
    }
}

/// The user of ours that an arrival is for.
pub fn user_of(entry: &ConsentEntry) -> &MimiUri {
    match entry.operation {
        ConsentOperation::Request | ConsentOperation::Cancel => &entry.target_uri,
        ConsentOperation::Grant { .. } | ConsentOperation::Revoke => &entry.requester_uri,
    }
}

/// The stream that an answer to a request goes to, should it be answered at once.
pub fn answer_stream(own: &Domain, entry: &ConsentEntry) -> MimiUri {
    let requester = &entry.requester_uri;
    if requester.domain() == *own { requester.clone() } else { own.provider_uri() }
}

/// What comes of an arrival.
pub fn take_in(input: &ArrivalInput<'_>) -> Transition<()> {
    if !input.user_exists {
        return Transition::unchanged(());
    }
    match input.entry.operation {
        ConsentOperation::Request => requested(input),
        ConsentOperation::Cancel => cancelled(input),
        ConsentOperation::Grant { .. } | ConsentOperation::Revoke => updated(input),
    }
}

fn requested(input: &ArrivalInput<'_>) -> Transition<()> {
    let entry = input.entry;
    let decided = decision_for(input.consents, &entry.requester_uri, entry.room_id.as_ref());
    match (decided, input.default) {
        // PROTO-CON-9: who has been refused does not get to ask again.
        (Some(ConsentDecision::Revoked), _) | (None, ContactDefault::Deny) => {
            Transition::unchanged(())
        }
        // The answer is known already, and nobody need be asked for it.
        (Some(ConsentDecision::Granted), _) | (None, ContactDefault::Allow) => granted(input),
        (None, ContactDefault::Ask) => kept(input),
    }
}

/// The request waits for the user, and is shown once.
fn kept(input: &ArrivalInput<'_>) -> Transition<()> {
    let mut transition = Transition::unchanged(());
    let request = request_of(input.entry, input.now_ms);
    if input.open_requests.iter().any(|open| is_same_scope(open, &request)) {
        return transition;
    }
    match room_for(input.open_requests, &request.requester) {
        Room::None => return transition,
        Room::There => {}
        Room::Instead(displaced) => {
            transition.changes.push(Change::RemoveConsentRequest(displaced));
        }
    }
    transition.changes.push(Change::PutConsentRequest(request));
    tell(&mut transition, &news(input, user_of(input.entry)));
    transition
}

/// The requester is answered with a grant that holds already.
fn granted(input: &ArrivalInput<'_>) -> Transition<()> {
    let mut transition = Transition::unchanged(());
    let operation = ConsentOperation::Grant { client_key_packages: Vec::new() };
    let grant = ConsentEntry { operation, ..input.entry.clone() };
    let (seq, now_ms) = (input.answer_seq, input.now_ms);
    let requester = &grant.requester_uri;
    if requester.domain() != *input.own {
        send(&mut transition, input.own, &requester.domain(), &grant, seq, now_ms);
        return transition;
    }
    transition.changes.push(Change::RemoveConsentAsked(request_of(&grant, now_ms)));
    let news = News { user: requester, clients: &[], entry: &grant, last_seq: seq, now_ms };
    tell(&mut transition, &news);
    transition
}

/// PROTO-CON-4; without a request of this scope nothing happens (PROTO-CON-5).
fn cancelled(input: &ArrivalInput<'_>) -> Transition<()> {
    let mut transition = Transition::unchanged(());
    let cancel = request_of(input.entry, input.now_ms);
    if let Some(open) = input.open_requests.iter().find(|open| is_same_scope(open, &cancel)) {
        transition.changes.push(Change::RemoveConsentRequest(open.clone()));
        tell(&mut transition, &news(input, user_of(input.entry)));
    }
    transition
}

/// Another provider's user has decided about ours. Our user hears of it who asked for it, or has let
/// the other one in; what a stranger says unasked is kept, and not shown (PROTO-CON-6).
fn updated(input: &ArrivalInput<'_>) -> Transition<()> {
    let (entry, requester) = (input.entry, &input.entry.requester_uri);
    let granted = decision(&entry.operation);
    let known = in_scope(input.consents, requester, entry.room_id.as_ref());
    let answered: Vec<_> = input.asked.iter().filter(|asked| is_answered(asked, entry)).collect();
    let brings_key_packages = matches!(&entry.operation,
        ConsentOperation::Grant { client_key_packages } if !client_key_packages.is_empty());
    let mut transition = Transition::unchanged(());
    // A repeat tells nothing new (PROTO-CON-5).
    if answered.is_empty() && known == Some(granted) && !brings_key_packages {
        return transition;
    }
    if answered.is_empty() && known.is_none() && input.about >= TOLD_PER_USER_MAX {
        return transition;
    }
    transition.changes.push(Change::PutConsent(record(entry, granted, input.now_ms)));
    for asked in &answered {
        transition.changes.push(Change::RemoveConsentAsked((*asked).clone()));
    }
    if !answered.is_empty() || lets_in(input.back, &entry.target_uri) {
        tell(&mut transition, &news(input, requester));
    }
    transition
}

fn news<'a>(input: &ArrivalInput<'a>, user: &'a MimiUri) -> News<'a> {
    News {
        user,
        clients: input.clients,
        entry: input.entry,
        last_seq: input.user_seq,
        now_ms: input.now_ms,
    }
}

#[cfg(test)]
mod tests;
