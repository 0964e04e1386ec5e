//! `POST /identifier-query/{domain}`: users of a provider, by what they let themselves be found by
//! (PROTO-IDQ-1). Bodies as in MIMI.

use axum::extract::State;
use axum::response::Response;
use mimi_wire::Wire;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;

use super::ClientApi;
use super::request::{DomainPath, Octets, SignedIn, binary};
use crate::federation;
use crate::http_error::HttpError;

pub(super) async fn identifier_query(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    DomainPath(target): DomainPath,
    Octets(body): Octets<APPLICATION_BODY_OCTETS_MAX>,
) -> Result<Response, HttpError> {
    let user = &device.user;
    let asked = federation::identifier_query::from_client(&api.provider, user, &target, body);
    Ok(binary(asked.await?.encode()))
}
