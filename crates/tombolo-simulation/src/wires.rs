//! Sockets of the simulated network, for providers and for devices.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection as Connects};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::client::WantsClientCert;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tombolo_client::session::request::TransportError;
use tombolo_client::transport::https::CONNECT_TIMEOUT;
use tombolo_client::transport::{Exchange, Octets, TransportFuture};
use tombolo_server::clock::Clock;
use tombolo_server::dev_ca::ServerCertificate;
use tombolo_server::network::{Connection, Listening, Network, NetworkFuture};
use tower_service::Service;
use turmoil::net::{TcpListener, TcpStream};

/// The network of a provider's host.
#[derive(Clone, Copy, Debug)]
pub struct Wires;

struct Ear(TcpListener);

impl Network for Wires {
    fn listen(&self, address: SocketAddr) -> NetworkFuture<'_, Box<dyn Listening>> {
        Box::pin(async move {
            let ear: Box<dyn Listening> = Box::new(Ear(TcpListener::bind(address).await?));
            Ok(ear)
        })
    }

    fn resolve(&self, host: String) -> NetworkFuture<'_, Vec<SocketAddr>> {
        Box::pin(async move {
            let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such host");
            let (name, port) = host.rsplit_once(':').ok_or_else(unknown)?;
            let port = port.parse().map_err(|_| unknown())?;
            Ok(vec![SocketAddr::new(turmoil::lookup(name), port)])
        })
    }

    fn connect(&self, addresses: Vec<SocketAddr>) -> NetworkFuture<'_, Connection> {
        Box::pin(async move {
            let nowhere = || io::Error::new(io::ErrorKind::NotFound, "no address");
            let address = addresses.first().copied().ok_or_else(nowhere)?;
            let connection: Connection = Box::new(TcpStream::connect(address).await?);
            Ok(connection)
        })
    }
}

impl Listening for Ear {
    fn accept(&mut self) -> NetworkFuture<'_, (Connection, SocketAddr)> {
        Box::pin(async move {
            let (stream, address) = self.0.accept().await?;
            let connection: Connection = Box::new(stream);
            Ok((connection, address))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// TLS that believes one root, by a clock of one's own.
pub fn trusting(root_pem: &str, clock: &Clock) -> ClientConfig {
    with_alpn(believing(root_pem, clock).with_no_client_auth())
}

/// The same for whoever shows a certificate.
pub fn showing(root_pem: &str, clock: &Clock, shown: &ServerCertificate) -> ClientConfig {
    let chain = CertificateDer::pem_slice_iter(shown.certificate_pem.as_bytes());
    let chain = chain.map(|certificate| certificate.expect("the authority's own PEM")).collect();
    let key = PrivateKeyDer::from_pem_slice(shown.key_pem.as_str().as_bytes());
    let key = key.expect("the authority's own PEM");
    let config = believing(root_pem, clock).with_client_auth_cert(chain, key);
    with_alpn(config.expect("the key is the certificate's"))
}

fn with_alpn(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn believing(root_pem: &str, clock: &Clock) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(root_pem.as_bytes()) {
        let certificate = certificate.expect("the authority's own file");
        roots.add(certificate).expect("the authority's own certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.3 and 1.2");
    builder.with_root_certificates(roots)
}

#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms())))
    }
}

/// What `reqwest` is on the machine's sockets: a pool of connections to one provider, with the same
/// settings.
#[derive(Clone, Debug)]
pub struct Courier(Client<Connector, Full<Bytes>>);

#[derive(Clone)]
struct Connector(Arc<ClientConfig>);

struct Stream(TokioIo<TlsStream<TcpStream>>);

impl Courier {
    /// Trusts one root.
    pub fn new(tls: ClientConfig) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .http2_keep_alive_while_idle(true)
            .build(Connector(Arc::new(tls)));
        Self(client)
    }
}

impl Exchange for Courier {
    fn send(&self, request: Request<Bytes>) -> TransportFuture<Response<Octets>> {
        let sending = self.0.request(request.map(Full::new));
        Box::pin(async move {
            let answer = sending.await.map_err(|error| unreachable(&error))?;
            Ok(answer.map(|body| {
                let pieces = body.into_data_stream().map_err(|error| unreachable(&error));
                pieces.flat_map(|piece| stream::iter(cut(piece))).boxed() as Octets
            }))
        })
    }
}

/// A piece in two: where octets are cut on their way is nobody's choice.
fn cut(piece: Result<Bytes, TransportError>) -> Vec<Result<Bytes, TransportError>> {
    match piece {
        Ok(mut piece) if piece.len() > 1 => {
            // Somewhere, and the same in every life.
            let sum = piece.iter().fold(0, |sum: usize, octet| sum.wrapping_add((*octet).into()));
            let first = piece.split_to(1 + sum % (piece.len() - 1));
            vec![Ok(first), Ok(piece)]
        }
        whole => vec![whole],
    }
}

/// The innermost cause.
fn unreachable(error: &dyn std::error::Error) -> TransportError {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    TransportError::Unreachable(cause.to_string())
}

impl Connector {
    async fn connect(self, url: Uri) -> io::Result<Stream> {
        let host = url.host().unwrap_or_default().to_owned();
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host.as_str(), url.port_u16().unwrap_or(443))).await?;
        let stream = TlsConnector::from(self.0).connect(name, stream).await?;
        Ok(Stream(TokioIo::new(stream)))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, self.clone().connect(url));
        Box::pin(
            async move { connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) },
        )
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Connector")
    }
}

impl Connects for Stream {
    fn connected(&self) -> Connected {
        match self.0.inner().get_ref().1.alpn_protocol() {
            Some(b"h2") => Connected::new().negotiated_h2(),
            _ => Connected::new(),
        }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
