//! What every endpoint asks of a request: who signs it, what its path names, what its body is.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::Response;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use mimi_provider::Reject;
use mimi_provider::record::DeviceRecord;
use mimi_provider::requester::{DeviceIdentity, Requester};
use mimi_wire::{Domain, Malformed, MimiUri, Wire};
use serde::de::DeserializeOwned;

use super::ClientApi;
use crate::account::token;
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// Media types of bodies.
pub(super) const JSON: &str = "application/json";
pub(super) const OCTET_STREAM: &str = "application/octet-stream";
/// Octets of a JSON body.
pub(super) const JSON_OCTETS_MAX: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Standard base64, written with padding, read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The device whose token a request bears.
#[derive(Clone, Debug)]
pub(super) struct SignedIn(pub(super) DeviceRecord);

/// The URI in a request's path.
#[derive(Clone, Debug)]
pub(super) struct UriPath(pub(super) MimiUri);

/// The domain in a request's path.
#[derive(Clone, Debug)]
pub(super) struct DomainPath(pub(super) Domain);

/// A body of at most `MAX` octets.
#[derive(Clone, Debug)]
pub(super) struct Octets<const MAX: usize>(pub(super) Bytes);

/// A JSON body.
#[derive(Clone, Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl SignedIn {
    /// The device as the decisions know it.
    pub(super) fn identity(&self) -> DeviceIdentity {
        DeviceIdentity { user: self.0.user.clone(), client: self.0.client.clone() }
    }

    /// The device as somebody who asks a hub.
    pub(super) fn requester(&self) -> Requester {
        Requester::Local(self.identity())
    }
}

impl FromRequestParts<ClientApi> for SignedIn {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &ClientApi) -> Result<Self, HttpError> {
        let unauthorized = |why: &str| HttpError::Unauthorized(why.to_owned());
        let token = token::bearer(&parts.headers).ok_or_else(|| {
            unauthorized("this needs `Authorization: Bearer` and a device's token")
        })?;
        let found = api.provider.store.device_by_token(token::sha256(token)).await;
        found.map_err(storage_failed)?.map(Self).ok_or_else(|| {
            unauthorized("this device is signed out: its provider does not know it any more")
        })
    }
}

impl FromRequestParts<ClientApi> for UriPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &ClientApi) -> Result<Self, HttpError> {
        let text = path_value(parts, api).await?;
        Ok(Self(MimiUri::new(&text).map_err(|error| malformed(&error))?))
    }
}

impl FromRequestParts<ClientApi> for DomainPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &ClientApi) -> Result<Self, HttpError> {
        let text = path_value(parts, api).await?;
        Ok(Self(Domain::new(&text).map_err(|error| malformed(&error))?))
    }
}

impl<const MAX: usize> FromRequest<ClientApi> for Octets<MAX> {
    type Rejection = HttpError;

    async fn from_request(request: Request, _: &ClientApi) -> Result<Self, HttpError> {
        expect_media_type(request.headers(), OCTET_STREAM)?;
        read(request.into_body(), MAX).await.map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<ClientApi> for JsonBody<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, _: &ClientApi) -> Result<Self, HttpError> {
        expect_media_type(request.headers(), JSON)?;
        let octets = read(request.into_body(), JSON_OCTETS_MAX).await?;
        serde_json::from_slice(&octets).map(Self).map_err(|error| malformed(&error))
    }
}

/// A body as what it should be.
pub(super) fn decode<T: Wire>(octets: &[u8]) -> Result<T, HttpError> {
    T::decode(octets).map_err(|error: Malformed| malformed(&error))
}

/// Refuses a body that says it is something else; one that says nothing is taken at its octets.
pub(super) fn expect_media_type(
    headers: &HeaderMap,
    expected: &'static str,
) -> Result<(), HttpError> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let essence = given.split_once(';').map_or(given, |(essence, _)| essence).trim();
    match essence.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err(HttpError::UnsupportedMediaType(expected)),
    }
}

/// A body of MIMI, whose codes say how the request fared (AMB-TR-4).
pub(super) fn binary(octets: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(octets));
    let octet_stream = HeaderValue::from_static(OCTET_STREAM);
    response.headers_mut().insert(CONTENT_TYPE, octet_stream);
    response
}

/// Octets inside JSON.
pub(super) fn to_base64(octets: &[u8]) -> String {
    BASE64.encode(octets)
}

/// Reads [`to_base64`]; `field` names it to whoever sent it.
pub(super) fn from_base64(text: &str, field: &str) -> Result<Vec<u8>, HttpError> {
    BASE64.decode(text).map_err(|error| malformed(&format!("{field} is not base64: {error}")))
}

/// A request that is not what the endpoint takes.
pub(super) fn malformed(reason: &dyn std::fmt::Display) -> HttpError {
    HttpError::Reject(Reject::Malformed(reason.to_string()))
}

async fn path_value(parts: &mut Parts, api: &ClientApi) -> Result<String, HttpError> {
    let path = Path::<String>::from_request_parts(parts, api).await;
    path.map(|Path(text)| text).map_err(|error| malformed(&error))
}

async fn read(body: Body, max: usize) -> Result<Bytes, HttpError> {
    // What is announced as too large is not read at all.
    if body.size_hint().lower() > max as u64 {
        return Err(HttpError::TooLarge(max));
    }
    let collected = tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, max).collect());
    match collected.await {
        Err(_) => Err(HttpError::TooSlow),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(HttpError::TooLarge(max)),
        Ok(Err(error)) => Err(malformed(&format!("the body did not arrive whole: {error}"))),
    }
}
