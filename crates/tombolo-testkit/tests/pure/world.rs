//! A federation on one queue of events: people, devices, providers and the network between them.

mod acting;
mod ending;
mod failing;
mod network;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use mimi_mls::hub_keys::HubKeys;
use mimi_mls::identity::Issuers;
use mimi_provider::Reject;
use mimi_provider::record::EventKind;
use mimi_wire::content::MessageId;
use mimi_wire::{Domain, MimiUri, UriKind};
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use tombolo_client::ClientError;
use tombolo_client::event::ClientEvent;
use tombolo_client::secret::SecretText;
use tombolo_client::session::Session;
use tombolo_client::session::command::{Command, Outcome};
use tombolo_client::session::request::{RequestId, Response, TransportError};
use tombolo_client::session::stream_event::{LogPosition, StreamEvent, StreamEventKind};
use tombolo_client::store::Saved;
use tombolo_testkit::TestIssuer;
use tombolo_testkit::simulation::ledger::Ledger;
use tombolo_testkit::simulation::plan::{DOMAINS, Plan};
use tombolo_testkit::simulation::trace::Trace;

use super::call::{Ask, Back, By, Op, Said, to_client};
use super::device::{self, Device, Doing, Stream};
use super::node::{Fact, Keys, Node, Out};
use super::planted::Planted;
use super::seen::Seen;
use network::{Network, Place};

/// How long a device waits for an answer.
const CLIENT_TIMEOUT_MS: u64 = 30_000;
/// How long a provider waits for a peer's.
const PEER_TIMEOUT_MS: u64 = 10_000;
/// A stream is read again after so long, should a wake-up have been lost.
const KEEP_ALIVE_MS: u64 = 15_000;
/// Acknowledgements are no closer than this.
const ACKNOWLEDGE_EVERY_MS: u64 = 1_000;
/// Events after which a world counts as never coming to rest.
const EVENTS_MAX: u64 = 150_000;
/// A device is looked at after so many events.
const AUDIT_EVERY: u64 = 40;

/// Keys of all providers: the same for every seed.
pub(crate) struct Cast {
    keys: Vec<Arc<Keys>>,
    issuers: Arc<Issuers>,
    pems: Arc<BTreeMap<Domain, String>>,
}

impl Cast {
    pub(crate) fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let mut issuers = Issuers::default();
        let mut pems = BTreeMap::new();
        let keys = DOMAINS.iter().map(|name| {
            let domain = Domain::new(name).expect("a domain");
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let issuer = TestIssuer::seeded(name, seed);
            rng.fill_bytes(&mut seed);
            let hub = HubKeys::from_seed(domain.clone(), seed);
            let pem = issuer.pem().to_owned();
            issuers.trust(domain.clone(), std::slice::from_ref(&pem)).expect("an authority");
            pems.insert(domain.clone(), pem);
            Arc::new(Keys { domain, hub, issuer })
        });
        let keys = keys.collect();
        Self { keys, issuers: Arc::new(issuers), pems: Arc::new(pems) }
    }
}

#[derive(Debug)]
pub(crate) enum Event {
    Step(usize),
    FaultEnds(failing::Ended),
    /// A request arrives at a provider.
    Asked {
        node: usize,
        ask: Ask,
    },
    /// An answer arrives at a device.
    Answered {
        device: usize,
        life: u64,
        id: RequestId,
        result: Result<Response, TransportError>,
    },
    /// An answer arrives at a provider.
    PeerAnswered {
        node: usize,
        life: u64,
        rpc: u64,
        result: Result<Said, Reject>,
    },
    Opened {
        device: usize,
        life: u64,
        conn: u64,
        result: Result<LogPosition, TransportError>,
    },
    /// The provider itself goes on with something.
    Own {
        node: usize,
        life: u64,
        ask: Ask,
    },
    Sync {
        node: usize,
        life: u64,
    },
    Lane {
        node: usize,
        life: u64,
        key: (MimiUri, Domain),
    },
    Feed {
        node: usize,
        life: u64,
        device: usize,
        conn: u64,
    },
    Pushed {
        device: usize,
        life: u64,
        conn: u64,
        event: StreamEvent,
    },
    StreamBroke {
        device: usize,
        life: u64,
        conn: u64,
    },
    OpenStream {
        device: usize,
        life: u64,
    },
    Tick {
        device: usize,
        life: u64,
        due_ms: u64,
    },
    /// A device has opened its streams long enough.
    NodeStarts {
        node: usize,
    },
    Calm,
}

