//! `requestConsent`: a user of a peer asks to reach one of ours, or no longer asks (protocol section
//! 5.7).

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use mimi_provider::consent::arrival::{PeerEntryInput, request_consent};
use mimi_wire::Wire;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};

use super::{Call, created, malformed};
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};

/// 201 once it is written down, whatever comes of it (PROTO-CON-5, PROTO-CON-10). The path's variable
/// says nothing that the body does not (AMB-DIR-3).
pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let entry = ConsentEntry::decode(&call.body).map_err(malformed)?;
    provider.spend_entry(&call.peer)?;
    let transition = request_consent(&PeerEntryInput {
        own: &provider.domain,
        from: &call.peer,
        entry: &entry,
        now_ms: provider.now_ms(),
    })?;
    // Taking back costs nothing: it only makes things quieter.
    let heard = entry.operation == ConsentOperation::Cancel
        || provider.spend_request(&call.peer, &entry.requester_uri, &entry.target_uri);
    if heard {
        provider.apply(transition).await.map_err(storage_failed)?;
    }
    Ok(created())
}
