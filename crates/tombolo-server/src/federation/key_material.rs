//! `keyMaterial`: KeyPackages of a user's clients (protocol section 5.2; FLOW-2, FLOW-3).
//!
//! Within a room the way is: client, its provider, the room's hub, the target's provider
//! (PROTO-KM-2). This provider may be any of the last three at once.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use mimi_mls::identity::{IdentityError, claimed, identify};
use mimi_mls::key_package::satisfies;
use mimi_mls::label::verify_with_label;
use mimi_policy::ClientIdentity;
use mimi_provider::hub::key_material::Route;
use mimi_provider::key_material::{
    Asker, ClientStock, KeyMaterialInput, key_material, well_addressed,
};
use mimi_provider::record::StoredKeyPackage;
use mimi_provider::requester::Requester;
use mimi_provider::{Reject, reply};
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;
use mimi_wire::mls::{Capabilities, RequiredCapabilities};
use mimi_wire::protocol::directory::{Endpoint, identifier_from_path};
use mimi_wire::protocol::key_material::{
    KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest, KeyMaterialResponse,
};
use mimi_wire::{Domain, MimiUri, Wire};

use super::outgoing::{Post, post};
use super::staging::{Obstacle, Retries};
use super::{Call, malformed, octets};
use crate::http_error::HttpError;
use crate::peers::Answer;
use crate::provider::{Provider, storage_failed};

/// KeyPackages of one client that are looked at to find a compatible one.
const PACKAGES_LOOKED_AT: usize = 64;

pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let target = identifier_from_path(&call.variable).map_err(malformed)?;
    if let Some(response) = KeyMaterialRequest::incompatible_protocol(&call.body) {
        return Ok(octets(response.encode())); // WIRE-4
    }
    let request = decode(&target, &call.body)?;
    let response = from_peer(provider, call.peer, &request, &call.body).await?;
    Ok(octets(response.encode()))
}

fn decode(target: &MimiUri, body: &[u8]) -> Result<KeyMaterialRequest, Reject> {
    let request = KeyMaterialRequest::decode(body).map_err(malformed)?;
    if request.tbs.target_user != *target {
        return Err(malformed("targetUser is not the user in the path")); // PROTO-KM-1
    }
    Ok(request)
}

/// A peer asks: as the hub of the room, or through us as the hub, or outside any room.
async fn from_peer(
    provider: &Arc<Provider>,
    peer: Domain,
    request: &KeyMaterialRequest,
    body: &Bytes,
) -> Result<KeyMaterialResponse, Reject> {
    match &request.tbs.room_id {
        Some(room) if room.domain() == provider.domain => {
            at_hub(provider, &Requester::Peer(peer), room, request, body).await
        }
        _ => at_target(provider, &Asker::Peer(peer), request).await,
    }
}

/// A local client asks: we answer, or its request goes on to the room's hub, or, outside any room,
/// to the target's provider.
pub(crate) async fn from_client(
    provider: &Arc<Provider>,
    requester: &Requester,
    target: &MimiUri,
    body: Bytes,
) -> Result<KeyMaterialResponse, Reject> {
    let request = decode(target, &body)?;
    if !requester.speaks_for(&request.tbs.requesting_user) {
        return Err(Reject::PeerMisbehaved("requestingUser is another user".to_owned()));
    }
    let own = &provider.domain;
    match &request.tbs.room_id {
        Some(room) if room.domain() == *own => {
            at_hub(provider, requester, room, &request, &body).await
        }
        Some(room) => forward(provider, &room.domain(), target, body).await,
        None if target.domain() == *own => {
            let asker = match requester.clone() {
                Requester::Peer(domain) => Asker::Peer(domain),
                Requester::Local(device) => Asker::Local(device),
            };
            at_target(provider, &asker, &request).await
        }
        None => forward(provider, &target.domain(), target, body).await,
    }
}

/// Answers as the room's hub (AMB-KM-8), which may have to ask the target's provider.
async fn at_hub(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &KeyMaterialRequest,
    body: &Bytes,
) -> Result<KeyMaterialResponse, Reject> {
    let target = &request.tbs.target_user;
    match route(provider, requester, room, request).await {
        Ok(Route::Here(checked)) => at_target(provider, &Asker::OurRoom(checked), request).await,
        Ok(Route::Forward(domain)) => forward(provider, &domain, target, body.clone()).await,
        Err(reject) => reply::key_material(target, &reject).ok_or(reject),
    }
}

async fn route(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &KeyMaterialRequest,
) -> Result<Route, Reject> {
    let hub = provider.rooms.hub(provider, room).await?;
    let room = hub.room();
    let own = &provider.domain;
    mimi_provider::hub::key_material::key_material(
        &room.state,
        own,
        requester,
        room.group.view(),
        request,
    )
}

