//! `POST /key-material/{user}`: KeyPackages of a user's clients: through the hub of the room they are
//! for, outside any room from the user's provider (PROTO-KM-2).

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
    Route::post("/key-material/{user}", key_material)
        .named(
            Tag::KeyPackages,
            "fetchKeyMaterial",
            "KeyPackages of a user's clients",
            "For adding the user to a room: the request names the room, and goes by way of its hub. \
             Outside any room it goes to the user's provider. How the user and each of its clients \
             fared is in the answer's body, also where that is a refusal.",
        )
        .takes(schema::user())
        .takes_octets(APPLICATION_BODY_OCTETS_MAX, "A `KeyMaterialRequest` (protocol section 5.2).")
        .answers_octets(StatusCode::OK, "A `KeyMaterialResponse`.")
        .refuses(&ASKS_A_PROVIDER)
}

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
