//! The endpoints that other providers call, one file each, named as everywhere else in the project.
//!
//! A request is authenticated before its body is read (PROTO-TR-2..4), decoded by `mimi-wire`, decided
//! by `mimi-provider`. Each endpoint's file has the handler for peers, the function that answers it
//! here (which the client API calls as well), and, where another provider may be the one to answer,
//! the function that passes the request on to it.

mod authenticate;
mod body;
pub(crate) mod code_guesses;
mod consent;
pub(crate) mod directory;
pub(crate) mod group_info;
pub(crate) mod identifier_query;
pub(crate) mod key_material;
pub(crate) mod notify;
mod ohttp_gateway;
pub(crate) mod outgoing;
mod proxy_download;
pub(crate) mod report_abuse;
pub(crate) mod request_consent;
mod staging;
pub(crate) mod submit_message;
pub(crate) mod update;
pub(crate) mod update_consent;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RANGE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use mimi_ohttp::GATEWAY_PATH;
use mimi_provider::Reject;
use mimi_wire::Domain;
use mimi_wire::limits::{APPLICATION_BODY_OCTETS_MAX, HANDSHAKE_BODY_OCTETS_MAX};
use mimi_wire::protocol::directory::{DIRECTORY_PATH, Endpoint};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::assets::{self, ASSETS_PATH};
use crate::capture::Direction;
use crate::http_error::HttpError;
use crate::provider::Provider;
use crate::running::DRAIN_MAX;
use crate::shares::Shares;
use crate::tls::{self, ConnectionLimits, PeerChain};

/// Requests handled at once; further ones are told to come back (AMB-TR-4).
const REQUESTS_MAX: usize = 1_024;
/// Of them, of one peer.
const REQUESTS_PER_PEER_MAX: usize = 128;
/// Seconds after which they may.
const REQUESTS_RETRY_AFTER_S: u64 = 1;
/// Path of our endpoints, before their names.
const ENDPOINTS_PATH: &str = "/mimi/v1/";

/// Places for requests: so many in all, and so many for each proven peer.
#[derive(Clone)]
struct Slots {
    all: Arc<Semaphore>,
    of_peer: Shares<Domain>,
}

/// An authenticated request with its whole body.
struct Call {
    /// Who calls.
    peer: Domain,
    /// The path's variable as it stands there, still encoded (AMB-DIR-2).
    variable: String,
    /// The body.
    body: Bytes,
    /// Which part of a resource it wants, as far as it says so.
    range: Option<HeaderValue>,
}

/// Serves the federation's listener until `shutdown` resolves and requests in flight are answered.
pub async fn serve(
    provider: Arc<Provider>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let roots = Arc::clone(provider.peers.tables());
    let config = tls::federation_server_config(Arc::clone(&provider.identity), roots);
    let slots = Slots {
        all: Arc::new(Semaphore::new(REQUESTS_MAX)),
        of_peer: Shares::new(REQUESTS_PER_PEER_MAX),
    };
    let service_for = move |_: SocketAddr, chain: Option<Arc<PeerChain>>| {
        let (provider, slots) = (Arc::clone(&provider), slots.clone());
        service_fn(move |request: Request<Incoming>| {
            let (provider, slots, chain) = (Arc::clone(&provider), slots.clone(), chain.clone());
            respond(provider, slots, chain, request)
        })
    };
    let limits = ConnectionLimits { drain_max: DRAIN_MAX, ..ConnectionLimits::default() };
    tls::serve(listener, config, limits, shutdown, service_for).await;
}

/// Answers in a task of its own: a peer that hangs up does not stop half-way what it asked for, and
/// a fault in one request does not end the connection of the others.
async fn respond(
    provider: Arc<Provider>,
    slots: Slots,
    chain: Option<Arc<PeerChain>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let Ok(slot) = Arc::clone(&slots.all).try_acquire_owned() else {
        return Ok(HttpError::TooMany(REQUESTS_RETRY_AFTER_S).into_response());
    };
    let handling = tokio::spawn(async move {
        let _slot = slot;
        dispatch(&provider, &slots.of_peer, chain.as_deref(), request).await
    });
    let outcome = match handling.await {
        Ok(outcome) => outcome,
        Err(error) => Err(HttpError::Reject(Reject::Internal(error.to_string()))),
    };
    Ok(outcome.unwrap_or_else(IntoResponse::into_response))
}

