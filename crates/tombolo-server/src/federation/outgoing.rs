//! Requests to other providers, by the URL templates of their directories (PROTO-DIR-3).

use bytes::Bytes;
use http::{Method, StatusCode};
use mimi_wire::protocol::directory::{Directory, Endpoint};
use mimi_wire::{Domain, MimiUri};

use crate::peers::{Answer, Outgoing, PeerError, Suspicion};
use crate::provider::Provider;

/// A request to an endpoint of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Post<'a> {
    /// The peer.
    pub(crate) peer: &'a Domain,
    /// The endpoint.
    pub(crate) endpoint: Endpoint,
    /// What the template's variable stands for.
    pub(crate) identifier: &'a MimiUri,
    /// The body.
    pub(crate) body: Bytes,
    /// Octets the answer may have.
    pub(crate) answer_octets_max: usize,
}

/// Sends a request. An endpoint that is gone, or whose host is, is looked up anew, once
/// (PROTO-DIR-4).
pub(crate) async fn post(provider: &Provider, post: &Post<'_>) -> Result<Answer, PeerError> {
    let peers = &provider.peers;
    let directory = peers.directory(post.peer).await?;
    let outcome = send(provider, post, &directory).await;
    let suspicion = match &outcome {
        Ok(answer) if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) => {
            Suspicion::EndpointGone
        }
        // The host does not resolve, does not listen or is not the peer's any more.
        Err(PeerError::NoAnswer(_)) => Suspicion::NoAnswer,
        _ => return outcome,
    };
    match peers.newer_directory(post.peer, &directory, suspicion).await {
        Some(newer) => send(provider, post, &newer).await,
        None => outcome,
    }
}

async fn send(
    provider: &Provider,
    post: &Post<'_>,
    directory: &Directory,
) -> Result<Answer, PeerError> {
    let url = directory
        .expand_for(post.endpoint, post.identifier)
        .map_err(|error| PeerError::BadAnswer(error.to_string()))?;
    let request = Outgoing {
        endpoint: post.endpoint.key(),
        method: Method::POST,
        url,
        body: post.body.clone(),
        answer_octets_max: post.answer_octets_max,
    };
    provider.peers.send(post.peer, request).await
}