struct Queued {
    at_ms: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

/// What was on a disk, and where the logs of its rooms ended.
type Backup = (usize, Vec<(MimiUri, u64)>);

/// See the module.
pub(crate) struct World {
    plan: Plan,
    pub(crate) now_ms: u64,
    start_ms: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    numbers: u64,
    events: u64,
    nodes: Vec<Node>,
    /// Whether a node's next write is on its way.
    syncing: Vec<bool>,
    /// Milliseconds a write takes, at most.
    disk_ms: Vec<u64>,
    backups: Vec<Option<Backup>>,
    devices: Vec<Device>,
    network: Network,
    rng: StdRng,
    pub(crate) ledger: Ledger,
    pub(crate) trace: Trace,
    pub(crate) seen: Seen,
    is_calm: bool,
    stores_late: bool,
    texts: u64,
    links: Vec<String>,
    rooms: Vec<MimiUri>,
    /// Messages that somebody has begun to change.
    touched: BTreeSet<MessageId>,
    /// What crosses the wires between providers, for those who listen.
    heard: Vec<(usize, Op)>,
}

impl World {
    pub(crate) fn new(
        cast: &Cast,
        plan: Plan,
        seed: u64,
        start_ms: u64,
        planted: Planted,
        trace: Trace,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x0077_6f72_6c64);
        let nodes: Vec<Node> = plan
            .domains
            .iter()
            .zip(&cast.keys)
            .map(|(_, keys)| {
                let rng = StdRng::from_rng(&mut rng);
                Node::new(keys.clone(), cast.issuers.clone(), cast.pems.clone(), planted, rng)
            })
            .collect();
        let count = nodes.len();
        let mut world = Self {
            now_ms: start_ms,
            start_ms,
            queue: BinaryHeap::new(),
            numbers: 0,
            events: 0,
            nodes,
            syncing: vec![false; count],
            disk_ms: vec![2; count],
            backups: vec![None; count],
            devices: Vec::new(),
            network: Network::default(),
            rng,
            ledger: Ledger::new(),
            trace,
            seen: Seen::default(),
            is_calm: false,
            stores_late: planted == Planted::StoresLate,
            texts: 0,
            links: Vec::new(),
            rooms: Vec::new(),
            touched: BTreeSet::new(),
            heard: Vec::new(),
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            let now_ms = self.now_ms;
            self.nodes[node].at(now_ms).start();
            for person in self.plan.people.clone() {
                if person.domain == self.nodes[node].domain().as_str() {
                    self.nodes[node].add_account(person.name);
                }
            }
            // Before anything else happens.
            while self.nodes[node].synced() {}
            self.outcomes(node);
        }
        for (person, one) in self.plan.people.clone().into_iter().enumerate() {
            for name in one.devices {
                self.add_device(person, name.to_owned());
            }
        }
        for (index, step) in self.plan.steps.iter().enumerate() {
            let at_ms = self.start_ms + step.at_ms;
            self.numbers += 1;
            let number = self.numbers;
            self.queue.push(Reverse(Queued { at_ms, number, event: Event::Step(index) }));
        }
        self.at(self.start_ms + self.plan.calm_ms, Event::Calm);
    }

    fn add_device(&mut self, person: usize, name: String) {
        let one = &self.plan.people[person];
        let node = self.plan.domains.iter().position(|it| *it == one.domain).expect("a provider");
        let domain = self.nodes[node].domain().clone();
        let user = MimiUri::build(&domain, UriKind::User, &[one.name]).expect("a name");
        let local = one.name.to_owned();
        let session = Session::new(&mut self.rng);
        self.devices.push(Device {
            person,
            node,
            name: format!("{}/{name}", one.name),
            session,
            stores_late: self.stores_late,
            saved: Saved::default(),
            late: Vec::new(),
            earlier: None,
            life: 0,
            client: None,
            user,
            is_signed_out: false,
            asked: BTreeSet::new(),
            doing: BTreeMap::new(),
            stream: Stream::default(),
            acknowledged: 0,
            acknowledge_from_ms: 0,
            tick_ms: None,
        });
        let device = self.devices.len() - 1;
        let password = SecretText::new("p".to_owned());
        let command = Command::Register { user: local, password, device: name };
        self.start(device, command, Doing::Other("register"));
    }

