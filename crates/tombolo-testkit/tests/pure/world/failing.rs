//! What goes wrong, and how it ends.

use mimi_provider::record::RoomKind;
use rand::Rng as _;
use tombolo_store::Store as _;
use tombolo_testkit::simulation::plan::Fault;

use super::{Event, Place, World};
use crate::pure::disk::now;

/// What a hub that has cheated has left behind, is over by then.
const GOES_ON_MS: u64 = 10 * 60 * 1_000;

/// A fault is over.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Cut(Place, Place),
    Weather,
    Slow(usize),
    DiskFull(usize),
    SlowDisk(usize),
    Cheating,
}

impl World {
    pub(super) fn fault(&mut self, fault: Fault) {
        if self.trace.is_on() {
            let text = format!("{fault:?}");
            self.note(|| format!("FAULT {text}"));
        }
        let name = format!("{fault:?}");
        let name = name.split([' ', '{']).next().unwrap_or_default();
        self.seen.one(format!("fault: {name}"));
        match fault {
            Fault::CrashProvider { provider, down_ms } => {
                self.crash_node(provider);
                self.after(down_ms, Event::NodeStarts { node: provider });
            }
            Fault::CrashDevice { person, device, before_stored } => {
                if let Some(device) = self.device_of(person, device) {
                    self.crash_device(device, before_stored);
                }
            }
            Fault::Partition { a, b, for_ms } => {
                self.cut(Place::Node(a), Place::Node(b), for_ms);
                self.cut(Place::Node(b), Place::Node(a), for_ms);
            }
            Fault::HalfOpen { deaf, heard, for_ms } => {
                self.cut(Place::Node(heard), Place::Node(deaf), for_ms);
            }
            Fault::Offline { person, device, for_ms } => {
                if let Some(device) = self.device_of(person, device) {
                    let node = self.devices[device].node;
                    self.cut(Place::Node(node), Place::Device(device), for_ms);
                    self.cut(Place::Device(device), Place::Node(node), for_ms);
                    self.break_stream(device);
                }
            }
            Fault::Weather { lost, doubled, delay_ms_max, for_ms } => {
                self.network.lost_of_100 = lost;
                self.network.doubled_of_100 = doubled;
                self.network.delay_ms_max = delay_ms_max;
                self.after(for_ms, Event::FaultEnds(Ended::Weather));
            }
            Fault::Slow { provider, delay_ms, for_ms } => {
                self.network.slow_ms.insert(provider, delay_ms);
                self.after(for_ms, Event::FaultEnds(Ended::Slow(provider)));
            }
            Fault::DiskFull { provider, for_ms } => {
                self.nodes[provider].disk.is_full = true;
                self.after(for_ms, Event::FaultEnds(Ended::DiskFull(provider)));
            }
            Fault::SlowDisk { provider, delay_ms, for_ms } => {
                self.disk_ms[provider] = delay_ms;
                self.after(for_ms, Event::FaultEnds(Ended::SlowDisk(provider)));
            }
            Fault::ClockStep { provider, by_ms } => self.nodes[provider].clock_ms += by_ms,
            Fault::BackUp { provider } => self.back_up(provider),
            Fault::Restore { provider } => self.restore(provider),
            Fault::RestoreDevice { person, device } => {
                if let Some(device) = self.device_of(person, device) {
                    self.restore_device(device);
                }
            }
            Fault::CrookedHub { provider, for_ms } => {
                self.cheat(provider, for_ms);
                self.after(for_ms, Event::FaultEnds(Ended::Cheating));
            }
        }
    }

    fn cut(&mut self, from: Place, to: Place, for_ms: u64) {
        *self.network.cut.entry((from, to)).or_default() += 1;
        self.after(for_ms, Event::FaultEnds(Ended::Cut(from, to)));
    }

    pub(super) fn fault_ends(&mut self, ended: Ended) {
        match ended {
            Ended::Cut(from, to) => {
                if let Some(count) = self.network.cut.get_mut(&(from, to)) {
                    *count -= 1;
                    if *count == 0 {
                        self.network.cut.remove(&(from, to));
                    }
                }
            }
            Ended::Weather => {
                self.network.lost_of_100 = 0;
                self.network.doubled_of_100 = 0;
                self.network.delay_ms_max = 0;
            }
            Ended::Slow(node) => drop(self.network.slow_ms.remove(&node)),
            Ended::DiskFull(node) => self.nodes[node].disk.is_full = false,
            Ended::SlowDisk(node) => self.disk_ms[node] = 2,
            Ended::Cheating => {
                if self.crook_is_done() {
                    self.reform();
                }
            }
        }
    }

