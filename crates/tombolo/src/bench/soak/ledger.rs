//! The ledger of a soak: what was to be written, what became of it, who was to see it, and what is
//! wrong with what the devices show.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mimi_wire::MimiUri;

/// What became of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// Told to a device that has not said yet what became of it, or could not any more.
    Unknown,
    /// The device has heard that the hub has it.
    Accepted {
        /// When, by the ledger's clock.
        at: u64,
    },
    /// It was said no to.
    Refused(String),
}

/// A message that a device was told to write.
#[derive(Clone, Debug)]
struct Message {
    room: MimiUri,
    /// Who writes one message after the other.
    writer: String,
    told_at: u64,
    fate: Fate,
}

/// A time in which a device is in a room for certain, by the ledger's clock.
#[derive(Clone, Copy, Debug)]
struct Stay {
    from: u64,
    until: Option<u64>,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    clock: u64,
    messages: HashMap<String, Message>,
    stays: BTreeMap<(String, MimiUri), Vec<Stay>>,
    /// How often a device has told of a message, over all its lives.
    told: HashMap<(String, String), u32>,
    pub(super) told_of: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

/// What is wrong with what devices show, and how much is right.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Messages that came to a device that was to see them.
    pub(super) delivered: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) reordered: u64,
    /// Shown, though nobody wrote it or it was refused.
    pub(super) invented: u64,
    /// Their writers were killed before they heard; they are there.
    pub(super) unknown_came: u64,
    /// And they are not.
    pub(super) unknown_never: u64,
    /// The first few in words.
    pub(super) words: Vec<String>,
}

/// Faults told in words, of those that are alike for a long time.
const WORDS_MAX: usize = 40;

impl Findings {
    pub(super) fn is_whole(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0 && self.invented == 0
    }

    fn say(&mut self, words: String) {
        if self.words.len() < WORDS_MAX {
            self.words.push(words);
        }
    }
}

impl Ledger {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// A device is told to write a message. No two have the same text.
    pub(super) fn write(&mut self, room: &MimiUri, writer: &str, text: &str) {
        let told_at = self.tick();
        let (room, writer) = (room.clone(), writer.to_owned());
        let message = Message { room, writer, told_at, fate: Fate::Unknown };
        self.messages.insert(text.to_owned(), message);
    }

    /// It was not told after all.
    pub(super) fn unwrite(&mut self, text: &str) {
        self.messages.remove(text);
    }

    /// The device has heard that the hub has it.
    pub(super) fn accept(&mut self, text: &str) {
        let at = self.tick();
        if let Some(message) = self.messages.get_mut(text) {
            message.fate = Fate::Accepted { at };
            self.accepted += 1;
        }
    }

    /// It was said no to.
    pub(super) fn refuse(&mut self, text: &str, why: &str) {
        if let Some(message) = self.messages.get_mut(text) {
            message.fate = Fate::Refused(why.to_owned());
            self.refused += 1;
        }
    }

    /// A device is in a room from now on.
    pub(super) fn comes(&mut self, device: &str, room: &MimiUri) {
        let from = self.tick();
        let stays = self.stays.entry((device.to_owned(), room.clone())).or_default();
        stays.push(Stay { from, until: None });
    }

    /// It is not any more, from some moment after this.
    pub(super) fn goes(&mut self, device: &str, room: &MimiUri) {
        let now = self.tick();
        if let Some(stays) = self.stays.get_mut(&(device.to_owned(), room.clone()))
            && let Some(last) = stays.last_mut()
        {
            last.until = Some(now);
        }
    }

    /// A device tells of a message that it shows for the first time.
    pub(super) fn tells(&mut self, device: &str, text: &str) {
        self.told_of += 1;
        *self.told.entry((device.to_owned(), text.to_owned())).or_default() += 1;
    }

    /// Messages of which nobody knows what became of them.
    pub(super) fn unknown(&self) -> usize {
        self.messages.values().filter(|message| message.fate == Fate::Unknown).count()
    }

    /// Who was ever in a room.
    pub(super) fn devices_of(&self, room: &MimiUri) -> Vec<String> {
        let stays = self.stays.keys().filter(|(_, of)| of == room);
        stays.map(|(device, _)| device.clone()).collect()
    }

    /// Who is in a room for certain.
    pub(super) fn devices_in(&self, room: &MimiUri) -> Vec<String> {
        let in_now = |stays: &[Stay]| stays.last().is_some_and(|last| last.until.is_none());
        let stays = self.stays.iter().filter(|((_, of), stays)| of == room && in_now(stays));
        stays.map(|((device, _), _)| device.clone()).collect()
    }

