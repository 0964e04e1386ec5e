//! The load of a soak: devices that write, people who come and go, new devices.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::task::JoinSet;

use super::Plan;
use super::puppet::{Puppet, Undone};
use super::stage::{Patience, Place, Stage};
use super::words::{Failure, Wish};

/// Messages that a device has on its way at once, at most.
const LANES: usize = 3;
/// How long somebody stays in a room, as parts of the whole.
const STAY_PARTS: (u32, u32) = (60, 12);
const STAY_MIN: Duration = Duration::from_secs(2);
const STAY_MAX: Duration = Duration::from_secs(40);
/// New devices, and in which parts of the whole they come.
const NEW_DEVICES: usize = 4;
/// A device that does not run is not told anything for so long.
const NOT_RUNNING_PAUSE: Duration = Duration::from_millis(100);

/// Starts everybody who acts.
pub(super) async fn start(stage: &Arc<Stage>, plan: &Plan, actors: &mut JoinSet<()>) {
    for (number, device) in stage.devices().into_iter().enumerate() {
        writers(stage, plan, &device, number, actors);
        if number >= plan.devices {
            let rng = plan.rng(1_000 + number as u64);
            actors.spawn(comes_and_goes(stage.clone(), plan.clone(), device, rng));
        }
    }
    actors.spawn(new_devices(stage.clone(), plan.clone()));
}

fn writers(
    stage: &Arc<Stage>,
    plan: &Plan,
    device: &Arc<Puppet>,
    number: usize,
    actors: &mut JoinSet<()>,
) {
    for lane in 0..LANES {
        let rng = plan.rng(10_000 + (number * LANES + lane) as u64);
        actors.spawn(writes(stage.clone(), plan.clone(), device.clone(), lane, rng));
    }
}

/// Writes one message after the other, each when the one before has its answer.
async fn writes(stage: Arc<Stage>, plan: Plan, device: Arc<Puppet>, lane: usize, mut rng: StdRng) {
    let writers = (plan.devices + plan.providers) * LANES;
    let mean_s = f64::from(u32::try_from(writers).unwrap_or(u32::MAX)) / plan.rate;
    let writer = format!("{}.{lane}", device.name);
    let mut number = 0_u64;
    while stage.sleeps(Duration::from_secs_f64(mean_s * rng.random_range(0.0..2.0))).await {
        let rooms = stage.whereabouts(&device);
        let Some(room) = rooms.choose(&mut rng) else { continue };
        number += 1;
        let text = format!("{writer} {number}");
        stage.ledger().write(room, &writer, &text);
        let wish = Wish::Send { room: room.clone(), text: text.clone() };
        match device.order(wish).await {
            Ok(_) => stage.ledger().accept(&text),
            Err(Undone::NotRunning) => {
                stage.ledger().unwrite(&text);
                tokio::time::sleep(NOT_RUNNING_PAUSE).await;
            }
            Err(Undone::Ended) => {}
            Err(Undone::Failed(Failure::Unknown(why))) => {
                stage.note(format_args!("'{text}' may be written or not: {why}"));
            }
            Err(Undone::Failed(Failure::Refused(why))) => {
                stage.note(format_args!("'{text}' is refused: {why}"));
                stage.ledger().refuse(&text, &why);
            }
        }
    }
}

/// One user's only device is added to a room, stays for a while, leaves, and so on.
async fn comes_and_goes(stage: Arc<Stage>, plan: Plan, device: Arc<Puppet>, mut rng: StdRng) {
    let (short, long) = STAY_PARTS;
    let shortest = (plan.duration / short).clamp(STAY_MIN, STAY_MAX);
    let longest = (plan.duration / long).clamp(STAY_MIN, STAY_MAX).max(shortest);
    while !stage.is_stopped() {
        let Some(place) = stage.places.choose(&mut rng).cloned() else { return };
        if let Err(wrong) = come(&stage, &place, &device).await {
            return stage.fail(wrong);
        }
        if !stage.sleeps(rng.random_range(shortest..=longest)).await {
            return;
        }
        if let Err(wrong) = go(&stage, &place, &device).await {
            return stage.fail(wrong);
        }
    }
}

async fn come(stage: &Stage, place: &Place, device: &Puppet) -> Result<(), String> {
    stage.add(place, device).await?;
    stage.until_joined(device, &place.room).await?;
    stage.tally().joins += 1;
    stage.note(format_args!("{} comes into {}", device.name, place.room));
    Ok(())
}

async fn go(stage: &Stage, place: &Place, device: &Puppet) -> Result<(), String> {
    let room = &place.room;
    stage.goes(device, room);
    stage.note(format_args!("{} leaves {room}", device.name));
    let patience = Patience::new();
    while !stage.standing(device, room).await.is_ok_and(|shown| shown.status != "Joined") {
        if let Err(why) = device.order(Wish::Leave(room.clone())).await {
            stage.note(format_args!("{} has not left yet: {why}", device.name));
        }
        patience.waits(|| format!("{} does not get out of {room}", device.name)).await?;
    }
    stage.tally().leaves += 1;
    Ok(())
}

/// Users who stay get another device each, which comes into their rooms by itself.
async fn new_devices(stage: Arc<Stage>, plan: Plan) {
    let mut writing = JoinSet::new();
    let every = plan.duration / u32::try_from(NEW_DEVICES + 1).unwrap_or(1);
    for number in 0..NEW_DEVICES.min(plan.devices) {
        if !stage.sleeps(every).await {
            break;
        }
        let (site, user) = (number % plan.providers, format!("u{number}"));
        let device = match stage.new_device(site, &user, "laptop").await {
            Ok(device) => device,
            Err(wrong) => return stage.fail(wrong),
        };
        stage.note(format_args!("{} is new", device.name));
        for place in stage.places.clone() {
            if let Err(wrong) = join(&stage, &place, &device).await {
                return stage.fail(wrong);
            }
        }
        stage.tally().new_devices += 1;
        writers(&stage, &plan, &device, 1_000 + number, &mut writing);
    }
    while writing.join_next().await.is_some() {}
}

async fn join(stage: &Stage, place: &Place, device: &Puppet) -> Result<(), String> {
    let room = &place.room;
    let patience = Patience::new();
    while !stage.is_joined(device, room).await {
        if let Err(why) = device.order(Wish::Join(room.clone())).await {
            stage.note(format_args!("{} has not joined {room} yet: {why}", device.name));
        }
        patience.waits(|| format!("{} does not get into {room}", device.name)).await?;
    }
    stage.until_joined(device, room).await
}
