//! A hub with many rooms starts, and rooms that are not in memory are written to.

use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use mimi_policy::preset::Preset;

use super::rooms::set_pair;
use super::{Load, Scene};
use crate::bench::Settings;
use crate::bench::federation::Federation;
use crate::bench::progress::Progress;
use crate::bench::report::{Report, rounded};
use crate::bench::room::newcomer;
use crate::bench::usage;

/// Rooms that are written to after the start: each has a reader at another provider. The others have
/// only the device that created them.
const WRITTEN_MAX: usize = 100;
/// Rooms that one device creates: each is kept in its memory for so long.
const ROOMS_PER_DEVICE: usize = 200;
/// Rooms that it creates at once.
const ROOMS_AT_ONCE: usize = 8;
/// Cold rooms written to at once.
const WINDOW: usize = 4;

/// Fills a hub, stops it, starts it, and writes once to each of some rooms.
pub(crate) async fn run(
    rooms: usize,
    settings: &Settings,
    progress: &Progress,
) -> Result<Report, String> {
    progress.say("starting 2 providers");
    let federation = Federation::start(settings, 1).await?;
    let written = rooms.min(WRITTEN_MAX);
    let (writer, receivers) = set_pair(&federation, 0, written, progress).await?;
    fill(&federation, rooms - written, progress).await?;
    let writers = vec![writer];
    let mut scene = Scene { federation, writers, receivers, receivers_each: 1 };

    progress.say("stopping the hub and starting it again");
    scene.federation.sites[0].stop().await?;
    let stored_octets = scene.federation.hub().stored_octets()?;
    let begun = Instant::now();
    scene.federation.sites[0].start().await?;
    let start_ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let pid = scene.federation.hub().pid();
    let start_cpu_s = pid.and_then(usage::cpu_s);
    let rss_started_mib = pid.and_then(usage::memory_mib).map(|(now, _)| rounded(now, 1));
    let hub = &scene.federation.sites[0];
    scene.writers[0].device.reconnect(hub)?;

    progress.say(&format!("writing to {written} rooms that the hub has not in memory"));
    let measured = scene.run(Load::Window(WINDOW), written, settings.duration).await?;
    let mut report = scene.report("cold-start", &measured);
    report.add("rooms", rooms);
    report.add("rooms_written", written);
    report.add("start_ms", rounded(start_ms, 1));
    report.add("start_cpu_seconds", start_cpu_s);
    report.add("rss_started_mib", rss_started_mib);
    report.add("stored_octets", stored_octets);
    scene.federation.stop().await?;
    Ok(report)
}

/// Rooms with nobody but their creators.
async fn fill(federation: &Federation, rooms: usize, progress: &Progress) -> Result<(), String> {
    for number in 0..rooms.div_ceil(ROOMS_PER_DEVICE) {
        let of_device = ROOMS_PER_DEVICE.min(rooms - number * ROOMS_PER_DEVICE);
        let owner = newcomer(federation.hub(), &format!("owner{number}"), &[]).await?;
        let creating =
            (0..of_device).map(|_| owner.client.create_room("Cold", Preset::Cooperative));
        let created: Result<Vec<_>, _> =
            stream::iter(creating).buffer_unordered(ROOMS_AT_ONCE).try_collect().await;
        created.map_err(|error| format!("no room can be created: {error}"))?;
        owner.client.close().await.map_err(|error| error.to_string())?;
        let done = number * ROOMS_PER_DEVICE + of_device;
        progress.say(&format!("{done} of {rooms} rooms besides are there"));
    }
    Ok(())
}
