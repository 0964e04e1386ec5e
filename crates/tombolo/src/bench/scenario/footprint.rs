//! Memory without and with load, and what a message takes on disk, with one local device and with many.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::one_room::{People, one_room};
use super::{Load, Scene};
use crate::bench::Settings;
use crate::bench::federation::{Federation, Site};
use crate::bench::progress::Progress;
use crate::bench::report::{Report, Sides, as_f64, rounded};
use crate::bench::usage;

/// Local devices with which messages are stored.
const DEVICES: [usize; 2] = [1, 20];
/// How long the providers are left alone before idle memory is read.
const IDLE: Duration = Duration::from_secs(2);

/// What both providers store.
#[derive(Clone, Copy, Debug)]
struct Stored {
    a: u64,
    b: u64,
}

/// Octets that a message has taken.
#[derive(Clone, Copy, Debug, Serialize)]
struct OctetsPerMessage {
    a: f64,
    b: f64,
}

/// Measures with each number of devices, in a federation of its own.
pub(crate) async fn run(
    window: usize,
    settings: &Settings,
    progress: &Progress,
) -> Result<Report, String> {
    let mut by_devices = BTreeMap::new();
    let mut reports = Vec::new();
    for devices in DEVICES {
        let (report, per_message) = with_devices(devices, window, settings, progress).await?;
        by_devices.insert(devices.to_string(), per_message);
        reports.push(report);
    }
    let mut report = reports.swap_remove(0);
    if let Some(other) = reports.first() {
        // Everything that was counted, in both.
        report.sent += other.sent;
        report.delivered += other.delivered;
        report.lost += other.lost;
        report.duplicated += other.duplicated;
        report.reordered += other.reordered;
    }
    report.add("octets_per_message_by_devices", by_devices);
    Ok(report)
}

async fn with_devices(
    devices: usize,
    window: usize,
    settings: &Settings,
    progress: &Progress,
) -> Result<(Report, OctetsPerMessage), String> {
    progress.say("starting 2 providers");
    let settings = Settings {
        directory: settings.directory.as_ref().map(|it| it.join(format!("{devices}-devices"))),
        ..settings.clone()
    };
    let federation = Federation::start(&settings, 1).await?;
    tokio::time::sleep(IDLE).await;
    let idle = memory(&federation);
    let people = People { senders: 1, followers: 1, devices };
    let (writers, receivers) = one_room(&federation, people, "", progress).await?;
    let mut scene = Scene { federation, writers, receivers, receivers_each: devices as u64 };

    let before = stored(&mut scene).await?;
    for writer in &mut scene.writers {
        writer.device.reconnect(&scene.federation.sites[0])?;
    }
    // The receivers come back by themselves; what is sent before waits for them.
    let measured = scene.measure(Load::Window(window), &settings, progress).await?;
    let mut report = scene.report("footprint", &measured);
    report.add("rss_idle_mib", idle);
    let messages = measured.accepted_in_all;
    let after = stored(&mut scene).await?;
    scene.federation.stop().await?;
    let per_message = |before: u64, after: u64| {
        rounded(as_f64(after.saturating_sub(before)) / as_f64(messages.max(1)), 1)
    };
    let per_message =
        OctetsPerMessage { a: per_message(before.a, after.a), b: per_message(before.b, after.b) };
    Ok((report, per_message))
}

fn memory(federation: &Federation) -> Sides {
    let mib = |site: Option<&Site>| {
        let memory = site.and_then(Site::pid).and_then(usage::memory_mib);
        memory.map(|(now, _)| rounded(now, 1))
    };
    Sides { a: mib(Some(federation.hub())), b: mib(federation.followers().first()) }
}

/// What is stored, nothing of it in a write-ahead log: read while the providers stand still.
async fn stored(scene: &mut Scene) -> Result<Stored, String> {
    let federation = &mut scene.federation;
    federation.stop().await?;
    let stored =
        Stored { a: federation.sites[0].stored_octets()?, b: federation.sites[1].stored_octets()? };
    for site in &mut federation.sites {
        site.start().await?;
    }
    Ok(stored)
}
