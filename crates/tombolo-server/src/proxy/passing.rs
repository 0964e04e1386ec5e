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

/// Why an asset is not waited for.
const LATE: &str = "the asset did not come in time";

/// A body on its way.
struct Passing {
    body: Incoming,
    /// Octets that may still come.
    left: u64,
    /// For the last octet; whoever takes too long to take them finds nothing more after it.
    deadline: Instant,
    /// How long nothing may come.
    silence_max: Duration,
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

/// Passes an answer on, once its first octets are here: a host that says no more than that it has the
/// asset is one that does not answer. What breaks off later never looks whole. It is kept under `key` as well if that says so and it is small enough.
pub(super) async fn on(
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
    let limits = provider.config.limits.proxy;
    let deadline = Instant::now() + Duration::from_millis(limits.download_ms_max);
    let silence_max = Duration::from_millis(limits.silence_ms_max);
    let left = octets_max;
    let mut passing = Passing { body, left, deadline, silence_max, keeping, _places: places };
    let first = passing.next().await.map_err(|why| Reject::Unavailable(why.to_owned()))?;
    let stream = stream::try_unfold((first, passing), async |(first, mut passing)| {
        let next = match first {
            Some(first) => Some(first),
            None => passing.next().await.map_err(std::io::Error::other)?,
        };
        Ok::<_, std::io::Error>(next.map(|octets| (octets, (None, passing))))
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
            let now = Instant::now();
            // What is there already would be taken whatever the time is.
            if now >= self.deadline {
                return Err(LATE);
            }
            let end = self.deadline.min(now + self.silence_max);
            let data = match tokio::time::timeout_at(end, self.body.frame()).await {
                Err(_) => return Err(LATE),
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
