//! `submitMessage`: application messages into a room's log (protocol section 5.4; FLOW-4).

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use mimi_mls::hub::application_frame;
use mimi_provider::franking::Franking;
use mimi_provider::hub::submit_message::{SubmitMessageInput, submit_message};
use mimi_provider::requester::Requester;
use mimi_provider::{Reject, reply};
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::directory::{Endpoint, identifier_from_path};
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::{MimiUri, Wire};
use tokio::time::Instant;

use super::outgoing::{Post, post};
use super::staging::{Obstacle, Retries};
use super::strangers::told;
use super::{Call, malformed, octets};
use crate::http_error::HttpError;
use crate::provider::Provider;

pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let room = identifier_from_path(&call.variable).map_err(malformed)?;
    let request = SubmitMessageRequest::decode(&call.body).map_err(malformed)?;
    let requester = Requester::Peer(call.peer);
    let response = answer(provider, &requester, &room, &request).await?;
    Ok(octets(response.encode()))
}

/// A local client's message, accepted here or by the hub the room is at.
pub(crate) async fn from_client(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    body: Bytes,
) -> Result<SubmitMessageResponse, Reject> {
    let request = SubmitMessageRequest::decode(&body).map_err(malformed)?;
    if !requester.speaks_for(&request.sending_uri) {
        return Err(Reject::PeerMisbehaved("sendingUri is another user".to_owned()));
    }
    if room.domain() == provider.domain {
        answer(provider, requester, room, &request).await
    } else {
        forward(provider, room, body).await
    }
}

/// Passes a message on to the room's hub.
async fn forward(
    provider: &Provider,
    room: &MimiUri,
    body: Bytes,
) -> Result<SubmitMessageResponse, Reject> {
    let hub = room.domain();
    let request = Post {
        peer: &hub,
        endpoint: Endpoint::SubmitMessage,
        identifier: room,
        body,
        answer_octets_max: APPLICATION_BODY_OCTETS_MAX,
    };
    let answer = post(provider, &request).await.and_then(crate::peers::Answer::success);
    let answer = answer.map_err(|error| error.into_reject(&hub))?;
    SubmitMessageResponse::decode(&answer.body)
        .map_err(|error| Reject::Unavailable(format!("{hub}: an unusable answer: {error}")))
}

/// Answers as the hub, in the terms of the body where it has any.
async fn answer(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &SubmitMessageRequest,
) -> Result<SubmitMessageResponse, Reject> {
    let (begun, mut retries) = (Instant::now(), Retries::default());
    loop {
        let obstacle = match attempt(provider, requester, room, request).await {
            Ok(response) => return Ok(response),
            Err(obstacle) => obstacle,
        };
        if let Err(reject) = retries.overcome(provider, obstacle).await {
            tracing::debug!(%room, %reject, "message refused");
            let reject = told(provider, requester, room, reject, begun).await;
            return reply::submit_message(&reject).ok_or(reject);
        }
    }
}

async fn attempt(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &SubmitMessageRequest,
) -> Result<SubmitMessageResponse, Obstacle> {
    let frame = application_frame(&request.app_message)
        .map_err(|error| Reject::Malformed(error.to_string()))?; // PROTO-SUB-1
    let hub_keys = provider.franking.hub_keys();
    let turn = provider.working.turn(requester).await;
    provider.growth.check(requester, room, provider.now_ms())?;
    let mut hub = provider.rooms.hub(provider, room).await?;
    let input = SubmitMessageInput {
        own: &provider.domain,
        requester,
        view: hub.room().group.view(),
        index: hub.room().group.index(),
        readership: hub.room().readership(&provider.domain),
        group_id: hub.room().group.group_id(),
        request,
        frame_group_id: &frame.group_id,
        frame_epoch: frame.epoch,
        franking: Some(Franking {
            agent: provider.franking.agent(),
            hub_keys: &hub_keys,
            suite: hub.room().group.suite(),
            authenticated_data: &frame.authenticated_data,
        }),
        now_ms: provider.now_ms(),
    };
    let transition = submit_message(&hub.room().state, &input)?;
    if transition.changes.is_empty() {
        // A repeat; the first may still be on its way to the disk.
        hub.barrier(provider).await?;
        return Ok(transition.reply);
    }
    provider.growth.add(requester, room, &transition.changes, provider.now_ms());
    let (response, recorded) = hub.record(provider, transition, None)?;
    drop((hub, turn));
    recorded.durable().await?;
    Ok(response)
}
