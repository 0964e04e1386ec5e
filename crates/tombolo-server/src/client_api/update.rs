//! `POST /rooms/{room}/update`: a commit or proposals, for the room's hub (PROTO-UPD-1..14).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use mimi_wire::Wire;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;

use super::request::{Octets, SignedIn, UriPath, binary};
use super::route::{ASKS_A_PROVIDER, Route, Tag};
use super::{ClientApi, schema};
use crate::federation;
use crate::http_error::HttpError;

pub(super) fn route() -> Route {
    Route::post("/rooms/{room}/update", update)
        .named(
            Tag::Rooms,
            "updateRoom",
            "A commit or proposals",
            "For the room's hub, which verifies and judges them. Whether they are accepted, and if not, \
             why, is in the answer's body; only what the hub cannot look at is refused by a status. The \
             same octets sent again, after an answer was lost, get the same answer.",
        )
        .takes(schema::room())
        .takes_octets(HANDSHAKE_BODY_OCTETS_MAX, "An `UpdateRequest` (protocol section 5.3).")
        .answers_octets(StatusCode::OK, "An `UpdateResponse`.")
        .refuses(&ASKS_A_PROVIDER)
        .refuses(&[StatusCode::CONFLICT])
}

pub(super) async fn update(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(room): UriPath,
    Octets(body): Octets<HANDSHAKE_BODY_OCTETS_MAX>,
) -> Result<Response, HttpError> {
    let requester = device.requester();
    let answer = federation::update::from_client(&api.provider, &requester, &room, body).await?;
    Ok(binary(answer.encode()))
}
