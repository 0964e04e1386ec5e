//! Rooms of a measurement: who writes at the hub, who receives elsewhere.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use tombolo_client::ClientError;
use tombolo_client::session::stream_event::StreamEventKind;
use tombolo_client::transport::Transport;

use super::device::{Device, Resting};
use super::federation::Site;
use super::progress::Progress;
use super::receiver::{Part, Receiver};

/// Devices of each user of a crowd, as many as a provider lets a user have.
const DEVICES_PER_USER: usize = 32;
/// Users who are set up at once.
const USERS_AT_ONCE: usize = 4;
/// How long a stock of KeyPackages may stay empty, and how often it is looked at.
const KEY_PACKAGES_PATIENCE: Duration = Duration::from_secs(20);
const KEY_PACKAGES_PAUSE: Duration = Duration::from_millis(20);
/// Users added between two lines about it.
const TOLD_EVERY: usize = 50;

/// Users of one provider who only receive.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) users: Vec<MimiUri>,
    /// As many devices as were asked to be kept.
    pub(crate) devices: Vec<Resting>,
}

/// A device that writes, and where.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) device: Resting,
    pub(crate) rooms: Vec<MimiUri>,
}

impl Crowd {
    /// Registers so many devices of users named after `name`, who let `friends` contact them, and
    /// keeps the first few to receive.
    pub(crate) async fn register(
        site: &Site,
        name: &str,
        devices: usize,
        keep: usize,
        friends: &[MimiUri],
        progress: &Progress,
    ) -> Result<Self, String> {
        let users = devices.div_ceil(DEVICES_PER_USER);
        let registering = (0..users).map(|number| {
            let first = number * DEVICES_PER_USER;
            let last = devices.min(first + DEVICES_PER_USER);
            register_user(site, format!("{name}{number}"), first..last, keep, friends)
        });
        let mut done = 0;
        let tell = |_: &_| {
            done = devices.min(done + DEVICES_PER_USER);
            if users > USERS_AT_ONCE {
                progress.say(&format!("{done} of {devices} devices are registered"));
            }
        };
        let registering = stream::iter(registering).buffered(USERS_AT_ONCE);
        let parts: Vec<(MimiUri, Vec<Resting>)> =
            registering.inspect_ok(tell).try_collect().await?;
        let (users, devices): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok(Self { users, devices: devices.into_iter().flatten().collect() })
    }
}

/// Registers a user with its devices, of which those numbered below `keep` are kept.
async fn register_user(
    site: &Site,
    name: String,
    numbers: std::ops::Range<usize>,
    keep: usize,
    friends: &[MimiUri],
) -> Result<(MimiUri, Vec<Resting>), String> {
    let user = site.add_user(&name).await?;
    let mut kept = Vec::new();
    for number in numbers.clone() {
        let device = Device::register(site, &name, &format!("device{number}"), number).await?;
        if number == numbers.start {
            befriend(&device, friends).await?;
        }
        let resting = device.rest_at_once()?;
        if number < keep {
            kept.push(resting);
        }
    }
    Ok((user, kept))
}

/// Registers the first device of a new user, who lets `friends` contact it.
pub(crate) async fn newcomer(
    site: &Site,
    name: &str,
    friends: &[MimiUri],
) -> Result<Device, String> {
    site.add_user(name).await?;
    let device = Device::register(site, name, "device", 0).await?;
    befriend(&device, friends).await?;
    Ok(device)
}

async fn befriend(device: &Device, friends: &[MimiUri]) -> Result<(), String> {
    for friend in friends {
        let granted = device.client.grant_consent(friend).await;
        granted.map_err(|error| format!("{} cannot consent: {error}", device.user()))?;
    }
    Ok(())
}

/// Creates a room in which everybody may write, and adds users to it.
pub(crate) async fn create_room(
    owner: &Device,
    users: &[&MimiUri],
    progress: &Progress,
) -> Result<MimiUri, String> {
    let room = owner.client.create_room("Bench", Preset::Cooperative).await;
    let room = room.map_err(|error| format!("no room can be created: {error}"))?;
    for (number, user) in users.iter().enumerate() {
        add(owner, &room, user).await?;
        if (number + 1) % TOLD_EVERY == 0 {
            progress.say(&format!("{} of {} users are in the room", number + 1, users.len()));
        }
    }
    Ok(room)
}

/// Adds a user, whose devices may have to make KeyPackages first.
async fn add(owner: &Device, room: &MimiUri, user: &MimiUri) -> Result<(), String> {
    let deadline = Instant::now() + KEY_PACKAGES_PATIENCE;
    loop {
        match owner.client.add_user(room, user).await {
            Err(ClientError::Refused(_)) if Instant::now() < deadline => {
                tokio::time::sleep(KEY_PACKAGES_PAUSE).await;
            }
            added => return added.map_err(|error| format!("{user} cannot be added: {error}")),
        }
    }
}

/// Waits until all writers are in the owner's epoch.
pub(crate) async fn agree(room: &MimiUri, writers: &[Device]) -> Result<(), String> {
    let Some((owner, others)) = writers.split_first() else { return Ok(()) };
    let state = owner.client.room(room).await.map_err(|error| error.to_string())?;
    for writer in others {
        writer.sees(room, "the room's last epoch", |seen| seen.epoch >= state.epoch).await?;
    }
    Ok(())
}

/// Reads a device's stream up to a message of the room, which somebody has sent: what comes after it
/// is the measurement's.
pub(crate) async fn position(device: &Resting) -> Result<u64, String> {
    let failed = |error| format!("an event stream fails while the scene is set: {error}");
    let mut events =
        device.transport.events(device.token.clone(), 0, None).await.map_err(failed)?.events;
    while let Some(event) = events.next().await {
        let event = event.map_err(failed)?;
        if event.kind == StreamEventKind::Application {
            return Ok(event.id);
        }
    }
    Err("an event stream ends while the scene is set".to_owned())
}

/// Opens the streams of devices of one provider after a position.
pub(crate) async fn receive(
    devices: &[Resting],
    after: u64,
    part: impl Fn(usize) -> Part,
) -> Result<Vec<Receiver>, String> {
    let opening = devices.iter().enumerate().map(|(number, device)| {
        Receiver::open(device.transport.clone(), device.token.clone(), after, part(number))
    });
    stream::iter(opening).buffered(USERS_AT_ONCE).try_collect().await
}
