//! An answer from elsewhere, passed on octet by octet as fast as it is taken, within bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mimi_provider::Reject;
use tokio::time::Instant;

use super::Places;
use super::cache::Cache;
use crate::assets::serve::protect;
use crate::http_error::HttpError;
use crate::provider::Provider;

/// How long an asset may take from its first to its last octet.
const DOWNLOAD_TIME_MAX: Duration = Duration::from_secs(10 * 60);
/// How long either side may be silent in between.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A body on its way.
struct Passing {
    body: Incoming,
    /// Octets that may still come.
    left: u64,
    deadline: Instant,
    keeping: Option<Keeping>,
    /// Given back at the end.
    _places: Places,
}

/// A copy that is kept once it is whole.
struct Keeping {
    cache: Arc<Cache>,
    key: String,
    octets: BytesMut,
    /// As many as were announced.
    whole: u64,
}

/// Passes an answer on. It is kept under `key` as well if that says so and it is small enough.
pub(super) fn on(
    provider: &Provider,
    answer: Response<Incoming>,
    places: Places,
    key: Option<String>,
) -> Result<Response<Body>, HttpError> {
    let (head, body) = answer.into_parts();
    let status = usable(head.status, &head.headers)?;
    let octets_max = provider.config.assets.proxied_octets_max;
    let announced = announced_octets(&head.headers);
    if announced.is_some_and(|octets| octets > octets_max) {
        return Err(HttpError::TooLarge(usize::try_from(octets_max).unwrap_or(usize::MAX)));
    }
    let cache = &provider.proxy.cache;
    let keeping = match (key, announced) {
        (Some(key), Some(whole))
            if status == StatusCode::OK && whole <= cache.asset_octets_max() as u64 =>
        {
            Some(Keeping { cache: Arc::clone(cache), key, octets: BytesMut::new(), whole })
        }
        _ => None,
    };
    let deadline = Instant::now() + DOWNLOAD_TIME_MAX;
    let passing = Passing { body, left: octets_max, deadline, keeping, _places: places };
    let stream = stream::try_unfold(passing, async |mut passing| {
        let next = passing.next().await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(next.map(|octets| (octets, passing)))
    });
    let mut response = Response::new(Body::from_stream(stream));
    *response.status_mut() = status;
    protect(response.headers_mut());
    for name in [CONTENT_LENGTH, CONTENT_RANGE] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

impl Passing {
    async fn next(&mut self) -> Result<Option<Bytes>, &'static str> {
        loop {
            let silence = Instant::now() + SILENCE_MAX;
            let frame = tokio::time::timeout_at(self.deadline.min(silence), self.body.frame());
            let data = match frame.await {
                Err(_) => return Err("the asset did not come in time"),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err("the asset's host has broken off"),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            let octets = data.len() as u64;
            self.left = self.left.checked_sub(octets).ok_or("the asset is too large")?;
            if let Some(keeping) = &mut self.keeping {
                keeping.octets.extend_from_slice(&data);
            }
            // Nobody asks for more once as many have come as were announced.
            if let Some(whole) = self.keeping.take_if(|keeping| keeping.is_whole()) {
                whole.cache.keep(whole.key, whole.octets.freeze());
            }
            if octets > 0 {
                return Ok(Some(data));
            }
        }
    }
}

impl Keeping {
    fn is_whole(&self) -> bool {
        self.octets.len() as u64 == self.whole
    }
}

/// The status to pass on; anything else is the other side's fault, and no page of it is shown.
fn usable(status: StatusCode, headers: &HeaderMap) -> Result<StatusCode, Reject> {
    let unavailable = |why: String| Err(Reject::Unavailable(why));
    match status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT if headers.contains_key(CONTENT_ENCODING) => {
            unavailable("the asset's host has encoded it".to_owned())
        }
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(status),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Err(Reject::Unknown("there is no such asset".to_owned()))
        }
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
            Err(Reject::NotAllowed("the asset is not given out".to_owned()))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            Err(Reject::Malformed("the asset has no such range".to_owned()))
        }
        status => unavailable(format!("the asset is answered with {}", status.as_u16())),
    }
}

fn announced_octets(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
