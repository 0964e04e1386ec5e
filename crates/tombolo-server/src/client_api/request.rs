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
use mimi_provider::Reject;
use mimi_provider::record::DeviceRecord;
use mimi_provider::requester::{DeviceIdentity, Requester};
use mimi_wire::{Domain, Malformed, MimiUri, Wire};
use serde::de::DeserializeOwned;

use super::ClientApi;
use super::asker::{Asker, Place};
use crate::account::token;
use crate::bodies;
use crate::clock;
use crate::http_error::HttpError;
use crate::provider::storage_failed;
use crate::tls::{Holder, Standing};

/// Media types of bodies.
pub(super) const JSON: &str = "application/json";
pub(super) const OCTET_STREAM: &str = "application/octet-stream";
/// Octets of a JSON body.
pub(super) const JSON_OCTETS_MAX: usize = 16 * 1024;
/// Seconds after which a device with too many connections may come back.
const CONNECTIONS_RETRY_AFTER_S: u64 = 5;
/// Seconds after which a device with too many requests may.
const REQUESTS_RETRY_AFTER_S: u64 = 1;

/// After a body that took so long it is asked once more whether the device is signed in: somebody who
/// was signed out in the meantime does nothing by what it began before.
const LONG_BODY: Duration = Duration::from_millis(100);

/// Standard base64, written with padding, read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The device whose token a request bears.
#[derive(Clone, Debug)]
pub(super) struct SignedIn(pub(super) DeviceRecord);

/// By which token that was found.
#[derive(Clone, Copy, Debug)]
struct SignedInBy([u8; 32]);

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
        let token_sha256 = token::sha256(token);
        let device = signed_in(api, token_sha256).await?;
        if let Some(standing) = parts.extensions.get::<Standing>()
            && !standing.prove(Holder::Device(device.client.clone()))
        {
            return Err(HttpError::TooMany(CONNECTIONS_RETRY_AFTER_S));
        }
        if let Some(place) = parts.extensions.get::<Place>()
            && !place.is_of(&device.client)
        {
            return Err(HttpError::TooMany(REQUESTS_RETRY_AFTER_S));
        }
        parts.extensions.insert(SignedInBy(token_sha256));
        Ok(Self(device))
    }
}

async fn signed_in(api: &ClientApi, token_sha256: [u8; 32]) -> Result<DeviceRecord, HttpError> {
    let found = api.provider.store.device_by_token(token_sha256).await;
    let why = "this device is signed out: its provider does not know it any more";
    found.map_err(storage_failed)?.ok_or_else(|| HttpError::Unauthorized(why.to_owned()))
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

    async fn from_request(request: Request, api: &ClientApi) -> Result<Self, HttpError> {
        expect_media_type(request.headers(), OCTET_STREAM)?;
        read(request, api, MAX).await.map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<ClientApi> for JsonBody<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, api: &ClientApi) -> Result<Self, HttpError> {
        expect_media_type(request.headers(), JSON)?;
        let octets = read(request, api, JSON_OCTETS_MAX).await?;
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

/// Adds [`to_base64`] to a text.
pub(super) fn add_base64(text: &mut Vec<u8>, octets: &[u8]) {
    let start = text.len();
    let length = base64::encoded_len(octets.len(), true).expect("what is in memory is shorter");
    text.resize(start + length, 0);
    BASE64.encode_slice(octets, &mut text[start..]).expect("there is room for exactly that");
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

pub(super) async fn read(
    request: Request,
    api: &ClientApi,
    max: usize,
) -> Result<Bytes, HttpError> {
    let asker = request.extensions().get().map_or(Asker::NOBODY, Place::asker);
    let share = api.bodies.share_of(asker);
    let time_max = api.provider.config.limits.requests.body_max();
    let standing = request.extensions().get::<Standing>().cloned();
    let signed_in_by = request.extensions().get::<SignedInBy>().copied();
    let began = clock::monotonic();
    let body = bodies::read(request.into_body(), max, time_max, share).await?;
    if let Some(standing) = standing {
        standing.carried(body.len());
    }
    if let Some(SignedInBy(token_sha256)) = signed_in_by
        && began.elapsed() >= LONG_BODY
    {
        signed_in(api, token_sha256).await?;
    }
    Ok(body)
}
