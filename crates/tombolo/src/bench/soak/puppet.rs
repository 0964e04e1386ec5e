//! A device of the soak as seen from outside: its process, what it was told, what it says.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mimi_wire::MimiUri;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::device::SoakDevice;
use super::words::{Answer, Failure, Line, Order, Wish};

/// How long a device may take to stop when it is asked to.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a device may take until it says that it runs.
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// What a device says, and which.
pub(super) type Heard = (Arc<str>, Line);

/// A device's process, or the next one in its place.
#[derive(Debug)]
pub(super) struct Puppet {
    pub(super) name: Arc<str>,
    pub(super) user: MimiUri,
    arguments: SoakDevice,
    heard: mpsc::UnboundedSender<Heard>,
    process: tokio::sync::Mutex<Option<Process>>,
    orders: Arc<Mutex<Orders>>,
    next: AtomicU64,
    ready: watch::Sender<bool>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    reading: JoinHandle<()>,
    /// Whether we want it to end.
    is_ending: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Orders {
    input: Option<mpsc::UnboundedSender<String>>,
    pending: HashMap<u64, oneshot::Sender<Result<Answer, Failure>>>,
}

/// Why an order came to nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Undone {
    /// The device does not run: it has not heard of it.
    NotRunning,
    /// It ended before it answered.
    Ended,
    /// It answered.
    Failed(Failure),
}

impl std::fmt::Display for Undone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRunning => formatter.write_str("it does not run"),
            Self::Ended => formatter.write_str("it ended meanwhile"),
            Self::Failed(Failure::Refused(why) | Failure::Unknown(why)) => formatter.write_str(why),
        }
    }
}

impl Puppet {
    pub(super) fn new(
        user: MimiUri,
        arguments: SoakDevice,
        heard: mpsc::UnboundedSender<Heard>,
    ) -> Self {
        let name = format!("{}-{}", arguments.user, arguments.device);
        Self {
            name: name.into(),
            user,
            arguments,
            heard,
            process: tokio::sync::Mutex::default(),
            orders: Arc::default(),
            next: AtomicU64::new(0),
            ready: watch::Sender::new(false),
        }
    }

    /// Starts its process, which need not be ready yet.
    pub(super) async fn launch(&self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{} does not start: {error}", self.name);
        let mut process = self.process.lock().await;
        let program = std::env::current_exe().map_err(failed)?;
        let log = self.arguments.store.with_extension("log");
        let log = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        let mut child = Command::new(program)
            .args(self.arguments.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{} has no input or no output", self.name));
        };
        let (orders, received) = mpsc::unbounded_channel();
        lock(&self.orders).input = Some(orders);
        tokio::spawn(pass_on(received, input));
        let is_ending = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            name: self.name.clone(),
            heard: self.heard.clone(),
            orders: self.orders.clone(),
            ready: self.ready.clone(),
        };
        let reading = tokio::spawn(reader.read(output));
        *process = Some(Process { child, reading, is_ending });
        Ok(())
    }

    /// Waits until it says that it runs.
    pub(super) async fn until_ready(&self) -> Result<(), String> {
        let mut ready = self.ready.subscribe();
        let waited = tokio::time::timeout(READY_TIMEOUT, ready.wait_for(|ready| *ready)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            _ => Err(format!("{} is not there in {} s", self.name, READY_TIMEOUT.as_secs())),
        }
    }

    /// Tells it to do something and waits for the answer.
    pub(super) async fn order(&self, wish: Wish) -> Result<Answer, Undone> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let order = Order { number, wish };
        let text = serde_json::to_string(&order).map_err(|_| Undone::NotRunning)?;
        let (caller, answer) = oneshot::channel();
        {
            let mut orders = lock(&self.orders);
            let input = orders.input.as_ref().ok_or(Undone::NotRunning)?;
            input.send(text).map_err(|_| Undone::NotRunning)?;
            orders.pending.insert(number, caller);
        }
        match answer.await {
            Ok(answered) => answered.map_err(Undone::Failed),
            Err(_) => Err(Undone::Ended),
        }
    }

    /// SIGKILL; everything it has said is read.
    pub(super) async fn kill(&self) -> Result<(), String> {
        let mut process = self.process.lock().await;
        let Some(mut running) = process.take() else { return Ok(()) };
        running.is_ending.store(true, Ordering::Relaxed);
        let killed = running.child.kill().await;
        self.over(running).await;
        killed.map_err(|error| format!("{} cannot be killed: {error}", self.name))
    }

    /// Asks it to stop.
    pub(super) async fn close(&self) -> Result<(), String> {
        let mut process = self.process.lock().await;
        let Some(mut running) = process.take() else { return Ok(()) };
        running.is_ending.store(true, Ordering::Relaxed);
        let _ = self.order(Wish::Close).await;
        let ended = tokio::time::timeout(CLOSE_TIMEOUT, running.child.wait()).await;
        self.over(running).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("{} ended with {status}", self.name)),
            Ok(Err(error)) => Err(format!("{}: {error}", self.name)),
            Err(_) => Err(format!("{} does not stop", self.name)),
        }
    }

    async fn over(&self, process: Process) {
        let _ = process.reading.await;
    }

    /// The process, if it runs and nothing is being done to it.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.try_lock().ok()?.as_ref()?.child.id()
    }

    /// How it ended, if it did so by itself.
    pub(super) fn has_ended(&self) -> Option<String> {
        let mut process = self.process.try_lock().ok()?;
        let status = process.as_mut()?.child.try_wait().ok()??;
        Some(format!("{} ended by itself: {status}", self.name))
    }
}

/// Reads what a process says until it ends.
struct Reader {
    name: Arc<str>,
    heard: mpsc::UnboundedSender<Heard>,
    orders: Arc<Mutex<Orders>>,
    ready: watch::Sender<bool>,
}

impl Reader {
    async fn read(self, output: ChildStdout) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // Half a line is the last that one says who is killed.
            let Ok(line) = serde_json::from_str::<Line>(&line) else { continue };
            match line {
                Line::Ready(_) => drop(self.ready.send_replace(true)),
                Line::Done { number, answer } => self.answer(number, Ok(answer)),
                Line::Failed { number, failure } => self.answer(number, Err(failure)),
                line => drop(self.heard.send((self.name.clone(), line))),
            }
        }
        let _ = self.ready.send_replace(false);
        let mut orders = lock(&self.orders);
        orders.input = None;
        orders.pending.clear();
    }

    fn answer(&self, number: u64, answer: Result<Answer, Failure>) {
        if let Some(caller) = lock(&self.orders).pending.remove(&number) {
            // A caller that gave up does not want to know.
            drop(caller.send(answer));
        }
    }
}

async fn pass_on(mut orders: mpsc::UnboundedReceiver<String>, mut input: ChildStdin) {
    while let Some(mut order) = orders.recv().await {
        order.push('\n');
        if input.write_all(order.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn lock(orders: &Mutex<Orders>) -> std::sync::MutexGuard<'_, Orders> {
    orders.lock().unwrap_or_else(PoisonError::into_inner)
}
