//! The end of a simulation: nothing goes wrong any more, everything that waits arrives.

use futures_util::FutureExt;
use tombolo_store::Store;
use tombolo_testkit::simulation::ledger::Ending;

use super::Federation;
use crate::device::Order;

/// Virtual time without any write after which everything counts as at rest: longer than every pause
/// between two attempts of anybody who still wants something, refusals of streams included.
const STILL_MS: u64 = 40_000;
/// Virtual time in which rest has to come: providers that have failed for long are tried again after
/// minutes.
const REST_MS_MAX: u64 = 20 * 60 * 1_000;
/// Virtual time for devices to say how everything stands.
const REPORT_MS_MAX: u64 = 70_000;

impl Federation {
    /// Lets everything come to rest, and compares.
    pub(super) fn calm_down(&mut self) {
        self.heal_everything();
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
            let is_still = still_ms >= STILL_MS && still_ms.is_multiple_of(1_000);
            if is_still && self.waiting().is_empty() {
                break;
            }
        }
        let mut waiting = self.waiting();
        if self.elapsed_ms() >= until && waiting.is_empty() {
            waiting.push("it does not come to rest".to_owned());
        }
        let endings = self.endings(&mut waiting);
        let mut hubs: Vec<_> = self.witnesses.iter().flat_map(|witness| witness.rooms()).collect();
        let mut pages = self.book.pages();
        hubs.retain(|hub| !pages.crooked.contains(&hub.room.domain()));
        pages.ledger.end(&hubs, &endings, &waiting);
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
            let durable = self.provider_of(&person.user).disk.durable();
            let records = durable.and_then(|it| it.devices(&person.user).now_or_never());
            let records = records.and_then(Result::ok).unwrap_or_default();
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
        endings
    }
}
