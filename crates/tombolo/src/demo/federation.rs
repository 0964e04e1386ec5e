//! Three providers on this machine: their directories, their processes, their users.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use mimi_wire::MimiUri;
use rand::distr::{Alphanumeric, SampleString};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tombolo_client::ProviderAddress;
use tombolo_server::config::DebugConfig;

use crate::demo::narrator::Narrator;
use crate::demo::wires::{Exchange, Wires};
use crate::provider_home::{self, ProviderHome};
use crate::provider_process::{Log, ProviderProcess};

/// The providers and who lives there.
const PROVIDERS: &[(&str, &str)] =
    &[("a.example", "alice"), ("b.example", "bob"), ("c.example", "cathy")];
/// Who comes later, of whom nobody has heard.
const STRANGERS: &[(&str, &str)] = &[("c.example", "erin")];
/// Length of the accounts' passwords.
const PASSWORD_CHARACTERS: usize = 20;

/// The providers of the demo.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) directory: PathBuf,
    pub(crate) wires: Arc<Wires>,
    narrator: Arc<Narrator>,
    homes: Vec<ProviderHome>,
    running: BTreeMap<String, ProviderProcess>,
    passwords: BTreeMap<String, String>,
}

impl Federation {
    /// Writes what every provider needs: configuration, certificate, an entry in the peers file.
    pub(crate) fn found(directory: &Path, narrator: &Arc<Narrator>) -> Result<Self, String> {
        let mut homes = Vec::new();
        for (name, _) in PROVIDERS {
            let capture_dir = Some(PathBuf::from("capture"));
            homes.push(ProviderHome::found(directory, name, DebugConfig { capture_dir })?);
        }
        Ok(Self {
            directory: directory.to_owned(),
            wires: Arc::default(),
            narrator: narrator.clone(),
            homes,
            running: BTreeMap::new(),
            passwords: BTreeMap::new(),
        })
    }

    /// Starts every provider.
    pub(crate) async fn start_all(&mut self) -> Result<(), String> {
        for (name, user) in PROVIDERS {
            self.start(name).await?;
            let home = self.home(name)?;
            let id = self.running.get(*name).and_then(ProviderProcess::id).unwrap_or_default();
            let told = format!(
                "{name}, {user}'s provider, runs as process {id}; clients at {}",
                home.client_listener
            );
            self.narrator.did(&told);
        }
        Ok(())
    }

    /// Starts a provider, again after it was killed.
    pub(crate) async fn start(&mut self, domain: &str) -> Result<(), String> {
        let home = self.home(domain)?;
        let (narrator, wires) = (self.narrator.clone(), self.wires.clone());
        let heard = move |line: &str| {
            if let Some(exchange) = Exchange::from_log_line(line) {
                narrator.wire(&exchange.told());
                wires.add(exchange);
            }
        };
        let process = ProviderProcess::start(home, Log::Heard(Box::new(heard))).await?;
        self.running.insert(domain.to_owned(), process);
        Ok(())
    }

    /// Kills a provider hard.
    pub(crate) async fn kill(&mut self, domain: &str) -> Result<(), String> {
        match self.running.remove(domain) {
            Some(process) => process.kill().await.map_err(|error| format!("{domain} {error}")),
            None => Err(format!("{domain} does not run")),
        }
    }

    /// Stops every provider cleanly.
    pub(crate) async fn stop_all(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        for (domain, process) in std::mem::take(&mut self.running) {
            if let Err(error) = process.stop().await {
                faults.push(format!("{domain} {error}"));
            }
        }
        faults
    }

    /// Adds an account, as an operator does: with the `admin` command.
    pub(crate) async fn add_user(&mut self, user: &str) -> Result<MimiUri, String> {
        let home = self.home_of(user)?.clone();
        let password = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_CHARACTERS);
        let command = ["user", "add", user, "--password-stdin"];
        let added = operate(&home, &command, &format!("{password}\n")).await;
        added.map_err(|error| format!("{user} cannot be added: {error}"))?;
        self.passwords.insert(user.to_owned(), password);
        MimiUri::new(&format!("mimi://{}/u/{user}", home.domain)).map_err(|error| error.to_string())
    }

    /// What the operator of a provider reads, who types a command of `admin`.
    pub(crate) async fn operator(&self, domain: &str, command: &[&str]) -> Result<String, String> {
        let told = operate(self.home(domain)?, command, "").await;
        told.map_err(|error| format!("admin {}: {error}", command.join(" ")))
    }

    pub(crate) fn homes(&self) -> &[ProviderHome] {
        &self.homes
    }

    pub(crate) fn home(&self, domain: &str) -> Result<&ProviderHome, String> {
        let home = self.homes.iter().find(|home| home.domain == domain);
        home.ok_or_else(|| format!("there is no provider {domain}"))
    }

    /// The provider of a user.
    pub(crate) fn home_of(&self, user: &str) -> Result<&ProviderHome, String> {
        let found = PROVIDERS.iter().chain(STRANGERS).find(|(_, name)| *name == user);
        let (domain, _) = found.ok_or_else(|| format!("nobody is called {user}"))?;
        self.home(domain)
    }

    pub(crate) fn password_of(&self, user: &str) -> Result<String, String> {
        self.passwords.get(user).cloned().ok_or_else(|| format!("{user} has no account"))
    }

    /// The root certificate everybody here trusts.
    pub(crate) fn root(&self) -> PathBuf {
        provider_home::root(&self.directory)
    }

    /// Where a provider's clients find it.
    pub(crate) fn address(&self, home: &ProviderHome) -> Result<ProviderAddress, String> {
        home.address(&self.root())
    }
}

/// Runs `tombolo admin` with a provider's configuration; the answer is what it prints.
async fn operate(home: &ProviderHome, command: &[&str], input: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .arg("admin")
        .arg("--config")
        .arg(&home.config)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut typed = child.stdin.take().expect("it was asked for");
    typed.write_all(input.as_bytes()).await.map_err(failed)?;
    drop(typed);
    let output = child.wait_with_output().await.map_err(failed)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
