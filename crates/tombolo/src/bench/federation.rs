//! Providers of a measurement: processes of their own, on free ports, with users.

use std::path::{Path, PathBuf};

use mimi_wire::MimiUri;
use tombolo_client::ProviderAddress;
use tombolo_server::account::Password;
use tombolo_server::admin_api::{AddUser, AdminClient};
use tombolo_server::config::DebugConfig;
use toml_edit::DocumentMut;

use super::Settings;
use crate::provider_home::{self, ProviderHome};
use crate::provider_process::{Log, ProviderProcess};

/// The provider that hosts the rooms.
pub(crate) const HUB: &str = "a.example";
/// Every account's; whoever reads it gets into throw-away providers.
pub(crate) const PASSWORD: &str = "for measurements only";

/// Limits that keep one device, peer or address from taking everything (`[limits.SECTION]`), lifted
/// because here few stand for many, as the peers' traffic limits are.
pub(crate) const LIFTED: &[(&str, &str, i64)] = &[
    ("requests", "device_burst_max", 10_000_000),
    ("requests", "device_refill_us", 1),
    ("requests", "working_per_device_max", 64),
    ("requests", "peer_burst_max", 10_000_000),
    ("requests", "peer_refill_us", 1),
    ("requests", "unproven_burst_max", 10_000_000),
    ("requests", "unproven_refill_us", 1),
    ("logs", "peer_mib_max", 1_048_576),
    ("logs", "device_mib_max", 1_048_576),
    ("logs", "room_mib_max", 1_048_576),
    ("connections", "openings_per_network_max", 1_000_000),
    ("connections", "opening_refill_ms", 1),
    ("connections", "unproven_per_network_max", 1_024),
];

/// A provider.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) home: ProviderHome,
    pub(crate) address: ProviderAddress,
    process: Option<ProviderProcess>,
}

/// The providers of a measurement: the hub first.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) sites: Vec<Site>,
    directory: PathBuf,
    /// Removed when dropped, after the processes in `sites`.
    _temporary: Option<tempfile::TempDir>,
}

impl Federation {
    /// Founds and starts the hub and so many followers.
    pub(crate) async fn start(settings: &Settings, followers: usize) -> Result<Self, String> {
        let (directory, temporary) = match &settings.directory {
            Some(directory) => (empty(directory)?, None),
            None => {
                let made = tempfile::Builder::new().prefix("tombolo-bench-").tempdir();
                let made = made.map_err(|error| format!("no temporary directory: {error}"))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let names = std::iter::once(HUB.to_owned()).chain((1..=followers).map(follower_name));
        let mut homes = Vec::new();
        for name in names {
            let home = ProviderHome::found(&directory, &name, DebugConfig::default())?;
            lift_limits(&home.config)?;
            homes.push(home);
        }
        let root = provider_home::root(&directory);
        let mut sites = Vec::new();
        for home in homes {
            let address = home.address(&root)?;
            let mut site = Site { home, address, process: None };
            site.start().await?;
            sites.push(site);
        }
        Ok(Self { sites, directory, _temporary: temporary })
    }

    /// The provider that hosts the rooms.
    pub(crate) fn hub(&self) -> &Site {
        &self.sites[0]
    }

    /// Those that follow.
    pub(crate) fn followers(&self) -> &[Site] {
        &self.sites[1..]
    }

    /// Where the providers keep everything.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The processes, the hub's first.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.sites.iter().filter_map(Site::pid).collect()
    }

    /// Stops every provider cleanly.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        for site in &mut self.sites {
            site.stop().await?;
        }
        Ok(())
    }
}

impl Site {
    /// Starts the provider's process; it takes requests when this returns.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        self.process = Some(ProviderProcess::start(&self.home, Log::File).await?);
        Ok(())
    }

    /// Starts the provider's process, which need not take requests yet.
    pub(crate) fn launch(&mut self) -> Result<(), String> {
        self.process = Some(ProviderProcess::launch(&self.home, Log::File)?);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) -> Result<(), String> {
        match self.process.take() {
            Some(process) => {
                let killed = process.kill().await;
                killed.map_err(|error| format!("{}: {error}", self.home.domain))
            }
            None => Ok(()),
        }
    }

    /// How its process ended, if it did so by itself.
    pub(crate) fn has_ended(&mut self) -> Option<String> {
        let status = self.process.as_mut()?.has_ended()?;
        Some(format!("{} ended by itself: {status}", self.home.domain))
    }

    /// Stops it cleanly: everything is on disk, and nothing in a write-ahead log.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        match self.process.take() {
            Some(process) => {
                let stopped = process.stop().await;
                stopped.map_err(|error| format!("{}: {error}", self.home.domain))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(ProviderProcess::id)
    }

    /// Adds an account.
    pub(crate) async fn add_user(&self, name: &str) -> Result<MimiUri, String> {
        let failed = |error| format!("{name} cannot be added at {}: {error}", self.home.domain);
        let admin = AdminClient::new(self.home.admin_listener, &self.home.data_directory());
        let wish = AddUser {
            name: name.to_owned(),
            password: Some(Password::new(PASSWORD.to_owned())),
            claims: Vec::new(),
        };
        let added = admin.map_err(failed)?.add_user(&wish).await;
        added.map(|added| added.user).map_err(failed)
    }

    /// Octets of everything the provider has stored.
    pub(crate) fn stored_octets(&self) -> Result<u64, String> {
        let directory = self.home.data_directory();
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        let mut octets = 0;
        let mut waiting = vec![directory.clone()];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let metadata = entry.metadata().map_err(failed)?;
                match metadata.is_dir() {
                    true => waiting.push(entry.path()),
                    false => octets += metadata.len(),
                }
            }
        }
        Ok(octets)
    }
}

fn lift_limits(config: &Path) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", config.display());
    let text = std::fs::read_to_string(config).map_err(|error| failed(&error))?;
    let mut document: DocumentMut = text.parse().map_err(|error| failed(&error))?;
    for (section, key, most) in LIFTED {
        document["limits"][section][key] = toml_edit::value(*most);
    }
    std::fs::write(config, document.to_string()).map_err(|error| failed(&error))
}

fn follower_name(number: usize) -> String {
    match number {
        1 => "b.example".to_owned(),
        number => format!("b{number}.example"),
    }
}

fn empty(directory: &Path) -> Result<PathBuf, String> {
    let shown = directory.display();
    std::fs::create_dir_all(directory).map_err(|error| format!("{shown}: {error}"))?;
    let mut entries = std::fs::read_dir(directory).map_err(|error| format!("{shown}: {error}"))?;
    match entries.next() {
        None => Ok(directory.to_owned()),
        Some(_) => Err(format!("{shown} is not empty: choose another --dir")),
    }
}
