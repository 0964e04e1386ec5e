//! `reportAbuse`: messages for the moderators of the room's hub (protocol section 5.9; FLOW-13).

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use mimi_provider::Reject;
use mimi_provider::hub::report_abuse::{ReportAbuseInput, report_abuse};
use mimi_provider::requester::Requester;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::directory::{Endpoint, identifier_from_path};
use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::{MimiUri, Wire};
use tokio::time::Instant;

use super::outgoing::{Post, post};
use super::strangers::at_its_time;
use super::{Call, created, malformed};
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};

pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let room = identifier_from_path(&call.variable).map_err(malformed)?;
    let report = AbuseReport::decode(&call.body).map_err(malformed)?;
    let requester = Requester::Peer(call.peer);
    let begun = Instant::now();
    let answered = answer(provider, &requester, &room, &report, &call.body).await;
    if answered.is_err() {
        at_its_time(begun).await;
    }
    // Rooms that are none of the peer's, and rooms that are not there, are the same to it.
    answered.map_err(|reject| match reject {
        Reject::Unknown(_) => Reject::Unknown("no such room".to_owned()),
        reject => reject,
    })?;
    Ok(created()) // AMB-ABU-5
}

/// A local user's report, received here or passed on to the hub the room is at, and to nobody else
/// (PROTO-ABU-1).
pub(crate) async fn from_client(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    body: Bytes,
) -> Result<(), Reject> {
    let report = AbuseReport::decode(&body).map_err(malformed)?;
    if report.reporting_user.as_ref().is_some_and(|user| !requester.speaks_for(user)) {
        return Err(Reject::PeerMisbehaved("reportingUser is another user".to_owned()));
    }
    if room.domain() == provider.domain {
        answer(provider, requester, room, &report, &body).await
    } else {
        forward(provider, requester, room, body).await
    }
}

/// Passes a report on to the room's hub. Only rooms that the client is or was in are spoken of.
async fn forward(
    provider: &Provider,
    requester: &Requester,
    room: &MimiUri,
    body: Bytes,
) -> Result<(), Reject> {
    if !was_member(provider, requester, room).await? {
        return Err(Reject::Unknown(format!("no room {room} is known here")));
    }
    let hub = room.domain();
    let request = Post {
        peer: &hub,
        endpoint: Endpoint::ReportAbuse,
        identifier: room,
        body,
        answer_octets_max: APPLICATION_BODY_OCTETS_MAX,
    };
    let answer = post(provider, &request).await.and_then(crate::peers::Answer::success);
    answer.map(drop).map_err(|error| error.into_reject(&hub))
}

/// Takes a report in as the hub; that it was received is all that is answered.
async fn answer(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    report: &AbuseReport,
    octets: &[u8],
) -> Result<(), Reject> {
    let _turn = provider.working.turn(requester).await;
    let was_member = was_member(provider, requester, room).await?;
    // Nothing in the room changes; its lock is not held while the report is judged and written.
    let (view, state) = {
        let hub = provider.rooms.hub(provider, room).await?;
        (hub.room().group.view().clone(), hub.room().state.clone())
    };
    let hub_keys = provider.franking.hub_keys();
    let input = ReportAbuseInput {
        own: &provider.domain,
        requester,
        view: &view,
        state: &state,
        was_member,
        report,
        octets,
        agent: provider.franking.agent(),
        hub_keys: &hub_keys,
        limits: &provider.limits,
        now_ms: provider.now_ms(),
    };
    let id = provider.reports.decide(provider, |queue| report_abuse(queue, &input)).await?;
    tracing::info!(id, %room, from = %requester.domain(), "a report of abuse is received");
    Ok(())
}

/// Whether a client of our own is or was in a room.
async fn was_member(
    provider: &Provider,
    requester: &Requester,
    room: &MimiUri,
) -> Result<bool, Reject> {
    let Requester::Local(device) = requester else { return Ok(false) };
    let rooms = provider.store.rooms_of(&device.user).await.map_err(storage_failed)?;
    Ok(rooms.contains(room))
}
