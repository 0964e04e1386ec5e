//! One provider as a process of its own: `tombolo serve`, its log read as it is written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use crate::demo::narrator::Narrator;
use crate::demo::wires::{Exchange, Wires};

/// How long a provider may take until it answers.
const READY_TIMEOUT: Duration = Duration::from_secs(15);

/// Where a provider lives, whether it runs or not.
#[derive(Clone, Debug)]
pub(crate) struct ProviderHome {
    pub(crate) domain: String,
    pub(crate) directory: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) client_listener: SocketAddr,
    pub(crate) federation_listener: SocketAddr,
}

impl ProviderHome {
    /// Its log, as far as it is written.
    pub(crate) fn log(&self) -> Result<String, String> {
        let log = self.directory.join("provider.log");
        std::fs::read_to_string(&log).map_err(|error| format!("{}: {error}", log.display()))
    }

    /// Bodies that crossed a wire and were captured here, of those whose names hold `what`.
    pub(crate) fn captured(&self, what: &str) -> Result<Vec<Vec<u8>>, String> {
        let directory = self.directory.join("capture");
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        let mut bodies = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.contains(what) {
                bodies.push(std::fs::read(&path).map_err(failed)?);
            }
        }
        Ok(bodies)
    }
}

/// A running provider; killed when dropped.
#[derive(Debug)]
pub(crate) struct ProviderProcess {
    child: Child,
    log: JoinHandle<()>,
}

impl ProviderProcess {
    /// Starts `tombolo serve` and waits until its client listener accepts connections.
    pub(crate) async fn start(
        home: &ProviderHome,
        narrator: &Arc<Narrator>,
        wires: &Arc<Wires>,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{} does not start: {error}", home.domain);
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&home.config)
            // Held open by the child's handle: however the demo ends, its providers end too.
            .arg("--until-input-ends")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let output = child.stderr.take().expect("it was asked for");
        let file = home.directory.join("provider.log");
        let log = tokio::spawn(follow(output, file, narrator.clone(), wires.clone()));
        let mut process = Self { child, log };
        process.ready(home).await?;
        Ok(process)
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
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL: no goodbye, no flushing.
    pub(crate) async fn kill(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| format!("cannot be killed: {error}"))?;
        let _ = self.log.await;
        Ok(())
    }

    /// Ends its input, which asks it to stop, then waits for a clean end.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        let _ = tokio::time::timeout(Duration::from_secs(1), self.log).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("ended with {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("did not end within 10 s".to_owned()),
        }
    }
}

/// Copies a provider's log to its file and tells what crossed a wire.
async fn follow(output: ChildStderr, file: PathBuf, narrator: Arc<Narrator>, wires: Arc<Wires>) {
    let options = tokio::fs::OpenOptions::new().create(true).append(true).open(&file).await;
    let Ok(mut file) = options else { return };
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = file.write_all(line.as_bytes()).await;
        let _ = file.write_all(b"\n").await;
        if let Some(exchange) = Exchange::from_log_line(&line) {
            narrator.wire(&exchange.told());
            wires.add(exchange);
        }
    }
    let _ = file.flush().await;
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it said nothing").to_owned()
}
