//! The API of the provider's own clients: JSON for control, binary bodies for objects of MIMI, one
//! event stream. One file per endpoint.
//!
//! A room hosted here is served by the same accept functions as requests of other providers; a room
//! hosted elsewhere by forwarding to its hub. Nothing is decided here.

mod asker;
mod assets;
mod consent;
mod devices;
mod events;
mod group_info;
mod identifier_query;
mod issuers;
mod key_material;
mod key_packages;
mod listener;
mod ohttp_relay;
mod openapi;
mod profile;
mod provider_info;
mod proxy_download;
mod register;
mod report_abuse;
mod request;
mod rooms;
mod route;
mod schema;
mod secrets;
mod submit_message;
mod update;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use mimi_provider::Reject;
use tokio::sync::watch;

use crate::account::login_limit::LoginLimit;
use crate::account::password::Passwords;
use crate::bodies::Bodies;
use crate::http_error::HttpError;
use crate::provider::Provider;
use asker::Asker;
use events::Streams;
pub(crate) use listener::serve;
pub use openapi::document;
use route::Route;

/// Where the API is at the client listener.
pub const BASE_PATH: &str = "/client/v1";

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct ClientApi {
    provider: Arc<Provider>,
    passwords: Passwords,
    login_limit: Arc<LoginLimit>,
    streams: Streams,
    /// Octets of bodies that are held, by whoever asks.
    bodies: Bodies<Asker>,
    /// Turns true when event streams must end.
    stopping: watch::Receiver<bool>,
}

/// Where a request came from; set by the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) SocketAddr);

impl ClientApi {
    pub(crate) fn new(
        provider: Arc<Provider>,
        passwords: Passwords,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let limits = &provider.config.limits;
        let login_limit = Arc::new(LoginLimit::new(&limits.sign_in));
        let [all_octets, _, device_octets] = limits.requests.body_octets();
        let bodies = Bodies::new(all_octets, device_octets);
        Self { provider, passwords, login_limit, streams: Streams::default(), bodies, stopping }
    }
}

/// All endpoints: what is served, and what [`document`] says.
fn routes() -> Vec<Route> {
    let mut routes = vec![
        openapi::route(),
        register::route(),
        provider_info::route(),
        issuers::route(),
        key_material::route(),
        update::route(),
        submit_message::route(),
        group_info::route(),
        report_abuse::route(),
        identifier_query::route(),
        proxy_download::route(),
    ];
    routes.extend(key_packages::routes());
    routes.extend(rooms::routes());
    routes.extend(consent::routes());
    routes.extend(profile::routes());
    routes.extend(assets::routes());
    routes.extend(ohttp_relay::routes());
    routes.extend(events::routes());
    routes.extend(devices::routes());
    routes.extend(secrets::routes());
    routes
}

/// All endpoints, served.
pub(crate) fn router(api: ClientApi) -> Router {
    Router::new()
        .nest(BASE_PATH, route::router(routes()))
        .fallback(async || unknown_path())
        // Every body is read with a limit of its own (see `request`).
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}

fn unknown_path() -> HttpError {
    HttpError::Reject(Reject::Unknown("there is nothing at this path".to_owned()))
}
