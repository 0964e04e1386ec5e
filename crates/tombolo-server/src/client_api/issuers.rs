//! `GET /issuers/{domain}`: who certifies the clients of a provider (AMB-ID-1). Ours from here, those
//! of another provider from its directory.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_wire::Domain;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::request::{DomainPath, SignedIn};
use super::route::{ASKS_A_PROVIDER, Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;

/// Who certifies the clients of a provider.
#[derive(JsonSchema, Serialize)]
pub(super) struct Issuers {
    /// The provider.
    #[schemars(with = "schema::Domain")]
    domain: Domain,
    /// PEM certificates.
    issuers: Vec<String>,
}

pub(super) fn route() -> Route {
    Route::get("/issuers/{domain}", issuers)
        .named(
            Tag::Provider,
            "listIssuers",
            "Who certifies the clients of a provider",
            "Roots to verify the credentials of a provider's clients by, and of no other's. Those of \
             another provider come from its directory.",
        )
        .takes(schema::provider("domain", "The provider's domain."))
        .answers_json::<Issuers>(
            StatusCode::OK,
            "The issuers.",
            json!({
                "domain": "b.example",
                "issuers": ["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"],
            }),
        )
        .refuses(&ASKS_A_PROVIDER)
}

pub(super) async fn issuers(
    State(api): State<ClientApi>,
    _: SignedIn,
    DomainPath(domain): DomainPath,
) -> Result<Json<Issuers>, HttpError> {
    let provider = &api.provider;
    let issuers = if domain == provider.domain {
        vec![provider.client_issuer.certificate_pem().to_owned()]
    } else {
        let directory = provider.peers.directory(&domain).await;
        directory.map_err(|error| error.into_reject(&domain))?.client_issuers.clone()
    };
    Ok(Json(Issuers { domain, issuers }))
}
