//! `keyMaterial`: KeyPackages of a user's clients (protocol section 5.2; FLOW-2, FLOW-3).
//!
//! Within a room the way is: client, its provider, the room's hub, the target's provider
//! (PROTO-KM-2). This provider may be any of the last three at once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode};
use mimi_mls::identity::{IdentityError, claimed, identify};
use mimi_mls::key_package::satisfies;
use mimi_mls::label::verify_with_label;
use mimi_policy::ClientIdentity;
use mimi_provider::consent::{Consent, Disclosure};
use mimi_provider::hub::key_material::Route;
use mimi_provider::key_material::{
    Asker, ClientStock, KEY_PACKAGE_ENDING_MS, KEY_PACKAGE_VALID_MS_MIN, KeyMaterialInput, consent,
    is_signed_in, key_material, well_addressed,
};
use mimi_provider::record::StoredKeyPackage;
use mimi_provider::requester::Requester;
use mimi_provider::{Reject, reply};
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;
use mimi_wire::mls::{Capabilities, RequiredCapabilities};
use mimi_wire::protocol::directory::{Endpoint, identifier_from_path};
use mimi_wire::protocol::key_material::{
    KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest, KeyMaterialRequestTbs, KeyMaterialResponse,
};
use mimi_wire::{Domain, MimiUri, Wire};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tombolo_store::StoreError;

use super::outgoing::{Post, post};
use super::staging::{Obstacle, Retries};
use super::{Call, malformed, octets};
use crate::http_error::HttpError;
use crate::peers::{Answer, PeerError};
use crate::provider::{Provider, storage_failed};

/// KeyPackages of one client and suite that are looked at first: all of them are alike, as a rule.
const PACKAGES_FIRST: usize = 8;
/// And that are looked at where none of these fits.
const PACKAGES_MAX: usize = 1_000;
/// When a stranger is answered, after its request was begun with: reading a decision that there is takes
/// some microseconds longer than finding none, and that is nobody's business.
const STRANGERS_ANSWER: Duration = Duration::from_millis(5);

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
) -> Result<KeyMaterialResponse, HttpError> {
    // Before signatures are verified, and whoever is asked for.
    provider.spend_key_material(Some(&peer), &request.tbs.requesting_user)?;
    match &request.tbs.room_id {
        Some(room) if room.domain() == provider.domain => {
            at_hub(provider, &Requester::Peer(peer), room, request, body).await
        }
        _ => {
            let asker = Asker::Peer(peer.clone());
            at_target(provider, &asker, Some(&peer), request).await
        }
    }
}

/// A local client asks: we answer, or its request goes on to the room's hub, or, outside any room,
/// to the target's provider.
pub(crate) async fn from_client(
    provider: &Arc<Provider>,
    requester: &Requester,
    target: &MimiUri,
    body: Bytes,
) -> Result<KeyMaterialResponse, HttpError> {
    let request = decode(target, &body)?;
    if !requester.speaks_for(&request.tbs.requesting_user) {
        return Err(Reject::PeerMisbehaved("requestingUser is another user".to_owned()).into());
    }
    provider.spend_key_material(None, &request.tbs.requesting_user)?;
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
            at_target(provider, &asker, None, &request).await
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
) -> Result<KeyMaterialResponse, HttpError> {
    let target = &request.tbs.target_user;
    match route(provider, requester, room, request).await {
        Ok(Route::Here(checked)) => {
            let peer = match requester {
                Requester::Peer(peer) => Some(peer),
                Requester::Local(_) => None,
            };
            at_target(provider, &Asker::OurRoom(checked), peer, request).await
        }
        Ok(Route::Forward(domain)) => forward(provider, &domain, target, body.clone()).await,
        Err(reject) => Ok(reply::key_material(target, &reject).ok_or(reject)?),
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
) -> Result<KeyMaterialResponse, HttpError> {
    let request = Post {
        peer: to,
        endpoint: Endpoint::KeyMaterial,
        identifier: target,
        body,
        answer_octets_max: HANDSHAKE_BODY_OCTETS_MAX,
    };
    let answer = post(provider, &request).await.and_then(Answer::success);
    let answer = answer.map_err(|error| match error {
        // Whoever asked is told when to ask again.
        PeerError::Refused {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(after),
            ..
        } => HttpError::TooMany(after.as_secs().max(1)),
        error => error.into_reject(to).into(),
    })?;
    let response = KeyMaterialResponse::decode(&answer.body);
    Ok(response
        .map_err(|error| Reject::Unavailable(format!("{to}: an unusable answer: {error}")))?)
}

/// Answers as the target's provider, in the terms of the body where it has any. `peer` has brought
/// the request, unless one of our own clients did.
async fn at_target(
    provider: &Arc<Provider>,
    asker: &Asker,
    peer: Option<&Domain>,
    request: &KeyMaterialRequest,
) -> Result<KeyMaterialResponse, HttpError> {
    let mut retries = Retries::default();
    let mut budget = ReleaseBudget { peer, is_spent: false };
    loop {
        let obstacle = match attempt(provider, asker, &mut budget, request).await {
            Ok(response) => return Ok(response),
            Err(Hindrance::TooMany(error)) => return Err(error),
            Err(Hindrance::Obstacle(obstacle)) => obstacle,
        };
        if let Err(reject) = retries.overcome(provider, obstacle).await {
            let target = &request.tbs.target_user;
            tracing::debug!(%target, %reject, "key material refused");
            return Ok(reply::key_material(target, &reject).ok_or(reject)?);
        }
    }
}

/// Whose budget KeyPackages are given from: once for a request, however often it is tried.
struct ReleaseBudget<'a> {
    peer: Option<&'a Domain>,
    is_spent: bool,
}

