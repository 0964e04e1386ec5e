//! Fetching assets of other providers, for their providers' peers and for our own people
//! (protocol section 5.10.2).
//!
//! As the hub we ask the asset's host ([`download`]); as a follower we ask the hub
//! ([`through_hub`]). Whoever asks chooses the URL, so the hub fetches only from hosts that it knows
//! as asset hosts of its peers ([`targets`]), never from an address inside a private network, never
//! as itself (no client certificate), and never without bounds ([`passing`]).

mod cache;
mod fetch;
mod passing;
mod targets;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode};
use mimi_provider::Reject;
use mimi_wire::Domain;
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::protocol::proxy_download::AssetUrl;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::assets::serve::{beyond, content_range, protect};
use crate::assets::{self, ASSETS_PATH, ByteRange};
use crate::http_error::HttpError;
use crate::provider::Provider;
use crate::shares::{Share, Shares};
use cache::{Cache, Cached};
pub(crate) use targets::RoomHosts;

/// Downloads passed on at once; further ones are told to come back.
pub(crate) const DOWNLOADS_MAX: usize = 128;
/// Of them, for one peer, or for all of our own people.
pub(crate) const DOWNLOADS_PER_PEER_MAX: usize = 32;
/// Seconds after which they may.
const RETRY_AFTER_S: u64 = 2;
/// Octets of all assets that are kept in memory.
const CACHE_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// Octets of one of them.
const CACHED_ASSET_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// How long it is kept: whoever deletes an asset must not wait for longer.
const CACHED_FOR: Duration = Duration::from_secs(10 * 60);

/// What downloads share.
#[derive(Debug)]
pub(crate) struct AssetProxy {
    all: Arc<Semaphore>,
    of_peer: Shares<Domain>,
    cache: Arc<Cache>,
    /// Asset hosts by the rooms whose policies name them.
    pub(crate) rooms: RoomHosts,
}

impl Default for AssetProxy {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            of_peer: Shares::new(DOWNLOADS_PER_PEER_MAX),
            cache: Arc::new(Cache::new(CACHE_OCTETS_MAX, CACHED_ASSET_OCTETS_MAX, CACHED_FOR)),
            rooms: RoomHosts::default(),
        }
    }
}

/// Places of a download, given back when its last octet has left.
type Places = (OwnedSemaphorePermit, Share<Domain>);

impl AssetProxy {
    fn places(&self, asker: &Domain) -> Result<Places, HttpError> {
        let all = Arc::clone(&self.all).try_acquire_owned();
        let all = all.map_err(|_| HttpError::TooMany(RETRY_AFTER_S))?;
        let share = self.of_peer.take(asker).ok_or(HttpError::TooMany(RETRY_AFTER_S))?;
        Ok((all, share))
    }
}

/// Fetches an asset from its host for `asker` (PROTO-DL-2, PROTO-DL-3, PROTO-DL-7).
pub(crate) async fn download(
    provider: &Arc<Provider>,
    asker: &Domain,
    url: &AssetUrl,
    range: Option<HeaderValue>,
) -> Result<Response<Body>, HttpError> {
    let places = provider.proxy.places(asker)?;
    if *url.host() == provider.config.assets.host {
        let name = url.path_and_query().strip_prefix(ASSETS_PATH).unwrap_or_default();
        return assets::serve::handle(provider, &Method::GET, name, range.as_ref());
    }
    // Before the cache: what is no longer a peer's asset host is no longer served either.
    let owner = targets::owner(provider, url.host()).await?;
    if let Some(kept) = provider.proxy.cache.find(url.as_str()) {
        return Ok(from_cache(&kept, range.as_ref()));
    }
    let keep = range.is_none().then(|| url.as_str().to_owned());
    let answer = fetch::get(provider, url, &owner, range).await?;
    passing::on(provider, answer, places, keep).await
}

/// Fetches an asset through a room's hub, for one of our own people, about whom the hub learns
/// nothing.
pub(crate) async fn through_hub(
    provider: &Arc<Provider>,
    hub: &Domain,
    url: &AssetUrl,
    range: Option<HeaderValue>,
) -> Result<Response<Body>, HttpError> {
    if *hub == provider.domain {
        return download(provider, hub, url, range).await;
    }
    let places = provider.proxy.places(&provider.domain)?;
    let key = format!("{hub} {url}");
    if let Some(kept) = provider.proxy.cache.find(&key) {
        return Ok(from_cache(&kept, range.as_ref()));
    }
    let unreachable = |error: crate::peers::PeerError| error.into_reject(hub);
    let directory = provider.peers.directory(hub).await.map_err(unreachable)?;
    let endpoint = directory.expand(Endpoint::ProxyDownload, url.as_str());
    let endpoint = endpoint.map_err(|error| Reject::Unsupported(format!("{hub}: {error}")))?;
    let keep = range.is_none().then_some(key);
    let answer = provider.peers.open(hub, endpoint, range).await.map_err(unreachable)?;
    passing::on(provider, answer, places, keep).await
}

/// The answer out of memory.
fn from_cache(kept: &Cached, range: Option<&HeaderValue>) -> Response<Body> {
    let octets = kept.len() as u64;
    let mut response = match ByteRange::of(range, octets) {
        ByteRange::Beyond => return beyond(octets),
        ByteRange::Whole => Response::new(Body::from(kept.clone())),
        ByteRange::Part(start, end) => {
            // Both are at most the length, which is a usize.
            let of = |offset: u64| usize::try_from(offset).unwrap_or(kept.len());
            let mut response = Response::new(Body::from(kept.slice(of(start)..of(end))));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let headers = response.headers_mut();
            headers.insert(http::header::CONTENT_RANGE, content_range(start, end, octets));
            response
        }
    };
    protect(response.headers_mut());
    response
}
