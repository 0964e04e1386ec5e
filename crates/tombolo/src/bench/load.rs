//! The load: prepared messages, sent as fast as they are taken or at a fixed rate.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tombolo_client::session::prepare::PreparedMessage;
use tombolo_client::session::request::{Outgoing, Response};
use tombolo_client::transport::{HttpsTransport, Transport};

use super::phase::{Entry, Phase};
use mimi_wire::protocol::submit_message::SubmitMessageResponse;

/// Requests that one device has in flight at most: a provider takes 64 of each, and acknowledgements
/// are among them.
const REQUESTS_PER_DEVICE_MAX: usize = 60;

/// A message ready to leave.
#[derive(Debug)]
struct Job {
    outgoing: Outgoing,
    entry: Arc<Entry>,
}

/// The messages of one device, and its way to its provider.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    transport: Arc<HttpsTransport>,
    jobs: Arc<Mutex<VecDeque<Job>>>,
}

impl Lane {
    /// Messages of a phase, in the order in which they leave.
    pub(crate) fn new(
        transport: Arc<HttpsTransport>,
        prepared: Vec<PreparedMessage>,
        phase: &Phase,
    ) -> Self {
        let jobs = prepared.into_iter().map(|PreparedMessage { outgoing, message }| {
            let entry = phase.expect(&message);
            Job { outgoing, entry }
        });
        let jobs = jobs.collect();
        Self { transport, jobs: Arc::new(Mutex::new(jobs)) }
    }

    fn next(&self) -> Option<Job> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Sends for so long, or until the messages are used up: a message when the window has room and one
/// of the device's requests is answered.
pub(crate) async fn as_fast_as_taken(
    lanes: &[Lane],
    phase: &Arc<Phase>,
    window: usize,
    duration: Duration,
) {
    let deadline = tokio::time::Instant::now() + duration;
    let in_flight = window.div_ceil(lanes.len().max(1)).clamp(1, REQUESTS_PER_DEVICE_MAX);
    let mut workers = JoinSet::new();
    for lane in lanes {
        for _ in 0..in_flight {
            workers.spawn(send_in_turn(lane.clone(), Arc::clone(phase), deadline));
        }
    }
    while workers.join_next().await.is_some() {}
}

async fn send_in_turn(lane: Lane, phase: Arc<Phase>, deadline: tokio::time::Instant) {
    loop {
        let permit = tokio::select! {
            permit = phase.window.acquire() => permit,
            () = tokio::time::sleep_until(deadline) => return,
        };
        let permit = permit.expect("the semaphore is never closed");
        if tokio::time::Instant::now() >= deadline {
            return;
        }
        let Some(job) = lane.next() else { return };
        // Given back by whoever receives it.
        permit.forget();
        phase.due(&job.entry, Instant::now());
        send(&lane.transport, &phase, job).await;
    }
}

/// Sends at a fixed rate for so long, whatever the answers: each message is due at its time, and late
/// from then on, even if nobody came to send it.
pub(crate) async fn at_rate(lane: &Lane, phase: &Arc<Phase>, rate: f64, duration: Duration) {
    let mut ticks = ticks(rate, duration);
    let mut sending = JoinSet::new();
    while let Some(due) = ticks.recv().await {
        let Some(job) = lane.next() else { break };
        phase.due(&job.entry, due);
        let (lane, phase) = (lane.clone(), Arc::clone(phase));
        sending.spawn(async move { send(&lane.transport, &phase, job).await });
        while sending.try_join_next().is_some() {}
    }
    while sending.join_next().await.is_some() {}
}

/// The times at which messages are due, each told when it has come. On a thread of its own: the
/// runtime's timers are a millisecond late, which is a good part of what is measured.
fn ticks(rate: f64, duration: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (tick, ticks) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let begun = Instant::now();
        for number in 0_u32.. {
            let after = Duration::from_secs_f64(f64::from(number) / rate);
            if after >= duration {
                return;
            }
            std::thread::sleep((begun + after).saturating_duration_since(Instant::now()));
            if tick.send(begun + after).is_err() {
                return;
            }
        }
    });
    ticks
}

async fn send(transport: &HttpsTransport, phase: &Phase, job: Job) {
    match transport.request(job.outgoing).await {
        Ok(Response::SubmitMessage(response)) => match *response {
            SubmitMessageResponse::Accepted { accepted_timestamp, .. } => {
                phase.accepted(&job.entry, accepted_timestamp);
            }
            other => phase.refused(format!("the hub answers {other:?}")),
        },
        Ok(other) => phase.refused(format!("the provider answers {other:?}")),
        Err(error) => phase.refused(error.to_string()),
    }
}
