//! `groupInfo`: what a client needs to join a room by itself (protocol section 5.6; FLOW-9..11).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use mimi_mls::identity::{claimed_domain, identify};
use mimi_mls::label::{encrypt_with_label, verify_with_label};
use mimi_policy::RoomView;
use mimi_provider::hub::group_info::{Authorized, GroupInfoInput, group_info};
use mimi_provider::hub::update::parent_of;
use mimi_provider::requester::Requester;
use mimi_provider::{Reject, reply};
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;
use mimi_wire::mls::GroupInfo;
use mimi_wire::mls::{ExternalSender, RatchetTree};
use mimi_wire::protocol::directory::{Endpoint, identifier_from_path};
use mimi_wire::protocol::group_info::{
    GROUP_INFO_ENCRYPTION_LABEL, GROUP_INFO_REQUEST_LABEL, GROUP_INFO_RESPONSE_LABEL,
    GroupInfoOutcome, GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoResponse,
    GroupInfoSuccess,
};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::{MimiUri, Wire};
use tokio::time::Instant;

use super::outgoing::{Post, post};
use super::staging::{Obstacle, Retries, parent_among};
use super::strangers::at_its_time;
use super::{Call, malformed, octets};
use crate::http_error::HttpError;
use crate::peers::Answer;
use crate::provider::Provider;

/// Octets an answer may have: a GroupInfo and a tree, encrypted.
const ANSWER_OCTETS_MAX: usize = HANDSHAKE_BODY_OCTETS_MAX;

pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let room = identifier_from_path(&call.variable).map_err(malformed)?;
    let request = GroupInfoRequest::decode(&call.body).map_err(malformed)?;
    let response = answer(provider, &Requester::Peer(call.peer), &room, &request).await?;
    Ok(octets(response.encode()))
}

/// A local client asks, us or the hub the room is at.
pub(crate) async fn from_client(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    body: Bytes,
) -> Result<GroupInfoResponse, Reject> {
    let request = GroupInfoRequest::decode(&body).map_err(malformed)?;
    if room.domain() == provider.domain {
        answer(provider, requester, room, &request).await
    } else {
        forward(provider, room, body).await
    }
}

/// Passes a request on to the room's hub.
async fn forward(
    provider: &Provider,
    room: &MimiUri,
    body: Bytes,
) -> Result<GroupInfoResponse, Reject> {
    let hub = room.domain();
    let request = Post {
        peer: &hub,
        endpoint: Endpoint::GroupInfo,
        identifier: room,
        body,
        answer_octets_max: ANSWER_OCTETS_MAX,
    };
    let answer = post(provider, &request).await.and_then(Answer::success);
    let answer = answer.map_err(|error| error.into_reject(&hub))?;
    GroupInfoResponse::decode(&answer.body)
        .map_err(|error| Reject::Unavailable(format!("{hub}: an unusable answer: {error}")))
}

/// Answers as the hub, in the terms of the body where it has any.
async fn answer(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &GroupInfoRequest,
) -> Result<GroupInfoResponse, Reject> {
    let (begun, mut retries) = (Instant::now(), Retries::default());
    loop {
        let parents = retries.parents().clone();
        let obstacle = match attempt(provider, requester, room, request, &parents).await {
            Ok(response) => return Ok(response),
            Err(obstacle) => obstacle,
        };
        if let Err(reject) = retries.overcome(provider, obstacle).await {
            tracing::debug!(%room, %reject, "group info refused");
            if matches!(requester, Requester::Peer(_)) {
                at_its_time(begun).await;
            }
            return reply::group_info(room, &reject).ok_or(reject);
        }
    }
}

