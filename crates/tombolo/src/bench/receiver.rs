//! A device that receives: its event stream, read and acknowledged as the SDK does, and counted.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use mimi_wire::Wire;
use mimi_wire::protocol::notify::FanoutMessage;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tombolo_client::client::ACKNOWLEDGE_EVERY;
use tombolo_client::session::stream_event::{StreamEvent, StreamEventKind};
use tombolo_client::transport::{EventStream, HttpsTransport, Token, Transport, TransportFuture};

use super::phase::{Phase, Seen};

/// What a receiver is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// Its deliveries are counted.
    Counted,
    /// They are counted, and each makes room for another message to be sent.
    Pacing,
    /// A writer's own stream: read, as a writer reads it, and not counted.
    Echo,
}

/// See the module. Dropping it closes the stream.
#[derive(Debug)]
pub(crate) struct Receiver {
    part: Part,
    counting: Arc<Mutex<Counting>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Counting {
    phase: Arc<Phase>,
    seen: Seen,
}

impl Receiver {
    /// Opens the stream after an entry; it is open when this returns.
    pub(crate) async fn open(
        transport: Arc<HttpsTransport>,
        token: Token,
        after: u64,
        part: Part,
    ) -> Result<Self, String> {
        let events = transport.events(token.clone(), after, None).await;
        let events = events.map_err(|error| format!("an event stream does not open: {error}"))?;
        let phase = Phase::new(0);
        let counting = Arc::new(Mutex::new(Counting { phase, seen: Seen::default() }));
        let following = Following {
            transport,
            token,
            cursor: after,
            acknowledged: after,
            acknowledging: None,
            acknowledge_from: Instant::now(),
            part,
            counting: Arc::clone(&counting),
        };
        let task = tokio::spawn(following.run(events.events));
        Ok(Self { part, counting, task })
    }

    /// Counts for another phase from now on.
    pub(crate) fn begin(&self, phase: &Arc<Phase>) {
        let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        *counting = Counting { phase: Arc::clone(phase), seen: Seen::default() };
    }

    /// What it has seen of the phase; `None` if it does not count.
    pub(crate) fn seen(&self) -> Option<Seen> {
        let counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        (self.part != Part::Echo).then(|| counting.seen.clone())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Following {
    transport: Arc<HttpsTransport>,
    token: Token,
    cursor: u64,
    acknowledged: u64,
    /// One at a time and not too often, as in the SDK.
    acknowledging: Option<TransportFuture<()>>,
    acknowledge_from: Instant,
    part: Part,
    counting: Arc<Mutex<Counting>>,
}

impl Following {
    /// Reads until it is dropped; a stream that breaks is opened again where it broke.
    async fn run(mut self, mut events: EventStream) {
        loop {
            self.read(&mut events).await;
            events = loop {
                let again = self.transport.events(self.token.clone(), self.cursor, None).await;
                match again {
                    Ok(opened) => break opened.events,
                    Err(_) => tokio::time::sleep(REOPEN_PAUSE).await,
                }
            };
        }
    }

    async fn read(&mut self, events: &mut EventStream) {
        loop {
            let is_due = self.acknowledging.is_none() && self.cursor > self.acknowledged;
            let event = tokio::select! {
                event = events.next() => event,
                () = tokio::time::sleep_until(self.acknowledge_from), if is_due => {
                    self.acknowledge();
                    continue;
                }
                () = finished(&mut self.acknowledging) => {
                    self.acknowledging = None;
                    continue;
                }
            };
            let Some(Ok(event)) = event else { return };
            self.take(&event);
        }
    }

    fn take(&mut self, event: &StreamEvent) {
        self.cursor = event.id;
        let counts = matches!(event.kind, StreamEventKind::Application | StreamEventKind::Commit);
        if self.part == Part::Echo || !counts {
            return;
        }
        let Ok(fanout) = FanoutMessage::decode(&event.payload) else { return };
        let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let Counting { phase, seen } = &mut *counting;
        let before = seen.latencies_us.len();
        phase.arrived(seen, &event.stream, fanout.timestamp, fanout.message.octets());
        if self.part == Part::Pacing && seen.latencies_us.len() > before {
            phase.window.add_permits(1);
        }
    }

    fn acknowledge(&mut self) {
        self.acknowledge_from = Instant::now() + ACKNOWLEDGE_EVERY;
        self.acknowledged = self.cursor;
        let token = self.token.clone();
        self.acknowledging = Some(self.transport.acknowledge(token, self.cursor));
    }
}

/// Resolves when the acknowledgement under way is answered, whatever the answer: the next one says
/// the same and more.
async fn finished(acknowledging: &mut Option<TransportFuture<()>>) {
    match acknowledging {
        Some(acknowledging) => drop(acknowledging.await),
        None => std::future::pending().await,
    }
}

/// Before a stream is opened again.
const REOPEN_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
