//! `identifierQuery`: who of a provider's users matches (protocol section 5.8). Straight from the
//! asker's provider to the target, never through a hub, and nothing is changed by it (PROTO-IDQ-1).

use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use mimi_provider::Reject;
use mimi_provider::identifier_query::{
    Asker, CANDIDATES_MAX, Lookup, QueryBudgets, QueryRates, answer, cost, lookup, without_matches,
};
use mimi_provider::profile::Profile;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::protocol::identifier_query::{IdentifierRequest, IdentifierResponse};
use mimi_wire::{Domain, MimiUri, Wire};
use percent_encoding::percent_decode_str;

use super::outgoing::{Post, post};
use super::{Call, malformed, octets};
use crate::http_error::HttpError;
use crate::peers::Answer;
use crate::provider::{Provider, storage_failed};

/// What everybody may still ask.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<QueryBudgets>);

impl Budgets {
    fn spend(
        &self,
        rates: &QueryRates,
        asker: &Asker,
        request: &IdentifierRequest,
        now_ms: u64,
    ) -> Result<(), HttpError> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = budgets.take(rates, asker, cost(request), now_ms);
        taken.map_err(|wait_ms| HttpError::TooMany(wait_ms.div_ceil(1_000)))
    }
}

/// A peer asks for users of ours.
pub(super) async fn handle(provider: &Provider, call: Call) -> Result<Response<Body>, HttpError> {
    let target = percent_decode_str(&call.variable).decode_utf8().map_err(malformed)?;
    if Domain::new(&target).map_err(malformed)? != provider.domain {
        let text = "the query is for another provider's users".to_owned();
        return Err(HttpError::Reject(Reject::PeerMisbehaved(text)));
    }
    let request = IdentifierRequest::decode(&call.body).map_err(malformed)?;
    let (rates, asker) = (&provider.config.query_rates, Asker::Peer(call.peer));
    provider.queries.spend(rates, &asker, &request, provider.now_ms())?;
    Ok(octets(at_target(provider, &request).await?.encode()))
}

/// A local user asks for users of a provider: ours, or another one, which is asked directly.
pub(crate) async fn from_client(
    provider: &Provider,
    user: &MimiUri,
    target: &Domain,
    body: Bytes,
) -> Result<IdentifierResponse, HttpError> {
    let request = IdentifierRequest::decode(&body).map_err(malformed)?;
    let (rates, asker) = (&provider.config.query_rates, Asker::Local(user.clone()));
    provider.queries.spend(rates, &asker, &request, provider.now_ms())?;
    if *target == provider.domain {
        return Ok(at_target(provider, &request).await?);
    }
    Ok(forward(provider, target, body).await?)
}

async fn forward(
    provider: &Provider,
    to: &Domain,
    body: Bytes,
) -> Result<IdentifierResponse, Reject> {
    let request = Post {
        peer: to,
        endpoint: Endpoint::IdentifierQuery,
        identifier: &to.provider_uri(),
        body,
        answer_octets_max: APPLICATION_BODY_OCTETS_MAX,
    };
    let answer = post(provider, &request).await.and_then(Answer::success);
    let answer = answer.map_err(|error| error.into_reject(to))?;
    let unusable = |error: &dyn std::fmt::Display| {
        Reject::Unavailable(format!("{to}: an unusable answer: {error}"))
    };
    let response = IdentifierResponse::decode(&answer.body).map_err(|error| unusable(&error))?;
    // A provider speaks for its own users.
    if response.matches().any(|uri| uri.domain() != *to || !uri.is_user()) {
        return Err(unusable(&"it names users of others"));
    }
    Ok(response)
}

async fn at_target(
    provider: &Provider,
    request: &IdentifierRequest,
) -> Result<IdentifierResponse, Reject> {
    let policy = &provider.config.identifier_query;
    let terms = match lookup(policy, request) {
        Lookup::Answered(code) => return Ok(without_matches(code)),
        Lookup::Terms(terms) => Vec::from_iter(terms),
    };
    let stored = provider.store.find_profiles(&terms, CANDIDATES_MAX).await;
    let stored = stored.map_err(storage_failed)?;
    // One that cannot be read must not keep the others from being found.
    let readable = stored.iter().filter_map(|stored| match Profile::restore(stored) {
        Ok(profile) => Some(profile),
        Err(error) => {
            tracing::error!(user = %stored.user, %error, "a profile is passed over");
            None
        }
    });
    Ok(answer(policy, request, &readable.collect::<Vec<_>>()))
}
