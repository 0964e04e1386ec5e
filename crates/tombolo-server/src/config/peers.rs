//! `[peers]`: what is special about some providers, in the configuration or in a file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mimi_wire::Domain;

use super::errors::{ConfigErrors, Report, read_text};
use super::section::{self, Section};

/// Whether a provider may talk to us and we to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerPolicy {
    /// It may.
    Allow,
    /// Nothing goes either way.
    Block,
}

impl PeerPolicy {
    /// As the file says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }
}

/// What an operator says about one peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerConfig {
    /// `host:port` to connect to instead of asking DNS for the domain.
    pub address: Option<String>,
    /// Whether we talk.
    pub policy: PeerPolicy,
    /// PEM roots trusted for this peer, and no others.
    pub roots: Option<Vec<PathBuf>>,
}

/// Reads a file that holds nothing but `[peers]` tables.
pub fn load_peers_file(path: &Path) -> Result<BTreeMap<Domain, PeerConfig>, ConfigErrors> {
    let text = read_text(path, "there is no such file")?;
    let mut report = Report::new(path, &text);
    let peers = report.parse().map(|table| {
        let mut root = Section::root(&table, &super::base_of(path));
        let peers = read(&mut root, &mut report, &mut Vec::new());
        root.finish(&mut report);
        peers
    });
    report.finish(peers)
}

/// Reads the `[peers]` tables of a file; what is at fault is noted and left out. `named` gets
/// every list of roots that is in order, with its dotted key, even if its peer is left out.
pub(super) fn read(
    root: &mut Section<'_>,
    report: &mut Report<'_>,
    named: &mut Vec<(String, Vec<PathBuf>)>,
) -> BTreeMap<Domain, PeerConfig> {
    let mut peers = BTreeMap::new();
    let mut tables = root.section(report, "peers");
    for name in tables.keys() {
        let domain = section::domain(name);
        if let Err(valid) = &domain {
            tables.refuse_key(report, name, valid);
        }
        let mut table = tables.section(report, name);
        let address =
            table.parsed_or(report, "address", |text| section::host_and_port(text).map(Some), None);
        let policy = table.parsed_or(report, "policy", policy, PeerPolicy::Allow);
        let roots = table.optional_paths(report, "roots");
        named.extend(roots.clone().map(|roots| (table.dotted("roots"), roots)));
        table.finish(report);
        if let (Ok(domain), Some(address), Some(policy)) = (domain, address, policy) {
            peers.insert(domain, PeerConfig { address, policy, roots });
        }
    }
    peers
}

/// A policy by its name.
pub(super) fn policy(text: &str) -> Result<PeerPolicy, String> {
    match text {
        "allow" => Ok(PeerPolicy::Allow),
        "block" => Ok(PeerPolicy::Block),
        _ => Err("must be \"allow\" or \"block\"".to_owned()),
    }
}
