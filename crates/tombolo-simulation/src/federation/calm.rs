//! The end of a simulation: nothing goes wrong any more, everything that waits arrives.

use std::sync::Arc;

use futures_util::FutureExt;
use mimi_provider::record::{ConsentDecision, DeviceRecord};
use mimi_wire::{Domain, MimiUri};
use tombolo_store::Store;
use tombolo_testkit::simulation::ledger::{Ending, Standing};

use crate::witness::Witness;

use super::Federation;
use crate::device::{Device, Order};

/// Virtual time without any write after which everything counts as at rest: longer than every pause
/// between two attempts of anybody who still wants something, refusals of streams included.
const STILL_MS: u64 = 40_000;
/// How often it is told to do what it likes in the end.
const MISDEEDS: u32 = 3;
/// Virtual time more after which whoever waits for an answer that does not come has given it up.
const STUCK_MS_MAX: u64 = 30_000;
/// The same after everybody has written once more.
const LAST_WORDS_STILL_MS: u64 = 6_000;
/// Virtual time in which everybody has written: some have to try again.
const LAST_WORDS_MS_MAX: u64 = 5 * 60 * 1_000;
/// Virtual time in which rest has to come: providers that have failed for long are tried again after
/// minutes.
const REST_MS_MAX: u64 = 20 * 60 * 1_000;
/// Virtual time for devices to say how everything stands.
const REPORT_MS_MAX: u64 = 70_000;

impl Federation {
    /// Lets everything come to rest, and compares.
    pub(super) fn calm_down(&mut self) {
        self.heal_everything();
        // Now it has heard everything there is.
        (0..MISDEEDS).for_each(|_| self.mallory.misbehave());
        let stuck = self.providers.iter().filter(|provider| provider.recover()).count();
        let stuck_ms = if stuck > 0 { STUCK_MS_MAX } else { 0 };
        let rested = self.rest(STILL_MS + stuck_ms);
        let mut failed = self.last_words();
        let rested = self.rest(LAST_WORDS_STILL_MS) && rested;
        let mut waiting = self.waiting();
        waiting.append(&mut failed);
        if !rested && waiting.is_empty() {
            waiting.push("it does not come to rest".to_owned());
        }
        self.go_on_signed_out();
        let endings = self.endings(&mut waiting);
        waiting.extend(self.unsaid());
        let mut hubs: Vec<_> = self.witnesses.iter().flat_map(|witness| witness.rooms()).collect();
        let mut pages = self.book.pages();
        hubs.retain(|hub| !pages.crooked.contains(&hub.room.domain()));
        pages.ledger.end(&hubs, &endings, &waiting);
    }

    /// Whether nothing is written for so long, and nothing waits, in time.
    fn rest(&mut self, rest_ms: u64) -> bool {
        let until = self.elapsed_ms() + REST_MS_MAX;
        let mut still_since = (self.elapsed_ms(), self.writes());
        while self.elapsed_ms() < until {
            self.step();
            let writes = self.writes();
            if writes != still_since.1 {
                still_since = (self.elapsed_ms(), writes);
            }
            let still_ms = self.elapsed_ms() - still_since.0;
            // Looked at rarely: it takes longer than a step.
            // Looked at rarely: it takes longer than a step.
            let is_still = still_ms >= rest_ms && still_ms.is_multiple_of(1_000);
            if is_still && self.waiting().is_empty() {
                return true;
            }
        }
        false
    }

    /// Everybody writes once more in every room: whether rooms have come to rest, or to a standstill.
    fn last_words(&mut self) -> Vec<String> {
        let mut asked = Vec::new();
        for person in &self.people {
            let records = self.records_of(&person.user);
            let signed_in = |it: &&Arc<Device>| records.iter().any(|one| one.client == it.client);
            let devices = person.devices.iter().filter(signed_in);
            asked.extend(devices.filter(|device| device.tell(Order::LastWords)).cloned());
        }
        let until = self.elapsed_ms() + LAST_WORDS_MS_MAX;
        let mut failed = Vec::new();
        while !asked.is_empty() && self.elapsed_ms() < until {
            self.step();
            asked.retain(|device| match device.take_said() {
                Some(mut said) => {
                    failed.append(&mut said);
                    false
                }
                None => true,
            });
        }
        failed.extend(asked.iter().map(|device| format!("{} cannot say a word", device.host)));
        failed
    }

    /// Devices that are signed out try what they cannot any more.
    fn go_on_signed_out(&mut self) {
        let gone: Vec<_> = self.gone().into_iter().map(|device| device.client.clone()).collect();
        gone.into_iter().for_each(|client| self.mallory.go_on_as(client));
    }

    /// Devices that were signed in once, and that their providers do not know any more.
    fn gone(&self) -> Vec<Arc<Device>> {
        let mut gone = Vec::new();
        for person in &self.people {
            let records = self.records_of(&person.user);
            let is_gone = |device: &&Arc<Device>| {
                let signed_in = records.iter().any(|record| record.client == device.client);
                !signed_in && self.book.pages().tokens.contains_key(&device.client)
            };
            let is_restored = self.book.pages().restored.contains(&person.user.domain());
            gone.extend(person.devices.iter().filter(|_| !is_restored).filter(is_gone).cloned());
        }
        gone
    }

