//! What goes wrong, and how it ends.

use std::time::Duration;

use mimi_wire::MimiUri;
use rand::Rng;
use tombolo_disk::Trouble;
use tombolo_testkit::simulation::plan::Fault;

use super::{Federation, LATENCY_MS_MAX};
use crate::disk::SYNC_MS_MAX;

/// How long a device is off after a crash.
const DEVICE_DOWN_MS: u64 = 700;
/// A lost segment is lost for good here, and with it its connection: of so many that a plan wants
/// lost, one is.
const LOST_OF: f64 = 2_000.0;

/// What ends a fault.
#[derive(Clone, Debug)]
pub(super) enum Healing {
    /// A host starts.
    Start(String),
    /// Two hosts hear each other again.
    Repair(String, String),
    /// Packets are fast again and arrive.
    FineWeather,
    /// Packets between two hosts are fast again.
    Fast(String, String),
    /// A provider can write.
    Space(usize),
    /// It writes fast.
    FastDisk(usize),
    /// It sends its log as it is.
    Honest(usize),
    /// A provider that was stopped starts.
    Up(usize),
    /// A provider answers itself again.
    Itself(usize),
    /// A device reads as fast as it can.
    FastReader(usize, usize),
}

impl Federation {
    pub(super) fn suffer(&mut self, fault: &Fault) {
        self.book.note(|| format!("{fault:?}"));
        match *fault {
            Fault::CrashProvider { provider, down_ms } => {
                self.stop_provider(provider, down_ms, |it| it.disk.crash());
            }
            Fault::CrashDevice { person, device, before_stored } => {
                self.stop_device(person, device, |it| it.pocket.crash(before_stored));
            }
            Fault::Partition { a, b, for_ms } => {
                let (a, b) = (self.domain(a), self.domain(b));
                self.sim.partition(a.as_str(), b.as_str());
                self.heal_after(for_ms, Healing::Repair(a, b));
            }
            Fault::HalfOpen { deaf, heard, for_ms } => {
                let (deaf, heard) = (self.domain(deaf), self.domain(heard));
                self.sim.partition_oneway(heard.as_str(), deaf.as_str());
                self.heal_after(for_ms, Healing::Repair(deaf, heard));
            }
            Fault::Offline { person, device, for_ms } => {
                let (host, domain) = self.device_and_provider(person, device);
                self.sim.partition(host.as_str(), domain.as_str());
                self.heal_after(for_ms, Healing::Repair(host, domain));
            }
            Fault::Weather { lost, doubled: _, delay_ms_max, for_ms } => {
                self.sim.set_fail_rate(f64::from(lost) / LOST_OF);
                self.sim.set_max_message_latency(Duration::from_millis(delay_ms_max.max(2)));
                self.heal_after(for_ms, Healing::FineWeather);
            }
            Fault::Slow { provider, delay_ms, for_ms } => {
                self.slow_down(provider, delay_ms, for_ms)
            }
            Fault::DiskFull { provider, for_ms } => {
                // What is wrong with it is decided with how long it lasts.
                let trouble = match for_ms % 4 {
                    0 => Trouble::ReadOnly,
                    1 => Trouble::Failing,
                    _ => Trouble::Full,
                };
                self.book.note(|| format!("the disk is {trouble:?}"));
                self.providers[provider].disk.set_trouble(Some(trouble));
                self.heal_after(for_ms, Healing::Space(provider));
            }
            Fault::SlowDisk { provider, delay_ms, for_ms } => {
                self.providers[provider].disk.set_sync_ms_max(delay_ms);
                self.heal_after(for_ms, Healing::FastDisk(provider));
            }
            Fault::ClockStep { provider, by_ms } => self.providers[provider].step(by_ms),
            Fault::BackUp { provider } => self.providers[provider].disk.back_up(),
            Fault::Restore { provider } => self.restore(provider),
            Fault::RestoreDevice { person, device } => self.restore_device(person, device),
            Fault::CrookedHub { provider, for_ms } => {
                let crooked = &self.providers[provider];
                crooked.disk.set_crooked(true);
                self.book.pages().crooked.insert(crooked.domain.clone());
                self.heal_after(for_ms, Healing::Honest(provider));
            }
        }
    }

    fn domain(&self, provider: usize) -> String {
        self.providers[provider].domain.to_string()
    }

    fn device_and_provider(&self, person: usize, device: usize) -> (String, String) {
        let person = &self.people[person];
        let device = &person.devices[device % person.devices.len()];
        (device.host.clone(), person.user.domain().to_string())
    }

    pub(super) fn heal_after(&mut self, ms: u64, healing: Healing) {
        let at_ms = self.elapsed_ms() + ms.max(1);
        self.healings.push((at_ms, healing));
    }

