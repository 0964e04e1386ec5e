//! `POST /rooms/{room}/submit-message`: an application message, for the room's hub
//! (PROTO-SUB-1..4).

use axum::extract::State;
use axum::response::Response;
use mimi_wire::Wire;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;

use super::ClientApi;
use super::request::{Octets, SignedIn, UriPath, binary};
use crate::federation;
use crate::http_error::HttpError;

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
