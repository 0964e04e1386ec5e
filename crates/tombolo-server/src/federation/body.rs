//! Reads a request's body: bounded in size and time (AMB-TR-5).

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use mimi_provider::Reject;

use crate::http_error::HttpError;

/// For a whole body.
const BODY_MAX: Duration = Duration::from_secs(30);

/// The whole body, of at most `octets_max` octets.
pub(super) async fn read(
    request: Request<Incoming>,
    octets_max: usize,
) -> Result<Bytes, HttpError> {
    let body = request.into_body();
    // What is announced as too large is not read at all.
    if body.size_hint().lower() > u64::try_from(octets_max).unwrap_or(u64::MAX) {
        return Err(HttpError::TooLarge(octets_max));
    }
    match tokio::time::timeout(BODY_MAX, Limited::new(body, octets_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(HttpError::TooLarge(octets_max)),
        Ok(Err(_)) => {
            Err(HttpError::Reject(Reject::Malformed("the body did not arrive whole".to_owned())))
        }
        Err(_) => Err(HttpError::TooSlow),
    }
}
