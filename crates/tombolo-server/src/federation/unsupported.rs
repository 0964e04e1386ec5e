//! `identifierQuery` and `proxyDownload`: not there yet, and said so clearly. Our
//! directory does not list them.

use axum::body::Body;
use http::Response;
use mimi_provider::Reject;
use mimi_wire::protocol::directory::Endpoint;

use crate::http_error::HttpError;

pub(super) async fn handle(endpoint: Endpoint) -> Result<Response<Body>, HttpError> {
    let text = format!("{} is not offered by this provider yet", endpoint.key());
    Err(HttpError::Reject(Reject::Unsupported(text)))
}
