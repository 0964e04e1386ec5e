//! Entries at the end of a room's log, with everything that belongs to them.

use std::collections::BTreeSet;

use mimi_wire::{Domain, MimiUri};

use crate::hub::state::HubState;
use crate::record::{EventKind, NewEvent, Seq};
use crate::{Change, Effect, Expect, Transition};

/// Writes one decision's entries.
pub(super) struct LogWriter<'a> {
    state: &'a HubState,
    room: &'a MimiUri,
    last_seq: Seq,
    changes: Vec<Change>,
    followers_to_wake: BTreeSet<Domain>,
    new_followers: BTreeSet<Domain>,
    wakes_locals: bool,
    has_joins: bool,
}

/// An entry without its position.
pub(super) struct Entry {
    pub(super) kind: EventKind,
    pub(super) timestamp_ms: u64,
    pub(super) payload: Vec<u8>,
    pub(super) audience: Vec<Domain>,
    pub(super) targets: Option<Vec<MimiUri>>,
    pub(super) detail: Vec<u8>,
}

impl<'a> LogWriter<'a> {
    /// After the last entry that is known.
    pub(super) fn new(state: &'a HubState, room: &'a MimiUri) -> Self {
        Self {
            state,
            room,
            last_seq: state.last_seq,
            changes: Vec::new(),
            followers_to_wake: BTreeSet::new(),
            new_followers: BTreeSet::new(),
            wakes_locals: false,
            has_joins: false,
        }
    }

    /// Appends an entry. Peers it names for the first time are given a cursor just before it.
    pub(super) fn append(&mut self, entry: Entry) -> Seq {
        self.last_seq += 1;
        for domain in &entry.audience {
            let known = self.state.followers.contains(domain);
            if !known && self.new_followers.insert(domain.clone()) {
                self.changes.push(Change::Follow {
                    stream: self.room.clone(),
                    follower: domain.clone(),
                    after_seq: self.last_seq - 1,
                });
            }
            self.followers_to_wake.insert(domain.clone());
        }
        self.wakes_locals |= entry.targets.as_ref().is_none_or(|targets| !targets.is_empty());
        self.changes.push(Change::Append(NewEvent {
            stream: self.room.clone(),
            seq: self.last_seq,
            kind: entry.kind,
            timestamp_ms: entry.timestamp_ms,
            payload: entry.payload,
            audience: entry.audience,
            targets: entry.targets,
            detail: entry.detail,
        }));
        self.last_seq
    }

    /// A local client sees the room from an entry on.
    pub(super) fn join(&mut self, client: &MimiUri, from_seq: Seq) {
        let (client, stream) = (client.clone(), self.room.clone());
        let owed = Change::OweRemovalIfGone { client: client.clone(), room: stream.clone() };
        self.changes.push(Change::Join { client, stream, from_seq });
        // It may have been signed out while it was added.
        self.changes.push(owed);
        self.has_joins = true;
    }

    /// A local client sees the room up to an entry.
    pub(super) fn leave(&mut self, client: &MimiUri, until_seq: Seq) {
        let (client, stream) = (client.clone(), self.room.clone());
        self.changes.push(Change::Leave { client, stream, until_seq });
    }

    /// A change that belongs to the entries.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The transition, valid only where nothing else was appended meanwhile.
    pub(super) fn finish<R>(self, reply: R) -> Transition<R> {
        let room = self.room;
        let mut effects: Vec<Effect> = Vec::new();
        for follower in self.followers_to_wake {
            effects.push(Effect::WakeFollower { stream: room.clone(), follower });
        }
        if self.wakes_locals {
            effects.push(Effect::WakeStream(room.clone()));
        }
        effects.extend(self.has_joins.then_some(Effect::WakeRemovals));
        let expect = Expect::StreamSeq { stream: room.clone(), seq: self.state.last_seq };
        Transition { changes: self.changes, expect: vec![expect], effects, reply }
    }
}
