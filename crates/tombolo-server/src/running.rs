//! A provider from start to shutdown: what is opened, in which order, and how it ends.

mod address_file;
mod certificate;
mod start_error;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mimi_provider::record::EraId;
use mimi_provider::{Change, Transition};
use mimi_wire::Domain;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tombolo_store::sqlite::{OpenError, Options, SqliteStore};
use tombolo_store::{Commit, Store};

use crate::account::password::Passwords;
use crate::account::removals::carry_out_removals;
use crate::admin_api::{self, AdminApi, AdminToken};
use crate::assets::{ASSETS_DIRECTORY, DirectoryBlobs, Uploads};
use crate::client_api::{self, ClientApi};
use crate::clock::Clock;
use crate::config::Config;
use crate::franking_keys::FrankingKeys;
use crate::issuer::ClientIssuer;
use crate::keys::open_or_create_hub_keys;
use crate::network::{Listening, Network};
use crate::ohttp_keys::OhttpKeys;
use crate::private_file;
use crate::provider::{Parts, Provider};
use crate::surroundings::Surroundings;
use crate::tls::Identity;
use crate::{contact, delivery, federation, rooms};

pub(crate) use address_file::admin_address;
pub use address_file::{ADMIN_ADDRESS_FILE, AddressFileError};
pub use start_error::StartError;
pub use tombolo_store::sqlite::{JOURNAL_MODE, SYNCHRONOUS};

/// The database in the data directory.
pub const DATABASE_FILE: &str = "tombolo.db";
/// How long requests in flight may take to finish at shutdown.
pub const DRAIN_MAX: Duration = Duration::from_secs(8);
/// How often a database in use is tried again at the start, and after how long.
const OPEN_TRIES_MAX: u32 = 5;
const OPEN_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long tasks that were cut off may take to let go of the database.
const RELEASE_MAX: Duration = Duration::from_secs(2);
/// How often expired KeyPackages and assets are forgotten.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Where a provider listens, with the ports it was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// For other providers.
    pub federation: SocketAddr,
    /// For the provider's own clients.
    pub client: SocketAddr,
    /// For its operator.
    pub admin: SocketAddr,
}

/// A running provider. Dropping it stops it without finishing anything: use
/// [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Running {
    provider: Arc<Provider>,
    addresses: Addresses,
    stopping: watch::Sender<bool>,
    listeners: JoinSet<()>,
    background: JoinSet<()>,
}

/// The three listeners, bound.
struct Listeners {
    federation: Box<dyn Listening>,
    client: Box<dyn Listening>,
    admin: Box<dyn Listening>,
}

