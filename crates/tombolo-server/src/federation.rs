//! The endpoints that other providers call, one file each, named as everywhere else in the project.
//!
//! A request is authenticated before its body is read (PROTO-TR-2..4), decoded by `mimi-wire`, decided
//! by `mimi-provider`. Each endpoint's file has the handler for peers, the function that answers it
//! here (which the client API calls as well), and, where another provider may be the one to answer,
//! the function that passes the request on to it.

mod authenticate;
pub(crate) mod code_guesses;
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
mod strangers;
pub(crate) mod submit_message;
pub(crate) mod update;
pub(crate) mod update_consent;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RANGE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use mimi_ohttp::GATEWAY_PATH;
use mimi_provider::Reject;
use mimi_wire::Domain;
use mimi_wire::limits::{APPLICATION_BODY_OCTETS_MAX, HANDSHAKE_BODY_OCTETS_MAX};
use mimi_wire::protocol::directory::{DIRECTORY_PATH, Endpoint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answers;
use crate::assets::{self, ASSETS_PATH};
use crate::bodies::{self, Bodies};
use crate::capture::Direction;
use crate::config::RequestLimits;
use crate::http_error::HttpError;
use crate::network::Listening;
use crate::provider::Provider;
use crate::running::DRAIN_MAX;
use crate::shares::{Share, Shares};
use crate::tls::{self, Holder, PeerChain, Standing};

/// Seconds after which whoever was one too many may come back (AMB-TR-4).
const REQUESTS_RETRY_AFTER_S: u64 = 1;
/// Answers with more octets than this count among the bodies until they are taken.
const LARGE_ANSWER_OCTETS: u64 = 64 * 1024;
/// Path of our endpoints, before their names.
const ENDPOINTS_PATH: &str = "/mimi/v1/";

/// Places for requests: so many in all, so many for each proven peer, and for each network of those
/// who have proven nothing.
#[derive(Clone)]
struct Slots {
    all: Arc<Semaphore>,
    of_peer: Shares<Domain>,
    of_network: Shares<IpAddr>,
    bodies: Bodies<Domain>,
    body_max: Duration,
}

/// The connection that a request came on.
#[derive(Clone)]
struct Caller {
    standing: Standing,
    chain: Option<Arc<PeerChain>>,
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
    listener: Box<dyn Listening>,
    shutdown: impl Future<Output = ()>,
) {
    let roots = Arc::clone(provider.peers.tables());
    let config =
        tls::federation_server_config(Arc::clone(&provider.identity), roots, &provider.clock);
    let limits = provider.config.limits;
    let slots = Slots::new(&limits.requests);
    let service_for = move |_: SocketAddr, standing: Standing, chain: Option<Arc<PeerChain>>| {
        let (provider, slots) = (Arc::clone(&provider), slots.clone());
        let caller = Caller { standing, chain };
        service_fn(move |request: Request<Incoming>| {
            respond(Arc::clone(&provider), slots.clone(), caller.clone(), request)
        })
    };
    tls::serve(
        listener,
        config,
        (limits.connections, &limits.requests),
        DRAIN_MAX,
        shutdown,
        service_for,
    )
    .await;
}

impl Slots {
    fn new(limits: &RequestLimits) -> Self {
        let [all_octets, peer_octets, _] = limits.body_octets();
        Self {
            all: Arc::new(Semaphore::new(limits.peers_max)),
            of_peer: Shares::new(limits.per_peer_max),
            of_network: Shares::new(limits.anonymous_per_network_max),
            bodies: Bodies::new(all_octets, peer_octets),
            body_max: limits.body_max(),
        }
    }

    /// Lets a peer in: who it is, proven, and its place.
    fn admit(
        &self,
        provider: &Provider,
        caller: &Caller,
        request: &Request<Incoming>,
    ) -> Result<(Domain, Share<Domain>), HttpError> {
        let too_many = || HttpError::TooMany(REQUESTS_RETRY_AFTER_S);
        let peer = authenticate::peer(provider, caller.chain.as_deref(), request)?;
        let own = self.of_peer.take(&peer).ok_or_else(too_many)?;
        match caller.standing.prove(Holder::Peer(peer.clone())) {
            true => Ok((peer, own)),
            false => Err(too_many()),
        }
    }

    /// An answer that keeps a peer's places until it has been taken.
    fn until_taken(
        &self,
        response: Response<Body>,
        slot: OwnedSemaphorePermit,
        own: Share<Domain>,
        peer: Domain,
    ) -> Result<Response<Body>, HttpError> {
        let mut large = self.bodies.share_of(peer);
        let octets = response.body().size_hint().exact();
        if let Some(octets) = octets.filter(|octets| *octets > LARGE_ANSWER_OCTETS) {
            large.grow(usize::try_from(octets).unwrap_or(usize::MAX))?;
        }
        Ok(answers::holding(response, (slot, own, large)))
    }
}

/// Answers in a task of its own: a peer that hangs up does not stop half-way what it asked for, and
/// a fault in one request does not end the connection of the others.
async fn respond(
    provider: Arc<Provider>,
    slots: Slots,
    caller: Caller,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let standing = caller.standing.clone();
    if let Err(after_s) = standing.pace() {
        standing.pause().await;
        return Ok(HttpError::TooMany(after_s).into_response());
    }
    let Ok(slot) = Arc::clone(&slots.all).try_acquire_owned() else {
        return Ok(HttpError::Overloaded(REQUESTS_RETRY_AFTER_S).into_response());
    };
    let handling =
        tokio::spawn(async move { dispatch(&provider, &slots, slot, &caller, request).await });
    let outcome = match handling.await {
        Ok(outcome) => outcome,
        Err(error) => Err(HttpError::Reject(Reject::Internal(error.to_string()))),
    };
    let response = outcome.unwrap_or_else(IntoResponse::into_response);
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        standing.pause().await;
    }
    Ok(response)
}

