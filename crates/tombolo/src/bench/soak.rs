//! `tombolo bench soak`: providers and devices, all of them processes of their own, under load for a
//! long time, while they are killed, frozen and started again at random, and every message counted.
//!
//! What holds at the end (ARCHITECTURE.md, "Delivery between providers"): what a device has heard to be
//! accepted is shown exactly once by every device that was in the room, in the same order by all of
//! them; what its writer did not live to hear about is shown by all or by none; nothing else is shown;
//! and nothing waits any more. `ledger` says what is right, `stage` sets the scene, `load` writes, comes
//! and goes, `faults` kills, `drain` waits for the end and looks at what everybody shows.

mod device;
mod drain;
mod faults;
mod ledger;
mod load;
mod puppet;
mod stage;
mod summary;
mod words;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

pub(crate) use device::SoakDevice;
pub(crate) use summary::Summary;

use super::progress::Progress;
use super::usage;
use stage::Stage;

/// Between two lines about how it goes.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// What a soak is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How long there is load, and how long there are faults.
    pub(crate) duration: Duration,
    /// Of the faults' times, kinds and targets, and of who writes where.
    pub(crate) seed: u64,
    pub(crate) providers: usize,
    /// Devices that stay; one more at each provider comes and goes, and new ones come.
    pub(crate) devices: usize,
    pub(crate) rooms: usize,
    /// Messages a second, all together.
    pub(crate) rate: f64,
    /// Between two faults, on average.
    pub(crate) fault_every: Duration,
    /// Where everything is, instead of in a temporary directory; must be empty.
    pub(crate) directory: Option<PathBuf>,
}

impl Plan {
    /// Randomness for one of the tasks.
    fn rng(&self, task: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(task))
    }
}

/// Runs a soak. The directory stays if something is wrong.
pub(crate) async fn run(plan: &Plan, progress: &Progress) -> Result<Summary, String> {
    let (directory, temporary) = match &plan.directory {
        Some(directory) => (directory.clone(), None),
        None => {
            let made = tempfile::Builder::new().prefix("tombolo-soak-").tempdir();
            let made = made.map_err(|error| format!("no temporary directory: {error}"))?;
            (made.path().to_owned(), Some(made))
        }
    };
    let outcome = soak(plan, &directory, progress).await;
    let is_kept = !outcome.as_ref().is_ok_and(Summary::is_whole);
    if is_kept && let Some(temporary) = temporary {
        let _ = temporary.keep();
    }
    outcome.map_err(|error| format!("{error}; everything is in {}", directory.display()))
}

async fn soak(
    plan: &Plan,
    directory: &std::path::Path,
    progress: &Progress,
) -> Result<Summary, String> {
    let stage = Stage::set(plan, directory, progress).await?;
    let begun = Instant::now();
    let mut actors = JoinSet::new();
    load::start(&stage, plan, &mut actors).await;
    let faults = tokio::spawn(faults::rage(stage.clone(), plan.clone()));
    watch(&stage, plan.duration, begun, progress).await;
    stage.stop();
    progress.say("the load ends; what is down comes back, what waits arrives");
    faults.await.map_err(|error| format!("the faults: {error}"))?;
    let drained = Instant::now();
    while let Some(ended) = actors.join_next().await {
        ended.map_err(|error| format!("the load: {error}"))?;
    }
    let (findings, waiting) = drain::until_whole(&stage, progress).await;
    let drained = drained.elapsed();
    stage.look_for_ends().await;
    watch_memory(&stage).await;
    let summary = Summary::new(plan, directory, &stage, findings, waiting, begun, drained);
    stage.close().await;
    Ok(summary.with_faults(&stage))
}

/// Says how it goes, and looks whether everybody lives who should.
async fn watch(stage: &Stage, duration: Duration, begun: Instant, progress: &Progress) {
    let end = begun + duration;
    while Instant::now() < end && !stage.has_failed() {
        let left = end.saturating_duration_since(Instant::now());
        tokio::time::sleep(left.min(TOLD_EVERY)).await;
        stage.look_for_ends().await;
        watch_memory(stage).await;
        progress.say(&stage.in_a_line());
    }
}

async fn watch_memory(stage: &Stage) {
    for (name, pid) in stage.pids().await {
        if let Some((now, most)) = usage::memory_mib(pid) {
            stage.tally().remember_memory(&name, now, most);
        }
    }
}
