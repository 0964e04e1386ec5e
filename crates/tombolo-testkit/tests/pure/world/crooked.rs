//! A hub that cheats. What it decides, it decides as others do, but for a while it judges nobody, and what it
//! sends is not what it has: entries are left out, doubled, in another order, of another time, of another
//! room, of a commit that has lost, and not the same for all; GroupInfo and KeyPackages are others than
//! those that were asked for.
//!
//! Of its own rooms it is only held then that nobody shows what its writer has not written there, that
//! nothing is told twice or from the future, that no device follows a commit that broke the rules, and that
//! whoever is in such a room is where its hub is, or knows that something is wrong, once the room has gone on
//! behind the cheating. Its own people may miss what it will. Everything else holds as ever.

use std::collections::{BTreeMap, BTreeSet};

use mimi_mls::member::epoch_of;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::key_material::KeyMaterialResponse;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::capability::Capability;
use mimi_wire::{MimiUri, Wire as _};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tombolo_client::RoomStatus;
use tombolo_client::session::command::Command;
use tombolo_client::session::request::Request;
use tombolo_client::session::stream_event::{StreamEvent, StreamEventKind};
use tombolo_store::Store as _;
use tombolo_testkit::simulation::ledger::Rule;

use super::watching::holds;
use super::{Back, Doing, Op, Said, World};
use crate::pure::disk::now;
use crate::pure::node::CheatedGroupInfo;

/// What is remembered of each kind to cheat with.
const KEPT_MAX: usize = 40;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Crook {
    node: usize,
    until_ms: u64,
    rng: StdRng,
    /// What was sent, of all rooms.
    sent: Vec<(MimiUri, FanoutMessage)>,
    /// Commits that it has not taken.
    lost: Vec<(MimiUri, MlsMessage)>,
    forks: u64,
    /// KeyPackages that it has given out.
    keys: Vec<KeyMaterialResponse>,
    /// Epochs that nobody had a right to begin.
    forbidden: BTreeSet<(MimiUri, u64)>,
    /// Devices with whose keys somebody has made commits in a room: for them those are their own.
    makers: BTreeSet<(usize, MimiUri)>,
    /// Rooms that have gone on since, and the epoch they were in before that.
    gone_on: Vec<(MimiUri, u64)>,
    /// By device and room: the last epoch it was seen in, if it has followed the room since.
    followed: BTreeMap<(usize, MimiUri), u64>,
}

fn keep<T>(kept: &mut Vec<T>, one: T, rng: &mut StdRng) {
    if kept.len() < KEPT_MAX {
        return kept.push(one);
    }
    kept[rng.random_range(0..KEPT_MAX)] = one;
}

impl Crook {
    fn distort_one(&mut self, room: &MimiUri, message: FanoutMessage) -> Vec<FanoutMessage> {
        let timestamp = message.timestamp;
        match self.rng.random_range(0..12) {
            0 => Vec::new(),
            1 => vec![message.clone(), message],
            2 => vec![FanoutMessage { timestamp: timestamp + 1, ..message.clone() }, message],
            3 => vec![FanoutMessage { timestamp: timestamp + DAY_MS, ..message }],
            4 => vec![FanoutMessage { timestamp: timestamp.saturating_sub(DAY_MS), ..message }],
            // Something earlier, once more, as if it were new.
            5 => {
                let own = self.sent.iter().filter(|(of, _)| of == room);
                let own: Vec<_> = own.map(|(_, earlier)| earlier.clone()).collect();
                let again = own.choose(&mut self.rng).cloned();
                let again =
                    again.map(|earlier| FanoutMessage { timestamp: timestamp + 1, ..earlier });
                std::iter::once(message).chain(again).collect()
            }
            // Of another room.
            6 | 7 => {
                let other = self.sent.iter().filter(|(of, _)| of != room);
                let other: Vec<_> = other.map(|(_, it)| it.clone()).collect();
                let other = other.choose(&mut self.rng).cloned();
                other.into_iter().chain([message]).collect()
            }
            // The commit that has lost, for whoever gets this.
            8..10 => {
                let epoch = epoch_of(&message.message);
                let is_same = |(of, lost): &&(MimiUri, MlsMessage)| {
                    of == room && epoch_of(lost) == epoch && *lost != message.message
                };
                let is_commit = matches!(message.kind, FanoutKind::Commit { .. });
                let lost = self.lost.iter().find(is_same).filter(|_| is_commit);
                match lost {
                    Some((_, lost)) => {
                        self.forks += 1;
                        vec![FanoutMessage { message: lost.clone(), ..message }]
                    }
                    None => vec![message],
                }
            }
            _ => vec![message],
        }
    }

