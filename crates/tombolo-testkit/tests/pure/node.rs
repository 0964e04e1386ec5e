//! A provider of the pure layer: the decisions of `mimi-provider` and `mimi-mls` on a simulated disk,
//! one request after another.
//!
//! It is what `tombolo-server` does around the decisions, without HTTP, TLS and futures: load the
//! room, decide, follow in memory, queue the write, answer when it is durable.

mod accounts;
mod crooked;
mod follower;
mod hub;
mod key_material;
mod lane;
mod rights;
mod rooms;
mod weighing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mimi_mls::error::StageError;
use mimi_mls::hub_keys::HubKeys;
use mimi_mls::identity::{IdentityError, Issuers};
use mimi_policy::envelope::Envelope;
use mimi_provider::record::{DeviceRecord, EraId, LoggedEvent};
use mimi_provider::requester::{DeviceIdentity, Requester};
use mimi_provider::{Change, Effect, Expect, Limits, Reject, Transition};
use mimi_wire::{Domain, MimiUri};
use rand::Rng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};
use tombolo_client::session::request::Request;
use tombolo_store::{Commit, Store as _, StoreError};
use tombolo_testkit::TestIssuer;
use tombolo_testkit::simulation::ledger::{Accepted, Epoch, Rule};

use super::call::{Ask, Back, By, Op, Said};
use super::disk::{Disk, now};
use super::planted::Planted;
pub(crate) use crooked::CheatedGroupInfo;
pub(crate) use lane::Lane;
pub(crate) use rights::{forbidden, uses as uses_of};
use rooms::{FollowerRoom, HubRoom};

/// How often one request is decided anew after a lost race.
const RACES_MAX: u32 = 5;

/// What does not change from seed to seed.
pub(crate) struct Keys {
    pub(crate) domain: Domain,
    pub(crate) hub: HubKeys,
    pub(crate) issuer: TestIssuer,
}

/// What the ledger is told once a write is durable.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Epoch {
        room: MimiUri,
        number: u64,
        epoch: Epoch,
    },
    Accepted {
        room: MimiUri,
        message: Accepted,
    },
    KeyPackage(Vec<u8>),
    Leaving {
        room: MimiUri,
        seq: u64,
        clients: BTreeSet<MimiUri>,
    },
    /// What nobody had a right to has been done.
    Broken {
        rule: Rule,
        what: String,
    },
    /// Somebody came into a room by a code.
    CodeUsed {
        room: MimiUri,
        code: Vec<u8>,
    },
    /// There is a room.
    Founded {
        room: MimiUri,
    },
    /// A commit that nobody had a right to leads to an epoch.
    Forbidden {
        room: MimiUri,
        epoch: u64,
    },
    /// Somebody came in by itself.
    CameIn {
        room: MimiUri,
        client: MimiUri,
        until_ms: u64,
    },
    /// KeyPackages of a user are given to another one.
    KeysGiven {
        target: MimiUri,
        to: MimiUri,
    },
}

/// What follows a write.
pub(crate) struct After {
    back: Back,
    said: Said,
    effects: Vec<Effect>,
    facts: Vec<Fact>,
    /// The room to be derived anew should it fail.
    room: Option<MimiUri>,
    /// To be decided anew after a lost race.
    again: Option<Ask>,
    /// What the provider asks of itself then.
    then: Vec<Op>,
    /// Another provider answers then.
    forward: Option<(Domain, Op)>,
    /// The way to a follower whose cursor it moves.
    lane: Option<(MimiUri, Domain)>,
}

/// What a request leads to.
pub(crate) enum Done {
    Said(Said),
    /// Answered once durable.
    Write(Box<Write>),
    /// Another provider answers.
    Forward {
        to: Domain,
        op: Op,
    },
}

/// A decision that is followed in memory and waits for the disk.
pub(crate) struct Write {
    changes: Vec<Change>,
    expect: Vec<Expect>,
    effects: Vec<Effect>,
    said: Said,
    facts: Vec<Fact>,
    room: Option<MimiUri>,
    /// Written behind it.
    snapshot: Option<Change>,
    then: Vec<Op>,
    /// The request goes on to the room's hub once this is written.
    forward: Option<(Domain, Op)>,
}

/// What a node wants of the world.
#[derive(Debug)]
pub(crate) enum Out {
    Answer {
        back: Back,
        result: Result<Said, Reject>,
    },
    Call {
        to: Domain,
        op: Op,
        rpc: u64,
    },
    /// The disk has something to write.
    Sync,
    Serve(Ask),
    LaneAt {
        key: (MimiUri, Domain),
        at_ms: u64,
    },
    /// Local streams may have more.
    Wake,
    Fact(Fact),
    Cheated(CheatedGroupInfo),
}