impl ReleaseBudget<'_> {
    /// AMB-KM-9: a repeat is served like any other request, and counted by its octets.
    fn spend(
        &mut self,
        provider: &Provider,
        request: &KeyMaterialRequest,
    ) -> Result<(), HttpError> {
        if !self.is_spent {
            let digest = Sha256::digest(request.tbs.encode()).into();
            provider.spend_release(self.peer, &request.tbs.target_user, digest)?;
            self.is_spent = true;
        }
        Ok(())
    }
}

/// Why an attempt came to nothing.
enum Hindrance {
    Obstacle(Obstacle),
    TooMany(HttpError),
}

impl From<Obstacle> for Hindrance {
    fn from(obstacle: Obstacle) -> Self {
        Self::Obstacle(obstacle)
    }
}

impl From<Reject> for Hindrance {
    fn from(reject: Reject) -> Self {
        Self::Obstacle(reject.into())
    }
}

impl From<StoreError> for Hindrance {
    fn from(error: StoreError) -> Self {
        Self::Obstacle(error.into())
    }
}

async fn attempt(
    provider: &Arc<Provider>,
    asker: &Asker,
    budget: &mut ReleaseBudget<'_>,
    request: &KeyMaterialRequest,
) -> Result<KeyMaterialResponse, Hindrance> {
    let (begun, now_ms) = (Instant::now(), provider.now_ms());
    well_addressed(&provider.domain, asker, request)?;
    let identity = verify(provider, request, now_ms)?;
    let KeyMaterialRequestTbs { target_user: target, requesting_user: requester, .. } =
        &request.tbs;
    if requester.domain() == provider.domain {
        let devices = provider.store.devices(requester).await?;
        is_signed_in(&devices, &identity.client, &request.tbs.requester_signature_key)?;
    }
    let contact = &provider.config.contact;
    let consents = provider.store.consents(target, requester).await?;
    let consent = consent(request, &consents, contact.default);
    let decide = |clients: Option<&[ClientStock]>, last_seq| {
        key_material(&KeyMaterialInput {
            own: &provider.domain,
            asker,
            request,
            identity: &identity,
            consent,
            disclosure: contact.disclosure,
            clients,
            satisfies: &|package| covers(package, &request.tbs.required_capabilities),
            last_seq,
            now_ms,
        })
    };
    // PROTO-KM-6: for a stranger nothing of the target is read, so that the answer takes the same
    // for every target, existing or not.
    if consent != Consent::Granted && contact.disclosure == Disclosure::Masked {
        let response = provider.apply(decide(None, 0)?).await?;
        tokio::time::sleep_until(begun + STRANGERS_ANSWER).await;
        return Ok(response);
    }
    let _turn = provider.turns.take(target).await;
    let clients = clients(provider, request, now_ms).await?;
    let last_seq = provider.store.last_seq(target).await?;
    let transition = decide(clients.as_deref(), last_seq)?;
    if !transition.changes.is_empty() {
        budget.spend(provider, request).map_err(Hindrance::TooMany)?;
    }
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
    request: &KeyMaterialRequest,
    now_ms: u64,
) -> Result<Option<Vec<ClientStock>>, Obstacle> {
    let (store, target) = (&provider.store, &request.tbs.target_user);
    if store.account(target).await?.is_none() {
        return Ok(None);
    }
    let mut clients = Vec::new();
    for device in store.devices(target).await.map_err(storage_failed)? {
        clients.push(stock_of(provider, request, device.client, now_ms).await?);
    }
    Ok(Some(clients))
}

/// What a client has of the acceptable suites; all of it only where the first few do not fit.
async fn stock_of(
    provider: &Provider,
    request: &KeyMaterialRequest,
    client: MimiUri,
    now_ms: u64,
) -> Result<ClientStock, Obstacle> {
    let (store, tbs) = (&provider.store, &request.tbs);
    let usable_ms = now_ms.saturating_add(KEY_PACKAGE_VALID_MS_MIN);
    let stock = store.key_package_stock(&client, usable_ms).await?;
    let mut packages = Vec::new();
    for suite in stock.iter().filter(|it| tbs.acceptable_ciphersuites.contains(&it.ciphersuite)) {
        let suite = suite.ciphersuite;
        let lasting_ms = now_ms.saturating_add(KEY_PACKAGE_ENDING_MS);
        let first = store.key_packages(&client, suite, lasting_ms, PACKAGES_FIRST).await?;
        if first.iter().any(|package| covers(package, &tbs.required_capabilities)) {
            packages.extend(first);
        } else {
            packages.extend(store.key_packages(&client, suite, usable_ms, PACKAGES_MAX).await?);
        }
    }
    Ok(ClientStock { client, packages, stock })
}

/// PROTO-KM-9.
fn covers(package: &StoredKeyPackage, required: &RequiredCapabilities) -> bool {
    Capabilities::decode(&package.capabilities)
        .is_ok_and(|capabilities| satisfies(&capabilities, required))
}
