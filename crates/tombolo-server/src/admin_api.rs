//! The operator's API: accounts and the state of the provider, over plain HTTP on a loopback
//! listener, for whoever can read the token in the data directory.
//!
//! [`operate`] is what a command line needs: it asks the running provider, or opens the database
//! itself while none runs.

mod client;
mod listener;
mod ohttp_key;
pub mod operate;
mod peers;
mod removal;
mod reports;
mod status;
mod token;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use mimi_provider::Reject;

use crate::account::password::Passwords;
use crate::account::token::bearer;
use crate::http_error::HttpError;
use crate::provider::Provider;

pub use client::{AdminClient, AdminError};
pub(crate) use listener::serve;
pub use ohttp_key::NewOhttpKey;
pub use peers::{PeerActed, PeerList, PeerStatus};
pub use removal::Removed;
pub use reports::{
    ClosedReport, ListedReport, NewHubKey, ReportList, ReportedMessage, ShownReport,
};
pub use status::{Status, Waiting};
pub use token::{ADMIN_TOKEN_FILE, TokenError};
pub(crate) use token::{AdminToken, open_or_create};
pub use users::{AddUser, AddedUser, ListedUser, SetClaims, UserList};

/// Where the API is at the admin listener.
pub const BASE_PATH: &str = "/admin/v1";
/// Octets of a body.
const BODY_OCTETS_MAX: usize = 16 * 1024;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct AdminApi {
    pub(crate) provider: Arc<Provider>,
    pub(crate) passwords: Passwords,
    pub(crate) token: Arc<AdminToken>,
}

fn router(api: AdminApi) -> Router {
    let endpoints = Router::new()
        .route("/users", get(users::list).post(users::add))
        .route("/users/claims", put(users::claims))
        .route("/users/{name}", delete(removal::remove_user))
        .route("/users/{name}/devices/{device}", delete(removal::remove_device))
        .route("/reports", get(reports::list))
        .route("/reports/{id}", get(reports::show))
        .route("/reports/{id}/close", post(reports::close))
        .route("/franking/hub-key", post(reports::rotate))
        .route("/ohttp-key", post(ohttp_key::rotate))
        .route("/peers", get(peers::list))
        .route("/peers/{name}/retry", post(peers::retry))
        .route("/peers/{name}/drop", post(peers::drop_waiting))
        .route("/status", get(status::status))
        .method_not_allowed_fallback(async || HttpError::MethodNotAllowed("".into()));
    Router::new()
        .nest(BASE_PATH, endpoints)
        .fallback(async || unknown_path())
        .layer(middleware::from_fn_with_state(api.clone(), operators_only))
        .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
        .with_state(api)
}

/// Nothing is answered without the token, not even what there is.
async fn operators_only(State(api): State<AdminApi>, request: Request, next: Next) -> Response {
    match bearer(request.headers()) {
        Some(given) if api.token.matches(given) => next.run(request).await,
        _ => {
            let why = format!("this needs the token in {ADMIN_TOKEN_FILE} of the data directory");
            HttpError::Unauthorized(why).into_response()
        }
    }
}

fn unknown_path() -> HttpError {
    HttpError::Reject(Reject::Unknown("there is nothing at this path".to_owned()))
}
