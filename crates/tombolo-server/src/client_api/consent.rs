//! `/consent`: a user asks to contact others, and answers those who ask (PROTO-CON-1..10).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_provider::Reject;
use mimi_provider::consent::{LocalConsentInput, OtherUser, local_consent, stream_of_local};
use mimi_wire::MimiUri;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::consent::ConsentEntry;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tombolo_store::StoreError;

use super::request::{Octets, SignedIn, decode};
use super::route::{Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// How often a lost race is run again.
const TRIES_MAX: usize = 5;

/// Who waits for an answer.
#[derive(JsonSchema, Serialize)]
pub(super) struct OpenRequests {
    /// One for each requester and room.
    requests: Vec<OpenRequest>,
}

/// A request for consent.
#[derive(JsonSchema, Serialize)]
struct OpenRequest {
    /// Who asks.
    #[schemars(with = "schema::MimiUri")]
    requester: MimiUri,
    /// For this room only, or for any.
    #[schemars(with = "Option<schema::MimiUri>")]
    room: Option<MimiUri>,
    /// When it was asked.
    #[schemars(with = "schema::TimestampMs")]
    requested_ms: u64,
}

pub(super) fn routes() -> [Route; 2] {
    [
        Route::get("/consent", requests)
            .named(
                Tag::Contacts,
                "listConsentRequests",
                "Who waits for an answer",
                "Requests that the user has neither granted nor revoked, and nobody has taken back.",
            )
            .answers_json::<OpenRequests>(
                StatusCode::OK,
                "The requests.",
                json!({ "requests": [{
                    "requester": "mimi://b.example/u/bob",
                    "room": null,
                    "requested_ms": 1_790_000_000_000_u64,
                }] }),
            ),
        Route::post("/consent", say)
            .named(
                Tag::Contacts,
                "sayConsent",
                "Asks for consent, or answers",
                "Request and cancel as the requester, grant and revoke as the target, also unasked. \
                 Another provider hears of it by delivery.",
            )
            .takes_octets(
                APPLICATION_BODY_OCTETS_MAX,
                "A `ConsentEntry` (protocol section 5.7 and 5.8).",
            )
            .answers_nothing(StatusCode::CREATED, "It is noted.")
            .refuses(&[
                StatusCode::FORBIDDEN,
                StatusCode::NOT_FOUND,
                StatusCode::NOT_IMPLEMENTED,
                StatusCode::SERVICE_UNAVAILABLE,
            ]),
    ]
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
