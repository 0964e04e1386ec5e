//! A room hosted here.

use std::sync::{Arc, OnceLock};

use mimi_mls::error::StageError;
use mimi_mls::hub::{HubGroup, StagedUpdate};
use mimi_provider::hub::audience::Readership;
use mimi_provider::hub::state::{HubSnapshot, HubState, Observed};
use mimi_provider::record::{EventKind, NewEvent, RoomKind, Seq, StoredRoom};
use mimi_provider::{Change, Expect, Reject, Transition};
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::{Domain, MimiUri, Wire};
use tombolo_store::StoreError;

use super::LOG_PAGE;
use super::slots::{HotRoom, Locked, Snapshot};
use crate::provider::{Enqueued, Provider, storage_failed};

/// The MLS group's public state and what the hub knows beside it.
#[derive(Debug)]
pub(crate) struct HubRoom {
    pub(crate) group: HubGroup,
    pub(crate) state: HubState,
    /// Who reads in this epoch, once somebody has written.
    readership: OnceLock<Readership>,
    /// What the log has just told of the commit behind it.
    replay: Option<Vec<u8>>,
    /// Entries up to here are in the stored snapshot.
    saved_seq: Seq,
    /// Octets of that.
    octets: usize,
}

/// A hosted room in use.
pub(crate) struct HubLock(Locked<HubRoom>);

impl HubRoom {
    /// Derives a room from its snapshot and the log after it; `None` if we do not host it.
    pub(super) async fn load(provider: &Provider, room: &MimiUri) -> Result<Option<Self>, Reject> {
        let stored = provider.store.room(room).await.map_err(storage_failed)?;
        let Some(stored) = stored.filter(|stored| stored.kind == RoomKind::Hub) else {
            return Ok(None);
        };
        let mut loaded = Self::from_snapshot(&stored)?;
        loop {
            let after = loaded.state.last_seq;
            let page = provider.store.log(room, after, LOG_PAGE).await.map_err(storage_failed)?;
            let Some(last) = page.last() else { return Ok(Some(loaded)) };
            let last_seq = last.event.seq;
            for logged in &page {
                loaded.replay(&logged.event)?;
            }
            if loaded.state.last_seq != last_seq {
                return Err(damaged(room, "its log has a gap"));
            }
        }
    }

    fn from_snapshot(stored: &StoredRoom) -> Result<Self, Reject> {
        let room = &stored.room;
        let snapshot =
            HubSnapshot::decode(&stored.snapshot).map_err(|error| damaged(room, error))?;
        let group = HubGroup::restore(&snapshot.group).map_err(|error| damaged(room, error))?;
        let (state, readership) = (snapshot.state, OnceLock::new());
        let (saved_seq, octets) = (stored.snapshot_seq, stored.snapshot.len());
        Ok(Self { group, state, readership, replay: None, saved_seq, octets })
    }

    /// Who reads in this epoch as long as nothing is pending.
    pub(crate) fn readership(&self, own: &Domain) -> &Readership {
        self.readership.get_or_init(|| Readership::of(self.group.view(), own))
    }

    /// Follows the group; of a new epoch nothing is known yet.
    fn merge(&mut self, staged: StagedUpdate) -> Result<(), StageError> {
        self.readership.take();
        self.group.merge(staged)
    }

    /// Follows an entry that was accepted before: it is staged as of then.
    fn replay(&mut self, event: &NewEvent) -> Result<(), Reject> {
        let faulty = |error: String| damaged(&event.stream, error);
        match event.kind {
            EventKind::Commit | EventKind::Proposal => {
                let request = UpdateRequest::decode(&event.detail);
                let request = request.map_err(|error| faulty(error.to_string()))?;
                let staged = match self.replay.take() {
                    Some(replay) => self.group.stage_saved(&request, &replay),
                    None => self.group.stage_again(&request, event.timestamp_ms),
                };
                self.take(event, staged.map_err(|error| faulty(error.to_string()))?).map_err(faulty)
            }
            _ => {
                self.replay = HubState::replay_in(event);
                let observed = self.state.observe(event, Observed::Plain);
                observed.map_err(|error| faulty(error.to_string()))
            }
        }
    }

