//! What is looked at beside the ledger: whose words a device shows and in which order, what its stream brings
//! it, whose KeyPackages are given to whom, how often a code is used.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::{ClientView, RoomView};
use mimi_provider::hub::state::{Evicted, HubState};
use mimi_provider::hub::update::parent_of;
use mimi_provider::record::LoggedEvent;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::limits::CLOCK_SKEW_MS_MAX;
use mimi_wire::room::capability::Capability;
use sha2::{Digest as _, Sha256};
use tombolo_client::session::stream_event::{StreamEvent, StreamEventKind};
use tombolo_client::{RoomState, ShownMessage};
use tombolo_store::Store as _;
use tombolo_testkit::simulation::ledger::{Line, Rule};

use super::World;
use crate::pure::disk::now;
use crate::pure::node::{Fact, uses_of};

/// How far clocks of providers are off in all.
const CLOCKS_MS_MAX: u64 = 60 * 60 * 1_000;

/// What a person has said about letting another one make contact.
#[derive(Debug, Default)]
struct Words {
    /// Times it was said yes to that have not ended.
    open: u32,
    yes: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// By text: the device that wrote it, its user, the room and a number that grows.
    authors: BTreeMap<String, Author>,
    /// By device and room: what its stream has brought, and as which entry.
    brought: BTreeMap<(usize, MimiUri), BTreeMap<[u8; 32], u64>>,
    /// By who is asked and who asks.
    words: BTreeMap<(MimiUri, MimiUri), Words>,
    /// By room and code.
    code_uses: BTreeMap<(MimiUri, Vec<u8>), u32>,
    /// Clients that were signed out, and the rooms of their own provider that they were in.
    signed_out: Vec<(MimiUri, MimiUri)>,
    /// Messages that somebody without the right has taken back.
    spared: BTreeSet<MessageId>,
    /// Messages that somebody else may have taken back.
    taken_back: BTreeSet<MessageId>,
    /// A provider was put back: what it had promised may be gone.
    went_back: bool,
}

#[derive(Debug)]
struct Author {
    device: usize,
    user: MimiUri,
    room: MimiUri,
    number: u64,
}

impl Watch {
    pub(super) fn went_back(&mut self) {
        self.went_back = true;
    }

    /// A text is begun, be it new or in the place of another one.
    pub(super) fn writes(&mut self, device: usize, user: &MimiUri, room: &MimiUri, text: &str) {
        let number = self.authors.len() as u64;
        let (user, room) = (user.clone(), room.clone());
        self.authors.insert(text.to_owned(), Author { device, user, room, number });
    }

    /// Somebody without the right takes a message back.
    pub(super) fn spare(&mut self, id: MessageId) {
        if !self.taken_back.contains(&id) {
            self.spared.insert(id);
        }
    }

    pub(super) fn takes_back(&mut self, id: MessageId) {
        self.taken_back.insert(id);
        self.spared.remove(&id);
    }

    pub(super) fn begins_yes(&mut self, target: MimiUri, requester: MimiUri) {
        let words = self.words.entry((target, requester)).or_default();
        words.open += 1;
        words.yes = true;
    }

    pub(super) fn said_yes(&mut self, target: MimiUri, requester: MimiUri) {
        let words = self.words.entry((target, requester)).or_default();
        words.open = words.open.saturating_sub(1);
    }

    /// From now on it is no, unless a yes is still on its way.
    pub(super) fn said_no(&mut self, target: MimiUri, requester: MimiUri) {
        let words = self.words.entry((target, requester)).or_default();
        words.yes = words.open > 0;
    }

    fn lets_in(&self, target: &MimiUri, requester: &MimiUri) -> bool {
        let words = self.words.get(&(target.clone(), requester.clone()));
        target == requester || words.is_some_and(|words| words.yes)
    }
}

/// Whether the role that a user has, as its device sees it, holds a capability.
pub(super) fn holds(state: &RoomState, user: &MimiUri, capability: Capability) -> bool {
    let own = state.participants.iter().find(|it| it.user == *user);
    let role =
        own.and_then(|own| state.roles.roles.iter().find(|role| role.role_index == own.role_index));
    role.is_some_and(|role| role.role_capabilities.contains(&capability))
}

