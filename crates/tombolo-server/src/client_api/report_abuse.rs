//! `POST /rooms/{room}/report-abuse`: messages for the moderators of the room's hub (PROTO-ABU-1..3).

use axum::extract::State;
use http::StatusCode;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;

use super::request::{Octets, SignedIn, UriPath};
use super::route::{ASKS_A_PROVIDER, Route, Tag};
use super::{ClientApi, schema};
use crate::federation;
use crate::http_error::HttpError;

pub(super) fn route() -> Route {
    Route::post("/rooms/{room}/report-abuse", report_abuse)
        .named(
            Tag::Rooms,
            "reportAbuse",
            "Messages for the moderators",
            "For the moderators of the room's hub, with the franks that prove who sent what.",
        )
        .takes(schema::room())
        .takes_octets(HANDSHAKE_BODY_OCTETS_MAX, "An `AbuseReport` (protocol section 5.10).")
        .answers_nothing(StatusCode::CREATED, "The hub has it.")
        .refuses(&ASKS_A_PROVIDER)
}

pub(super) async fn report_abuse(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(room): UriPath,
    Octets(body): Octets<HANDSHAKE_BODY_OCTETS_MAX>,
) -> Result<StatusCode, HttpError> {
    let requester = device.requester();
    federation::report_abuse::from_client(&api.provider, &requester, &room, body).await?;
    Ok(StatusCode::CREATED)
}
