//! Telling a user's devices, and other providers.

use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{Domain, MimiUri, Wire};

use crate::record::{EventKind, NewEvent, Seq};
use crate::{Change, Effect, Expect, Transition};

/// An entry that a user's devices are to see.
#[derive(Clone, Copy)]
pub(super) struct News<'a> {
    pub(super) user: &'a MimiUri,
    /// The user's clients, oldest first.
    pub(super) clients: &'a [MimiUri],
    pub(super) entry: &'a ConsentEntry,
    /// Last entry of the user's stream.
    pub(super) last_seq: Seq,
    pub(super) now_ms: u64,
}

/// The user's devices see the entry. KeyPackages in it are seen by one device only, the oldest: two
/// would use them twice (PROTO-KM-10).
pub(super) fn tell(transition: &mut Transition<()>, news: &News<'_>) {
    let bare = without_key_packages(news.entry);
    match (bare, news.clients.split_first()) {
        (Some(bare), Some((first, others))) => {
            append(transition, event_of(news, news.entry, 1, Some(vec![first.clone()])));
            if !others.is_empty() {
                let others = Some(others.to_vec());
                add(transition, event_of(news, &bare, 2, others));
            }
        }
        (bare, _) => {
            let entry = bare.as_ref().unwrap_or(news.entry);
            append(transition, event_of(news, entry, 1, None));
        }
    }
    transition.effects.push(Effect::WakeStream(news.user.clone()));
}

/// The other provider is owed the entry (PROTO-CON-2: straight to it, never through a hub).
pub(super) fn send(
    transition: &mut Transition<()>,
    own: &Domain,
    follower: &Domain,
    entry: &ConsentEntry,
    last_seq: Seq,
    now_ms: u64,
) {
    let stream = own.provider_uri();
    transition.changes.push(Change::Follow {
        stream: stream.clone(),
        follower: follower.clone(),
        after_seq: last_seq,
    });
    append(
        transition,
        NewEvent {
            stream: stream.clone(),
            seq: last_seq + 1,
            kind: kind_of(entry),
            timestamp_ms: now_ms,
            payload: entry.encode(),
            audience: vec![follower.clone()],
            targets: Some(Vec::new()),
            detail: Vec::new(),
        },
    );
    transition.effects.push(Effect::WakeFollower { stream, follower: follower.clone() });
}

fn event_of(
    news: &News<'_>,
    entry: &ConsentEntry,
    after_last: Seq,
    targets: Option<Vec<MimiUri>>,
) -> NewEvent {
    NewEvent {
        stream: news.user.clone(),
        seq: news.last_seq + after_last,
        kind: kind_of(entry),
        timestamp_ms: news.now_ms,
        payload: entry.encode(),
        audience: Vec::new(),
        targets,
        detail: Vec::new(),
    }
}

fn append(transition: &mut Transition<()>, event: NewEvent) {
    let stream = event.stream.clone();
    transition.expect.push(Expect::StreamSeq { stream, seq: event.seq - 1 });
    add(transition, event);
}

fn add(transition: &mut Transition<()>, event: NewEvent) {
    transition.changes.push(Change::Append(event));
}

fn kind_of(entry: &ConsentEntry) -> EventKind {
    match entry.operation {
        ConsentOperation::Request | ConsentOperation::Cancel => EventKind::RequestConsent,
        ConsentOperation::Grant { .. } | ConsentOperation::Revoke => EventKind::UpdateConsent,
    }
}

/// A grant that brings KeyPackages, without them.
fn without_key_packages(entry: &ConsentEntry) -> Option<ConsentEntry> {
    match &entry.operation {
        ConsentOperation::Grant { client_key_packages } if !client_key_packages.is_empty() => {
            let operation = ConsentOperation::Grant { client_key_packages: Vec::new() };
            Some(ConsentEntry { operation, ..entry.clone() })
        }
        _ => None,
    }
}
