//! `/consent`: a user asks to contact others, and answers those who ask (PROTO-CON-1..10).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_provider::Reject;
use mimi_provider::account::OfferedKeyPackage;
use mimi_provider::consent::{LocalConsentInput, local_consent, other_user, stream_of_local};
use mimi_provider::record::{ConsentDecision, ConsentRecord, ConsentRequest};
use mimi_provider::requester::DeviceIdentity;
use mimi_wire::MimiUri;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tombolo_store::StoreError;

use super::key_packages::inspected;
use super::request::{Octets, SignedIn, decode};
use super::route::{Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};

/// How often a lost race is run again.
const TRIES_MAX: usize = 5;

/// A user's contacts, as far as they are its own business. What others have decided about it is not
/// told here: they let it know, or they do not (PROTO-CON-8).
#[derive(JsonSchema, Serialize)]
pub(super) struct Contacts {
    /// Who waits for the user's answer, oldest first: one for each requester and room.
    requests: Vec<OpenRequest>,
    /// Whom the user has asked, without an answer that was told.
    asked: Vec<AskedOf>,
    /// Whom the user lets in.
    granted: Vec<DecidedAbout>,
    /// Whom it has turned away.
    refused: Vec<DecidedAbout>,
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

/// Somebody whom the user has asked.
#[derive(JsonSchema, Serialize)]
struct AskedOf {
    /// Who is asked.
    #[schemars(with = "schema::MimiUri")]
    target: MimiUri,
    /// For this room only, or for any.
    #[schemars(with = "Option<schema::MimiUri>")]
    room: Option<MimiUri>,
    /// When it was asked.
    #[schemars(with = "schema::TimestampMs")]
    requested_ms: u64,
}

/// A decision of the user.
#[derive(JsonSchema, Serialize)]
struct DecidedAbout {
    /// About whom.
    #[schemars(with = "schema::MimiUri")]
    requester: MimiUri,
    /// For this room only, or for any.
    #[schemars(with = "Option<schema::MimiUri>")]
    room: Option<MimiUri>,
    /// When it was decided.
    #[schemars(with = "schema::TimestampMs")]
    decided_ms: u64,
}

pub(super) fn routes() -> [Route; 2] {
    [
        Route::get("/consent", contacts)
            .named(
                Tag::Contacts,
                "listContacts",
                "Who asks, who is asked, who may and who may not",
                "Requests that wait for the user's answer, its own ones that have none, and what it \
                 has decided. What others have decided is not in it.",
            )
            .answers_json::<Contacts>(
                StatusCode::OK,
                "The user's contacts.",
                json!({
                    "requests": [{
                        "requester": "mimi://b.example/u/bob",
                        "room": null,
                        "requested_ms": 1_790_000_000_000_u64,
                    }],
                    "asked": [],
                    "granted": [{
                        "requester": "mimi://c.example/u/cathy",
                        "room": "mimi://c.example/r/clubhouse",
                        "decided_ms": 1_790_000_000_000_u64,
                    }],
                    "refused": [],
                }),
            ),
        Route::post("/consent", say)
            .named(
                Tag::Contacts,
                "sayConsent",
                "Asks for consent, or answers",
                "Request and cancel as the requester, grant and revoke as the target, also unasked. \
                 Another provider hears of it by delivery. A request is answered the same whether \
                 the other user exists or not.",
            )
            .takes_octets(
                APPLICATION_BODY_OCTETS_MAX,
                "A `ConsentEntry` (protocol section 5.7 and 5.8).",
            )
            .answers_nothing(StatusCode::CREATED, "It is noted.")
            .refuses(&[
                StatusCode::FORBIDDEN,
                StatusCode::CONFLICT,
                StatusCode::SERVICE_UNAVAILABLE,
            ]),
    ]
}

/// `GET`: who asks, who is asked, who may and who may not.
pub(super) async fn contacts(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
) -> Result<Json<Contacts>, HttpError> {
    let (store, user) = (&api.provider.store, &device.user);
    let open = store.consent_requests(user).await.map_err(storage_failed)?;
    let asked = store.consent_asked(user).await.map_err(storage_failed)?;
    let decided = store.consents_of(user).await.map_err(storage_failed)?;
    let request = |request: ConsentRequest| OpenRequest {
        requester: request.requester,
        room: request.room,
        requested_ms: request.requested_ms,
    };
    let asked_of = |asked: ConsentRequest| AskedOf {
        target: asked.target,
        room: asked.room,
        requested_ms: asked.requested_ms,
    };
    let about = |record: ConsentRecord| DecidedAbout {
        requester: record.requester,
        room: record.room,
        decided_ms: record.decided_ms,
    };
    let is_granted = |record: &ConsentRecord| record.granted == ConsentDecision::Granted;
    let (granted, refused): (Vec<_>, Vec<_>) = decided.into_iter().partition(is_granted);
    Ok(Json(Contacts {
        requests: open.into_iter().map(request).collect(),
        asked: asked.into_iter().map(asked_of).collect(),
        granted: granted.into_iter().map(about).collect(),
        refused: refused.into_iter().map(about).collect(),
    }))
}

/// `POST`: request and cancel, as the requester; grant and revoke, as the target. What another
/// provider must hear of it goes out by delivery, directly to it (PROTO-CON-2). The answer to a
/// request takes the same whether the other user exists or not.
pub(super) async fn say(
    State(api): State<ClientApi>,
    device: SignedIn,
    Octets(octets): Octets<APPLICATION_BODY_OCTETS_MAX>,
) -> Result<StatusCode, HttpError> {
    let entry: ConsentEntry = decode(&octets)?;
    let (actor, provider) = (device.identity(), &api.provider);
    let key_packages = match &entry.operation {
        ConsentOperation::Grant { client_key_packages } => {
            inspected(provider, client_key_packages.clone()).await?
        }
        ConsentOperation::Request if entry.requester_uri == actor.user => {
            provider.spend_own_request(&actor.user, &entry.target_uri)?;
            Vec::new()
        }
        _ => Vec::new(),
    };
    for _ in 0..TRIES_MAX {
        match attempt(&api, &actor, &entry, &key_packages).await? {
            Ok(()) => return Ok(StatusCode::CREATED),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(storage_failed(error).into()),
        }
    }
    Err(Reject::Unavailable("much happens to this user at once; try again".to_owned()).into())
}

async fn attempt(
    api: &ClientApi,
    actor: &DeviceIdentity,
    entry: &ConsentEntry,
    key_packages: &[OfferedKeyPackage],
) -> Result<Result<(), StoreError>, HttpError> {
    let provider = &api.provider;
    let store = &provider.store;
    let (user, other) = (&actor.user, other_user(&actor.user, entry));
    let asked = store.consent_asked(user).await.map_err(storage_failed)?;
    let open_requests = store.consent_requests(user).await.map_err(storage_failed)?;
    let consents = store.consents(user, other).await.map_err(storage_failed)?;
    let back = store.consents(other, user).await.map_err(storage_failed)?;
    let counts = store.consent_counts(user).await.map_err(storage_failed)?;
    let stream = stream_of_local(&provider.domain, entry);
    let transition = local_consent(&LocalConsentInput {
        own: &provider.domain,
        actor,
        entry,
        key_packages,
        asked: &asked,
        open_requests: &open_requests,
        consents: &consents,
        back: &back,
        counts,
        other_clients: &clients_of_ours(provider, other, key_packages).await?,
        last_seq: store.last_seq(&stream).await.map_err(storage_failed)?,
        now_ms: provider.now_ms(),
    })?;
    Ok(provider.apply(transition).await)
}

/// The clients that KeyPackages of a grant could be for.
async fn clients_of_ours(
    provider: &Provider,
    user: &MimiUri,
    key_packages: &[OfferedKeyPackage],
) -> Result<Vec<MimiUri>, HttpError> {
    if key_packages.is_empty() {
        return Ok(Vec::new());
    }
    let devices = provider.store.devices(user).await.map_err(storage_failed)?;
    Ok(devices.into_iter().map(|device| device.client).collect())
}
