//! What must hold at the end, when nothing is wrong any more and nothing happens.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;

use super::{Accepted, Ledger, Line, RoomBook, Rule, must_read};

/// How a device stands in a room in the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// A member.
    Inside,
    /// It is out, and shows what it has seen.
    Outside,
    /// Its person has left: it is out, and a member until somebody commits that.
    Leaving,
    /// It has frozen the room.
    Frozen,
}

/// A room as a device, or its hub, has it in the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Room {
    /// The room.
    pub room: MimiUri,
    /// Epoch, tree, participants, roles, name, in words: the same for all.
    pub facts: Vec<String>,
}

/// A device in the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// The device.
    pub client: MimiUri,
    /// Its rooms.
    pub rooms: Vec<(Room, Standing, Vec<Line>)>,
}

type Shown<'a> = BTreeMap<&'a MimiUri, BTreeMap<u64, &'a Line>>;

impl Ledger {
    /// Everything is at rest. `hubs` are the rooms there are, `devices` those that are signed in, and
    /// `waiting` what should have been sent, or done, and was not.
    pub fn end(&mut self, hubs: &[Room], devices: &[Ending], waiting: &[String]) {
        self.expect(waiting.is_empty(), Rule::Drain, || waiting.join("; "));
        for device in devices {
            for (room, standing, lines) in &device.rooms {
                self.shows(&device.client, &room.room, lines);
                self.stands(hubs, &device.client, room, *standing);
            }
        }
        for hub in hubs {
            self.members_know(hub, devices);
            self.complete(&hub.room, devices);
        }
    }

    fn stands(&mut self, hubs: &[Room], client: &MimiUri, room: &Room, standing: Standing) {
        let uri = &room.room;
        self.expect(standing != Standing::Frozen, Rule::Frozen, || {
            format!("{client} has frozen {uri}")
        });
        let Some(hub) = hubs.iter().find(|hub| hub.room == *uri) else { return };
        if standing != Standing::Inside {
            return;
        }
        for (theirs, ours) in hub.facts.iter().zip(&room.facts) {
            self.expect(theirs == ours, Rule::Agreement, || {
                format!("{uri} is {theirs} at its hub and {ours} for {client}")
            });
        }
    }

    /// Who is a member knows it, and nobody else believes to be one.
    fn members_know(&mut self, hub: &Room, devices: &[Ending]) {
        let Some(epoch) =
            self.rooms.get(&hub.room).and_then(|book| book.epochs.values().next_back())
        else {
            return;
        };
        let members: BTreeSet<_> = epoch.members.keys().cloned().collect();
        for device in devices {
            // A device that was put back may have forgotten the whole room.
            if self.excused.contains(&(device.client.clone(), hub.room.clone())) {
                continue;
            }
            let inside = device
                .rooms
                .iter()
                .any(|(room, standing, _)| room.room == hub.room && *standing == Standing::Inside);
            let leaving = device
                .rooms
                .iter()
                .any(|(room, standing, _)| room.room == hub.room && *standing == Standing::Leaving);
            let member = members.contains(&device.client) && !leaving;
            self.expect(inside == member, Rule::Agreement, || {
                let (client, room) = (&device.client, &hub.room);
                format!("{client} in {room}: {member} for the hub, {inside} for itself")
            });
        }
    }

    /// Every message has reached everybody who may read it, and is the same for all.
    fn complete(&mut self, room: &MimiUri, devices: &[Ending]) {
        let Some(book) = self.rooms.get(room) else { return };
        let shown: Shown<'_> = devices
            .iter()
            .filter(|device| !self.excused.contains(&(device.client.clone(), room.clone())))
            .map(|device| {
                let rooms = device.rooms.iter().filter(|(it, _, _)| it.room == *room);
                let lines = rooms.flat_map(|(_, _, lines)| lines);
                (&device.client, lines.map(|line| (line.timestamp_ms, line)).collect())
            })
            .collect();
        let mut found = Vec::new();
        let mut promised: BTreeMap<_, _> = book.promised.clone();
        for message in book.accepted.values() {
            let lines = shown.values().filter_map(|lines| lines.get(&message.timestamp_ms));
            for line in lines {
                promised.remove(&line.id);
            }
            found.extend(self.message(book, message, &shown));
        }
        // Whoever sent it shows it too, so that a message without any line is no message anywhere.
        let senders = |user: &MimiUri| {
            let now = book.epochs.values().next_back();
            let clients = now.into_iter().flat_map(|epoch| &epoch.members);
            let mut clients = clients.filter(|(client, of)| *client == user || *of == user);
            clients.any(|(client, _)| shown.contains_key(client))
        };
        let gone: Vec<_> = promised.iter().filter(|(_, user)| senders(user)).collect();
        found.push((gone.is_empty(), Rule::Lost, format!("{room}: promised and gone: {gone:?}")));
        for (holds, rule, what) in found {
            self.expect(holds, rule, || what);
        }
    }

    fn message(
        &self,
        book: &RoomBook,
        message: &Accepted,
        shown: &Shown<'_>,
    ) -> Vec<(bool, Rule, String)> {
        let at = message.timestamp_ms;
        let lines: Vec<_> = shown.values().filter_map(|lines| lines.get(&at)).collect();
        // A text for one is a text for all; what is about another message is so only for those who
        // have that one.
        let is_text = lines
            .iter()
            .any(|line| line.text.as_ref().is_some_and(|text| self.written.contains_key(text)));
        let mut found = Vec::new();
        if !is_text {
            return found;
        }
        for text in lines.iter().filter_map(|line| line.text.as_ref()) {
            let by = self.unsent.get(text);
            found.push((
                by.is_none(),
                Rule::Unsent,
                format!("{by:?} said that {text:?} was not sent"),
            ));
        }
        let last = book.epochs.keys().next_back().copied().unwrap_or_default();
        let mut first: Option<(&MimiUri, &Line)> = None;
        for (client, lines) in shown {
            if !must_read(book, message, client) {
                continue;
            }
            let Some(line) = lines.get(&at) else {
                let what = format!(
                    "{client} lacks the message {} (epoch {}) of {}",
                    at, message.epoch, message.sender
                );
                found.push((false, Rule::Lost, what));
                continue;
            };
            let stays = (message.epoch..=last).all(|epoch| {
                book.epochs.get(&epoch).is_some_and(|epoch| epoch.members.contains_key(*client))
            });
            if !stays {
                continue;
            }
            let (other, known) = *first.get_or_insert((client, line));
            let same =
                (known.id, &known.all, known.is_refused) == (line.id, &line.all, line.is_refused);
            found.push((
                same,
                Rule::Agreement,
                match same {
                    true => String::new(),
                    false => format!(
                        "message {at}: {} for {other}, {} for {client}",
                        known.all, line.all
                    ),
                },
            ));
        }
        found
    }
}
