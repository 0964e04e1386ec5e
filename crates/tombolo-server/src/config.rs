//! The configuration file of a provider: what it may say, and every error in it at once.
//!
//! Paths are relative to the file they stand in. A key the file may not have is an error, with the
//! key it was perhaps meant to be. Nothing here listens, connects or writes.

mod assets;
mod contact;
mod errors;
mod files;
mod identifier_query;
mod limits;
mod peers;
mod policy;
mod rate;
mod section;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mimi_policy::envelope::Envelope;
use mimi_provider::delivery::KEEP_MS_DEFAULT;
use mimi_provider::identifier_query::{QueryPolicy, QueryRates};
use mimi_wire::Domain;

pub use assets::{
    ASSET_MIB_MAX_DEFAULT, AssetsConfig, KEPT_DAYS_DEFAULT, PROXIED_MIB_MAX_DEFAULT,
    USER_MIB_MAX_DEFAULT,
};
pub use contact::ContactConfig;
pub use errors::{ConfigError, ConfigErrors};
pub use limits::{
    AccountLimits, ConnectionLimits, Limit, Limits, LogLimits, ObliviousLimits, PeerLimits,
    ReportLimits, RequestLimits, RoomLimits, SignInLimits,
};
pub use peers::{PeerConfig, PeerPolicy, load_peers_file};
pub(crate) use rate::text as rate_text;

use errors::Report;
use files::NamedFiles;
use section::Section;

/// Largest configuration or peers file that is read.
pub const CONFIG_OCTETS_MAX: u64 = 4 * 1024 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Where the admin API listens unless the file says otherwise.
pub const ADMIN_LISTEN_DEFAULT: &str = "127.0.0.1:8445";

/// A provider's configuration, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The provider.
    pub domain: Domain,
    /// Where the database and the provider's own keys are.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub listen: ListenConfig,
    /// Who it is towards others.
    pub tls: TlsConfig,
    /// Whom it talks to.
    pub federation: FederationConfig,
    /// What they may ask about our users.
    pub identifier_query: QueryPolicy,
    /// How many such queries.
    pub query_rates: QueryRates,
    /// Who reaches the users here.
    pub contact: ContactConfig,
    /// What is special about some peers.
    pub peers: BTreeMap<Domain, PeerConfig>,
    /// What rooms it hosts.
    pub policy: Envelope,
    /// What people may store, and what is fetched for them.
    pub assets: AssetsConfig,
    /// How much it takes on.
    pub limits: Limits,
    /// What it logs.
    pub log: LogConfig,
    /// For tests and demonstrations.
    pub debug: DebugConfig,
}

/// `[listen]`; port 0 takes any free port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenConfig {
    /// For other providers.
    pub federation: SocketAddr,
    /// For the provider's own clients.
    pub client: SocketAddr,
    /// For its operator; always a loopback address.
    pub admin: SocketAddr,
}

/// `[tls]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsConfig {
    /// PEM chain, the provider's own certificate first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// PEM roots trusted for peers; `None`: the public ones.
    pub roots: Option<Vec<PathBuf>>,
}

/// `[federation]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FederationConfig {
    /// What holds for providers that no `[peers]` table names.
    pub unknown_peers: PeerPolicy,
    /// More `[peers]` tables, in a file that is read again when it changes.
    pub peers_file: Option<PathBuf>,
    /// How long something waits for a provider that does not take it, in milliseconds; then the
    /// provider is stale (AMB-NTF-10).
    pub keep_ms: u64,
}

/// `[log]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// The least important lines that are written.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogLevel {
    /// What must be looked at.
    Error,
    /// What should be looked at.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

/// `[debug]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DebugConfig {
    /// Keep the body of every federation request and answer here.
    pub capture_dir: Option<PathBuf>,
}

