//! The scene of a soak: its providers, devices and rooms, and what everybody who acts on it shares.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use mimi_wire::MimiUri;
use tokio::sync::{mpsc, watch};

use super::super::Settings;
use super::super::federation::{Federation, Site};
use super::super::progress::Progress;
use super::Plan;
use super::device::SoakDevice;
use super::ledger::Ledger;
use super::puppet::{Heard, Puppet, Undone};
use super::words::{Answer, Failure, Intent, Line, Shown, What, Wish};
use crate::provider_home;

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Orders given at once while the scene is set.
const AT_ONCE: usize = 4;

/// A room, and the device that owns it and never leaves.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) room: MimiUri,
    pub(super) owner: Arc<Puppet>,
}

/// What is counted beside messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// By kind.
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) recoveries: u64,
    pub(super) slowest_recovery: Duration,
    pub(super) joins: u64,
    pub(super) leaves: u64,
    pub(super) new_devices: u64,
    /// Came into a room anew because they could not follow it.
    pub(super) missed: u64,
    /// Shown by devices that could not tell what, because the soak was too slow to hear it.
    pub(super) untold: u64,
    /// Memory at the last look, and the most, in MiB.
    pub(super) memory_mib: BTreeMap<String, (f64, f64)>,
}

impl Tally {
    pub(super) fn remember_memory(&mut self, name: &str, now: f64, most: f64) {
        let kept = self.memory_mib.entry(name.to_owned()).or_default();
        *kept = (now, kept.1.max(most));
    }
}

/// What everybody shares.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) sites: Vec<tokio::sync::Mutex<Site>>,
    devices: Mutex<Vec<Arc<Puppet>>>,
    pub(super) places: Vec<Place>,
    ledger: Mutex<Ledger>,
    tally: Mutex<Tally>,
    /// Where a device may write now.
    whereabouts: Mutex<BTreeMap<Arc<str>, Vec<MimiUri>>>,
    wrong: Mutex<Vec<String>>,
    has_failed: AtomicBool,
    stopped: watch::Sender<bool>,
    heard: mpsc::UnboundedSender<Heard>,
    pub(super) directory: PathBuf,
    journal: Mutex<std::fs::File>,
    begun: Instant,
    /// Keeps what the providers need.
    _federation: Federation,
}

impl Stage {
    /// Starts everybody and brings them into their rooms.
    pub(super) async fn set(
        plan: &Plan,
        directory: &Path,
        progress: &Progress,
    ) -> Result<Arc<Self>, String> {
        let settings = Settings {
            duration: plan.duration,
            warm_up: Duration::ZERO,
            directory: Some(directory.to_owned()),
        };
        let mut federation = Federation::start(&settings, plan.providers - 1).await?;
        let sites = std::mem::take(&mut federation.sites);
        let sites = sites.into_iter().map(tokio::sync::Mutex::new).collect();
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        std::fs::create_dir_all(directory.join("devices")).map_err(failed)?;
        let journal = std::fs::File::create(directory.join("soak.log")).map_err(failed)?;
        let (heard, hears) = mpsc::unbounded_channel();
        let mut stage = Self {
            sites,
            devices: Mutex::default(),
            places: Vec::new(),
            ledger: Mutex::default(),
            tally: Mutex::default(),
            whereabouts: Mutex::default(),
            wrong: Mutex::default(),
            has_failed: AtomicBool::new(false),
            stopped: watch::Sender::new(false),
            heard,
            directory: directory.to_owned(),
            journal: Mutex::new(journal),
            begun: Instant::now(),
            _federation: federation,
        };
        let names = (0..plan.devices).map(|number| (number % plan.providers, format!("u{number}")));
        let movers = (0..plan.providers).map(|number| (number, format!("m{number}")));
        for (site, name) in names.chain(movers) {
            stage.sites[site].lock().await.add_user(&name).await?;
            stage.new_device(site, &name, "phone").await?;
        }
        progress.say("the providers and devices run");
        stage.places = stage.found_rooms(plan).await?;
        let stage = Arc::new(stage);
        tokio::spawn(listen(Arc::downgrade(&stage), hears));
        stage.gather(plan).await?;
        progress.say(&format!("{} rooms with {} devices each", plan.rooms, plan.devices));
        Ok(stage)
    }

