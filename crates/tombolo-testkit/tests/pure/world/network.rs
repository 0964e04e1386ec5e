//! What travels, what does not, and how long it takes.

use std::collections::BTreeMap;

use mimi_provider::Reject;
use mimi_wire::Domain;
use rand::Rng as _;
use tombolo_client::session::request::{Outgoing, TransportError};
use tombolo_client::session::stream_event::{LogPosition, StreamEvent};
use tombolo_testkit::simulation::ledger::Rule;
use tombolo_testkit::simulation::plan::Misdeed;

use super::{
    Ask, Back, By, CLIENT_TIMEOUT_MS, Event, KEEP_ALIVE_MS, Op, PEER_TIMEOUT_MS, Said, World,
    stream_event, to_client,
};

/// An era that no log has; see the SDK's stream.
const NO_ERA: &str = "00000000000000000000000000000000";
/// How long opening a stream takes at most.
const STREAM_TIMEOUT_MS: u64 = 10_000;
/// What listeners remember.
const HEARD_MAX: usize = 200;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Place {
    Node(usize),
    Device(usize),
}

/// How the network is.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Who does not reach whom, and how often that was said.
    pub(crate) cut: BTreeMap<(Place, Place), u32>,
    pub(crate) lost_of_100: u32,
    pub(crate) doubled_of_100: u32,
    pub(crate) delay_ms_max: u64,
    /// Added by slow providers.
    pub(crate) slow_ms: BTreeMap<usize, u64>,
}

impl World {
    /// When packets arrive: none if lost, more than once if doubled.
    fn travel(&mut self, from: Place, to: Place, may_double: bool) -> Vec<u64> {
        if self.network.cut.contains_key(&(from, to)) {
            self.seen.one("packets on cut ways");
            return Vec::new();
        }
        if self.rng.random_range(0..100) < self.network.lost_of_100 {
            self.seen.one("packets lost");
            return Vec::new();
        }
        let doubled = may_double && self.rng.random_range(0..100) < self.network.doubled_of_100;
        if doubled {
            self.seen.one("packets doubled");
        }
        let base = if matches!((from, to), (Place::Node(_), Place::Node(_))) { 40 } else { 60 };
        let slow = match (from, to) {
            (Place::Node(node), _) => self.network.slow_ms.get(&node).copied().unwrap_or_default(),
            _ => 0,
        };
        let delay_max = base + self.network.delay_ms_max;
        let count = if doubled { 2 } else { 1 };
        (0..count).map(|_| slow + self.rng.random_range(1..=delay_max)).collect()
    }

    pub(super) fn send_request(&mut self, device: usize, outgoing: Outgoing) {
        let Outgoing { id, token, request } = outgoing;
        let (node, life) = (self.devices[device].node, self.devices[device].life);
        self.devices[device].asked.insert(id);
        self.overhear(device, &request);
        let back = Back::Client { device, life, id };
        let by = By::Client(token.map(|token| token.reveal().to_owned()));
        let op = Op::Client(request);
        let doubles = op.may_double();
        for ms in self.travel(Place::Device(device), Place::Node(node), doubles) {
            let ask = Ask { by: by.clone(), op: op.clone(), back: back.clone(), tries: 0 };
            self.after(ms, Event::Asked { node, ask });
        }
        let result = Err(TransportError::Unreachable("no answer".to_owned()));
        self.after(CLIENT_TIMEOUT_MS, Event::Answered { device, life, id, result });
    }