/// Who waits for a peer's answer.
pub(crate) enum Waiter {
    Asker(Back),
    Lane { key: (MimiUri, Domain), entries: usize, accepted_to: u64, is_own: bool },
}

/// A local client's open event stream.
pub(crate) struct Feed {
    pub(crate) conn: u64,
    pub(crate) cursor: u64,
    client: MimiUri,
    token_sha256: [u8; 32],
}

/// See the module.
pub(crate) struct Node {
    keys: Arc<Keys>,
    issuers: Arc<Issuers>,
    /// Everybody's client issuers, as directories publish them.
    pems: Arc<BTreeMap<Domain, String>>,
    pub(crate) disk: Disk<After>,
    hubs: BTreeMap<MimiUri, HubRoom>,
    followers: BTreeMap<MimiUri, FollowerRoom>,
    /// By room and client: the last code that it has shown here.
    codes: BTreeMap<(MimiUri, MimiUri), Vec<u8>>,
    /// By room and code: how many have come in by it.
    used: BTreeMap<(MimiUri, Vec<u8>), u32>,
    /// By room and client: the key that it may come in with, and until when.
    let_in: BTreeMap<(MimiUri, MimiUri), (Vec<u8>, u64)>,
    lanes: BTreeMap<(MimiUri, Domain), Lane>,
    pub(crate) waiting: BTreeMap<u64, Waiter>,
    /// By device of the world.
    pub(crate) feeds: BTreeMap<usize, Feed>,
    pub(crate) is_up: bool,
    pub(crate) life: u64,
    /// Its clock less the world's.
    pub(crate) clock_ms: i64,
    now_ms: u64,
    next_rpc: u64,
    planted: Planted,
    /// It judges nobody, and tells who asks what is not so.
    crook: Option<crooked::Crook>,
    envelope: Envelope,
    limits: Limits,
    rng: StdRng,
    out: Vec<Out>,
}

/// Why there is no decision.
#[derive(Debug)]
pub(crate) enum Obstacle {
    Reject(Reject),
}

impl From<Reject> for Obstacle {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl From<StageError> for Obstacle {
    fn from(error: StageError) -> Self {
        Self::Reject(match error {
            StageError::Identity(error) => return error.into(),
            StageError::WrongEpoch { current, .. } => Reject::Stale { current_epoch: current },
            StageError::InvalidProposal { references, reason } => {
                Reject::InvalidProposals { references, reason }
            }
            StageError::Denied(denied) => Reject::Denied(denied),
            StageError::Internal(reason) => Reject::Internal(reason),
            invalid => {
                Reject::InvalidProposals { references: Vec::new(), reason: invalid.to_string() }
            }
        })
    }
}

impl From<IdentityError> for Obstacle {
    fn from(error: IdentityError) -> Self {
        Self::Reject(Reject::NotAllowed(error.to_string()))
    }
}

fn malformed(error: impl std::fmt::Display) -> Reject {
    Reject::Malformed(error.to_string())
}

impl Write {
    fn of<R>(transition: Transition<R>, said: impl FnOnce(R) -> Said) -> Self {
        let Transition { changes, expect, effects, reply } = transition;
        let (facts, then) = (Vec::new(), Vec::new());
        let said = said(reply);
        let (room, snapshot, forward) = (None, None, None);
        Self { changes, expect, effects, said, facts, room, snapshot, then, forward }
    }
}

impl Node {
    pub(crate) fn new(
        keys: Arc<Keys>,
        issuers: Arc<Issuers>,
        pems: Arc<BTreeMap<Domain, String>>,
        planted: Planted,
        rng: StdRng,
    ) -> Self {
        Self {
            keys,
            issuers,
            pems,
            disk: Disk::default(),
            hubs: BTreeMap::new(),
            followers: BTreeMap::new(),
            codes: BTreeMap::new(),
            used: BTreeMap::new(),
            let_in: BTreeMap::new(),
            lanes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            feeds: BTreeMap::new(),
            is_up: false,
            life: 0,
            clock_ms: 0,
            now_ms: 0,
            next_rpc: 0,
            planted,
            crook: None,
            envelope: Envelope::default(),
            limits: Limits::DEFAULT,
            rng,
            out: Vec::new(),
        }
    }

    /// Whether a client may come into a room by itself, for all that it has been told.
    pub(crate) fn has_let_in(&self, room: &MimiUri, client: &MimiUri) -> bool {
        self.let_in.contains_key(&(room.clone(), client.clone()))
    }

