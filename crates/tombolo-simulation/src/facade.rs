//! Something that answers in a provider's place: a proxy whose backend is away, or a program that
//! takes connections and never answers.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use turmoil::net::{TcpListener, TcpStream};

use crate::provider::{CLIENT_PORT, FEDERATION_PORT};

/// What answers in a provider's place, to other providers and to its own devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Facade {
    /// A proxy without its backend.
    BadGateway,
    /// The same, and it says when to come again.
    ComeAgain,
    /// Too much is asked, it says.
    TooMuch,
    /// Peers are told that there is nothing here, and devices as by a proxy.
    NothingHere,
    /// Peers are told that they may not, and devices as by a proxy.
    Forbidden,
    /// It takes connections and requests, and never answers.
    Silence,
}

impl Facade {
    /// All.
    pub const ALL: &[Self] = &[
        Self::BadGateway,
        Self::ComeAgain,
        Self::TooMuch,
        Self::NothingHere,
        Self::Forbidden,
        Self::Silence,
    ];

    /// What is answered; `None`: nothing, ever.
    fn answer(self, port: u16) -> Option<Response<Full<Bytes>>> {
        let (status, again) = match self {
            Self::BadGateway => (StatusCode::BAD_GATEWAY, None),
            Self::ComeAgain => (StatusCode::SERVICE_UNAVAILABLE, Some("2")),
            Self::TooMuch => (StatusCode::TOO_MANY_REQUESTS, Some("3")),
            Self::NothingHere if port == FEDERATION_PORT => (StatusCode::NOT_FOUND, None),
            Self::Forbidden if port == FEDERATION_PORT => (StatusCode::FORBIDDEN, None),
            Self::NothingHere | Self::Forbidden => (StatusCode::BAD_GATEWAY, None),
            Self::Silence => return None,
        };
        let answer = Response::builder().status(status);
        let answer = again.into_iter().fold(answer, |it, after| it.header(RETRY_AFTER, after));
        let body = Full::new(Bytes::from_static(b"<html>not now</html>"));
        Some(answer.body(body).expect("plain headers"))
    }

    /// Answers at both of a provider's ports, with its certificate, until the host stops.
    pub async fn live(self, certificate_pem: &[u8], key_pem: &[u8]) -> turmoil::Result {
        let tls = TlsAcceptor::from(Arc::new(server_config(certificate_pem, key_pem)));
        tokio::try_join!(self.serve(FEDERATION_PORT, &tls), self.serve(CLIENT_PORT, &tls))?;
        Ok(())
    }

    async fn serve(self, port: u16, tls: &TlsAcceptor) -> std::io::Result<()> {
        let here = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let listener = TcpListener::bind(here).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(self.receive(port, tls.clone(), stream));
        }
    }

    async fn receive(self, port: u16, tls: TlsAcceptor, stream: TcpStream) {
        // Whoever hangs up early has had no answer either.
        let Ok(stream) = tls.accept(stream).await else { return };
        let service = service_fn(move |_: Request<Incoming>| async move {
            match self.answer(port) {
                Some(answer) => Ok::<_, Infallible>(answer),
                None => std::future::pending().await,
            }
        });
        let serving = Builder::new(TokioExecutor::new());
        drop(serving.serve_connection(TokioIo::new(stream), service).await);
    }
}

fn server_config(certificate_pem: &[u8], key_pem: &[u8]) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(certificate_pem);
    let chain = chain.map(|certificate| certificate.expect("the authority's own PEM")).collect();
    let key = PrivateKeyDer::from_pem_slice(key_pem).expect("the authority's own PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.3 and 1.2")
        .with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).expect("the key is the certificate's");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
