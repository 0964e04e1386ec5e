//! Writes what a new provider needs: a commented configuration, a certificate with its key, and its
//! entry in a peers file shared with others. Replaces nothing that exists.
//!
//! The client issuer, the hub's key and the database come into being at the first start.

mod configuration;
mod contact;
mod peers_file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};

use mimi_wire::Domain;
use thiserror::Error;

use crate::clock::Clock;
use crate::config::{
    ConfigErrors, DebugConfig, ListenConfig, LogConfig, LogFormat, LogLevel, PeerPolicy,
};
use crate::dev_ca::{AuthorityError, DevCa};
use crate::private_file;

/// The configuration file in a provider's directory.
pub const CONFIG_FILE: &str = "tombolo.toml";
/// The data directory in a provider's directory.
pub const DATA_DIRECTORY: &str = "data";
/// The development authority in a provider's directory, unless another one is given.
pub const DEV_CA_DIRECTORY: &str = "dev-ca";

/// What a new provider is to be like.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The provider.
    pub domain: Domain,
    /// Where to write; created if it does not exist.
    pub directory: PathBuf,
    /// Directory of the development authority that issues the TLS certificate, made if it does not
    /// exist; `None`: [`DEV_CA_DIRECTORY`] in `directory`.
    pub dev_ca: Option<PathBuf>,
    /// A certificate of one's own instead of one from a development authority.
    pub own_certificate: Option<OwnCertificate>,
    /// A file of `[peers]` tables to be added to and read from, made if it does not exist.
    pub peers_file: Option<PathBuf>,
    /// What to do with providers that no `[peers]` table names.
    pub unknown_peers: PeerPolicy,
    /// Where to listen. The federation port must be a fixed one if there is a peers file.
    pub listen: ListenConfig,
    /// What to log.
    pub log: LogConfig,
    /// For tests and demonstrations; a relative path is relative to `directory`.
    pub debug: DebugConfig,
}

/// A certificate that is there already.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// PEM chain, the provider's own certificate first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// What was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InitOutcome {
    /// The configuration.
    pub config: PathBuf,
    /// The TLS certificate it names.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The root that others must trust; `None` for a certificate of one's own.
    pub root: Option<PathBuf>,
    /// The peers file that was added to.
    pub peers_file: Option<PathBuf>,
}

/// Why nothing, or not everything, was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// A file is there that would have to be replaced.
    #[error("{0} exists already and is not replaced: remove it, or choose another directory")]
    Exists(PathBuf),
    /// The peers file has the domain already.
    #[error(
        "{file} has a table for {domain} already and it is not replaced: remove the table, or \
         leave the peers file out"
    )]
    PeerExists {
        /// The peers file.
        file: PathBuf,
        /// The provider.
        domain: Domain,
    },
    /// The peers file is not one.
    #[error(transparent)]
    PeersFile(#[from] ConfigErrors),
    /// Others could not find a provider at any free port.
    #[error("a peers file needs a federation port that others can know: choose one other than 0")]
    FreePort,
    /// Only one listener can have a port.
    #[error("port {port} is given for {one} and for {other}: choose different ones")]
    SamePort {
        /// The port.
        port: u16,
        /// What it is for.
        one: &'static str,
        /// And what else.
        other: &'static str,
    },
    /// A certificate of one's own, or its key, is not where it should be.
    #[error("{0} does not exist: give the file of a certificate or key of your own")]
    Missing(PathBuf),
    /// Two sources for one certificate.
    #[error("a certificate of your own needs no development CA: give one or the other")]
    TwoCertificates,
    /// A path that no configuration file can name.
    #[error("{0} is not valid UTF-8 and cannot be named in a configuration file")]
    Path(PathBuf),
    /// The development authority failed.
    #[error(transparent)]
    DevCa(#[from] AuthorityError),
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl InitOptions {
    /// A provider with a development certificate that listens on this machine only.
    pub fn new(domain: Domain, directory: PathBuf) -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            domain,
            directory,
            dev_ca: None,
            own_certificate: None,
            peers_file: None,
            unknown_peers: PeerPolicy::Allow,
            listen: ListenConfig {
                federation: local(8443),
                client: local(8444),
                admin: local(8445),
            },
            log: LogConfig { format: LogFormat::Text, level: LogLevel::Info },
            debug: DebugConfig::default(),
        }
    }
}