/// Passes the request on, octet for octet: the signature is end to end (PROTO-KM-14).
async fn forward(
    provider: &Provider,
    to: &Domain,
    target: &MimiUri,
    body: Bytes,
) -> Result<KeyMaterialResponse, Reject> {
    let request = Post {
        peer: to,
        endpoint: Endpoint::KeyMaterial,
        identifier: target,
        body,
        answer_octets_max: HANDSHAKE_BODY_OCTETS_MAX,
    };
    let answer = post(provider, &request).await.and_then(Answer::success);
    let answer = answer.map_err(|error| error.into_reject(to))?;
    KeyMaterialResponse::decode(&answer.body)
        .map_err(|error| Reject::Unavailable(format!("{to}: an unusable answer: {error}")))
}

/// Answers as the target's provider, in the terms of the body where it has any.
async fn at_target(
    provider: &Arc<Provider>,
    asker: &Asker,
    request: &KeyMaterialRequest,
) -> Result<KeyMaterialResponse, Reject> {
    let mut retries = Retries::default();
    loop {
        let obstacle = match attempt(provider, asker, request).await {
            Ok(response) => return Ok(response),
            Err(obstacle) => obstacle,
        };
        if let Err(reject) = retries.overcome(provider, obstacle).await {
            let target = &request.tbs.target_user;
            tracing::debug!(%target, %reject, "key material refused");
            return reply::key_material(target, &reject).ok_or(reject);
        }
    }
}

async fn attempt(
    provider: &Arc<Provider>,
    asker: &Asker,
    request: &KeyMaterialRequest,
) -> Result<KeyMaterialResponse, Obstacle> {
    let now_ms = provider.now_ms();
    well_addressed(&provider.domain, asker, request)?;
    let identity = verify(provider, request, now_ms)?;
    let target = &request.tbs.target_user;
    let _turn = provider.turns.take(target).await;
    let clients = clients(provider, target, now_ms).await?;
    let requester = &request.tbs.requesting_user;
    let consents = provider.store.consents(target, requester).await?;
    let last_seq = provider.store.last_seq(target).await?;
    let required = &request.tbs.required_capabilities;
    let transition = key_material(&KeyMaterialInput {
        own: &provider.domain,
        asker,
        request,
        identity: &identity,
        clients: clients.as_deref(),
        consents: &consents,
        satisfies: &|package| covers(package, required),
        last_seq,
        now_ms,
    })?;
    Ok(provider.apply(transition).await?)
}

/// Signature and credential of a request (PROTO-KM-5). What is wrong with them is no matter of the
/// body: 403 (AMB-KM-3).
fn verify(
    provider: &Provider,
    request: &KeyMaterialRequest,
    now_ms: u64,
) -> Result<ClientIdentity, Obstacle> {
    let misbehaved = |reason: &str| Obstacle::Reject(Reject::PeerMisbehaved(reason.to_owned()));
    let tbs = &request.tbs;
    let key = &tbs.requester_signature_key;
    let signed = tbs.encode();
    // AMB-KM-1: the signing suite stands first; one of the others is taken as well.
    let is_signed = tbs.acceptable_ciphersuites.iter().any(|suite| {
        let label = KEY_MATERIAL_REQUEST_LABEL;
        verify_with_label(*suite, key, label, &signed, &request.signature).is_ok()
    });
    if !is_signed {
        return Err(misbehaved("the signature is not the requester's"));
    }
    let proves_nothing = |error: IdentityError| match Obstacle::from(error) {
        Obstacle::Reject(reject) => misbehaved(&reject.to_string()),
        obstacle => obstacle,
    };
    // Before any issuers are looked up.
    if claimed(&tbs.requester_credential).map_err(proves_nothing)?.user != tbs.requesting_user {
        return Err(misbehaved("the credential is not the requesting user's"));
    }
    let issuers = provider.peers.issuers();
    identify(&tbs.requester_credential, key, &issuers, now_ms).map_err(proves_nothing)
}

/// The target's clients with their stock; `None`: no such user.
async fn clients(
    provider: &Provider,
    target: &MimiUri,
    now_ms: u64,
) -> Result<Option<Vec<ClientStock>>, Obstacle> {
    let store = &provider.store;
    if store.account(target).await?.is_none() {
        return Ok(None);
    }
    let mut clients = Vec::new();
    for device in store.devices(target).await.map_err(storage_failed)? {
        let client = device.client;
        let packages = store.key_packages(&client, now_ms, PACKAGES_LOOKED_AT).await?;
        let stock = store.key_package_stock(&client, now_ms).await?;
        clients.push(ClientStock { client, packages, stock });
    }
    Ok(Some(clients))
}

/// PROTO-KM-9.
fn covers(package: &StoredKeyPackage, required: &RequiredCapabilities) -> bool {
    Capabilities::decode(&package.capabilities)
        .is_ok_and(|capabilities| satisfies(&capabilities, required))
}
