//! A device: the SDK's real client on a host of its own, and a person who uses it.

mod acting;
pub(crate) mod shown;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::protocol::key_material::KeyMaterialRequest;
use mimi_wire::protocol::submit_message::SubmitMessageRequest;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tombolo_client::session::request::{Outgoing, Request, Response};
use tombolo_client::transport::{ApiTransport, OpenStream, Token, Transport, TransportFuture};
use tombolo_client::{
    Client, ClientError, ClientEvent, ProviderAddress, Registration, ShownMessage, Surroundings,
};
use tombolo_server::clock::Clock;
use tombolo_testkit::simulation::ledger::{Ending, Rule};
use tombolo_testkit::simulation::plan::Action;

use crate::book::{Book, Overheard};
use crate::pocket::Pocket;
use crate::provider::{CLIENT_PORT, PASSWORD};
use crate::wires::{Courier, trusting};

/// How often a device that is not registered tries again.
const REGISTER_EVERY: Duration = Duration::from_secs(2);
/// How often what a device shows is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1_500);

/// How long a message takes where nothing is wrong: shorter than anything that looks now and then
/// for what it was not told of.
const PROMPT_MS_MAX: u64 = 8_000;

/// How often a device opens a stream in so many milliseconds: never so often.
const OPENINGS_MAX: usize = 20;
const OPENINGS_MS: u64 = 3_000;

/// What a device is told by whoever runs the simulation.
#[derive(Debug)]
pub enum Order {
    /// Its person does this.
    Act(Action),
    /// It writes in all its rooms.
    LastWords,
    /// Say how everything stands.
    Report,
}

/// A device, whether it runs or not.
#[derive(Debug)]
pub struct Device {
    /// Its host's name.
    pub host: String,
    /// Its URI.
    pub client: MimiUri,
    /// Its user.
    pub user: MimiUri,
    /// Its storage.
    pub pocket: Pocket,
    /// Everybody's URIs, by number.
    pub people: Vec<MimiUri>,
    book: Book,
    root_pem: Arc<str>,
    seed: u64,
    draws: AtomicU64,
    orders: Mutex<Option<mpsc::UnboundedSender<Order>>>,
    report: Mutex<Option<Ending>>,
    /// What it could not say in the end.
    said: Mutex<Option<Vec<String>>>,
    /// How long it takes for each event.
    pause_ms: Arc<AtomicU64>,
}

impl Device {
    /// A device that has not signed in yet.
    pub fn new(
        (user, name): (&MimiUri, &str),
        people: Vec<MimiUri>,
        book: Book,
        root_pem: Arc<str>,
        seed: u64,
    ) -> Self {
        let domain = user.domain();
        let user_name = user.segments().pop().expect("a user has a name");
        let client = MimiUri::build(&domain, UriKind::Client, &[&user_name, name]);
        Self {
            host: format!("{name}.{user_name}.{domain}"),
            client: client.expect("names are plain"),
            user: user.clone(),
            pocket: Pocket::default(),
            people,
            book,
            root_pem,
            seed,
            draws: AtomicU64::new(0),
            orders: Mutex::new(None),
            report: Mutex::new(None),
            said: Mutex::new(None),
            pause_ms: Arc::default(),
        }
    }

    /// Tells it something; false if it does not listen.
    pub fn tell(&self, order: Order) -> bool {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.as_ref().is_some_and(|orders| orders.send(order).is_ok())
    }

    /// What it could not say, once it has tried.
    pub fn take_said(&self) -> Option<Vec<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// From now on it takes so long for each event.
    pub fn read_slowly(&self, pause_ms: u64) {
        self.pause_ms.store(pause_ms, Ordering::Relaxed);
    }

    /// What it has reported, once.
    pub fn take_report(&self) -> Option<Ending> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// It does not listen any more.
    pub fn hang_up(&self) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// From the start of its host to the crash.
    pub async fn live(self: Arc<Self>) -> turmoil::Result {
        let client = Arc::new(self.signed_in().await);
        let (sender, mut orders) = mpsc::unbounded_channel();
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        self.book.note(|| format!("{} is there", self.host));
        tokio::spawn(self.clone().listen(client.clone()));
        tokio::spawn(self.clone().look(client.clone()));
        while let Some(order) = orders.recv().await {
            let (device, client) = (self.clone(), client.clone());
            match order {
                Order::Act(action) => drop(tokio::spawn(device.act(client, action))),
                Order::LastWords => drop(tokio::spawn(async move {
                    let failed = device.last_words(&client).await;
                    *device.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
                })),
                Order::Report => drop(tokio::spawn(async move {
                    let ending = device.ending(&client).await;
                    *device.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
                })),
            }
        }
        Ok(())
    }

