//! `/assets`: uploads of the provider's own people, which may be interrupted and go on.
//!
//! A device says how many octets there will be (`POST`), learns the URL, and sends them in one or
//! more bodies (`PATCH` with `Upload-Offset`). Each answer says how far the upload has come; what it
//! says has arrived survives anything. The provider sees ciphertext only.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use http::request::Parts;
use mimi_provider::Reject;
use serde::{Deserialize, Serialize};

use super::ClientApi;
use super::request::{JsonBody, SignedIn, malformed};
use crate::assets::{ASSETS_PATH, AssetId, UploadStatus};
use crate::http_error::HttpError;

/// Names the octet that a body begins with.
const UPLOAD_OFFSET: &str = "upload-offset";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUpload {
    octets: u64,
}

#[derive(Serialize)]
pub(super) struct Limits {
    asset_octets_max: u64,
    user_octets_max: u64,
    used_octets: u64,
    kept_seconds: u64,
    host: String,
}

#[derive(Serialize)]
struct Upload {
    id: String,
    url: String,
    octets: u64,
    offset: u64,
    complete: bool,
    expires_s: u64,
}

/// The upload that a path names.
pub(super) struct UploadPath(AssetId);

impl FromRequestParts<ClientApi> for UploadPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &ClientApi) -> Result<Self, HttpError> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        // As for an upload that never was.
        id.map(Self).ok_or_else(|| Reject::Unknown("there is no such upload".to_owned()).into())
    }
}

/// What can be done with one upload.
pub(super) fn of_upload() -> MethodRouter<ClientApi> {
    get(status).patch(append).delete(remove)
}

/// `GET /assets`: what the device's user may store, and has stored.
pub(super) async fn limits(State(api): State<ClientApi>, device: SignedIn) -> Json<Limits> {
    let assets = &api.provider.assets;
    Json(Limits {
        asset_octets_max: assets.asset_octets_max(),
        user_octets_max: assets.user_octets_max(),
        used_octets: assets.used(&device.0.user),
        kept_seconds: assets.kept_s(),
        host: api.provider.config.assets.host.to_string(),
    })
}

/// `POST /assets`: makes room.
pub(super) async fn begin(
    State(api): State<ClientApi>,
    device: SignedIn,
    JsonBody(NewUpload { octets }): JsonBody<NewUpload>,
) -> Result<Response, HttpError> {
    let now_s = api.provider.now_ms() / 1_000;
    let status = api.provider.assets.begin(&device.0.user, octets, now_s).await?;
    Ok((StatusCode::CREATED, Json(api.upload(status))).into_response())
}

/// `GET /assets/{id}`: how far it has come.
pub(super) async fn status(
    State(api): State<ClientApi>,
    device: SignedIn,
    UploadPath(id): UploadPath,
) -> Result<Response, HttpError> {
    let status = api.provider.assets.status(&device.0.user, id)?;
    Ok(Json(api.upload(status)).into_response())
}

/// `PATCH /assets/{id}`: the octets from `Upload-Offset` on.
pub(super) async fn append(
    State(api): State<ClientApi>,
    device: SignedIn,
    UploadPath(id): UploadPath,
    request: Request<Body>,
) -> Result<Response, HttpError> {
    let offset = request.headers().get(UPLOAD_OFFSET).and_then(|value| value.to_str().ok());
    let offset = offset.and_then(|text| text.parse().ok());
    let offset =
        offset.ok_or_else(|| malformed(&"Upload-Offset must say where the body begins"))?;
    let appended = api.provider.assets.append(&device.0.user, id, offset, request.into_body());
    Ok(Json(api.upload(appended.await?)).into_response())
}

/// `DELETE /assets/{id}`: forgets it, whole or not.
pub(super) async fn remove(
    State(api): State<ClientApi>,
    device: SignedIn,
    UploadPath(id): UploadPath,
) -> Result<StatusCode, HttpError> {
    api.provider.assets.remove(&device.0.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl ClientApi {
    fn upload(&self, status: UploadStatus) -> Upload {
        let UploadStatus { id, octets, offset, is_whole, expires_s } = status;
        let host = &self.provider.config.assets.host;
        let url = format!("https://{host}{ASSETS_PATH}{id}");
        Upload { id: id.to_string(), url, octets, offset, complete: is_whole, expires_s }
    }
}
