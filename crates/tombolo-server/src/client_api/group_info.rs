//! `POST /rooms/{room}/group-info`: what a client needs to come into a room by itself, from the
//! room's hub (PROTO-GI-1..5).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use mimi_wire::Wire;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;

use super::request::{Octets, SignedIn, UriPath, binary};
use super::route::{ASKS_A_PROVIDER, Route, Tag};
use super::{ClientApi, schema};
use crate::federation;
use crate::http_error::HttpError;

pub(super) fn route() -> Route {
    Route::post("/rooms/{room}/group-info", group_info)
        .named(
            Tag::Rooms,
            "fetchGroupInfo",
            "What a client needs to come in by itself",
            "From the room's hub, for an external commit: by a new device of a participant, or into a \
             room that lets in whoever comes, whoever has a code, or whoever holds a certificate it asks \
             for. A refusal of the hub is in the answer's body.",
        )
        .takes(schema::room())
        .takes_octets(APPLICATION_BODY_OCTETS_MAX, "A `GroupInfoRequest` (protocol section 5.6).")
        .answers_octets(StatusCode::OK, "A `GroupInfoResponse`.")
        .refuses(&ASKS_A_PROVIDER)
}

pub(super) async fn group_info(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(room): UriPath,
    Octets(body): Octets<APPLICATION_BODY_OCTETS_MAX>,
) -> Result<Response, HttpError> {
    let requester = device.requester();
    let asked = federation::group_info::from_client(&api.provider, &requester, &room, body);
    Ok(binary(asked.await?.encode()))
}