    pub(super) fn stop_provider(
        &mut self,
        provider: usize,
        down_ms: u64,
        then: impl FnOnce(&crate::provider::Provider),
    ) {
        let host = self.domain(provider);
        if !self.sim.is_host_running(host.as_str()) {
            return;
        }
        self.sim.crash(host.as_str());
        then(&self.providers[provider]);
        self.heal_after(down_ms, Healing::Start(host));
    }

    pub(super) fn stop_device(
        &mut self,
        person: usize,
        device: usize,
        then: impl FnOnce(&crate::device::Device),
    ) {
        let devices = &self.people[person].devices;
        let device = devices[device % devices.len()].clone();
        if !self.sim.is_host_running(device.host.as_str()) {
            return;
        }
        self.sim.crash(device.host.as_str());
        device.hang_up();
        then(&device);
        self.heal_after(DEVICE_DOWN_MS, Healing::Start(device.host.clone()));
    }

    fn slow_down(&mut self, provider: usize, delay_ms: u64, for_ms: u64) {
        let slow = self.domain(provider);
        let mut hosts: Vec<_> = self.providers.iter().map(|it| it.domain.to_string()).collect();
        let devices = self.people.iter().flat_map(|person| &person.devices);
        hosts.extend(devices.map(|device| device.host.clone()));
        hosts.retain(|host| *host != slow);
        for host in hosts {
            let latency = Duration::from_millis(delay_ms);
            self.sim.set_link_max_message_latency(slow.as_str(), host.as_str(), latency);
            self.heal_after(for_ms, Healing::Fast(slow.clone(), host));
        }
    }

    fn restore(&mut self, provider: usize) {
        let down_ms = self.rng.random_range(100..3_000);
        let mut restored = false;
        self.stop_provider(provider, down_ms, |it| {
            it.disk.crash();
            restored = it.disk.restore();
        });
        if restored {
            let domain = self.providers[provider].domain.clone();
            self.book.pages().restored.insert(domain.clone());
            self.witnesses[provider].put_back(&self.providers[provider].disk, &self.book);
            // What it followed it has lost as well, for its people.
            let of_it = self.people.iter().filter(|person| person.user.domain() == domain);
            let devices: Vec<_> = of_it.flat_map(|person| &person.devices).cloned().collect();
            for device in devices {
                self.excuse(&device.client);
                self.book.pages().ledger.forgets(&device.client);
            }
        }
    }

    fn restore_device(&mut self, person: usize, device: usize) {
        let mut restored = false;
        self.stop_device(person, device, |it| {
            it.pocket.crash(false);
            restored = it.pocket.restore();
        });
        if restored {
            let devices = &self.people[person].devices;
            let client = devices[device % devices.len()].client.clone();
            self.book.pages().ledger.forgets(&client);
            self.excuse(&client);
        }
    }

    /// Something may be missing on a device, of all rooms there are.
    fn excuse(&self, client: &MimiUri) {
        let rooms: Vec<_> = self.witnesses.iter().flat_map(|it| it.rooms()).collect();
        for room in rooms {
            self.book.pages().ledger.excuse(client, &room.room);
        }
    }

    pub(super) fn heal_what_is_over(&mut self) {
        let now_ms = self.elapsed_ms();
        let over = |(at_ms, _): &mut (u64, Healing)| *at_ms <= now_ms;
        let over: Vec<_> = self.healings.extract_if(.., over).collect();
        over.into_iter().for_each(|(_, healing)| self.heal(healing));
    }

    /// Nothing is wrong any more.
    pub(super) fn heal_everything(&mut self) {
        self.book.note(|| "nothing goes wrong any more".to_owned());
        self.strengthen_all();
        let healings = std::mem::take(&mut self.healings);
        healings.into_iter().for_each(|(_, healing)| self.heal(healing));
    }

    fn heal(&mut self, healing: Healing) {
        match healing {
            Healing::Start(host) => self.sim.bounce(host.as_str()),
            Healing::Repair(a, b) => self.sim.repair(a.as_str(), b.as_str()),
            Healing::FineWeather => {
                self.sim.set_fail_rate(0.0);
                self.sim.set_max_message_latency(Duration::from_millis(LATENCY_MS_MAX));
            }
            Healing::Fast(a, b) => {
                let latency = Duration::from_millis(LATENCY_MS_MAX);
                self.sim.set_link_max_message_latency(a.as_str(), b.as_str(), latency);
            }
            Healing::Space(provider) => self.providers[provider].disk.set_trouble(None),
            Healing::FastDisk(provider) => {
                self.providers[provider].disk.set_sync_ms_max(SYNC_MS_MAX);
            }
            Healing::Honest(provider) => {
                self.providers[provider].disk.set_crooked(false);
                self.providers[provider].set_equivocates(false);
            }
            Healing::Up(provider) => self.restart(provider),
            Healing::Itself(provider) => {
                self.providers[provider].set_facade(None);
                self.restart(provider);
            }
            Healing::FastReader(person, device) => {
                self.people[person].devices[device].read_slowly(0);
            }
        }
    }
}
