//! `DELETE /users/{name}` and `DELETE /users/{name}/devices/{device}`: an account is deleted, a device
//! is lost. In the rooms hosted here the hub proposes their removal; in others the hub there is not
//! ours to speak for (AMB-ST-3).

use axum::Json;
use axum::extract::{Path, State};
use mimi_provider::{Reject, account};
use mimi_wire::{MimiUri, UriKind};
use serde::{Deserialize, Serialize};

use super::AdminApi;
use crate::account::sign_out::{self, RemovedUser};
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// What is gone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Removed {
    /// The user or the device.
    pub removed: MimiUri,
    /// Devices that were signed out.
    pub devices: usize,
    /// Rooms hosted here, which are looked through from now on.
    pub rooms: usize,
}

/// Removes an account with all its devices. Done again it has the rooms looked through again.
pub(super) async fn remove_user(
    State(api): State<AdminApi>,
    Path(name): Path<String>,
) -> Result<Json<Removed>, HttpError> {
    let user = account::user_uri(&api.provider.domain, &name)?;
    let RemovedUser { devices, rooms } = sign_out::remove_user(&api.provider, &user).await?;
    Ok(Json(Removed { removed: user, devices, rooms }))
}

/// Removes one device.
pub(super) async fn remove_device(
    State(api): State<AdminApi>,
    Path((name, device)): Path<(String, String)>,
) -> Result<Json<Removed>, HttpError> {
    let provider = &api.provider;
    let user = account::user_uri(&provider.domain, &name)?;
    let client = MimiUri::build(&provider.domain, UriKind::Client, &[&name, &device]);
    let client = client.map_err(|error| Reject::Malformed(error.to_string()))?;
    let devices = provider.store.devices(&user).await.map_err(storage_failed)?;
    let known = devices.iter().filter(|device| device.client == client).count();
    let rooms = provider.store.hosted_rooms().await.map_err(storage_failed)?.len();
    let decided = account::remove_device(&user, &client);
    provider.apply(decided).await.map_err(storage_failed)?;
    tracing::info!(%client, rooms, "a device is removed");
    Ok(Json(Removed { removed: client, devices: known, rooms }))
}