/// `slot` is kept until a peer has taken its answer; nobody else may keep one.
async fn dispatch(
    provider: &Arc<Provider>,
    slots: &Slots,
    slot: OwnedSemaphorePermit,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    let path = request.uri().path().to_owned();
    let too_many = || HttpError::TooMany(REQUESTS_RETRY_AFTER_S);
    let asks_for_keys = path == GATEWAY_PATH && request.method() != Method::POST;
    if path == DIRECTORY_PATH || path.starts_with(ASSETS_PATH) || asks_for_keys {
        let own = slots.of_network.take(&caller.standing.network()).ok_or_else(too_many)?;
        let response = for_anybody(provider, &path, &request)?;
        return Ok(answers::holding(response, own));
    }
    if path == GATEWAY_PATH {
        let (peer, own) = slots.admit(provider, caller, &request)?;
        let response = ohttp_gateway::handle(provider, slots, peer.clone(), request).await;
        let response = response.unwrap_or_else(IntoResponse::into_response);
        return slots.until_taken(response, slot, own, peer);
    }
    let (endpoint, variable) = split_path(&path)?;
    let method = method_of(endpoint);
    if request.method() != method {
        return Err(HttpError::MethodNotAllowed(method.to_string().into()));
    }
    let (peer, own) = slots.admit(provider, caller, &request)?;
    crate::delivery::peer_is_up(provider, &peer);
    let range = request.headers().get(RANGE).cloned();
    let share = slots.bodies.share_of(peer.clone());
    let octets_max = body_octets_max(endpoint);
    let body = bodies::read(request.into_body(), octets_max, slots.body_max, share).await?;
    caller.standing.carried(body.len());
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
    slots.until_taken(outcome.unwrap_or_else(IntoResponse::into_response), slot, own, peer)
}

/// What is answered to whoever asks.
fn for_anybody(
    provider: &Arc<Provider>,
    path: &str,
    request: &Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    match path.strip_prefix(ASSETS_PATH) {
        None if path == GATEWAY_PATH => ohttp_gateway::keys(provider, request),
        None => {
            authenticate::host(&provider.domain, request)?;
            directory::handle(provider, request.method())
        }
        Some(name) => {
            authenticate::host(&provider.config.assets.host, request)?;
            let range = request.headers().get(RANGE);
            assets::serve::handle(provider, request.method(), name, range)
        }
    }
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
