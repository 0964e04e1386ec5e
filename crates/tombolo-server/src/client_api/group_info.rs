//! `POST /rooms/{room}/group-info`: what a client needs to come into a room by itself, from the
//! room's hub (PROTO-GI-1..5).

use axum::extract::State;
use axum::response::Response;
use mimi_wire::Wire;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;

use super::ClientApi;
use super::request::{Octets, SignedIn, UriPath, binary};
use crate::federation;
use crate::http_error::HttpError;

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