    pub(super) fn send_call(&mut self, from: usize, to: &Domain, op: Op, rpc: u64) {
        let op = self.cheat_call(from, op);
        let life = self.nodes[from].life;
        let by = By::Peer(self.nodes[from].domain().clone());
        let node = self.nodes.iter().position(|node| node.domain() == to);
        if let Some(node) = node {
            if self.heard.len() < HEARD_MAX {
                self.heard.push((node, op.clone()));
            } else {
                let at = self.rng.random_range(0..HEARD_MAX);
                self.heard[at] = (node, op.clone());
            }
            let back = Back::Peer { node: from, life, rpc };
            for ms in self.travel(Place::Node(from), Place::Node(node), op.may_double()) {
                let ask = Ask { by: by.clone(), op: op.clone(), back: back.clone(), tries: 0 };
                self.after(ms, Event::Asked { node, ask });
            }
        }
        // The empty text says that nobody has answered.
        let result = Err(Reject::Unavailable(String::new()));
        self.after(PEER_TIMEOUT_MS, Event::PeerAnswered { node: from, life, rpc, result });
    }

    pub(super) fn send_answer(&mut self, node: usize, back: Back, result: Result<Said, Reject>) {
        if let Err(reject) = &result
            && self.trace.is_on()
        {
            let domain = self.nodes[node].domain().clone();
            let text: String = reject.to_string().chars().take(200).collect();
            self.note(|| format!("{domain} refuses: {text}"));
        }
        let result = result.map(|said| self.cheat_answer(node, &back, said));
        match back {
            Back::Nobody => {}
            Back::Trick(_) if self.crook.is_some() => {}
            Back::Trick(trick) => {
                if result.is_ok_and(|said| said.is_success()) {
                    let domain = self.nodes[node].domain().clone();
                    self.ledger.broken(Rule::Write, format!("{domain} lets {trick:?} happen"));
                } else {
                    self.seen.one(format!("trick refused: {trick:?}"));
                }
            }
            Back::Outsider { .. } if self.crook.is_some() => {}
            Back::Outsider { room, user } => {
                if !result.is_ok_and(|said| said.is_success()) {
                    self.seen.one("trick refused: OutsiderWrites");
                } else if !self.ledger.is_member(&room, &user) {
                    let what = format!("{user} writes in {room} and is no member");
                    self.ledger.broken(Rule::Write, what);
                }
            }
            // Where a hub cheats, it may be the one that has let it happen.
            Back::Misdeed(_) if self.crook.is_some() => {}
            // Its client may have been let in before it arrived.
            Back::Misdeed(Misdeed::UngrantedJoin) => {}
            Back::Misdeed(misdeed) => {
                if result.is_ok_and(|said| said.is_success()) {
                    let domain = self.nodes[node].domain().clone();
                    self.ledger.broken(Rule::Write, format!("{domain} lets {misdeed:?} happen"));
                } else {
                    self.seen.one(format!("misdeed refused: {misdeed:?}"));
                }
            }
            Back::Client { device, life, id } => {
                let result = match result {
                    Ok(said) => Ok(said.to_client()),
                    Err(reject) => Err(to_client(&reject)),
                };
                for ms in self.travel(Place::Node(node), Place::Device(device), false) {
                    let result = result.clone();
                    self.after(ms, Event::Answered { device, life, id, result });
                }
            }
            Back::Stream { device, life, conn } => {
                let result = match result {
                    Ok(Said::Position(position)) => Ok(position),
                    // An acknowledgement.
                    Ok(_) => return,
                    Err(reject) => Err(to_client(&reject)),
                };
                self.answer_stream(node, device, life, conn, result);
            }
            Back::Peer { node: to, life, rpc } => {
                // It goes as octets.
                let result = result.map(|said| decoded(&said));
                for ms in self.travel(Place::Node(node), Place::Node(to), false) {
                    let result = result.clone();
                    self.after(ms, Event::PeerAnswered { node: to, life, rpc, result });
                }
            }
        }
    }

