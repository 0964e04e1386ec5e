//! `POST /identifier-query/{domain}`: users of a provider, by what they let themselves be found by
//! (PROTO-IDQ-1). Bodies as in MIMI.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use mimi_wire::Wire;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;

use super::request::{DomainPath, Octets, SignedIn, binary};
use super::route::{ASKS_A_PROVIDER, Route, Tag};
use super::{ClientApi, schema};
use crate::federation;
use crate::http_error::HttpError;

pub(super) fn route() -> Route {
    Route::post("/identifier-query/{domain}", identifier_query)
        .named(
            Tag::Contacts,
            "queryIdentifiers",
            "Finds users of a provider",
            "By what they let themselves be found by, which by default is nothing. All criteria of a \
             query must fit. Queries are budgeted per user.",
        )
        .takes(schema::provider("domain", "Whose users."))
        .takes_octets(APPLICATION_BODY_OCTETS_MAX, "An `IdentifierRequest` (protocol section 5.9).")
        .answers_octets(StatusCode::OK, "An `IdentifierResponse`.")
        .refuses(&ASKS_A_PROVIDER)
}

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
