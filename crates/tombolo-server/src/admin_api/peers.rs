//! `/peers`: the other providers that something waits for, and what an operator can do about it.

use axum::Json;
use axum::extract::{Path, State};
use mimi_provider::Reject;
use mimi_wire::Domain;
use serde::{Deserialize, Serialize};

use super::{AdminApi, Waiting};
use crate::delivery;
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// Peers with something to look at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PeerList {
    /// By domain.
    pub peers: Vec<PeerStatus>,
}

/// How the deliveries to one peer fare. Times are in milliseconds since the UNIX epoch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PeerStatus {
    /// The peer.
    pub peer: Domain,
    /// Entries that wait for it.
    pub waiting: u64,
    /// Streams they are of.
    pub streams: u64,
    /// When the oldest of them was accepted here.
    pub oldest_ms: Option<u64>,
    /// Failures in a row, of the stream that fails longest.
    pub attempts: u32,
    /// When it is tried next, after a failure.
    pub next_attempt_ms: Option<u64>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// Since when it is stale: what waited was given up, and it gets what is new once it is back.
    pub stale_since_ms: Option<u64>,
    /// Streams in which it is stale.
    pub stale_streams: u64,
    /// Entries it called malformed for a day and did not get, since the start.
    pub left_out: u64,
}

/// What was done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PeerActed {
    /// The peer.
    pub peer: Domain,
    /// Streams it was done in.
    pub streams: u64,
}

impl PeerStatus {
    pub(crate) fn new(peer: Domain) -> Self {
        Self {
            peer,
            waiting: 0,
            streams: 0,
            oldest_ms: None,
            attempts: 0,
            next_attempt_ms: None,
            last_error: None,
            stale_since_ms: None,
            stale_streams: 0,
            left_out: 0,
        }
    }

    pub(crate) fn add(&mut self, waiting: &Waiting) {
        self.waiting += waiting.waiting;
        self.streams += 1;
        self.oldest_ms = delivery::earlier(self.oldest_ms, waiting.since_ms);
        self.next_attempt_ms = delivery::earlier(self.next_attempt_ms, waiting.next_attempt_ms);
        if waiting.attempts >= self.attempts {
            self.attempts = waiting.attempts;
            self.last_error.clone_from(&waiting.last_error);
        }
    }
}

pub(super) async fn list(State(api): State<AdminApi>) -> Result<Json<PeerList>, HttpError> {
    let peers = delivery::peers(&api.provider).await.map_err(storage_failed)?;
    Ok(Json(PeerList { peers }))
}

/// Tries now what waits, whatever the pause.
pub(super) async fn retry(
    State(api): State<AdminApi>,
    Path(name): Path<String>,
) -> Result<Json<PeerActed>, HttpError> {
    let peer = domain(&name)?;
    let streams = delivery::retry(&api.provider, &peer).await.map_err(storage_failed)? as u64;
    tracing::info!(%peer, streams, "tried again at once: the operator wants it");
    Ok(Json(PeerActed { peer, streams }))
}

/// Gives up what waits.
pub(super) async fn drop_waiting(
    State(api): State<AdminApi>,
    Path(name): Path<String>,
) -> Result<Json<PeerActed>, HttpError> {
    let peer = domain(&name)?;
    let dropped = delivery::drop_waiting(&api.provider, &peer).await;
    let streams = dropped.map_err(storage_failed)? as u64;
    tracing::warn!(%peer, streams, "given up: the operator wants it");
    Ok(Json(PeerActed { peer, streams }))
}

fn domain(name: &str) -> Result<Domain, Reject> {
    Domain::new(name).map_err(|error| Reject::Malformed(format!("{name}: {error}")))
}