    async fn signed_in(&self) -> Client {
        loop {
            let store = Arc::new(self.pocket.clone());
            let (transport, surroundings) = (self.transport(), self.surroundings());
            let opened =
                match Client::start_in(surroundings, store.clone(), transport.clone()).await {
                    Err(ClientError::NotRegistered) => {
                        let surroundings = self.surroundings();
                        let registration = self.registration();
                        Client::register_in(surroundings, store, transport, registration).await
                    }
                    opened => opened,
                };
            match opened {
                Ok(client) => return client,
                Err(error) => self.book.note(|| format!("{} is not signed in: {error}", self.host)),
            }
            tokio::time::sleep(REGISTER_EVERY).await;
        }
    }

    fn registration(&self) -> Registration {
        let name = |uri: &MimiUri| uri.segments().pop().unwrap_or_default();
        let url = format!("https://{}:{CLIENT_PORT}", self.user.domain());
        Registration {
            provider: ProviderAddress { url, resolve: None, roots_pem: None },
            user: name(&self.user),
            password: PASSWORD.to_owned(),
            device: name(&self.client),
        }
    }

    fn surroundings(&self) -> Surroundings {
        let (book, seed) = (self.book.clone(), self.seed);
        let life = self.draws.fetch_add(1, Ordering::Relaxed);
        let draws = AtomicU64::new(0);
        let next = move || {
            let draw = draws.fetch_add(1, Ordering::Relaxed);
            let text = format!("{seed} {life} {draw}");
            Sha256::digest(text.as_bytes()).into()
        };
        Surroundings::new(move || book.now_ms(), next)
    }

    fn transport(&self) -> Arc<dyn Transport> {
        let book = self.book.clone();
        let clock = Clock::from_fn(move || book.now_ms());
        let courier = Courier::new(trusting(&self.root_pem, &clock));
        let url = format!("https://{}:{CLIENT_PORT}", self.user.domain());
        let inner = ApiTransport::new(&url, Arc::new(courier)).expect("a plain address");
        let (user, client) = (self.user.clone(), self.client.clone());
        let (book, pause_ms) = (self.book.clone(), self.pause_ms.clone());
        let opened = Mutex::default();
        Arc::new(Tapped { inner, user, client, book, pause_ms, opened })
    }

    /// Hears what the client tells its person.
    async fn listen(self: Arc<Self>, client: Arc<Client>) {
        let mut events = client.subscribe();
        drop(client);
        while let Ok(event) = events.recv().await {
            match event {
                ClientEvent::Message { room, message } if shown::is_untouched(&message) => {
                    self.hear(&room, &message);
                }
                ClientEvent::Superseded { room, by } => {
                    self.book.pages().ledger.gives_way(&room, &by);
                }
                ClientEvent::Missed { room, .. } => {
                    self.book.note(|| format!("{} has missed something of {room}", self.host));
                    self.book.pages().ledger.excuse(&self.client, &room);
                }
                ClientEvent::SignedOut => {
                    self.book.note(|| format!("{} is out", self.host));
                    self.book.pages().out.insert(self.client.clone());
                }
                _ => {}
            }
        }
    }

    fn hear(&self, room: &MimiUri, message: &ShownMessage) {
        let late_ms = self.book.now_ms().saturating_sub(message.timestamp_ms);
        let mut pages = self.book.pages();
        pages.ledger.told(&self.client, message.id);
        if pages.is_prompt && late_ms > PROMPT_MS_MAX {
            let what = format!("{} hears of {room} after {late_ms} ms", self.client);
            pages.ledger.broken(Rule::Drain, what);
        }
    }

