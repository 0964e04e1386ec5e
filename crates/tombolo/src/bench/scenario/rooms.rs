//! Many rooms written at once, each with a writer at the hub and a reader elsewhere.

use futures_util::{StreamExt, TryStreamExt, stream};
use mimi_wire::MimiUri;

use super::{Load, Scene};
use crate::bench::Settings;
use crate::bench::device::Device;
use crate::bench::federation::Federation;
use crate::bench::progress::Progress;
use crate::bench::receiver::{Part, Receiver};
use crate::bench::report::Report;
use crate::bench::room::{Writer, create_room, newcomer, position, receive};

/// Rooms of one writer and one reader.
const ROOMS_PER_PAIR: usize = 100;
/// Rooms that a writer creates at once.
const ROOMS_AT_ONCE: usize = 4;

/// Sets the scene and measures it.
pub(crate) async fn run(
    rooms: usize,
    window: usize,
    settings: &Settings,
    progress: &Progress,
) -> Result<Report, String> {
    progress.say("starting 2 providers");
    let federation = Federation::start(settings, 1).await?;
    let (mut writers, mut receivers) = (Vec::new(), Vec::new());
    for pair in 0..rooms.div_ceil(ROOMS_PER_PAIR) {
        let of_pair = ROOMS_PER_PAIR.min(rooms - pair * ROOMS_PER_PAIR);
        let (writer, both) = set_pair(&federation, pair, of_pair, progress).await?;
        writers.push(writer);
        receivers.extend(both);
        progress.say(&format!("{} of {rooms} rooms are there", pair * ROOMS_PER_PAIR + of_pair));
    }
    let mut scene = Scene { federation, writers, receivers, receivers_each: 1 };
    let measured = scene.measure(Load::Window(window), settings, progress).await?;
    let mut report = scene.report("rooms", &measured);
    report.add("rooms", rooms);
    scene.federation.stop().await?;
    Ok(report)
}

/// A writer with its rooms, and the streams of both devices.
pub(crate) async fn set_pair(
    federation: &Federation,
    pair: usize,
    rooms: usize,
    progress: &Progress,
) -> Result<(Writer, Vec<Receiver>), String> {
    let owner = newcomer(federation.hub(), &format!("writer{pair}"), &[]).await?;
    let friends = [owner.user().clone()];
    // It stays while it is added, to make KeyPackages for every room.
    let reader = newcomer(&federation.followers()[0], &format!("reader{pair}"), &friends).await?;
    let rooms = create_rooms(&owner, &reader, rooms, progress).await?;
    if let Some(first) = rooms.first() {
        let marker = owner.client.send_text(first, "everybody is here").await;
        marker.map_err(|error| format!("nobody can write: {error}"))?;
    }
    let (owner, reader) = ([owner.rest().await?], [reader.rest().await?]);
    let mut receivers = receive(&owner, position(&owner[0]).await?, |_| Part::Echo).await?;
    let after = position(&reader[0]).await?;
    receivers.extend(receive(&reader, after, |_| Part::Pacing).await?);
    let [device] = owner;
    Ok((Writer { device, rooms }, receivers))
}

async fn create_rooms(
    owner: &Device,
    reader: &Device,
    rooms: usize,
    progress: &Progress,
) -> Result<Vec<MimiUri>, String> {
    let users = [reader.user()];
    let creating = (0..rooms).map(|_| create_room(owner, &users, progress));
    stream::iter(creating).buffer_unordered(ROOMS_AT_ONCE).try_collect().await
}