    fn answer_stream(
        &mut self,
        node: usize,
        device: usize,
        life: u64,
        conn: u64,
        result: Result<LogPosition, TransportError>,
    ) {
        let arrives = self.travel(Place::Node(node), Place::Device(device), false);
        let Some(ms) = arrives.first() else { return };
        if let Ok(position) = &result
            && self.devices[device].life == life
            && let Some(token) = self.devices[device].session.token()
        {
            let after = position.after;
            self.nodes[node].begin_feed(device, conn, token.reveal(), after);
        }
        let state = &mut self.devices[device];
        if (state.life, state.stream.conn) == (life, conn) {
            // No event comes before it, though the request may have come twice.
            state.stream.last_ms = state.stream.last_ms.max(self.now_ms + ms);
        }
        self.after(*ms, Event::Opened { device, life, conn, result });
        let life = self.nodes[node].life;
        self.after(0, Event::Feed { node, life, device, conn });
    }

    pub(super) fn open_stream(&mut self, device: usize) {
        let state = &mut self.devices[device];
        let Some(token) = state.session.token() else { return };
        if state.is_signed_out {
            return;
        }
        state.stream.conn += 1;
        state.stream.is_opening = true;
        state.stream.last_ms = 0;
        let (node, life, conn) = (state.node, state.life, state.stream.conn);
        let after = state.session.cursor();
        let era = state.session.era().map(str::to_owned);
        let era = era.or_else(|| (state.stream.failures > 3).then(|| NO_ERA.to_owned()));
        let back = Back::Stream { device, life, conn };
        let by = By::Client(Some(token.reveal().to_owned()));
        for ms in self.travel(Place::Device(device), Place::Node(node), false) {
            let op = Op::OpenStream { after, era: era.clone() };
            let ask = Ask { by: by.clone(), op, back: back.clone(), tries: 0 };
            self.after(ms, Event::Asked { node, ask });
        }
        let result = Err(TransportError::Unreachable("no answer".to_owned()));
        self.after(STREAM_TIMEOUT_MS, Event::Opened { device, life, conn, result });
    }

    pub(super) fn opened(
        &mut self,
        device: usize,
        life: u64,
        conn: u64,
        result: Result<LogPosition, TransportError>,
    ) {
        let now_ms = self.now_ms;
        let state = &mut self.devices[device];
        let waits = state.stream.is_opening && state.stream.conn == conn && state.life == life;
        if !waits {
            return;
        }
        state.stream.is_opening = false;
        match result {
            Ok(position) => {
                state.stream.is_open = true;
                state.stream.failures = 0;
                state.stream.after = position.after;
                state.session.opened(Some(position), now_ms, &mut self.rng);
                state.session.connected(true, now_ms, &mut self.rng);
                let node = state.node;
                self.seen.one("streams opened");
                let feeds = &self.nodes[node].feeds;
                if feeds.get(&device).is_none_or(|feed| feed.conn != conn) {
                    // It broke before the device heard that it is open: no keep-alive comes.
                    self.after(KEEP_ALIVE_MS, Event::StreamBroke { device, life, conn });
                }
                self.settle(device);
            }
            Err(error) => {
                state.stream.failures += 1;
                // Until it tries again.
                state.stream.is_opening = true;
                if matches!(&error, TransportError::Refused { message, .. }
                    if message.contains("unauthorized"))
                {
                    state.session.signed_out();
                    state.is_signed_out = true;
                    return self.settle(device);
                }
                let ms = (100 << state.stream.failures.min(6)).min(4_000);
                self.after(ms, Event::OpenStream { device, life });
            }
        }
    }

    /// The connection breaks; the device notices a little later.
    pub(super) fn break_stream(&mut self, device: usize) {
        let (node, life) = (self.devices[device].node, self.devices[device].life);
        let conn = self.devices[device].stream.conn;
        self.nodes[node].feeds.remove(&device);
        let ms = self.rng.random_range(1..KEEP_ALIVE_MS);
        self.after(ms, Event::StreamBroke { device, life, conn });
    }

    pub(super) fn stream_broke(&mut self, device: usize, life: u64, conn: u64) {
        let now_ms = self.now_ms;
        let state = &mut self.devices[device];
        if state.life != life || state.stream.conn != conn || !state.stream.is_open {
            return;
        }
        state.stream.is_open = false;
        state.session.connected(false, now_ms, &mut self.rng);
        self.seen.one("streams broken");
        self.settle(device);
    }

