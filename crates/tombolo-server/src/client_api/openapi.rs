//! The OpenAPI 3.1 document of the client API, made from the table that is served.

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use axum::body::Body as HttpBody;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use mimi_ohttp::{PROBLEM_TYPE, UNKNOWN_KEY_PROBLEM};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::route::{Answer, Body, Operation, Parameter, Place, Route, Tag, octets_max};
use super::{BASE_PATH, routes};
use crate::http_error::{ErrorBody, RETRY_AFTER_S};

/// The name of what signs a request.
const TOKEN_SCHEME: &str = "deviceToken";

pub(super) fn route() -> Route {
    Route::get("/openapi.json", openapi)
        .named(
            Tag::Provider,
            "describeApi",
            "Describes this API",
            "This document. It needs no token, since it says nothing about anybody.",
        )
        .without_token()
        .answers_json::<Map<String, Value>>(
            StatusCode::OK,
            "An OpenAPI 3.1 document.",
            json!({ "openapi": "3.1.0" }),
        )
}

/// `GET /openapi.json`.
async fn openapi() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    let mut response = Response::new(HttpBody::from(text.as_str()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}

/// The document: every endpoint that is served, and nothing else.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for route in routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let method = route.method.as_str().to_ascii_lowercase();
        path[method] = operation(&route.operation, &mut schemas);
    }
    let error = schemas.subschema_for::<ErrorBody<'_>>();
    let responses: Map<String, Value> = REFUSALS
        .iter()
        .map(|(status, name, about)| {
            ((*name).to_owned(), refusal(*status, about, error.as_value()))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tombolo client API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "What a MIMI provider offers to its own people's devices.",
            "description": INTRODUCTION,
            "contact": { "name": "The people who make Tombolo; for an account, the provider's operator" },
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{
            "url": format!("https://{{provider}}:{{port}}{BASE_PATH}"),
            "description": "The client listener of a provider.",
            "variables": {
                "provider": {
                    "default": "a.example",
                    "description": "The provider's domain, for which its certificate is.",
                },
                "port": { "default": "8444", "description": "`listen.client` of its configuration." },
            },
        }],
        "security": [{ TOKEN_SCHEME: [] }],
        "tags": TAGS.map(|(tag, about)| json!({ "name": tag_name(tag), "description": about })),
        "paths": paths,
        "components": {
            "securitySchemes": {
                TOKEN_SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token that `registerDevice` has handed out to this device.",
                },
            },
            "headers": { "RetryAfter": retry_after() },
            "responses": responses,
            "schemas": schemas.take_definitions(true),
        },
    })
}

const INTRODUCTION: &str = "\
Devices of a provider's own people speak this API over HTTPS: JSON for control, binary bodies for objects \
of MIMI and MLS (in TLS presentation language, as in the drafts), one event stream for everything that \
comes. Octets inside JSON are base64. Whatever a field does not say is not to be relied on: answers may \
get more fields. `docs/client-api.md` of Tombolo is a guide.";

const TAGS: [(Tag, &str); 8] = [
    (Tag::Account, "An account and what it says of itself."),
    (Tag::Devices, "The devices of a user: signing in, seeing them, signing out."),
    (Tag::Events, "What a device is to see, in order, from where it left off."),
    (Tag::Rooms, "Rooms hosted here and, by way of this provider, elsewhere."),
    (Tag::Contacts, "Consent, and finding people."),
    (Tag::KeyPackages, "The stock of a device, and those of others."),
    (Tag::Files, "Encrypted files: sending and fetching."),
    (Tag::Provider, "What a client has to know of its provider and of others."),
];

fn tag_name(tag: Tag) -> &'static str {
    match tag {
        Tag::Account => "account",
        Tag::Devices => "devices",
        Tag::Events => "events",
        Tag::Rooms => "rooms",
        Tag::Contacts => "contacts",
        Tag::KeyPackages => "key packages",
        Tag::Files => "files",
        Tag::Provider => "provider",
    }
}

/// Every refusal there is: its status, its name in the document, and what it means.
const REFUSALS: [(StatusCode, &str, &str); 14] = [
    (StatusCode::BAD_REQUEST, "Malformed", "The request is not what the endpoint takes."),
    (StatusCode::UNAUTHORIZED, "Unauthorized", "No token of a device, or a wrong password."),
    (StatusCode::FORBIDDEN, "Forbidden", "A rule says no; the message says which."),
    (StatusCode::NOT_FOUND, "Unknown", "There is no such thing, as far as the asker may know."),
    (StatusCode::REQUEST_TIMEOUT, "TooSlow", "The body did not arrive in time."),
    (
        StatusCode::CONFLICT,
        "Conflict",
        "It is there already, or the state it was made for is gone.",
    ),
    (StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "The body exceeds its limit."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "WrongMediaType", "The body is of another media type."),
    (StatusCode::RANGE_NOT_SATISFIABLE, "BeyondTheEnd", "The range begins after the last octet."),
    (StatusCode::TOO_MANY_REQUESTS, "TooMany", "Too many requests: later, as `Retry-After` says."),
    (
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "TooLong",
        "Path, query and headers together are too long to be read.",
    ),
    (StatusCode::INTERNAL_SERVER_ERROR, "Internal", "Something is wrong here; the log says what."),
    (StatusCode::NOT_IMPLEMENTED, "Unsupported", "A provider on the way does not do this."),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Unavailable",
        "A provider that is needed does not answer, or there is too much to do: later, as \
         `Retry-After` says.",
    ),
];

