//! The gateway (PROTO-DL-4): opens what a relay brings, fetches the asset if it is a peer's, and seals
//! the answer for whoever asked.
//!
//! What goes wrong before a request is open is answered in the open; everything after that inside, so
//! that a relay cannot tell a refusal from an asset (RFC 9458 section 5.2). A request that is brought
//! twice fetches the same asset twice and does nothing else, so none is remembered (section 6.5), and
//! no clock is asked.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use mimi_ohttp::message::{AssetRequest, AssetResponse};
use mimi_ohttp::{
    CONTENT_OCTETS_MAX, KEYS_TYPE, OhttpFault, PROBLEM_TYPE, RESPONSE_TYPE, UNKNOWN_KEY_PROBLEM,
    key_id,
};
use mimi_provider::Reject;
use mimi_wire::Domain;

use crate::http_error::HttpError;
use crate::provider::Provider;
use crate::proxy;

/// How long others may keep our key configuration, far less than an old key is kept.
const CACHING: &str = "max-age=3600";
/// From an open request to the last octet of the asset: less than a relay waits.
const FETCH_MAX: Duration = Duration::from_secs(25);

/// Our key configuration, for whoever asks.
pub(crate) fn keys(provider: &Provider) -> Response<Body> {
    let mut response = Response::new(Body::from(provider.ohttp_keys.published()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(KEYS_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHING));
    response
}

/// Answers a sealed request that a relay has brought.
pub(crate) async fn answer(
    provider: &Arc<Provider>,
    relay: &Domain,
    sealed: &[u8],
) -> Result<Response<Body>, HttpError> {
    let malformed = |fault: OhttpFault| HttpError::Reject(Reject::Malformed(fault.to_string()));
    let _place = provider.oblivious.place_of_peer(relay)?;
    let key_id = key_id(sealed).ok_or_else(|| malformed(OhttpFault::Format("a sealed request")))?;
    let Some(key) = provider.ohttp_keys.find(key_id, provider.now_ms()) else {
        return Ok(unknown_key());
    };
    let (request, sealer) = key.open_request(sealed).map_err(malformed)?;
    let response = match AssetRequest::decode(&request) {
        Ok(request) => fetch(provider, relay, request).await,
        // Whatever is no GET of something that could be an asset.
        Err(_) => AssetResponse::of_status(StatusCode::BAD_REQUEST.as_u16()),
    };
    let sealed = sealer.seal(&response.encode(), &rand::random());
    let sealed = sealed.map_err(|fault| HttpError::Reject(Reject::Internal(fault.to_string())))?;
    let mut response = Response::new(Body::from(sealed));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(RESPONSE_TYPE));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The answer to a request that is sealed to a key of no use here (RFC 9458 section 5.3).
pub(super) fn unknown_key() -> Response<Body> {
    let problem = serde_json::json!({
        "type": UNKNOWN_KEY_PROBLEM,
        "title": "the key identifier is unknown",
    });
    let mut response = Response::new(Body::from(problem.to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
    response
}

async fn fetch(provider: &Arc<Provider>, relay: &Domain, request: AssetRequest) -> AssetResponse {
    let status = |status: StatusCode| AssetResponse::of_status(status.as_u16());
    match tokio::time::timeout(FETCH_MAX, fetched(provider, relay, request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => status(error.parts().0),
        Err(_) => status(StatusCode::GATEWAY_TIMEOUT),
    }
}

async fn fetched(
    provider: &Arc<Provider>,
    relay: &Domain,
    request: AssetRequest,
) -> Result<AssetResponse, HttpError> {
    let malformed = |_| Reject::Malformed("the range is none".to_owned());
    let range = request.range.map(HeaderValue::try_from).transpose().map_err(malformed)?;
    // By the very rules of `proxyDownload`: who may be asked, where, and how much.
    let (head, body) = proxy::download(provider, relay, &request.url, range).await?.into_parts();
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let announced = head.headers.get(CONTENT_LENGTH).and_then(text);
    let announced: Option<u64> = announced.and_then(|octets| octets.parse().ok());
    if announced.is_some_and(|octets| octets > CONTENT_OCTETS_MAX as u64) {
        return Err(HttpError::TooLarge(CONTENT_OCTETS_MAX));
    }
    Ok(AssetResponse {
        status: head.status.as_u16(),
        content_range: head.headers.get(CONTENT_RANGE).and_then(text),
        content: bounded(body).await?.to_vec(),
    })
}

async fn bounded(body: Body) -> Result<Bytes, HttpError> {
    match Limited::new(body, CONTENT_OCTETS_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(HttpError::TooLarge(CONTENT_OCTETS_MAX))
        }
        Err(_) => {
            Err(HttpError::Reject(Reject::Unavailable("the asset did not come whole".to_owned())))
        }
    }
}