    /// Holds what the client shows against what hubs have accepted, now and then.
    async fn look(self: Arc<Self>, client: Arc<Client>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for room in client.rooms().await.unwrap_or_default() {
                let Ok(state) = client.room(&room).await else { continue };
                let lines: Vec<_> = state.messages.iter().map(shown::line).collect();
                let mut pages = self.book.pages();
                if pages.crooked.contains(&room.domain()) {
                    pages.ledger.excuse(&self.client, &room);
                }
                let founded = pages.rooms.get(&room).is_some_and(|first| state.epoch >= *first);
                if shown::is_inside(&state) && founded {
                    let tree = &state.tree_hash;
                    pages.ledger.in_epoch(&self.client, &room, state.epoch, tree);
                }
                pages.ledger.shows(&self.client, &room, &lines);
            }
        }
    }

    async fn ending(&self, client: &Client) -> Ending {
        let mut rooms = Vec::new();
        for room in client.rooms().await.unwrap_or_default() {
            let (Ok(state), Ok(view)) = (client.room(&room).await, client.policy(&room).await)
            else {
                continue;
            };
            if self.book.pages().crooked.contains(&room.domain()) {
                continue;
            }
            let lines = state.messages.iter().map(shown::line).collect();
            rooms.push((shown::room(&view, &state.tree_hash), shown::standing(&state), lines));
        }
        Ending { client: self.client.clone(), rooms }
    }
}

/// Notes whose message each is, which no log of a hub says.
struct Tapped {
    inner: ApiTransport,
    user: MimiUri,
    client: MimiUri,
    book: Book,
    pause_ms: Arc<AtomicU64>,
    /// When the stream was opened lately.
    opened: Mutex<VecDeque<u64>>,
}

impl Tapped {
    /// A device that cannot reach its provider waits longer each time.
    fn note_opening(&self) {
        let now_ms = self.book.now_ms();
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push_back(now_ms);
        opened.retain(|at_ms| now_ms - at_ms < OPENINGS_MS);
        if opened.len() == OPENINGS_MAX {
            let what = format!("{} opens a stream {OPENINGS_MAX} times", self.client);
            self.book.pages().ledger.broken(Rule::Drain, what);
        }
    }
}

/// Who is asked by a request that goes on to other providers, for what, about whom, and how.
fn between_providers(request: &Request) -> Option<(Domain, Endpoint, MimiUri, Bytes)> {
    let of_room = |endpoint, room: &MimiUri, body: &Bytes| {
        Some((room.domain(), endpoint, room.clone(), body.clone()))
    };
    match request {
        Request::SubmitMessage { room, body } => of_room(Endpoint::SubmitMessage, room, body),
        Request::Update { room, body } => of_room(Endpoint::Update, room, body),
        Request::GroupInfo { room, body } => of_room(Endpoint::GroupInfo, room, body),
        Request::KeyMaterial { user, body } => {
            let asked = KeyMaterialRequest::decode(body).ok()?.tbs.room_id;
            let to = asked.map_or_else(|| user.domain(), |room| room.domain());
            Some((to, Endpoint::KeyMaterial, user.clone(), body.clone()))
        }
        Request::Consent(body) => {
            let entry = ConsentEntry::decode(body).ok()?;
            let (endpoint, user) = match entry.operation {
                ConsentOperation::Request | ConsentOperation::Cancel => {
                    (Endpoint::RequestConsent, entry.target_uri)
                }
                _ => (Endpoint::UpdateConsent, entry.requester_uri),
            };
            Some((user.domain(), endpoint, user, body.clone()))
        }
        _ => None,
    }
}

impl Transport for Tapped {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        if let Some(token) = &outgoing.token {
            let whose = (self.user.clone(), token.clone());
            self.book.pages().tokens.insert(self.client.clone(), whose);
        }
        if let Some((to, endpoint, about, body)) = between_providers(&outgoing.request) {
            if endpoint == Endpoint::SubmitMessage
                && let Ok(request) = SubmitMessageRequest::decode(&body)
            {
                let octets = request.app_message.octets().to_vec();
                self.book.pages().senders.insert(octets, request.sending_uri);
            }
            let from = self.user.domain();
            self.book.hear(Overheard { to, from, endpoint, about, body });
        }
        self.inner.request(outgoing)
    }

    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        self.note_opening();
        let opening = self.inner.events(token, after, era);
        let pause_ms = self.pause_ms.clone();
        Box::pin(async move {
            let OpenStream { position, events } = opening.await?;
            let events = events.then(move |event| {
                let pause = Duration::from_millis(pause_ms.load(Ordering::Relaxed));
                async move {
                    // A pause of nothing would still be one of a millisecond.
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    event
                }
            });
            Ok(OpenStream { position, events: events.boxed() })
        })
    }

    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()> {
        self.inner.acknowledge(token, id)
    }
}
