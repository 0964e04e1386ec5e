//! `GET /provider`: what a client must know of its provider to create rooms there.

use axum::Json;
use axum::extract::State;
use mimi_wire::{Domain, Wire};
use serde::Serialize;

use super::ClientApi;
use super::request::{SignedIn, to_base64};

#[derive(Serialize)]
pub(super) struct ProviderInfo {
    domain: Domain,
    /// The entry for `external_senders` (AMB-ST-1).
    hub_sender: String,
    /// The content of `franking_agent` in rooms founded here (FRANK-5, AMB-FRK-1).
    franking_agent: String,
    /// Role tables a client may found a room with.
    presets: Vec<&'static str>,
}

pub(super) async fn provider_info(State(api): State<ClientApi>, _: SignedIn) -> Json<ProviderInfo> {
    Json(ProviderInfo {
        domain: api.provider.domain.clone(),
        hub_sender: to_base64(&api.provider.hub_keys.external_sender().encode()),
        franking_agent: to_base64(&api.provider.franking.agent().component()),
        presets: api.provider.config.policy.presets.iter().map(|preset| preset.name()).collect(),
    })
}
