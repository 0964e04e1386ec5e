//! A transport that watches: how long commits take at the hub, how large they are, what joins cost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use mimi_wire::Wire;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use tombolo_client::session::request::{Outgoing, Request, Response};
use tombolo_client::session::stream_event::{StreamEvent, StreamEventKind};
use tombolo_client::transport::{HttpsTransport, OpenStream, Token, Transport, TransportFuture};

use super::phase::Phase;

/// One commit that the hub has accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObservedCommit {
    /// From the request to its answer.
    pub(crate) us: u64,
    /// Octets of the whole request.
    pub(crate) request_octets: usize,
    /// Octets of its Welcome; 0 without one.
    pub(crate) welcome_octets: usize,
}

#[derive(Debug, Default)]
struct Seen {
    commits: Vec<ObservedCommit>,
    welcome_event_octets: Vec<usize>,
    phase: Option<Arc<Phase>>,
    /// Commits that were not answered yet.
    unanswered: usize,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct ObservedTransport {
    inner: Arc<HttpsTransport>,
    seen: Arc<Mutex<Seen>>,
}

impl ObservedTransport {
    pub(crate) fn new(inner: Arc<HttpsTransport>) -> Self {
        Self { inner, seen: Arc::default() }
    }

    /// From now on commits are messages of a phase, and those before are forgotten.
    pub(crate) fn begin(&self, phase: &Arc<Phase>) {
        let mut seen = self.seen();
        seen.commits.clear();
        seen.phase = Some(Arc::clone(phase));
    }

    /// The commits since the phase began.
    pub(crate) fn commits(&self) -> Vec<ObservedCommit> {
        self.seen().commits.clone()
    }

    /// Waits until every commit is answered: a device that sees its own in its event stream does not
    /// wait for the answer, which says that it counts.
    pub(crate) async fn answered(&self) {
        while self.seen().unanswered > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Octets of the latest Welcome that came in an event, with the tree that comes with it.
    pub(crate) fn welcome_event_octets(&self) -> Option<usize> {
        self.seen().welcome_event_octets.last().copied()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, outgoing: Outgoing, body: &[u8]) -> TransportFuture<Response> {
        let phase = self.seen().phase.clone();
        let Ok(UpdateRequest::Commit(bundle)) = UpdateRequest::decode(body) else {
            return self.inner.request(outgoing);
        };
        let request_octets = body.len();
        let welcome_octets = bundle.welcome.as_ref().map_or(0, |welcome| welcome.octets().len());
        let expected = phase.map(|phase| (phase.expect(bundle.commit.octets()), phase));
        let answering = self.inner.request(outgoing);
        self.seen().unanswered += 1;
        let unanswered = Unanswered(self.clone());
        Box::pin(async move {
            let begun = Instant::now();
            if let Some((entry, phase)) = &expected {
                phase.due(entry, begun);
            }
            let answer = answering.await;
            let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            let Ok(Response::Update(response)) = &answer else { return answer };
            if let UpdateOutcome::Success { accepted_timestamp } = response.outcome {
                if let Some((entry, phase)) = &expected {
                    phase.accepted(entry, accepted_timestamp);
                }
                let commit = ObservedCommit { us, request_octets, welcome_octets };
                unanswered.0.seen().commits.push(commit);
            }
            drop(unanswered);
            answer
        })
    }
}

/// A commit on its way; over when it is answered, or given up.
struct Unanswered(ObservedTransport);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.seen().unanswered -= 1;
    }
}

impl Transport for ObservedTransport {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        match &outgoing.request {
            Request::Update { body, .. } => {
                let body = body.clone();
                self.update(outgoing, &body)
            }
            _ => self.inner.request(outgoing),
        }
    }

    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        let (opening, seen) = (self.inner.events(token, after, era), self.seen.clone());
        Box::pin(async move {
            let OpenStream { position, events } = opening.await?;
            let events = events.inspect(move |event| {
                if let Ok(StreamEvent { kind: StreamEventKind::Welcome, payload, .. }) = event {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.welcome_event_octets.push(payload.len());
                }
            });
            Ok(OpenStream { position, events: Box::pin(events) })
        })
    }

    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()> {
        self.inner.acknowledge(token, id)
    }
}
