//! How files come: by which ways this device's user lets them, and each of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use mimi_ohttp::message::{AssetRequest, AssetResponse};
use mimi_ohttp::{CONTENT_OCTETS_MAX, KeyConfig, seal_request};
use mimi_wire::Domain;
use mimi_wire::protocol::proxy_download::AssetUrl;
use mimi_wire::room::asset_policy::DownloadPrivacyType;
use serde::{Deserialize, Serialize};

use super::files::{PAUSE, TRIES_MAX};
use super::{Client, storage};
use crate::asset_rules::WAYS_DEFAULT;
use crate::error::ClientError;
use crate::session::request::TransportError;
use crate::store::{ClientStore, Saved, StoreChange};
use crate::transport::Token;
use crate::transport::assets::{AssetTransport, UNKNOWN_KEY};

/// Name of the stored settings.
const SETTINGS: &str = "downloads";
/// The word for a refusal of what the hub does not offer: another way may do.
const UNSUPPORTED: &str = "unsupported";

/// How files may be fetched. Stored with the device.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DownloadSettings {
    /// The ways that the user lets this device take, the one it likes best first. What a room forbids
    /// is not done, and what it prefers is done first (PROTO-DL-6). Fetching directly tells the file's
    /// host where this device is, and when (PROTO-DL-1).
    pub ways: Vec<DownloadPrivacyType>,
    /// Where the files of a host are, for direct downloads in networks of one's own: what is not here
    /// is where DNS says, and never in a private network.
    pub addresses: BTreeMap<String, SocketAddr>,
}

impl Default for DownloadSettings {
    fn default() -> Self {
        Self { ways: WAYS_DEFAULT.to_vec(), addresses: BTreeMap::new() }
    }
}

/// The settings as they are now.
pub(super) struct Downloads {
    store: Arc<dyn ClientStore>,
    settings: RwLock<DownloadSettings>,
}

impl std::fmt::Debug for Downloads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Downloads").field(&self.settings).finish()
    }
}

impl Downloads {
    pub(super) fn new(store: Arc<dyn ClientStore>, settings: DownloadSettings) -> Self {
        Self { store, settings: RwLock::new(settings) }
    }
}

/// The settings in a store; the usual ones if there are none.
pub(super) fn stored(saved: &Saved) -> Result<DownloadSettings, ClientError> {
    let Some(octets) = saved.values.get(SETTINGS) else { return Ok(DownloadSettings::default()) };
    let settings = serde_json::from_slice(octets.octets());
    settings.map_err(|error| ClientError::Storage(format!("how files are fetched: {error}")))
}

impl Client {
    /// How this device fetches files.
    pub fn download_settings(&self) -> DownloadSettings {
        self.downloads.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets it fetch them otherwise from now on.
    pub async fn set_download_settings(
        &self,
        settings: DownloadSettings,
    ) -> Result<(), ClientError> {
        let value =
            serde_json::to_vec(&settings).map_err(|error| ClientError::Other(error.to_string()))?;
        let put = StoreChange::Put { name: SETTINGS.to_owned(), value: value.into() };
        self.downloads.store.commit(vec![put]).await.map_err(storage)?;
        let mut current = self.downloads.settings.write().unwrap_or_else(PoisonError::into_inner);
        *current = settings;
        Ok(())
    }
}

/// A file about to be fetched.
pub(super) struct Fetching {
    pub(super) transport: Arc<dyn AssetTransport>,
    pub(super) token: Token,
    pub(super) hub: Domain,
    pub(super) url: AssetUrl,
    /// Where its host is, if that is not for DNS to say.
    pub(super) address: Option<SocketAddr>,
    pub(super) octets_max: u64,
}

impl Fetching {
    /// Fetches by the first way that is offered. `size` is how many octets there should be.
    pub(super) async fn by_first_of(
        &self,
        ways: &[DownloadPrivacyType],
        size: Option<u64>,
    ) -> Result<(Vec<u8>, DownloadPrivacyType), ClientError> {
        let mut refusal = ClientError::Refused("there is no way of fetching it".to_owned());
        for way in ways {
            match self.by(*way, size).await {
                Ok(octets) => return Ok((octets, *way)),
                Err(error) => {
                    let is_offered = !error.is_refusal(UNSUPPORTED);
                    refusal = failed(error);
                    if is_offered {
                        break;
                    }
                }
            }
        }
        Err(refusal)
    }

    async fn by(
        &self,
        way: DownloadPrivacyType,
        size: Option<u64>,
    ) -> Result<Vec<u8>, TransportError> {
        let Self { transport, token, hub, url, address, octets_max } = self;
        match way {
            DownloadPrivacyType::HubProxy => {
                transport.fetch(token.clone(), hub, url, *octets_max).await
            }
            DownloadPrivacyType::Direct => {
                transport.fetch_directly(url, *address, *octets_max).await
            }
            DownloadPrivacyType::Ohttp => self.obliviously(size).await,
        }
    }