    /// Whatever a device has told of twice.
    pub(super) fn told_twice(&self, findings: &mut Findings) {
        for ((device, text), count) in &self.told {
            if *count > 1 {
                findings.duplicated += u64::from(count - 1);
                findings.say(format!("{device} told of '{text}' {count} times"));
            }
        }
    }

    /// Compares what devices show of a room; `first` was in it all the time.
    pub(super) fn compare(
        &self,
        room: &MimiUri,
        first: &str,
        shown: &BTreeMap<String, Vec<String>>,
        findings: &mut Findings,
    ) {
        let reference = shown.get(first).map_or(&[][..], Vec::as_slice);
        let places: HashMap<&str, usize> =
            reference.iter().enumerate().map(|(place, text)| (text.as_str(), place)).collect();
        for (device, texts) in shown {
            let distinct: BTreeSet<&String> = texts.iter().collect();
            let twice = texts.len() - distinct.len();
            if twice > 0 {
                findings.duplicated += twice as u64;
                findings.say(format!("{device} shows {twice} messages of {room} twice"));
            }
            Self::order_of(room, device, texts, &places, findings);
            self.due(room, device, &distinct, &places, findings);
        }
        self.reasons(room, reference, findings);
        self.fates(room, &places, findings);
    }

    /// Every device shows a part of what the first one shows, in the same order.
    fn order_of(
        room: &MimiUri,
        device: &str,
        texts: &[String],
        places: &HashMap<&str, usize>,
        findings: &mut Findings,
    ) {
        let mut before: Option<usize> = None;
        for text in texts {
            let Some(place) = places.get(text.as_str()).copied() else {
                findings.lost += 1;
                findings.say(format!("'{text}' of {room} is shown by {device} alone"));
                continue;
            };
            if before.is_some_and(|before| place < before) {
                findings.reordered += 1;
                findings.say(format!("{device} shows '{text}' of {room} in another order"));
            }
            before = Some(place);
        }
    }

    /// What was written while a device was in the room, it shows, if it was accepted or others do.
    fn due(
        &self,
        room: &MimiUri,
        device: &str,
        shows: &BTreeSet<&String>,
        places: &HashMap<&str, usize>,
        findings: &mut Findings,
    ) {
        let key = (device.to_owned(), room.clone());
        let stays = self.stays.get(&key).map_or(&[][..], Vec::as_slice);
        let mut lost = Vec::new();
        for (text, message) in self.messages.iter().filter(|(_, message)| message.room == *room) {
            let came_at = match &message.fate {
                Fate::Accepted { at } => *at,
                // Nobody knows when.
                Fate::Unknown if places.contains_key(text.as_str()) => u64::MAX,
                Fate::Unknown | Fate::Refused(_) => continue,
            };
            let within = |stay: &Stay| {
                message.told_at > stay.from && stay.until.is_none_or(|until| came_at < until)
            };
            if stays.iter().any(within) {
                match shows.contains(text) {
                    true => findings.delivered += 1,
                    false => lost.push(text.as_str()),
                }
            }
        }
        if let Some(text) = lost.first() {
            findings.lost += lost.len() as u64;
            let count = lost.len();
            findings.say(format!("{device} lacks {count} messages of {room}, one is '{text}'"));
        }
    }

    /// Nothing is shown that nobody wrote, and each writer's messages in the order written.
    fn reasons(&self, room: &MimiUri, reference: &[String], findings: &mut Findings) {
        let mut last: HashMap<&str, u64> = HashMap::new();
        for text in reference {
            let message = self.messages.get(text).filter(|message| message.room == *room);
            let Some(message) = message else {
                findings.invented += 1;
                findings.say(format!("'{text}' is shown in {room}, where nobody wrote it"));
                continue;
            };
            if let Fate::Refused(why) = &message.fate {
                findings.invented += 1;
                findings.say(format!("'{text}' is shown in {room}, and was refused: {why}"));
            }
            let before = last.insert(&message.writer, message.told_at);
            if before.is_some_and(|before| before > message.told_at) {
                findings.reordered += 1;
                findings.say(format!("'{text}' of {room} comes after a later one of its writer"));
            }
        }
    }

    fn fates(&self, room: &MimiUri, places: &HashMap<&str, usize>, findings: &mut Findings) {
        let here = self.messages.iter().filter(|(_, message)| message.room == *room);
        for (text, _) in here.filter(|(_, message)| message.fate == Fate::Unknown) {
            match places.contains_key(text.as_str()) {
                true => findings.unknown_came += 1,
                false => findings.unknown_never += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests;
