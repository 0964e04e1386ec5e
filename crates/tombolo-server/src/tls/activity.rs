//! Whether anything goes on on a connection: one on which nothing does is not kept for ever, nor is
//! one whose answers nobody takes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::service::Service;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answers;

/// One connection.
#[derive(Debug)]
pub(super) struct Activity(watch::Sender<State>);

#[derive(Debug)]
struct State {
    /// Requests that are not answered to the end.
    busy: usize,
    /// A request has come.
    begun: bool,
    /// Since when it is as it is.
    since: Instant,
    next_id: u64,
    /// Answers, or pieces of them, that are finished and not taken yet, with the time at which they were finished.
    answers: BTreeMap<u64, Instant>,
}

/// A service whose requests are noticed.
pub(super) struct Noticed<S> {
    service: S,
    activity: watch::Sender<State>,
}

/// A request that is not answered to the end.
#[derive(Debug)]
struct Busy {
    activity: watch::Sender<State>,
    answer: Option<u64>,
}

/// How long nothing may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Before the first request.
    pub(super) first_max: Duration,
    /// Between requests.
    pub(super) idle_max: Duration,
    /// With a finished answer, or a finished piece of one that goes on.
    pub(super) answer_max: Duration,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Silence {
    /// No request came.
    NoRequest,
    /// An answer was not taken.
    AnswerNotTaken,
}

impl Activity {
    pub(super) fn new() -> Self {
        let (busy, begun, since) = (0, false, Instant::now());
        Self(watch::Sender::new(State { busy, begun, since, next_id: 0, answers: BTreeMap::new() }))
    }

    pub(super) fn notice<S>(&self, service: S) -> Noticed<S> {
        Noticed { service, activity: self.0.clone() }
    }

    /// Resolves when nothing went on for too long. `patience` is asked again whenever something has.
    pub(super) async fn none(&self, patience: impl Fn() -> Patience) -> Silence {
        let mut changes = self.0.subscribe();
        loop {
            let end = changes.borrow_and_update().end(patience());
            let expiry = async {
                match end {
                    Some((at, silence)) => {
                        tokio::time::sleep_until(at).await;
                        silence
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                silence = expiry => return silence,
                // The sender is ours: it cannot have gone.
                _ = changes.changed() => {}
            }
        }
    }
}

impl State {
    /// When patience ends if nothing changes.
    fn end(&self, patience: Patience) -> Option<(Instant, Silence)> {
        if self.busy == 0 {
            let most = if self.begun { patience.idle_max } else { patience.first_max };
            return Some((self.since + most, Silence::NoRequest));
        }
        // Numbers are given in the order of time.
        let (_, oldest) = self.answers.first_key_value()?;
        Some((*oldest + patience.answer_max, Silence::AnswerNotTaken))
    }
}

impl Busy {
    fn new(activity: &watch::Sender<State>) -> Self {
        activity.send_modify(|state| {
            state.busy += 1;
            state.begun = true;
        });
        Self { activity: activity.clone(), answer: None }
    }

    /// A piece of the answer was taken: there is more to come.
    fn taken(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.activity.send_modify(|state| {
                state.answers.remove(&answer);
            });
        }
    }

    /// The answer, or a piece of it, is finished, and to be taken.
    fn answered(&mut self) {
        let answer = &mut self.answer;
        self.activity.send_modify(|state| {
            *answer = Some(state.next_id);
            state.answers.insert(state.next_id, Instant::now());
            state.next_id += 1;
        });
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let answer = self.answer;
        self.activity.send_modify(|state| {
            state.busy -= 1;
            state.since = Instant::now();
            answer.map(|answer| state.answers.remove(&answer));
        });
    }
}

/// An answer that goes on.
struct Pieces {
    body: Body,
    busy: Busy,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    /// Asked only when the connection has room: so long as it is not, the last piece is not taken.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.busy.taken();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.busy.answered();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<S> Service<Request<Incoming>> for Noticed<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send + 'static>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut busy = Busy::new(&self.activity);
        let answering = self.service.call(request);
        Box::pin(async move {
            let response = answering.await?;
            if response.body().size_hint().exact().is_some() {
                busy.answered();
                return Ok(answers::holding(response, busy));
            }
            // A stream is an answer that goes on: each piece of it is to be taken.
            Ok(response.map(|body| Body::new(Pieces { body, busy })))
        })
    }
}

#[cfg(test)]
mod tests;
