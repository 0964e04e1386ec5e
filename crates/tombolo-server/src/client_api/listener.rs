//! The client listener: TLS with the provider's certificate, without certificates of clients.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use mimi_provider::Reject;
use mimi_wire::MimiUri;
use tokio::sync::Semaphore;
use tower_service::Service;

use super::asker::{Asker, Places};
use super::{ClientAddress, ClientApi, router};
use crate::account::token;
use crate::answers;
use crate::bodies::Bodies;
use crate::http_error::HttpError;
use crate::network::Listening;
use crate::provider::Provider;
use crate::tls::{self, Holder, PeerChain, Standing, client_api_server_config};

/// Seconds after which whoever was one too many may come back.
const REQUESTS_RETRY_AFTER_S: u64 = 1;
/// Answers with more octets than this count among the bodies until they are taken.
const LARGE_ANSWER_OCTETS: u64 = 64 * 1024;

/// Places for requests; event streams do not count once they are open.
#[derive(Clone)]
struct Slots {
    provider: Arc<Provider>,
    all: Arc<Semaphore>,
    places: Places,
    bodies: Bodies<Asker>,
}

/// Serves until `shutdown` resolves and requests in flight are answered, at most `drain_max`.
pub(crate) async fn serve(
    api: ClientApi,
    listener: Box<dyn Listening>,
    shutdown: impl Future<Output = ()>,
    drain_max: Duration,
) {
    let config = client_api_server_config(Arc::clone(&api.provider.identity), &api.provider.clock);
    let limits = api.provider.config.limits;
    let slots = Slots {
        provider: Arc::clone(&api.provider),
        all: Arc::new(Semaphore::new(limits.requests.clients_max)),
        places: Places::new(&limits.requests),
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
    /// Whose a request is. Looked up once for a connection; later the request says itself if it is
    /// another device's.
    async fn device(&self, standing: &Standing, headers: &HeaderMap) -> Option<MimiUri> {
        if let Some(Holder::Device(client)) = standing.holder() {
            return Some(client);
        }
        let token_sha256 = token::sha256(token::bearer(headers)?);
        // Where the storage fails the request fails as well.
        let device = self.provider.store.device_by_token(token_sha256).await.ok().flatten();
        device.map(|device| device.client)
    }
}

/// Answers in a task of its own: a client that hangs up does not stop half-way what it asked for.
async fn respond(
    slots: Slots,
    standing: Standing,
    mut router: Router,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if let Err(after_s) = standing.pace() {
        standing.pause().await;
        return Ok(HttpError::TooMany(after_s).into_response());
    }
    let device = slots.device(&standing, request.headers()).await;
    let Some(place) = slots.places.take(&standing, device) else {
        standing.pause().await;
        return Ok(HttpError::TooMany(REQUESTS_RETRY_AFTER_S).into_response());
    };
    let Ok(slot) = Arc::clone(&slots.all).try_acquire_owned() else {
        return Ok(HttpError::Overloaded(REQUESTS_RETRY_AFTER_S).into_response());
    };
    request.extensions_mut().insert(place.clone());
    let paused = standing.clone();
    let answering = tokio::spawn(async move {
        let response = router.call(request).await.unwrap_or_else(|never| match never {});
        let mut large = slots.bodies.share_of(place.asker());
        let octets = response.body().size_hint().exact().unwrap_or_default();
        if octets > LARGE_ANSWER_OCTETS
            && let Err(error) = large.grow(usize::try_from(octets).unwrap_or(usize::MAX))
        {
            return error.into_response();
        }
        // Who has proven nothing keeps no place of others while it does not take its answer, nor does
        // who is to wait before it gets one.
        let waits = response.status() == StatusCode::TOO_MANY_REQUESTS;
        let slot = (standing.is_proven() && !waits).then_some(slot);
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
