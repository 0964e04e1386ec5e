//! The key that downloads by Oblivious HTTP are sealed to.

use axum::Json;
use axum::extract::State;
use mimi_provider::Reject;
use serde::{Deserialize, Serialize};

use super::AdminApi;
use crate::http_error::HttpError;

/// A key of the gateway that has been made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NewOhttpKey {
    /// Its identifier.
    pub key_id: u8,
    /// Until when requests to the one before are answered, in milliseconds since the epoch.
    pub old_until_ms: u64,
}

/// `POST /ohttp-key`.
pub(super) async fn rotate(State(api): State<AdminApi>) -> Result<Json<NewOhttpKey>, HttpError> {
    let (provider, now_ms) = (api.provider.clone(), api.provider.now_ms());
    let rotating = tokio::task::spawn_blocking(move || provider.ohttp_keys.rotate(now_ms));
    let rotated = rotating.await.map_err(|error| Reject::Internal(error.to_string()))?;
    let rotated = rotated.map_err(|error| Reject::Internal(error.to_string()))?;
    let (key_id, old_until_ms) = rotated;
    tracing::info!(key_id, old_until_ms, "the Oblivious HTTP gateway has a fresh key");
    Ok(Json(NewOhttpKey { key_id, old_until_ms }))
}
