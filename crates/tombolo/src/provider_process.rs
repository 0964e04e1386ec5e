//! One provider as a process of its own: `tombolo serve`, its log read as it is written.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use crate::provider_home::ProviderHome;

/// How long a provider may take until it answers.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to stop cleanly: requests are finished, rooms are saved.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the last lines of a log may take.
const LOG_GRACE: Duration = Duration::from_secs(1);
const READY_ASKED_EVERY: Duration = Duration::from_millis(10);

/// A running provider; killed when dropped.
#[derive(Debug)]
pub(crate) struct ProviderProcess {
    child: Child,
    /// Copies the log, if anybody listens to it.
    log: Option<JoinHandle<()>>,
}

/// Where a provider's log goes beside `provider.log` in its directory.
pub(crate) enum Log {
    /// Nowhere: the provider writes the file itself.
    File,
    /// To us, line by line.
    Heard(Box<dyn Fn(&str) + Send>),
}

impl ProviderProcess {
    /// Starts `tombolo serve` and waits until its client listener accepts connections.
    pub(crate) async fn start(home: &ProviderHome, log: Log) -> Result<Self, String> {
        let mut process = Self::launch(home, log)?;
        process.ready(home).await?;
        Ok(process)
    }

    /// Starts `tombolo serve` and does not wait for anything.
    pub(crate) fn launch(home: &ProviderHome, log: Log) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{} does not start: {error}", home.domain);
        let program = std::env::current_exe().map_err(failed)?;
        let file = home.directory.join("provider.log");
        let errors = match &log {
            Log::Heard(_) => Stdio::piped(),
            Log::File => {
                let opened = OpenOptions::new().create(true).append(true).open(&file);
                opened.map_err(failed)?.into()
            }
        };
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&home.config)
            // Held open by the child's handle: however we end, our providers end too.
            .arg("--until-input-ends")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let log = match (child.stderr.take(), log) {
            (Some(output), Log::Heard(heard)) => Some(tokio::spawn(follow(output, file, heard))),
            _ => None,
        };
        Ok(Self { child, log })
    }

    async fn ready(&mut self, home: &ProviderHome) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + READY_TIMEOUT;
        loop {
            if tokio::net::TcpStream::connect(home.client_listener).await.is_ok() {
                return Ok(());
            }
            let log = home.directory.join("provider.log");
            if let Ok(Some(status)) = self.child.try_wait() {
                let last = last_line(&log);
                return Err(format!("{} ended with {status}: {last}", home.domain));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("{} does not answer; see {}", home.domain, log.display()));
            }
            tokio::time::sleep(READY_ASKED_EVERY).await;
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it ended, if it did so by itself.
    pub(crate) fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL: no goodbye, no flushing.
    pub(crate) async fn kill(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| format!("cannot be killed: {error}"))?;
        self.log_ended().await;
        Ok(())
    }

    /// Ends its input, which asks it to stop, then waits for a clean end.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        self.log_ended().await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("ended with {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("did not end within {} s", STOP_TIMEOUT.as_secs())),
        }
    }
}

impl ProviderProcess {
    /// Waits for the rest of the log, which ends with the process.
    async fn log_ended(&mut self) {
        if let Some(log) = self.log.take() {
            let _ = tokio::time::timeout(LOG_GRACE, log).await;
        }
    }
}

/// Copies a provider's log to its file and says each line.
async fn follow(output: ChildStderr, file: PathBuf, heard: Box<dyn Fn(&str) + Send>) {
    let options = tokio::fs::OpenOptions::new().create(true).append(true).open(&file).await;
    let Ok(mut file) = options else { return };
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = file.write_all(line.as_bytes()).await;
        let _ = file.write_all(b"\n").await;
        heard(&line);
    }
    let _ = file.flush().await;
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it said nothing").to_owned()
}
