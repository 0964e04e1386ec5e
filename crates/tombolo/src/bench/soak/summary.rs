//! What a soak found, as one JSON object and in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Plan;
use super::ledger::Findings;
use super::stage::Stage;

/// Memory of a process at the end and at its most, over all of its lives, in MiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Memory {
    last: f64,
    most: f64,
}

/// What a soak found; the form is fixed, because others script it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    scenario: &'static str,
    ok: bool,
    seconds: f64,
    seed: u64,
    providers: usize,
    devices: usize,
    rooms: usize,
    /// Messages that their writers have heard to be accepted.
    accepted: u64,
    /// Times one of them is shown by a device that was in the room.
    delivered: u64,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    /// Shown, though nobody wrote it or it was refused.
    invented: u64,
    refused: u64,
    /// Messages whose writers ended before they heard: those that are there, on all devices, and those
    /// that are on none.
    unheard_came: u64,
    unheard_never: u64,
    /// By kind.
    faults: BTreeMap<&'static str, u64>,
    recoveries: u64,
    slowest_recovery_s: f64,
    joins: u64,
    leaves: u64,
    new_devices: u64,
    /// Devices that had to come into a room again.
    came_again: u64,
    /// Shown, and not told one by one.
    untold: u64,
    /// From the end of the load until everything was there.
    drained_s: f64,
    /// Entries that still wait at providers.
    waiting: u64,
    memory_mib: BTreeMap<String, Memory>,
    wrong: Vec<String>,
    directory: PathBuf,
    build: &'static str,
    version: &'static str,
}

impl Summary {
    pub(super) fn new(
        plan: &Plan,
        directory: &Path,
        stage: &Stage,
        found: Findings,
        waiting: u64,
        begun: Instant,
        drained: Duration,
    ) -> Self {
        let tally = stage.tally().clone();
        let (accepted, refused) = {
            let ledger = stage.ledger();
            (ledger.accepted, ledger.refused)
        };
        let memory = tally.memory_mib.into_iter();
        let memory = memory.map(|(name, (last, most))| (name, Memory { last, most }));
        Self {
            scenario: "soak",
            ok: false,
            seconds: begun.elapsed().as_secs_f64(),
            seed: plan.seed,
            providers: plan.providers,
            devices: stage.devices().len(),
            rooms: plan.rooms,
            accepted,
            delivered: found.delivered,
            lost: found.lost,
            duplicated: found.duplicated,
            reordered: found.reordered,
            invented: found.invented,
            refused,
            unheard_came: found.unknown_came,
            unheard_never: found.unknown_never,
            faults: tally.faults,
            recoveries: tally.recoveries,
            slowest_recovery_s: tally.slowest_recovery.as_secs_f64(),
            joins: tally.joins,
            leaves: tally.leaves,
            new_devices: tally.new_devices,
            came_again: tally.missed,
            untold: tally.untold,
            drained_s: drained.as_secs_f64(),
            waiting,
            memory_mib: memory.collect(),
            wrong: found.words,
            directory: directory.to_owned(),
            build: if cfg!(debug_assertions) { "development" } else { "release" },
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// With what went wrong until the very end.
    pub(super) fn with_faults(mut self, stage: &Stage) -> Self {
        self.wrong.extend(stage.all_wrong());
        let counts = [self.lost, self.duplicated, self.reordered, self.invented, self.waiting];
        self.ok = self.wrong.is_empty() && counts == [0; 5] && self.accepted > 0;
        self
    }

    /// Whether everything is as it must be.
    pub(crate) fn is_whole(&self) -> bool {
        self.ok
    }

    /// For a person.
    pub(crate) fn in_words(&self) -> String {
        let faults: Vec<String> = self
            .faults
            .iter()
            .map(|(kind, count)| format!("{count} {}", kind.replace('_', " ")))
            .collect();
        let mut lines = vec![
            format!(
                "{:.0} s, seed {}: {} providers, {} devices, {} rooms",
                self.seconds, self.seed, self.providers, self.devices, self.rooms
            ),
            format!(
                "{} messages accepted, {} deliveries: {} lost, {} doubled, {} out of order, {} that \
                 nobody wrote",
                self.accepted,
                self.delivered,
                self.lost,
                self.duplicated,
                self.reordered,
                self.invented
            ),
            format!(
                "{} whose writer did not live to hear of it: {} on all devices, {} on none; {} refused",
                self.unheard_came + self.unheard_never,
                self.unheard_came,
                self.unheard_never,
                self.refused
            ),
            format!(
                "{}; {} recoveries, the slowest {:.1} s",
                faults.join(", "),
                self.recoveries,
                self.slowest_recovery_s
            ),
            format!(
                "{} joins, {} leaves, {} new devices; {} came in again; all there {:.1} s after the end",
                self.joins, self.leaves, self.new_devices, self.came_again, self.drained_s
            ),
        ];
        if !self.ok {
            lines.extend(self.wrong.iter().map(|wrong| format!("WRONG: {wrong}")));
            lines.push(format!("everything is in {}", self.directory.display()));
        }
        lines.join("\n")
    }
}