    /// Starts a device of a user and waits until it runs.
    pub(super) async fn new_device(
        &self,
        site: usize,
        user: &str,
        device: &str,
    ) -> Result<Arc<Puppet>, String> {
        let (domain, arguments) = {
            let site = self.sites[site].lock().await;
            let arguments = SoakDevice {
                provider: site.home.url(),
                connect: site.home.client_listener,
                roots: provider_home::root(&self.directory),
                user: user.to_owned(),
                device: device.to_owned(),
                store: self.directory.join("devices").join(format!("{user}-{device}.db")),
            };
            (site.home.domain.clone(), arguments)
        };
        let uri = MimiUri::new(&format!("mimi://{domain}/u/{user}"));
        let uri = uri.map_err(|error| error.to_string())?;
        let puppet = Arc::new(Puppet::new(uri, arguments, self.heard.clone()));
        puppet.launch().await?;
        lock(&self.devices).push(puppet.clone());
        puppet.until_ready().await?;
        Ok(puppet)
    }

    /// The first device of each provider owns rooms, in turn; everybody lets them.
    async fn found_rooms(&self, plan: &Plan) -> Result<Vec<Place>, String> {
        let devices = self.devices();
        let owners = &devices[..plan.providers.min(plan.devices)];
        for owner in owners {
            let others = devices.iter().filter(|device| device.user != owner.user);
            let consents = others.map(|device| async move {
                let consented = device.order(Wish::Consent(owner.user.clone())).await;
                consented.map_err(|why| format!("{} cannot consent: {why}", device.name))
            });
            stream::iter(consents).buffered(AT_ONCE).try_collect::<Vec<_>>().await?;
        }
        let rooms = (0..plan.rooms).map(|number| async move {
            let owner = &owners[number % owners.len()];
            match owner.order(Wish::Create(format!("Room {number}"))).await {
                Ok(Answer::Room(room)) => Ok(Place { room, owner: owner.clone() }),
                Ok(_) => Err("a room is no room".to_owned()),
                Err(why) => Err(format!("{} cannot create a room: {why}", owner.name)),
            }
        });
        stream::iter(rooms).buffered(AT_ONCE).try_collect().await
    }

    /// Brings those who stay into every room.
    async fn gather(&self, plan: &Plan) -> Result<(), String> {
        let staying = &self.devices()[..plan.devices];
        let gathering = self.places.iter().map(|place| async move {
            for device in staying {
                if device.user != place.owner.user {
                    self.add(place, device).await?;
                }
                self.until_joined(device, &place.room).await?;
            }
            Ok::<(), String>(())
        });
        stream::iter(gathering).buffered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
    }

    /// The owner adds a device's user, until it sees the room.
    pub(super) async fn add(&self, place: &Place, device: &Puppet) -> Result<(), String> {
        let wish = Wish::Add { room: place.room.clone(), user: device.user.clone() };
        let patience = Patience::new();
        while !self.is_joined(device, &place.room).await {
            if let Err(why) = place.owner.order(wish.clone()).await {
                self.note(format_args!("{} is not added yet: {why}", device.name));
            }
            patience.waits(|| format!("{} is not added to {}", device.name, place.room)).await?;
        }
        Ok(())
    }

    /// Waits until a device is in a room: from then on it may write there. What is written once all
    /// others have heard of it, it is to see: before, they may still write for an epoch in which it was
    /// not there.
    pub(super) async fn until_joined(&self, device: &Puppet, room: &MimiUri) -> Result<(), String> {
        let patience = Patience::new();
        let epoch = loop {
            match self.standing(device, room).await {
                Ok(shown) if shown.status == "Joined" => break shown.epoch,
                _ => patience.waits(|| format!("{} never comes into {room}", device.name)).await?,
            }
        };
        let others = self.ledger().devices_in(room);
        for other in self.devices().iter().filter(|it| others.iter().any(|in_| **in_ == *it.name)) {
            while !self
                .standing(other, room)
                .await
                .is_ok_and(|shown| shown.epoch >= epoch || shown.status != "Joined")
            {
                let what = || format!("{} does not hear that {} came", other.name, device.name);
                patience.waits(what).await?;
            }
        }
        self.ledger().comes(&device.name, room);
        lock(&self.whereabouts).entry(device.name.clone()).or_default().push(room.clone());
        Ok(())
    }

    /// From now on a device no longer writes in a room, nor is it to see anything there.
    pub(super) fn goes(&self, device: &Puppet, room: &MimiUri) {
        self.ledger().goes(&device.name, room);
        if let Some(rooms) = lock(&self.whereabouts).get_mut(&device.name) {
            rooms.retain(|it| it != room);
        }
    }

    pub(super) async fn is_joined(&self, device: &Puppet, room: &MimiUri) -> bool {
        self.standing(device, room).await.is_ok_and(|shown| shown.status == "Joined")
    }

    pub(super) async fn standing(&self, device: &Puppet, room: &MimiUri) -> Result<Shown, Undone> {
        self.shown(device, room, What::Standing).await
    }

