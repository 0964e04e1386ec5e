//! The task behind a [`Client`](crate::Client): it feeds the session and does what the session asks,
//! storing first.
//!
//! **Invariant:** whatever an input led to is committed to the store before a request leaves, a
//! caller hears of it or the provider is told that an event has arrived.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mimi_policy::{ClientIdentity, RoomView};
use mimi_wire::MimiUri;
use rand::rngs::StdRng;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::client::stream::{self, StreamSignal};
use crate::client::{ACKNOWLEDGE_EVERY, EVENTS_BUFFERED, storage};
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::Session;
use crate::session::command::{Command, Notice, OperationId, Outcome, ReceiptSetting};
use crate::session::request::{RequestId, Response, TransportError};
use crate::shown::{Evidence, RoomState};
use crate::store::ClientStore;
use crate::surroundings::Surroundings;
use crate::transport::assets::AssetTransport;
use crate::transport::{Token, Transport, TransportFuture};

/// Events that may lie between the stream and the session.
const STREAM_BUFFERED: usize = 256;
/// Events that one commit to the store covers at most.
const EVENTS_PER_COMMIT_MAX: usize = 64;
/// How long closing waits for answers that are under way; what is lost is asked again.
const CLOSING_GRACE: Duration = Duration::from_secs(1);

/// How files travel, and the access token to send them with.
pub(crate) type AssetAccess = (Option<Arc<dyn AssetTransport>>, Option<Token>);

/// What the handle asks of the task.
pub(crate) enum Input {
    Start(Command, oneshot::Sender<Result<Outcome, ClientError>>),
    Rooms(oneshot::Sender<Vec<MimiUri>>),
    Room(MimiUri, oneshot::Sender<Result<RoomState, ClientError>>),
    View(MimiUri, oneshot::Sender<Result<RoomView, ClientError>>),
    Evidence(MimiUri, oneshot::Sender<Result<Vec<Evidence>, ClientError>>),
    Receipts(oneshot::Sender<Option<ReceiptSetting>>),
    Assets(oneshot::Sender<AssetAccess>),
    Close(oneshot::Sender<Result<(), ClientError>>),
}

type Answered = (RequestId, Result<Response, TransportError>);
type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// The session with its store and its connections.
pub(crate) struct Driver {
    session: Session,
    store: Arc<dyn ClientStore>,
    transport: Arc<dyn Transport>,
    surroundings: Surroundings,
    rng: StdRng,
    clock: Clock,
    events: broadcast::Sender<ClientEvent>,
    stopped: Arc<OnceLock<String>>,
    callers: BTreeMap<OperationId, oneshot::Sender<Result<Outcome, ClientError>>>,
    in_flight: FuturesUnordered<Answering>,
    stream: Option<(mpsc::Receiver<StreamSignal>, JoinHandle<()>)>,
    acknowledged: u64,
    acknowledging: Option<TransportFuture<()>>,
    /// Not before then is the next acknowledgement sent.
    acknowledge_from: Instant,
    /// No request leaves any more.
    closing: bool,
}

/// What the task woke up for.
enum Wake {
    Input(Option<Input>),
    Answer(Answered),
    Stream(Option<StreamSignal>),
    Acknowledged(Result<(), TransportError>),
    Timer,
}

