//! Devices and their hub, driven step by step in an order that a seed decides.

use std::collections::BTreeMap;

use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_wire::content::MessageId;
use mimi_wire::{Domain, MimiUri};
use rand::Rng;
use rand::rngs::StdRng;

use super::hub::Hub;
use crate::contacts::ContactWord;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::secret::SecretText;
use crate::session::Session;
use crate::session::command::{Command, Draft, Notice, OperationId, Outcome};
use crate::session::request::{Outgoing, RequestId, Response, TransportError};
use crate::session::stream_event::LogPosition;
use crate::shown::{RoomState, ShownMessage};
use crate::store::Saved;

/// Longest silence that is waited through, in milliseconds.
const HORIZON_MS: u64 = 60_000;
/// Steps after which a world counts as never coming to rest.
const STEPS_MAX: usize = 20_000;

/// What goes wrong, and how often (of 100).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(super) requests_lost: u32,
    pub(super) answers_lost: u32,
    pub(super) events_repeated: u32,
    /// Time passes although something else could happen first.
    pub(super) delays: u32,
    pub(super) crashes: u32,
}

/// A device with its stored state and what is on its wires.
pub(crate) struct Actor {
    pub(crate) session: Session,
    pub(super) saved: Saved,
    domain: Domain,
    pub(super) client: Option<MimiUri>,
    sending: Vec<Outgoing>,
    /// Events that have been handed over.
    taken: usize,
    pub(super) finished: BTreeMap<OperationId, Result<Outcome, ClientError>>,
    pub(super) heard: Vec<ClientEvent>,
    /// Gets no events.
    pub(super) is_deaf: bool,
    /// Its requests do not leave.
    pub(super) is_mute: bool,
    pub(super) crashes: usize,
}

/// See the module.
pub(crate) struct World {
    pub(super) hub: Hub,
    pub(crate) actors: Vec<Actor>,
    pub(super) now_ms: u64,
    pub(super) rng: StdRng,
    pub(super) faults: Faults,
    pub(super) steps: usize,
    /// A device that crashes after this step.
    pub(super) crash_at: Option<(usize, usize)>,
}

/// An answer, and to which request.
pub(super) type Answered = (RequestId, Result<Response, TransportError>);

/// Something that can happen next.
enum Step {
    Request(usize, usize),
    Event(usize),
}

impl Actor {
    pub(super) fn new(session: Session, domain: &str) -> Self {
        Self {
            session,
            saved: Saved::default(),
            domain: Domain::new(domain).unwrap(),
            client: None,
            sending: Vec::new(),
            taken: 0,
            finished: BTreeMap::new(),
            heard: Vec::new(),
            is_deaf: false,
            is_mute: false,
            crashes: 0,
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hub: Hub::new(),
            actors: Vec::new(),
            now_ms: tombolo_testkit::now_ms(),
            rng: tombolo_testkit::rng(seed),
            faults: Faults::default(),
            steps: 0,
            crash_at: None,
        }
    }

    /// Registers a device.
    pub(super) fn device(&mut self, domain: &str, user: &str, device: &str) -> usize {
        let session = Session::new(&mut self.rng);
        self.actors.push(Actor::new(session, domain));
        let actor = self.actors.len() - 1;
        let command = Command::Register {
            user: user.to_owned(),
            password: SecretText::new("p".to_owned()),
            device: device.to_owned(),
        };
        self.done(actor, command);
        actor
    }

    /// alice and bob with two devices each, cathy with one; the first device of each is in a room
    /// of alice's, as are all of bob's.
    pub(crate) fn with_room(seed: u64) -> (Self, MimiUri) {
        let mut world = Self::new(seed);
        let alice = world.device("a.example", "alice", "phone");
        let bob = world.device("b.example", "bob", "phone");
        let bobs_laptop = world.device("b.example", "bob", "laptop");
        let cathy = world.device("c.example", "cathy", "phone");
        let room = world.create_room(alice);
        world.befriend(bob, alice);
        world.befriend(cathy, bob);
        let user = world.user(bob);
        world.done(alice, Command::AddUser { room: room.clone(), user });
        let user = world.user(cathy);
        world.done(bob, Command::AddUser { room: room.clone(), user });
        assert_eq!([alice, bob, bobs_laptop, cathy], [0, 1, 2, 3]);
        world.agree(&room);
        (world, room)
    }

