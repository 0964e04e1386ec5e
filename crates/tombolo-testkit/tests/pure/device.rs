//! A person's device: the SDK's session, what it has stored, what is on its wires.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use tombolo_client::event::ClientEvent;
use tombolo_client::session::Session;
use tombolo_client::session::command::Outcome;
use tombolo_client::session::command::{Notice, OperationId};
use tombolo_client::session::request::{Outgoing, RequestId};
use tombolo_client::store::{Saved, StoreChange};
use tombolo_client::{ClientError, RoomState, RoomStatus, ShownMessage};
use tombolo_testkit::simulation::ledger::{Line, Standing};

/// What an operation of a person's is, until it ends.
#[derive(Clone, Debug)]
pub(crate) enum Doing {
    Text { room: MimiUri, text: String },
    CreateRoom,
    Link,
    Leave { room: MimiUri },
    Other(&'static str),
}

impl Doing {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "write",
            Self::CreateRoom => "create room",
            Self::Link => "create link",
            Self::Leave { .. } => "leave",
            Self::Other(name) => name,
        }
    }
}

/// The connection that events come by.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Counts connections; what belongs to an earlier one is void.
    pub(crate) conn: u64,
    pub(crate) is_open: bool,
    pub(crate) is_opening: bool,
    pub(crate) failures: u32,
    /// The last event that came by it, or where it began.
    pub(crate) after: u64,
    /// When the latest event on its way arrives: none overtakes another.
    pub(crate) last_ms: u64,
}

/// See the module.
pub(crate) struct Device {
    pub(crate) person: usize,
    pub(crate) node: usize,
    pub(crate) name: String,
    pub(crate) session: Session,
    pub(crate) saved: Saved,
    /// Planted: what it has let out it stores with what comes next.
    pub(crate) stores_late: bool,
    /// What is not stored yet.
    pub(crate) late: Vec<StoreChange>,
    /// An earlier state of its store.
    pub(crate) earlier: Option<Saved>,
    pub(crate) life: u64,
    pub(crate) client: Option<MimiUri>,
    pub(crate) user: MimiUri,
    /// Its token is good no longer.
    pub(crate) is_signed_out: bool,
    /// Requests that wait for their answers.
    pub(crate) asked: BTreeSet<RequestId>,
    pub(crate) doing: BTreeMap<OperationId, Doing>,
    pub(crate) stream: Stream,
    pub(crate) acknowledged: u64,
    pub(crate) acknowledge_from_ms: u64,
    /// The timer that is set.
    pub(crate) tick_ms: Option<u64>,
}

/// What a device lets out after it has stored.
#[derive(Default)]
pub(crate) struct LetOut {
    pub(crate) requests: Vec<Outgoing>,
    pub(crate) finished: Vec<(Doing, Result<Outcome, ClientError>)>,
    pub(crate) events: Vec<ClientEvent>,
}

impl Device {
    /// Stores, then lets out.
    pub(crate) fn settle(&mut self) -> LetOut {
        self.store();
        let changes = self.session.take_changes();
        self.late.extend(changes);
        if !self.stores_late {
            self.store();
        }
        let mut out = LetOut::default();
        for notice in self.session.take_notices() {
            match notice {
                Notice::Finished { operation, result } => {
                    if let Some(doing) = self.doing.remove(&operation) {
                        out.finished.push((doing, result));
                    }
                }
                Notice::Event(event) => out.events.push(event),
                _ => {}
            }
        }
        while let Some(outgoing) = self.session.next_request() {
            out.requests.push(outgoing);
        }
        if let Some(identity) = self.session.identity() {
            self.client = Some(identity.client.clone());
        }
        out
    }

    fn store(&mut self) {
        for change in self.late.drain(..) {
            self.saved.apply(change);
        }
    }

    /// Loses what is not stored.
    pub(crate) fn lose(&mut self) {
        self.session.take_changes();
        self.late.clear();
    }

    /// Stops at once, and starts from what is stored.
    pub(crate) fn restart(&mut self, now_ms: u64) {
        self.store();
        self.session = Session::restore(self.saved.clone(), now_ms).expect("what it has stored");
        self.life += 1;
        self.doing.clear();
        self.asked.clear();
        self.stream = Stream { conn: self.stream.conn + 1, ..Stream::default() };
        self.acknowledged = self.session.cursor();
        self.tick_ms = None;
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.session.identity().is_some()
    }
}

/// A room as the ledger compares it.
pub(crate) fn facts(state: &RoomState) -> Vec<String> {
    let participants = state.participants.iter().map(|participant| {
        let clients = participant.clients.iter().map(MimiUri::as_str).collect::<Vec<_>>().join(" ");
        format!("{} as {} with {clients}", participant.user, participant.role_index)
    });
    let mut facts = vec![
        format!("in epoch {}", state.epoch),
        format!("tree {:02x?}", &state.tree_hash.get(..8).unwrap_or_default()),
        format!("called {}", state.name),
    ];
    facts.extend(participants);
    facts
}

pub(crate) fn standing(status: &RoomStatus) -> Standing {
    match status {
        RoomStatus::Joined => Standing::Inside,
        RoomStatus::Frozen { .. } => Standing::Frozen,
        RoomStatus::Superseded { .. } => Standing::Leaving,
        _ => Standing::Outside,
    }
}

/// A message as the ledger compares it.
pub(crate) fn line(message: &ShownMessage) -> Line {
    let first = message.versions.first().and_then(|version| version.text.clone());
    let text = first.or_else(|| message.text.clone()).filter(|_| message.refused.is_none());
    let mut reactions: Vec<_> =
        message.reactions.iter().map(|(user, with)| format!("{user} {with}")).collect();
    reactions.sort();
    let (shown, deleted) = (&message.text, message.deleted);
    let all = format!("{shown:?} deleted {deleted} {}", reactions.join(", "));
    Line {
        id: message.id,
        sender: message.sender.clone(),
        timestamp_ms: message.timestamp_ms,
        text,
        all,
        is_refused: message.refused.is_some(),
    }
}

/// The message of an event that tells of a new one, as nobody has touched it.
pub(crate) fn told(event: &ClientEvent) -> Option<MessageId> {
    let ClientEvent::Message { message, .. } = event else { return None };
    let untouched = !message.edited
        && !message.deleted
        && message.reactions.is_empty()
        && message.statuses.is_empty()
        && message.refused.is_none();
    untouched.then_some(message.id)
}