impl World {
    /// A fact that has nothing to do with what messages and epochs there are.
    pub(super) fn other_fact(&mut self, node: usize, fact: Fact) {
        if self.is_crooked_node(node) {
            if let Fact::Forbidden { room, epoch } = fact {
                self.forbidden_epoch(node, room, epoch);
            }
            return;
        }
        match fact {
            Fact::Broken { rule, what } => self.ledger.broken(rule, what),
            Fact::KeysGiven { target, to } => {
                let may = self.watch.went_back || self.watch.lets_in(&target, &to);
                if !may {
                    let what = format!("KeyPackages of {target} are given to {to}, who may not");
                    self.ledger.broken(Rule::Read, what);
                }
            }
            Fact::Founded { room } => self.is_only_one(node, &room),
            Fact::CodeUsed { room, code } => {
                self.seen.one("codes used");
                let used = self.watch.code_uses.entry((room.clone(), code.clone())).or_default();
                *used += 1;
                if let Some(most) = uses_of(&code)
                    && *used > most
                    && !self.watch.went_back
                {
                    let what = format!("{room}: {used} came in by a code for {most}");
                    self.ledger.broken(Rule::Write, what);
                }
            }
            _ => {}
        }
    }

    /// A room was founded: where the participants are fixed, they have no other one at this hub.
    fn is_only_one(&mut self, node: usize, room: &MimiUri) {
        let mut same = 0;
        let mut own = None;
        let rooms = now(self.nodes[node].disk.store.hosted_rooms());
        let mut sets = Vec::new();
        for hosted in rooms {
            let Ok(hub) = self.nodes[node].hub(&hosted) else { continue };
            let view = hub.group.view();
            let is_fixed = view.base_policy.as_ref().is_some_and(|it| it.fixed_membership);
            let goes = !hub.state.evicting.is_empty();
            let users = view.participants.participants.iter().map(|pair| pair.user.clone());
            let users: BTreeSet<MimiUri> = users.collect();
            match is_fixed && !goes {
                true if hosted == *room => own = Some(users),
                true => sets.push(users),
                false => {}
            }
        }
        if let Some(own) = own {
            same += sets.iter().filter(|set| **set == own).count();
        }
        if same > 0 && !self.watch.went_back {
            let what = format!("{room} is of people who have another room there");
            self.ledger.broken(Rule::Fork, what);
        }
    }

    /// What a stream is about to send is for its device.
    pub(super) fn is_for(&mut self, device: usize, page: &[LoggedEvent]) {
        let Some(client) = self.devices[device].client.clone() else { return };
        let named = |event: &&LoggedEvent| {
            event.event.targets.as_ref().is_some_and(|targets| !targets.contains(&client))
        };
        if let Some(wrong) = page.iter().find(named) {
            let (seq, stream) = (wrong.event.seq, &wrong.event.stream);
            self.ledger.broken(Rule::Read, format!("{client} is sent {seq} of {stream}"));
        }
    }

    /// A device's stream brings it an entry.
    pub(super) fn brought(&mut self, device: usize, event: &StreamEvent) {
        let Some(client) = self.devices[device].client.clone() else { return };
        let room = &event.stream;
        if self.watch.went_back || self.ledger.is_excused(&client, room) {
            return;
        }
        let kinds = [StreamEventKind::Application, StreamEventKind::Commit];
        if !kinds.contains(&event.kind) {
            return;
        }
        let hash: [u8; 32] = Sha256::digest(&event.payload).into();
        let known = self.watch.brought.entry((device, room.clone())).or_default();
        let earlier = *known.entry(hash).or_insert(event.id);
        if earlier != event.id {
            let what = format!("{client} is sent the entry {earlier} of {room} as {}", event.id);
            self.ledger.broken(Rule::Twice, what);
        }
        if event.kind == StreamEventKind::Application {
            self.ledger.is_sent(&client, room, event.timestamp_ms);
        }
    }

