//! `/status`: how the provider fares, above all what waits for whom and why.

use axum::Json;
use axum::extract::State;
use mimi_wire::{Domain, MimiUri};
use serde::{Deserialize, Serialize};

use super::AdminApi;
use crate::delivery;
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// How a provider fares.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// The provider.
    pub domain: Domain,
    /// Accounts.
    pub users: u64,
    /// Rooms, hosted and followed.
    pub rooms: u64,
    /// Why the last thing that was to be stored was not: a full disk, for one. `None` if it was.
    #[serde(default)]
    pub storage_error: Option<String>,
    /// What waits for other providers.
    pub waiting: Vec<Waiting>,
}

/// What waits for one provider in one stream.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Waiting {
    /// The room, or the provider itself for what it owes outside rooms.
    pub stream: MimiUri,
    /// Who has not got it yet.
    pub follower: Domain,
    /// Entries.
    pub waiting: u64,
    /// Since when, in milliseconds since the UNIX epoch.
    pub since_ms: Option<u64>,
    /// Failures in a row.
    pub attempts: u32,
    /// When it is tried again, after a failure.
    pub next_attempt_ms: Option<u64>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// Since when it is stale (AMB-NTF-10), in milliseconds since the UNIX epoch.
    pub stale_since_ms: Option<u64>,
}

pub(super) async fn status(State(api): State<AdminApi>) -> Result<Json<Status>, HttpError> {
    let provider = &api.provider;
    let accounts = provider.store.accounts().await.map_err(storage_failed)?;
    let rooms = provider.store.room_count().await.map_err(storage_failed)?;
    let waiting = delivery::waiting(provider).await.map_err(storage_failed)?;
    Ok(Json(Status {
        domain: provider.domain.clone(),
        users: accounts.len() as u64,
        rooms,
        storage_error: provider.storage_error(),
        waiting,
    }))
}
