//! Operations, one after another, beside the conversation: a slow one does not hold up what others
//! write.

use std::pin::Pin;
use std::time::Duration;

use tombolo_client::ClientError;

use mimi_wire::MimiUri;
use tokio::time::Instant;

/// How long an operation may take before the person hears that it is under way.
const SLOW: Duration = Duration::from_secs(3);

/// What an operation came to.
pub(crate) enum Done {
    /// Nothing to say.
    Quietly,
    /// Lines to print.
    Say(String),
    /// The room for two that was opened.
    Direct(MimiUri),
    /// A room to show.
    Show(MimiUri),
    /// A room to look at: what changed is said.
    Changed(MimiUri),
    /// Lines to print before the chat ends.
    End(String),
}

/// An operation's future.
pub(crate) type Doing = Pin<Box<dyn Future<Output = Result<Done, ClientError>> + Send>>;

/// An operation under way.
pub(crate) struct Operation {
    doing: Doing,
    /// What the person typed.
    line: String,
    slow_at: Option<Instant>,
    /// It ends by showing a room.
    pub(crate) shows: bool,
}

/// What became of an operation.
pub(crate) enum Progress {
    Slow(String),
    Done(Result<Done, ClientError>),
}

impl Operation {
    pub(crate) fn new(line: String, doing: Doing, shows: bool) -> Self {
        Self { doing, line, slow_at: Some(Instant::now() + SLOW), shows }
    }

    /// Waits until it is done or slow; for ever if there is none. Dropping the wait loses nothing.
    pub(crate) async fn progress(running: &mut Option<Self>) -> Progress {
        let Some(operation) = running else { return std::future::pending().await };
        let slow_at = operation.slow_at;
        tokio::select! {
            result = operation.doing.as_mut() => {
                *running = None;
                Progress::Done(result)
            }
            () = async {
                match slow_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {
                operation.slow_at = None;
                Progress::Slow(operation.line.clone())
            }
        }
    }
}
