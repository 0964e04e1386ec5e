//! `/consent`: a user asks to contact others, and answers those who ask (PROTO-CON-1..10).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_provider::Reject;
use mimi_provider::consent::{LocalConsentInput, OtherUser, local_consent, stream_of_local};
use mimi_wire::MimiUri;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::consent::ConsentEntry;
use serde::Serialize;
use tombolo_store::StoreError;

use super::ClientApi;
use super::request::{Octets, SignedIn, decode};
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// How often a lost race is run again.
const TRIES_MAX: usize = 5;

#[derive(Serialize)]
pub(super) struct OpenRequests {
    requests: Vec<OpenRequest>,
}

#[derive(Serialize)]
struct OpenRequest {
    requester: MimiUri,
    room: Option<MimiUri>,
    requested_ms: u64,
}

/// `GET`: who waits for an answer.
pub(super) async fn requests(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
) -> Result<Json<OpenRequests>, HttpError> {
    let open = api.provider.store.consent_requests(&device.user).await.map_err(storage_failed)?;
    let requests = open.into_iter().map(|request| OpenRequest {
        requester: request.requester,
        room: request.room,
        requested_ms: request.requested_ms,
    });
    Ok(Json(OpenRequests { requests: requests.collect() }))
}

/// `POST`: request and cancel, as the requester; grant and revoke, as the target. What another
/// provider must hear of it goes out by delivery, directly to it (PROTO-CON-2).
pub(super) async fn say(
    State(api): State<ClientApi>,
    device: SignedIn,
    Octets(octets): Octets<APPLICATION_BODY_OCTETS_MAX>,
) -> Result<StatusCode, HttpError> {
    let entry: ConsentEntry = decode(&octets)?;
    let actor = device.identity();
    let provider = &api.provider;
    let store = &provider.store;
    let stream = stream_of_local(&provider.domain, &entry);
    let other = other_user(&api, &actor.user, &entry).await?;
    for _ in 0..TRIES_MAX {
        let open = store.consent_requests(&entry.target_uri).await.map_err(storage_failed)?;
        let consents = store.consents(&entry.target_uri, &entry.requester_uri).await;
        let transition = local_consent(&LocalConsentInput {
            own: &provider.domain,
            actor: &actor,
            entry: &entry,
            other,
            open_requests: &open,
            consents: &consents.map_err(storage_failed)?,
            last_seq: store.last_seq(&stream).await.map_err(storage_failed)?,
            now_ms: provider.now_ms(),
        })?;
        match provider.apply(transition).await {
            Ok(()) => return Ok(StatusCode::CREATED),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(storage_failed(error).into()),
        }
    }
    Err(Reject::Unavailable("much happens to this user at once; try again".to_owned()).into())
}

async fn other_user(
    api: &ClientApi,
    actor: &MimiUri,
    entry: &ConsentEntry,
) -> Result<OtherUser, Reject> {
    let other = match *actor == entry.requester_uri {
        true => &entry.target_uri,
        false => &entry.requester_uri,
    };
    if other.domain() != api.provider.domain {
        return Ok(OtherUser::Remote);
    }
    match api.provider.store.account(other).await.map_err(storage_failed)? {
        Some(_) => Ok(OtherUser::Local),
        None => Ok(OtherUser::Unknown),
    }
}