impl Running {
    /// Starts a provider on the database in its data directory.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        create_data_dir(&config)?;
        let mut opened = open_database(&config).await;
        // An operator's command may have it open for a moment.
        for _ in 0..OPEN_TRIES_MAX {
            if !matches!(opened, Err(OpenError::InUse(_))) {
                break;
            }
            tokio::time::sleep(OPEN_AGAIN_AFTER).await;
            opened = open_database(&config).await;
        }
        let path = config.data_dir.join(DATABASE_FILE);
        let store = opened.map_err(|source| StartError::Database { path, source })?;
        Self::start_with(config, Arc::new(store), Clock::system()).await
    }

    /// Starts a provider on a store and a clock of the caller's.
    pub async fn start_with(
        config: Config,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        Self::start_in(config, Surroundings { clock, ..Surroundings::of_machine(store) }).await
    }

    /// Starts a provider in surroundings of the caller's.
    pub async fn start_in(config: Config, surroundings: Surroundings) -> Result<Self, StartError> {
        create_data_dir(&config)?;
        let listeners = Listeners::bind(&config, &*surroundings.network).await?;
        let addresses = listeners.addresses()?;
        address_file::write(&config.data_dir, addresses.admin)?;
        let token = Arc::new(admin_api::open_or_create(&config.data_dir)?);
        let passwords = Passwords::new(surroundings.toil);
        let provider = open_provider(config, surroundings)?;
        begin_era(&provider).await?;
        announce(&provider, &addresses).await?;
        let (stopping, _) = watch::channel(false);
        let mut running = Self {
            provider,
            addresses,
            stopping,
            listeners: JoinSet::new(),
            background: JoinSet::new(),
        };
        running.serve(listeners, passwords, token);
        Ok(running)
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Reads the TLS certificate and its key again; connections made from now on use them.
    pub fn reload_certificate(&self) -> Result<(), StartError> {
        let tls = &self.provider.config.tls;
        let read = |path: &Path| {
            let octets = private_file::read(path);
            octets.map_err(|error| StartError::Other(format!("{}: {error}", path.display())))
        };
        self.provider.identity.replace(&read(&tls.certificate)?, &read(&tls.key)?)?;
        certificate::facts(&tls.certificate)?.announce(self.provider.now_ms());
        Ok(())
    }

    /// Stops: no new connections, requests in flight finished (at most [`DRAIN_MAX`]), rooms saved,
    /// everything on disk.
    pub async fn shutdown(mut self) {
        tracing::info!("shutting down: requests in flight are finished");
        self.stopping.send_replace(true);
        while let Some(ended) = self.listeners.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener has failed");
            }
        }
        self.background.shutdown().await;
        if tokio::time::timeout(DRAIN_MAX, delivery::stop(&self.provider)).await.is_err() {
            tracing::warn!("deliveries still in flight at shutdown are made again after the start");
        }
        self.provider.rooms.save_all(&self.provider).await;
        // Commits become durable in order: once this one is, so is everything.
        if let Err(error) = self.provider.store.commit(Commit::default()).await {
            tracing::error!(%error, "the storage has failed at shutdown");
        }
        address_file::remove(&self.provider.config.data_dir);
        self.released().await;
        tracing::info!(domain = %self.provider.domain, "stopped");
    }

    /// Waits until nothing else holds the provider, so that its database is closed once this one is
    /// dropped.
    async fn released(&self) {
        let deadline = Instant::now() + RELEASE_MAX;
        while Arc::strong_count(&self.provider) > 1 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts what runs beside the requests, then takes requests.
    fn serve(&mut self, listeners: Listeners, passwords: Passwords, token: Arc<AdminToken>) {
        let provider = &self.provider;
        delivery::start(provider);
        self.background.spawn(maintain(Arc::clone(provider)));
        self.background.spawn(rooms::follow_all(Arc::clone(provider)));
        self.background.spawn(contact::take_in_arrivals(Arc::clone(provider)));
        self.background.spawn(carry_out_removals(Arc::clone(provider)));
        let stopping = || self.stopping.subscribe();
        let for_peers = stopped(stopping());
        let serving = federation::serve(Arc::clone(provider), listeners.federation, for_peers);
        self.listeners.spawn(serving);
        let client_api = ClientApi::new(Arc::clone(provider), passwords.clone(), stopping());
        let for_clients = stopped(stopping());
        let serving = client_api::serve(client_api, listeners.client, for_clients, DRAIN_MAX);
        self.listeners.spawn(serving);
        let admin_api = AdminApi { provider: Arc::clone(provider), passwords, token };
        let serving = admin_api::serve(admin_api, listeners.admin, stopping(), DRAIN_MAX);
        self.listeners.spawn(serving);
    }
}

impl Listeners {
    async fn bind(config: &Config, network: &dyn Network) -> Result<Self, StartError> {
        let listen = &config.listen;
        let bind = async |key, address| {
            let bound = network.listen(address).await;
            bound.map_err(|source| StartError::Bind { key, address, source })
        };
        Ok(Self {
            federation: bind("listen.federation", listen.federation).await?,
            client: bind("listen.client", listen.client).await?,
            admin: bind("listen.admin", listen.admin).await?,
        })
    }

    fn addresses(&self) -> Result<Addresses, StartError> {
        let address = |listener: &dyn Listening| {
            listener.local_addr().map_err(|error| StartError::Other(error.to_string()))
        };
        Ok(Addresses {
            federation: address(&*self.federation)?,
            client: address(&*self.client)?,
            admin: address(&*self.admin)?,
        })
    }
}

