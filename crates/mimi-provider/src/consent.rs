//! Consent (protocol section 5.7, PROTO-CON-1..10).

use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{Domain, MimiUri, UriKind, Wire};

use crate::record::{ConsentDecision, ConsentRecord, ConsentRequest, EventKind, NewEvent, Seq};
use crate::requester::DeviceIdentity;
use crate::{Change, Effect, Expect, Reject, Transition};

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
    if decision_for(records, requester, room) == Some(ConsentDecision::Granted) {
        return Consent::Granted;
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

/// The stream a local entry goes to, whose last entry is [`LocalConsentInput::last_seq`]: the other
/// user's, or for another provider our own.
pub fn stream_of_local(own: &Domain, entry: &ConsentEntry) -> MimiUri {
    let other = match entry.operation {
        ConsentOperation::Request | ConsentOperation::Cancel => &entry.target_uri,
        ConsentOperation::Grant { .. } | ConsentOperation::Revoke => &entry.requester_uri,
    };
    if other.domain() == *own { other.clone() } else { own.provider_uri() }
}

/// A local client requests, cancels, grants or revokes.
pub fn local_consent(input: &LocalConsentInput<'_>) -> Result<Transition<()>, Reject> {
    let entry = input.entry;
    two_users(entry)?;
    let (speaker, is_update) = match &entry.operation {
        ConsentOperation::Request | ConsentOperation::Cancel => (&entry.requester_uri, false),
        ConsentOperation::Grant { client_key_packages } if !client_key_packages.is_empty() => {
            // AMB-CON-3: their Welcomes could not be routed to a client.
            let unsupported = "KeyPackages in a grant; they are fetched by keyMaterial";
            return Err(Reject::Unsupported(unsupported.into()));
        }
        ConsentOperation::Grant { .. } | ConsentOperation::Revoke => (&entry.target_uri, true),
    };
    if *speaker != input.actor.user {
        return Err(Reject::NotAllowed("a client speaks for its own user only".into()));
    }
    if is_update { Ok(answer(input)) } else { Ok(ask(input)) }
}

/// Our user asks, or takes back what it asked.
fn ask(input: &LocalConsentInput<'_>) -> Transition<()> {
    let entry = input.entry;
    match input.other {
        OtherUser::Remote => {
            let mut transition = Transition::unchanged(());
            send(&mut transition, input, &entry.target_uri.domain());
            transition
        }
        OtherUser::Local | OtherUser::Unknown => asked(&Asked {
            entry,
            user: input.other,
            open_requests: input.open_requests,
            consents: input.consents,
            last_seq: input.last_seq,
            now_ms: input.now_ms,
        }),
    }
}

/// Our user decides. The decision closes the requests it answers (PROTO-CON-6).
fn answer(input: &LocalConsentInput<'_>) -> Transition<()> {
    let entry = input.entry;
    let granted = decision(&entry.operation);
    let mut transition = Transition::unchanged(());
    transition.changes.push(Change::PutConsent(record(entry, granted, input.now_ms)));
    let answered = |request: &&ConsentRequest| {
        let covered = entry.room_id.is_none() || request.room == entry.room_id;
        request.requester == entry.requester_uri && request.target == entry.target_uri && covered
    };
    for request in input.open_requests.iter().filter(answered) {
        transition.changes.push(Change::RemoveConsentRequest(request.clone()));
    }
    // A refusal is the target's own business: the requester is not told (PROTO-CON-8).
    if granted == ConsentDecision::Revoked {
        return transition;
    }
    match input.other {
        OtherUser::Remote => send(&mut transition, input, &entry.requester_uri.domain()),
        OtherUser::Local => {
            let user = &entry.requester_uri;
            tell(&mut transition, user, entry, input.last_seq, input.now_ms);
        }
        OtherUser::Unknown => {}
    }
    transition
}

/// `requestConsent` from a peer: request or cancel. Success is 201 whatever came of it
/// (PROTO-CON-5, PROTO-CON-10).
pub fn request_consent(input: &PeerConsentInput<'_>) -> Result<Transition<()>, Reject> {
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
    Ok(asked(&Asked {
        entry,
        user: input.user,
        open_requests: input.open_requests,
        consents: input.consents,
        last_seq: input.last_seq,
        now_ms: input.now_ms,
    }))
}

/// `updateConsent` from a peer: grant or revoke. Success is 201 whatever came of it.
pub fn update_consent(input: &PeerConsentInput<'_>) -> Result<Transition<()>, Reject> {
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
    let granted = decision(&entry.operation);
    let known = in_scope(input.consents, &entry.requester_uri, entry.room_id.as_ref());
    let brings_key_packages = matches!(&entry.operation,
        ConsentOperation::Grant { client_key_packages } if !client_key_packages.is_empty());
    // A repeat tells nothing new (PROTO-CON-5).
    if input.user != OtherUser::Local || (known == Some(granted) && !brings_key_packages) {
        return Ok(Transition::unchanged(()));
    }
    let mut transition = Transition::unchanged(());
    transition.changes.push(Change::PutConsent(record(entry, granted, input.now_ms)));
    tell(&mut transition, &entry.requester_uri, entry, input.last_seq, input.now_ms);
    Ok(transition)
}

/// A request or cancel that has reached the target's provider.
struct Asked<'a> {
    entry: &'a ConsentEntry,
    user: OtherUser,
    open_requests: &'a [ConsentRequest],
    consents: &'a [ConsentRecord],
    last_seq: Seq,
    now_ms: u64,
}

