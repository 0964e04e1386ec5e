//! Rooms in memory, derived from snapshot and log.

use std::collections::{BTreeMap, BTreeSet};

use mimi_mls::hub::{HubGroup, StagedUpdate};
use mimi_mls::roster::Roster;
use mimi_provider::follower::state::{FollowerSnapshot, FollowerState, RosterChange};
use mimi_provider::hub::audience::Readership;
use mimi_provider::hub::state::{Evicted, HubSnapshot, HubState, Observed};
use mimi_provider::hub::update::is_gone;
use mimi_provider::record::{EventKind, NewEvent, RoomKind};
use mimi_provider::{Change, Reject};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::UserRolePair;
use mimi_wire::room::roles::Role;
use mimi_wire::{MimiUri, Wire as _};
use tombolo_store::Store as _;
use tombolo_testkit::simulation::ledger::Epoch;

use super::{Fact, Node};
use crate::pure::disk::now;

/// Entries of a log read at once.
const PAGE: usize = 256;

pub(crate) struct HubRoom {
    pub(crate) group: HubGroup,
    pub(crate) state: HubState,
    /// Who reads in this epoch, once somebody has written.
    readership: Option<Readership>,
    /// What the log has just told of the commit behind it.
    replay: Option<Vec<u8>>,
}

pub(crate) struct FollowerRoom {
    pub(crate) roster: Roster,
    pub(crate) state: FollowerState,
}

impl HubRoom {
    fn replay(&mut self, event: &NewEvent) -> Result<(), String> {
        match event.kind {
            EventKind::Commit | EventKind::Proposal => {
                let request =
                    UpdateRequest::decode(&event.detail).map_err(|error| error.to_string())?;
                let staged = match self.replay.take() {
                    Some(replay) => self.group.stage_saved(&request, &replay),
                    None => self.group.stage_again(&request, event.timestamp_ms),
                };
                self.take(event, staged.map_err(|error| error.to_string())?)
            }
            _ => {
                self.replay = HubState::replay_in(event);
                self.state.observe(event, Observed::Plain).map_err(|error| error.to_string())
            }
        }
    }

    fn take(&mut self, event: &NewEvent, staged: StagedUpdate) -> Result<(), String> {
        self.replay = None;
        self.readership = None;
        let observed = match &staged {
            StagedUpdate::Commit(commit) => {
                Observed::Commit { change: commit.change(), after: commit.after() }
            }
            StagedUpdate::Proposals(proposals) => {
                Observed::Proposals { change: proposals.change(), view: self.group.view() }
            }
        };
        self.state.observe(event, observed).map_err(|error| error.to_string())?;
        self.group.merge(staged).map_err(|error| error.to_string())
    }

    /// Follows what was decided: `staged` is what the first handshake holds.
    pub(crate) fn follow(
        &mut self,
        changes: &[Change],
        mut staged: Option<StagedUpdate>,
    ) -> Result<(), Reject> {
        for change in changes {
            let Change::Append(event) = change else { continue };
            let is_handshake = matches!(event.kind, EventKind::Commit | EventKind::Proposal);
            let followed = match staged.take_if(|_| is_handshake) {
                Some(staged) => self.take(event, staged),
                None => self.replay(event),
            };
            followed.map_err(Reject::Internal)?;
        }
        Ok(())
    }

    pub(crate) fn snapshot(&mut self, room: &MimiUri) -> Change {
        self.state.snapshot_taken();
        let snapshot = HubSnapshot { group: self.group.snapshot(), state: self.state.clone() };
        let (room, seq) = (room.clone(), self.state.last_seq);
        Change::PutSnapshot { room, seq, snapshot: snapshot.encode() }
    }

    /// Who reads, as nothing is pending: kept as long as the epoch lasts.
    pub(crate) fn readership(&mut self, own: &mimi_wire::Domain) -> Readership {
        let view = self.group.view();
        self.readership.get_or_insert_with(|| Readership::of(view, own)).clone()
    }

    /// Who is on its way out, as the ledger is told.
    pub(crate) fn leaving(&self, room: &MimiUri) -> Fact {
        let clients = self.group.view().clients.iter().filter(|client| {
            self.state.leaving.contains(&client.user)
                || self.state.evicting.contains(&Evicted::User(client.user.clone()))
                || self.state.evicting.contains(&Evicted::Client(client.client.clone()))
        });
        let clients = clients.map(|client| client.client.clone()).collect();
        Fact::Leaving { room: room.clone(), seq: self.state.last_seq, clients }
    }

    /// The room's epoch, as the ledger is told.
    pub(crate) fn epoch(&self, room: &MimiUri, seq: u64) -> Fact {
        epoch(room, &self.group, seq)
    }
}

/// Whether a role sends messages of any kind.
fn writes_something(role: &Role) -> bool {
    let kinds = Capability::CAN_SEND_MESSAGE.0..=Capability::CAN_EDIT_OTHER_TOPIC.0;
    role.role_capabilities.iter().any(|capability| {
        *capability != Capability::CAN_RECEIVE_MESSAGE
            && *capability != Capability::CAN_COPY_MESSAGE
            && *capability != Capability::CAN_REPORT_ABUSE
            && kinds.contains(&capability.0)
    })
}

