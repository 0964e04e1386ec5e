//! What happens in this layer alone, carried out.

use futures_util::FutureExt;
use rand::Rng;
use tombolo_store::{Store, StoreFuture};
use tombolo_testkit::simulation::plan::Fault;

use super::Federation;
use super::weather::Healing;
use crate::disk::SYNC_MS_MAX;
use crate::extra::{Extra, FRAIL_SYNC_MS, FrailEnd, Moment};
use crate::facade::Facade;
use crate::pocket;

/// How long somebody who is frail is off, at most.
const FRAIL_DOWN_MS_MAX: u64 = 3_000;

/// Somebody who will stop in the middle of a write.
#[derive(Debug)]
pub(super) struct Frail {
    who: Who,
    end: FrailEnd,
    /// Writes when it was last looked at.
    writes: u64,
    /// When it stops.
    stops_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Provider(usize),
    Device(usize, usize),
}

impl Federation {
    pub(super) fn befall(&mut self, extra: &Extra) {
        self.book.note(|| format!("{extra:?}"));
        match *extra {
            Extra::Act { person, device, ref action } => self.act(person, device, action),
            Extra::Misdeed => self.mallory.misbehave(),
            Extra::Shutdown { provider, down_ms } => {
                if self.providers[provider].stop() {
                    self.heal_after(down_ms, Healing::Up(provider));
                }
            }
            Extra::StandIn { provider, facade, for_ms } => {
                let host = self.providers[provider].domain.to_string();
                if !self.sim.is_host_running(host.as_str()) {
                    return;
                }
                self.sim.crash(host.as_str());
                self.providers[provider].disk.crash();
                if facade == Facade::NothingHere {
                    let domain = self.providers[provider].domain.clone();
                    self.book.pages().unfindable.insert(domain);
                }
                self.providers[provider].set_facade(Some(facade));
                self.sim.bounce(host.as_str());
                self.heal_after(for_ms, Healing::Itself(provider));
            }
            Extra::SlowReader { person, device, pause_ms, for_ms } => {
                let devices = &self.people[person].devices;
                let number = device % devices.len();
                devices[number].read_slowly(pause_ms);
                self.heal_after(for_ms, Healing::FastReader(person, number));
            }
            Extra::FullDisk { provider, for_ms } => {
                self.suffer(&Fault::DiskFull { provider, for_ms });
            }
            Extra::FrailProvider { provider, end } => {
                self.providers[provider].disk.set_sync_ms_max(FRAIL_SYNC_MS);
                self.weaken(Who::Provider(provider), end);
            }
            Extra::FrailDevice { person, device, end } => {
                let number = device % self.people[person].devices.len();
                self.people[person].devices[number].pocket.set_sync_ms(FRAIL_SYNC_MS);
                self.weaken(Who::Device(person, number), end);
            }
            Extra::Equivocation { provider, for_ms } => {
                let crooked = &self.providers[provider];
                crooked.set_equivocates(true);
                self.book.pages().crooked.insert(crooked.domain.clone());
                self.heal_after(for_ms, Healing::Honest(provider));
            }
        }
    }

    fn weaken(&mut self, who: Who, end: FrailEnd) {
        let writes = self.writes_of(who);
        self.frail.push(Frail { who, end, writes, stops_ms: None });
    }

    fn writes_of(&self, who: Who) -> u64 {
        match who {
            Who::Provider(provider) => self.providers[provider].disk.commits(),
            Who::Device(person, device) => self.people[person].devices[device].pocket.commits(),
        }
    }

    /// Stops those whose time has come.
    pub(super) fn stop_who_is_frail(&mut self) {
        let now_ms = self.elapsed_ms();
        for mut frail in std::mem::take(&mut self.frail) {
            let enough = frail.writes + frail.end.writes;
            let is_time = || self.writes_of(frail.who) > enough && self.is_half_done(&frail);
            if frail.stops_ms.is_none() && is_time() {
                frail.stops_ms = Some(now_ms + frail.end.after_ms);
            }
            match frail.stops_ms.is_some_and(|stops_ms| stops_ms <= now_ms) {
                true => self.stop_frail(frail.who),
                false => self.frail.push(frail),
            }
        }
    }

    fn is_half_done(&self, frail: &Frail) -> bool {
        let Who::Provider(provider) = frail.who else { return true };
        let Some(durable) = self.providers[provider].disk.durable() else { return false };
        fn some<T>(read: StoreFuture<'_, Vec<T>>) -> bool {
            read.now_or_never().and_then(Result::ok).is_some_and(|read| !read.is_empty())
        }
        match frail.end.moment {
            Moment::Any => true,
            Moment::Arrival => some(durable.arrivals(1)),
            Moment::Removal => some(durable.owed_removals(0, 1)),
            Moment::Delivery => some(durable.waiting_followers()),
        }
    }

    fn stop_frail(&mut self, who: Who) {
        match who {
            Who::Provider(provider) => {
                let down_ms = self.rng.random_range(100..FRAIL_DOWN_MS_MAX);
                self.book.note(|| format!("{provider} stops while it writes"));
                self.stop_provider(provider, down_ms, |it| it.disk.crash());
            }
            Who::Device(person, device) => {
                self.book.note(|| format!("device {device} of {person} stops while it writes"));
                self.stop_device(person, device, |it| it.pocket.crash(true));
            }
        }
        self.strengthen(who);
    }

    fn strengthen(&self, who: Who) {
        match who {
            Who::Provider(provider) => self.providers[provider].disk.set_sync_ms_max(SYNC_MS_MAX),
            Who::Device(person, device) => {
                self.people[person].devices[device].pocket.set_sync_ms(pocket::SYNC_MS);
            }
        }
    }

    /// Nobody is frail any more.
    pub(super) fn strengthen_all(&mut self) {
        for frail in std::mem::take(&mut self.frail) {
            self.strengthen(frail.who);
        }
    }

    /// A provider runs again as itself.
    pub(super) fn restart(&mut self, provider: usize) {
        let host = self.providers[provider].domain.to_string();
        if self.sim.is_host_running(host.as_str()) {
            self.sim.crash(host.as_str());
            self.providers[provider].disk.crash();
        }
        self.sim.bounce(host.as_str());
    }
}
