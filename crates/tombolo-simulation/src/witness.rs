//! Reads what hubs have made durable, and holds every step of it against the ledger.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use mimi_mls::hub::{HubGroup, StagedUpdate, application_frame};
use mimi_policy::change::{Actor, ProposedChange, StagedChange};
use mimi_policy::{Judge, RoomView};
use mimi_provider::hub::state::{Evicted, HubSnapshot, HubState, Observed};
use mimi_provider::hub::update::parent_of;
use mimi_provider::record::{EventKind, NewEvent};
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::capability::Capability;
use mimi_wire::{Domain, MimiUri, Wire};
use tombolo_store::sqlite::SqliteStore;
use tombolo_store::{Store, StoreFuture};
use tombolo_testkit::simulation::ledger::{Accepted, Epoch, Ledger, Room, Rule};

use crate::book::{Book, Overheard};
use crate::device::shown;
use crate::disk::Disk;

/// Entries that are read at once.
const PAGE: usize = 1_000;

/// The rooms of one hub, as its disk says.
#[derive(Debug, Default)]
pub struct Witness {
    rooms: BTreeMap<MimiUri, Watched>,
    commits: u64,
    /// Rooms that were put back, and the entry up to which they are in the ledger.
    put_back: BTreeMap<MimiUri, u64>,
}

#[derive(Debug)]
struct Watched {
    group: HubGroup,
    seq: u64,
    /// Messages up to here are in the ledger.
    known_seq: u64,
    /// Users, and clients, of whom it is accepted, and not committed, that they go.
    leaving: BTreeSet<MimiUri>,
    /// Nothing was proposed or noted since the last commit.
    is_settled: bool,
    /// What hubs note for themselves: of it, whom they want out.
    notes: HubState,
}

fn now<T>(future: StoreFuture<'_, T>) -> T {
    future
        .now_or_never()
        .expect("without threads the store answers at once")
        .expect("it can be read")
}

impl Witness {
    /// Reads what has become durable since it last looked.
    pub fn look(&mut self, disk: &Disk, book: &Book) {
        let commits = disk.commits();
        if commits == self.commits {
            return;
        }
        let Some(durable) = disk.durable() else { return };
        self.commits = commits;
        for reference in disk.take_released() {
            book.pages().ledger.key_package(&reference);
        }
        for room in now(durable.hosted_rooms()) {
            if let Some(watched) = self.watched(&durable, &room, book) {
                watched.follow(&durable, &room, book);
            }
        }
    }

    fn watched(
        &mut self,
        durable: &SqliteStore,
        room: &MimiUri,
        book: &Book,
    ) -> Option<&mut Watched> {
        if !self.rooms.contains_key(room) {
            let stored = now(durable.room(room))?;
            let snapshot = HubSnapshot::decode(&stored.snapshot).ok()?;
            let group = HubGroup::restore(&snapshot.group).ok()?;
            let (seq, leaving) = (stored.snapshot_seq, BTreeSet::new());
            let known_seq = self.put_back.get(room).copied().unwrap_or_default();
            let mut watched = Watched {
                group,
                seq,
                known_seq,
                leaving,
                is_settled: false,
                notes: snapshot.state,
            };
            book.note(|| format!("{room} is there"));
            // A room that was put back has a beginning already, and perhaps a later snapshot.
            let is_new = !book.pages().rooms.contains_key(room);
            if is_new {
                let mut pages = book.pages();
                pages.rooms.insert(room.clone(), watched.group.view().epoch);
                watched.note_founding(&mut pages.ledger, room);
                drop(pages);
                watched.take_founding(durable, room, book);
                watched.note_epoch(&mut book.pages().ledger, room);
            }
            self.rooms.insert(room.clone(), watched);
        }
        self.rooms.get_mut(room)
    }

    /// The hub was put back: what is not on its disk any more has not happened.
    pub fn put_back(&mut self, disk: &Disk, book: &Book) {
        disk.start().expect("a copy can be opened");
        let durable = disk.durable().expect("it was opened");
        for room in std::mem::take(&mut self.rooms).into_keys() {
            let seq = now(durable.last_seq(&room));
            book.pages().ledger.put_back(&room, seq);
            self.put_back.insert(room, seq);
        }
        self.commits = 0;
    }

    /// Whether a client is a member that goes, or that the hub wants out, and nobody has committed it.
    pub fn is_on_its_way_out(&self, room: &MimiUri, client: &MimiUri) -> bool {
        let Some(watched) = self.rooms.get(room) else { return false };
        let mut members = watched.group.view().clients.iter();
        members.find(|it| it.client == *client).is_some_and(|it| {
            watched.is_leaving(&it.user, client) || watched.is_wanted_out(&it.user, client)
        })
    }