/// Opens the database of a provider; refused while another process has it open.
pub(crate) async fn open_database(config: &Config) -> Result<SqliteStore, OpenError> {
    let path = config.data_dir.join(DATABASE_FILE);
    let opening = tokio::task::spawn_blocking(move || SqliteStore::open(path, Options::default()));
    opening.await.map_err(|error| OpenError::Io(std::io::Error::other(error)))?
}

fn create_data_dir(config: &Config) -> Result<(), StartError> {
    let path = &config.data_dir;
    let created = private_file::create_directory(path);
    created.map_err(|source| StartError::DataDir { path: path.clone(), source })
}

fn open_provider(config: Config, surroundings: Surroundings) -> Result<Arc<Provider>, StartError> {
    let hub_keys = open_or_create_hub_keys(&config.data_dir, &config.domain)?;
    let franking = FrankingKeys::open_or_create(&config.data_dir, &config.domain)?;
    let ohttp_keys = OhttpKeys::open_or_create(&config.data_dir)?;
    let now_ms = surroundings.clock.now_ms();
    let client_issuer = ClientIssuer::open_or_create(&config.data_dir, &config.domain, now_ms)?;
    let (certificate, key) = (&config.tls.certificate, &config.tls.key);
    let identity = Arc::new(Identity::from_files(config.domain.clone(), certificate, key)?);
    let blobs = DirectoryBlobs::new(config.data_dir.join(ASSETS_DIRECTORY));
    let assets = Uploads::open(Arc::new(blobs), &config.assets, surroundings.toil)
        .map_err(|error| StartError::Other(format!("the assets cannot be read: {error}")))?;
    let parts = Parts {
        config,
        surroundings,
        hub_keys,
        franking,
        ohttp_keys,
        client_issuer,
        identity,
        assets,
    };
    Ok(Provider::new(parts)?)
}

/// From now on the log only grows: clients notice should it have been put back (see
/// [`mimi_provider::era`]).
async fn begin_era(provider: &Arc<Provider>) -> Result<(), StartError> {
    let changes = vec![Change::BeginEra(EraId(rand::random()))];
    let (expect, effects) = (Vec::new(), Vec::new());
    let begun = provider.apply(Transition { changes, expect, effects, reply: () }).await;
    begun.map_err(|error| StartError::Other(error.to_string()))
}

/// Says what runs, for whoever reads the log.
async fn announce(provider: &Provider, addresses: &Addresses) -> Result<(), StartError> {
    let failed = |error: tombolo_store::StoreError| StartError::Other(error.to_string());
    let config = &provider.config;
    let certificate = certificate::facts(&config.tls.certificate)?;
    let users = provider.store.accounts().await.map_err(failed)?.len();
    let rooms = provider.store.room_count().await.map_err(failed)?;
    let table = provider.peers.tables().current();
    let peers: Vec<&str> =
        table.domains().filter(|peer| **peer != provider.domain).map(Domain::as_str).collect();
    let unknown_peers = config.federation.unknown_peers.as_str();
    tracing::info!(
        domain = %provider.domain,
        version = env!("CARGO_PKG_VERSION"),
        data = %config.data_dir.display(),
        users,
        rooms,
        "provider started"
    );
    let peers = peers.join(" ");
    tracing::info!(address = %addresses.federation, peers, unknown_peers, "federation listener");
    tracing::info!(address = %addresses.client, "client listener");
    tracing::info!(address = %addresses.admin, "admin listener");
    certificate.announce(provider.now_ms());
    Ok(())
}

/// Forgets what has expired, now and then.
async fn maintain(provider: Arc<Provider>) {
    let mut interval = tokio::time::interval(MAINTENANCE_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = provider.store.forget_expired(provider.now_ms()).await {
            tracing::warn!(%error, "expired KeyPackages are not forgotten");
        }
        if let Err(error) = provider.assets.forget_expired(provider.now_ms() / 1_000).await {
            tracing::warn!(%error, "expired assets are not forgotten");
        }
        let (keys, now_ms) = (Arc::clone(&provider), provider.now_ms());
        let forgetting = provider.toil.run(move || keys.ohttp_keys.forget_old(now_ms));
        if let Ok(Err(error)) = forgetting.await {
            tracing::warn!(%error, "an old key of the gateway is not deleted");
        }
    }
}

/// Resolves when the provider is to stop, or is gone.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
