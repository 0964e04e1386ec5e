//! `tombolo serve`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::thread;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tombolo_server::config::{Config, LogConfig, LogFormat};
use tombolo_server::running::Running;
use tracing_subscriber::EnvFilter;

use super::Failure;

/// Run a provider until it is told to stop
#[derive(Args, Debug)]
#[command(after_help = "\
Log lines go to standard error, as the [log] table of the configuration says; the environment
variable RUST_LOG, if set, says it instead.

SIGTERM and SIGINT (Ctrl-C) stop the provider cleanly: requests in flight are finished and
everything is on disk. A second signal ends it at once, which loses nothing that was acknowledged
either. SIGHUP reads the TLS certificate and its key again.

Example:
  tombolo serve --config a.example/tombolo.toml")]
pub(crate) struct Serve {
    /// The configuration file, as `tombolo init` writes it
    #[arg(long, value_name = "FILE", default_value = "tombolo.toml")]
    config: PathBuf,
    /// Also stop cleanly when standard input ends: whoever holds the other end takes the provider
    /// along, however it ends itself
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(|errors| Failure::usage(&errors))?;
        start_logging(&config.log);
        let mut stop = Stop::listen(self.until_input_ends)?;
        let mut reload = listen(SignalKind::hangup())?;
        let running = Running::start(config).await.map_err(|error| Failure::new(&error))?;
        loop {
            tokio::select! {
                () = stop.requested() => break,
                _ = reload.recv() => reload_certificate(&running),
            }
        }
        tokio::select! {
            () = running.shutdown() => Ok(()),
            () = stop.requested() => Err(Failure::new(&"stopped at once, by a second signal")),
        }
    }
}

fn reload_certificate(running: &Running) {
    match running.reload_certificate() {
        Ok(()) => tracing::info!("the certificate is read again"),
        Err(error) => tracing::error!(%error, "the certificate stays the one it was"),
    }
}

fn start_logging(log: &LogConfig) {
    // A malformed RUST_LOG is as good as none.
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(log.level.as_str()));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        LogFormat::Text => subscriber.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => subscriber.json().init(),
    }
}

/// What asks to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    /// The end of standard input, as long as it is still to come; none if it does not matter.
    input_end: Option<oneshot::Receiver<()>>,
}

impl Stop {
    fn listen(until_input_ends: bool) -> Result<Self, Failure> {
        let terminate = listen(SignalKind::terminate())?;
        let interrupt = listen(SignalKind::interrupt())?;
        let input_end = if until_input_ends { Some(watch_input()?) } else { None };
        Ok(Self { terminate, interrupt, input_end })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = ended(&mut self.input_end) => {}
        }
    }
}

/// Waits for the end of the input, which comes once: after it, or without one, for ever.
async fn ended(input_end: &mut Option<oneshot::Receiver<()>>) {
    match input_end {
        Some(end) => {
            // A watcher that is gone can read no more either.
            let _ = end.await;
            *input_end = None;
        }
        None => std::future::pending().await,
    }
}

/// Reads standard input to its end, on a thread of its own: the runtime would wait for a read in
/// progress before it lets the program end.
fn watch_input() -> Result<oneshot::Receiver<()>, Failure> {
    let (tell, end) = oneshot::channel();
    thread::Builder::new()
        .name("standard input".to_owned())
        .spawn(move || {
            // An input that cannot be read any more has ended too.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = tell.send(());
        })
        .map_err(|error| Failure::new(&format!("standard input is not read: {error}")))?;
    Ok(end)
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(&format!("no signals are received: {error}")))
}
