//! Refusals as HTTP answers: the one map from [`Reject`] to status and JSON body, for peers and for
//! local clients alike (AMB-TR-4).

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use mimi_provider::Reject;
use schemars::JsonSchema;
use serde::Serialize;

/// Seconds after which a client may try again what failed for want of somebody else.
pub(crate) const RETRY_AFTER_S: u64 = 5;

/// Why a request is refused: by a decision, or before there was anything to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// A decision.
    Reject(Reject),
    /// No valid credentials of a client or an operator.
    Unauthorized(String),
    /// The body exceeds this many octets (AMB-TR-5).
    TooLarge(usize),
    /// The body did not arrive in time.
    TooSlow,
    /// The body is of another media type than this.
    UnsupportedMediaType(&'static str),
    /// The resource knows other methods, as `Allow` lists them (RFC 9110 section 10.2.1);
    /// empty where nobody lists them.
    MethodNotAllowed(Cow<'static, str>),
    /// Too many requests, or too large ones, of whoever asks; try again after this many seconds.
    TooMany(u64),
    /// Too many of all together; try again after this many seconds.
    Overloaded(u64),
}

impl From<Reject> for HttpError {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

/// What every refusal says.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Error")]
pub(crate) struct ErrorBody<'a> {
    /// What is wrong.
    error: ErrorDetail<'a>,
}

/// Why a request is refused.
#[derive(JsonSchema, Serialize)]
struct ErrorDetail<'a> {
    /// A short word for programs: `malformed`, `peer_misbehaved`, `stale`, `invalid_proposals`,
    /// `denied` (by the room's policy), `not_allowed` (by another rule), `unknown`, `conflict`,
    /// `unsupported`, `unavailable`, `internal`, `unauthorized`, `too_large` or
    /// `unsupported_media_type`. Others may come.
    code: &'static str,
    /// A sentence for a person.
    message: &'a str,
}

/// Status and public message of a decision. What is our fault is told to the log only.
fn of_reject(reject: &Reject) -> (StatusCode, String) {
    let internal = || {
        let message = "something went wrong here; the operator can see what".to_owned();
        (StatusCode::INTERNAL_SERVER_ERROR, message)
    };
    let status = match reject {
        Reject::Malformed(_) | Reject::InvalidProposals { .. } => StatusCode::BAD_REQUEST,
        Reject::PeerMisbehaved(_) | Reject::Denied(_) | Reject::NotAllowed(_) => {
            StatusCode::FORBIDDEN
        }
        Reject::Unknown(_) => StatusCode::NOT_FOUND,
        Reject::Stale { .. } | Reject::Conflict(_) => StatusCode::CONFLICT,
        Reject::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
        Reject::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Reject::TooMuch { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => return internal(),
    };
    reject.message().map_or_else(internal, |message| (status, message))
}

impl HttpError {
    /// Status, code and public message.
    pub(crate) fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Reject(reject) => {
                let (status, message) = of_reject(reject);
                (status, reject.code(), message)
            }
            Self::Unauthorized(why) => (StatusCode::UNAUTHORIZED, "unauthorized", why.clone()),
            Self::TooLarge(most) => {
                let message = format!("the body exceeds {most} octets");
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
            }
            Self::TooSlow => {
                let message = "the body did not arrive in time".to_owned();
                (StatusCode::REQUEST_TIMEOUT, "unavailable", message)
            }
            Self::UnsupportedMediaType(taken) => {
                let message = format!("the body must be {taken}");
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
            }
            Self::MethodNotAllowed(allowed) => {
                let message = match &**allowed {
                    "" => "this method is not allowed here".to_owned(),
                    allowed => format!("allowed here: {allowed}"),
                };
                (StatusCode::METHOD_NOT_ALLOWED, "malformed", message)
            }
            Self::TooMany(_) => {
                let message = "too many requests".to_owned();
                (StatusCode::TOO_MANY_REQUESTS, "unavailable", message)
            }
            Self::Overloaded(_) => {
                let message = "there is too much to do here at the moment".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Reject(Reject::Unavailable(_)) => Some(RETRY_AFTER_S),
            Self::Reject(Reject::TooMuch { after_s })
            | Self::TooMany(after_s)
            | Self::Overloaded(after_s) => Some(*after_s),
            _ => None,
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let (status, code, message) = self.parts();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = ?self, "a request failed here");
        }
        let body = ErrorBody { error: ErrorDetail { code, message: &message } };
        let json = serde_json::to_vec(&body).expect("strings always serialise");
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Self::MethodNotAllowed(allowed) = &self
            && !allowed.is_empty()
            && let Ok(allowed) = HeaderValue::from_str(allowed)
        {
            headers.insert(ALLOW, allowed);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after_s) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from(after_s));
        }
        response
    }
}

#[cfg(test)]
mod tests;