    pub(super) fn create_room(&mut self, actor: usize) -> MimiUri {
        self.create_room_by(actor, Preset::Cooperative)
    }

    pub(super) fn create_room_by(&mut self, actor: usize, preset: Preset) -> MimiUri {
        self.create_room_with(actor, RoomPolicy::of_preset(preset))
    }

    pub(super) fn create_room_with(&mut self, actor: usize, policy: RoomPolicy) -> MimiUri {
        let (name, policy) = ("Clubhouse".to_owned(), Box::new(policy));
        match self.done(actor, Command::CreateRoom { name, policy }) {
            Outcome::Room(room) => room,
            other => panic!("{other:?}"),
        }
    }

    /// The first lets the second contact them.
    pub(super) fn befriend(&mut self, target: usize, requester: usize) {
        let requester = self.user(requester);
        let word = ContactWord::Accept;
        self.done(target, Command::SayContact { word, user: requester, room: None });
    }

    pub(super) fn user(&self, actor: usize) -> MimiUri {
        self.hub.user_of(self.actors[actor].client.as_ref().unwrap())
    }

    pub(super) fn start(&mut self, actor: usize, command: Command) -> OperationId {
        let operation = self.actors[actor].session.start(command, self.now_ms, &mut self.rng);
        self.flush(actor);
        operation
    }

    /// Runs an operation, and everything it leads to, to its end.
    pub(super) fn outcome(
        &mut self,
        actor: usize,
        command: Command,
    ) -> Result<Outcome, ClientError> {
        let operation = self.start(actor, command);
        self.run();
        self.finished(actor, operation)
    }

    pub(super) fn done(&mut self, actor: usize, command: Command) -> Outcome {
        self.outcome(actor, command).unwrap()
    }

    pub(super) fn finished(
        &self,
        actor: usize,
        operation: OperationId,
    ) -> Result<Outcome, ClientError> {
        self.actors[actor].finished[&operation].clone()
    }

    pub(super) fn text(&mut self, actor: usize, room: &MimiUri, text: &str) -> MessageId {
        let draft = Draft::Text { text: text.to_owned(), in_reply_to: None };
        self.message(actor, room, draft)
    }

