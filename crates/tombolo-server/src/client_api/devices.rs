//! `GET /devices`: the devices of the user who asks.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_wire::MimiUri;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::request::SignedIn;
use super::route::{Route, Tag};
use super::{ClientApi, schema};
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
}

pub(super) fn route() -> Route {
    Route::get("/devices", devices)
        .named(
            Tag::Devices,
            "listDevices",
            "The devices of the user",
            "In the order in which they came.",
        )
        .answers_json::<Devices>(
            StatusCode::OK,
            "The devices.",
            json!({ "devices": [{
                "client": "mimi://a.example/d/alice/phone",
                "name": "phone",
                "created_ms": 1_790_000_000_000_u64,
            }] }),
        )
}

pub(super) async fn devices(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
) -> Result<Json<Devices>, HttpError> {
    let records = api.provider.store.devices(&device.user).await.map_err(storage_failed)?;
    let devices = records.into_iter().map(|record| Device {
        client: record.client,
        name: record.name,
        created_ms: record.created_ms,
    });
    Ok(Json(Devices { devices: devices.collect() }))
}