    fn distort(&mut self, room: &MimiUri, messages: Vec<FanoutMessage>) -> Vec<FanoutMessage> {
        let mut sent = Vec::new();
        for message in messages {
            keep(&mut self.sent, (room.clone(), message.clone()), &mut self.rng);
            match self.rng.random_range(0..2) {
                0 => sent.extend(self.distort_one(room, message)),
                _ => sent.push(message),
            }
        }
        if sent.len() > 1 && self.rng.random_range(0..4) == 0 {
            let at = self.rng.random_range(1..sent.len());
            sent.swap(at - 1, at);
        }
        sent
    }
}

impl World {
    /// A hub begins to cheat.
    pub(super) fn cheat(&mut self, node: usize, for_ms: u64) {
        if !self.plan.has_crooks {
            // There, planted faults are the way to a hub that cheats.
            return;
        }
        let domain = self.nodes[node].domain().clone();
        self.ledger.cheats(&domain);
        let seed = self.now_ms ^ 0x6372_6f6f_6b00;
        let until_ms = self.now_ms + for_ms;
        let crook = self.crook.get_or_insert_with(|| {
            Box::new(Crook {
                node,
                until_ms,
                rng: StdRng::seed_from_u64(seed),
                sent: Vec::new(),
                lost: Vec::new(),
                forks: 0,
                keys: Vec::new(),
                forbidden: BTreeSet::new(),
                makers: BTreeSet::new(),
                gone_on: Vec::new(),
                followed: BTreeMap::new(),
            })
        });
        crook.until_ms = crook.until_ms.max(until_ms);
        self.nodes[node].cheats(true);
    }

    /// Whether its time is over.
    pub(super) fn crook_is_done(&self) -> bool {
        self.crook.as_ref().is_none_or(|crook| crook.until_ms <= self.now_ms)
    }

    /// It does no longer.
    pub(super) fn reform(&mut self) {
        if let Some(crook) = &mut self.crook {
            crook.until_ms = 0;
            let node = crook.node;
            self.nodes[node].cheats(false);
        }
    }

    fn cheating(&mut self, node: usize) -> Option<&mut Crook> {
        let now_ms = self.now_ms;
        let crook = self.crook.as_deref_mut();
        crook.filter(|crook| crook.node == node && now_ms < crook.until_ms)
    }

    /// Whether what is known of a node is worth nothing.
    pub(super) fn is_crooked_node(&self, node: usize) -> bool {
        self.crook.as_ref().is_some_and(|crook| crook.node == node)
    }

    /// What it sends to a follower.
    pub(super) fn cheat_call(&mut self, from: usize, op: Op) -> Op {
        let own = self.nodes[from].domain().clone();
        let Some(crook) = self.cheating(from) else { return op };
        let Op::Notify { room, body } = &op else { return op };
        let Ok(messages) = FanoutMessage::decode_all(body) else { return op };
        if room.domain() != own {
            return op;
        }
        let sent = crook.distort(room, messages);
        if sent.is_empty() {
            // Something has to be in a body; what was sent before says nothing new.
            let again = crook.sent.iter().find(|(of, _)| of == room).map(|(_, it)| it.encode());
            let Some(again) = again else { return op };
            self.seen.one("cheated: entries withheld");
            return Op::Notify { room: room.clone(), body: again.into() };
        }
        let body: Vec<u8> = sent.iter().flat_map(|message| message.encode()).collect();
        if let Op::Notify { body: before, .. } = &op
            && before[..] != body[..]
        {
            self.seen.one("cheated: notify");
        }
        Op::Notify { room: room.clone(), body: body.into() }
    }

