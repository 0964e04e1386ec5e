//! The files a configuration names: they must be there and hold what they should.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::errors::Report;
use super::{Config, peers};
use crate::tls::crypto;

/// Notes every named file that is missing or of no use.
pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    check_identity(config, report);
    check_roots("tls.roots", config.tls.roots.as_deref(), report);
    for (domain, peer) in &config.peers {
        let key = format!("peers.{:?}.roots", domain.as_str());
        check_roots(&key, peer.roots.as_deref(), report);
    }
    if let Some(file) = &config.federation.peers_file
        && let Err(errors) = peers::load_peers_file(file)
    {
        report.note_remembered("federation.peers_file", &errors.to_string());
    }
    if config.data_dir.exists() && !config.data_dir.is_dir() {
        report.note_remembered("data_dir", "must be a directory; a file stands there");
    }
}

/// The certificate must be for our domain and the key must be its own (PROTO-TR-4).
fn check_identity(config: &Config, report: &mut Report<'_>) {
    let chain = certificates(&config.tls.certificate);
    let key = PrivateKeyDer::from_pem_file(&config.tls.key);
    if let Err(reason) = &chain {
        report.note_remembered("tls.certificate", reason);
    }
    if let Err(error) = &key {
        let path = config.tls.key.display();
        let reason = format!("must be a PEM file with a private key; {path}: {error}");
        report.note_remembered("tls.key", &reason);
    }
    let Ok(chain) = chain else { return };
    if let Err(reason) = check_name(&chain[0], config.domain.as_str()) {
        report.note_remembered("tls.certificate", &reason);
    }
    let Ok(key) = key else { return };
    if let Err(error) = CertifiedKey::from_der(chain, key, &crypto()) {
        let reason = format!("must be the private key of tls.certificate ({error})");
        report.note_remembered("tls.key", &reason);
    }
}

fn check_name(leaf: &CertificateDer<'_>, domain: &str) -> Result<(), String> {
    let unusable = |error: &dyn std::fmt::Display| format!("is no usable certificate: {error}");
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| unusable(&error))?;
    let name = ServerName::try_from(domain).map_err(|error| unusable(&error))?;
    verify_server_name(&parsed, &name)
        .map_err(|_| format!("must be a certificate for {domain}; it is for other names"))
}

fn check_roots(key: &str, roots: Option<&[PathBuf]>, report: &mut Report<'_>) {
    for path in roots.unwrap_or_default() {
        let added = certificates(path).and_then(|certificates| {
            let mut store = RootCertStore::empty();
            certificates.into_iter().try_for_each(|certificate| {
                store.add(certificate).map_err(|error| {
                    format!("must hold root certificates; {}: {error}", path.display())
                })
            })
        });
        if let Err(reason) = added {
            report.note_remembered(key, &reason);
        }
    }
}

/// All certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wanted = "must be a PEM file with certificates";
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(format!("{wanted}; {} has none", path.display())),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{wanted}; {}: {error}", path.display())),
    }
}