    fn records_of(&self, user: &MimiUri) -> Vec<DeviceRecord> {
        let durable = self.provider_of(user).disk.durable();
        let records = durable.and_then(|it| it.devices(user).now_or_never());
        records.and_then(Result::ok).unwrap_or_default()
    }

    /// What should have been told, or asked for, and was not.
    fn unsaid(&self) -> Vec<String> {
        let mut unsaid = Vec::new();
        for device in self.gone() {
            if !self.book.pages().out.contains(&device.client) {
                unsaid.push(format!("{} does not know that it is signed out", device.host));
            }
        }
        let skipped = |domain: &Domain| {
            let pages = self.book.pages();
            pages.restored.contains(domain) || pages.crooked.contains(domain)
        };
        for (provider, witness) in self.providers.iter().zip(&self.witnesses) {
            if skipped(&provider.domain) {
                continue;
            }
            let is_known = |user: &MimiUri, client: &MimiUri| {
                let is_ours = user.domain() == provider.domain;
                !is_ours || self.records_of(user).iter().any(|record| record.client == *client)
            };
            unsaid.extend(witness.left_behind(is_known));
            for person in self.people.iter().filter(|it| it.user.domain() == provider.domain) {
                unsaid.extend(self.undelivered_decisions(&person.user, skipped));
            }
        }
        unsaid
    }

    /// Decisions of a user that the provider of whom they are about does not know.
    fn undelivered_decisions(
        &self,
        user: &MimiUri,
        skipped: impl Fn(&Domain) -> bool,
    ) -> Vec<String> {
        let durable = self.provider_of(user).disk.durable();
        let decided = durable.and_then(|it| it.consents_of(user).now_or_never());
        let decided = decided.and_then(Result::ok).unwrap_or_default();
        let mut unknown = Vec::new();
        for decision in decided {
            let requester = &decision.requester;
            // A refusal is told to nobody (PROTO-CON-8).
            let is_told = decision.granted == ConsentDecision::Granted;
            let is_far = requester.domain() != user.domain();
            let is_findable = !self.book.pages().unfindable.contains(&requester.domain());
            if !is_told || !is_far || !is_findable || skipped(&requester.domain()) {
                continue;
            }
            let durable = self.provider_of(requester).disk.durable();
            let told = durable.and_then(|it| it.consents(user, requester).now_or_never());
            let is_told = told
                .and_then(Result::ok)
                .unwrap_or_default()
                .iter()
                .any(|told| told.room == decision.room && told.granted == decision.granted);
            if !is_told {
                unknown.push(format!("{requester} is not told that {user} lets it in"));
            }
        }
        unknown
    }

    fn writes(&self) -> u64 {
        let disks = self.providers.iter().map(|provider| provider.disk.commits());
        let devices = self.people.iter().flat_map(|person| &person.devices);
        disks.chain(devices.map(|device| device.pocket.commits())).sum()
    }

    /// What should have been sent and was not.
    fn waiting(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        for provider in &self.providers {
            let Some(durable) = provider.disk.durable() else {
                waiting.push(format!("{} does not run", provider.domain));
                continue;
            };
            let followers = durable.waiting_followers().now_or_never();
            for cursor in followers.into_iter().flatten().flatten() {
                // A cursor may stand before entries that are for others.
                let (stream, follower, after) = (&cursor.stream, &cursor.follower, cursor.cursor);
                let batch = durable.follower_batch(stream, follower, after, 1).now_or_never();
                if batch.is_some_and(|batch| batch.is_ok_and(|it| !it.events.is_empty())) {
                    waiting.push(format!("{stream} waits for {follower} after {after}"));
                }
            }
            let arrivals = durable.arrivals(1).now_or_never();
            if arrivals.is_some_and(|arrivals| arrivals.is_ok_and(|it| !it.is_empty())) {
                waiting.push(format!("{} has not looked at what has arrived", provider.domain));
            }
        }
        waiting
    }

    /// How everything stands on the devices that are signed in.
    fn endings(&mut self, waiting: &mut Vec<String>) -> Vec<Ending> {
        let mut asked = Vec::new();
        for person in &self.people {
            let records = self.records_of(&person.user);
            let signed_in = |client| records.iter().any(|record| record.client == client);
            for device in person.devices.iter().filter(|it| signed_in(it.client.clone())) {
                match device.tell(Order::Report) {
                    true => asked.push(device.clone()),
                    false => waiting.push(format!("{} does not run", device.host)),
                }
            }
        }
        let until = self.elapsed_ms() + REPORT_MS_MAX;
        let mut endings = Vec::new();
        while !asked.is_empty() && self.elapsed_ms() < until {
            self.step();
            asked.retain(|device| match device.take_report() {
                Some(ending) => {
                    endings.push(ending);
                    false
                }
                None => true,
            });
        }
        waiting.extend(asked.iter().map(|device| format!("{} does not answer", device.host)));
        for ending in &mut endings {
            for (room, standing, _) in &mut ending.rooms {
                let is_out = |it: &Witness| it.is_on_its_way_out(&room.room, &ending.client);
                if self.witnesses.iter().any(is_out) {
                    *standing = Standing::Leaving;
                }
            }
        }
        endings
    }
}