    pub(crate) fn issuers(&self) -> Arc<Issuers> {
        self.issuers.clone()
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.keys.domain
    }

    pub(crate) fn take_out(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    /// Sets its clock by the world's.
    pub(crate) fn at(&mut self, world_ms: u64) -> &mut Self {
        self.now_ms = world_ms.saturating_add_signed(self.clock_ms);
        self
    }

    /// Starts, with what is on the disk.
    pub(crate) fn start(&mut self) {
        self.is_up = true;
        self.life += 1;
        let changes = vec![Change::BeginEra(EraId(self.rng.random()))];
        self.written(Commit { expect: Vec::new(), changes });
        self.out.push(Out::Serve(Ask {
            by: By::Own,
            op: Op::TakeIn,
            back: Back::Nobody,
            tries: 0,
        }));
        for cursor in now(self.disk.store.waiting_followers()) {
            self.wake_lane((cursor.stream, cursor.follower));
        }
        self.look_at_removals();
        for parent in now(self.disk.store.parent_rooms()) {
            self.follow_parent(&parent);
        }
    }

    /// Stops at once.
    pub(crate) fn crash(&mut self) -> usize {
        self.is_up = false;
        self.life += 1;
        self.hubs.clear();
        self.followers.clear();
        self.lanes.clear();
        self.waiting.clear();
        self.feeds.clear();
        self.out.clear();
        self.disk.crash()
    }

    /// A write that nobody waits for.
    fn written(&mut self, commit: Commit) {
        self.written_for(commit, None);
    }

    fn written_for(&mut self, commit: Commit, lane: Option<(MimiUri, Domain)>) {
        let after = After {
            back: Back::Nobody,
            said: Said::Created,
            effects: Vec::new(),
            facts: Vec::new(),
            room: None,
            again: None,
            then: Vec::new(),
            forward: None,
            lane,
        };
        self.disk.push(commit, after);
        self.out.push(Out::Sync);
    }

    /// A request arrives.
    pub(crate) fn serve(&mut self, ask: Ask) {
        if let By::Peer(peer) = &ask.by {
            self.heard_of(&peer.clone());
        }
        let outcome = self.decide(&ask);
        if let (Err(Obstacle::Reject(Reject::Internal(_))), Some(room)) = (&outcome, ask.op.room())
        {
            self.forget(&room.clone());
        }
        let result = match outcome {
            Ok(Done::Said(said)) => Ok(said),
            Ok(Done::Forward { to, op }) => return self.call(to, op, Waiter::Asker(ask.back)),
            Ok(Done::Write(write)) => return self.queue(*write, ask),
            Err(Obstacle::Reject(reject)) => Err(reject),
        };
        self.out.push(Out::Answer { back: ask.back, result });
    }

    fn decide(&mut self, ask: &Ask) -> Result<Done, Obstacle> {
        match (&ask.by, &ask.op) {
            (By::Own, Op::TakeIn) => self.take_in(),
            (By::Own, Op::Evict { room, gone }) => self.evict(&room.clone(), gone.as_ref()),
            (By::Client(token), op) => self.client_asks(token.as_deref(), op),
            (By::Peer(peer), op) => {
                let requester = Requester::Peer(peer.clone());
                match op {
                    Op::KeyMaterial(body) => self.key_material(&requester, body),
                    Op::Update { room, body } => self.update(&requester, room, body),
                    Op::SubmitMessage { room, body } => self.submit(&requester, room, body),
                    Op::GroupInfo { room, body } => self.group_info(&requester, room, body),
                    Op::Notify { room, body } => self.notify(peer, room, body),
                    Op::RequestConsent(body) => self.peer_consent(peer, body, true),
                    Op::UpdateConsent(body) => self.peer_consent(peer, body, false),
                    _ => Err(Reject::Unknown("no endpoint of ours".to_owned()).into()),
                }
            }
            (By::Own, _) => unreachable!("a provider asks itself for nothing else"),
        }
    }

    fn client_asks(&mut self, token: Option<&str>, op: &Op) -> Result<Done, Obstacle> {
        let Op::Client(request) = op else { return self.stream_asks(token, op) };
        if let Request::Register { user, device, signature_key, .. } = request {
            return self.register(user, device, signature_key);
        }
        if let Request::Issuers(domain) = request {
            return self.issuers_of(domain);
        }
        let device = self.signed_in(token)?;
        let identity = DeviceIdentity { user: device.user.clone(), client: device.client.clone() };
        let requester = Requester::Local(identity.clone());
        match request {
            Request::Provider => Ok(self.provider_info()),
            Request::KeyPackageStock => Ok(Done::Said(self.stock(&identity.client))),
            Request::UploadKeyPackages(body) => self.upload(&device, body),
            Request::KeyMaterial { body, .. } => self.key_material(&requester, body),
            Request::FoundRoom { room, body } => self.found_room(&identity, room, body),
            Request::DirectRoom(other) => self.direct_room(&identity.user, other),
            Request::Update { room, body } => self.update_of_client(&requester, room, body),
            Request::SubmitMessage { room, body } => self.submit_of_client(&requester, room, body),
            Request::GroupInfo { room, body } if room.domain() == *self.domain() => {
                self.group_info(&requester, room, body)
            }
            Request::GroupInfo { room, body } => {
                let op = Op::GroupInfo { room: room.clone(), body: body.clone() };
                Ok(Done::Forward { to: room.domain(), op })
            }
            Request::Consent(body) => self.consent(&identity, body),
            Request::Contacts => Ok(self.contacts()),
            Request::Devices => Ok(self.devices(&device)),
            Request::SignOutDevice(client) => self.sign_out(&device, client),
            other => Err(Reject::Unsupported(format!("{other:?}")).into()),
        }
    }

    /// The device that holds a token.
    fn signed_in(&self, token: Option<&str>) -> Result<DeviceRecord, Reject> {
        let token = token.ok_or_else(|| Reject::NotAllowed("no token".to_owned()))?;
        let hash = Sha256::digest(token.as_bytes()).into();
        now(self.disk.store.device_by_token(hash))
            .ok_or_else(|| Reject::NotAllowed("unauthorized".to_owned()))
    }

    /// Another provider is asked.
    fn call(&mut self, to: Domain, op: Op, waiter: Waiter) {
        self.next_rpc += 1;
        self.waiting.insert(self.next_rpc, waiter);
        self.out.push(Out::Call { to, op, rpc: self.next_rpc });
    }

    fn queue(&mut self, write: Write, ask: Ask) {
        let Write { changes, expect, effects, said, facts, room, snapshot, then, forward } = write;
        if changes.is_empty() && expect.is_empty() {
            self.reply(ask.back, said, forward);
            self.begin(&effects, &then);
            return;
        }
        let back = ask.back.clone();
        let changes = self.planted.changes(changes, &mut self.rng);
        let early = self.planted == Planted::AnswersBeforeSync && forward.is_none();
        let again = Some(ask);
        let lane = None;
        let mut after = After { back, said, effects, facts, room, again, then, forward, lane };
        if early {
            // Planted: what is only queued counts as written.
            let result = Ok(after.said.clone());
            let back = std::mem::replace(&mut after.back, Back::Nobody);
            self.out.push(Out::Answer { back, result });
        }
        let room = after.room.clone();
        self.disk.push(Commit { expect, changes }, after);
        self.out.push(Out::Sync);
        if let Some(snapshot) = snapshot {
            let Change::PutSnapshot { seq, .. } = &snapshot else { unreachable!("a snapshot") };
            let stream = room.clone().expect("a snapshot is a room's");
            let expect = vec![Expect::StreamSeq { stream, seq: *seq }];
            self.written(Commit { expect, changes: vec![snapshot] });
        }
    }

    fn reply(&mut self, back: Back, said: Said, forward: Option<(Domain, Op)>) {
        match forward {
            Some((to, op)) => self.call(to, op, Waiter::Asker(back)),
            None => self.out.push(Out::Answer { back, result: Ok(said) }),
        }
    }

    /// The disk has finished a write; tells whether there was one.
    pub(crate) fn synced(&mut self) -> bool {
        let Some((commit, outcome, after)) = self.disk.sync() else { return false };
        match outcome {
            Ok(_) => self.durable(&commit, after),
            Err(error) => {
                if let Some(room) = &after.room {
                    self.forget(room);
                }
                self.failed(error, after);
            }
        }
        true
    }

    fn durable(&mut self, commit: &Commit, after: After) {
        for fact in after.facts {
            if let Fact::CameIn { room, client, until_ms } = &fact {
                // Unless it has asked anew meanwhile.
                let key = (room.clone(), client.clone());
                if self.let_in.get(&key).is_some_and(|(_, until)| until == until_ms) {
                    self.let_in.remove(&key);
                }
            }
            if let Fact::CodeUsed { room, code } = &fact {
                *self.used.entry((room.clone(), code.clone())).or_default() += 1;
            }
            self.out.push(Out::Fact(fact));
        }
        self.reply(after.back, after.said, after.forward);
        let wakes = |change: &Change| matches!(change, Change::Join { .. } | Change::PutDevice(_));
        if commit.changes.iter().any(wakes) {
            self.out.push(Out::Wake);
        }
        self.begin(&after.effects, &after.then);
    }

    fn failed(&mut self, error: StoreError, after: After) {
        if let Some(key) = after.lane {
            self.lane_failed(&key);
        }
        let Some(mut ask) = after.again else { return };
        match error {
            StoreError::Conflict(_) if ask.tries < RACES_MAX => {
                ask.tries += 1;
                // Its answer may have gone out early.
                ask.back = after.back;
                self.out.push(Out::Serve(ask));
            }
            StoreError::Conflict(what) => {
                let reject = match &ask.op {
                    Op::Client(Request::FoundRoom { .. } | Request::UploadKeyPackages(_)) => {
                        Reject::Conflict(what)
                    }
                    _ => Reject::Unavailable("too many requests for the same".to_owned()),
                };
                self.out.push(Out::Answer { back: after.back, result: Err(reject) });
            }
            failed => {
                if matches!(ask.by, By::Own) {
                    // The disk may be better by then.
                    self.out.push(Out::Serve(ask));
                }
                let reject = Reject::Internal(failed.to_string());
                self.out.push(Out::Answer { back: after.back, result: Err(reject) });
            }
        }
    }

    /// To ask for a removal twice changes nothing.
    fn look_at_removals(&mut self) {
        for removal in now(self.disk.store.owed_removals(0, usize::MAX)) {
            if let Some(room) = removal.owed.room {
                self.own(Op::Evict { room, gone: Some(removal.owed.gone) });
            }
        }
    }

    fn begin(&mut self, effects: &[Effect], then: &[Op]) {
        for effect in effects {
            match effect {
                Effect::WakeFollower { stream, follower } => {
                    self.wake_lane((stream.clone(), follower.clone()));
                }
                Effect::WakeStream(_) => self.out.push(Out::Wake),
                Effect::WakeArrivals => self.own(Op::TakeIn),
                Effect::WakeRemovals => self.look_at_removals(),
            }
        }
        for op in then {
            self.own(op.clone());
        }
    }

    fn own(&mut self, op: Op) {
        self.out.push(Out::Serve(Ask { by: By::Own, op, back: Back::Nobody, tries: 0 }));
    }

    /// An answer of a peer, or none.
    pub(crate) fn answered(&mut self, rpc: u64, result: Result<Said, Reject>) {
        match self.waiting.remove(&rpc) {
            Some(Waiter::Asker(back)) => {
                let result = result.map_err(super::call::of_peer);
                self.out.push(Out::Answer { back, result });
            }
            Some(Waiter::Lane { key, entries, accepted_to, is_own }) => {
                self.lane_answered(&key, entries, accepted_to, is_own, result.map(drop));
            }
            None => {}
        }
    }

    /// Entries that a device's stream has not sent yet; `None` when the stream has ended.
    pub(crate) fn feed(&mut self, device: usize) -> Option<Vec<LoggedEvent>> {
        let feed = self.feeds.get_mut(&device)?;
        let known = now(self.disk.store.device_by_token(feed.token_sha256));
        if known.is_none_or(|known| known.client != feed.client) {
            self.feeds.remove(&device);
            return None;
        }
        let page = now(self.disk.store.client_events(&feed.client, feed.cursor, 64));
        if let Some(last) = page.last() {
            feed.cursor = last.id;
        }
        Some(page)
    }

    /// What still waits here, in words.
    pub(crate) fn waits(&self) -> Vec<String> {
        let own = self.domain();
        let mut waits = Vec::new();
        if self.disk.queued() > 0 {
            waits.push(format!("{own}: {} writes", self.disk.queued()));
        }
        for cursor in now(self.disk.store.waiting_followers()) {
            let end = now(self.disk.store.last_seq(&cursor.stream));
            let batch = now(self.disk.store.follower_batch(
                &cursor.stream,
                &cursor.follower,
                cursor.cursor,
                usize::MAX,
            ));
            if !batch.events.is_empty() {
                let (stream, follower) = (&cursor.stream, &cursor.follower);
                waits.push(format!(
                    "{own}: {stream} for {follower}, from {} of {end}",
                    cursor.cursor
                ));
            }
        }
        for arrival in now(self.disk.store.arrivals(10)) {
            waits.push(format!("{own}: arrival {}", arrival.id));
        }
        waits
    }
}
