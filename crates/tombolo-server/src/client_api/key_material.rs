//! `POST /key-material/{user}`: KeyPackages of a user's clients: through the hub of the room they are
//! for, outside any room from the user's provider (PROTO-KM-2).

use axum::extract::State;
use axum::response::Response;
use mimi_wire::Wire;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;

use super::ClientApi;
use super::request::{Octets, SignedIn, UriPath, binary};
use crate::federation;
use crate::http_error::HttpError;

pub(super) async fn key_material(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(user): UriPath,
    Octets(body): Octets<APPLICATION_BODY_OCTETS_MAX>,
) -> Result<Response, HttpError> {
    let requester = device.requester();
    let asked = federation::key_material::from_client(&api.provider, &requester, &user, body);
    Ok(binary(asked.await?.encode()))
}