    fn at(&mut self, at_ms: u64, event: Event) {
        self.numbers += 1;
        let number = self.numbers;
        self.queue.push(Reverse(Queued { at_ms: at_ms.max(self.now_ms), number, event }));
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now_ms + ms, event);
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.trace.note(self.now_ms, what);
    }

    /// Runs to the end; tells whether it ever came to rest.
    pub(crate) fn run(&mut self) {
        let mut settled = false;
        loop {
            if !self.ledger.violations().is_empty() {
                return;
            }
            let due = self.queue.peek().map(|Reverse(next)| next.at_ms);
            let Some(due) = due.filter(|due| !self.is_over(*due)) else {
                if settled {
                    break;
                }
                // Whatever hint was lost: everything is looked at once more.
                settled = true;
                self.look_everywhere();
                continue;
            };
            self.events += 1;
            if self.events > EVENTS_MAX {
                let next = self.queue.pop().map(|Reverse(next)| format!("{:?}", next.event));
                let next: String = next.unwrap_or_default().chars().take(200).collect();
                self.ledger.broken(
                    tombolo_testkit::simulation::ledger::Rule::Drain,
                    format!("never comes to rest; next is {next}"),
                );
                return;
            }
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.now_ms = due;
            self.happen(next.event);
            if self.events.is_multiple_of(AUDIT_EVERY) && !self.devices.is_empty() {
                let device = self.rng.random_range(0..self.devices.len());
                self.audit(device);
            }
        }
        self.end();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(index) => self.step(index),
            Event::FaultEnds(ended) => self.fault_ends(ended),
            Event::Asked { node, ask } => self.asked(node, ask),
            Event::Own { node, life, ask } => {
                if self.nodes[node].is_up && self.nodes[node].life == life {
                    self.asked(node, ask);
                }
            }
            Event::Answered { device, life, id, result } => {
                if self.devices[device].life == life && self.devices[device].asked.remove(&id) {
                    self.note_answer(device, &result);
                    let now_ms = self.now_ms;
                    self.devices[device].session.answer(id, result, now_ms, &mut self.rng);
                    self.settle(device);
                }
            }
            Event::PeerAnswered { node, life, rpc, result } => {
                if self.nodes[node].is_up && self.nodes[node].life == life {
                    let now_ms = self.now_ms;
                    self.nodes[node].at(now_ms).answered(rpc, result);
                    self.outcomes(node);
                }
            }
            Event::Sync { node, life } => self.sync(node, life),
            Event::Lane { node, life, key } => {
                if self.nodes[node].is_up && self.nodes[node].life == life {
                    let now_ms = self.now_ms;
                    self.nodes[node].at(now_ms).step_lane(&key);
                    self.outcomes(node);
                }
            }
            Event::Opened { device, life, conn, result } => self.opened(device, life, conn, result),
            Event::Feed { node, life, device, conn } => {
                let same = self.nodes[node].feeds.get(&device).is_some_and(|it| it.conn == conn);
                if self.nodes[node].is_up && self.nodes[node].life == life && same {
                    self.feed(node, device);
                    self.after(KEEP_ALIVE_MS, Event::Feed { node, life, device, conn });
                }
            }
            Event::Pushed { device, life, conn, event } => self.pushed(device, life, conn, event),
            Event::StreamBroke { device, life, conn } => self.stream_broke(device, life, conn),
            Event::OpenStream { device, life } => {
                if self.devices[device].life == life {
                    self.open_stream(device);
                }
            }
            Event::Tick { device, life, due_ms } => {
                let state = &mut self.devices[device];
                if state.life == life && state.tick_ms == Some(due_ms) {
                    state.tick_ms = None;
                    state.session.tick(self.now_ms, &mut self.rng);
                    self.settle(device);
                }
            }
            Event::NodeStarts { node } => self.node_starts(node),
            Event::Calm => self.calm(),
        }
    }

    fn note_answer(&mut self, device: usize, result: &Result<Response, TransportError>) {
        let what = match result {
            Ok(_) => "answers",
            Err(TransportError::Unreachable(_)) => "answers that never came",
            Err(TransportError::Busy { .. }) => "answers: busy",
            Err(_) => "answers: refused",
        };
        self.seen.one(what);
        if self.trace.is_on() {
            let name = self.devices[device].name.clone();
            let text: String = format!("{result:?}").chars().take(140).collect();
            self.note(|| format!("{name} hears {text}"));
        }
    }

    /// A request is served, if there is anybody to do it.
    fn asked(&mut self, node: usize, ask: Ask) {
        if !self.nodes[node].is_up {
            return;
        }
        if self.trace.is_on() {
            let domain = self.nodes[node].domain().clone();
            let by = match &ask.by {
                By::Peer(peer) => peer.to_string(),
                By::Client(_) => match ask.back {
                    Back::Client { device, .. } | Back::Stream { device, .. } => {
                        self.devices[device].name.clone()
                    }
                    _ => "a client".to_owned(),
                },
                By::Own => "itself".to_owned(),
            };
            let room = ask.op.room().map(|room| format!(" {room}")).unwrap_or_default();
            self.note(|| format!("{domain} is asked by {by}: {}{room}", ask.op.name()));
        }
        self.seen.one(format!("asked: {}", ask.op.name()));
        let now_ms = self.now_ms;
        self.nodes[node].at(now_ms).serve(ask);
        self.outcomes(node);
    }

    /// Carries out what a node wants.
    fn outcomes(&mut self, node: usize) {
        loop {
            let out = self.nodes[node].take_out();
            if out.is_empty() {
                return;
            }
            for one in out {
                self.outcome(node, one);
            }
        }
    }

    fn outcome(&mut self, node: usize, out: Out) {
        let life = self.nodes[node].life;
        match out {
            Out::Answer { back, result } => self.send_answer(node, back, result),
            Out::Call { to, op, rpc } => self.send_call(node, &to, op, rpc),
            Out::Sync => {
                if !self.syncing[node] {
                    self.syncing[node] = true;
                    let ms = self.rng.random_range(0..=self.disk_ms[node]);
                    self.after(ms, Event::Sync { node, life });
                }
            }
            Out::Serve(ask) => {
                let ms = self.rng.random_range(0..50);
                self.after(ms, Event::Own { node, life, ask });
            }
            Out::LaneAt { key, at_ms } => {
                let at_ms = at_ms.saturating_add_signed(-self.nodes[node].clock_ms);
                self.at(at_ms, Event::Lane { node, life, key });
            }
            Out::Wake => {
                let devices: Vec<usize> = self.nodes[node].feeds.keys().copied().collect();
                for device in devices {
                    self.feed(node, device);
                }
            }
            Out::Fact(fact) => self.fact(node, fact),
        }
    }

    fn fact(&mut self, node: usize, fact: Fact) {
        match fact {
            Fact::Epoch { room, number, epoch } => {
                let domain = self.nodes[node].domain().clone();
                let members = epoch.members.len();
                self.note(|| {
                    format!("{domain}: {room} is in epoch {number} with {members} members")
                });
                self.seen.one("epochs");
                self.ledger.epoch(&room, number, epoch);
                if !self.rooms.contains(&room) {
                    self.rooms.push(room);
                }
            }
            Fact::Accepted { room, message } => {
                let (seq, sender) = (message.seq, message.sender.clone());
                self.note(|| format!("{room} has a message of {sender} at {seq}"));
                self.seen.one("messages accepted");
                self.ledger.accepted(&room, message);
            }
            Fact::Leaving { room, seq, clients } => self.ledger.leaving(&room, seq, clients),
            Fact::KeyPackage(reference) => {
                self.seen.one("KeyPackages handed out");
                self.ledger.key_package(&reference);
            }
        }
    }

    fn sync(&mut self, node: usize, life: u64) {
        if self.nodes[node].life != life || !self.nodes[node].is_up {
            return;
        }
        self.syncing[node] = false;
        let now_ms = self.now_ms;
        self.nodes[node].at(now_ms).synced();
        self.seen.one("writes");
        if self.nodes[node].disk.queued() > 0 {
            self.syncing[node] = true;
            let ms = self.rng.random_range(0..=self.disk_ms[node]);
            self.after(ms, Event::Sync { node, life });
        }
        self.outcomes(node);
    }

    /// A device stores, lets out, and sets its timer.
    fn settle(&mut self, device: usize) {
        let out = self.devices[device].settle();
        for (doing, result) in out.finished {
            self.finished(device, &doing, result);
        }
        for event in out.events {
            self.heard_event(device, event);
        }
        for outgoing in out.requests {
            self.send_request(device, outgoing);
        }
        self.acknowledge(device);
        let state = &mut self.devices[device];
        let life = state.life;
        if let Some(due_ms) = state.session.next_timer()
            && state.tick_ms.is_none_or(|set| set > due_ms)
        {
            let due_ms = due_ms.max(self.now_ms);
            state.tick_ms = Some(due_ms);
            self.at(due_ms, Event::Tick { device, life, due_ms });
        }
        let state = &self.devices[device];
        if state.session.token().is_some() && !state.stream.is_open && !state.stream.is_opening {
            self.open_stream(device);
        }
    }

    fn finished(&mut self, device: usize, doing: &Doing, result: Result<Outcome, ClientError>) {
        let name = self.devices[device].name.clone();
        let told: String = match &result {
            Ok(_) => "done".to_owned(),
            Err(error) => format!("not done: {error}").chars().take(160).collect(),
        };
        self.note(|| format!("{name}: {} is {told}", doing.name()));
        let how = if result.is_ok() { "done" } else { "refused" };
        self.seen.one(format!("{how}: {}", doing.name()));
        match (doing, result) {
            (Doing::Text { room, .. }, Ok(Outcome::Message(id))) => {
                // Others of its user may have come in later.
                if let Some(client) = self.devices[device].client.clone() {
                    self.ledger.promised(&client, room, id);
                }
            }
            (Doing::Text { .. }, Err(ClientError::InDoubt(_))) => {
                self.seen.one("messages in doubt")
            }
            (Doing::Text { text, .. }, Err(_)) => {
                if let Some(client) = self.devices[device].client.clone() {
                    self.ledger.unsent(&client, text);
                }
            }
            (Doing::Leave { room }, Err(ClientError::Denied(_) | ClientError::Refused(_))) => {
                let user = self.devices[device].user.clone();
                self.ledger.stays(room, &user);
            }
            (Doing::Link, Ok(Outcome::Link(link))) => self.links.push(link),
            _ => {}
        }
    }

    fn heard_event(&mut self, device: usize, event: ClientEvent) {
        let Some(client) = self.devices[device].client.clone() else { return };
        if let Some(id) = device::told(&event)
            && !self.touched.contains(&id)
        {
            self.ledger.told(&client, id);
        }
        match event {
            ClientEvent::RoomChanged { room, .. } | ClientEvent::Joined(room) => {
                self.seen.one("room changes seen");
                self.look(device, &room);
            }
            ClientEvent::Missed { room, .. } => {
                // It has told its person so.
                self.ledger.excuse(&client, &room);
                self.seen.one("devices that came in again");
                let name = self.devices[device].name.clone();
                self.note(|| format!("{name} came into {room} again"));
            }
            ClientEvent::Left { .. } => self.seen.one("devices out of rooms"),
            ClientEvent::SignedOut => {
                self.devices[device].is_signed_out = true;
                self.seen.one("devices that noticed they were signed out");
            }
            ClientEvent::Retrying { .. } => self.seen.one("commits that lost a race"),
            ClientEvent::Superseded { room, by } => {
                self.ledger.gives_way(&room, &by);
                self.seen.one("direct rooms superseded");
            }
            _ => {}
        }
    }

    /// The epoch a device is in now.
    fn look(&mut self, device: usize, room: &MimiUri) {
        let state = &self.devices[device];
        let (Some(client), Ok(shown)) = (state.client.clone(), state.session.room(room)) else {
            return;
        };
        if shown.status == tombolo_client::RoomStatus::Joined {
            self.ledger.in_epoch(&client, room, shown.epoch, &shown.tree_hash);
        }
    }

    /// What a device shows now.
    fn audit(&mut self, device: usize) {
        let state = &self.devices[device];
        let Some(client) = state.client.clone() else { return };
        for room in state.session.rooms() {
            let Ok(shown) = self.devices[device].session.room(&room) else { continue };
            let lines: Vec<_> = shown.messages.iter().map(device::line).collect();
            self.ledger.shows(&client, &room, &lines);
        }
    }

    /// Counts what was compared.
    pub(crate) fn count(&mut self) {
        self.seen.some("comparisons", self.ledger.checks());
        self.seen.some("events", self.events);
        self.seen.one("seeds");
    }

    fn start(&mut self, device: usize, command: Command, doing: Doing) {
        let now_ms = self.now_ms;
        let state = &mut self.devices[device];
        self.seen.one(format!("begun: {}", doing.name()));
        let operation = state.session.start(command, now_ms, &mut self.rng);
        state.doing.insert(operation, doing);
        self.settle(device);
    }
}

fn stream_event(logged: &mimi_provider::record::LoggedEvent) -> Option<StreamEvent> {
    let kind = match logged.event.kind {
        EventKind::Application => StreamEventKind::Application,
        EventKind::Commit => StreamEventKind::Commit,
        EventKind::Proposal => StreamEventKind::Proposal,
        EventKind::Welcome => StreamEventKind::Welcome,
        EventKind::RequestConsent => StreamEventKind::RequestConsent,
        EventKind::UpdateConsent => StreamEventKind::UpdateConsent,
        EventKind::KeyPackagesLow => StreamEventKind::KeyPackagesLow,
        EventKind::HubNote | EventKind::ReportAbuse | EventKind::ReportClosed => return None,
    };
    Some(StreamEvent {
        id: logged.id,
        kind,
        stream: logged.event.stream.clone(),
        seq: logged.event.seq,
        timestamp_ms: logged.event.timestamp_ms,
        payload: logged.event.payload.clone(),
    })
}