async fn dispatch(
    provider: &Arc<Provider>,
    slots: &Shares<Domain>,
    chain: Option<&PeerChain>,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    let path = request.uri().path().to_owned();
    if path == DIRECTORY_PATH {
        authenticate::host(&provider.domain, &request)?;
        return directory::handle(provider, request.method());
    }
    if let Some(name) = path.strip_prefix(ASSETS_PATH) {
        authenticate::host(&provider.config.assets.host, &request)?;
        return assets::serve::handle(
            provider,
            request.method(),
            name,
            request.headers().get(RANGE),
        );
    }
    if path == GATEWAY_PATH {
        return ohttp_gateway::handle(provider, slots, chain, request).await;
    }
    let (endpoint, variable) = split_path(&path)?;
    let method = method_of(endpoint);
    if request.method() != method {
        return Err(HttpError::MethodNotAllowed(if method == Method::GET {
            "GET"
        } else {
            "POST"
        }));
    }
    let peer = authenticate::peer(provider, chain, &request)?;
    let _slot = slots.take(&peer).ok_or(HttpError::TooMany(REQUESTS_RETRY_AFTER_S))?;
    crate::delivery::peer_is_up(provider, &peer);
    let range = request.headers().get(RANGE).cloned();
    let body = body::read(request, body_octets_max(endpoint)).await?;
    let call = Call { peer, variable: variable.to_owned(), body, range };
    keep(provider, &call, endpoint, "request", Direction::In, &call.body).await;
    let peer = call.peer.clone();
    let outcome = answer(provider, endpoint, call).await;
    if let Err(error) = &outcome {
        let (status, code, message) = error.parts();
        let endpoint = endpoint.key();
        let status = status.as_u16();
        tracing::debug!(endpoint, %peer, status, code, message, "a peer's request is refused");
    }
    outcome
}

async fn keep(
    provider: &Provider,
    call: &Call,
    endpoint: Endpoint,
    what: &str,
    direction: Direction,
    body: &[u8],
) {
    if let Some(capture) = &provider.capture {
        let what = format!("{}-{what}", endpoint.key());
        capture.keep(direction, &call.peer, &what, body).await;
    }
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, HttpError>> + Send + 'a>>;

fn answer<'a>(provider: &'a Arc<Provider>, endpoint: Endpoint, call: Call) -> Answering<'a> {
    match endpoint {
        Endpoint::KeyMaterial => Box::pin(key_material::handle(provider, call)),
        Endpoint::Update => Box::pin(update::handle(provider, call)),
        Endpoint::SubmitMessage => Box::pin(submit_message::handle(provider, call)),
        Endpoint::Notify => Box::pin(notify::handle(provider, call)),
        Endpoint::GroupInfo => Box::pin(group_info::handle(provider, call)),
        Endpoint::RequestConsent => Box::pin(request_consent::handle(provider, call)),
        Endpoint::UpdateConsent => Box::pin(update_consent::handle(provider, call)),
        Endpoint::IdentifierQuery => Box::pin(identifier_query::handle(provider, call)),
        Endpoint::ReportAbuse => Box::pin(report_abuse::handle(provider, call)),
        Endpoint::ProxyDownload => Box::pin(proxy_download::handle(provider, call)),
    }
}

/// Our endpoints' paths are split by hand: a router would decode the variable, and its slashes are
/// part of it (AMB-DIR-2).
fn split_path(path: &str) -> Result<(Endpoint, &str), HttpError> {
    let unknown = || HttpError::Reject(Reject::Unknown("no such endpoint".to_owned()));
    let rest = path.strip_prefix(ENDPOINTS_PATH).ok_or_else(unknown)?;
    let (name, variable) = rest.split_once('/').unwrap_or((rest, ""));
    let endpoint = Endpoint::from_key(name).ok_or_else(unknown)?;
    Ok((endpoint, variable))
}

fn method_of(endpoint: Endpoint) -> Method {
    match endpoint {
        Endpoint::ProxyDownload => Method::GET,
        _ => Method::POST,
    }
}

/// AMB-TR-5.
fn body_octets_max(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Update | Endpoint::Notify | Endpoint::ReportAbuse => HANDSHAKE_BODY_OCTETS_MAX,
        Endpoint::ProxyDownload => 0,
        _ => APPLICATION_BODY_OCTETS_MAX,
    }
}

/// A body of MIMI with 200: what it says inside is the answer (AMB-TR-4).
fn octets(body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let octets = HeaderValue::from_static("application/octet-stream"); // AMB-TR-3
    response.headers_mut().insert(CONTENT_TYPE, octets);
    response
}

/// "Accepted", without a body (PROTO-NTF-8, PROTO-CON-5).
fn created() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// A body that cannot be decoded.
fn malformed(error: impl std::fmt::Display) -> Reject {
    Reject::Malformed(error.to_string())
}
