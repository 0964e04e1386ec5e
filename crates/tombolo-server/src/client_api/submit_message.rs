//! `POST /rooms/{room}/submit-message`: an application message, for the room's hub
//! (PROTO-SUB-1..4).

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
    Route::post("/rooms/{room}/submit-message", submit_message)
        .named(
            Tag::Rooms,
            "submitMessage",
            "An application message",
            "For the room's hub, which orders it among the others and sends it to everyone. Whether it \
             is accepted, and when, is in the answer's body; only what the hub cannot look at is refused \
             by a status. The same octets sent again, after an answer was lost, get the same answer.",
        )
        .takes(schema::room())
        .takes_octets(APPLICATION_BODY_OCTETS_MAX, "A `SubmitMessageRequest` (protocol section 5.4).")
        .answers_octets(StatusCode::OK, "A `SubmitMessageResponse`.")
        .refuses(&ASKS_A_PROVIDER)
}

pub(super) async fn submit_message(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(room): UriPath,
    Octets(body): Octets<APPLICATION_BODY_OCTETS_MAX>,
) -> Result<Response, HttpError> {
    let requester = device.requester();
    let sent = federation::submit_message::from_client(&api.provider, &requester, &room, body);
    Ok(binary(sent.await?.encode()))
}
