//! The settings made ready to use, as an immutable table that is replaced when the peers file changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use mimi_wire::Domain;
use rustls::RootCertStore;
use tokio::time::Instant;

use crate::clock;
use crate::config::{Config, PeerConfig, PeerPolicy, load_peers_file};
use crate::tls::{HandshakeRoots, RootsError, public_roots, read_roots};

/// How often the peers file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One state of what is known of peers.
#[derive(Debug)]
pub(crate) struct PeerTable {
    generation: u64,
    unknown_peers: PeerPolicy,
    peers: BTreeMap<Domain, KnownPeer>,
    general_roots: Arc<RootCertStore>,
    all_roots: Arc<RootCertStore>,
}

#[derive(Debug)]
struct KnownPeer {
    config: PeerConfig,
    /// The only roots for this peer.
    pinned: Option<Arc<RootCertStore>>,
}

impl PeerTable {
    fn build(
        settings: &Settings,
        from_file: BTreeMap<Domain, PeerConfig>,
        generation: u64,
    ) -> Result<Self, RootsError> {
        let general_roots = match &settings.roots {
            None => public_roots(),
            Some(paths) => read_roots(paths)?,
        };
        let mut configs = from_file;
        configs.extend(settings.peers.clone());
        let mut all_roots = RootCertStore::clone(&general_roots);
        let mut peers = BTreeMap::new();
        for (domain, config) in configs {
            let pinned = config.roots.as_deref().map(read_roots).transpose()?;
            if let Some(pinned) = &pinned {
                all_roots.extend(pinned.roots.iter().cloned());
            }
            peers.insert(domain, KnownPeer { config, pinned });
        }
        Ok(Self {
            generation,
            unknown_peers: settings.unknown_peers,
            peers,
            general_roots,
            all_roots: Arc::new(all_roots),
        })
    }

    /// Grows with every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a peer may talk to us, and we to it.
    pub(crate) fn policy(&self, domain: &Domain) -> PeerPolicy {
        self.peers.get(domain).map_or(self.unknown_peers, |peer| peer.config.policy)
    }

    /// The roots that prove exactly this domain: a pin is bound to its domain, and a pinned domain
    /// is proven by nothing else.
    pub(crate) fn roots_for(&self, domain: &Domain) -> Arc<RootCertStore> {
        let pinned = self.peers.get(domain).and_then(|peer| peer.pinned.as_ref());
        Arc::clone(pinned.unwrap_or(&self.general_roots))
    }

    /// The peers that the operator names.
    pub(crate) fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.peers.keys()
    }

    /// Where a host is, if the operator said so.
    pub(crate) fn address_of(&self, host: &str) -> Option<&str> {
        let domain = Domain::new(host).ok()?;
        self.peers.get(&domain)?.config.address.as_deref()
    }
}

/// The current table, read again when the peers file changes.
#[derive(Debug)]
pub(crate) struct PeerTables {
    settings: Settings,
    current: ArcSwap<PeerTable>,
    next_generation: AtomicU64,
    looked: Mutex<Looked>,
}

/// The part of the configuration that is about peers. What it says beats the peers file.
#[derive(Debug)]
struct Settings {
    roots: Option<Vec<PathBuf>>,
    unknown_peers: PeerPolicy,
    peers: BTreeMap<Domain, PeerConfig>,
    peers_file: Option<PathBuf>,
}

/// What the peers file looked like when it was last looked at.
#[derive(Debug)]
struct Looked {
    at: Instant,
    mark: Option<FileMark>,
}

/// Changes when the file does.
type FileMark = (SystemTime, u64);

impl PeerTables {
    /// Reads everything once; faults in the configuration's own roots are errors.
    pub(crate) fn new(config: &Config) -> Result<Self, RootsError> {
        let settings = Settings {
            roots: config.tls.roots.clone(),
            unknown_peers: config.federation.unknown_peers,
            peers: config.peers.clone(),
            peers_file: config.federation.peers_file.clone(),
        };
        let mark = settings.peers_file.as_deref().and_then(mark);
        let from_file = settings.peers_file.as_deref().and_then(peers_in).unwrap_or_default();
        let table = PeerTable::build(&settings, from_file, 0)?;
        Ok(Self {
            settings,
            current: ArcSwap::from_pointee(table),
            next_generation: AtomicU64::new(1),
            looked: Mutex::new(Looked { at: clock::monotonic(), mark }),
        })
    }

    /// The table as of now, or of half a second ago.
    pub(crate) fn current(&self) -> Arc<PeerTable> {
        if let Some(path) = &self.settings.peers_file
            && self.has_changed(path)
        {
            self.reload(path);
        }
        self.current.load_full()
    }

    fn has_changed(&self, path: &Path) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.at.elapsed() < LOOK_EVERY {
            return false;
        }
        looked.at = clock::monotonic();
        let mark = mark(path);
        let changed = mark != looked.mark;
        looked.mark = mark;
        changed
    }

    /// A file that cannot be used leaves the table as it is.
    fn reload(&self, path: &Path) {
        let Some(from_file) = peers_in(path) else { return };
        let generation = self.next_generation.fetch_add(1, Ordering::Relaxed);
        match PeerTable::build(&self.settings, from_file, generation) {
            Ok(table) => {
                tracing::info!(file = %path.display(), "peers read again");
                self.current.store(Arc::new(table));
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "peers not read again");
            }
        }
    }
}

fn mark(path: &Path) -> Option<FileMark> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The file's peers; `None` when it cannot be used, which is logged.
fn peers_in(path: &Path) -> Option<BTreeMap<Domain, PeerConfig>> {
    match load_peers_file(path) {
        Ok(peers) => Some(peers),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the peers file cannot be used");
            None
        }
    }
}

impl HandshakeRoots for PeerTables {
    fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.current().all_roots)
    }
}
