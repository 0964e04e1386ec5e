//! The TLS of whoever calls: a peer with its certificate, or nobody in particular.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tombolo_server::dev_ca::ServerCertificate;

pub(crate) fn client_tls(
    root_pem: &str,
    certificate: Option<&ServerCertificate>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let pem = certificate.certificate_pem.as_bytes();
            let chain = CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_str().as_bytes());
            builder.with_client_auth_cert(chain, key.unwrap()).unwrap()
        }
    };
    Arc::new(config)
}
