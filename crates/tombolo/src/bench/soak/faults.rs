//! What is done to providers and devices: killed, frozen, started again, at random.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use super::super::federation::Site;
use super::Plan;
use super::puppet::Puppet;
use super::stage::{Stage, lock};

/// How long something is away or frozen at most.
const AWAY_MAX: Duration = Duration::from_secs(3);
const FROZEN_MAX: Duration = Duration::from_secs(6);
/// How many of those that are killed are killed again before they are ready.
const KILLED_AGAIN: f64 = 0.25;
/// How soon.
const KILLED_AGAIN_WITHIN: Duration = Duration::from_millis(400);
/// A port may be somebody else's for a moment: then a provider is started again for so long.
const PORT_PATIENCE: Duration = Duration::from_secs(60);
const PORT_PAUSE: Duration = Duration::from_millis(500);

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// SIGKILL, and started again after a while.
    Kill,
    /// SIGSTOP, and SIGCONT after a while.
    Freeze,
    /// Stopped cleanly, and started again.
    Restart,
}

/// To whom.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Target {
    Provider(usize),
    Device(usize),
}

/// Kinds as often as they are to come.
const KINDS: [Kind; 6] =
    [Kind::Kill, Kind::Kill, Kind::Kill, Kind::Kill, Kind::Freeze, Kind::Restart];

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kill => "killed",
            Self::Freeze => "frozen",
            Self::Restart => "stopped",
        })
    }
}

fn name(kind: Kind, target: Target) -> &'static str {
    match (kind, target) {
        (Kind::Kill, Target::Provider(_)) => "providers_killed",
        (Kind::Freeze, Target::Provider(_)) => "providers_frozen",
        (Kind::Restart, Target::Provider(_)) => "providers_restarted",
        (Kind::Kill, Target::Device(_)) => "devices_killed",
        (Kind::Freeze, Target::Device(_)) => "devices_frozen",
        (Kind::Restart, Target::Device(_)) => "devices_restarted",
    }
}

/// Does one thing after the other, each to somebody to whom nothing is being done, until the end; when
/// this returns, everybody runs.
pub(super) async fn rage(stage: Arc<Stage>, plan: Plan) {
    let mut rng = plan.rng(1);
    let busy: Arc<Mutex<HashSet<Target>>> = Arc::default();
    let mut under_way = JoinSet::new();
    // Each of them once, so that the shortest soak has them all.
    let mut first: Vec<(Kind, bool)> = [Kind::Kill, Kind::Freeze, Kind::Restart]
        .into_iter()
        .flat_map(|kind| [(kind, true), (kind, false)])
        .collect();
    first.shuffle(&mut rng);
    while stage.sleeps(plan.fault_every.mul_f64(rng.random_range(0.2..1.8))).await {
        let random = (*KINDS.choose(&mut rng).expect("there are some"), rng.random_bool(0.5));
        let (kind, of_provider) = first.pop().unwrap_or(random);
        let target = match of_provider {
            true => Target::Provider(rng.random_range(0..stage.sites.len())),
            false => Target::Device(rng.random_range(0..stage.devices().len())),
        };
        let seed = rng.random();
        if !lock(&busy).insert(target) {
            continue;
        }
        *stage.tally().faults.entry(name(kind, target)).or_default() += 1;
        let (stage, busy) = (stage.clone(), busy.clone());
        under_way.spawn(async move {
            if let Err(wrong) = commit(&stage, kind, target, seed).await {
                stage.fail(wrong);
            }
            lock(&busy).remove(&target);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

async fn commit(stage: &Stage, kind: Kind, target: Target, seed: u64) -> Result<(), String> {
    let mut rng: StdRng = rand::SeedableRng::seed_from_u64(seed);
    match target {
        Target::Provider(number) => {
            let mut site = stage.sites[number].lock().await;
            stage.note(format_args!("{} is {kind}", site.home.domain));
            to_provider(stage, kind, &mut site, &mut rng).await
        }
        Target::Device(number) => {
            let Some(device) = stage.devices().get(number).cloned() else { return Ok(()) };
            stage.note(format_args!("{} is {kind}", device.name));
            to_device(stage, kind, &device, &mut rng).await
        }
    }
}

async fn to_provider(
    stage: &Stage,
    kind: Kind,
    site: &mut Site,
    rng: &mut StdRng,
) -> Result<(), String> {
    match kind {
        Kind::Freeze => return freeze(site.pid(), rng).await,
        Kind::Restart => site.stop().await?,
        Kind::Kill => {
            site.kill().await?;
            tokio::time::sleep(up_to(AWAY_MAX, rng)).await;
            if rng.random_bool(KILLED_AGAIN) {
                site.launch()?;
                tokio::time::sleep(up_to(KILLED_AGAIN_WITHIN, rng)).await;
                site.kill().await?;
            }
        }
    }
    let begun = Instant::now();
    loop {
        match site.start().await {
            Ok(()) => break,
            Err(why) if why.contains("in use") && begun.elapsed() < PORT_PATIENCE => {
                stage.note(format_args!("{why}; again"));
                tokio::time::sleep(PORT_PAUSE).await;
            }
            Err(why) => return Err(why),
        }
    }
    recovered(stage, &site.home.domain, begun);
    Ok(())
}

async fn to_device(
    stage: &Stage,
    kind: Kind,
    device: &Puppet,
    rng: &mut StdRng,
) -> Result<(), String> {
    match kind {
        Kind::Freeze => return freeze(device.pid(), rng).await,
        Kind::Restart => device.close().await?,
        Kind::Kill => {
            device.kill().await?;
            tokio::time::sleep(up_to(AWAY_MAX, rng)).await;
            if rng.random_bool(KILLED_AGAIN) {
                device.launch().await?;
                tokio::time::sleep(up_to(KILLED_AGAIN_WITHIN, rng)).await;
                device.kill().await?;
            }
        }
    }
    let begun = Instant::now();
    device.launch().await?;
    device.until_ready().await?;
    recovered(stage, &device.name, begun);
    Ok(())
}

fn recovered(stage: &Stage, who: &str, begun: Instant) {
    let took = begun.elapsed();
    stage.note(format_args!("{who} is back after {:.2} s", took.as_secs_f64()));
    let mut tally = stage.tally();
    tally.recoveries += 1;
    tally.slowest_recovery = tally.slowest_recovery.max(took);
}

async fn freeze(pid: Option<u32>, rng: &mut StdRng) -> Result<(), String> {
    let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let Some(pid) = pid else { return Ok(()) };
    let failed = |error: rustix::io::Errno| format!("a process takes no signal: {error}");
    kill_process(pid, Signal::STOP).map_err(failed)?;
    tokio::time::sleep(up_to(FROZEN_MAX, rng)).await;
    kill_process(pid, Signal::CONT).map_err(failed)
}

fn up_to(max: Duration, rng: &mut StdRng) -> Duration {
    max.mul_f64(rng.random_range(0.0..1.0))
}
