//! `/assets`: uploads of the provider's own people, which may be interrupted and go on.
//!
//! A device says how many octets there will be (`POST`), learns the URL, and sends them in one or
//! more bodies (`PATCH` with `Upload-Offset`). Each answer says how far the upload has come; what it
//! says has arrived survives anything. The provider sees ciphertext only.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use mimi_provider::Reject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::{JsonBody, OCTET_STREAM, SignedIn, expect_media_type, malformed};
use super::route::{Parameter, Place, Route, Tag};
use super::{ClientApi, schema};
use crate::assets::{ASSETS_PATH, AssetId, UploadStatus};
use crate::http_error::HttpError;

/// Names the octet that a body begins with.
const UPLOAD_OFFSET: &str = "upload-offset";

/// A file that is to come.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUpload {
    /// How many octets it has, encrypted.
    #[schemars(range(min = 1, max = schema::INTEGER_MAX))]
    octets: u64,
}

/// What a user may store, and has stored.
#[derive(JsonSchema, Serialize)]
pub(super) struct Limits {
    /// Octets of one file.
    asset_octets_max: u64,
    /// Octets of all files.
    user_octets_max: u64,
    /// Octets that count now.
    used_octets: u64,
    /// How long a file is kept.
    kept_seconds: u64,
    /// The host in the URLs of files.
    host: String,
}

/// An upload.
#[derive(JsonSchema, Serialize)]
struct Upload {
    /// Its name.
    id: String,
    /// Where others fetch it, once it is complete.
    url: String,
    /// How many octets it has.
    octets: u64,
    /// How many of them are here, and durable.
    offset: u64,
    /// Whether all of them are.
    complete: bool,
    /// When it is forgotten, in seconds since the UNIX epoch.
    expires_s: u64,
}

pub(super) fn routes() -> [Route; 5] {
    let [first, second, third] = of_upload();
    [
        Route::get("/assets", limits)
            .named(
                Tag::Files,
                "showAssetLimits",
                "What the user may store, and has stored",
                "Files count from their announcement until they expire or are deleted.",
            )
            .answers_json::<Limits>(
                StatusCode::OK,
                "The limits.",
                json!({
                    "asset_octets_max": 104_857_600,
                    "user_octets_max": 1_073_741_824,
                    "used_octets": 0,
                    "kept_seconds": 2_592_000,
                    "host": "a.example",
                }),
            ),
        Route::post("/assets", begin)
            .named(
                Tag::Files,
                "beginUpload",
                "Makes room for a file",
                "A device says how many octets there will be, learns the URL, and sends them with \
                 `continueUpload` in one or more bodies. The provider sees ciphertext only. 413 for what \
                 is larger than any file may be, 403 where the user's quota is used up.",
            )
            .takes_json::<NewUpload>(json!({ "octets": 1_024 }))
            .answers_json::<Upload>(StatusCode::CREATED, "There is room.", upload_example())
            .refuses(&[StatusCode::FORBIDDEN]),
        first,
        second,
        third,
    ]
}

fn of_upload() -> [Route; 3] {
    [
        Route::get(UPLOAD_PATH, status)
            .named(
                Tag::Files,
                "showUpload",
                "How far an upload has come",
                "To go on after an interruption.",
            )
            .takes(upload_id())
            .answers_json::<Upload>(StatusCode::OK, "The upload.", upload_example())
            .refuses(&[StatusCode::NOT_FOUND]),
        Route::patch(UPLOAD_PATH, append)
            .named(
                Tag::Files,
                "continueUpload",
                "The octets from an offset on",
                "What has come is durable when this is answered, also by an error. 409 for another \
                 offset than the upload is at, and while another body is on its way.",
            )
            .takes(upload_id())
            .takes(Parameter {
                name: "Upload-Offset",
                place: Place::Header,
                required: true,
                about: "Where the body begins: the upload's `offset`.",
                schema: json!({ "type": "integer", "minimum": 0, "maximum": schema::INTEGER_MAX }),
                example: json!(0),
            })
            .takes_octets(None, "Octets of the encrypted file, at most what is missing of it.")
            .answers_json::<Upload>(StatusCode::OK, "How far it has come.", upload_example())
            .refuses(&[StatusCode::NOT_FOUND, StatusCode::CONFLICT]),
        Route::delete(UPLOAD_PATH, remove)
            .named(
                Tag::Files,
                "deleteUpload",
                "Forgets a file",
                "Whole or not; its octets count no longer.",
            )
            .takes(upload_id())
            .answers_nothing(StatusCode::NO_CONTENT, "It is gone.")
            .refuses(&[StatusCode::NOT_FOUND, StatusCode::CONFLICT]),
    ]
}

const UPLOAD_PATH: &str = "/assets/{id}";

fn upload_id() -> Parameter {
    Parameter {
        name: "id",
        place: Place::Path,
        required: true,
        about: "The upload's name.",
        schema: json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }),
        example: EXAMPLE_ID.into(),
    }
}

const EXAMPLE_ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn upload_example() -> Value {
    json!({
        "id": EXAMPLE_ID,
        "url": format!("https://a.example{ASSETS_PATH}{EXAMPLE_ID}"),
        "octets": 1_024,
        "offset": 0,
        "complete": false,
        "expires_s": 1_790_000_000,
    })
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
    expect_media_type(request.headers(), OCTET_STREAM)?;
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