impl Driver {
    pub(crate) fn new(
        session: Session,
        store: Arc<dyn ClientStore>,
        transport: Arc<dyn Transport>,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            acknowledged: session.cursor(),
            session,
            store,
            transport,
            rng: surroundings.rng(),
            clock: Clock::default(),
            surroundings,
            events: broadcast::channel(EVENTS_BUFFERED).0,
            stopped: Arc::default(),
            callers: BTreeMap::new(),
            in_flight: FuturesUnordered::new(),
            stream: None,
            acknowledging: None,
            acknowledge_from: Instant::now(),
            closing: false,
        }
    }

    pub(crate) fn events(&self) -> broadcast::Sender<ClientEvent> {
        self.events.clone()
    }

    pub(crate) fn stopped(&self) -> Arc<OnceLock<String>> {
        self.stopped.clone()
    }

    pub(crate) fn identity(&self) -> Option<&ClientIdentity> {
        self.session.identity()
    }

    /// Runs one operation to its end, before there is a handle.
    pub(crate) async fn complete(&mut self, command: Command) -> Result<Outcome, ClientError> {
        let (caller, mut outcome) = oneshot::channel();
        self.start(command, caller);
        loop {
            self.settle().await?;
            if let Ok(outcome) = outcome.try_recv() {
                return outcome;
            }
            let wake = self.wake(None).await;
            self.take(wake);
        }
    }

    /// Runs until the handle is closed or dropped, the store fails, or the account is deleted.
    pub(crate) async fn run(&mut self, mut inputs: mpsc::Receiver<Input>) {
        let closed = loop {
            if let Err(failure) = self.settle().await {
                tracing::error!(%failure, "the device stops");
                // Set once, here or below.
                let _ = self.stopped.set(failure.to_string());
                break None;
            }
            if self.session.is_deleted() {
                // Set once, here or above.
                let _ = self.stopped.set("the account is deleted".to_owned());
                self.in_flight.clear();
                break None;
            }
            if self.stream.is_none() {
                self.open_stream();
            }
            match self.wake(Some(&mut inputs)).await {
                Wake::Input(None) => break None,
                Wake::Input(Some(Input::Close(caller))) => break Some(caller),
                wake => self.take(wake),
            }
        };
        let result = self.close().await;
        if let Some(caller) = closed {
            drop(caller.send(result));
        }
    }

    async fn close(&mut self) -> Result<(), ClientError> {
        self.closing = true;
        if let Some((_, task)) = self.stream.take() {
            task.abort();
        }
        let grace = async {
            while let Some((id, result)) = self.in_flight.next().await {
                let now_ms = self.now_ms();
                self.session.answer(id, result, now_ms, &mut self.rng);
            }
        };
        // Nothing is lost when an answer does not come: the request is sent again after the start.
        let _ = tokio::time::timeout(CLOSING_GRACE, grace).await;
        let settled = match self.stopped.get() {
            None => self.settle().await,
            Some(reason) => Err(ClientError::Storage(reason.clone())),
        };
        let closed = self.store.close().await.map_err(storage);
        settled.and(closed)
    }

    /// Stores what changed, then lets out what it led to.
    async fn settle(&mut self) -> Result<(), ClientError> {
        let changes = self.session.take_changes();
        if !changes.is_empty() {
            self.store.commit(changes).await.map_err(storage)?;
        }
        for notice in self.session.take_notices() {
            match notice {
                Notice::Finished { operation, result } => {
                    if let Some(caller) = self.callers.remove(&operation) {
                        // A caller that gave up does not want to know.
                        drop(caller.send(result));
                    }
                }
                Notice::Event(event) => drop(self.events.send(event)),
            }
        }
        if self.closing {
            return Ok(());
        }
        while let Some(outgoing) = self.session.next_request() {
            let id = outgoing.id;
            let transport = self.transport.clone();
            self.in_flight.push(Box::pin(async move { (id, transport.request(outgoing).await) }));
        }
        self.acknowledge();
        Ok(())
    }

    fn acknowledge(&mut self) {
        let cursor = self.session.cursor();
        if self.acknowledging.is_some() || cursor == self.acknowledged {
            return;
        }
        let now = Instant::now();
        if let Some(token) = self.session.token().filter(|_| now >= self.acknowledge_from) {
            self.acknowledge_from = now + ACKNOWLEDGE_EVERY;
            self.acknowledged = cursor;
            self.acknowledging = Some(self.transport.acknowledge(token, cursor));
        }
    }

    /// How long until what has arrived may be acknowledged, if something is left to.
    fn acknowledgement_due(&self) -> Option<Duration> {
        let is_due = self.acknowledging.is_none() && self.session.cursor() != self.acknowledged;
        is_due.then(|| self.acknowledge_from.saturating_duration_since(Instant::now()))
    }

    fn open_stream(&mut self) {
        let Some(token) = self.session.token() else { return };
        let (signals, received) = mpsc::channel(STREAM_BUFFERED);
        let (after, era) = (self.session.cursor(), self.session.era().map(str::to_owned));
        let rng = self.surroundings.rng();
        let follow = stream::follow(self.transport.clone(), token, after, era, rng, signals);
        self.stream = Some((received, tokio::spawn(follow)));
    }

    async fn wake(&mut self, inputs: Option<&mut mpsc::Receiver<Input>>) -> Wake {
        let due = self.session.next_timer();
        let now_ms = self.now_ms();
        let wait = due.map(|due| Duration::from_millis(due.saturating_sub(now_ms)));
        let wait = wait.into_iter().chain(self.acknowledgement_due()).min();
        let signals = self.stream.as_mut().map(|(received, _)| received);
        let acknowledging = self.acknowledging.as_mut();
        tokio::select! {
            biased;
            input = async {
                match inputs {
                    Some(inputs) => inputs.recv().await,
                    None => std::future::pending().await,
                }
            } => Wake::Input(input),
            Some(answered) = self.in_flight.next() => Wake::Answer(answered),
            signal = async {
                match signals {
                    Some(signals) => signals.recv().await,
                    None => std::future::pending().await,
                }
            } => Wake::Stream(signal),
            result = async {
                match acknowledging {
                    Some(acknowledging) => acknowledging.await,
                    None => std::future::pending().await,
                }
            } => Wake::Acknowledged(result),
            () = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            } => Wake::Timer,
        }
    }

    fn take(&mut self, wake: Wake) {
        match wake {
            Wake::Input(input) => self.take_input(input),
            Wake::Answer((id, result)) => {
                let now_ms = self.now_ms();
                self.session.answer(id, result, now_ms, &mut self.rng);
            }
            // The follower of the stream is gone: another one is started.
            Wake::Stream(None) => self.stream = None,
            Wake::Stream(signal) => self.take_signals(signal),
            Wake::Acknowledged(result) => {
                self.acknowledging = None;
                if let Err(error) = result {
                    // The next one says the same and more.
                    tracing::debug!(%error, "events not acknowledged");
                }
            }
            Wake::Timer => {
                let now_ms = self.now_ms();
                self.session.tick(now_ms, &mut self.rng);
            }
        }
    }

    fn take_input(&mut self, input: Option<Input>) {
        match input {
            Some(Input::Start(command, caller)) => self.start(command, caller),
            // A reader that gave up does not want to know.
            Some(Input::Assets(answer)) => {
                drop(answer.send((self.transport.assets(), self.session.token())));
            }
            Some(Input::Receipts(answer)) => drop(answer.send(self.session.receipts())),
            Some(Input::Rooms(answer)) => drop(answer.send(self.session.rooms())),
            Some(Input::Room(room, answer)) => drop(answer.send(self.session.room(&room))),
            Some(Input::View(room, answer)) => drop(answer.send(self.session.view(&room))),
            Some(Input::Evidence(room, answer)) => drop(answer.send(self.session.evidence(&room))),
            Some(Input::Close(_)) | None => {}
        }
    }

    fn now_ms(&mut self) -> u64 {
        self.clock.at(self.surroundings.now_ms())
    }

    fn start(&mut self, command: Command, caller: oneshot::Sender<Result<Outcome, ClientError>>) {
        let now_ms = self.now_ms();
        let operation = self.session.start(command, now_ms, &mut self.rng);
        self.callers.insert(operation, caller);
    }

    /// Takes what is there, up to a bound, so that one commit to the store covers it.
    fn take_signals(&mut self, first: Option<StreamSignal>) {
        let mut next = first;
        let mut taken = 0;
        while let Some(signal) = next {
            match signal {
                StreamSignal::Event(event) => {
                    let now_ms = self.now_ms();
                    self.session.event(event, now_ms, &mut self.rng);
                }
                StreamSignal::Opened(position) => {
                    let now_ms = self.now_ms();
                    self.session.opened(position, now_ms, &mut self.rng);
                }
                StreamSignal::Connected(connected) => {
                    let now_ms = self.now_ms();
                    self.session.connected(connected, now_ms, &mut self.rng);
                }
                StreamSignal::SignedOut => self.session.signed_out(),
            }
            taken += 1;
            if taken == EVENTS_PER_COMMIT_MAX {
                return;
            }
            next = self.stream.as_mut().and_then(|(received, _)| received.try_recv().ok());
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some((_, task)) = self.stream.take() {
            task.abort();
        }
    }
}

/// The time as the session hears it: it never goes back, or timers would stand still until the
/// system's clock, once corrected, has caught up.
#[derive(Debug, Default)]
struct Clock {
    last_ms: u64,
    ahead_ms: u64,
}

impl Clock {
    fn at(&mut self, system_ms: u64) -> u64 {
        let now_ms = system_ms.saturating_add(self.ahead_ms);
        self.ahead_ms += self.last_ms.saturating_sub(now_ms);
        self.last_ms = self.last_ms.max(now_ms);
        self.last_ms
    }
}

#[cfg(test)]
mod tests;
