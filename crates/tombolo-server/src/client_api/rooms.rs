//! `PUT /rooms/{room}`: a new room hosted here (FLOW-1).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_provider::Reject;
use mimi_provider::hub::found_room::Founded;
use mimi_provider::hub::member_set::MemberSet;
use mimi_wire::MimiUri;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;
use mimi_wire::protocol::found_room::RoomFounding;
use serde::Serialize;

use super::ClientApi;
use super::request::{Octets, SignedIn, UriPath, decode};
use crate::http_error::HttpError;
use crate::provider::storage_failed;
use crate::rooms;

/// What became of a founding: 201 with the new room, or 200 with the one that these people have
/// already (POLICY-BASE-2).
#[derive(Serialize)]
pub(super) struct FoundedRoom {
    room: MimiUri,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_timestamp: Option<u64>,
}

pub(super) async fn found_room(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(room): UriPath,
    Octets(body): Octets<HANDSHAKE_BODY_OCTETS_MAX>,
) -> Result<(StatusCode, Json<FoundedRoom>), HttpError> {
    let founding: RoomFounding = decode(&body)?;
    let creator = device.identity();
    let user = &creator.user;
    let founded_before = api.provider.foundings.take(user, api.provider.now_ms());
    founded_before.map_err(HttpError::TooMany)?;
    let founded = rooms::found_room(&api.provider, &creator, &room, &founding).await?;
    Ok(match founded {
        Founded::New { accepted_timestamp } => {
            let accepted_timestamp = Some(accepted_timestamp);
            (StatusCode::CREATED, Json(FoundedRoom { room, accepted_timestamp }))
        }
        Founded::Existing(room) => {
            (StatusCode::OK, Json(FoundedRoom { room, accepted_timestamp: None }))
        }
    })
}

/// `GET /direct/{user}`: the direct room of whoever asks with a user, if it is hosted here
/// (POLICY-BASE-2).
pub(super) async fn direct_room(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    UriPath(user): UriPath,
) -> Result<Json<FoundedRoom>, HttpError> {
    let members = MemberSet::of([&device.user, &user]);
    let room = api.provider.store.room_of_members(members).await.map_err(storage_failed)?;
    match room {
        Some(room) => Ok(Json(FoundedRoom { room, accepted_timestamp: None })),
        None => Err(Reject::Unknown("you have no direct room here".to_owned()).into()),
    }
}
