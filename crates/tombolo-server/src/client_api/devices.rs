//! `GET /devices`: the devices of the user who asks.

use axum::Json;
use axum::extract::State;
use mimi_wire::MimiUri;
use serde::Serialize;

use super::ClientApi;
use super::request::SignedIn;
use crate::http_error::HttpError;
use crate::provider::storage_failed;

#[derive(Serialize)]
pub(super) struct Devices {
    devices: Vec<Device>,
}

#[derive(Serialize)]
struct Device {
    client: MimiUri,
    name: String,
    created_ms: u64,
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
