//! `notify` at a follower: what of a body is new, and whom it is for (PROTO-NTF-8..12).
//!
//! Two steps, because only new messages may move the roster: [`arrivals`] authenticates the body
//! and drops repeats; the caller follows each arrival with its roster; [`notify`] decides.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::{Domain, MimiUri, UriKind, Wire};

use crate::follower::state::{
    FollowerSnapshot, FollowerState, Forwarded, Note, RosterChange, came_in,
};
use crate::hub::state::SNAPSHOT_EVERY;
use crate::hub::update::SnapshotDue;
use crate::record::{EventKind, NewEvent, RoomKind, Seq};
use crate::saved::sha256;
use crate::{Change, Effect, Expect, Reject, Transition};

/// A message of the hub that was not there before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    message: FanoutMessage,
    octets: Vec<u8>,
}

/// What is known when new messages of a room have arrived.
#[derive(Clone, Copy, Debug)]
pub struct NotifyInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The room.
    pub room: &'a MimiUri,
    /// What each new message did to the roster, in order.
    pub arrivals: &'a [(Arrival, RosterChange)],
    /// Our clients by the KeyPackageRefs the messages welcome (PROTO-KM-12).
    pub owners: &'a BTreeMap<Vec<u8>, MimiUri>,
    /// The roster's blob before the first of them; the first snapshot of a room we did not know.
    pub roster: &'a [u8],
}

/// The body is accepted: 201 (PROTO-NTF-8).
#[derive(Clone, Debug, PartialEq)]
pub struct Notified {
    /// What was appended, with what it did to the roster: to be observed once it is written.
    pub appended: Vec<(NewEvent, RosterChange)>,
    /// Whether a snapshot should be written.
    pub snapshot: SnapshotDue,
}

impl Arrival {
    /// The message, to follow with the roster.
    pub fn message(&self) -> &FanoutMessage {
        &self.message
    }
}

/// The new messages of a body, in order. `state` is `None` for a room we do not know.
pub fn arrivals(
    state: Option<&FollowerState>,
    from: &Domain,
    room: &MimiUri,
    body: Vec<FanoutMessage>,
) -> Result<Vec<Arrival>, Reject> {
    // AMB-NTF-11: only the room's hub speaks for the room.
    if room.kind() != UriKind::Room || *from != room.domain() {
        return Err(Reject::PeerMisbehaved("the sender is not the room's hub".into()));
    }
    if body.is_empty() {
        return Err(Reject::Malformed("no message in the body".into()));
    }
    let mut seen = BTreeSet::new();
    let mut arrivals = Vec::new();
    for message in body {
        let octets = message.encode();
        let sha256 = sha256(&octets);
        // PROTO-NTF-10, also within one body.
        let repeat = state.is_some_and(|state| state.is_repeat(&sha256, message.timestamp));
        if !repeat && seen.insert(sha256) {
            arrivals.push(Arrival { message, octets });
        }
    }
    Ok(arrivals)
}

