//! A client of ours is about to join a room hosted elsewhere by external commit (FLOW-6).
//!
//! The hub's fanout of that commit proves nothing about our client: a follower has no group state to
//! verify it against. So the request itself is remembered, durably and before it is forwarded, and
//! [`notify`](super::notify) lets the client in when exactly this commit comes back.

use mimi_wire::{Domain, MimiUri, UriKind};

use crate::follower::notify::Notified;
use crate::follower::state::{FollowerSnapshot, FollowerState, Forwarded, Note, RosterChange};
use crate::hub::update::SnapshotDue;
use crate::record::{EventKind, NewEvent, RoomKind};
use crate::requester::DeviceIdentity;
use crate::saved::sha256;
use crate::{Change, Expect, Reject, Transition};

/// An external commit that is about to be forwarded.
#[derive(Clone, Copy, Debug)]
pub struct ExternalJoinInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The room.
    pub room: &'a MimiUri,
    /// The client that is signed in and asks.
    pub device: &'a DeviceIdentity,
    /// The client that the commit's leaf names.
    pub joiner: &'a MimiUri,
    /// The commit, an `MLSMessage`.
    pub commit: &'a [u8],
    /// The blob of a roster without clients; the first snapshot of a room we did not know.
    pub roster: &'a [u8],
    /// The time.
    pub now_ms: u64,
}

/// Remembers who is about to join. The commit may be forwarded once this is durable.
pub fn external_join(
    state: Option<&FollowerState>,
    input: &ExternalJoinInput<'_>,
) -> Result<Transition<Notified>, Reject> {
    let room = input.room;
    if room.kind() != UriKind::Room || room.domain() == *input.own {
        return Err(Reject::NotAllowed("the room is no room of another provider".into()));
    }
    // AMB-TR-6: to the hub our provider answers for the joiner, so we make sure of it.
    if *input.joiner != input.device.client {
        return Err(Reject::NotAllowed("the external commit is of another client".into()));
    }
    let sha256 = sha256(input.commit);
    let forwarded = Forwarded { client: input.joiner.clone(), sha256 };
    let nothing = Notified { appended: Vec::new(), snapshot: SnapshotDue::Later };
    if state.is_some_and(|state| state.forwarded.contains(&forwarded)) {
        return Ok(Transition::unchanged(nothing));
    }
    let mut changes = Vec::new();
    let (expect, last_seq) = match state {
        Some(state) => {
            let (stream, seq) = (room.clone(), state.last_seq);
            (Expect::StreamSeq { stream, seq }, seq)
        }
        None => {
            let state = FollowerState::default();
            let snapshot = FollowerSnapshot { roster: input.roster.to_vec(), state }.encode();
            let (room, kind) = (room.clone(), RoomKind::Follower);
            changes.push(Change::CreateRoom { room: room.clone(), kind, snapshot });
            (Expect::NoRoom(room), 0)
        }
    };
    let event = NewEvent {
        stream: room.clone(),
        seq: last_seq + 1,
        kind: EventKind::HubNote,
        timestamp_ms: input.now_ms,
        payload: Vec::new(),
        audience: Vec::new(),
        targets: Some(Vec::new()),
        detail: Note::Forwarded(forwarded).write(),
    };
    changes.push(Change::Append(event.clone()));
    let appended = vec![(event, RosterChange::default())];
    Ok(Transition {
        changes,
        expect: vec![expect],
        effects: Vec::new(),
        reply: Notified { appended, snapshot: SnapshotDue::Later },
    })
}

#[cfg(test)]
mod tests;
