//! The API of the provider's own clients: JSON for control, binary bodies for objects of MIMI, one
//! event stream. One file per endpoint.
//!
//! A room hosted here is served by the same accept functions as requests of other providers; a room
//! hosted elsewhere by forwarding to its hub. Nothing is decided here.

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
mod profile;
mod provider_info;
mod proxy_download;
mod register;
mod report_abuse;
mod request;
mod rooms;
mod submit_message;
mod update;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post, put};
use mimi_provider::Reject;
use tokio::sync::watch;

use crate::account::login_limit::LoginLimit;
use crate::account::password::Passwords;
use crate::http_error::HttpError;
use crate::provider::Provider;
use events::Streams;
pub(crate) use listener::serve;

/// Where the API is at the client listener.
pub const BASE_PATH: &str = "/client/v1";

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct ClientApi {
    provider: Arc<Provider>,
    passwords: Passwords,
    login_limit: Arc<LoginLimit>,
    streams: Streams,
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
        let (login_limit, streams) = Default::default();
        Self { provider, passwords, login_limit, streams, stopping }
    }
}

/// All endpoints.
pub(crate) fn router(api: ClientApi) -> Router {
    let endpoints = Router::new()
        .route("/register", only("POST", post(register::register)))
        .route("/provider", only("GET", get(provider_info::provider_info)))
        .route("/issuers/{domain}", only("GET", get(issuers::issuers)))
        .route(
            "/key-packages",
            only("GET and POST", get(key_packages::stock).post(key_packages::upload)),
        )
        .route("/key-material/{user}", only("POST", post(key_material::key_material)))
        .route("/rooms/{room}", only("PUT", put(rooms::found_room)))
        .route("/direct/{user}", only("GET", get(rooms::direct_room)))
        .route("/rooms/{room}/update", only("POST", post(update::update)))
        .route("/rooms/{room}/submit-message", only("POST", post(submit_message::submit_message)))
        .route("/rooms/{room}/group-info", only("POST", post(group_info::group_info)))
        .route("/rooms/{room}/report-abuse", only("POST", post(report_abuse::report_abuse)))
        .route("/consent", only("GET and POST", get(consent::requests).post(consent::say)))
        .route("/identifier-query/{domain}", only("POST", post(identifier_query::identifier_query)))
        .route("/profile", only("GET and PUT", get(profile::profile).put(profile::put_profile)))
        .route("/assets", only("GET and POST", get(assets::limits).post(assets::begin)))
        .route("/assets/{id}", only("GET, PATCH and DELETE", assets::of_upload()))
        .route("/proxy-download/{hub}/{url}", only("GET", get(proxy_download::proxy_download)))
        .route(
            "/ohttp-relay/{hub}",
            only("GET and POST", get(ohttp_relay::keys).post(ohttp_relay::relay)),
        )
        .route("/devices", only("GET", get(devices::devices)))
        .route("/events", only("GET", get(events::events)))
        .route("/events/ack", only("POST", post(events::acknowledge)));
    Router::new()
        .nest(BASE_PATH, endpoints)
        .fallback(async || unknown_path())
        // Every body is read with a limit of its own (see `request`).
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}

/// Answers other methods than the endpoint's in the form of every other error.
fn only(methods: &'static str, endpoint: MethodRouter<ClientApi>) -> MethodRouter<ClientApi> {
    endpoint.fallback(async move || HttpError::MethodNotAllowed(methods).into_response())
}

fn unknown_path() -> HttpError {
    HttpError::Reject(Reject::Unknown("there is nothing at this path".to_owned()))
}