impl LogLevel {
    /// As the file says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Config {
    /// Reads and checks a file, the files it names included.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = errors::read_text(path, "there is no such file; `tombolo init` writes one")?;
        let base = base_of(path);
        let mut report = Report::new(path, &text);
        let mut named = NamedFiles::default();
        let config = Self::read(&base, &mut report, &mut named);
        named.check(&mut report);
        report.finish(config)
    }

    /// Checks a text whose paths are relative to `base`, without looking at the files it names.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigErrors> {
        let mut report = Report::new(&base.join("tombolo.toml"), text);
        let config = Self::read(base, &mut report, &mut NamedFiles::default());
        report.finish(config)
    }

    /// `named` gets every file whose own key is in order, whatever else is at fault.
    fn read(base: &Path, report: &mut Report<'_>, named: &mut NamedFiles) -> Option<Self> {
        let table = report.parse()?;
        let mut root = Section::root(&table, base);
        let domain = root.parsed(report, "domain", section::domain);
        let data_dir = root.path(report, "data_dir", "the directory of the provider's data");
        let listen = read_listen(&mut root, report);
        named.domain.clone_from(&domain);
        named.data_dir.clone_from(&data_dir);
        let tls = read_tls(&mut root, report, named);
        let federation = read_federation(&mut root, report, named);
        let identifier_query = identifier_query::read(&mut root, report);
        let contact = contact::read(&mut root, report);
        let peers = peers::read(&mut root, report, &mut named.roots);
        let policy = policy::read(&mut root, report);
        let assets = assets::read(&mut root, report, domain.as_ref());
        let limits = limits::read(&mut root, report);
        let log = read_log(&mut root, report);
        let mut debug = root.section(report, "debug");
        let capture_dir =
            debug.optional_path(report, "capture_dir", "a directory for federation bodies");
        debug.finish(report);
        root.finish(report);
        Some(Self {
            domain: domain?,
            data_dir: data_dir?,
            listen: listen?,
            tls: tls?,
            federation: federation?,
            identifier_query: identifier_query.clone()?.0,
            query_rates: identifier_query?.1,
            contact: contact?,
            peers,
            policy: policy?,
            assets: assets?,
            limits: limits?,
            log: log?,
            debug: DebugConfig { capture_dir },
        })
    }
}

fn read_listen(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<ListenConfig> {
    let mut section = root.section(report, "listen");
    let federation = section.parsed(report, "federation", section::listen_address);
    let client = section.parsed(report, "client", section::listen_address);
    let default = ADMIN_LISTEN_DEFAULT.parse().expect("a socket address");
    let admin = section.parsed_or(report, "admin", section::loopback_address, default);
    let mut taken = BTreeMap::new();
    for (key, address) in [("federation", federation), ("client", client), ("admin", admin)] {
        let Some(address) = address.filter(|address| address.port() != 0) else { continue };
        if let Some(other) = taken.insert(address, key) {
            let valid = format!("must differ from listen.{other}, which has the same address");
            section.refuse(report, key, &valid);
        }
    }
    section.finish(report);
    Some(ListenConfig { federation: federation?, client: client?, admin: admin? })
}

fn read_tls(
    root: &mut Section<'_>,
    report: &mut Report<'_>,
    named: &mut NamedFiles,
) -> Option<TlsConfig> {
    let mut section = root.section(report, "tls");
    let certificate =
        section.path(report, "certificate", "a PEM file with the provider's certificate chain");
    let key = section.path(report, "key", "a PEM file with the certificate's private key");
    let roots = section.optional_paths(report, "roots");
    section.finish(report);
    named.certificate.clone_from(&certificate);
    named.key.clone_from(&key);
    named.roots.extend(roots.clone().map(|roots| ("tls.roots".to_owned(), roots)));
    Some(TlsConfig { certificate: certificate?, key: key?, roots })
}

fn read_federation(
    root: &mut Section<'_>,
    report: &mut Report<'_>,
    named: &mut NamedFiles,
) -> Option<FederationConfig> {
    let mut section = root.section(report, "federation");
    let unknown_peers =
        section.parsed_or(report, "unknown_peers", peers::policy, PeerPolicy::Allow);
    let peers_file = section.optional_path(report, "peers_file", "a TOML file of [peers] tables");
    let keep_days = section.optional_number(report, "keep_days");
    section.finish(report);
    named.peers_file.clone_from(&peers_file);
    let keep_ms = keep_days?.map_or(KEEP_MS_DEFAULT, |days| u64::from(days) * DAY_MS);
    Some(FederationConfig { unknown_peers: unknown_peers?, peers_file, keep_ms })
}

fn read_log(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<LogConfig> {
    let mut section = root.section(report, "log");
    let format = section.parsed_or(report, "format", log_format, LogFormat::Text);
    let level = section.parsed_or(report, "level", log_level, LogLevel::Info);
    section.finish(report);
    Some(LogConfig { format: format?, level: level? })
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be \"text\" or \"json\"".to_owned()),
    }
}

fn log_level(text: &str) -> Result<LogLevel, String> {
    use LogLevel::{Debug, Error, Info, Trace, Warn};
    let level = [Error, Warn, Info, Debug, Trace].into_iter().find(|level| level.as_str() == text);
    level.ok_or_else(|| "must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned())
}

/// The directory that paths in a file are relative to.
fn base_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