/// Written anew from what a view holds, without the judge: whoever is listed with a role that sends
/// something, and has a client in the group, may write.
pub(crate) fn epoch(room: &MimiUri, group: &HubGroup, seq: u64) -> Fact {
    let view = group.view();
    let members: BTreeMap<_, _> =
        view.clients.iter().map(|client| (client.client.clone(), client.user.clone())).collect();
    let writes = |pair: &&UserRolePair| view.role(pair.role_index).is_some_and(writes_something);
    let listed = view.participants.participants.iter().filter(writes);
    let writers: BTreeSet<_> = listed
        .map(|pair| pair.user.clone())
        .filter(|user| members.values().any(|of| of == user))
        .collect();
    let epoch = Epoch { seq, tree_hash: group.tree_hash().to_vec(), members, writers };
    Fact::Epoch { room: room.clone(), number: view.epoch, epoch }
}

impl FollowerRoom {
    fn replay(&mut self, event: &NewEvent) {
        let change = match event.kind {
            EventKind::Commit | EventKind::Proposal | EventKind::Welcome => {
                if !self.state.is_present() {
                    self.roster = Roster::default();
                }
                let message = FanoutMessage::decode(&event.payload).expect("written by ourselves");
                follow(&mut self.roster, &message)
            }
            _ => RosterChange::default(),
        };
        self.state.observe(event, &change);
    }

    pub(crate) fn snapshot(&mut self, room: &MimiUri) -> Change {
        self.state.snapshot_taken();
        let roster = self.roster.snapshot();
        let snapshot = FollowerSnapshot { roster, state: self.state.clone() };
        let (room, seq) = (room.clone(), self.state.last_seq);
        Change::PutSnapshot { room, seq, snapshot: snapshot.encode() }
    }
}

pub(crate) fn follow(roster: &mut Roster, message: &FanoutMessage) -> RosterChange {
    let change = roster.follow(message);
    RosterChange { joined: change.joined, left: change.left, welcomed: change.welcomed }
}

impl Node {
    /// A room hosted here.
    pub(crate) fn hub(&mut self, room: &MimiUri) -> Result<&mut HubRoom, Reject> {
        let unknown = || Reject::Unknown(format!("there is no room {room} here"));
        if room.domain() != *self.domain() {
            return Err(unknown());
        }
        if !self.hubs.contains_key(room) {
            let loaded = self.load_hub(room)?.ok_or_else(unknown)?;
            self.hubs.insert(room.clone(), loaded);
        }
        let hub = self.hubs.get_mut(room).expect("loaded above");
        // POLICY-BASE-7, AMB-PL-8: it died with its group.
        if is_gone(&hub.state, hub.group.view()) { Err(unknown()) } else { Ok(hub) }
    }

    fn load_hub(&self, room: &MimiUri) -> Result<Option<HubRoom>, Reject> {
        let damaged = |why: String| Reject::Internal(format!("{room} cannot be restored: {why}"));
        let stored = now(self.disk.store.room(room));
        let Some(stored) = stored.filter(|stored| stored.kind == RoomKind::Hub) else {
            return Ok(None);
        };
        let snapshot =
            HubSnapshot::decode(&stored.snapshot).map_err(|error| damaged(error.to_string()))?;
        let group =
            HubGroup::restore(&snapshot.group).map_err(|error| damaged(error.to_string()))?;
        let mut loaded = HubRoom { group, state: snapshot.state, readership: None, replay: None };
        loop {
            let page = now(self.disk.store.log(room, loaded.state.last_seq, PAGE));
            let Some(last) = page.last() else { return Ok(Some(loaded)) };
            for logged in &page {
                loaded.replay(&logged.event).map_err(damaged)?;
            }
            if loaded.state.last_seq != last.event.seq {
                return Err(damaged("its log has a gap".to_owned()));
            }
        }
    }

    /// Drops what is in memory of a room: it is not what the log says.
    pub(crate) fn forget(&mut self, room: &MimiUri) {
        self.hubs.remove(room);
        self.followers.remove(room);
    }

    /// Loads a room hosted elsewhere, if it is known.
    pub(crate) fn follower(&mut self, room: &MimiUri) -> Option<&mut FollowerRoom> {
        if !self.followers.contains_key(room) {
            let stored = now(self.disk.store.room(room));
            let stored = stored.filter(|stored| stored.kind == RoomKind::Follower)?;
            let snapshot = FollowerSnapshot::decode(&stored.snapshot).expect("our own snapshot");
            let roster = Roster::restore(&snapshot.roster).expect("our own roster");
            let mut loaded = FollowerRoom { roster, state: snapshot.state };
            for logged in now(self.disk.store.log(room, stored.snapshot_seq, usize::MAX)) {
                loaded.replay(&logged.event);
            }
            self.followers.insert(room.clone(), loaded);
        }
        self.followers.get_mut(room)
    }

    pub(crate) fn put_follower(&mut self, room: &MimiUri, loaded: FollowerRoom) {
        self.followers.insert(room.clone(), loaded);
    }
}