    /// Clients that are in a room and should be on their way out: those that their provider does not
    /// know any more, and those that have gone from the room that this one depends on.
    pub fn left_behind(&self, is_known: impl Fn(&MimiUri, &MimiUri) -> bool) -> Vec<String> {
        let mut behind = Vec::new();
        for (room, watched) in &self.rooms {
            let view = watched.group.view();
            let parent = parent_of(view).filter(|parent| parent != room);
            let parent = parent.and_then(|parent| self.rooms.get(&parent));
            for inside in &view.clients {
                let (user, client) = (&inside.user, &inside.client);
                if watched.is_leaving(user, client) || watched.is_wanted_out(user, client) {
                    continue;
                }
                if !is_known(user, client) {
                    behind.push(format!("{client} is signed out and stays in {room}"));
                }
                if let Some(parent) = parent
                    && !parent.has_participant(user)
                {
                    behind.push(format!("{user} stays in {room}, and is not in its parent"));
                }
            }
        }
        behind
    }

    /// The rooms as they are now.
    pub fn rooms(&self) -> Vec<Room> {
        let rooms = self.rooms.values();
        rooms.map(|it| shown::room(it.group.view(), it.group.tree_hash())).collect()
    }
}

/// Users, and clients, of whom these proposals say that they go.
fn going(change: &StagedChange, view: &RoomView) -> Vec<MimiUri> {
    let of_leaf = |leaf| view.clients.iter().find(|it| it.leaf == leaf).map(|it| it.client.clone());
    let mut users = Vec::new();
    for proposal in &change.proposals {
        match (&proposal.change, &proposal.sender) {
            (ProposedChange::SelfRemove, Actor::Member { user, .. }) => users.push(user.clone()),
            (ProposedChange::RemoveClient(leaf), _) => users.extend(of_leaf(*leaf)),
            (ProposedChange::ParticipantList(update), _) => {
                let positions = update.removed_indices.iter();
                let removed = positions.filter_map(|at| usize::try_from(*at).ok());
                let listed = &view.participants.participants;
                users.extend(removed.filter_map(|at| Some(listed.get(at)?.user.clone())));
            }
            _ => {}
        }
    }
    users
}

impl Watched {
    fn has_participant(&self, user: &MimiUri) -> bool {
        let participants = &self.group.view().participants.participants;
        participants.iter().any(|pair| pair.user == *user)
    }

    /// A room's policy may not let its hub say so.
    fn is_wanted_out(&self, user: &MimiUri, client: &MimiUri) -> bool {
        self.notes.evicting.iter().any(|evicted| match evicted {
            Evicted::User(gone) => gone == user,
            Evicted::Client(gone) => gone == client,
        })
    }

    fn is_leaving(&self, user: &MimiUri, client: &MimiUri) -> bool {
        self.leaving.contains(user) || self.leaving.contains(client)
    }

    fn follow(&mut self, durable: &SqliteStore, room: &MimiUri, book: &Book) {
        for logged in now(durable.log(room, self.seq, PAGE)) {
            let seq = self.seq + 1;
            let event = &logged.event;
            if event.seq != seq {
                let what = format!("{room}: entry {} where {seq} should be", event.seq);
                book.pages().ledger.broken(Rule::Order, what);
            }
            self.seq = event.seq;
            for left_out in self.left_out(event, room) {
                let what = format!("{room}: entry {} is not for {left_out}", event.seq);
                book.pages().ledger.broken(Rule::Drain, what);
            }
            match event.kind {
                EventKind::Commit => self.is_settled = true,
                EventKind::Proposal | EventKind::HubNote => self.is_settled = false,
                _ => {}
            }
            if let Err(what) = self.take(event, room, book) {
                let what = format!("{room}: entry {}: {what}", event.seq);
                book.pages().ledger.broken(Rule::Agreement, what);
            }
        }
    }

    /// Providers with members who may read a message and to which it will not be delivered, as it
    /// stands in the file. Not looked at while somebody may be on the way out.
    fn left_out(&self, event: &NewEvent, room: &MimiUri) -> BTreeSet<Domain> {
        if event.kind != EventKind::Application || !self.is_settled {
            return BTreeSet::new();
        }
        let view = self.group.view();
        let may_read = |user: &MimiUri| {
            let listed = view.participants.participants.iter().find(|it| it.user == *user);
            let role = listed.and_then(|it| view.role(it.role_index));
            role.is_some_and(|it| it.role_capabilities.contains(&Capability::CAN_RECEIVE_MESSAGE))
        };
        let readers = view.clients.iter().filter(|it| may_read(&it.user));
        let followers = readers.map(|it| it.user.domain()).filter(|it| *it != room.domain());
        followers.filter(|domain| !event.audience.contains(domain)).collect()
    }

