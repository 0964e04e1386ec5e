//! `GET /provider`: what a client must know of its provider to create rooms there.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_wire::{Domain, Wire};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::request::{SignedIn, to_base64};
use super::route::{Route, Tag};
use super::{ClientApi, schema};

/// What a client has to know of its provider.
#[derive(JsonSchema, Serialize)]
pub(super) struct ProviderInfo {
    /// Its domain.
    #[schemars(with = "schema::Domain")]
    domain: Domain,
    /// The entry for `external_senders` in rooms founded here (an `ExternalSender` of MLS).
    #[schemars(with = "schema::Base64")]
    hub_sender: String,
    /// The content of `franking_agent` in rooms founded here.
    #[schemars(with = "schema::Base64")]
    franking_agent: String,
    /// Role tables a client may found a room with.
    presets: Vec<&'static str>,
}

pub(super) fn route() -> Route {
    Route::get("/provider", provider_info)
        .named(
            Tag::Provider,
            "describeProvider",
            "What a client has to know of its provider",
            "A client needs it to found rooms: their `external_senders` name the provider as hub \
             (AMB-ST-1), their `franking_agent` is the provider's (FRANK-5, AMB-FRK-1), and their roles \
             follow one of the presets unless the client brings a policy of its own.",
        )
        .answers_json::<ProviderInfo>(
            StatusCode::OK,
            "What there is to know.",
            json!({
                "domain": "a.example",
                "hub_sender": "AAEC",
                "franking_agent": "AAEC",
                "presets": ["cooperative", "moderated"],
            }),
        )
}

pub(super) async fn provider_info(State(api): State<ClientApi>, _: SignedIn) -> Json<ProviderInfo> {
    Json(ProviderInfo {
        domain: api.provider.domain.clone(),
        hub_sender: to_base64(&api.provider.hub_keys.external_sender().encode()),
        franking_agent: to_base64(&api.provider.franking.agent().component()),
        presets: api.provider.config.policy.presets.iter().map(|preset| preset.name()).collect(),
    })
}
