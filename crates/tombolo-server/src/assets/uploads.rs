//! Who has stored what, how much of it has arrived, and how long it is kept.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use mimi_provider::Reject;
use mimi_wire::MimiUri;

use super::AssetId;
use super::blobs::{About, Blobs, Stage};
use crate::config::AssetsConfig;
use crate::http_error::HttpError;
use crate::surroundings::Toil;

/// What the smallest asset costs of a quota: files have a price of their own.
pub(crate) const ASSET_COST_MIN: u64 = 4 * 1024;
/// How long an asset may take to arrive.
pub(crate) const ARRIVAL_MAX_S: u64 = 24 * 60 * 60;
/// Octets that are gathered before they are written.
const WRITE_OCTETS: usize = 256 * 1024;
/// How long a sender may be silent in the midst of a body.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long one body may take; a slow sender goes on with another one.
const BODY_TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// All assets of the provider's users.
#[derive(Debug)]
pub(crate) struct Uploads {
    blobs: Arc<dyn Blobs>,
    asset_octets_max: u64,
    user_octets_max: u64,
    kept_s: u64,
    index: Mutex<Index>,
    toil: Toil,
}

#[derive(Debug, Default)]
struct Index {
    assets: HashMap<AssetId, Entry>,
    /// Octets by owner.
    used: HashMap<MimiUri, u64>,
}

#[derive(Clone, Debug)]
struct Entry {
    about: About,
    stage: Stage,
    /// Somebody is sending; there is one writer at a time.
    busy: bool,
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct UploadStatus {
    /// Its name.
    pub(crate) id: AssetId,
    /// How many octets it will have.
    pub(crate) octets: u64,
    /// How many have arrived.
    pub(crate) offset: u64,
    /// Whether it may be fetched.
    pub(crate) is_whole: bool,
    /// When it is forgotten, in seconds since the epoch.
    pub(crate) expires_s: u64,
}

impl Index {
    fn put(&mut self, id: AssetId, about: About, stage: Stage) {
        *self.used.entry(about.owner.clone()).or_default() += cost(about.octets);
        self.assets.insert(id, Entry { about, stage, busy: false });
    }

    fn remove(&mut self, id: AssetId) {
        let Some(entry) = self.assets.remove(&id) else { return };
        let owner = &entry.about.owner;
        if let Some(used) = self.used.get_mut(owner) {
            *used = used.saturating_sub(cost(entry.about.octets));
            if *used == 0 {
                self.used.remove(owner);
            }
        }
    }

    /// An asset, if it is this user's: those of others are as unknown as those that never were.
    fn of(&mut self, owner: &MimiUri, id: AssetId) -> Result<&mut Entry, Reject> {
        let entry = self.assets.get_mut(&id).filter(|entry| entry.about.owner == *owner);
        entry.ok_or_else(|| Reject::Unknown("there is no such upload".to_owned()))
    }
}

impl Entry {
    fn status(&self, id: AssetId) -> UploadStatus {
        let (offset, is_whole) = match self.stage {
            Stage::Partial(offset) => (offset, false),
            Stage::Whole => (self.about.octets, true),
        };
        let expires_s = self.expires_s();
        UploadStatus { id, octets: self.about.octets, offset, is_whole, expires_s }
    }

    fn expires_s(&self) -> u64 {
        match self.stage {
            Stage::Partial(_) => self.about.arrives_s,
            Stage::Whole => self.about.expires_s,
        }
    }

    fn is_over(&self, now_s: u64) -> bool {
        !self.busy && self.expires_s() <= now_s
    }
}

fn cost(octets: u64) -> u64 {
    octets.max(ASSET_COST_MIN)
}

impl Uploads {
    /// With everything that is stored already.
    pub(crate) fn open(
        blobs: Arc<dyn Blobs>,
        config: &AssetsConfig,
        toil: Toil,
    ) -> io::Result<Self> {
        let mut index = Index::default();
        for (id, about, stage) in blobs.list()? {
            index.put(id, about, stage);
        }
        Ok(Self {
            blobs,
            asset_octets_max: config.asset_octets_max,
            user_octets_max: config.user_octets_max,
            kept_s: config.kept_s,
            index: Mutex::new(index),
            toil,
        })
    }

