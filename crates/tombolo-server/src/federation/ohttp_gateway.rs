//! `/.well-known/ohttp-gateway` (RFC 9540, AMB-DL-1): our Oblivious HTTP gateway. Its keys are for
//! everybody; sealed requests are taken from the relays of our peers alone (PROTO-DL-4).

use std::sync::Arc;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use mimi_ohttp::{REQUEST_TYPE, SEALED_REQUEST_OCTETS_MAX};
use mimi_wire::Domain;

use super::{REQUESTS_RETRY_AFTER_S, authenticate, body, malformed};
use crate::capture::Direction;
use crate::http_error::HttpError;
use crate::oblivious::gateway;
use crate::peers::OHTTP_GATEWAY;
use crate::provider::Provider;
use crate::shares::Shares;
use crate::tls::PeerChain;

pub(super) async fn handle(
    provider: &Arc<Provider>,
    slots: &Shares<Domain>,
    chain: Option<&PeerChain>,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    match *request.method() {
        Method::GET | Method::HEAD => {
            authenticate::host(&provider.domain, &request)?;
            return Ok(gateway::keys(provider));
        }
        Method::POST => {}
        _ => return Err(HttpError::MethodNotAllowed("GET and POST")),
    }
    let relay = authenticate::peer(provider, chain, &request)?;
    let _slot = slots.take(&relay).ok_or(HttpError::TooMany(REQUESTS_RETRY_AFTER_S))?;
    let media_type = request.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if media_type != Some(REQUEST_TYPE.as_bytes()) {
        return Err(malformed(format!("the body must be {REQUEST_TYPE}")).into());
    }
    let sealed = body::read(request, SEALED_REQUEST_OCTETS_MAX).await?;
    if let Some(capture) = &provider.capture {
        capture.keep(Direction::In, &relay, &format!("{OHTTP_GATEWAY}-request"), &sealed).await;
    }
    gateway::answer(provider, &relay, &sealed).await
}
