//! The relay (PROTO-DL-5): brings sealed requests of our own people to a hub's gateway.
//!
//! What leaves is the sealed request, our own name, and nothing else: the same for everybody.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use mimi_ohttp::{
    GATEWAY_PATH, KEY_CONFIGS_OCTETS_MAX, KEYS_TYPE, KeyConfig, RESPONSE_TYPE,
    SEALED_RESPONSE_OCTETS_MAX, UNKNOWN_KEY_PROBLEM,
};
use mimi_provider::Reject;
use mimi_wire::{Domain, MimiUri};

use super::gateway;
use super::published_keys::Kept;
use crate::http_error::HttpError;
use crate::peers::{OHTTP_GATEWAY, Outgoing, PeerError};
use crate::provider::Provider;

/// The key configuration of a hub's gateway, the same for all of our people.
pub(crate) async fn keys(
    provider: &Arc<Provider>,
    hub: &Domain,
) -> Result<Response<Body>, HttpError> {
    if *hub == provider.domain {
        return Ok(gateway::keys(provider));
    }
    let slot = provider.oblivious.keys.slot(hub);
    let slot = slot.ok_or_else(|| Reject::Unavailable("too many hubs are asked".to_owned()))?;
    let mut kept = slot.lock().await;
    let keys = match kept.as_ref().filter(|kept| kept.is_fresh()) {
        Some(kept) => kept.keys.clone(),
        None => {
            let fetched = fetch_keys(provider, hub).await.map_err(|error| refusal(hub, error))?;
            kept.insert(fetched).keys.clone()
        }
    };
    let mut response = Response::new(Body::from(keys));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(KEYS_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Brings a request to a hub's gateway and its answer back.
pub(crate) async fn relay(
    provider: &Arc<Provider>,
    hub: &Domain,
    user: &MimiUri,
    sealed: Bytes,
) -> Result<Response<Body>, HttpError> {
    let _place = provider.oblivious.place_of_user(user)?;
    if *hub == provider.domain {
        return gateway::answer(provider, hub, &sealed).await;
    }
    let request = request(provider, hub, Method::POST, sealed, SEALED_RESPONSE_OCTETS_MAX);
    let request = request.await.map_err(|error| refusal(hub, error))?;
    let answer = provider.peers.send(hub, request).await.map_err(|error| refusal(hub, error))?;
    if answer.status == StatusCode::BAD_REQUEST && is_unknown_key(&answer.body) {
        provider.oblivious.keys.are_unknown(hub).await;
        return Ok(gateway::unknown_key());
    }
    let answer = answer.success().map_err(|error| refusal(hub, error))?;
    let mut response = Response::new(Body::from(answer.body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(RESPONSE_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn fetch_keys(provider: &Provider, hub: &Domain) -> Result<Kept, PeerError> {
    let request = request(provider, hub, Method::GET, Bytes::new(), KEY_CONFIGS_OCTETS_MAX);
    let answer = provider.peers.send(hub, request.await?).await?.success()?;
    // What no client could use is not kept.
    KeyConfig::choose(&answer.body)
        .map_err(|fault| PeerError::BadAnswer(format!("its keys: {fault}")))?;
    Ok(Kept::new(answer.body, answer.max_age))
}

/// A request to a hub's gateway: where its directory says, else where RFC 9540 says (AMB-DL-1).
async fn request(
    provider: &Provider,
    hub: &Domain,
    method: Method,
    body: Bytes,
    answer_octets_max: usize,
) -> Result<Outgoing, PeerError> {
    let directory = provider.peers.directory(hub).await?;
    let url = directory.ohttp_gateway.clone();
    let url = url.unwrap_or_else(|| format!("https://{hub}{GATEWAY_PATH}"));
    Ok(Outgoing { endpoint: OHTTP_GATEWAY, method, url, body, answer_octets_max })
}

fn is_unknown_key(body: &[u8]) -> bool {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    json.get("type").and_then(serde_json::Value::as_str) == Some(UNKNOWN_KEY_PROBLEM)
}

/// A hub without a gateway is told apart: its assets are fetched in other ways.
fn refusal(hub: &Domain, error: PeerError) -> Reject {
    match error {
        PeerError::Refused {
            status: StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE,
            ..
        } => Reject::Unsupported(format!("{hub} offers no oblivious downloads")),
        error => error.into_reject(hub),
    }
}
