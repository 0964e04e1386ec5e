//! Where a provider on this machine lives: its directory, its listeners, how its clients find it.
//!
//! Used by whatever starts providers as processes of their own: the demo and the benchmarks.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mimi_wire::Domain;
use tombolo_client::ProviderAddress;
use tombolo_server::config::{DebugConfig, ListenConfig, LogFormat};
use tombolo_server::init::{self, DATA_DIRECTORY, InitOptions};

/// Where a provider lives, whether it runs or not.
#[derive(Clone, Debug)]
pub(crate) struct ProviderHome {
    pub(crate) domain: String,
    pub(crate) directory: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) client_listener: SocketAddr,
    pub(crate) admin_listener: SocketAddr,
    pub(crate) federation_listener: SocketAddr,
}

impl ProviderHome {
    /// Writes what a provider of a federation in `directory` needs: configuration, certificate, an
    /// entry in the federation's peers file.
    pub(crate) fn found(directory: &Path, name: &str, debug: DebugConfig) -> Result<Self, String> {
        let domain = Domain::new(name).map_err(|error| error.to_string())?;
        let home = directory.join(name);
        let listen = ListenConfig {
            federation: free_address()?,
            client: free_address()?,
            admin: free_address()?,
        };
        let mut options = InitOptions::new(domain, home.clone());
        options.dev_ca = Some(authority(directory));
        options.peers_file = Some(peers_file(directory));
        options.listen = listen.clone();
        options.log.format = LogFormat::Json;
        options.debug = debug;
        let written = init::init(&options).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self {
            domain: name.to_owned(),
            directory: home,
            config: written.config,
            client_listener: listen.client,
            admin_listener: listen.admin,
            federation_listener: listen.federation,
        })
    }

    /// The URL of its client API.
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.domain, self.client_listener.port())
    }

    /// Where its database and its keys are.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.directory.join(DATA_DIRECTORY)
    }

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

    /// Where its clients find it.
    pub(crate) fn address(&self, root: &Path) -> Result<ProviderAddress, String> {
        let pem = std::fs::read_to_string(root);
        Ok(ProviderAddress {
            url: self.url(),
            resolve: Some(self.client_listener),
            roots_pem: Some(pem.map_err(|error| format!("{}: {error}", root.display()))?),
        })
    }
}

/// Directory of a federation's throw-away authority.
pub(crate) fn authority(directory: &Path) -> PathBuf {
    directory.join("ca")
}

/// The root certificate everybody in a federation trusts.
pub(crate) fn root(directory: &Path) -> PathBuf {
    authority(directory).join(tombolo_server::dev_ca::CA_CERTIFICATE_FILE)
}

/// The map that replaces DNS in a federation.
pub(crate) fn peers_file(directory: &Path) -> PathBuf {
    directory.join("peers.toml")
}

/// Ports for listeners: below those that systems hand out for outgoing connections (32,768 and up
/// on Linux, 49,152 and up elsewhere), so that no connection takes one while its provider is down.
const LISTENER_PORTS: std::ops::Range<u16> = 12_000..32_000;
/// How many ports are tried before it is said that none is free.
const PORTS_TRIED_MAX: u32 = 100;

/// Ports given away: their providers may not listen yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A loopback address nobody listens at now, and that nobody else here was given.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let mut tried = 0;
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(LISTENER_PORTS)));
        tried += 1;
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        match TcpListener::bind(address) {
            Ok(_) if given.insert(address.port()) => return Ok(address),
            Ok(_) => {}
            Err(error) if tried == PORTS_TRIED_MAX => return Err(format!("no free port: {error}")),
            Err(_) => {}
        }
    }
}
