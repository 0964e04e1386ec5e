//! `GET /proxy-download/{hub}/{url}`: an asset through a room's hub. The hub learns of the provider
//! that asks, and of nobody behind it.

use axum::extract::{Path, State};
use axum::response::Response;
use http::header::RANGE;
use http::{HeaderMap, StatusCode};
use mimi_wire::Domain;
use mimi_wire::limits::TEXT_OCTETS_MAX;
use mimi_wire::protocol::proxy_download::AssetUrl;
use serde_json::json;

use super::request::{SignedIn, malformed};
use super::route::{ASKS_A_PROVIDER, Parameter, Place, Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;
use crate::proxy;

pub(super) fn route() -> Route {
    Route::get("/proxy-download/{hub}/{url}", proxy_download)
        .named(
            Tag::Files,
            "proxyDownload",
            "An asset through a room's hub",
            "The hub learns which provider asks, and of nobody behind it; the asset's host learns of the \
             hub only. `Range` is passed on.",
        )
        .takes(schema::provider("hub", "The domain of the hub of the room that the asset is from."))
        .takes(Parameter {
            name: "url",
            place: Place::Path,
            required: true,
            about: "The asset's `https` URL, percent-encoded as one segment of the path.",
            schema: json!({ "type": "string", "pattern": "^https://", "maxLength": TEXT_OCTETS_MAX }),
            example: json!("https://b.example/assets/v1/0a"),
        })
        .takes(Parameter {
            name: "Range",
            place: Place::Header,
            required: false,
            about: "Some of the octets only (RFC 9110 section 14.2).",
            schema: json!({ "type": "string", "pattern": "^bytes=[0-9]{1,15}-[0-9]{0,15}$" }),
            example: json!("bytes=0-1023"),
        })
        .answers_octets(StatusCode::OK, "The asset's octets.")
        .answers_octets(StatusCode::PARTIAL_CONTENT, "Some of them.")
        .refuses(&ASKS_A_PROVIDER)
        .refuses(&[StatusCode::RANGE_NOT_SATISFIABLE])
}

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
