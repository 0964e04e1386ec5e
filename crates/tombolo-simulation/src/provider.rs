//! A provider: the real server on a host of its own, with a simulated disk, clock and network.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use mimi_provider::Change;
use mimi_provider::record::Account;
use mimi_wire::{Domain, MimiUri};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;
use tombolo_server::clock::Clock;
use tombolo_server::config::Config;
use tombolo_server::dev_ca::ServerCertificate;
use tombolo_server::running::Running;
use tombolo_server::surroundings::{Chance, Surroundings, Toil};
use tombolo_store::Commit;
use tombolo_testkit::simulation::ledger::Rule;

use crate::book::Book;
use crate::disk::{Disk, Planted};
use crate::facade::Facade;
use crate::late::Late;
use crate::wires::Wires;

/// Where providers listen for each other.
pub const FEDERATION_PORT: u16 = 8448;
/// Where they listen for their clients.
pub const CLIENT_PORT: u16 = 8443;
const ADMIN_PORT: u16 = 8449;
/// Everybody's.
pub const PASSWORD: &str = "correct horse";

/// A provider, whether it runs or not.
#[derive(Debug)]
pub struct Provider {
    /// Its domain, and its host's name.
    pub domain: Domain,
    /// Its storage.
    pub disk: Disk,
    config: Config,
    book: Book,
    /// How far its clock is off.
    step_ms: Arc<AtomicI64>,
    chance: Arc<Mutex<StdRng>>,
    /// How it reads from its disk.
    late: Late,
    /// What answers in its place.
    facade: Mutex<Option<Facade>>,
    /// Stops it as its operator does.
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Provider {
    /// A provider that has never run; its files are in `base`.
    pub fn new(
        domain: &str,
        (base, certificate): (&Path, &ServerCertificate),
        book: &Book,
        seed: u64,
        (planted, is_sound): (Option<Planted>, bool),
    ) -> Self {
        let domain = Domain::new(domain).expect("a plain domain");
        let file = |ending: &str| base.join(format!("{domain}.{ending}"));
        std::fs::write(file("pem"), &certificate.certificate_pem).expect("a fresh directory");
        std::fs::write(file("key"), certificate.key_pem.as_str()).expect("a fresh directory");
        let at = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let (federation, client, admin) = (at(FEDERATION_PORT), at(CLIENT_PORT), at(ADMIN_PORT));
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, admin.port()));
        let text = format!(
            r#"
            domain = "{domain}"
            data_dir = "{domain}"
            [listen]
            federation = "{federation}"
            client = "{client}"
            admin = "{admin}"
            [tls]
            certificate = "{domain}.pem"
            key = "{domain}.key"
            roots = ["ca/ca.pem"]
            [federation]
            peers_file = "peers.toml"
            "#
        );
        let config = Config::parse(&text, base).expect("a plain configuration");
        let mut rng = StdRng::seed_from_u64(seed);
        let disk = Disk::new(&file("disk"), StdRng::seed_from_u64(rng.random()), planted);
        let chance = Arc::new(Mutex::new(StdRng::seed_from_u64(rng.random())));
        let rng = StdRng::seed_from_u64(rng.random());
        let late = Late::new(Arc::new(disk.clone()), rng, is_sound);
        let (step_ms, facade, stop) = Default::default();
        Self { domain, disk, config, book: book.clone(), step_ms, chance, late, facade, stop }
    }

    /// A user who may sign in. The hash is as cheap as its format allows: what it costs is not what
    /// is simulated.
    pub fn add_user(&self, user: &MimiUri) {
        let params = Params::new(8, 1, 1, None).expect("the least there is");
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let salt = SaltString::encode_b64(&[7; 16]).expect("16 octets");
        let hash = hasher.hash_password(PASSWORD.as_bytes(), &salt).expect("it can be hashed");
        let account = Account {
            user: user.clone(),
            password_hash: Some(hash.to_string()),
            claims: Vec::new(),
            created_ms: 1,
        };
        let changes = vec![Change::CreateAccount(account)];
        self.disk.put(Commit { expect: Vec::new(), changes });
    }

    /// Sets its clock.
    pub fn step(&self, by_ms: i64) {
        self.step_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Whether it tells its followers different things.
    pub fn set_equivocates(&self, equivocates: bool) {
        self.late.set_equivocates(equivocates);
    }

    /// From now on every read ends; whether there was one that never will.
    pub fn recover(&self) -> bool {
        self.late.recover()
    }

    /// From the next start of its host on this answers in its place.
    pub fn set_facade(&self, facade: Option<Facade>) {
        *self.facade.lock().unwrap_or_else(PoisonError::into_inner) = facade;
    }

    /// Stops it as its operator does; false if it does not run.
    pub fn stop(&self) -> bool {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        stop.is_some_and(|stop| stop.send(()).is_ok())
    }

    /// From the start of its host to the crash.
    pub async fn live(self: Arc<Self>) -> turmoil::Result {
        let facade = *self.facade.lock().unwrap_or_else(PoisonError::into_inner);
        match facade {
            Some(facade) => {
                let tls = &self.config.tls;
                let (certificate, key) =
                    (std::fs::read(&tls.certificate)?, std::fs::read(&tls.key)?);
                facade.live(&self.book, &certificate, &key).await
            }
            None => self.run().await,
        }
    }

    async fn run(self: Arc<Self>) -> turmoil::Result {
        let (book, step_ms) = (self.book.clone(), self.step_ms.clone());
        let clock = Clock::from_fn(move || {
            book.now_ms().saturating_add_signed(step_ms.load(Ordering::Relaxed))
        });
        let chance = self.chance.clone();
        let chance =
            Chance::from_fn(move || chance.lock().unwrap_or_else(PoisonError::into_inner).random());
        let store = Arc::new(self.late.clone());
        let surroundings =
            Surroundings { store, clock, chance, network: Arc::new(Wires), toil: Toil::InPlace };
        // A full disk may keep it from starting; whoever runs it tries again.
        loop {
            match self.start(surroundings.clone()).await {
                Ok(running) => {
                    self.book.note(|| format!("{} is up", self.domain));
                    let (stop, stopped) = oneshot::channel();
                    *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
                    if stopped.await.is_ok() {
                        running.shutdown().await;
                        self.book.note(|| format!("{} has stopped", self.domain));
                    }
                    return std::future::pending().await;
                }
                Err(error) => self.book.note(|| format!("{}: {error}", self.domain)),
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    /// What was answered before a crash is there after it.
    async fn start(&self, surroundings: Surroundings) -> Result<Running, String> {
        if let Some(lost) = self.disk.start().map_err(|error| error.to_string())? {
            let what = format!("{}: {lost}", self.domain);
            self.book.pages().ledger.broken(Rule::Lost, what);
        }
        let started = Running::start_in(self.config.clone(), surroundings).await;
        started.map_err(|error| error.to_string())
    }
}
