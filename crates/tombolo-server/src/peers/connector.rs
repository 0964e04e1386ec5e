//! Opens connections to peers: where the operator said, else where DNS says but never into private
//! networks.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use mimi_wire::public_address::is_public;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::table::PeerTables;
use crate::network::{self, Network};

/// For name resolution, TCP and TLS together.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Port of an https URL that names none.
const HTTPS_PORT: u16 = 443;

/// Connects to the hosts of one peer, with the TLS configuration that holds for it.
#[derive(Clone)]
pub(super) struct Connector {
    tables: Arc<PeerTables>,
    tls: Arc<ClientConfig>,
    network: Arc<dyn Network>,
}

/// A TLS connection to a peer.
pub(super) struct PeerStream(TokioIo<TlsStream<network::Connection>>);

impl Connector {
    pub(super) fn new(
        tables: Arc<PeerTables>,
        tls: Arc<ClientConfig>,
        network: Arc<dyn Network>,
    ) -> Self {
        Self { tables, tls, network }
    }

    async fn connect(self, url: Uri) -> io::Result<PeerStream> {
        if url.scheme_str() != Some("https") {
            return Err(refused("only https is allowed"));
        }
        let host = url.host().ok_or_else(|| refused("the URL has no host"))?.to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| refused("not a host name"))?;
        let addresses = self.addresses(&host, url.port_u16().unwrap_or(HTTPS_PORT)).await?;
        // The first address that answers, in the order of the resolver.
        let stream = self.network.connect(addresses).await?;
        let stream = TlsConnector::from(self.tls).connect(name, stream).await?;
        Ok(PeerStream(TokioIo::new(stream)))
    }

    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let table = self.tables.current();
        if let Some(configured) = table.address_of(host) {
            return self.network.resolve(configured.to_owned()).await;
        }
        let found = self.network.resolve(format!("{host}:{port}")).await?;
        let public = found.iter().copied().filter(|address| is_public(address.ip()));
        let public: Vec<_> = public.collect();
        if public.is_empty() && !found.is_empty() {
            return Err(refused("the host resolves to private addresses only"));
        }
        Ok(public)
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned())
}

impl Service<Uri> for Connector {
    type Response = PeerStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<PeerStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_MAX, connector.connect(url)).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no connection in time")),
            }
        })
    }
}

impl Connection for PeerStream {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        match self.0.inner().get_ref().1.alpn_protocol() {
            Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl Read for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for PeerStream {
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

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, buffers)
    }
}
