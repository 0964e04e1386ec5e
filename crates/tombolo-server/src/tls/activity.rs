//! Whether anything goes on on a connection: one on which nothing does is not kept for ever.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use tokio::sync::watch;
use tokio::time::Instant;

/// One connection.
#[derive(Debug)]
pub(super) struct Activity(watch::Sender<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    /// Requests that are not answered to the end.
    busy: usize,
    /// A request has come.
    begun: bool,
    /// Since when it is as it is.
    since: Instant,
}

/// A service whose requests are noticed.
pub(super) struct Noticed<S> {
    service: S,
    activity: watch::Sender<State>,
}

/// A request that is not answered to the end.
#[derive(Debug)]
struct Busy(watch::Sender<State>);

impl Activity {
    pub(super) fn new() -> Self {
        let state = State { busy: 0, begun: false, since: Instant::now() };
        Self(watch::Sender::new(state))
    }

    pub(super) fn notice<S>(&self, service: S) -> Noticed<S> {
        Noticed { service, activity: self.0.clone() }
    }

    /// Resolves when there was no first request for `first_max`, or later none for `idle_max`.
    pub(super) async fn none(&self, first_max: Duration, idle_max: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let State { busy, begun, since } = *changes.borrow_and_update();
            let patience = if begun { idle_max } else { first_max };
            let expiry = async {
                if busy > 0 {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep_until(since + patience).await;
            };
            tokio::select! {
                () = expiry => return,
                // The sender is ours: it cannot have gone.
                _ = changes.changed() => {}
            }
        }
    }
}

impl Busy {
    fn new(activity: &watch::Sender<State>) -> Self {
        activity.send_modify(|state| {
            state.busy += 1;
            state.begun = true;
        });
        Self(activity.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|state| {
            state.busy -= 1;
            state.since = Instant::now();
        });
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
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send + 'static>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = Busy::new(&self.activity);
        let answering = self.service.call(request);
        Box::pin(async move {
            let response = answering.await?;
            if response.body().size_hint().exact().is_some() {
                return Ok(response);
            }
            // A stream is an answer that goes on.
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _ = &busy;
                    frame
                }))
            }))
        })
    }
}

#[cfg(test)]
mod tests;
