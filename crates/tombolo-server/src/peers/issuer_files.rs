//! The client issuers of peers on disk: a provider must know them at its next start even if a peer
//! is out of reach then. A cache: what cannot be read is fetched again.

use std::path::{Path, PathBuf};

use mimi_mls::identity::Issuers;
use mimi_wire::Domain;

/// Directory under the provider's data directory.
const DIRECTORY: &str = "peer-issuers";
/// Ending of each file; before it stands the domain.
const ENDING: &str = "json";
/// Octets of a file that is read.
const FILE_OCTETS_MAX: u64 = 1024 * 1024;

/// The issuers' directory.
#[derive(Debug)]
pub(super) struct IssuerFiles(PathBuf);

impl IssuerFiles {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self(data_dir.join(DIRECTORY))
    }

    /// Trusts everything that was kept.
    pub(super) fn load_into(&self, issuers: &mut Issuers) {
        let Ok(files) = std::fs::read_dir(&self.0) else { return };
        for file in files.flatten() {
            let path = file.path();
            if let Err(error) = load(&path, issuers) {
                tracing::warn!(file = %path.display(), %error, "kept client issuers are not used");
            }
        }
    }

    /// Keeps the issuers of a peer, in place of earlier ones. A failure is logged and no more.
    pub(super) fn keep(&self, peer: &Domain, pem: &[String]) {
        if let Err(error) = self.write(peer, pem) {
            tracing::warn!(%peer, %error, "client issuers are not kept");
        }
    }

    /// Forgets the issuers of a peer.
    pub(super) fn forget(&self, peer: &Domain) {
        let path = self.0.join(format!("{peer}.{ENDING}"));
        if let Err(error) = std::fs::remove_file(path) {
            tracing::debug!(%peer, %error, "kept client issuers are not removed");
        }
    }

    fn write(&self, peer: &Domain, pem: &[String]) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let path = self.0.join(format!("{peer}.{ENDING}"));
        let fresh = self.0.join(format!("{peer}.new"));
        std::fs::write(&fresh, serde_json::to_vec(pem)?)?;
        std::fs::rename(fresh, path)
    }
}

fn load(path: &Path, issuers: &mut Issuers) -> Result<(), String> {
    if path.extension().and_then(|ending| ending.to_str()) != Some(ENDING) {
        return Ok(());
    }
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let domain = Domain::new(name).map_err(|error| error.to_string())?;
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_OCTETS_MAX {
        return Err("the file is too large".to_owned());
    }
    let octets = std::fs::read(path).map_err(|error| error.to_string())?;
    let pem: Vec<String> = serde_json::from_slice(&octets).map_err(|error| error.to_string())?;
    issuers.trust(domain, &pem).map_err(|error| error.to_string())
}
