//! What must hold in a federation whatever happens, and what a simulation has seen of it.
//!
//! The layer that runs a federation tells what hubs have accepted, what people have written and what
//! devices show. The ledger knows no layer: it compares. Within a room a message is named by the
//! time at which its hub accepted it, which no other message of the room has.

mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use mimi_wire::content::MessageId;
use mimi_wire::{Domain, MimiUri};

pub use ending::{Ending, Room, Standing};

/// What was broken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// No accepted message is lost.
    Lost,
    /// What a device says was not sent is nowhere.
    Unsent,
    /// None is shown twice.
    Twice,
    /// A room has one order.
    Order,
    /// A room has one history of epochs.
    Fork,
    /// Hub and clients agree on the room.
    Agreement,
    /// Nobody writes without the right to.
    Write,
    /// Nobody reads without the right to.
    Read,
    /// No KeyPackage is handed out twice.
    KeyPackage,
    /// Everything that waits arrives once nothing is wrong any more.
    Drain,
    /// An honest device never freezes a room whose hub is honest.
    Frozen,
}

/// A rule that was broken, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// For a person.
    pub what: String,
}

impl Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.rule, self.what)
    }
}

/// An application message that a hub has accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Its place in the room's log.
    pub seq: u64,
    /// When it was accepted.
    pub timestamp_ms: u64,
    /// The epoch it is encrypted in.
    pub epoch: u64,
    /// The user who is said to have sent it.
    pub sender: MimiUri,
    /// The MLS message.
    pub octets: Vec<u8>,
}

/// A room in one epoch, as its hub has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Epoch {
    /// Place in the log of the commit that led to it.
    pub seq: u64,
    /// Hash of its tree.
    pub tree_hash: Vec<u8>,
    /// Clients in the group, and whose they are.
    pub members: BTreeMap<MimiUri, MimiUri>,
    /// Users who may write.
    pub writers: BTreeSet<MimiUri>,
}

/// A message as a device shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Its id.
    pub id: MessageId,
    /// Who has sent it.
    pub sender: MimiUri,
    /// When it was accepted.
    pub timestamp_ms: u64,
    /// The text of its first version, if it has any.
    pub text: Option<String>,
    /// Everything about it on which devices agree, in words.
    pub all: String,
    /// It was not applied.
    pub is_refused: bool,
}

#[derive(Debug, Default)]
struct RoomBook {
    epochs: BTreeMap<u64, Epoch>,
    /// By time of acceptance.
    accepted: BTreeMap<u64, Accepted>,
    octets: BTreeSet<Vec<u8>>,
    last_seq: u64,
    /// By place in the log: clients that are on their way out from there on.
    leaving: BTreeMap<u64, BTreeSet<MimiUri>>,
    /// Users who want to leave, and the last entry before they came in: what is written behind it they
    /// may miss.
    going: Vec<(MimiUri, u64)>,
    /// Texts of which the sender knows that they were accepted.
    promised: BTreeMap<MessageId, MimiUri>,
}

