//! The files a configuration names: they must be there and hold what they should.

use std::path::{Path, PathBuf};

use mimi_wire::Domain;
use rustls::RootCertStore;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::errors::Report;
use super::peers;
use crate::tls::crypto;

/// What a configuration names, as far as the keys that name it are in order.
#[derive(Debug, Default)]
pub(super) struct NamedFiles {
    pub(super) domain: Option<Domain>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    /// Roots by the dotted key that names them.
    pub(super) roots: Vec<(String, Vec<PathBuf>)>,
    pub(super) peers_file: Option<PathBuf>,
}

impl NamedFiles {
    /// Notes every named file that is missing or of no use.
    pub(super) fn check(&self, report: &mut Report<'_>) {
        self.check_identity(report);
        for (key, roots) in &self.roots {
            check_roots(key, roots, report);
        }
        if let Some(file) = &self.peers_file {
            check_peers_file(file, report);
        }
        if self.data_dir.as_ref().is_some_and(|path| path.exists() && !path.is_dir()) {
            report.note_remembered("data_dir", "must be a directory; a file stands there");
        }
    }

    /// The certificate must be for our domain and the key must be its own (PROTO-TR-4).
    fn check_identity(&self, report: &mut Report<'_>) {
        let chain = self.certificate.as_deref().and_then(|path| {
            let chain = certificates(path);
            chain.map_err(|reason| report.note_remembered("tls.certificate", &reason)).ok()
        });
        let key = self.key.as_deref().and_then(|path| {
            let key = PrivateKeyDer::from_pem_file(path);
            key.map_err(|error| {
                let path = path.display();
                let reason = format!("must be a PEM file with a private key; {path}: {error}");
                report.note_remembered("tls.key", &reason);
            })
            .ok()
        });
        let Some(chain) = chain else { return };
        if let Some(domain) = &self.domain
            && let Err(reason) = check_name(&chain[0], domain.as_str())
        {
            report.note_remembered("tls.certificate", &reason);
        }
        let Some(key) = key else { return };
        if let Err(error) = CertifiedKey::from_der(chain, key, &crypto()) {
            let reason = format!("must be the private key of tls.certificate ({error})");
            report.note_remembered("tls.key", &reason);
        }
    }
}

/// Every error of a peers file is one of the configuration that names it, on a line of its own.
fn check_peers_file(file: &Path, report: &mut Report<'_>) {
    let Err(errors) = peers::load_peers_file(file) else { return };
    for error in &errors.errors {
        let reason = format!("must be a TOML file of [peers] tables; {}: {error}", file.display());
        report.note_remembered("federation.peers_file", &reason);
    }
}

fn check_name(leaf: &CertificateDer<'_>, domain: &str) -> Result<(), String> {
    let unusable = |error: &dyn std::fmt::Display| format!("is no usable certificate: {error}");
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| unusable(&error))?;
    let name = ServerName::try_from(domain).map_err(|error| unusable(&error))?;
    verify_server_name(&parsed, &name)
        .map_err(|_| format!("must be a certificate for {domain}; it is for other names"))
}

fn check_roots(key: &str, roots: &[PathBuf], report: &mut Report<'_>) {
    for path in roots {
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
