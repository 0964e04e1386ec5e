//! `GET /assets/v1/<id>` at the federation listener: for whoever knows a name, without any
//! certificate, since an asset is fetched by hubs on behalf of people they must not know.
//!
//! What is served is ciphertext, so nothing may look at it as if it were a page or an image.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use mimi_provider::Reject;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{AssetId, ByteRange};
use crate::http_error::HttpError;
use crate::provider::Provider;

/// Octets that are read at once.
const READ_OCTETS: usize = 128 * 1024;
/// Downloads at once.
pub(crate) const DOWNLOADS_MAX: usize = 512;
/// Seconds after which further ones may come back.
const RETRY_AFTER_S: u64 = 2;

/// Places for downloads.
#[derive(Clone, Debug)]
pub(crate) struct DownloadSlots(Arc<Semaphore>);

impl Default for DownloadSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(DOWNLOADS_MAX)))
    }
}

/// One of them, held until the last octet has left.
type Slot = OwnedSemaphorePermit;

/// Answers a request for an asset by its name as it stands in the path.
pub(crate) fn handle(
    provider: &Arc<Provider>,
    method: &Method,
    name: &str,
    range: Option<&HeaderValue>,
) -> Result<Response<Body>, HttpError> {
    if method != Method::GET && method != Method::HEAD {
        return Err(HttpError::MethodNotAllowed("GET, HEAD".into()));
    }
    let permit = Arc::clone(&provider.downloads.0).try_acquire_owned();
    let slot = permit.map_err(|_| HttpError::TooMany(RETRY_AFTER_S))?;
    let now_s = provider.now_ms() / 1_000;
    let unknown = || Reject::Unknown("there is no such asset".to_owned());
    let id: AssetId = name.parse().map_err(|()| unknown())?;
    let found = provider.assets.published(id, now_s).ok_or_else(unknown)?;
    let (status, start, end) = match ByteRange::of(range, found.octets) {
        ByteRange::Whole => (StatusCode::OK, 0, found.octets),
        ByteRange::Part(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
        ByteRange::Beyond => return Ok(beyond(found.octets)),
    };
    let body = match *method == Method::HEAD {
        true => Body::empty(),
        false => body(provider, id, start, end, slot),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    protect(response.headers_mut());
    let age_s = found.expires_s.saturating_sub(now_s);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(end - start));
    headers.insert(CACHE_CONTROL, value(format!("max-age={age_s}, immutable")));
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, content_range(start, end, found.octets));
    }
    Ok(response)
}

/// What every answer with an asset says, so that no browser guesses at it or runs it.
pub(crate) fn protect(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    let policy = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

/// `Content-Range` of a part.
pub(crate) fn content_range(start: u64, end: u64, octets: u64) -> HeaderValue {
    value(format!("bytes {start}-{}/{octets}", end - 1))
}

/// 416: nothing of what is asked for is there.
pub(crate) fn beyond(octets: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    response.headers_mut().insert(CONTENT_RANGE, value(format!("bytes */{octets}")));
    response
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and ASCII letters")
}

/// Reads no faster than the other side does.
fn body(provider: &Arc<Provider>, id: AssetId, start: u64, end: u64, slot: Slot) -> Body {
    let state = (Arc::clone(provider), start, slot);
    Body::from_stream(stream::try_unfold(state, move |(provider, offset, slot)| async move {
        if offset >= end {
            return Ok(None);
        }
        let left = usize::try_from(end - offset).unwrap_or(READ_OCTETS);
        let read = provider.assets.read(id, offset, left.min(READ_OCTETS)).await;
        let read: Bytes = read.map_err(|reject| std::io::Error::other(reject.to_string()))?;
        if read.is_empty() {
            return Err(std::io::Error::other("the asset has been removed"));
        }
        let next = offset + read.len() as u64;
        Ok(Some((read, (provider, next, slot))))
    }))
}