    pub(super) async fn shown(
        &self,
        device: &Puppet,
        room: &MimiUri,
        what: What,
    ) -> Result<Shown, Undone> {
        match device.order(Wish::Show { room: room.clone(), what }).await? {
            Answer::Shown(shown) => Ok(shown),
            other => Err(Undone::Failed(Failure::Unknown(format!("it shows {other:?}")))),
        }
    }

    pub(super) fn devices(&self) -> Vec<Arc<Puppet>> {
        lock(&self.devices).clone()
    }

    pub(super) fn whereabouts(&self, device: &Puppet) -> Vec<MimiUri> {
        lock(&self.whereabouts).get(&device.name).cloned().unwrap_or_default()
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// The load and the faults are to end.
    pub(super) fn stop(&self) {
        let _ = self.stopped.send_replace(true);
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Sleeps; `false` if the end came before.
    pub(super) async fn sleeps(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.subscribe();
        tokio::time::timeout(time, stopped.wait_for(|stopped| *stopped)).await.is_err()
    }

    /// Something that should not be: the soak goes on to its end, and fails.
    pub(super) fn wrong(&self, what: impl Display) {
        self.note(format_args!("WRONG: {what}"));
        lock(&self.wrong).push(what.to_string());
    }

    pub(super) fn all_wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    /// A line in the journal of the soak.
    pub(super) fn note(&self, what: impl Display) {
        let seconds = self.begun.elapsed().as_secs_f64();
        // A journal that cannot be written is missed by nobody until something is wrong.
        let _ = writeln!(lock(&self.journal), "{seconds:9.3} {what}");
    }

    /// Gives up: going on would show nothing more.
    pub(super) fn fail(&self, what: impl Display) {
        self.wrong(what);
        self.has_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    pub(super) fn in_a_line(&self) -> String {
        let (accepted, told, unknown) = {
            let ledger = self.ledger();
            (ledger.accepted, ledger.told_of, ledger.unknown())
        };
        let tally = self.tally().clone();
        let faults: u64 = tally.faults.values().sum();
        let wrong = lock(&self.wrong).len();
        format!(
            "{accepted} messages accepted, {told} shown, {unknown} unanswered; {faults} faults, {} \
             recoveries; {wrong} wrong",
            tally.recoveries
        )
    }

    /// Looks for processes that have ended though nobody ended them.
    pub(super) async fn look_for_ends(&self) {
        for site in &self.sites {
            let Ok(mut site) = site.try_lock() else { continue };
            if let Some(ended) = site.has_ended() {
                self.fail(ended);
            }
        }
        for ended in self.devices().iter().filter_map(|device| device.has_ended()) {
            self.fail(ended);
        }
    }

    pub(super) async fn pids(&self) -> Vec<(String, u32)> {
        let mut pids = Vec::new();
        for site in &self.sites {
            let Ok(site) = site.try_lock() else { continue };
            pids.extend(site.pid().map(|pid| (site.home.domain.clone(), pid)));
        }
        let devices = self.devices();
        pids.extend(devices.iter().filter_map(|it| Some((it.name.to_string(), it.pid()?))));
        pids
    }

    /// Stops everybody cleanly, devices first.
    pub(super) async fn close(&self) {
        for device in self.devices() {
            if let Err(error) = device.close().await {
                self.wrong(error);
            }
        }
        for site in &self.sites {
            if let Err(error) = site.lock().await.stop().await {
                self.wrong(error);
            }
        }
    }
}

/// Waits for something that must happen, for [`PATIENCE`].
#[derive(Debug)]
pub(super) struct Patience {
    end: Instant,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { end: Instant::now() + PATIENCE }
    }

    /// A pause before the next look, or what has not happened.
    pub(super) async fn waits(&self, what: impl Fn() -> String) -> Result<(), String> {
        if Instant::now() > self.end {
            return Err(format!("{} in {} s", what(), PATIENCE.as_secs()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(())
    }
}

/// Writes down what devices say.
async fn listen(stage: std::sync::Weak<Stage>, mut hears: mpsc::UnboundedReceiver<Heard>) {
    while let Some((device, line)) = hears.recv().await {
        let Some(stage) = stage.upgrade() else { return };
        match line {
            Line::Message { text, .. } => stage.ledger().tells(&device, &text),
            Line::Left { room, status, intent } => {
                stage.note(format_args!("{device} is out of {room}: {status}"));
                if intent == Intent::NotMeant {
                    stage.wrong(format_args!("{device} is out of {room}: {status}"));
                }
            }
            Line::Missed(room) => {
                stage.note(format_args!("{device} had to come into {room} again"));
                stage.tally().missed += 1;
            }
            Line::Untold(count) => stage.tally().untold += count,
            Line::Ready(_) | Line::Done { .. } | Line::Failed { .. } => {}
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