    fn crash_node(&mut self, node: usize) {
        if !self.nodes[node].is_up {
            return;
        }
        let devices: Vec<usize> = self.nodes[node].feeds.keys().copied().collect();
        let lost = self.nodes[node].crash();
        self.syncing[node] = false;
        self.seen.some("writes lost in crashes", u64::try_from(lost).unwrap_or_default());
        for device in devices {
            self.break_stream(device);
        }
    }

    pub(super) fn node_starts(&mut self, node: usize) {
        if self.nodes[node].is_up {
            return;
        }
        let domain = self.nodes[node].domain().clone();
        self.note(|| format!("{domain} starts"));
        let now_ms = self.now_ms;
        self.nodes[node].at(now_ms).start();
        self.outcomes(node);
    }

    fn crash_device(&mut self, device: usize, before_stored: bool) {
        if !self.devices[device].is_registered() {
            return;
        }
        if before_stored {
            // Whatever comes next is lost with what is not stored: there is nothing between inputs.
            self.devices[device].lose();
        }
        let now_ms = self.now_ms;
        let node = self.devices[device].node;
        self.nodes[node].feeds.remove(&device);
        self.devices[device].restart(now_ms);
        self.settle(device);
    }

    fn back_up(&mut self, node: usize) {
        let rooms = now(self.nodes[node].disk.store.hosted_rooms());
        let seqs = rooms.into_iter().map(|room| {
            let seq = now(self.nodes[node].disk.store.last_seq(&room));
            (room, seq)
        });
        let seqs = seqs.collect();
        self.backups[node] = Some((self.nodes[node].disk.backup(), seqs));
    }

    fn restore(&mut self, node: usize) {
        let Some((backup, seqs)) = self.backups[node].take() else { return };
        let devices: Vec<usize> =
            (0..self.devices.len()).filter(|it| self.devices[*it].node == node).collect();
        self.crash_node(node);
        let hosted = now(self.nodes[node].disk.store.hosted_rooms());
        self.nodes[node].disk.restore(backup);
        for room in hosted {
            let seq = seqs.iter().find(|(known, _)| *known == room).map_or(0, |(_, seq)| *seq);
            self.ledger.put_back(&room, seq);
        }
        // What it followed it has lost as well, for its devices.
        for device in devices {
            self.excuse(device);
        }
        self.watch.went_back();
        self.seen.one("providers put back");
        self.after(100, Event::NodeStarts { node });
        let _ = RoomKind::Hub;
    }

    fn excuse(&mut self, device: usize) {
        let Some(client) = self.devices[device].client.clone() else { return };
        for room in self.rooms.clone() {
            self.ledger.excuse(&client, &room);
        }
        self.ledger.forgets(&client);
    }

    fn restore_device(&mut self, device: usize) {
        let state = &mut self.devices[device];
        if !state.is_registered() {
            return;
        }
        let Some(earlier) = state.earlier.take() else {
            state.earlier = Some(state.saved.clone());
            return;
        };
        state.saved = earlier;
        let node = state.node;
        let now_ms = self.now_ms;
        state.restart(now_ms);
        self.nodes[node].feeds.remove(&device);
        self.excuse(device);
        self.seen.one("devices put back");
        self.settle(device);
    }

    fn device_of(&mut self, person: usize, device: usize) -> Option<usize> {
        let own: Vec<usize> = (0..self.devices.len())
            .filter(|it| self.devices[*it].person == person && !self.devices[*it].is_signed_out)
            .collect();
        own.get(device % own.len().max(1)).copied()
    }

    /// From now on nothing goes wrong.
    pub(super) fn calm(&mut self) {
        self.note(|| "calm".to_owned());
        self.is_calm = true;
        self.network.cut.clear();
        self.network.slow_ms.clear();
        self.reform();
        self.fault_ends(Ended::Weather);
        for node in 0..self.nodes.len() {
            self.nodes[node].disk.is_full = false;
            self.disk_ms[node] = 2;
            self.node_starts(node);
        }
        if self.crook.is_some() {
            self.after(GOES_ON_MS, Event::GoOn);
        }
        let _ = self.rng.random::<u8>();
    }
}
