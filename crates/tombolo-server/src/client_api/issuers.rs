//! `GET /issuers/{domain}`: who certifies the clients of a provider (AMB-ID-1). Ours from here, those
//! of another provider from its directory.

use axum::Json;
use axum::extract::State;
use mimi_wire::Domain;
use serde::Serialize;

use super::ClientApi;
use super::request::{DomainPath, SignedIn};
use crate::http_error::HttpError;

#[derive(Serialize)]
pub(super) struct Issuers {
    domain: Domain,
    /// PEM certificates.
    issuers: Vec<String>,
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
