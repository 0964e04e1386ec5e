//! `updateConsent`: a user of a peer lets one of ours reach them, or does not (protocol section 5.7).

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use mimi_provider::consent::arrival::{PeerEntryInput, update_consent};
use mimi_wire::Wire;
use mimi_wire::protocol::consent::ConsentEntry;

use super::{Call, created, malformed};
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};

/// 201 once it is written down, whatever comes of it. The path's variable says nothing that the body
/// does not (AMB-DIR-3).
pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let entry = ConsentEntry::decode(&call.body).map_err(malformed)?;
    provider.spend_entry(&call.peer)?;
    let transition = update_consent(&PeerEntryInput {
        own: &provider.domain,
        from: &call.peer,
        entry: &entry,
        now_ms: provider.now_ms(),
    })?;
    provider.apply(transition).await.map_err(storage_failed)?;
    Ok(created())
}
