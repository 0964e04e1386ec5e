//! Providers in one process on loopback ports, a caller with a certificate of its choice, and a peer
//! that answers what a test wants. All with throw-away certificates, over real TLS sockets.

mod caller;
mod fake_peer;
mod faulty_store;
mod local_user;
mod phone;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mimi_wire::Domain;
use tempfile::TempDir;
use tombolo_server::clock::Clock;
use tombolo_server::config::Config;
use tombolo_server::dev_ca::{DevCa, ServerCertificate};
use tombolo_server::running::Running;
use tombolo_store::Store;
use tombolo_store::memory::MemoryStore;
use tombolo_store::sqlite::SqliteStore;

pub(crate) use caller::{Caller, Connection, Reply};
pub(crate) use fake_peer::{FakePeer, Seen, Slow, acceptor, status};
pub(crate) use faulty_store::FaultyStore;
pub(crate) use local_user::LocalUser;
pub(crate) use phone::Phone;

/// Longer than a provider takes to see that its peers file has changed.
const PEERS_FILE_PAUSE: Duration = Duration::from_millis(700);

/// A certificate authority and a directory of providers that trust it.
pub(crate) struct Federation {
    pub(crate) directory: TempDir,
    pub(crate) ca: DevCa,
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::new(name).unwrap()
}

impl Federation {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = DevCa::open_or_create(&directory.path().join("ca"), now_ms()).unwrap();
        let federation = Self { directory, ca };
        std::fs::write(federation.peers_file(), "").unwrap();
        federation
    }

    /// Another authority, which nobody trusts unless told to.
    pub(crate) fn other_ca(&self, name: &str) -> DevCa {
        DevCa::open_or_create(&self.directory.path().join(name), now_ms()).unwrap()
    }

    pub(crate) fn certificate(&self, name: &str) -> ServerCertificate {
        self.ca.issue(&domain(name), now_ms()).unwrap()
    }

    pub(crate) fn peers_file(&self) -> PathBuf {
        self.directory.path().join("peers.toml")
    }

    /// Tells all providers where the others are (or anything else about peers).
    pub(crate) async fn publish(&self, peers: &str) {
        std::fs::write(self.peers_file(), peers).unwrap();
        tokio::time::sleep(PEERS_FILE_PAUSE).await;
    }

    /// As [`publish`](Self::publish), addresses only.
    pub(crate) async fn publish_addresses(&self, peers: &[(&str, SocketAddr)]) {
        let table = |(name, address): &(&str, SocketAddr)| {
            format!("[peers.\"{name}\"]\naddress = \"{address}\"\n")
        };
        self.publish(&peers.iter().map(table).collect::<String>()).await;
    }

    /// The configuration of a provider, with more lines for `[federation]`.
    pub(crate) fn config(&self, name: &str, federation: &str) -> Config {
        self.config_text(name, federation, "")
    }

    /// The configuration of a provider, with more tables.
    pub(crate) fn config_with(&self, name: &str, tables: &str) -> Config {
        self.config_text(name, "", tables)
    }

    fn config_text(&self, name: &str, federation: &str, tables: &str) -> Config {
        let base = self.directory.path();
        let certificate = self.certificate(name);
        std::fs::write(base.join(format!("{name}.pem")), certificate.certificate_pem).unwrap();
        std::fs::write(base.join(format!("{name}.key")), certificate.key_pem.as_str()).unwrap();
        let text = format!(
            r#"
            domain = "{name}"
            data_dir = "{name}"
            [listen]
            federation = "127.0.0.1:0"
            client = "127.0.0.1:0"
            admin = "127.0.0.1:0"
            [tls]
            certificate = "{name}.pem"
            key = "{name}.key"
            roots = ["ca/ca.pem"]
            [federation]
            peers_file = "peers.toml"
            {federation}
            {tables}
            [debug]
            capture_dir = "capture/{name}"
            "#
        );
        Config::parse(&text, base).unwrap()
    }

    /// A running provider on a store in memory.
    pub(crate) async fn start(&self, name: &str) -> Running {
        self.start_on(name, &MemoryStore::new()).await
    }

    /// A running provider on a store of the test's.
    pub(crate) async fn start_on(&self, name: &str, store: &impl SharedStore) -> Running {
        let config = self.config(name, "");
        Running::start_with(config, store.shared(), Clock::system()).await.unwrap()
    }

    /// A caller with a certificate of the federation's authority.
    pub(crate) fn caller(&self, name: &str) -> Caller {
        Caller::new(self.ca.root_pem(), Some(&self.certificate(name)))
    }

    /// A caller without a certificate.
    pub(crate) fn anonymous(&self) -> Caller {
        Caller::new(self.ca.root_pem(), None)
    }
}

/// A store that a provider and a test use at the same time.
pub(crate) trait SharedStore {
    fn shared(&self) -> Arc<dyn Store>;
}

impl SharedStore for MemoryStore {
    fn shared(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }
}

impl SharedStore for Arc<SqliteStore> {
    fn shared(&self) -> Arc<dyn Store> {
        let shared: Self = self.clone();
        shared
    }
}

pub(crate) fn now_ms() -> u64 {
    Clock::system().now_ms()
}

/// What a provider was sent or has sent, oldest first: `what` as in the file names.
pub(crate) fn captured(federation: &Federation, name: &str, what: &str) -> Vec<Vec<u8>> {
    let directory = federation.directory.path().join("capture").join(name);
    let Ok(files) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let matching = files.iter().filter(|file| file.to_str().unwrap().contains(what));
    matching.map(|file| std::fs::read(file).unwrap()).collect()
}

/// Waits until something holds, for ten seconds.
pub(crate) async fn eventually<T>(mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let probing = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), probing).await.expect("it never happened")
}