/// Epochs that have passed in which a message may still be encrypted (AMB-SUB-3): receivers keep no
/// more keys.
const EPOCHS_BACK_MAX: u64 = 1;

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    rooms: BTreeMap<MimiUri, RoomBook>,
    /// Texts, who has written them and where. Every text is written once.
    written: BTreeMap<String, (MimiUri, MimiUri)>,
    /// Texts that a device has told its person were not sent.
    unsent: BTreeMap<String, MimiUri>,
    /// Direct rooms, and those that have taken their place at a device.
    gave_way: BTreeSet<(MimiUri, MimiUri)>,
    key_packages: BTreeSet<Vec<u8>>,
    told: BTreeSet<(MimiUri, MessageId)>,
    violations: Vec<Violation>,
    /// Providers whose hubs cheat, or have.
    crooked: BTreeSet<Domain>,
    /// Devices from which something may be missing in a room, after a fault that allows it.
    excused: BTreeSet<(MimiUri, MimiUri)>,
    checks: u64,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known to be broken.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Comparisons made so far: a simulation in which this stays small shows nothing.
    pub fn checks(&self) -> u64 {
        self.checks
    }

    /// Application messages that were accepted, in all rooms.
    pub fn accepted_count(&self) -> usize {
        self.rooms.values().map(|room| room.accepted.len()).sum()
    }

    /// Epochs, in all rooms.
    pub fn epoch_count(&self) -> usize {
        self.rooms.values().map(|room| room.epochs.len()).sum()
    }

    /// A rule that the layer itself has found broken.
    pub fn broken(&mut self, rule: Rule, what: impl Into<String>) {
        self.violations.push(Violation { rule, what: what.into() });
    }

    fn expect(&mut self, holds: bool, rule: Rule, what: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.broken(rule, what());
        }
    }

    /// A room's hub is in an epoch.
    pub fn epoch(&mut self, room: &MimiUri, number: u64, epoch: Epoch) {
        let book = self.rooms.entry(room.clone()).or_default();
        let known = book.epochs.get(&number);
        let last = book.epochs.keys().next_back().copied();
        let same = known.is_none_or(|known| *known == epoch);
        let follows = known.is_some() || last.is_none_or(|last| number == last + 1);
        if known.is_none() {
            book.epochs.insert(number, epoch);
        }
        self.expect(same, Rule::Fork, || format!("{room} has two epochs {number} at its hub"));
        self.expect(follows, Rule::Fork, || format!("{room}: epoch {number} after {last:?}"));
    }

    /// A hub has accepted a message, which is durable.
    pub fn accepted(&mut self, room: &MimiUri, message: Accepted) {
        let book = self.rooms.entry(room.clone()).or_default();
        let at = message.timestamp_ms;
        let new = book.octets.insert(message.octets.clone());
        let last = book.accepted.keys().next_back().copied();
        let in_order = message.seq > book.last_seq && last.is_none_or(|last| at > last);
        book.last_seq = message.seq;
        let now = book.epochs.range(..).rev().find(|(_, epoch)| epoch.seq < message.seq);
        let current = now.map_or(0, |(number, _)| *number);
        let in_window = message.epoch <= current && current - message.epoch <= EPOCHS_BACK_MAX;
        let of = message.epoch;
        let sender = &message.sender;
        // What it says of the epoch it is encrypted in may be wrong: then nobody can read it.
        let may = now.is_some_and(|(_, epoch)| epoch.writers.contains(sender));
        let seq = message.seq;
        let sender = sender.clone();
        book.accepted.insert(at, message);
        if self.is_crooked(room) {
            return;
        }
        self.expect(new, Rule::Twice, || format!("{room}: the message at {seq} is there already"));
        self.expect(in_order, Rule::Order, || {
            format!("{room}: entry {seq} of {at} after {last:?}")
        });
        self.expect(may, Rule::Write, || format!("{room}: {sender} may not write at {seq}"));
        self.expect(in_window, Rule::Write, || {
            format!("{room}: a message of epoch {of} is taken in epoch {current} at {seq}")
        });
    }

    /// Somebody begins to leave on a device: what it has not shown by now of this stay need not be
    /// shown any more, be it older or newer.
    pub fn wants_to_go(&mut self, room: &MimiUri, user: &MimiUri) {
        let book = self.rooms.entry(room.clone()).or_default();
        let outside = book.epochs.values().filter(|epoch| !holds_user(epoch, user));
        let since = outside.map(|epoch| epoch.seq).max().unwrap_or_default();
        book.going.push((user.clone(), since));
    }

    /// Somebody may not leave, after all.
    pub fn stays(&mut self, room: &MimiUri, user: &MimiUri) {
        let Some(book) = self.rooms.get_mut(room) else { return };
        if let Some(last) = book.going.iter().rposition(|(going, _)| going == user) {
            book.going.remove(last);
        }
    }

    /// Whether a client is on its way out of a room now, or its user wants to be.
    pub fn is_going(&self, room: &MimiUri, client: &MimiUri) -> bool {
        let Some(book) = self.rooms.get(room) else { return false };
        let leaving = book.leaving.values().next_back();
        let user = book.epochs.values().find_map(|epoch| epoch.members.get(client));
        leaving.is_some_and(|clients| clients.contains(client))
            || book.going.iter().any(|(going, _)| Some(going) == user)
    }

    /// From a place in a room's log on these clients, and no others, are on their way out: what is
    /// written behind it, they may see and need not.
    pub fn leaving(&mut self, room: &MimiUri, seq: u64, clients: BTreeSet<MimiUri>) {
        self.rooms.entry(room.clone()).or_default().leaving.insert(seq, clients);
    }

    /// A hub was put back: of this room only entries up to `seq` have happened.
    pub fn put_back(&mut self, room: &MimiUri, seq: u64) {
        let Some(book) = self.rooms.get_mut(room) else { return };
        let members = book.epochs.values().flat_map(|epoch| epoch.members.keys());
        self.excused.extend(members.map(|client| (client.clone(), room.clone())));
        book.epochs.retain(|_, epoch| epoch.seq <= seq);
        book.accepted.retain(|_, message| message.seq <= seq);
        book.going.retain(|(_, at)| *at <= seq);
        book.leaving.retain(|at, _| *at <= seq);
        book.octets = book.accepted.values().map(|message| message.octets.clone()).collect();
        book.last_seq = seq;
        book.promised.clear();
    }

    /// Something that a device should have seen of a room may be missing there from now on.
    pub fn excuse(&mut self, client: &MimiUri, room: &MimiUri) {
        self.excused.insert((client.clone(), room.clone()));
    }

    /// A provider begins to cheat. Of its rooms, and of what its own devices see, little is held then; in rooms
    /// of others everybody else is held to all.
    pub fn cheats(&mut self, domain: &Domain) {
        self.crooked.insert(domain.clone());
    }

    fn is_crooked(&self, room: &MimiUri) -> bool {
        !self.crooked.is_empty() && self.crooked.contains(&room.domain())
    }

    /// Whether that was said.
    pub fn is_excused(&self, client: &MimiUri, room: &MimiUri) -> bool {
        self.is_crooked(room)
            || self.is_crooked(client)
            || self.excused.contains(&(client.clone(), room.clone()))
    }

    /// Somebody begins to send a text that is written nowhere else.
    pub fn wrote(&mut self, user: &MimiUri, room: &MimiUri, text: &str) {
        let by = (user.clone(), room.clone());
        let first = self.written.insert(text.to_owned(), by);
        assert_eq!(first, None, "a layer writes every text once");
    }

    /// At a device another direct room has taken a room's place (TOM-67): what is written in the one
    /// goes to the other.
    pub fn gives_way(&mut self, room: &MimiUri, to: &MimiUri) {
        self.gave_way.insert((room.clone(), to.clone()));
    }

    /// A device was told that its text was accepted: named by itself or by its user.
    pub fn promised(&mut self, user: &MimiUri, room: &MimiUri, id: MessageId) {
        if self.gave_way.iter().any(|(before, _)| before == room) {
            // Which of the two it went to is not said; what a hub has accepted is looked for anyway.
            return;
        }
        self.rooms.entry(room.clone()).or_default().promised.insert(id, user.clone());
    }

    /// A device has told its person that a text was not sent.
    pub fn unsent(&mut self, client: &MimiUri, text: &str) {
        self.unsent.insert(text.to_owned(), client.clone());
    }

    /// A device has told its person of a new message, which nobody has touched since.
    pub fn told(&mut self, client: &MimiUri, id: MessageId) {
        let first = self.told.insert((client.clone(), id));
        self.expect(first, Rule::Twice, || format!("{client} tells {id} again"));
    }

    /// A device is put back to an earlier state, or crashes before it has stored what it told.
    pub fn forgets(&mut self, client: &MimiUri) {
        self.told.retain(|(by, _)| by != client);
    }

    /// A provider hands a KeyPackage out that is good for one use.
    pub fn key_package(&mut self, reference: &[u8]) {
        let first = self.key_packages.insert(reference.to_vec());
        self.expect(first, Rule::KeyPackage, || format!("{reference:02x?} is given again"));
    }

    /// Whether a user has a client in a room now.
    pub fn is_member(&self, room: &MimiUri, user: &MimiUri) -> bool {
        let last = self.rooms.get(room).and_then(|book| book.epochs.values().next_back());
        last.is_some_and(|epoch| epoch.members.values().any(|of| of == user))
    }

    /// Whether a client is in a room now.
    pub fn holds(&self, room: &MimiUri, client: &MimiUri) -> bool {
        let last = self.rooms.get(room).and_then(|book| book.epochs.values().next_back());
        last.is_some_and(|epoch| epoch.members.contains_key(client))
    }

    /// A device is in an epoch of a room.
    pub fn in_epoch(&mut self, client: &MimiUri, room: &MimiUri, number: u64, tree_hash: &[u8]) {
        if self.is_excused(client, room) {
            return;
        }
        let epoch = self.rooms.get(room).and_then(|book| book.epochs.get(&number));
        let same = epoch.is_some_and(|epoch| epoch.tree_hash == tree_hash);
        let member = epoch.is_some_and(|epoch| epoch.members.contains_key(client));
        let known = epoch.is_some();
        self.expect(same, Rule::Fork, || {
            format!("{client} is in an epoch {number} of {room} that is not its hub's ({known})")
        });
        self.expect(member || !same, Rule::Read, || {
            format!("{client} is in epoch {number} of {room}, where it is no member")
        });
    }

    /// A device's provider sends it an application message: it was a member when that was accepted.
    pub fn is_sent(&mut self, client: &MimiUri, room: &MimiUri, timestamp_ms: u64) {
        let Some(book) = self.rooms.get(room) else { return };
        let Some(message) = book.accepted.get(&timestamp_ms) else { return };
        let now = book.epochs.values().rev().find(|epoch| epoch.seq < message.seq);
        let member = now.is_some_and(|epoch| epoch.members.contains_key(client));
        self.expect(member, Rule::Read, || {
            format!("{client} is sent the message of {timestamp_ms} in {room} and was no member")
        });
    }

    /// What a device shows of a room, at any time.
    pub fn shows(&mut self, client: &MimiUri, room: &MimiUri, lines: &[Line]) {
        let ids: BTreeSet<_> = lines.iter().map(|line| line.id).collect();
        self.expect(ids.len() == lines.len(), Rule::Twice, || {
            format!("{client} shows a message of {room} twice")
        });
        let excused = self.is_excused(client, room);
        let in_order = lines.is_sorted_by(|a, b| a.timestamp_ms < b.timestamp_ms);
        self.expect(in_order || excused, Rule::Order, || {
            let times: Vec<_> = lines.iter().map(|line| line.timestamp_ms).collect();
            format!("{client} shows {room} in another order: {times:?}")
        });
        for line in lines {
            self.line(client, room, line, excused);
        }
    }

    fn line(&mut self, client: &MimiUri, room: &MimiUri, line: &Line, excused: bool) {
        if let Some(text) = &line.text {
            let by = self.written.get(text).cloned();
            let true_words = by.as_ref().is_some_and(|(user, of)| {
                let place = (of.clone(), room.clone());
                *user == line.sender && (of == room || self.gave_way.contains(&place))
            });
            self.expect(true_words, Rule::Write, || {
                format!("{client} shows {text:?} of {} in {room}, written by {by:?}", line.sender)
            });
        }
        if excused {
            return;
        }
        let Some(book) = self.rooms.get(room) else { return };
        let at = line.timestamp_ms;
        let accepted = book.accepted.get(&at);
        let sender = accepted.map(|message| &message.sender);
        let was_inside = accepted.is_none_or(|message| {
            book.epochs.get(&message.epoch).is_some_and(|epoch| holds_user(epoch, &message.sender))
        });
        let reads = accepted.is_some_and(|message| may_read(book, message, client));
        let (is_accepted, same) = (accepted.is_some(), sender == Some(&line.sender));
        let sender = sender.cloned();
        self.expect(is_accepted, Rule::Order, || {
            format!("{client} shows a message of {at} in {room} that its hub does not have")
        });
        self.expect(same || !is_accepted, Rule::Write, || {
            format!("{client} shows {} as sender of {at}, its hub has {sender:?}", line.sender)
        });
        self.expect(was_inside, Rule::Write, || {
            format!("{client} shows the message of {at} in {room}, whose sender was no member")
        });
        self.expect(reads || !is_accepted, Rule::Read, || {
            format!("{client} shows the message of {at} in {room} and was no member")
        });
    }
}