    /// Whose words a device shows, and in which order.
    pub(super) fn audit_words(&mut self, device: usize, room: &MimiUri, messages: &[ShownMessage]) {
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        let client = self.devices[device].client.clone();
        let excused = client.is_some_and(|client| self.ledger.is_excused(&client, room));
        let own = self.devices[device].user.clone();
        let mut found = Vec::new();
        let latest_ms = self.now_ms + CLOCK_SKEW_MS_MAX + CLOCKS_MS_MAX;
        for message in messages.iter().filter(|message| message.refused.is_none()) {
            // Of its own the hub alone says when.
            if message.timestamp_ms > latest_ms && message.sender != own {
                found.push((Rule::Order, format!("a message of {}", message.timestamp_ms)));
            }
            if message.deleted && self.watch.spared.contains(&message.id) && !excused {
                let what = format!("{} taken back by whoever may not", message.id);
                found.push((Rule::Write, what));
            }
            let now = message.text.as_ref().and_then(|text| self.watch.authors.get(text));
            if let Some(author) = now.filter(|author| author.user != message.sender) {
                let (text, sender) = (&message.text, &message.sender);
                found.push((Rule::Write, format!("{text:?} of {} for {sender}", author.user)));
            }
            let line: Line = crate::pure::device::line(message);
            let first = line.text.as_ref().and_then(|text| self.watch.authors.get(text));
            let Some(first) = first.filter(|first| first.room == *room) else { continue };
            let before = last.insert(first.device, first.number);
            if before.is_some_and(|before| before > first.number) && !excused {
                let what = format!("{:?} stands behind what was written later", line.text);
                found.push((Rule::Order, what));
            }
        }
        for (rule, what) in found {
            let name = &self.devices[device].name;
            self.ledger.broken(rule, format!("{name} shows {what} in {room}"));
        }
    }

    /// A device is signed out: where it is, it does not stay. Who adds it at the very moment brings it in all
    /// the same; the user's other devices see to that when they connect.
    pub(super) fn signed_out(&mut self, client: &MimiUri) {
        for room in self.rooms.iter().filter(|room| room.domain() == client.domain()) {
            if self.ledger.holds(room, client) {
                self.watch.signed_out.push((client.clone(), room.clone()));
            }
        }
    }

    /// Somebody who is in a room and not in the one it depends on, and whom its hub does not want out.
    fn orphan(&mut self, node: usize, child: &RoomView, state: &HubState) -> Option<MimiUri> {
        let parent = parent_of(child)?;
        let parent = self.nodes[node].hub(&parent).ok()?.group.view().clone();
        let lost = |client: &&ClientView| {
            let role = parent.role_index_of(&client.user);
            role.is_none_or(|role| role == 1)
                && !state.evicting.contains(&Evicted::User(client.user.clone()))
                && !state.leaving.contains(&client.user)
        };
        child.clients.iter().find(lost).map(|client| client.user.clone())
    }

    /// In the end: who is signed out is in no room of its own provider, and who is in a room is in the one
    /// that this depends on.
    pub(super) fn end_watch(&mut self) {
        let mut found = Vec::new();
        for node in 0..self.nodes.len() {
            let own = self.nodes[node].domain().clone();
            for room in now(self.nodes[node].disk.store.hosted_rooms()) {
                let Ok(hub) = self.nodes[node].hub(&room) else { continue };
                let view = hub.group.view().clone();
                let state = hub.state.clone();
                for client in view.clients.iter().filter(|it| it.client.domain() == own) {
                    let devices = now(self.nodes[node].disk.store.devices(&client.user));
                    let is_known = devices.iter().any(|it| it.client == client.client);
                    let goes = state.evicting.contains(&Evicted::Client(client.client.clone()))
                        || state.leaving.contains(&client.user)
                        || state.evicting.contains(&Evicted::User(client.user.clone()));
                    let left = (client.client.clone(), room.clone());
                    let was_in = self.watch.signed_out.contains(&left);
                    if was_in && !is_known && !goes {
                        let what = format!("{} is signed out, and in {room}", client.client);
                        found.push((Rule::Read, what));
                    }
                }
                if let Some(orphan) = self.orphan(node, &view, &state) {
                    found
                        .push((Rule::Read, format!("{orphan} stays in {room}, not in its parent")));
                }
            }
        }
        if self.watch.went_back {
            return;
        }
        for (rule, what) in found {
            self.ledger.broken(rule, what);
        }
    }
}
