//! `POST /rooms/{room}/report-abuse`: messages for the moderators of the room's hub (PROTO-ABU-1..3).

use axum::extract::State;
use http::StatusCode;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;

use super::ClientApi;
use super::request::{Octets, SignedIn, UriPath};
use crate::federation;
use crate::http_error::HttpError;

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
