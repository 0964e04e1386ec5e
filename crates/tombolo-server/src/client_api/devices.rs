//! `/devices`: the devices of the user who asks, what they are called, and signing them out.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_provider::account::{DAY_MS, LABEL_OCTETS_MAX, SignOut, rename_device, sign_out};
use mimi_provider::record::DeviceRecord;
use mimi_wire::MimiUri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request::{JsonBody, SignedIn, UriPath};
use super::route::{Route, Tag};
use super::{ClientApi, schema};
use crate::account::sign_out as carry_out;
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// A user's devices.
#[derive(JsonSchema, Serialize)]
pub(super) struct Devices {
    /// In the order in which they came.
    devices: Vec<Device>,
}

/// One device.
#[derive(JsonSchema, Serialize)]
struct Device {
    /// Its URI.
    #[schemars(with = "schema::MimiUri")]
    client: MimiUri,
    /// What it is called.
    name: String,
    /// When it was signed in.
    #[schemars(with = "schema::TimestampMs")]
    created_ms: u64,
    /// The day (UTC) on which it was last here, at its beginning; the provider keeps no more of it. 0
    /// where nobody has looked yet.
    #[schemars(with = "schema::TimestampMs", extend("multipleOf" = DAY_MS))]
    last_seen_ms: u64,
    /// Whether it is the one that asks.
    current: bool,
}

/// What a device is to be called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceName {
    /// For people; the device's URI stays. No control characters, no spaces around it; the length counts
    /// octets.
    #[schemars(length(min = 1, max = LABEL_OCTETS_MAX))]
    name: String,
}

/// Who was signed out.
#[derive(JsonSchema, Serialize)]
pub(super) struct SignedOut {
    /// The devices.
    #[schemars(with = "Vec<schema::MimiUri>")]
    pub(super) signed_out: Vec<MimiUri>,
}

pub(super) fn routes() -> [Route; 4] {
    [
        Route::get("/devices", devices)
            .named(
                Tag::Devices,
                "listDevices",
                "The devices of the user",
                "In the order in which they came; a user has at most 32.",
            )
            .answers_json::<Devices>(
                StatusCode::OK,
                "The devices.",
                json!({ "devices": [{
                    "client": "mimi://a.example/d/alice/phone",
                    "name": "phone",
                    "created_ms": 1_790_000_000_000_u64,
                    "last_seen_ms": 1_789_948_800_000_u64,
                    "current": true,
                }] }),
            ),
        Route::put("/devices/{client}", rename)
            .named(
                Tag::Devices,
                "renameDevice",
                "Calls a device something else",
                "For people who look at the list; the device's URI stays.",
            )
            .takes(schema::client())
            .takes_json::<DeviceName>(json!({ "name": "Alice's phone" }))
            .answers_nothing(StatusCode::NO_CONTENT, "It is called that.")
            .refuses(&[StatusCode::NOT_FOUND]),
        Route::delete("/devices/{client}", remove)
            .named(
                Tag::Devices,
                "signOutDevice",
                "Signs a device out",
                "Of the same user, also the one that asks. Its token is dead and its KeyPackages are gone \
                 when this is answered, its event stream ends, and the hub proposes its removal from the \
                 rooms hosted here. It does not come back: it has to register anew.",
            )
            .takes(schema::client())
            .answers_nothing(StatusCode::NO_CONTENT, "It is signed out.")
            .refuses(&[StatusCode::NOT_FOUND]),
        Route::post("/sign-out-others", remove_others)
            .named(
                Tag::Devices,
                "signOutOthers",
                "Signs all other devices out",
                "As `signOutDevice` does, every device of the user but the one that asks.",
            )
            .answers_json::<SignedOut>(
                StatusCode::OK,
                "They are signed out.",
                json!({ "signed_out": ["mimi://a.example/d/alice/laptop"] }),
            ),
    ]
}

/// `GET /devices`.
async fn devices(
    State(api): State<ClientApi>,
    SignedIn(asking): SignedIn,
) -> Result<Json<Devices>, HttpError> {
    let devices = of_user(&api, &asking).await?.into_iter().map(|record| Device {
        current: record.client == asking.client,
        client: record.client,
        name: record.name,
        created_ms: record.created_ms,
        last_seen_ms: record.last_seen_ms,
    });
    Ok(Json(Devices { devices: devices.collect() }))
}

/// `PUT /devices/{client}`.
async fn rename(
    State(api): State<ClientApi>,
    SignedIn(asking): SignedIn,
    UriPath(client): UriPath,
    JsonBody(DeviceName { name }): JsonBody<DeviceName>,
) -> Result<StatusCode, HttpError> {
    let transition = rename_device(&of_user(&api, &asking).await?, &client, &name)?;
    api.provider.apply(transition).await.map_err(storage_failed)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /devices/{client}`.
async fn remove(
    State(api): State<ClientApi>,
    SignedIn(asking): SignedIn,
    UriPath(client): UriPath,
) -> Result<StatusCode, HttpError> {
    let devices = of_user(&api, &asking).await?;
    let decided = sign_out(&asking, &devices, &SignOut::One(client))?;
    carry_out::sign_out(&api.provider, decided).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /sign-out-others`.
async fn remove_others(
    State(api): State<ClientApi>,
    SignedIn(asking): SignedIn,
) -> Result<Json<SignedOut>, HttpError> {
    let devices = of_user(&api, &asking).await?;
    let decided = sign_out(&asking, &devices, &SignOut::Others)?;
    let signed_out = carry_out::sign_out(&api.provider, decided).await?;
    Ok(Json(SignedOut { signed_out }))
}

async fn of_user(api: &ClientApi, asking: &DeviceRecord) -> Result<Vec<DeviceRecord>, HttpError> {
    Ok(api.provider.store.devices(&asking.user).await.map_err(storage_failed)?)
}