async fn attempt(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &GroupInfoRequest,
    parents: &BTreeMap<MimiUri, RoomView>,
) -> Result<GroupInfoResponse, Obstacle> {
    let _turn = provider.working.turn(requester).await;
    let now_ms = provider.now_ms();
    let tbs = &request.tbs;
    verify(request)?;
    // Whose issuers are looked up is not for others to choose (AMB-TR-6).
    if claimed_domain(&tbs.requesting_credential)? != requester.domain() {
        let reason = "the credential is of another provider's client".to_owned();
        return Err(Reject::NotAllowed(reason).into());
    }
    let issuers = provider.peers.issuers();
    let key = &tbs.requesting_signature_key;
    let identity = identify(&tbs.requesting_credential, key, &issuers, now_ms)?;
    let mut hub = provider.rooms.hub(provider, room).await?;
    let parent = parent_among(parents, parent_of(hub.room().group.view()))?;
    // Who has guessed too often is answered as if it had no code, which tells it nothing.
    let joining_code = tbs.joining_code.as_ref().map(|code| code.code.as_slice());
    let guesses = &provider.code_guesses;
    let joining_code = joining_code.filter(|_| guesses.take(&identity.user, now_ms));
    let transition = group_info(
        &hub.room().state,
        &GroupInfoInput {
            own: &provider.domain,
            requester,
            view: hub.room().group.view(),
            identity: &identity,
            signature_key: key,
            parent,
            joining_code,
            now_ms,
        },
    )?;
    if joining_code.is_some() {
        guesses.give_back(&identity.user);
    }
    let (authorized, recorded) = hub.record(provider, transition, None)?;
    let group = &hub.room().group;
    let material = Material {
        group_info: group.group_info().clone(),
        ratchet_tree: group.ratchet_tree(),
        hub_sender: group.hub_sender().clone(),
    };
    drop(hub);
    recorded.durable().await?;
    Ok(material.seal(provider, room, request, authorized)?)
}

/// PROTO-GI-1. The signature counts if it is right for any reading of the request (AMB-GI-1).
fn verify(request: &GroupInfoRequest) -> Result<(), Reject> {
    let tbs = &request.tbs;
    let is_signed = request.signed_octets().iter().any(|signed| {
        let (suite, key) = (tbs.cipher_suite, &tbs.requesting_signature_key);
        verify_with_label(suite, key, GROUP_INFO_REQUEST_LABEL, signed, &request.signature).is_ok()
    });
    if is_signed {
        return Ok(());
    }
    Err(Reject::NotAllowed("the signature is not the requester's".to_owned()))
}

/// What a joiner gets of the room, as of one epoch.
struct Material {
    group_info: GroupInfo,
    ratchet_tree: RatchetTree,
    hub_sender: ExternalSender,
}

impl Material {
    /// Encrypted to the requester and signed by the hub (PROTO-GI-3, PROTO-GI-4).
    fn seal(
        self,
        provider: &Provider,
        room: &MimiUri,
        request: &GroupInfoRequest,
        authorized: Authorized,
    ) -> Result<GroupInfoResponse, Reject> {
        let tbe = GroupInfoRatchetTreeTbe {
            group_info: self.group_info,
            ratchet_tree: RatchetTreeOption::Full(self.ratchet_tree),
            pending_proposals: authorized.pending_proposals,
        };
        let suite = request.tbs.cipher_suite;
        let encrypted = encrypt_with_label(
            suite,
            &request.tbs.group_info_public_key,
            GROUP_INFO_ENCRYPTION_LABEL,
            room.as_bytes(), // AMB-GI-3
            &tbe.encode(),
        );
        // AMB-GI-2: the suite is the requester's choice, and must be one we can serve.
        let encrypted = encrypted.map_err(|error| Reject::NotAllowed(error.to_string()))?;
        let success = GroupInfoSuccess {
            cipher_suite: suite,
            hub_sender: self.hub_sender,
            encrypted_group_info_and_tree: encrypted,
            signature: Vec::new(),
        };
        let outcome = GroupInfoOutcome::Success(success);
        let mut response = GroupInfoResponse { room_id: room.clone(), outcome };
        let signed = response.to_be_signed();
        let signature = provider.hub_keys.sign_with_label(GROUP_INFO_RESPONSE_LABEL, &signed);
        if let GroupInfoOutcome::Success(success) = &mut response.outcome {
            success.signature = signature;
        }
        Ok(response)
    }
}
