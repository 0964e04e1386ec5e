//! The TLS configurations of the listeners and of the connections we open.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::peer_verifier::{HandshakeRoots, PeerVerifier};
use super::{Identity, RootsError};
use crate::clock::Clock;

/// Protocols we speak over TLS, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The cryptography under TLS.
pub(crate) fn crypto() -> Arc<CryptoProvider> {
    static CRYPTO: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(CRYPTO.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

/// For the listener that other providers call: their certificate is asked for and, if given, must
/// chain to a root we trust (PROTO-TR-4). Only the directory is served without one (AMB-TR-2).
pub(crate) fn federation_server_config(
    identity: Arc<Identity>,
    roots: Arc<dyn HandshakeRoots>,
    clock: &Clock,
) -> Arc<ServerConfig> {
    let time = Arc::new(clock.clone());
    let verifier = Arc::new(PeerVerifier::new(roots));
    let mut config = ServerConfig::builder_with_details(crypto(), time)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.3 and 1.2")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    without_resumption(&mut config);
    Arc::new(config)
}

/// For the listener that our own clients call: no client certificates.
pub(crate) fn client_api_server_config(
    identity: Arc<Identity>,
    clock: &Clock,
) -> Arc<ServerConfig> {
    let time = Arc::new(clock.clone());
    let mut config = ServerConfig::builder_with_details(crypto(), time)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.3 and 1.2")
        .with_no_client_auth()
        .with_cert_resolver(identity);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Arc::new(config)
}

/// For connections to one peer: its server certificate must chain to the roots trusted for it, and
/// we always present ours (AMB-TR-2).
pub(crate) fn client_config(
    identity: Arc<Identity>,
    roots: Arc<RootCertStore>,
    clock: &Clock,
) -> Result<Arc<ClientConfig>, RootsError> {
    let time = Arc::new(clock.clone());
    let verifier: Arc<dyn ServerCertVerifier> =
        WebPkiServerVerifier::builder_with_provider(roots, crypto())
            .build()
            .map_err(|error| RootsError::Unusable(error.to_string()))?;
    let mut config = ClientConfig::builder_with_details(crypto(), time)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.3 and 1.2")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(identity);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// For connections as nobody in particular: the server must chain to these roots, and is shown no
/// certificate.
pub(crate) fn anonymous_client_config(
    roots: Arc<RootCertStore>,
    clock: &Clock,
) -> Result<Arc<ClientConfig>, RootsError> {
    let time = Arc::new(clock.clone());
    let verifier: Arc<dyn ServerCertVerifier> =
        WebPkiServerVerifier::builder_with_provider(roots, crypto())
            .build()
            .map_err(|error| RootsError::Unusable(error.to_string()))?;
    let mut config = ClientConfig::builder_with_details(crypto(), time)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.3 and 1.2")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// A resumed session skips the verifier: it would keep an identity alive that has been replaced, and
/// a root that has been removed.
fn without_resumption(config: &mut ServerConfig) {
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
}
