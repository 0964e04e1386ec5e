//! The only place that opens sockets: what a provider serves and calls runs on [`Network`], which is
//! the machine's, or one that a simulation makes up.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A future of a network.
pub type NetworkFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Octets in both directions, in order, until one side ends it.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// An open connection.
pub type Connection = Box<dyn Duplex>;

/// A bound address.
pub trait Listening: Send + 'static {
    /// The next connection, and where it comes from. Dropping the future loses none.
    fn accept(&mut self) -> NetworkFuture<'_, (Connection, SocketAddr)>;
    /// The address, with the port that was given.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// How a provider listens, finds hosts and connects.
pub trait Network: fmt::Debug + Send + Sync + 'static {
    /// Listens at an address; port 0 is any that is free.
    fn listen(&self, address: SocketAddr) -> NetworkFuture<'_, Box<dyn Listening>>;
    /// The addresses of a `host:port`.
    fn resolve(&self, host: String) -> NetworkFuture<'_, Vec<SocketAddr>>;
    /// Connects to the first of these that answers.
    fn connect(&self, addresses: Vec<SocketAddr>) -> NetworkFuture<'_, Connection>;
}

/// The sockets of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

impl Network for Sockets {
    fn listen(&self, address: SocketAddr) -> NetworkFuture<'_, Box<dyn Listening>> {
        Box::pin(async move {
            let listener: Box<dyn Listening> = Box::new(TcpListener::bind(address).await?);
            Ok(listener)
        })
    }

    fn resolve(&self, host: String) -> NetworkFuture<'_, Vec<SocketAddr>> {
        Box::pin(async move { Ok(tokio::net::lookup_host(host).await?.collect()) })
    }

    fn connect(&self, addresses: Vec<SocketAddr>) -> NetworkFuture<'_, Connection> {
        Box::pin(async move {
            let stream = TcpStream::connect(addresses.as_slice()).await?;
            stream.set_nodelay(true)?;
            let connection: Connection = Box::new(stream);
            Ok(connection)
        })
    }
}

impl Listening for TcpListener {
    fn accept(&mut self) -> NetworkFuture<'_, (Connection, SocketAddr)> {
        Box::pin(async move {
            let (stream, address) = Self::accept(self).await?;
            // Nagle's algorithm and delayed acknowledgements together cost 40 ms per exchange.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY is not set");
            }
            let connection: Connection = Box::new(stream);
            Ok((connection, address))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}
