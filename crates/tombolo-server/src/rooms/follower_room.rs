//! A room hosted elsewhere in which clients of ours are, to whom we hand what its hub sends (ARCH-5).

use std::sync::Arc;

use mimi_mls::roster::Roster;
use mimi_provider::follower::notify::Notified;
use mimi_provider::follower::state::{FollowerSnapshot, FollowerState, RosterChange};
use mimi_provider::hub::update::SnapshotDue;
use mimi_provider::record::{EventKind, NewEvent, RoomKind, Seq, StoredRoom};
use mimi_provider::{Change, Expect, Reject, Transition};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::{MimiUri, Wire};
use tombolo_store::StoreError;

use super::LOG_PAGE;
use super::slots::{HotRoom, Locked, Snapshot};
use crate::provider::{Enqueued, Provider, storage_failed};

/// Who is in, as the handshakes tell, and where our copy of the log ends.
#[derive(Debug)]
pub(crate) struct FollowerRoom {
    pub(crate) roster: Roster,
    pub(crate) state: FollowerState,
    /// Entries up to here are in the stored snapshot.
    saved_seq: Seq,
    /// Octets of that.
    octets: usize,
}

/// A followed room in use, or one we do not know (yet).
pub(crate) struct FollowerLock(Locked<FollowerRoom>);

impl FollowerRoom {
    /// Derives a room from its snapshot and our copy of the log after it; `None` if we do not
    /// follow it.
    pub(super) async fn load(provider: &Provider, room: &MimiUri) -> Result<Option<Self>, Reject> {
        let stored = provider.store.room(room).await.map_err(storage_failed)?;
        let Some(stored) = stored.filter(|stored| stored.kind == RoomKind::Follower) else {
            return Ok(None);
        };
        let mut loaded = Self::from_snapshot(&stored)?;
        let mut after = stored.snapshot_seq;
        loop {
            let page = provider.store.log(room, after, LOG_PAGE).await.map_err(storage_failed)?;
            let Some(last) = page.last() else { return Ok(Some(loaded)) };
            after = last.event.seq;
            for logged in &page {
                loaded.replay(&logged.event)?;
            }
        }
    }

    fn from_snapshot(stored: &StoredRoom) -> Result<Self, Reject> {
        let room = &stored.room;
        let snapshot =
            FollowerSnapshot::decode(&stored.snapshot).map_err(|error| damaged(room, error))?;
        let roster = Roster::restore(&snapshot.roster).map_err(|error| damaged(room, error))?;
        let (saved_seq, octets) = (stored.snapshot_seq, stored.snapshot.len());
        Ok(Self { roster, state: snapshot.state, saved_seq, octets })
    }

    fn replay(&mut self, event: &NewEvent) -> Result<(), Reject> {
        let change = match event.kind {
            EventKind::Commit | EventKind::Proposal | EventKind::Welcome => {
                if !self.state.is_present() {
                    self.roster = Roster::default();
                }
                let message = FanoutMessage::decode(&event.payload)
                    .map_err(|error| damaged(&event.stream, error))?;
                follow(&mut self.roster, &message)
            }
            _ => RosterChange::default(),
        };
        self.state.observe(event, &change);
        Ok(())
    }
}

fn damaged(room: &MimiUri, why: impl std::fmt::Display) -> Reject {
    Reject::Internal(format!("our copy of the room {room} cannot be restored: {why}"))
}

/// Moves a roster along with one message of the hub.
pub(crate) fn follow(roster: &mut Roster, message: &FanoutMessage) -> RosterChange {
    let change = roster.follow(message);
    RosterChange { joined: change.joined, left: change.left, welcomed: change.welcomed }
}

impl HotRoom for FollowerRoom {
    fn snapshot(&mut self, room: &MimiUri) -> Option<Snapshot> {
        let seq = self.state.last_seq;
        if seq == self.saved_seq {
            return None;
        }
        self.state.snapshot_taken();
        self.saved_seq = seq;
        let roster = self.roster.snapshot();
        let snapshot = FollowerSnapshot { roster, state: self.state.clone() };
        let octets = snapshot.encode();
        self.octets = octets.len();
        Some(Snapshot { room: room.clone(), seq, octets })
    }

    fn octets(&self) -> usize {
        self.octets
    }
}

impl FollowerLock {
    pub(super) fn new(locked: Locked<FollowerRoom>) -> Self {
        Self(locked)
    }

    /// The room, if we know it.
    pub(crate) fn room(&self) -> Option<&FollowerRoom> {
        self.0.get()
    }

    /// The roster to follow new messages with. What was sent while no client of ours was in has
    /// not been kept, so an old roster is worth nothing.
    pub(crate) fn roster(&self) -> Roster {
        let present = self.room().filter(|room| room.state.is_present());
        present.map(|room| room.roster.clone()).unwrap_or_default()
    }

    /// Follows a decision in memory and queues it for storage; `roster` is the roster after it, if it
    /// has moved.
    pub(crate) fn record(
        mut self,
        provider: &Arc<Provider>,
        transition: Transition<Notified>,
        roster: Option<Roster>,
    ) -> Enqueued {
        let Transition { mut changes, expect, effects, reply } = transition;
        let creates = changes.iter().any(|change| matches!(change, Change::CreateRoom { .. }));
        if self.0.is_empty() && creates {
            let state = FollowerState::default();
            self.0.put(FollowerRoom { roster: Roster::default(), state, saved_seq: 0, octets: 0 });
        }
        let uri = self.0.uri().clone();
        if let Some(room) = self.0.get_mut() {
            if let Some(roster) = roster {
                room.roster = roster;
            }
            for (event, change) in &reply.appended {
                room.state.observe(event, change);
            }
            if reply.snapshot == SnapshotDue::Now {
                changes.extend(room.snapshot(&uri).map(Snapshot::into_change));
            }
        }
        let forget = Box::pin(self.0.slot().forget());
        provider.enqueue(changes, expect, effects, Some(forget))
    }

    /// Resolves when everything recorded so far is durable. Ends the lock.
    pub(crate) async fn barrier(self, provider: &Arc<Provider>) -> Result<(), StoreError> {
        let Some(room) = self.0.get() else { return Ok(()) };
        let stream = self.0.uri().clone();
        let expect = vec![Expect::StreamSeq { stream, seq: room.state.last_seq }];
        let forget = Box::pin(self.0.slot().forget());
        let reached = provider.enqueue(Vec::new(), expect, Vec::new(), Some(forget));
        drop(self);
        reached.durable().await.map(drop)
    }
}
