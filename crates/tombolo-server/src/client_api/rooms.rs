//! `PUT /rooms/{room}`: a new room hosted here (FLOW-1).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;
use mimi_wire::protocol::found_room::RoomFounding;
use serde::Serialize;

use super::ClientApi;
use super::request::{Octets, SignedIn, UriPath, decode};
use crate::http_error::HttpError;
use crate::rooms;

#[derive(Serialize)]
pub(super) struct Founded {
    accepted_timestamp: u64,
}

pub(super) async fn found_room(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(room): UriPath,
    Octets(body): Octets<HANDSHAKE_BODY_OCTETS_MAX>,
) -> Result<(StatusCode, Json<Founded>), HttpError> {
    let founding: RoomFounding = decode(&body)?;
    let creator = device.identity();
    let founded = rooms::found_room(&api.provider, &creator, &room, &founding).await?;
    let accepted_timestamp = founded.accepted_timestamp;
    Ok((StatusCode::CREATED, Json(Founded { accepted_timestamp })))
}
