//! `requestConsent`: a user of a peer asks to reach one of ours, or no longer asks (protocol section
//! 5.7).

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use mimi_provider::consent::request_consent;
use mimi_wire::Wire;
use mimi_wire::protocol::consent::ConsentEntry;

use super::{Call, consent, created, malformed};
use crate::http_error::HttpError;
use crate::provider::Provider;

/// 201 whatever came of it (PROTO-CON-5, PROTO-CON-10). The path's variable says nothing that the
/// body does not (AMB-DIR-3).
pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let entry = ConsentEntry::decode(&call.body).map_err(malformed)?;
    let target = &entry.target_uri;
    consent::from_peer(provider, &call.peer, &entry, target, request_consent).await?;
    Ok(created())
}
