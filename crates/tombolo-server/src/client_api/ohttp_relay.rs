//! `/ohttp-relay/{hub}`: downloads of assets by Oblivious HTTP (PROTO-DL-5). `GET` gives the keys of
//! the hub's gateway, `POST` brings it a sealed request. We see whose it is and nothing of what it
//! asks; the hub sees what it asks and nothing of whose it is.

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use mimi_ohttp::{KEYS_TYPE, REQUEST_TYPE, RESPONSE_TYPE, SEALED_REQUEST_OCTETS_MAX};

use super::request::{DomainPath, SignedIn, expect_media_type, read};
use super::route::{ASKS_A_PROVIDER, Parameter, Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;
use crate::oblivious::relay;

/// A sealed request.
pub(super) struct Sealed(Bytes);

impl FromRequest<ClientApi> for Sealed {
    type Rejection = HttpError;

    async fn from_request(request: Request, api: &ClientApi) -> Result<Self, HttpError> {
        expect_media_type(request.headers(), REQUEST_TYPE)?;
        read(request, api, SEALED_REQUEST_OCTETS_MAX).await.map(Self)
    }
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/ohttp-relay/{hub}", keys)
            .named(
                Tag::Files,
                "obliviousKeys",
                "The keys for oblivious downloads by a hub",
                "Of the hub's Oblivious HTTP gateway (RFC 9458 section 3); the same for everybody who \
                 asks here.",
            )
            .takes(hub())
            .answers_octets_of(KEYS_TYPE, StatusCode::OK, "Key configurations.")
            .refuses(&ASKS_A_PROVIDER),
        Route::post("/ohttp-relay/{hub}", relay)
            .named(
                Tag::Files,
                "relayOblivious",
                "Brings a sealed request to a hub",
                "To the hub's Oblivious HTTP gateway, which learns the provider and nobody behind it; \
                 inside is a `GET` of an asset. If the gateway does not know the key, this answers 400 \
                 with `application/problem+json` (RFC 9458 section 5.3): get the keys again.",
            )
            .takes(hub())
            .takes_octets_of(REQUEST_TYPE, SEALED_REQUEST_OCTETS_MAX, "An Encapsulated Request.")
            .answers_octets_of(RESPONSE_TYPE, StatusCode::OK, "An Encapsulated Response.")
            .refuses_with_problem(StatusCode::BAD_REQUEST, "The gateway does not know the key.")
            .refuses(&ASKS_A_PROVIDER),
    ]
}

fn hub() -> Parameter {
    schema::provider("hub", "The domain of the hub of the room that the asset is from.")
}

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
    SignedIn(device): SignedIn,
    DomainPath(hub): DomainPath,
    Sealed(sealed): Sealed,
) -> Result<Response, HttpError> {
    relay::relay(&api.provider, &hub, &device.user, sealed).await
}
