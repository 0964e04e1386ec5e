//! One room: writers at the hub, devices that receive at one provider or at many.

use super::{Load, Scene};
use crate::bench::Settings;
use crate::bench::device::Device;
use crate::bench::federation::Federation;
use crate::bench::progress::Progress;
use crate::bench::receiver::Part;
use crate::bench::report::Report;
use crate::bench::room::{Crowd, Writer, agree, create_room, newcomer, position, receive};

/// Who is in the room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct People {
    /// Devices that write, at the hub, each of a user of its own.
    pub(crate) senders: usize,
    /// Providers that follow.
    pub(crate) followers: usize,
    /// Devices that receive, at each of them.
    pub(crate) devices: usize,
}

/// Sets the scene and measures it.
pub(crate) async fn run(
    scenario: &'static str,
    people: People,
    load: Load,
    settings: &Settings,
    progress: &Progress,
) -> Result<Report, String> {
    let mut scene = set(people, settings, progress).await?;
    let measured = scene.measure(load, settings, progress).await?;
    let report = scene.report(scenario, &measured);
    scene.federation.stop().await?;
    Ok(report)
}

/// Starts the providers and brings everybody into one room.
pub(crate) async fn set(
    people: People,
    settings: &Settings,
    progress: &Progress,
) -> Result<Scene, String> {
    progress.say(&format!("starting {} providers", people.followers + 1));
    let federation = Federation::start(settings, people.followers).await?;
    let (writers, receivers) = one_room(&federation, people, "", progress).await?;
    let receivers_each = (people.followers * people.devices) as u64;
    Ok(Scene { federation, writers, receivers, receivers_each })
}

/// Brings writers and receivers, named after `name`, into one new room.
pub(crate) async fn one_room(
    federation: &Federation,
    people: People,
    name: &str,
    progress: &Progress,
) -> Result<(Vec<Writer>, Vec<crate::bench::receiver::Receiver>), String> {
    let hub = federation.hub();
    let owner = newcomer(hub, &format!("{name}writer0"), &[]).await?;
    let friends = [owner.user().clone()];
    let mut writers: Vec<Device> = vec![owner];
    for number in 1..people.senders {
        writers.push(newcomer(hub, &format!("{name}writer{number}"), &friends).await?);
    }
    let devices = people.devices * people.followers;
    progress.say(&format!("registering {devices} devices that receive"));
    let mut crowds = Vec::new();
    for site in federation.followers() {
        let reader = format!("{name}reader");
        let (devices, keep) = (people.devices, people.devices);
        crowds.push(Crowd::register(site, &reader, devices, keep, &friends, progress).await?);
    }
    progress.say("bringing everybody into one room");
    let users: Vec<_> = writers[1..].iter().map(Device::user).collect();
    let users: Vec<_> = users.into_iter().chain(crowds.iter().flat_map(|it| &it.users)).collect();
    let room = create_room(&writers[0], &users, progress).await?;
    agree(&room, &writers).await?;
    let marker = writers[0].client.send_text(&room, "everybody is here").await;
    marker.map_err(|error| format!("nobody can write: {error}"))?;

    let mut resting = Vec::new();
    for writer in writers {
        resting.push(writer.rest().await?);
    }
    let mut receivers = receive(&resting, position(&resting[0]).await?, |_| Part::Echo).await?;
    let last = crowds.len().saturating_sub(1);
    for (number, crowd) in crowds.iter().enumerate() {
        let after = position(&crowd.devices[0]).await?;
        let pacing = (number == last).then(|| crowd.devices.len() - 1);
        let part = |device| if pacing == Some(device) { Part::Pacing } else { Part::Counted };
        receivers.extend(receive(&crowd.devices, after, part).await?);
    }
    let writers =
        resting.into_iter().map(|device| Writer { device, rooms: vec![room.clone()] }).collect();
    Ok((writers, receivers))
}
