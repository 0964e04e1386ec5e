//! `GET /proxy-download/{hub}/{url}`: an asset through a room's hub. The hub learns of the provider
//! that asks, and of nobody behind it.

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use http::header::RANGE;
use mimi_wire::Domain;
use mimi_wire::protocol::proxy_download::AssetUrl;

use super::ClientApi;
use super::request::{SignedIn, malformed};
use crate::http_error::HttpError;
use crate::proxy;

pub(super) async fn proxy_download(
    State(api): State<ClientApi>,
    _: SignedIn,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let Path((hub, url)) = path.map_err(|error| malformed(&error))?;
    let hub = Domain::new(&hub).map_err(|error| malformed(&error))?;
    let url = AssetUrl::new(&url).map_err(|error| malformed(&error))?;
    proxy::through_hub(&api.provider, &hub, &url, headers.get(RANGE).cloned()).await
}
