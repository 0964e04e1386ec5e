//! `POST /rooms/{room}/update`: a commit or proposals, for the room's hub (PROTO-UPD-1..14).

use axum::extract::State;
use axum::response::Response;
use mimi_wire::Wire;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;

use super::ClientApi;
use super::request::{Octets, SignedIn, UriPath, binary};
use crate::federation;
use crate::http_error::HttpError;

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
