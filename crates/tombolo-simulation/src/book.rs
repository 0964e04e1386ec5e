//! What everybody in a simulation writes into: the ledger, the trace, and what people tell each other
//! outside of rooms.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::{Domain, MimiUri};
use tombolo_client::transport::Token;
use tombolo_testkit::simulation::ledger::Ledger;
use tombolo_testkit::simulation::trace::Trace;

/// See the module. Clones are handles to the same book.
#[derive(Clone, Debug)]
pub struct Book(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start_ms: u64,
    /// Since the start, where no host runs.
    elapsed_ms: AtomicU64,
    pages: Mutex<Pages>,
}

/// Requests between providers that are remembered of each kind.
const HEARD_MAX: usize = 24;

/// A request between providers, as somebody could have overheard it at one of them.
#[derive(Clone, Debug)]
pub struct Overheard {
    /// Who was asked.
    pub to: Domain,
    /// Who has asked.
    pub from: Domain,
    /// What.
    pub endpoint: Endpoint,
    /// About which room.
    pub about: MimiUri,
    /// The body.
    pub body: Bytes,
}

/// What is in it.
#[derive(Debug)]
pub struct Pages {
    /// What must hold.
    pub ledger: Ledger,
    /// What happened.
    pub trace: Trace,
    /// Rooms that hubs have, with the first epoch each was seen in: before that a room is its
    /// creator's alone.
    pub rooms: BTreeMap<MimiUri, u64>,
    /// Hubs that have cheated: of their rooms it is only held that nobody reads or writes there who
    /// may not.
    pub crooked: BTreeSet<Domain>,
    /// Providers that were put back.
    pub restored: BTreeSet<Domain>,
    /// Providers in whose place it was said that there is nothing: of their users, too.
    pub unfindable: BTreeSet<Domain>,
    /// Nothing goes wrong: messages are there within seconds.
    pub is_prompt: bool,
    /// Whom users have let in, by who did.
    pub let_in: BTreeSet<(MimiUri, MimiUri)>,
    /// Devices that know that they are signed out.
    pub out: BTreeSet<MimiUri>,
    /// Access tokens, by device, with whose it is.
    pub tokens: BTreeMap<MimiUri, (MimiUri, Token)>,
    /// Links into rooms that somebody has made.
    pub links: Vec<String>,
    /// Whose each application message on its way to a hub is said to be.
    pub senders: BTreeMap<Vec<u8>, MimiUri>,
    /// The latest requests between providers.
    pub heard: VecDeque<Overheard>,
    /// Texts written so far.
    texts: u64,
    /// How actions of people ended: done, refused.
    pub outcomes: [u64; 2],
}

impl Book {
    /// An empty one; the simulation begins at this time.
    pub fn new(start_ms: u64) -> Self {
        let pages = Pages {
            ledger: Ledger::new(),
            trace: Trace::on(start_ms),
            rooms: BTreeMap::new(),
            crooked: BTreeSet::new(),
            restored: BTreeSet::new(),
            unfindable: BTreeSet::new(),
            is_prompt: false,
            let_in: BTreeSet::new(),
            out: BTreeSet::new(),
            tokens: BTreeMap::new(),
            links: Vec::new(),
            senders: BTreeMap::new(),
            heard: VecDeque::new(),
            texts: 0,
            outcomes: [0; 2],
        };
        let (elapsed_ms, pages) = (AtomicU64::new(0), Mutex::new(pages));
        Self(Arc::new(Shared { start_ms, elapsed_ms, pages }))
    }

    /// Its pages.
    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by a clock that is right.
    pub fn now_ms(&self) -> u64 {
        let elapsed_ms = match turmoil::in_simulation() {
            true => turmoil::sim_elapsed().map(|elapsed| elapsed.as_millis()),
            false => None,
        };
        let elapsed_ms = elapsed_ms.and_then(|ms| u64::try_from(ms).ok());
        self.0.start_ms + elapsed_ms.unwrap_or_else(|| self.0.elapsed_ms.load(Ordering::Relaxed))
    }

    /// So much time has passed.
    pub fn elapsed(&self, ms: u64) {
        self.0.elapsed_ms.store(ms, Ordering::Relaxed);
    }

    /// Notes that something happened.
    pub fn note(&self, what: impl FnOnce() -> String) {
        let now_ms = self.now_ms();
        self.pages().trace.note(now_ms, what);
    }

    /// A request between providers was heard.
    pub fn hear(&self, heard: Overheard) {
        let mut pages = self.pages();
        let mut alike = pages.heard.iter().enumerate();
        let oldest = alike.find(|(_, it)| it.endpoint == heard.endpoint).map(|(at, _)| at);
        let alike = pages.heard.iter().filter(|it| it.endpoint == heard.endpoint).count();
        if let Some(oldest) = oldest.filter(|_| alike >= HEARD_MAX) {
            pages.heard.remove(oldest);
        }
        pages.heard.push_back(heard);
    }

    /// A text that nobody has written yet, in somebody's name.
    pub fn text(&self, user: &MimiUri, room: &MimiUri) -> String {
        let mut pages = self.pages();
        pages.texts += 1;
        let text = format!("words {}", pages.texts);
        pages.ledger.wrote(user, room, &text);
        text
    }
}