/// Writes a new provider's files.
pub fn init(options: &InitOptions) -> Result<InitOutcome, InitError> {
    let now_ms = Clock::system().now_ms();
    if options.own_certificate.is_some() && options.dev_ca.is_some() {
        return Err(InitError::TwoCertificates);
    }
    check_ports(&options.listen)?;
    if let Some(own) = &options.own_certificate {
        let missing = [&own.certificate, &own.key].into_iter().find(|path| !path.is_file());
        missing.map_or(Ok(()), |path| Err(InitError::Missing(path.clone())))?;
    }
    let directory = absolute(&options.directory)?;
    let config = directory.join(CONFIG_FILE);
    let issued = directory.join(format!("{}.pem", options.domain));
    let issued_key = directory.join(format!("{}.key", options.domain));
    let mut to_write = vec![&config];
    if options.own_certificate.is_none() {
        to_write.extend([&issued, &issued_key]);
    }
    // Everything that can be refused is refused before anything is written.
    if let Some(taken) = to_write.into_iter().find(|path| path.exists()) {
        return Err(InitError::Exists(taken.clone()));
    }
    let peers_file = options.peers_file.as_deref().map(absolute).transpose()?;
    if let Some(file) = &peers_file {
        peers_file::check(file, &options.domain, options.listen.federation)?;
    }
    private_file::create_directory(&directory).map_err(written(&directory))?;
    let outcome = match &options.own_certificate {
        Some(own) => InitOutcome {
            config,
            certificate: absolute(&own.certificate)?,
            key: absolute(&own.key)?,
            root: None,
            peers_file,
        },
        None => {
            let root = issue(options, &directory, &issued, &issued_key, now_ms)?;
            let root = Some(root);
            InitOutcome { config, certificate: issued, key: issued_key, root, peers_file }
        }
    };
    let text = configuration::text(options, &outcome)?;
    private_file::create(&outcome.config, text.as_bytes()).map_err(written(&outcome.config))?;
    if let Some(file) = &outcome.peers_file {
        let root = outcome.root.as_deref();
        peers_file::add(file, &options.domain, options.listen.federation, root)?;
    }
    Ok(outcome)
}

/// Refuses two listeners on one port, whatever their addresses: one that listens everywhere would
/// be in the way of the other.
fn check_ports(listen: &ListenConfig) -> Result<(), InitError> {
    let mut taken = BTreeMap::new();
    let listeners =
        [("federation", listen.federation), ("clients", listen.client), ("admin", listen.admin)];
    for (other, address) in listeners {
        let port = address.port();
        // Port 0 is any free one, another one each time.
        if port != 0
            && let Some(one) = taken.insert(port, other)
        {
            return Err(InitError::SamePort { port, one, other });
        }
    }
    Ok(())
}

/// Has the development authority issue a certificate; returns where its root is.
fn issue(
    options: &InitOptions,
    directory: &Path,
    certificate: &Path,
    key: &Path,
    now_ms: u64,
) -> Result<PathBuf, InitError> {
    let authority = match &options.dev_ca {
        Some(authority) => absolute(authority)?,
        None => directory.join(DEV_CA_DIRECTORY),
    };
    let authority = DevCa::open_or_create(&authority, now_ms)?;
    let issued = authority.issue(&options.domain, now_ms)?;
    private_file::create(key, issued.key_pem.as_str().as_bytes()).map_err(written(key))?;
    private_file::create(certificate, issued.certificate_pem.as_bytes())
        .map_err(written(certificate))?;
    Ok(authority.root_path())
}

fn written(path: &Path) -> impl FnOnce(io::Error) -> InitError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::AlreadyExists => InitError::Exists(path),
        _ => InitError::Write { path, source },
    }
}

fn absolute(path: &Path) -> Result<PathBuf, InitError> {
    let absolute = std::path::absolute(path).map_err(written(path))?;
    // Without `..`, so that relative paths can be counted out.
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    Ok(plain)
}

/// How a file in `directory` names `path`, so that both can be moved together; both absolute.
fn relative(path: &Path, directory: &Path) -> Result<String, InitError> {
    let shared = path
        .components()
        .zip(directory.components())
        .take_while(|(one, other)| one == other)
        .count();
    // Nothing but the root in common: they are unlikely to be moved together.
    let named = match shared {
        0 | 1 => path.to_owned(),
        _ => {
            let up = directory.components().skip(shared).map(|_| Component::ParentDir);
            up.chain(path.components().skip(shared)).collect()
        }
    };
    named.to_str().map(str::to_owned).ok_or_else(|| InitError::Path(path.to_owned()))
}