/// Decides what to keep of new messages and whom of our clients they concern.
///
/// Of a room without clients of ours nothing is kept until one comes in (PROTO-NTF-11): a hub that
/// sends more is answered 201 and costs us nothing. A refusal would hold up an honest hub, whose
/// commit may reach us in a body before the Welcome's.
///
/// A client of ours comes in by a Welcome for its KeyPackage, or by an external commit that it has
/// itself sent through us ([`external_join`](super::external_join)). Of anything else that claims to
/// be from our client the hub may be the author, and no client is made to see a stranger's room.
pub fn notify(
    state: Option<&FollowerState>,
    input: &NotifyInput<'_>,
) -> Result<Transition<Notified>, Reject> {
    if input.room.domain() == *input.own {
        return Err(Reject::PeerMisbehaved("the room is hosted here".into()));
    }
    let mut seen = state.map(FollowerState::without_recent).unwrap_or_default();
    let expect = match state {
        None => Expect::NoRoom(input.room.clone()),
        Some(state) => Expect::StreamSeq { stream: input.room.clone(), seq: state.last_seq },
    };
    let mut changes = Vec::new();
    let mut appended = Vec::new();
    for (arrival, roster) in input.arrivals {
        let mut event = event(input, arrival, roster, seen.last_seq + 1);
        if let Some(forwarded) = forwarded(&seen, arrival, roster) {
            event.detail = Note::Joined(forwarded.clone()).write();
        }
        let mut newcomers = came_in(&event);
        newcomers
            .retain(|client| client.domain() == *input.own && !seen.clients_in.contains(client));
        if !seen.is_present() && newcomers.is_empty() {
            continue;
        }
        let known = state.is_some() || !appended.is_empty();
        if !known {
            let snapshot =
                FollowerSnapshot { roster: input.roster.to_vec(), state: FollowerState::default() };
            changes.push(Change::CreateRoom {
                room: input.room.clone(),
                kind: RoomKind::Follower,
                snapshot: snapshot.encode(),
            });
        }
        changes.push(Change::Append(event.clone()));
        changes.extend(memberships(input.own, &event, roster, newcomers));
        seen.observe(&event, roster);
        appended.push((event, roster.clone()));
    }
    if appended.is_empty() {
        let notified = Notified { appended, snapshot: SnapshotDue::Later };
        return Ok(Transition::unchanged(notified));
    }
    let due = seen.handshakes_since_snapshot >= SNAPSHOT_EVERY;
    let snapshot = if due { SnapshotDue::Now } else { SnapshotDue::Later };
    Ok(Transition {
        changes,
        expect: vec![expect],
        effects: vec![Effect::WakeStream(input.room.clone())],
        reply: Notified { appended, snapshot },
    })
}

/// Which request of a client of ours a commit is, if it is one that joins.
fn forwarded<'a>(
    state: &'a FollowerState,
    arrival: &Arrival,
    roster: &RosterChange,
) -> Option<&'a Forwarded> {
    if roster.joined.is_empty() || !matches!(arrival.message.kind, FanoutKind::Commit { .. }) {
        return None;
    }
    let sha256 = sha256(arrival.message.message.octets());
    let mut forwarded = state.forwarded.iter();
    forwarded.find(|it| it.sha256 == sha256 && roster.joined.contains(&it.client))
}

/// The entry of a message in our copy of the log: our order, the hub's time.
fn event(input: &NotifyInput<'_>, arrival: &Arrival, roster: &RosterChange, seq: Seq) -> NewEvent {
    let (kind, targets) = match arrival.message.kind {
        FanoutKind::Application { .. } => (EventKind::Application, None),
        FanoutKind::Proposal { .. } => (EventKind::Proposal, None),
        FanoutKind::Commit { .. } => (EventKind::Commit, None),
        FanoutKind::Welcome { .. } => {
            // PROTO-NTF-11, PROTO-KM-12: a Welcome is for the clients whose KeyPackages it uses.
            let owners: BTreeSet<&MimiUri> =
                roster.welcomed.iter().filter_map(|it| input.owners.get(it)).collect();
            (EventKind::Welcome, Some(owners.into_iter().cloned().collect()))
        }
    };
    NewEvent {
        stream: input.room.clone(),
        seq,
        kind,
        timestamp_ms: arrival.message.timestamp,
        payload: arrival.octets.clone(),
        audience: Vec::new(),
        targets,
        detail: Vec::new(),
    }
}

/// Newcomers see the room from this entry on; who goes still sees it (PROTO-NTF-6).
fn memberships(
    own: &Domain,
    event: &NewEvent,
    roster: &RosterChange,
    newcomers: Vec<MimiUri>,
) -> Vec<Change> {
    let joins = newcomers.into_iter().map(|client| Change::Join {
        client,
        stream: event.stream.clone(),
        from_seq: event.seq,
    });
    let gone = roster.left.iter().filter(|client| {
        // A client replaced by its own external commit stays.
        client.domain() == *own && !roster.joined.contains(client)
    });
    let leaves = gone.map(|client| Change::Leave {
        client: client.clone(),
        stream: event.stream.clone(),
        until_seq: event.seq,
    });
    joins.chain(leaves).collect()
}

#[cfg(test)]
mod tests;
