//! Commits in a large room: members added one by one while everybody else stands by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mimi_wire::MimiUri;
use tombolo_client::{ClientEvent, RoomStatus};

use super::drain;
use crate::bench::Settings;
use crate::bench::device::Device;
use crate::bench::federation::{Federation, Site};
use crate::bench::light;
use crate::bench::observed::ObservedTransport;
use crate::bench::phase::{Phase, percentile_ms};
use crate::bench::progress::Progress;
use crate::bench::receiver::{Part, Receiver};
use crate::bench::report::{Report, Sides, as_f64, rounded};
use crate::bench::room::{Crowd, create_room, position, receive};
use crate::bench::usage::Clocks;
use tombolo_client::transport::HttpsTransport;

/// Users who can come in, one device each; when all are in, the measurement ends. Fewer do in a second
/// where the room is larger.
const NEWCOMERS_PER_SECOND: f64 = 25.0;
const NEWCOMERS_PER_SECOND_MIN: f64 = 2.0;
/// Members up to which so many can.
const MEMBERS_FEW: f64 = 1_000.0;
const NEWCOMERS_MAX: f64 = 400.0;
/// How long a newcomer may take to be in.
const JOIN_TIMEOUT: Duration = Duration::from_secs(120);
/// Members that the room has besides the crowd: the committer, and one who counts what comes.
const OTHERS: usize = 2;
/// Members of the crowd that one commit adds.
const ADDED_AT_ONCE: usize = 1_000;

/// The scene: a running committer in a room of so many members, and one of them that counts.
struct Stage {
    federation: Federation,
    committer: Device,
    observed: ObservedTransport,
    room: MimiUri,
    witness: Vec<Receiver>,
    newcomers: Vec<MimiUri>,
}

/// Sets the scene, adds newcomers for so long, then watches one of them come in and write.
pub(crate) async fn run(
    members: usize,
    settings: &Settings,
    progress: &Progress,
) -> Result<Report, String> {
    let begun = Instant::now();
    let mut stage = set(members, settings, progress).await?;
    let setup_s = begun.elapsed().as_secs_f64();
    let phase = Phase::new(0);
    stage.witness.iter().for_each(|witness| witness.begin(&phase));
    stage.observed.begin(&phase);
    progress.say(&format!("adding members for {} s", settings.duration.as_secs_f64()));
    let pids = stage.federation.pids();
    let clocks = Clocks::read(&pids);
    phase.start();
    let (joins_us, seconds) = add_all(&stage, settings.duration).await?;
    stage.observed.answered().await;
    drain(&phase, 1).await;
    let cores = clocks.until(&Clocks::read(&pids));

    let seen: Vec<_> = stage.witness.iter().filter_map(Receiver::seen).collect();
    let mut counts = phase.count(seen.iter(), 1);
    let delivery_us = std::mem::take(&mut counts.latencies_us);
    let commits = stage.observed.commits();
    counts.latencies_us = commits.iter().map(|commit| commit.us).collect();
    counts.latencies_us.sort_unstable();
    counts.seconds = seconds;
    let directory = stage.federation.directory().to_owned();
    let mut report = Report::new("commits", &counts, &cores, &pids, &directory);
    let ms = |value: Option<f64>| value.map(|ms| rounded(ms, 3));
    report.add("members", members);
    report.add("setup_seconds", rounded(setup_s, 1));
    let each_ms = |cores: Option<f64>| {
        let commits = as_f64(report.sent).max(1.0);
        cores.map(|cores| rounded(cores * seconds * 1_000.0 / commits, 1))
    };
    let cpu_ms = Sides {
        a: cores.providers.first().copied().flatten().and_then(|it| each_ms(Some(it))),
        b: cores.providers.get(1).copied().flatten().and_then(|it| each_ms(Some(it))),
    };
    let client_cpu_ms = each_ms(cores.client);
    report.add("server_cpu_ms_each", cpu_ms);
    report.add("client_cpu_ms_each", client_cpu_ms);
    report.add("joins_per_second", report.messages_per_second);
    report.add("join_p50_ms", ms(percentile_ms(&joins_us, 500)));
    report.add("join_p99_ms", ms(percentile_ms(&joins_us, 990)));
    report.add("delivery_p50_ms", ms(percentile_ms(&delivery_us, 500)));
    report.add("commit_octets", commits.last().map(|commit| commit.request_octets));
    report.add("welcome_octets", commits.last().map(|commit| commit.welcome_octets));
    progress.say("a newcomer comes in and writes");
    watch_newcomer(&stage, &mut report).await?;
    stage.federation.stop().await?;
    Ok(report)
}