fn refusal(status: StatusCode, about: &str, error: &Value) -> Value {
    let mut response = json!({
        "description": about,
        "content": { "application/json": {
            "schema": error,
            "example": { "error": { "code": code_of(status), "message": about } },
        } },
    });
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let header = json!({ "$ref": "#/components/headers/RetryAfter" });
            response["headers"] = json!({ "Retry-After": header });
        }
        // Without a body: one is about octets, not about JSON, the other is said before anybody looks.
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            response = json!({ "description": about });
        }
        _ => {}
    }
    response
}

/// A refusal that comes in either of two forms: `about` says when in the one of RFC 9457.
fn or_problem(status: StatusCode, about: &str, schemas: &mut SchemaGenerator) -> Value {
    let (.., usual) =
        REFUSALS.iter().find(|(known, ..)| *known == status).expect("every refusal has a name");
    let error = schemas.subschema_for::<ErrorBody<'_>>();
    let mut response = refusal(status, usual, error.as_value());
    response["description"] = format!("{usual} As a problem: {about}").into();
    response["content"][PROBLEM_TYPE] = json!({
        "schema": {
            "type": "object",
            "properties": {
                "type": { "type": "string", "description": "What it is, as a URI." },
                "title": { "type": "string", "description": "For the person." },
            },
            "required": ["type"],
        },
        "example": { "type": UNKNOWN_KEY_PROBLEM, "title": about },
    });
    response
}

/// A code that goes with a status.
fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "malformed",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "not_allowed",
        StatusCode::NOT_FOUND => "unknown",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::NOT_IMPLEMENTED => "unsupported",
        StatusCode::INTERNAL_SERVER_ERROR => "internal",
        _ => "unavailable",
    }
}

fn retry_after() -> Value {
    json!({
        "description": "Seconds to wait before asking again.",
        "required": true,
        "schema": { "type": "integer", "minimum": 1 },
        "example": RETRY_AFTER_S,
    })
}

fn operation(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in &operation.answers {
        responses.insert(answer.status.as_str().to_owned(), response(answer, schemas));
    }
    for status in &operation.refusals {
        let (_, name, _) =
            REFUSALS.iter().find(|(known, ..)| known == status).expect("every refusal has a name");
        let response = match operation.problem {
            Some((problem, about)) if problem == *status => or_problem(*status, about, schemas),
            _ => json!({ "$ref": format!("#/components/responses/{name}") }),
        };
        responses.insert(status.as_str().to_owned(), response);
    }
    let mut written = json!({
        "operationId": operation.id,
        "tags": [tag_name(operation.tag)],
        "summary": operation.summary,
        "description": operation.about,
        "responses": responses,
    });
    if !operation.parameters.is_empty() {
        written["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if let Some(content) = content(&operation.body, schemas) {
        // Where any number of octets will do, none will.
        let is_required = !matches!(operation.body, Body::Octets { most: None, .. });
        written["requestBody"] = json!({ "content": content, "required": is_required });
        if let Some(most) = octets_max(&operation.body) {
            written["requestBody"]["description"] = format!("At most {most} octets.").into();
        }
    }
    if !operation.signed_in {
        written["security"] = json!([]);
    }
    written
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": match parameter.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        },
        "required": parameter.required,
        "description": parameter.about,
        "schema": parameter.schema,
        "example": parameter.example,
    })
}

fn response(answer: &Answer, schemas: &mut SchemaGenerator) -> Value {
    let mut written = json!({ "description": answer.about });
    if let Some(content) = content(&answer.body, schemas) {
        written["content"] = content;
    }
    written
}

fn content(body: &Body, schemas: &mut SchemaGenerator) -> Option<Value> {
    Some(match body {
        Body::Empty => return None,
        Body::Json { schema, example } => {
            let schema = schema(schemas);
            json!({ "application/json": { "schema": schema, "example": example } })
        }
        Body::Octets { media_type, most, about } => {
            let mut schema = json!({ "type": "string", "format": "binary", "description": about });
            if let Some(most) = most {
                schema["maxLength"] = (*most).into();
            }
            json!({ *media_type: { "schema": schema } })
        }
        Body::Events => json!({
            "text/event-stream": {
                "schema": { "description": "`text/event-stream` of HTML." },
                "example": EVENTS_EXAMPLE,
            },
        }),
    })
}

const EVENTS_EXAMPLE: &str = "\
retry: 1000\n: connected\n\nid: 42\nevent: application\ndata: {\"stream\":\"mimi://a.example/r/clubhouse\",\
\"seq\":7,\"timestamp_ms\":1790000000000,\"payload\":\"AAEC\"}\n\n";