    /// Octets one asset may have.
    pub(crate) fn asset_octets_max(&self) -> u64 {
        self.asset_octets_max
    }

    /// Octets a user may have stored.
    pub(crate) fn user_octets_max(&self) -> u64 {
        self.user_octets_max
    }

    /// How long an asset is kept, in seconds.
    pub(crate) fn kept_s(&self) -> u64 {
        self.kept_s
    }

    /// Octets a user has stored or announced.
    pub(crate) fn used(&self, owner: &MimiUri) -> u64 {
        self.index().used.get(owner).copied().unwrap_or_default()
    }

    /// Makes room for an asset; its octets count from now on.
    pub(crate) async fn begin(
        &self,
        owner: &MimiUri,
        octets: u64,
        now_s: u64,
    ) -> Result<UploadStatus, HttpError> {
        if octets == 0 {
            return Err(Reject::Malformed("an asset has at least one octet".to_owned()).into());
        }
        if octets > self.asset_octets_max {
            let most = usize::try_from(self.asset_octets_max).unwrap_or(usize::MAX);
            return Err(HttpError::TooLarge(most));
        }
        let id = AssetId::generate();
        let about = About {
            owner: owner.clone(),
            octets,
            expires_s: now_s.saturating_add(self.kept_s),
            arrives_s: now_s.saturating_add(self.kept_s.min(ARRIVAL_MAX_S)),
        };
        let status = {
            let mut index = self.index();
            let used = index.used.get(owner).copied().unwrap_or_default();
            if used.saturating_add(cost(octets)) > self.user_octets_max {
                let text = format!(
                    "the quota of {} octets is used up; what expires or is deleted makes room",
                    self.user_octets_max
                );
                return Err(Reject::NotAllowed(text).into());
            }
            index.put(id, about.clone(), Stage::Partial(0));
            index.of(owner, id)?.status(id)
        };
        if let Err(reject) = self.blocking(move |blobs| blobs.create(id, &about)).await {
            self.index().remove(id);
            return Err(reject.into());
        }
        Ok(status)
    }

    /// How far an upload has come.
    pub(crate) fn status(&self, owner: &MimiUri, id: AssetId) -> Result<UploadStatus, Reject> {
        Ok(self.index().of(owner, id)?.status(id))
    }

    /// Takes the octets from an offset on, as they come. Whatever has come is durable when this
    /// returns, also with an error; once all have, the asset may be fetched.
    pub(crate) async fn append(
        &self,
        owner: &MimiUri,
        id: AssetId,
        offset: u64,
        body: Body,
    ) -> Result<UploadStatus, HttpError> {
        let octets = self.begin_writing(owner, id, offset)?;
        // Given back whatever happens, with what is durable by then.
        let mut writing = Writing { uploads: self, id, offset, durable: offset };
        let received = self.receive(&mut writing, octets, body).await;
        self.blocking(move |blobs| blobs.sync(id)).await?;
        writing.durable = writing.offset;
        if writing.offset == octets {
            self.blocking(move |blobs| blobs.publish(id)).await?;
            self.index().of(owner, id)?.stage = Stage::Whole;
        }
        drop(writing);
        received?;
        Ok(self.status(owner, id)?)
    }

    fn begin_writing(&self, owner: &MimiUri, id: AssetId, offset: u64) -> Result<u64, Reject> {
        let mut index = self.index();
        let entry = index.of(owner, id)?;
        let status = entry.status(id);
        if status.is_whole || entry.busy {
            let what = if status.is_whole { "is complete" } else { "is being written" };
            return Err(Reject::Conflict(format!("the upload {what}")));
        }
        if status.offset != offset {
            let text = format!("the upload goes on at octet {}", status.offset);
            return Err(Reject::Conflict(text));
        }
        entry.busy = true;
        Ok(status.octets)
    }