fn asked(asked: &Asked<'_>) -> Transition<()> {
    let entry = asked.entry;
    let open = asked.open_requests.iter().find(|open| {
        open.requester == entry.requester_uri
            && open.target == entry.target_uri
            // PROTO-CON-4: exactly the same scope.
            && open.room == entry.room_id
    });
    let change = match (&entry.operation, open) {
        _ if asked.user != OtherUser::Local => None,
        (ConsentOperation::Cancel, open) => open.cloned().map(Change::RemoveConsentRequest),
        (_, Some(_)) => None,
        (_, None) if asked.open_requests.len() >= CONSENT_REQUESTS_PER_USER_MAX => None,
        (_, None) => {
            let room = entry.room_id.as_ref();
            let refused = decision_for(asked.consents, &entry.requester_uri, room)
                == Some(ConsentDecision::Revoked);
            // PROTO-CON-9: who has been refused does not get to ask again.
            (!refused).then(|| {
                Change::PutConsentRequest(ConsentRequest {
                    target: entry.target_uri.clone(),
                    requester: entry.requester_uri.clone(),
                    room: entry.room_id.clone(),
                    requested_ms: asked.now_ms,
                })
            })
        }
    };
    let mut transition = Transition::unchanged(());
    if let Some(change) = change {
        transition.changes.push(change);
        tell(&mut transition, &entry.target_uri, entry, asked.last_seq, asked.now_ms);
    }
    transition
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

/// The user's devices see the entry.
fn tell(
    transition: &mut Transition<()>,
    user: &MimiUri,
    entry: &ConsentEntry,
    last_seq: Seq,
    now_ms: u64,
) {
    append(transition, new_event(user.clone(), entry, last_seq, now_ms, Vec::new(), None));
    transition.effects.push(Effect::WakeStream(user.clone()));
}

/// The other provider is owed the entry (PROTO-CON-2: straight to it, never through a hub).
fn send(transition: &mut Transition<()>, input: &LocalConsentInput<'_>, follower: &Domain) {
    let stream = input.own.provider_uri();
    transition.changes.push(Change::Follow {
        stream: stream.clone(),
        follower: follower.clone(),
        after_seq: input.last_seq,
    });
    let audience = vec![follower.clone()];
    let (last_seq, now_ms) = (input.last_seq, input.now_ms);
    let event =
        new_event(stream.clone(), input.entry, last_seq, now_ms, audience, Some(Vec::new()));
    append(transition, event);
    transition.effects.push(Effect::WakeFollower { stream, follower: follower.clone() });
}

fn append(transition: &mut Transition<()>, event: NewEvent) {
    let stream = event.stream.clone();
    transition.expect.push(Expect::StreamSeq { stream, seq: event.seq - 1 });
    transition.changes.push(Change::Append(event));
}

fn new_event(
    stream: MimiUri,
    entry: &ConsentEntry,
    last_seq: Seq,
    timestamp_ms: u64,
    audience: Vec<Domain>,
    targets: Option<Vec<MimiUri>>,
) -> NewEvent {
    let kind = match entry.operation {
        ConsentOperation::Request | ConsentOperation::Cancel => EventKind::RequestConsent,
        ConsentOperation::Grant { .. } | ConsentOperation::Revoke => EventKind::UpdateConsent,
    };
    let (payload, detail) = (entry.encode(), Vec::new());
    NewEvent { stream, seq: last_seq + 1, kind, timestamp_ms, payload, audience, targets, detail }
}

#[cfg(test)]
mod tests;
