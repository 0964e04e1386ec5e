//! `DELETE /users/{name}` and `DELETE /users/{name}/devices/{device}`: an account is deleted, a device
//! is lost. In the rooms hosted here the hub proposes their removal; in others the hub there is not
//! ours to speak for (AMB-ST-3).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use mimi_provider::hub::state::Evicted;
use mimi_provider::{Change, Effect, Reject, Transition, account};
use mimi_wire::{MimiUri, UriKind};
use serde::{Deserialize, Serialize};

use super::AdminApi;
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};
use crate::rooms::evict;

/// What is gone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Removed {
    /// The user or the device.
    pub removed: MimiUri,
    /// Devices that were signed out.
    pub devices: usize,
    /// Rooms hosted here that were looked through.
    pub rooms: usize,
}

/// Removes an account with all its devices. Done again it looks through the rooms again.
pub(super) async fn remove_user(
    State(api): State<AdminApi>,
    Path(name): Path<String>,
) -> Result<Json<Removed>, HttpError> {
    let provider = &api.provider;
    let user = account::user_uri(&provider.domain, &name)?;
    let devices = provider.store.devices(&user).await.map_err(storage_failed)?;
    let mut changes: Vec<_> =
        devices.iter().map(|device| Change::RemoveDevice(device.client.clone())).collect();
    changes.push(Change::RemoveAccount(user.clone()));
    sign_out(provider, changes, &user).await?;
    let rooms = evict_everywhere(provider, Evicted::User(user.clone())).await?;
    tracing::info!(%user, rooms, "a user is removed");
    Ok(Json(Removed { removed: user, devices: devices.len(), rooms }))
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
    sign_out(provider, vec![Change::RemoveDevice(client.clone())], &user).await?;
    let rooms = evict_everywhere(provider, Evicted::Client(client.clone())).await?;
    tracing::info!(%client, rooms, "a device is removed");
    Ok(Json(Removed { removed: client, devices: known, rooms }))
}

/// At once, whatever becomes of the rooms: nobody acts as the user or the device any more.
async fn sign_out(
    provider: &Arc<Provider>,
    changes: Vec<Change>,
    user: &MimiUri,
) -> Result<(), Reject> {
    let effects = vec![Effect::WakeStream(user.clone())];
    let transition = Transition { changes, expect: Vec::new(), effects, reply: () };
    provider.apply(transition).await.map_err(storage_failed)
}

/// Wants somebody out of every room hosted here. One in which that fails does not keep them in the
/// others.
async fn evict_everywhere(provider: &Arc<Provider>, gone: Evicted) -> Result<usize, Reject> {
    let rooms = provider.store.hosted_rooms().await.map_err(storage_failed)?;
    let mut failed = None;
    for room in &rooms {
        if let Err(reject) = evict(provider, room, |_| vec![gone.clone()]).await {
            tracing::error!(%room, %reject, ?gone, "the hub could not ask for a removal");
            failed = Some(reject);
        }
    }
    failed.map_or(Ok(rooms.len()), Err)
}
