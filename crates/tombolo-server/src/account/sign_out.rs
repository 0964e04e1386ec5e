//! Devices and accounts that go: from here at once, and from the rooms hosted here by the hub's
//! proposals, which are owed from then on ([`super::removals`]). In rooms hosted elsewhere the hub there
//! is not ours to speak for (AMB-ST-3).

use std::sync::Arc;

use mimi_provider::account::remove_account;
use mimi_provider::{Reject, Transition};
use mimi_wire::MimiUri;

use crate::provider::{Provider, storage_failed};

/// An account that is gone.
#[derive(Debug)]
pub(crate) struct RemovedUser {
    /// Devices that were signed out.
    pub(crate) devices: usize,
    /// Rooms hosted here that are looked through.
    pub(crate) rooms: usize,
}

/// Removes an account with all its devices. Done again it has the rooms looked through again.
pub(crate) async fn remove_user(
    provider: &Arc<Provider>,
    user: &MimiUri,
) -> Result<RemovedUser, Reject> {
    let devices = provider.store.devices(user).await.map_err(storage_failed)?;
    let rooms = provider.store.hosted_rooms().await.map_err(storage_failed)?.len();
    provider.apply(remove_account(user, &devices)).await.map_err(storage_failed)?;
    tracing::info!(%user, rooms, "a user is removed");
    Ok(RemovedUser { devices: devices.len(), rooms })
}

/// Carries out a decision that devices are signed out.
pub(crate) async fn sign_out(
    provider: &Arc<Provider>,
    decided: Transition<Vec<MimiUri>>,
) -> Result<Vec<MimiUri>, Reject> {
    let gone = provider.apply(decided).await.map_err(storage_failed)?;
    for client in &gone {
        tracing::info!(%client, "a device is signed out");
    }
    Ok(gone)
}
