//! One file for each kind of measurement, and what they share: the scene and how load on it is
//! measured.

pub(crate) mod cold_start;
pub(crate) mod commits;
pub(crate) mod footprint;
pub(crate) mod one_room;
pub(crate) mod rooms;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Settings;
use super::federation::Federation;
use super::load::{self, Lane};
use super::phase::{Counts, Phase};
use super::progress::Progress;
use super::receiver::Receiver;
use super::report::{Report, as_f64};
use super::room::Writer;
use super::usage::{Clocks, Cores};

/// Messages of each writer for the load that comes before the measurement.
const WARM_UP_MESSAGES: usize = 2_000;
/// Messages prepared for a measurement, in relation to what the load before it lets expect.
const PREPARED_RESERVE: f64 = 1.5;
/// And at most, over all writers: each takes about 2 KiB.
const PREPARED_MAX: f64 = 400_000.0;
/// After so long without a delivery, what has not come counts as lost.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// After the last delivery due, for those that are too many.
const AFTERMATH: Duration = Duration::from_millis(200);

/// Providers, writers and receivers, ready.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) federation: Federation,
    pub(crate) writers: Vec<Writer>,
    pub(crate) receivers: Vec<Receiver>,
    /// Receivers that each message is for.
    pub(crate) receivers_each: u64,
}

/// How the messages come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// As fast as they are taken, with so many sent and not delivered.
    Window(usize),
    /// So many a second, whatever happens.
    Rate(f64),
}

/// What a measurement gave.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) counts: Counts,
    pub(crate) cores: Cores,
    /// Messages accepted, those of the load before the measurement included.
    pub(crate) accepted_in_all: u64,
}

impl Scene {
    /// Runs the load for a while, then again and measures it.
    pub(crate) async fn measure(
        &mut self,
        load: Load,
        settings: &Settings,
        progress: &Progress,
    ) -> Result<Measured, String> {
        progress.say("warming up");
        let warm_up = match load {
            Load::Window(_) => WARM_UP_MESSAGES * self.writers.len(),
            Load::Rate(rate) => messages_at(rate, settings.warm_up),
        };
        let warmed = self.run(load, warm_up, settings.warm_up).await?;
        let expected = match load {
            Load::Rate(rate) => messages_at(rate, settings.duration),
            Load::Window(_) => {
                let rate = as_f64(warmed.counts.sent) / warmed.counts.seconds.max(0.001);
                let wanted = rate * settings.duration.as_secs_f64() * PREPARED_RESERVE;
                whole(wanted.min(PREPARED_MAX)) + self.writers.len()
            }
        };
        progress.say(&format!("measuring for {} s", settings.duration.as_secs_f64()));
        let mut measured = self.run(load, expected, settings.duration).await?;
        measured.accepted_in_all += warmed.counts.sent;
        Ok(measured)
    }

    /// Prepares so many messages and sends them under a load.
    pub(crate) async fn run(
        &mut self,
        load: Load,
        messages: usize,
        duration: Duration,
    ) -> Result<Measured, String> {
        let window = match load {
            Load::Window(window) => window,
            Load::Rate(_) => 0,
        };
        let phase = Phase::new(window);
        let each = messages.div_ceil(self.writers.len().max(1));
        let lanes = tokio::task::block_in_place(|| self.lanes(&phase, each))?;
        for receiver in &self.receivers {
            receiver.begin(&phase);
        }
        let pids = self.federation.pids();
        let before = Clocks::read(&pids);
        phase.start();
        match (load, lanes.first()) {
            (Load::Window(window), _) => {
                load::as_fast_as_taken(&lanes, &phase, window, duration).await;
            }
            (Load::Rate(rate), Some(lane)) => load::at_rate(lane, &phase, rate, duration).await,
            (Load::Rate(_), None) => {}
        }
        drain(&phase, self.receivers_each).await;
        let cores = before.until(&Clocks::read(&pids));
        tokio::time::sleep(AFTERMATH).await;
        let seen: Vec<_> = self.receivers.iter().filter_map(Receiver::seen).collect();
        let counts = phase.count(seen.iter(), self.receivers_each);
        let accepted_in_all = counts.sent;
        Ok(Measured { counts, cores, accepted_in_all })
    }

    /// Encrypts messages, for the rooms of each writer by turns.
    fn lanes(&mut self, phase: &Phase, each: usize) -> Result<Vec<Lane>, String> {
        let mut lanes = Vec::new();
        for writer in &mut self.writers {
            let rooms = writer.rooms.len().max(1);
            let mut by_room = Vec::new();
            for room in &writer.rooms {
                by_room.push(writer.device.prepare(room, each.div_ceil(rooms))?.into_iter());
            }
            let mut prepared = Vec::new();
            loop {
                let before = prepared.len();
                prepared.extend(by_room.iter_mut().filter_map(Iterator::next));
                if prepared.len() == before {
                    break;
                }
            }
            lanes.push(Lane::new(writer.device.transport.clone(), prepared, phase));
        }
        Ok(lanes)
    }

    /// The report of a measurement.
    pub(crate) fn report(&self, scenario: &'static str, measured: &Measured) -> Report {
        let Measured { counts, cores, .. } = measured;
        let directory = self.federation.directory();
        Report::new(scenario, counts, cores, &self.federation.pids(), directory)
    }
}

/// Waits until everything accepted has come, or nothing comes any more.
pub(crate) async fn drain(phase: &Arc<Phase>, receivers_each: u64) {
    let (mut delivered, mut since) = (phase.delivered_so_far(), Instant::now());
    while delivered < phase.accepted_so_far() * receivers_each && since.elapsed() < SILENCE_MAX {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = phase.delivered_so_far();
        if now > delivered {
            (delivered, since) = (now, Instant::now());
        }
    }
}

fn messages_at(rate: f64, duration: Duration) -> usize {
    whole(rate * duration.as_secs_f64()) + 1
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of messages, never negative and bounded"
)]
fn whole(value: f64) -> usize {
    value.clamp(0.0, PREPARED_MAX).ceil() as usize
}