    async fn receive(
        &self,
        writing: &mut Writing<'_>,
        octets: u64,
        mut body: Body,
    ) -> Result<(), HttpError> {
        let mut gathered = BytesMut::new();
        let deadline = tokio::time::Instant::now() + BODY_TIME_MAX;
        let outcome = loop {
            let silence = tokio::time::Instant::now() + SILENCE_MAX;
            let frame = tokio::time::timeout_at(deadline.min(silence), body.frame()).await;
            let data = match frame {
                Err(_) => break Err(HttpError::TooSlow),
                Ok(None) => break Ok(()),
                Ok(Some(Err(error))) => {
                    let text = format!("the body did not arrive whole: {error}");
                    break Err(Reject::Malformed(text).into());
                }
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            let arrived = writing.offset + gathered.len() as u64;
            if arrived + data.len() as u64 > octets {
                let most = usize::try_from(octets).unwrap_or(usize::MAX);
                break Err(HttpError::TooLarge(most));
            }
            gathered.extend_from_slice(&data);
            if gathered.len() >= WRITE_OCTETS {
                self.write(writing, gathered.split().freeze()).await?;
            }
        };
        self.write(writing, gathered.freeze()).await?;
        outcome
    }

    async fn write(&self, writing: &mut Writing<'_>, octets: Bytes) -> Result<(), Reject> {
        let (id, offset, length) = (writing.id, writing.offset, octets.len() as u64);
        self.blocking(move |blobs| blobs.write(id, offset, &octets)).await?;
        writing.offset += length;
        Ok(())
    }

    /// Forgets an upload of this user.
    pub(crate) async fn remove(&self, owner: &MimiUri, id: AssetId) -> Result<(), Reject> {
        {
            let mut index = self.index();
            if index.of(owner, id)?.busy {
                return Err(Reject::Conflict("the upload is being written".to_owned()));
            }
            index.remove(id);
        }
        self.blocking(move |blobs| blobs.remove(id)).await
    }

    /// Forgets everything whose time is over; gives how many that were.
    pub(crate) async fn forget_expired(&self, now_s: u64) -> Result<usize, Reject> {
        let over: Vec<AssetId> = {
            let mut index = self.index();
            let over = index.assets.iter().filter(|(_, entry)| entry.is_over(now_s));
            let over: Vec<AssetId> = over.map(|(id, _)| *id).collect();
            over.iter().for_each(|id| index.remove(*id));
            over
        };
        let count = over.len();
        self.blocking(move |blobs| over.into_iter().try_for_each(|id| blobs.remove(id))).await?;
        Ok(count)
    }

    /// The octets of an asset that may be fetched.
    pub(crate) fn published(&self, id: AssetId, now_s: u64) -> Option<UploadStatus> {
        let index = self.index();
        let entry = index.assets.get(&id)?;
        let status = entry.status(id);
        (status.is_whole && status.expires_s > now_s).then_some(status)
    }

    /// Some octets of a published asset.
    pub(crate) async fn read(
        &self,
        id: AssetId,
        offset: u64,
        octets: usize,
    ) -> Result<Bytes, Reject> {
        self.blocking(move |blobs| blobs.read(id, offset, octets)).await.map(Bytes::from)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Blobs) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Reject> {
        let blobs = Arc::clone(&self.blobs);
        let done = self.toil.run(move || work(&*blobs)).await;
        let done = done.map_err(io::Error::other).and_then(|done| done);
        done.map_err(|error| Reject::Internal(format!("the assets' storage: {error}")))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Consistent between statements, so a panic elsewhere does not spoil it.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one writer of an upload.
struct Writing<'a> {
    uploads: &'a Uploads,
    id: AssetId,
    /// Written up to here.
    offset: u64,
    /// And durable up to here.
    durable: u64,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.uploads.index().assets.get_mut(&self.id) {
            entry.busy = false;
            if let Stage::Partial(offset) = &mut entry.stage {
                *offset = self.durable;
            }
        }
    }
}