/// A client reads what is encrypted in an epoch in which it is a member, if it still is one when the
/// hub accepts it.
fn may_read(book: &RoomBook, message: &Accepted, client: &MimiUri) -> bool {
    let member = |epoch: &Epoch| epoch.members.contains_key(client);
    let then = book.epochs.range(message.epoch..);
    let mut then = then.take_while(|(_, epoch)| epoch.seq < message.seq).peekable();
    then.peek().is_some() && then.all(|(_, epoch)| member(epoch))
}

/// It does, and neither is on its way out nor wants to be.
fn must_read(book: &RoomBook, message: &Accepted, client: &MimiUri) -> bool {
    let leaving = book.leaving.range(..message.seq).next_back();
    may_read(book, message, client)
        && leaving.is_none_or(|(_, clients)| !clients.contains(client))
        && !wants_out(book, message, client)
}

fn holds_user(epoch: &Epoch, user: &MimiUri) -> bool {
    epoch.members.values().any(|of| of == user)
}

/// Its user has wanted to leave, in the stay that this message is of.
fn wants_out(book: &RoomBook, message: &Accepted, client: &MimiUri) -> bool {
    let user = book.epochs.values().find_map(|epoch| epoch.members.get(client));
    let was_inside = |since: u64| {
        let mut between =
            book.epochs.values().filter(|epoch| since < epoch.seq && epoch.seq < message.seq);
        between.all(|epoch| user.is_some_and(|user| holds_user(epoch, user)))
    };
    let mut going = book.going.iter().filter(|(going, _)| Some(going) == user);
    going.any(|(_, since)| message.seq > *since && was_inside(*since))
}

#[cfg(test)]
mod tests;
