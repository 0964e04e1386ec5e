//! The client listener: TLS with the provider's certificate, without certificates of clients.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use mimi_provider::Reject;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service;

use super::{ClientAddress, ClientApi, router};
use crate::http_error::HttpError;
use crate::shares::{Share, Shares};
use crate::tls::{self, ConnectionLimits, PeerChain, client_api_server_config};

/// Requests handled at once, event streams not counted once they are open.
const REQUESTS_MAX: usize = 1_024;
/// Of them, with one access token.
const REQUESTS_PER_DEVICE_MAX: usize = 64;
/// Seconds after which further ones may come back.
const REQUESTS_RETRY_AFTER_S: u64 = 1;

/// Serves until `shutdown` resolves and requests in flight are answered, at most `drain_max`.
pub(crate) async fn serve(
    api: ClientApi,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    drain_max: Duration,
) {
    let config = client_api_server_config(Arc::clone(&api.provider.identity));
    let limits = ConnectionLimits { drain_max, ..ConnectionLimits::default() };
    let router = router(api);
    let slots = Arc::new(Semaphore::new(REQUESTS_MAX));
    let of_device = Shares::new(REQUESTS_PER_DEVICE_MAX);
    let service_for = move |address: SocketAddr, _: Option<Arc<PeerChain>>| {
        let (router, slots, of_device) = (router.clone(), Arc::clone(&slots), of_device.clone());
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ClientAddress(address));
            let mut router = router.clone();
            // Whoever it may be: a token that is none takes no place of a device.
            let token = request.headers().get(AUTHORIZATION).cloned();
            let own = token.map_or(Ok(None), |token| of_device.take(&token).map(Some).ok_or(()));
            respond(Arc::clone(&slots), own, async move { router.call(request).await })
        })
    };
    tls::serve(listener, config, limits, shutdown, service_for).await;
}

/// Answers in a task of its own: a client that hangs up does not stop half-way what it asked for.
async fn respond<E: Send + 'static>(
    slots: Arc<Semaphore>,
    own: Result<Option<Share<HeaderValue>>, ()>,
    answering: impl Future<Output = Result<Response, E>> + Send + 'static,
) -> Result<Response<Body>, E> {
    let (Ok(slot), Ok(own)) = (slots.try_acquire_owned(), own) else {
        return Ok(HttpError::TooMany(REQUESTS_RETRY_AFTER_S).into_response());
    };
    let answering = tokio::spawn(async move {
        let _slots = (slot, own);
        answering.await
    });
    match answering.await {
        Ok(response) => response,
        Err(error) => Ok(HttpError::Reject(Reject::Internal(error.to_string())).into_response()),
    }
}
