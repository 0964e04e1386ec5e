//! `/ohttp-relay/{hub}`: downloads of assets by Oblivious HTTP (PROTO-DL-5). `GET` gives the keys of
//! the hub's gateway, `POST` brings it a sealed request. We see whose it is and nothing of what it
//! asks; the hub sees what it asks and nothing of whose it is.

use axum::extract::State;
use axum::response::Response;
use mimi_ohttp::SEALED_REQUEST_OCTETS_MAX;

use super::ClientApi;
use super::request::{DomainPath, Octets, SignedIn};
use crate::http_error::HttpError;
use crate::oblivious::relay;

/// `GET`: the keys, as `application/ohttp-keys`.
pub(super) async fn keys(
    State(api): State<ClientApi>,
    _: SignedIn,
    DomainPath(hub): DomainPath,
) -> Result<Response, HttpError> {
    relay::keys(&api.provider, &hub).await
}

/// `POST`: the sealed answer to a sealed request.
pub(super) async fn relay(
    State(api): State<ClientApi>,
    device: SignedIn,
    DomainPath(hub): DomainPath,
    Octets(sealed): Octets<SEALED_REQUEST_OCTETS_MAX>,
) -> Result<Response, HttpError> {
    relay::relay(&api.provider, &hub, &device.0.user, sealed).await
}