    /// What it sends to its own devices. Numbers of entries grow all the same: else nothing is read.
    pub(super) fn cheat_event(&mut self, node: usize, event: StreamEvent) -> Option<StreamEvent> {
        let own = self.nodes[node].domain().clone();
        let Some(crook) = self.cheating(node) else { return Some(event) };
        if event.stream.domain() != own {
            return Some(event);
        }
        let Ok(message) = FanoutMessage::decode(&event.payload) else { return Some(event) };
        let sent = crook.distort(&event.stream, vec![message]);
        let Some(message) = sent.choose(&mut crook.rng) else {
            self.seen.one("cheated: entries withheld");
            return None;
        };
        let kind = match &message.kind {
            FanoutKind::Application { .. } => StreamEventKind::Application,
            FanoutKind::Commit { .. } => StreamEventKind::Commit,
            FanoutKind::Proposal { .. } => StreamEventKind::Proposal,
            FanoutKind::Welcome { .. } => StreamEventKind::Welcome,
        };
        let (payload, timestamp_ms) = (message.encode(), message.timestamp);
        if payload != event.payload {
            self.seen.one("cheated: events");
        }
        Some(StreamEvent { kind, payload, timestamp_ms, ..event })
    }

    /// What it answers.
    pub(super) fn cheat_answer(&mut self, node: usize, back: &Back, said: Said) -> Said {
        if !matches!(back, Back::Peer { .. } | Back::Client { .. }) {
            return said;
        }
        let Some(crook) = self.cheating(node) else { return said };
        let Said::KeyMaterial(mut response) = said else { return said };
        if response.clients.is_empty() {
            return Said::KeyMaterial(response);
        }
        keep(&mut crook.keys, response.clone(), &mut crook.rng);
        if crook.rng.random_range(0..3) == 0
            && let Some(other) = crook.keys.choose(&mut crook.rng)
        {
            // Those of somebody else, or those that were given before.
            let named = response.clients.clone();
            response.clients = other.clients.clone();
            if crook.rng.random() {
                for (client, named) in response.clients.iter_mut().zip(named) {
                    client.client_uri = named.client_uri;
                }
            } else if crook.rng.random() {
                response.user_uri = other.user_uri.clone();
            }
            self.seen.one("cheated: KeyPackages");
        }
        Said::KeyMaterial(response)
    }

    /// A request comes to it: commits that lose are of use later.
    pub(super) fn cheat_asked(&mut self, node: usize, op: &Op) {
        let Some(crook) = self.cheating(node) else { return };
        let (Op::Update { room, body } | Op::Client(Request::Update { room, body })) = op else {
            return;
        };
        if let Ok(UpdateRequest::Commit(bundle)) = UpdateRequest::decode(body) {
            keep(&mut crook.lost, (room.clone(), bundle.commit), &mut crook.rng);
        }
    }

    /// Whether a room is at the hub that cheats: what waits for its word may wait for ever.
    pub(super) fn is_of_crook(&self, room: &MimiUri) -> bool {
        let node = self.crook.as_ref().map(|crook| crook.node);
        node.is_some_and(|node| *self.nodes[node].domain() == room.domain())
    }

    /// Somebody makes commits with a device's keys.
    pub(super) fn makes_commits(&mut self, device: usize, room: &MimiUri) {
        if let Some(crook) = &mut self.crook {
            crook.makers.insert((device, room.clone()));
        }
    }

    /// It has taken a commit that breaks the rules.
    pub(super) fn forbidden_epoch(&mut self, node: usize, room: MimiUri, epoch: u64) {
        if let Some(crook) = self.crook.as_mut().filter(|crook| crook.node == node) {
            crook.forbidden.insert((room, epoch));
            self.seen.one("cheated: forbidden commits taken");
        }
    }

