//! `/.well-known/ohttp-gateway` (RFC 9540, AMB-DL-1): our Oblivious HTTP gateway. Its keys are for
//! everybody; sealed requests are taken from the relays of our peers alone (PROTO-DL-4).

use std::sync::Arc;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use mimi_ohttp::{REQUEST_TYPE, SEALED_REQUEST_OCTETS_MAX};
use mimi_wire::Domain;

use super::{Slots, authenticate};
use crate::bodies;
use crate::capture::Direction;
use crate::http_error::HttpError;
use crate::oblivious::gateway;
use crate::peers::OHTTP_GATEWAY;
use crate::provider::Provider;

/// `GET`: the keys.
pub(super) fn keys(
    provider: &Provider,
    request: &Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    authenticate::host(&provider.domain, request)?;
    match *request.method() {
        Method::GET | Method::HEAD => Ok(gateway::keys(provider)),
        _ => Err(HttpError::MethodNotAllowed("GET and POST".into())),
    }
}

/// `POST`: a sealed request that a peer brings.
pub(super) async fn handle(
    provider: &Arc<Provider>,
    slots: &Slots,
    relay: Domain,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    let media_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if media_type != Some(REQUEST_TYPE.as_bytes()) {
        return Err(HttpError::UnsupportedMediaType(REQUEST_TYPE));
    }
    let share = slots.bodies.share_of(relay.clone());
    let body = request.into_body();
    let sealed = bodies::read(body, SEALED_REQUEST_OCTETS_MAX, slots.body_max, share).await?;
    if let Some(capture) = &provider.capture {
        capture.keep(Direction::In, &relay, &format!("{OHTTP_GATEWAY}-request"), &sealed).await;
    }
    gateway::answer(provider, &relay, &sealed).await
}