    /// Follows an entry and merges what it holds.
    fn take(&mut self, event: &NewEvent, staged: StagedUpdate) -> Result<(), String> {
        self.replay = None;
        let observed = observed(&staged, &self.group);
        self.state.observe(event, observed).map_err(|error| error.to_string())?;
        self.merge(staged).map_err(|error| error.to_string())
    }
}

fn damaged(room: &MimiUri, why: impl std::fmt::Display) -> Reject {
    Reject::Internal(format!("the room {room} cannot be restored: {why}"))
}

/// What the group makes of an update that it has not merged yet.
fn observed<'a>(staged: &'a StagedUpdate, group: &'a HubGroup) -> Observed<'a> {
    match staged {
        StagedUpdate::Commit(commit) => {
            Observed::Commit { change: commit.change(), after: commit.after() }
        }
        StagedUpdate::Proposals(proposals) => {
            Observed::Proposals { change: proposals.change(), view: group.view() }
        }
    }
}

impl HotRoom for HubRoom {
    fn snapshot(&mut self, room: &MimiUri) -> Option<Snapshot> {
        let seq = self.state.last_seq;
        if seq == self.saved_seq {
            return None;
        }
        self.state.snapshot_taken();
        self.saved_seq = seq;
        let snapshot = HubSnapshot { group: self.group.snapshot(), state: self.state.clone() };
        let octets = snapshot.encode();
        self.octets = octets.len();
        Some(Snapshot { room: room.clone(), seq, octets })
    }

    fn octets(&self) -> usize {
        self.octets
    }
}

impl HubLock {
    pub(super) fn new(locked: Locked<HubRoom>) -> Self {
        Self(locked)
    }

    /// The room.
    pub(crate) fn room(&self) -> &HubRoom {
        self.0.get().expect("a HubLock is made with its room, and ends when it is cleared")
    }

    /// Follows a decision in memory and queues it for storage. `staged` is what the decision was
    /// about. The answer may be given once the second result is durable, without the lock.
    pub(crate) fn record<R>(
        &mut self,
        provider: &Arc<Provider>,
        transition: Transition<R>,
        staged: Option<StagedUpdate>,
    ) -> Result<(R, Enqueued), Reject> {
        let Transition { changes, expect, effects, reply } = transition;
        let changes_room = staged.is_some();
        if let Err(error) = self.follow(&changes, staged) {
            self.0.clear();
            return Err(Reject::Internal(error));
        }
        if changes_room {
            provider.proxy.rooms.learn(self.room().group.view());
        }
        Ok((reply, self.enqueue(provider, changes, expect, effects)))
    }

    /// What was decided about is what the first commit or bundle of proposals among the entries
    /// holds; what the hub proposes behind a commit is for the state that commit leads to.
    fn follow(
        &mut self,
        changes: &[Change],
        mut staged: Option<StagedUpdate>,
    ) -> Result<(), String> {
        let room = self.0.get_mut().expect("a HubLock is made with its room");
        for change in changes {
            let Change::Append(event) = change else { continue };
            let is_handshake = matches!(event.kind, EventKind::Commit | EventKind::Proposal);
            match staged.take_if(|_| is_handshake) {
                Some(staged) => room.take(event, staged)?,
                None => room.replay(event).map_err(|reject| reject.to_string())?,
            }
        }
        Ok(())
    }

    fn enqueue(
        &self,
        provider: &Arc<Provider>,
        changes: Vec<Change>,
        expect: Vec<Expect>,
        effects: Vec<mimi_provider::Effect>,
    ) -> Enqueued {
        let forget = Box::pin(self.0.slot().forget());
        provider.enqueue(changes, expect, effects, Some(forget))
    }

    /// Resolves when everything recorded so far is durable. Ends the lock.
    pub(crate) async fn barrier(self, provider: &Arc<Provider>) -> Result<(), StoreError> {
        let stream = self.0.uri().clone();
        let seq = self.room().state.last_seq;
        let expect = vec![Expect::StreamSeq { stream, seq }];
        let reached = self.enqueue(provider, Vec::new(), expect, Vec::new());
        drop(self);
        reached.durable().await.map(drop)
    }

    /// Queues a snapshot of what has been recorded. Nobody waits for it.
    pub(crate) fn save_snapshot(&mut self, provider: &Arc<Provider>) {
        let uri = self.0.uri().clone();
        if let Some(snapshot) = self.0.get_mut().and_then(|room| room.snapshot(&uri)) {
            snapshot.enqueue(provider);
        }
    }
}