    fn take(&mut self, event: &NewEvent, room: &MimiUri, book: &Book) -> Result<(), String> {
        for follower in &event.audience {
            let (to, from) = (follower.clone(), room.domain());
            let (endpoint, about) = (Endpoint::Notify, room.clone());
            let body = event.payload.clone().into();
            book.hear(Overheard { to, from, endpoint, about, body });
        }
        match event.kind {
            EventKind::Commit | EventKind::Proposal => {
                let request = UpdateRequest::decode(&event.detail).map_err(|it| it.to_string())?;
                let staged = self.group.stage_again(&request, event.timestamp_ms);
                if let Ok(StagedUpdate::Proposals(proposals)) = &staged {
                    self.leaving.extend(going(proposals.change(), self.group.view()));
                }
                self.group
                    .merge(staged.map_err(|it| it.to_string())?)
                    .map_err(|it| it.to_string())?;
                let clients = self.group.view().clients.clone();
                self.leaving
                    .retain(|gone| clients.iter().any(|it| it.user == *gone || it.client == *gone));
                let leaving =
                    clients.into_iter().filter(|it| self.is_leaving(&it.user, &it.client));
                let leaving = leaving.map(|it| it.client).collect();
                book.pages().ledger.leaving(room, event.seq, leaving);
                if event.kind == EventKind::Commit {
                    let epoch = self.group.view().epoch;
                    book.note(|| format!("{room} is in epoch {epoch}"));
                    self.note_epoch(&mut book.pages().ledger, room);
                }
            }
            EventKind::Application if event.seq <= self.known_seq => {}
            EventKind::Application => {
                let fanout = FanoutMessage::decode(&event.payload).map_err(|it| it.to_string())?;
                let octets = fanout.message.octets().to_vec();
                let frame = application_frame(&fanout.message).map_err(|it| it.to_string())?;
                let sender = book.pages().senders.get(&octets).cloned();
                let sender = sender.ok_or("a message that no device has sent")?;
                book.note(|| format!("{room} has message {} of {sender}", event.seq));
                let accepted = Accepted {
                    seq: event.seq,
                    timestamp_ms: event.timestamp_ms,
                    epoch: frame.epoch,
                    sender,
                    octets,
                };
                book.pages().ledger.accepted(room, accepted);
            }
            EventKind::HubNote => {
                self.notes.last_seq = event.seq.saturating_sub(1);
                let noted = self.notes.observe(event, Observed::Plain);
                noted.map_err(|error| error.to_string())?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A room that reaches its hub with its first members has had an epoch in which its creator was
    /// alone, and in which it may have written.
    fn note_founding(&self, ledger: &mut Ledger, room: &MimiUri) {
        let view = self.group.view();
        let Some(creator) = view.clients.first().filter(|_| view.epoch == 1) else { return };
        let (client, user) = (creator.client.clone(), creator.user.clone());
        let writers = [user.clone()].into();
        let members = [(client, user)].into();
        ledger.epoch(room, 0, Epoch { seq: 0, tree_hash: Vec::new(), members, writers });
    }

    /// What was written before the room was first looked at.
    fn take_founding(&mut self, durable: &SqliteStore, room: &MimiUri, book: &Book) {
        for logged in now(durable.log(room, 0, PAGE)) {
            let event = &logged.event;
            if event.seq <= self.seq && event.kind == EventKind::Application {
                self.take(event, room, book).unwrap_or_else(|what| {
                    book.pages().ledger.broken(Rule::Agreement, format!("{room}: {what}"));
                });
            }
        }
    }

    fn note_epoch(&self, ledger: &mut Ledger, room: &MimiUri) {
        let view = self.group.view();
        let clients = view.clients.iter();
        let members = clients.map(|it| (it.client.clone(), it.user.clone())).collect();
        let users = view.participants.participants.iter().map(|pair| &pair.user);
        let writers = users.filter(|user| Judge::of(view).may_submit(user).is_ok());
        let epoch = Epoch {
            seq: self.seq,
            tree_hash: self.group.tree_hash().to_vec(),
            members,
            writers: writers.cloned().collect(),
        };
        ledger.epoch(room, view.epoch, epoch);
    }
}
