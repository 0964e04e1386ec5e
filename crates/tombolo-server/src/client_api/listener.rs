//! The client listener: TLS with the provider's certificate, without certificates of clients.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use mimi_provider::Reject;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service;

use super::{ClientAddress, ClientApi, router};
use crate::answers;
use crate::bodies::Bodies;
use crate::http_error::HttpError;
use crate::shares::{Share, Shares};
use crate::tls::{self, PeerChain, Standing, client_api_server_config};

/// Seconds after which whoever was one too many may come back.
const REQUESTS_RETRY_AFTER_S: u64 = 1;
/// Answers with more octets than this count among the bodies until they are taken.
const LARGE_ANSWER_OCTETS: u64 = 64 * 1024;

/// Places for requests; event streams do not count once they are open.
#[derive(Clone)]
struct Slots {
    all: Arc<Semaphore>,
    /// By access token.
    of_device: Shares<HeaderValue>,
    of_network: Shares<IpAddr>,
    bodies: Bodies<HeaderValue>,
}

/// The place of one request.
enum Place {
    Device(#[expect(dead_code, reason = "held")] Share<HeaderValue>),
    Anybody(#[expect(dead_code, reason = "held")] Share<IpAddr>),
}

/// Serves until `shutdown` resolves and requests in flight are answered, at most `drain_max`.
pub(crate) async fn serve(
    api: ClientApi,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    drain_max: Duration,
) {
    let config = client_api_server_config(Arc::clone(&api.provider.identity));
    let limits = api.provider.config.limits;
    let slots = Slots {
        all: Arc::new(Semaphore::new(limits.requests.clients_max)),
        of_device: Shares::new(limits.requests.per_device_max),
        of_network: Shares::new(limits.requests.anonymous_per_network_max),
        bodies: api.bodies.clone(),
    };
    let router = router(api);
    let service_for = move |address: SocketAddr, standing: Standing, _: Option<Arc<PeerChain>>| {
        let (router, slots) = (router.clone(), slots.clone());
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ClientAddress(address));
            request.extensions_mut().insert(standing.clone());
            respond(slots.clone(), standing.clone(), router.clone(), request)
        })
    };
    tls::serve(
        listener,
        config,
        (limits.connections, &limits.requests),
        drain_max,
        shutdown,
        service_for,
    )
    .await;
}

impl Slots {
    /// Whoever it may be: a token that is none takes no place of a device.
    fn place(&self, token: Option<&HeaderValue>, standing: &Standing) -> Option<Place> {
        match token {
            Some(token) => self.of_device.take(token).map(Place::Device),
            None => self.of_network.take(&standing.network()).map(Place::Anybody),
        }
    }
}

/// Answers in a task of its own: a client that hangs up does not stop half-way what it asked for.
async fn respond(
    slots: Slots,
    standing: Standing,
    mut router: Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if let Err(after_s) = standing.pace() {
        standing.pause().await;
        return Ok(HttpError::TooMany(after_s).into_response());
    }
    let token = request.headers().get(AUTHORIZATION).cloned();
    let Some(place) = slots.place(token.as_ref(), &standing) else {
        standing.pause().await;
        return Ok(HttpError::TooMany(REQUESTS_RETRY_AFTER_S).into_response());
    };
    let Ok(slot) = Arc::clone(&slots.all).try_acquire_owned() else {
        return Ok(HttpError::Overloaded(REQUESTS_RETRY_AFTER_S).into_response());
    };
    let paused = standing.clone();
    let answering = tokio::spawn(async move {
        let response = router.call(request).await.unwrap_or_else(|never| match never {});
        let mut large = slots.bodies.share_of(token.unwrap_or(HeaderValue::from_static("")));
        let octets = response.body().size_hint().exact().unwrap_or_default();
        if octets > LARGE_ANSWER_OCTETS
            && let Err(error) = large.grow(usize::try_from(octets).unwrap_or(usize::MAX))
        {
            return error.into_response();
        }
        // Who has proven nothing keeps no place of others while it does not take its answer.
        let slot = standing.is_proven().then_some(slot);
        answers::holding(response, (slot, place, large))
    });
    let answered = answering.await;
    let response = answered.unwrap_or_else(|error| {
        HttpError::Reject(Reject::Internal(error.to_string())).into_response()
    });
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        paused.pause().await;
    }
    Ok(response)
}