/// A room of so many members, all but the committer at the other provider.
async fn set(members: usize, settings: &Settings, progress: &Progress) -> Result<Stage, String> {
    let crowd = members.checked_sub(OTHERS);
    let crowd = crowd.ok_or("--members counts the committer and the witness: at least 2")?;
    progress.say("starting 2 providers");
    let federation = Federation::start(settings, 1).await?;
    let hub = federation.hub();
    hub.add_user("committer").await?;
    let transport = HttpsTransport::new(&hub.address).map_err(|error| error.to_string())?;
    let transport = Arc::new(transport);
    let observed = ObservedTransport::new(transport.clone());
    let over = Arc::new(observed.clone());
    let name = ("committer", "device");
    let committer = Device::register_over(hub, name, transport, over).await?;
    let friends = [committer.user().clone()];
    let other = &federation.followers()[0];
    progress.say("registering those who will come in");
    let witness = Crowd::register(other, "witness", 1, 1, &friends, progress).await?;
    let newcomers = newcomers(other, crowd, settings.duration, &friends).await?;
    let users: Vec<_> = witness.users.iter().collect();
    let room = create_room(&committer, &users, progress).await?;
    progress.say(&format!("making keys and certificates of {crowd} members"));
    let members = tokio::task::block_in_place(|| light::key_packages(other, "member", crowd))?;
    let mut resting = committer.rest().await?;
    resting.add(&room, &members, ADDED_AT_ONCE, progress).await?;
    let committer = resting.wake(Arc::new(observed.clone())).await?;
    let marker = committer.client.send_text(&room, "everybody is here").await;
    marker.map_err(|error| format!("nobody can write: {error}"))?;
    let after = position(&witness.devices[0]).await?;
    let witness = receive(&witness.devices, after, |_| Part::Counted).await?;
    Ok(Stage { federation, committer, observed, room, witness, newcomers })
}

/// Users who wait to be added.
async fn newcomers(
    site: &Site,
    crowd: usize,
    duration: Duration,
    friends: &[MimiUri],
) -> Result<Vec<MimiUri>, String> {
    let larger = (as_f64(crowd as u64) / MEMBERS_FEW).max(1.0);
    let per_second = (NEWCOMERS_PER_SECOND / larger).max(NEWCOMERS_PER_SECOND_MIN);
    let wanted = (duration.as_secs_f64() * per_second).clamp(1.0, NEWCOMERS_MAX);
    let mut users = Vec::new();
    while as_f64(users.len() as u64) < wanted {
        let device =
            crate::bench::room::newcomer(site, &format!("newcomer{}", users.len()), friends)
                .await?;
        users.push(device.user().clone());
        device.rest_at_once()?;
    }
    Ok(users)
}

/// Adds newcomers one after the other; the answer is how long each took, committing included, and all.
async fn add_all(stage: &Stage, duration: Duration) -> Result<(Vec<u64>, f64), String> {
    let begun = Instant::now();
    let mut joins_us = Vec::new();
    for user in &stage.newcomers {
        if begun.elapsed() >= duration {
            break;
        }
        let join = Instant::now();
        add(stage, user).await?;
        joins_us.push(u64::try_from(join.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    joins_us.sort_unstable();
    Ok((joins_us, begun.elapsed().as_secs_f64()))
}

async fn add(stage: &Stage, user: &MimiUri) -> Result<(), String> {
    let added = stage.committer.client.add_user(&stage.room, user).await;
    added.map_err(|error| format!("{user} cannot be added: {error}"))
}

/// A device with a whole SDK is added, comes in by its Welcome, and writes.
async fn watch_newcomer(stage: &Stage, report: &mut Report) -> Result<(), String> {
    let site = &stage.federation.followers()[0];
    site.add_user("watched").await?;
    let transport = HttpsTransport::new(&site.address).map_err(|error| error.to_string())?;
    let transport = Arc::new(transport);
    let observed = ObservedTransport::new(transport.clone());
    let over = Arc::new(observed.clone());
    let newcomer = Device::register_over(site, ("watched", "device"), transport, over).await?;
    let consented = newcomer.client.grant_consent(stage.committer.user()).await;
    consented.map_err(|error| error.to_string())?;
    let mut events = newcomer.client.subscribe();
    add(stage, newcomer.user()).await?;
    let begun = Instant::now();
    let joined = async {
        while let Ok(event) = events.recv().await {
            if matches!(&event, ClientEvent::Joined(room) if *room == stage.room) {
                return Ok(());
            }
        }
        Err("a newcomer has stopped".to_owned())
    };
    let joined = tokio::time::timeout(JOIN_TIMEOUT, joined).await;
    joined.map_err(|_| "a newcomer never comes in".to_owned())??;
    let joined_ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let room = newcomer.client.room(&stage.room).await.map_err(|error| error.to_string())?;
    if room.status != RoomStatus::Joined {
        return Err(format!("a newcomer stands as {:?}", room.status));
    }
    let written = newcomer.client.send_text(&stage.room, "I am here").await;
    written.map_err(|error| format!("a newcomer cannot write: {error}"))?;
    report.add("newcomer_joined_ms", rounded(joined_ms, 1));
    report.add("first_message_ms", rounded(begun.elapsed().as_secs_f64() * 1_000.0, 1));
    report.add("welcome_event_octets", observed.welcome_event_octets());
    newcomer.client.close().await.map_err(|error| error.to_string())
}
