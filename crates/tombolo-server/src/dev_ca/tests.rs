use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::DevCa;

const NOW_MS: u64 = 1_790_000_000_000;

#[test]
fn its_certificates_serve_in_both_roles() {
    let directory = tempfile::tempdir().unwrap();
    let authority = DevCa::open_or_create(&directory.path().join("ca"), NOW_MS).unwrap();
    let issued = authority.issue(&"a.example".parse().unwrap(), NOW_MS).unwrap();
    let leaf = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
    PrivateKeyDer::from_pem_slice(issued.key_pem.as_str().as_bytes()).unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.root_pem().as_bytes()).unwrap()).unwrap();
    let parsed = ParsedCertificate::try_from(&leaf).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_millis(NOW_MS));
    let crypto = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = crypto.signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms).unwrap();
    verify_server_name(&parsed, &ServerName::try_from("a.example").unwrap()).unwrap();
    verify_server_name(&parsed, &ServerName::try_from("b.example").unwrap()).unwrap_err();

    let (_, x509) = X509Certificate::from_der(&leaf).unwrap();
    let usage = x509.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth);
    assert!(!format!("{issued:?}").contains("PRIVATE KEY"));
}

#[test]
fn the_authority_stays_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let first = DevCa::open_or_create(directory.path(), NOW_MS).unwrap();
    let again = DevCa::open_or_create(directory.path(), NOW_MS).unwrap();
    assert_eq!(first.root_pem(), again.root_pem());
    assert_eq!(std::fs::read_to_string(again.root_path()).unwrap(), again.root_pem());
}