    /// What a device's stream has not sent yet is sent, in order.
    pub(super) fn feed(&mut self, node: usize, device: usize) {
        let conn = self.nodes[node].feeds.get(&device).map(|feed| feed.conn);
        let Some(conn) = conn else { return };
        let life = self.devices[device].life;
        loop {
            let now_ms = self.now_ms;
            let Some(page) = self.nodes[node].at(now_ms).feed(device) else {
                // The device is signed in no more.
                return self.after(0, Event::StreamBroke { device, life, conn });
            };
            if page.is_empty() {
                return;
            }
            self.is_for(device, &page);
            for event in page.iter().filter_map(stream_event) {
                let Some(event) = self.cheat_event(node, event) else { continue };
                let arrives = self.travel(Place::Node(node), Place::Device(device), false);
                let Some(ms) = arrives.first() else { return self.break_stream(device) };
                let stream = &mut self.devices[device].stream;
                stream.last_ms = stream.last_ms.max(now_ms + ms);
                let at_ms = stream.last_ms;
                self.at(at_ms, Event::Pushed { device, life, conn, event });
            }
        }
    }

    pub(super) fn pushed(&mut self, device: usize, life: u64, conn: u64, event: StreamEvent) {
        let now_ms = self.now_ms;
        let state = &mut self.devices[device];
        let is_current = state.life == life && state.stream.conn == conn && state.stream.is_open;
        if !is_current || event.id <= state.stream.after {
            return;
        }
        state.stream.after = event.id;
        if self.trace.is_on() {
            let (name, kind, stream) = (&state.name, &event.kind, &event.stream);
            let line = format!("{name} gets {kind:?} {} of {stream} ({})", event.seq, event.id);
            self.trace.note(now_ms, || line);
        }
        self.seen.one("events delivered to devices");
        self.brought(device, &event);
        let state = &mut self.devices[device];
        state.session.event(event, now_ms, &mut self.rng);
        self.settle(device);
    }

    pub(super) fn acknowledge(&mut self, device: usize) {
        let now_ms = self.now_ms;
        let state = &mut self.devices[device];
        let cursor = state.session.cursor();
        if cursor == state.acknowledged || now_ms < state.acknowledge_from_ms {
            return;
        }
        let Some(token) = state.session.token() else { return };
        state.acknowledged = cursor;
        state.acknowledge_from_ms = now_ms + super::ACKNOWLEDGE_EVERY_MS;
        let (node, life) = (state.node, state.life);
        let back = Back::Stream { device, life, conn: u64::MAX };
        let by = By::Client(Some(token.reveal().to_owned()));
        for ms in self.travel(Place::Device(device), Place::Node(node), false) {
            let op = Op::Acknowledge(cursor);
            let ask = Ask { by: by.clone(), op, back: back.clone(), tries: 0 };
            self.after(ms, Event::Asked { node, ask });
        }
    }
}

/// What the other side reads of the octets of an answer.
fn decoded(said: &Said) -> Said {
    use mimi_wire::Wire as _;
    let octets = said.octets();
    let read = match said {
        Said::Update(_) => {
            mimi_wire::protocol::update::UpdateResponse::decode(&octets).map(Said::Update).ok()
        }
        Said::SubmitMessage(_) => {
            mimi_wire::protocol::submit_message::SubmitMessageResponse::decode(&octets)
                .map(Said::SubmitMessage)
                .ok()
        }
        Said::GroupInfo(_) => mimi_wire::protocol::group_info::GroupInfoResponse::decode(&octets)
            .map(Said::GroupInfo)
            .ok(),
        Said::KeyMaterial(_) => {
            mimi_wire::protocol::key_material::KeyMaterialResponse::decode(&octets)
                .map(Said::KeyMaterial)
                .ok()
        }
        other => Some(other.clone()),
    };
    read.expect("what is written can be read")
}
