//! Keeps the event stream open: resumes after what has come, with back-off and jitter.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::session::request::TransportError;
use crate::session::stream_event::{LogPosition, StreamEvent};
use crate::transport::{OpenStream, Token, Transport};

/// The first wait after the stream broke.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(4);
/// The wait after a refusal, which passes only when somebody does something.
const BACKOFF_REFUSED: Duration = Duration::from_secs(30);
/// Names no era of any log. A device that knows none, and whose cursor is beyond the end of the log, is
/// refused; with this one the provider says where the stream goes on.
const NO_ERA: &str = "00000000000000000000000000000000";
/// A stream that lasted this long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(20);

/// What the stream tells the driver.
#[derive(Debug)]
pub(crate) enum StreamSignal {
    /// An entry.
    Event(StreamEvent),
    /// The stream was opened, and where it begins.
    Opened(Option<LogPosition>),
    /// The connection came, or went.
    Connected(bool),
    /// The provider does not know this device any more.
    SignedOut,
}

/// Follows the stream until nobody listens any more.
pub(crate) async fn follow(
    transport: Arc<dyn Transport>,
    token: Token,
    mut after: u64,
    mut era: Option<String>,
    mut rng: StdRng,
    signals: mpsc::Sender<StreamSignal>,
) {
    let mut failures = 0;
    let mut is_signed_out = false;
    loop {
        let opened = Instant::now();
        let broken = match transport.events(token.clone(), after, era.clone()).await {
            Err(error) => Some(error),
            Ok(OpenStream { position, mut events }) => {
                is_signed_out = false;
                if let Some(position) = &position {
                    after = position.after;
                    era = Some(position.era.clone());
                }
                if signals.send(StreamSignal::Opened(position)).await.is_err() {
                    return;
                }
                if signals.send(StreamSignal::Connected(true)).await.is_err() {
                    return;
                }
                let broken = loop {
                    match events.next().await {
                        Some(Ok(event)) => {
                            failures = 0;
                            if event.id > after {
                                after = event.id;
                                if signals.send(StreamSignal::Event(event)).await.is_err() {
                                    return;
                                }
                            }
                        }
                        Some(Err(error)) => break Some(error),
                        None => break None,
                    }
                };
                if signals.send(StreamSignal::Connected(false)).await.is_err() {
                    return;
                }
                broken
            }
        };
        if broken.as_ref().is_some_and(|error| error.is_refusal("unauthorized")) && !is_signed_out {
            is_signed_out = true;
            if signals.send(StreamSignal::SignedOut).await.is_err() {
                return;
            }
        }
        if era.is_none() && broken.as_ref().is_some_and(|error| error.is_refusal("conflict")) {
            tracing::warn!(after, "the provider's log ends before our cursor");
            era = Some(NO_ERA.to_owned());
            continue;
        }
        if opened.elapsed() > GOOD_AFTER {
            failures = 0;
        }
        match &broken {
            Some(error) => tracing::info!(%error, "the event stream broke"),
            None => tracing::debug!("the event stream ended"),
        }
        let refused = matches!(broken, Some(TransportError::Refused { .. }));
        tokio::time::sleep(backoff(failures, refused, &mut rng)).await;
        failures += 1;
        if signals.is_closed() {
            return;
        }
    }
}

fn backoff(failures: u32, refused: bool, rng: &mut StdRng) -> Duration {
    if refused {
        return BACKOFF_REFUSED;
    }
    let full = BACKOFF_FIRST.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX);
    full.mul_f64(rng.random_range(0.5..1.0))
}