    pub(super) fn message(&mut self, actor: usize, room: &MimiUri, draft: Draft) -> MessageId {
        match self.done(actor, Command::Send { room: room.clone(), draft }) {
            Outcome::Message(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn state(&self, actor: usize, room: &MimiUri) -> RoomState {
        self.actors[actor].session.room(room).unwrap()
    }

    pub(super) fn texts(&self, actor: usize, room: &MimiUri) -> Vec<String> {
        let messages = self.state(actor, room).messages.into_iter();
        let applied = messages.filter(|message| message.refused.is_none());
        applied.map(|message| message.text.unwrap_or_default()).collect()
    }

    /// Stores, then lets out.
    pub(super) fn flush(&mut self, actor: usize) {
        let actor = &mut self.actors[actor];
        for change in actor.session.take_changes() {
            actor.saved.apply(change);
        }
        for notice in actor.session.take_notices() {
            match notice {
                Notice::Finished { operation, result } => {
                    assert!(actor.finished.insert(operation, result).is_none(), "ended twice");
                }
                Notice::Event(event) => actor.heard.push(event),
            }
        }
        while let Some(outgoing) = actor.session.next_request() {
            actor.sending.push(outgoing);
        }
        actor.client = actor.session.identity().map(|identity| identity.client.clone());
    }

    /// Until nothing happens any more, however long one waits.
    pub(super) fn run(&mut self) {
        self.run_until(u64::MAX);
    }

    /// For some time, while something may happen for ever.
    pub(super) fn run_for(&mut self, ms: u64) {
        self.run_until(self.now_ms + ms);
    }

    fn run_until(&mut self, end_ms: u64) {
        let mut waited_ms = 0;
        loop {
            while self.step() {
                waited_ms = 0;
            }
            let Some(due) = self.next_timer() else { return };
            let wait_ms = due.saturating_sub(self.now_ms);
            waited_ms += wait_ms;
            if waited_ms > HORIZON_MS || due > end_ms {
                return;
            }
            self.now_ms += wait_ms;
            self.tick();
        }
    }

    /// Runs what is possible at once, without waiting.
    pub(super) fn run_at_once(&mut self) {
        while self.step() {}
    }

    fn next_timer(&self) -> Option<u64> {
        self.actors.iter().filter_map(|actor| actor.session.next_timer()).min()
    }

    fn tick(&mut self) {
        for actor in 0..self.actors.len() {
            self.actors[actor].session.tick(self.now_ms, &mut self.rng);
            self.flush(actor);
        }
    }

    /// One thing that can happen happens; false if nothing can.
    pub(super) fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "never comes to rest");
        let mut possible = Vec::new();
        for (index, actor) in self.actors.iter().enumerate() {
            if !actor.is_mute {
                let requests = 0..actor.sending.len();
                possible.extend(requests.map(|request| Step::Request(index, request)));
            }
            let stream = actor.client.as_ref().and_then(|client| self.hub.streams.get(client));
            if !actor.is_deaf && stream.is_some_and(|stream| stream.len() > actor.taken) {
                possible.push(Step::Event(index));
            }
        }
        if possible.is_empty() {
            return false;
        }
        if self.happens(self.faults.delays)
            && let Some(due) = self.next_timer()
        {
            self.now_ms = self.now_ms.max(due);
            self.tick();
            return true;
        }
        let chosen = self.rng.random_range(0..possible.len());
        self.now_ms += 1;
        match possible[chosen] {
            Step::Request(actor, request) => self.request(actor, request),
            Step::Event(actor) => self.event(actor),
        }
        if let Some((step, actor)) = self.crash_at
            && step == self.steps
        {
            self.crash(actor);
        }
        true
    }

    fn happens(&mut self, of_100: u32) -> bool {
        of_100 > 0 && self.rng.random_range(0..100) < of_100
    }

    /// A device's last request has come to the hub, and its answer is on its way.
    pub(super) fn hub_answers(&mut self, index: usize) -> Answered {
        let outgoing = self.actors[index].sending.pop().unwrap();
        (outgoing.id, self.serve(index, outgoing))
    }

    /// The id of a device's last request, which does not come to the hub.
    pub(super) fn last_request(&mut self, index: usize) -> RequestId {
        self.actors[index].sending.pop().unwrap().id
    }

    /// The answer arrives.
    pub(super) fn answer(&mut self, index: usize, (id, result): Answered) {
        self.actors[index].session.answer(id, result, self.now_ms, &mut self.rng);
        self.flush(index);
    }

    fn serve(&mut self, index: usize, outgoing: Outgoing) -> Result<Response, TransportError> {
        let Outgoing { token, request, .. } = outgoing;
        let client = token.map(|token| MimiUri::new(token.reveal()).unwrap());
        let domain = self.actors[index].domain.clone();
        self.hub.serve(&domain, client.as_ref(), &request, self.now_ms)
    }

    fn request(&mut self, index: usize, request: usize) {
        let outgoing = self.actors[index].sending.remove(request);
        let id = outgoing.id;
        let lost = || Err(TransportError::Unreachable("lost".to_owned()));
        let result = match self.happens(self.faults.requests_lost) {
            true => lost(),
            false => {
                let result = self.serve(index, outgoing);
                match self.happens(self.faults.answers_lost) {
                    true => lost(),
                    false => result,
                }
            }
        };
        self.actors[index].session.answer(id, result, self.now_ms, &mut self.rng);
        self.flush_or_crash(index);
    }

    fn event(&mut self, index: usize) {
        let repeated = self.happens(self.faults.events_repeated);
        let actor = &mut self.actors[index];
        let stream = &self.hub.streams[actor.client.as_ref().unwrap()];
        if repeated {
            actor.taken = actor.taken.saturating_sub(2);
        }
        let event = stream[actor.taken].clone();
        actor.taken += 1;
        actor.session.event(event, self.now_ms, &mut self.rng);
        self.flush_or_crash(index);
    }

    /// A crash may come before anything of this step is stored, or right after.
    fn flush_or_crash(&mut self, actor: usize) {
        if !self.happens(self.faults.crashes) {
            return self.flush(actor);
        }
        if self.rng.random() {
            self.flush(actor);
        }
        self.crash(actor);
    }

    /// The device stops at once and starts again from what it has stored.
    pub(super) fn crash(&mut self, actor: usize) {
        let actor_state = &mut self.actors[actor];
        actor_state.session = Session::restore(actor_state.saved.clone(), self.now_ms).unwrap();
        actor_state.sending.clear();
        // Nobody waits any more; a new run counts its operations anew.
        actor_state.finished.clear();
        actor_state.crashes += 1;
        // The stream resumes after the stored cursor.
        let cursor = actor_state.session.cursor();
        if let Some(client) = &actor_state.client {
            let stream = &self.hub.streams[client];
            actor_state.taken = stream.partition_point(|event| event.id <= cursor);
        }
        actor_state.session.opened(None, self.now_ms, &mut self.rng);
        actor_state.session.connected(true, self.now_ms, &mut self.rng);
        self.flush(actor);
    }

    /// The last event on its way to a device is lost.
    pub(super) fn lose_event(&mut self, actor: usize) {
        let client = self.actors[actor].client.clone().unwrap();
        self.hub.streams.get_mut(&client).unwrap().pop().unwrap();
    }

    /// The device connects to its provider, which says where its log is.
    pub(super) fn connect(&mut self, actor: usize, era: &str, after: u64, acknowledged: u64) {
        let position = LogPosition { era: era.to_owned(), after, acknowledged };
        let state = &mut self.actors[actor];
        state.session.opened(Some(position), self.now_ms, &mut self.rng);
        let cursor = state.session.cursor();
        let stream = &self.hub.streams[state.client.as_ref().unwrap()];
        state.taken = stream.partition_point(|event| event.id <= cursor);
        state.session.connected(true, self.now_ms, &mut self.rng);
        self.flush(actor);
    }

    /// The device starts from an earlier state of its store; it is not connected yet.
    pub(super) fn put_back(&mut self, actor: usize, saved: Saved) {
        let state = &mut self.actors[actor];
        state.session = Session::restore(saved.clone(), self.now_ms).unwrap();
        state.saved = saved;
        state.sending.clear();
        state.finished.clear();
        self.flush(actor);
    }

    /// Every device that the hub counts as a member is in the hub's group, and nothing waits.
    pub(super) fn agree_but_for_messages(&self, room: &MimiUri) {
        let hub = &self.hub.room(room).group;
        for (index, actor) in self.actors.iter().enumerate() {
            let client = actor.client.as_ref().unwrap();
            if hub.view().clients.iter().any(|member| member.client == *client) {
                let state = self.state(index, room);
                assert_eq!(state.epoch, hub.view().epoch, "epoch of {client}");
                assert_eq!(state.tree_hash, hub.tree_hash(), "tree of {client}");
                assert_eq!(state.name, hub.view().metadata.room_name);
                let listed: Vec<_> = state.participants.iter().map(|it| it.user.clone()).collect();
                let expected = hub.view().participants.participants.iter();
                assert_eq!(listed, expected.map(|it| it.user.clone()).collect::<Vec<_>>());
            }
            assert!(actor.saved.rooms.get(room).is_none_or(|saved| saved.waiting.is_empty()));
        }
    }

    /// Every device that the hub counts as a member sees the room as the hub does, and all see the
    /// same messages, those who came later without the ones encrypted before.
    pub(super) fn agree(&self, room: &MimiUri) {
        self.agree_but_for_messages(room);
        let hub = &self.hub.room(room).group;
        let mut longest: Vec<_> = Vec::new();
        let mut states = Vec::new();
        for (index, actor) in self.actors.iter().enumerate() {
            let client = actor.client.as_ref().unwrap();
            if hub.view().clients.iter().any(|member| member.client == *client) {
                let state = self.state(index, room);
                // What is told of a message only its author knows.
                let alike = |shown: ShownMessage| ShownMessage { statuses: Vec::new(), ..shown };
                let messages: Vec<_> = state.messages.into_iter().map(alike).collect();
                assert!(messages.windows(2).all(|two| two[0].timestamp_ms < two[1].timestamp_ms));
                if messages.len() > longest.len() {
                    longest.clone_from(&messages);
                }
                states.push((client.clone(), messages));
            }
        }
        for (client, messages) in states {
            if client.segments()[1] == "phone" {
                assert_eq!(messages, longest, "messages of {client}");
            }
            let mut rest = longest.iter();
            for message in &messages {
                assert!(rest.any(|it| it == message), "{client} shows {message:?} out of place");
            }
        }
    }
}
