//! Rooms that depend on a parent lose whom the parent loses (POLICY-BASE-3, AMB-POL-9).

use std::sync::Arc;

use mimi_policy::RoomView;
use mimi_policy::parent::without_anybody;
use mimi_provider::Reject;
use mimi_provider::hub::propose::orphaned;
use mimi_provider::hub::update::parent_of;
use mimi_wire::MimiUri;

use super::evict::evict;
use crate::provider::{Provider, storage_failed};

/// A hosted room as it is now; nobody takes part in one that has died or is not hosted here, which
/// a room that depends on it lives to see. Nothing else may be locked.
pub(crate) async fn view_of(provider: &Arc<Provider>, room: &MimiUri) -> Result<RoomView, Reject> {
    match provider.rooms.hub(provider, room).await {
        Ok(hub) => Ok(hub.room().group.view().clone()),
        Err(Reject::Unknown(_)) => Ok(without_anybody(room)),
        Err(reject) => Err(reject),
    }
}

/// Looks at every room that depends on this one, in the background.
pub(crate) fn follow_parent(provider: &Arc<Provider>, parent: &MimiUri) {
    let (provider, parent) = (Arc::clone(provider), parent.clone());
    tokio::spawn(async move {
        if let Err(reject) = follow(&provider, &parent).await {
            tracing::error!(%parent, %reject, "its dependent rooms were not looked at");
        }
    });
}

/// Looks at one dependent room, in the background: its parent may have changed since it was read.
pub(crate) fn keep_inside_parent(provider: &Arc<Provider>, child: &MimiUri) {
    let (provider, child) = (Arc::clone(provider), child.clone());
    tokio::spawn(async move {
        if let Err(reject) = keep_inside(&provider, &child).await {
            tracing::error!(%child, %reject, "who is not in the parent room may still be in it");
        }
    });
}

/// After the start: a provider may have stopped between a change of a parent and what follows.
pub(crate) async fn follow_all(provider: Arc<Provider>) {
    let parents = provider.store.parent_rooms().await.map_err(storage_failed);
    for parent in parents.unwrap_or_default() {
        if let Err(reject) = follow(&provider, &parent).await {
            tracing::error!(%parent, %reject, "its dependent rooms were not looked at");
        }
    }
}

async fn follow(provider: &Arc<Provider>, parent: &MimiUri) -> Result<(), Reject> {
    for child in provider.store.dependent_rooms(parent).await.map_err(storage_failed)? {
        if let Err(reject) = keep_inside(provider, &child).await {
            tracing::error!(%child, %reject, "who is not in the parent room may still be in it");
        }
    }
    Ok(())
}

async fn keep_inside(provider: &Arc<Provider>, child: &MimiUri) -> Result<(), Reject> {
    let known = match provider.rooms.hub(provider, child).await {
        Ok(hub) => parent_of(hub.room().group.view()),
        // It has died.
        Err(Reject::Unknown(_)) => None,
        Err(reject) => return Err(reject),
    };
    let Some(parent) = known else { return Ok(()) };
    let parent = view_of(provider, &parent).await?;
    evict(provider, child, |view| orphaned(view, &parent)).await
}
