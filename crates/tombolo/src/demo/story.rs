//! The play: the drafts' example flow and more, act by act.

mod acts;
mod files;
mod kill;
mod race;
mod reports;
mod stranger;
mod town_hall;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;

use crate::demo::cast::Device;
use crate::demo::checks::Check;
use crate::demo::chronicle::Chronicle;
use crate::demo::federation::Federation;
use crate::demo::narrator::Narrator;

/// Everything the story needs, and what it leads to.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) narrator: Arc<Narrator>,
    pub(crate) federation: Federation,
    /// Files of the devices.
    pub(crate) clients: PathBuf,
    /// By name, e.g. `alice's phone`.
    pub(crate) devices: BTreeMap<String, Device>,
    /// Names of the devices in the room.
    pub(crate) present: BTreeSet<String>,
    pub(crate) room: Option<MimiUri>,
    pub(crate) chronicle: Chronicle,
    /// The same of the second act's room.
    pub(crate) town_hall: Chronicle,
    /// Names of the devices that were never in the first room.
    pub(crate) strangers: BTreeSet<String>,
    /// What the third act's people write and send, besides messages: no provider may read it.
    pub(crate) secrets: Vec<String>,
    /// What was checked on the way.
    pub(crate) checks: Vec<Check>,
}

impl Story {
    pub(crate) fn new(narrator: Arc<Narrator>, federation: Federation, clients: PathBuf) -> Self {
        Self {
            narrator,
            federation,
            clients,
            devices: BTreeMap::new(),
            present: BTreeSet::new(),
            room: None,
            chronicle: Chronicle::default(),
            town_hall: Chronicle::default(),
            strangers: BTreeSet::new(),
            secrets: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Plays every act; an error says which promise was broken first.
    pub(crate) async fn play(&mut self) -> Result<(), String> {
        self.narrator.act("Three providers, each a process of its own");
        self.federation.start_all().await?;
        self.people_and_devices().await?;
        self.consent().await?;
        self.a_room_with_bob().await?;
        self.bob_adds_cathy().await?;
        self.everyone_writes().await?;
        self.a_second_device_joins().await?;
        self.two_commit_at_once().await?;
        self.a_provider_is_killed().await?;
        self.everyone_agrees("all six devices agree").await?;
        self.bob_leaves().await?;
        self.cathy_is_banned().await?;
        self.everyone_agrees("those who stayed agree at the end").await?;
        self.a_moderated_room().await?;
        let room = self.a_file_by_every_way().await?;
        self.a_message_is_reported(&room).await?;
        self.a_stranger_is_let_in().await
    }

    /// Closes every device and stops every provider; says what did not end well.
    pub(crate) async fn end(mut self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, device) in std::mem::take(&mut self.devices) {
            if let Err(error) = device.client.close().await {
                faults.push(format!("{name}: {error}"));
            }
        }
        faults.extend(self.federation.stop_all().await);
        faults
    }

    pub(crate) fn room(&self) -> MimiUri {
        self.room.clone().expect("the room is created in its own act")
    }

    pub(crate) fn device(&self, name: &str) -> &Device {
        &self.devices[name]
    }

    fn device_mut(&mut self, name: &str) -> &mut Device {
        self.devices.get_mut(name).expect("the story registered it")
    }

    pub(crate) fn user(&self, name: &str) -> MimiUri {
        self.device(&format!("{name}'s phone")).user().clone()
    }

    async fn register(&mut self, user: &str, device: &str) -> Result<(), String> {
        let home = self.federation.home_of(user)?;
        let address = self.federation.address(home)?;
        let password = self.federation.password_of(user)?;
        let since = Instant::now();
        let names = (user, password.as_str(), device);
        let registered = Device::register(&self.clients, &address, names, &self.narrator).await?;
        let ms = millis(since);
        let client = &registered.client.identity().client;
        self.narrator.did(&format!("{} is registered as {client} ({ms:.0} ms)", registered.name));
        self.devices.insert(registered.name.clone(), registered);
        Ok(())
    }

    /// Writes a message and notes who must show it.
    async fn write(&mut self, name: &str, text: &str) -> Result<MessageId, String> {
        let since = Instant::now();
        let sent = self.device(name).client.send_text(&self.room(), text).await;
        let id = sent.map_err(|error| format!("{name} cannot write: {error}"))?;
        self.told(name, since, &format!("writes \"{text}\""));
        let sender = self.device(name).user().clone();
        self.chronicle.wrote(id, &sender, text, &self.present);
        Ok(id)
    }

    fn told(&self, name: &str, since: Instant, what: &str) {
        self.narrator.did(&format!("{name} {what} ({:.0} ms)", millis(since)));
    }

    /// Waits until every device in the room shows what the chronicle says.
    async fn everyone_sees_everything(&self) -> Result<(), String> {
        let room = self.room();
        for name in &self.present {
            let device = self.device(name);
            device
                .sees(&room, "every message in its newest form", |state| {
                    let due = self.chronicle.told.iter().filter(|told| told.seen_by.contains(name));
                    due.clone().all(|told| {
                        let shown = state.messages.iter().find(|message| message.id == told.id);
                        shown.is_some_and(|shown| told.differs(shown).is_none())
                    })
                })
                .await?;
        }
        Ok(())
    }

    /// Waits until every device in the room is in the same epoch, then compares their views.
    async fn everyone_agrees(&mut self, name: &str) -> Result<(), String> {
        self.everyone_sees_everything().await?;
        let room = self.room();
        let mut newest = 0;
        for device in &self.present {
            newest = newest.max(self.device(device).room(&room).await?.epoch);
        }
        let mut views = Vec::new();
        for device in &self.present {
            let state = self.device(device);
            let what = format!("epoch {newest}");
            views.push((
                device.clone(),
                state.sees(&room, &what, |state| state.epoch >= newest).await?,
            ));
        }
        let check = crate::demo::checks::agreement(name, &views, &self.chronicle);
        self.narrator.did(&format!("compared: {}", check.detail));
        self.checks.push(check);
        Ok(())
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