    /// A device is seen in an epoch; `anew` if it has not followed the room to there.
    pub(super) fn follows(&mut self, device: usize, room: &MimiUri, epoch: u64, anew: bool) {
        let Some(crook) = self.crook.as_mut() else { return };
        let before = crook.followed.insert((device, room.clone()), epoch);
        let is_next = before.is_some_and(|before| before + 1 == epoch) && !anew;
        let is_its_own = crook.makers.contains(&(device, room.clone()));
        if is_next && !is_its_own && crook.forbidden.contains(&(room.clone(), epoch)) {
            let name = &self.devices[device].name;
            let what = format!("{name} follows a commit that breaks the rules, to epoch {epoch}");
            self.ledger.broken(Rule::Write, format!("{what} of {room}"));
        }
    }

    /// Nobody cheats any more: in each of its rooms somebody who is where the hub is changes something, so that
    /// whoever is elsewhere can know.
    pub(super) fn go_on(&mut self) {
        let Some(node) = self.crook.as_ref().map(|crook| crook.node) else { return };
        for room in now(self.nodes[node].disk.store.hosted_rooms()) {
            let Ok(hub) = self.nodes[node].hub(&room) else { continue };
            let (epoch, tree_hash) = (hub.group.view().epoch, hub.group.tree_hash().to_vec());
            let able = (0..self.devices.len()).find(|it| {
                let device = &self.devices[*it];
                let state = device.session.room(&room).ok().filter(|_| !device.is_signed_out);
                state.is_some_and(|state| {
                    state.status == RoomStatus::Joined
                        && (state.epoch, &state.tree_hash) == (epoch, &tree_hash)
                        && holds(&state, &device.user, Capability::CAN_CHANGE_ROOM_NAME)
                })
            });
            let Some(able) = able else { continue };
            self.texts += 1;
            let name = format!("name {}", self.texts);
            let command = Command::RenameRoom { room: room.clone(), name };
            self.start(able, command, Doing::Other("rename"));
            if let Some(crook) = &mut self.crook {
                crook.gone_on.push((room, epoch));
            }
        }
    }

    /// In the end: who is in a room of a hub that has cheated, is where it is.
    pub(super) fn end_crook(&mut self) {
        if let Some(crook) = &self.crook {
            self.seen.some("cheated: other commits for some", crook.forks);
        }
        let Some((node, gone_on)) = self.crook.as_ref().map(|it| (it.node, it.gone_on.clone()))
        else {
            return;
        };
        for (room, before) in gone_on {
            let Ok(hub) = self.nodes[node].hub(&room) else { continue };
            let there = (hub.group.view().epoch, hub.group.tree_hash().to_vec());
            if there.0 <= before {
                continue;
            }
            let members = hub.group.view().clients.clone();
            for device in self.devices.iter().filter(|device| !device.is_signed_out) {
                let Ok(state) = device.session.room(&room) else { continue };
                let is_member = members.iter().any(|it| Some(&it.client) == device.client.as_ref());
                // The hub may have told its provider that it is out: who hears nothing cannot know.
                let heard = now(self.nodes[device.node].disk.store.stream_clients(&room));
                let hears = device.client.as_ref().is_some_and(|client| heard.contains(client));
                if state.status != RoomStatus::Joined || !is_member || !hears {
                    continue;
                }
                self.seen.one("histories compared after cheating");
                if state.epoch < there.0 {
                    // From whom a hub keeps its commits cannot know of them.
                    self.seen.one("histories that a hub that cheats kept back");
                } else if (state.epoch, &state.tree_hash) != (there.0, &there.1) {
                    let what = format!("{} is in an epoch {} of {room}", device.name, state.epoch);
                    let what =
                        format!("{what} that is not its hub\'s, in {}, and does not know", there.0);
                    self.ledger.broken(Rule::Fork, what);
                }
            }
        }
    }

    pub(super) fn cheated_group_info(&mut self, how: CheatedGroupInfo) {
        self.seen.one(format!("cheated: GroupInfo: {how:?}"));
    }
}
