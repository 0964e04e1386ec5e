//! Devices and accounts that go: from here at once, and from the rooms hosted here by the hub's
//! proposals. In rooms hosted elsewhere the hub there is not ours to speak for (AMB-ST-3).

use std::collections::BTreeSet;
use std::sync::Arc;

use mimi_provider::hub::state::Evicted;
use mimi_provider::{Change, Effect, Reject, Transition};
use mimi_wire::MimiUri;

use crate::provider::{Provider, storage_failed};
use crate::rooms::evict;

/// An account that is gone.
#[derive(Debug)]
pub(crate) struct RemovedUser {
    /// Devices that were signed out.
    pub(crate) devices: usize,
    /// Rooms hosted here that were looked through.
    pub(crate) rooms: usize,
}

/// Removes an account with all its devices. Done again it looks through the rooms again.
pub(crate) async fn remove_user(
    provider: &Arc<Provider>,
    user: &MimiUri,
) -> Result<RemovedUser, Reject> {
    let devices = provider.store.devices(user).await.map_err(storage_failed)?;
    let mut changes: Vec<_> =
        devices.iter().map(|device| Change::RemoveDevice(device.client.clone())).collect();
    changes.push(Change::RemoveAccount(user.clone()));
    at_once(provider, changes, user).await?;
    let rooms = provider.store.hosted_rooms().await.map_err(storage_failed)?;
    evict_from(provider, &rooms, &[Evicted::User(user.clone())]).await?;
    tracing::info!(%user, rooms = rooms.len(), "a user is removed");
    Ok(RemovedUser { devices: devices.len(), rooms: rooms.len() })
}

/// At once, whatever becomes of the rooms: nobody acts as the user or the device any more.
pub(crate) async fn at_once(
    provider: &Arc<Provider>,
    changes: Vec<Change>,
    user: &MimiUri,
) -> Result<(), Reject> {
    let effects = vec![Effect::WakeStream(user.clone())];
    let transition = Transition { changes, expect: Vec::new(), effects, reply: () };
    provider.apply(transition).await.map_err(storage_failed)
}

/// Carries out a decision that devices are signed out.
pub(crate) async fn sign_out(
    provider: &Arc<Provider>,
    decided: Transition<Vec<MimiUri>>,
) -> Result<Vec<MimiUri>, Reject> {
    // Which rooms they are in is forgotten with them.
    let mut rooms = BTreeSet::new();
    for client in &decided.reply {
        rooms.extend(provider.store.rooms_of(client).await.map_err(storage_failed)?);
    }
    let gone = provider.apply(decided).await.map_err(storage_failed)?;
    let hosted: Vec<MimiUri> =
        rooms.into_iter().filter(|room| room.domain() == provider.domain).collect();
    let evicted: Vec<Evicted> = gone.iter().cloned().map(Evicted::Client).collect();
    // They are signed out, whatever becomes of the rooms: the log has said why.
    let _ = evict_from(provider, &hosted, &evicted).await;
    for client in &gone {
        tracing::info!(%client, rooms = hosted.len(), "a device is signed out");
    }
    Ok(gone)
}

/// Wants somebody out of rooms hosted here. One in which that fails does not keep them in the others.
pub(crate) async fn evict_from(
    provider: &Arc<Provider>,
    rooms: &[MimiUri],
    gone: &[Evicted],
) -> Result<(), Reject> {
    let mut failed = None;
    for room in rooms {
        if let Err(reject) = evict(provider, room, |_| gone.to_vec()).await {
            tracing::error!(%room, %reject, ?gone, "the hub could not ask for a removal");
            failed = Some(reject);
        }
    }
    failed.map_or(Ok(()), Err)
}
