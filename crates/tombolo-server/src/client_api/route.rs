//! An endpoint as it is served and as it is documented: one value for both, so that they cannot differ.
//!
//! The table in [`super::routes`] is served by [`router`] and written down by [`super::openapi`]. In
//! builds with debug assertions every answer is held against its documentation: a status that is not
//! documented is a bug, and every test that meets it fails.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::ClientApi;
use super::request::{JSON_OCTETS_MAX, OCTET_STREAM};
use crate::http_error::HttpError;

/// How it fares who asks another provider by way of this one, or as if this one were another.
pub(super) const ASKS_A_PROVIDER: [StatusCode; 5] = [
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::CONFLICT,
    StatusCode::NOT_IMPLEMENTED,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// What an endpoint is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Tag {
    Account,
    Devices,
    Events,
    Rooms,
    Contacts,
    KeyPackages,
    Files,
    Provider,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

/// A value outside the body.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) required: bool,
    pub(super) about: &'static str,
    pub(super) schema: Value,
    pub(super) example: Value,
}

/// Makes the schema of a type, and of the types it is made of.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a body is.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Empty,
    Json { schema: SchemaOf, example: Value },
    Octets { media_type: &'static str, most: Option<usize>, about: &'static str },
    Events,
}

/// An answer that is no refusal.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) about: &'static str,
    pub(super) body: Body,
}

/// Everything the document says of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) tag: Tag,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) signed_in: bool,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Body,
    pub(super) answers: Vec<Answer>,
    pub(super) refusals: Vec<StatusCode>,
    /// The refusal that may instead be a problem of RFC 9457, and when it is.
    pub(super) problem: Option<(StatusCode, &'static str)>,
}

/// An endpoint.
pub(super) struct Route {
    pub(super) method: Method,
    /// Below [`super::BASE_PATH`].
    pub(super) path: &'static str,
    pub(super) operation: Operation,
    handler: MethodRouter<ClientApi>,
}