    /// By Oblivious HTTP: what is larger than one response comes in parts, each asked for anew and
    /// sealed to a key of its own, so that nothing but their order links them.
    async fn obliviously(&self, size: Option<u64>) -> Result<Vec<u8>, TransportError> {
        let mut keys = None;
        let mut octets = Vec::new();
        let in_one = size.is_some_and(|size| size <= CONTENT_OCTETS_MAX as u64);
        loop {
            let (start, end) = (octets.len(), octets.len() + CONTENT_OCTETS_MAX - 1);
            let range = (!in_one).then(|| format!("bytes={start}-{end}"));
            let request = AssetRequest { url: self.url.clone(), range };
            let response = self.persistently(&mut keys, &request).await?;
            let whole = match response.status {
                // The host gives no parts, and the whole is small enough.
                200 if start == 0 => response.content.len() as u64,
                206 => part_of(&response, start as u64)?,
                status => return Err(refusal(status)),
            };
            if whole > self.octets_max {
                return Err(TransportError::Garbled("it is larger than it may be".to_owned()));
            }
            // At most as much as is waited for anyway; what is kept does not move as it grows.
            octets.reserve_exact(
                usize::try_from(whole).unwrap_or_default().saturating_sub(octets.len()),
            );
            octets.extend_from_slice(&response.content);
            if octets.len() as u64 >= whole {
                return Ok(octets);
            }
        }
    }

    /// Asks again after failures that pass.
    async fn persistently(
        &self,
        keys: &mut Option<KeyConfig>,
        request: &AssetRequest,
    ) -> Result<AssetResponse, TransportError> {
        let mut tries = 0;
        loop {
            let outcome = match self.exchange(keys, request).await {
                Ok(response) if matches!(response.status, 429 | 500 | 502 | 503 | 504) => {
                    Err(refusal(response.status))
                }
                outcome => outcome,
            };
            match outcome {
                Err(error) if error.is_passing() && tries + 1 < TRIES_MAX => {
                    tokio::time::sleep(PAUSE * 2_u32.pow(tries)).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// One sealed request and its answer. A key that the hub has forgotten is asked for once more.
    async fn exchange(
        &self,
        keys: &mut Option<KeyConfig>,
        request: &AssetRequest,
    ) -> Result<AssetResponse, TransportError> {
        let garbled = |fault: mimi_ohttp::OhttpFault| TransportError::Garbled(fault.to_string());
        for is_last in [false, true] {
            let config = match keys.take() {
                Some(config) => config,
                None => {
                    let keys = self.transport.ohttp_keys(self.token.clone(), &self.hub).await?;
                    KeyConfig::choose(&keys).map_err(garbled)?
                }
            };
            let (sealed, pending) = seal_request(&config, &request.encode()).map_err(garbled)?;
            let sealed = Bytes::from(sealed);
            let relayed = self.transport.ohttp_relay(self.token.clone(), &self.hub, sealed).await;
            match relayed {
                // What our provider has of the hub's keys it has forgotten by now, too.
                Err(error) if error.is_refusal(UNKNOWN_KEY) && !is_last => {}
                Err(error) => return Err(error),
                Ok(response) => {
                    *keys = Some(config);
                    let opened = pending.open(&response).map_err(garbled)?;
                    return AssetResponse::decode(&opened).map_err(garbled);
                }
            }
        }
        Err(TransportError::Garbled("the hub knows none of its keys".to_owned()))
    }
}

/// How many octets there are in all, if a part begins where it should and is as long as it says.
fn part_of(response: &AssetResponse, start: u64) -> Result<u64, TransportError> {
    let garbled = || TransportError::Garbled("the hub gives another part than asked".to_owned());
    let range = response.content_range.as_deref().and_then(|range| range.strip_prefix("bytes "));
    let (part, whole) = range.and_then(|range| range.split_once('/')).ok_or_else(garbled)?;
    let (first, last) = part.split_once('-').ok_or_else(garbled)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| garbled());
    let (first, last, whole) = (number(first)?, number(last)?, number(whole)?);
    let octets = response.content.len() as u64;
    // A part is as long as asked, unless it is the last one.
    let is_full = octets == CONTENT_OCTETS_MAX as u64 || last.checked_add(1) == Some(whole);
    let is_as_asked = first == start
        && octets > 0
        && last.checked_sub(start) == Some(octets - 1)
        && last < whole
        && is_full;
    if is_as_asked { Ok(whole) } else { Err(garbled()) }
}

/// What a status inside a sealed answer means.
fn refusal(status: u16) -> TransportError {
    let refused = |code: &str, message: &str| {
        let (code, message) = (code.to_owned(), message.to_owned());
        TransportError::Refused { code, message }
    };
    match status {
        429 | 500 | 502 | 503 | 504 => TransportError::Busy {
            message: "the hub cannot fetch the file now".to_owned(),
            retry_after_ms: None,
        },
        404 | 410 => refused("unknown", "there is no such file any more"),
        401 | 403 => refused("not_allowed", "the hub does not fetch this file"),
        413 => refused(
            UNSUPPORTED,
            "the file is too large for an oblivious download, and its host gives no parts of it",
        ),
        status => TransportError::Garbled(format!("the hub answers with {status}")),
    }
}

/// A failure on the way, as the caller hears of it.
pub(super) fn failed(error: TransportError) -> ClientError {
    match error {
        TransportError::Refused { message, .. } => ClientError::Refused(message),
        TransportError::Unreachable(_) | TransportError::Busy { .. } => {
            ClientError::Unreachable(error.to_string())
        }
        TransportError::Garbled(_) => ClientError::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