impl Route {
    pub(super) fn get<H: Handler<T, ClientApi>, T: 'static>(
        path: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::GET, path, on(MethodFilter::GET, handler))
    }

    pub(super) fn put<H: Handler<T, ClientApi>, T: 'static>(
        path: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::PUT, path, on(MethodFilter::PUT, handler))
    }

    pub(super) fn post<H: Handler<T, ClientApi>, T: 'static>(
        path: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::POST, path, on(MethodFilter::POST, handler))
    }

    pub(super) fn patch<H: Handler<T, ClientApi>, T: 'static>(
        path: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::PATCH, path, on(MethodFilter::PATCH, handler))
    }

    pub(super) fn delete<H: Handler<T, ClientApi>, T: 'static>(
        path: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::DELETE, path, on(MethodFilter::DELETE, handler))
    }

    fn new(method: Method, path: &'static str, handler: MethodRouter<ClientApi>) -> Self {
        let operation = Operation {
            id: "",
            tag: Tag::Provider,
            summary: "",
            about: "",
            signed_in: true,
            parameters: Vec::new(),
            body: Body::Empty,
            answers: Vec::new(),
            // Any endpoint may be asked too often, by one or by all, or at too great length, and may find
            // our disk full.
            refusals: vec![
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::INTERNAL_SERVER_ERROR,
            ],
            problem: None,
        };
        let route = Self { method, path, operation, handler };
        route.refuses(&[StatusCode::UNAUTHORIZED])
    }

    /// The `operationId`, what it does in a line, and what one has to know of it (Markdown).
    pub(super) fn named(
        mut self,
        tag: Tag,
        id: &'static str,
        summary: &'static str,
        about: &'static str,
    ) -> Self {
        self.operation = Operation { tag, id, summary, about, ..self.operation };
        self
    }

    /// Nobody has to be signed in.
    pub(super) fn without_token(mut self) -> Self {
        self.operation.signed_in = false;
        self.operation.refusals.retain(|status| *status != StatusCode::UNAUTHORIZED);
        self
    }

    /// A parameter, which may be wrong.
    pub(super) fn takes(mut self, parameter: Parameter) -> Self {
        self.operation.parameters.push(parameter);
        self.refuses(&[StatusCode::BAD_REQUEST])
    }

    /// A JSON body.
    pub(super) fn takes_json<T: JsonSchema>(self, example: Value) -> Self {
        self.takes_body(Body::Json { schema: SchemaGenerator::subschema_for::<T>, example })
    }

    /// A body of octets, bounded unless the endpoint bounds it by other means.
    pub(super) fn takes_octets(self, most: impl Into<Option<usize>>, about: &'static str) -> Self {
        self.takes_octets_of(OCTET_STREAM, most, about)
    }

    /// A body of octets that have a media type of their own.
    pub(super) fn takes_octets_of(
        self,
        media_type: &'static str,
        most: impl Into<Option<usize>>,
        about: &'static str,
    ) -> Self {
        self.takes_body(Body::Octets { media_type, most: most.into(), about })
    }

    fn takes_body(mut self, body: Body) -> Self {
        self.operation.body = body;
        self.refuses(&[
            StatusCode::BAD_REQUEST,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ])
    }

    /// An answer in JSON.
    pub(super) fn answers_json<T: JsonSchema>(
        self,
        status: StatusCode,
        about: &'static str,
        example: Value,
    ) -> Self {
        let schema = SchemaGenerator::subschema_for::<T>;
        self.answers(status, about, Body::Json { schema, example })
    }

    /// An answer of octets.
    pub(super) fn answers_octets(self, status: StatusCode, about: &'static str) -> Self {
        self.answers_octets_of(OCTET_STREAM, status, about)
    }

    /// An answer of octets that have a media type of their own.
    pub(super) fn answers_octets_of(
        self,
        media_type: &'static str,
        status: StatusCode,
        about: &'static str,
    ) -> Self {
        self.answers(status, about, Body::Octets { media_type, most: None, about })
    }

    /// An answer without a body.
    pub(super) fn answers_nothing(self, status: StatusCode, about: &'static str) -> Self {
        self.answers(status, about, Body::Empty)
    }

    /// The event stream.
    pub(super) fn answers_events(self, about: &'static str) -> Self {
        self.answers(StatusCode::OK, about, Body::Events)
    }

    fn answers(mut self, status: StatusCode, about: &'static str, body: Body) -> Self {
        self.operation.answers.push(Answer { status, about, body });
        self
    }

    /// Refusals beside those that follow from what the endpoint takes.
    pub(super) fn refuses(mut self, statuses: &[StatusCode]) -> Self {
        self.operation.refusals.extend(statuses);
        self.operation.refusals.sort_unstable();
        self.operation.refusals.dedup();
        self
    }

    /// Refuses in a form that another standard has, as well.
    pub(super) fn refuses_with_problem(mut self, status: StatusCode, about: &'static str) -> Self {
        self.operation.problem = Some((status, about));
        self.refuses(&[status])
    }

    /// Statuses that this endpoint answers with.
    pub(super) fn statuses(&self) -> Vec<StatusCode> {
        let answers = self.operation.answers.iter().map(|answer| answer.status);
        answers.chain(self.operation.refusals.iter().copied()).collect()
    }
}

/// Octets that a body may have, as far as the document says.
pub(super) fn octets_max(body: &Body) -> Option<usize> {
    match body {
        Body::Json { .. } => Some(JSON_OCTETS_MAX),
        Body::Octets { most, .. } => *most,
        Body::Empty | Body::Events => None,
    }
}

/// Serves a table.
pub(super) fn router(routes: Vec<Route>) -> Router<ClientApi> {
    let mut by_path: BTreeMap<&'static str, (MethodRouter<ClientApi>, Vec<Method>)> =
        BTreeMap::new();
    for route in routes {
        let (endpoint, methods) = by_path.entry(route.path).or_default();
        methods.push(route.method.clone());
        *endpoint = std::mem::take(endpoint).merge(held_to_its_word(route));
    }
    by_path.into_iter().fold(Router::new(), |router, (path, (endpoint, methods))| {
        // Other methods are answered in the form of every other error.
        let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let fallback = async move || HttpError::MethodNotAllowed(allowed.into()).into_response();
        router.route(path, endpoint.fallback(fallback))
    })
}

fn held_to_its_word(route: Route) -> MethodRouter<ClientApi> {
    if !cfg!(debug_assertions) {
        return route.handler;
    }
    let (statuses, id) = (route.statuses(), route.operation.id);
    route.handler.route_layer(from_fn(move |request: Request, next: Next| {
        let statuses = statuses.clone();
        async move {
            let response: Response = next.run(request).await;
            let status = response.status();
            assert!(statuses.contains(&status), "{id} answers {status}, which is not documented");
            response
        }
    }))
}
