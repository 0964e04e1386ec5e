//! Accepts TLS connections and serves HTTP/1.1 and HTTP/2 on them, until told to stop.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::PeerChain;
use super::activity::Activity;
use crate::shares::{Share, Shares};

/// What a listener grants to those who connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// Open connections; more wait to be accepted.
    pub(crate) connections_max: usize,
    /// Of them, of one address.
    pub(crate) per_address_max: usize,
    /// Without a request, once there was one.
    pub(crate) idle_max: Duration,
    /// For the TLS handshake, for the first request to come, and for the headers of each HTTP/1.1
    /// request.
    pub(crate) handshake_max: Duration,
    /// For requests in flight at shutdown.
    pub(crate) drain_max: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            per_address_max: 256,
            idle_max: Duration::from_secs(5 * 60),
            handshake_max: Duration::from_secs(10),
            drain_max: crate::running::DRAIN_MAX,
        }
    }
}

/// Requests one HTTP/2 connection may have in flight.
const STREAMS_MAX: u32 = 256;
/// Octets a peer may send before it is told that they were read: per request, and per connection.
const STREAM_WINDOW_OCTETS: u32 = 1024 * 1024;
const CONNECTION_WINDOW_OCTETS: u32 = 4 * 1024 * 1024;
/// Octets of all headers of a request.
const HEADERS_OCTETS_MAX: u32 = 16 * 1024;
/// A silent HTTP/2 connection is asked for a sign of life, and given up without one.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause after a failed `accept`, which is for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves, then lets requests in flight finish. `service_for` makes the
/// service of one connection; it is handed the peer's address, and its chain if it presented one.
pub(crate) async fn serve<S>(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
    service_for: impl Fn(SocketAddr, Option<Arc<PeerChain>>) -> S + Clone + Send + 'static,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let acceptor = TlsAcceptor::from(config);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let addresses = Shares::new(limits.per_address_max);
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let permit = Arc::clone(&slots).acquire_owned().await;
            (permit.expect("the semaphore is never closed"), listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, address)) => {
                let Some(share) = addresses.take(&address.ip()) else {
                    tracing::debug!(%address, "too many connections of one address");
                    continue;
                };
                let acceptor = acceptor.clone();
                let connection = Connection { acceptor, limits, address, share, permit };
                let service_for = service_for.clone();
                tokio::spawn(connection.run(stream, graceful.watcher(), service_for));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain_max, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still in flight at shutdown are cut off");
    }
}

/// One accepted connection.
struct Connection {
    acceptor: TlsAcceptor,
    limits: ConnectionLimits,
    /// Of the other end.
    address: SocketAddr,
    /// Both held until the connection ends.
    share: Share<IpAddr>,
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run<S>(
        self,
        stream: TcpStream,
        watcher: Watcher,
        service_for: impl Fn(SocketAddr, Option<Arc<PeerChain>>) -> S,
    ) where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
    {
        let _held = (self.share, self.permit);
        // Nagle's algorithm and delayed acknowledgements together cost 40 ms per exchange.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not set");
        }
        let handshake = self.acceptor.accept(stream);
        let stream = match tokio::time::timeout(self.limits.handshake_max, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake refused"),
            Err(_) => return tracing::debug!("TLS handshake took too long"),
        };
        let activity = Activity::new();
        let service = activity.notice(service_for(self.address, peer_chain(&stream)));
        let builder = http_builder(self.limits.handshake_max);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let ended = tokio::select! {
            ended = watcher.watch(connection.into_owned()) => ended,
            // Also before the first octet is read, when it is not known what is spoken.
            () = activity.none(self.limits.handshake_max, self.limits.idle_max) => {
                return tracing::debug!("a connection without requests is closed");
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}

fn peer_chain(stream: &TlsStream<TcpStream>) -> Option<Arc<PeerChain>> {
    let certificates = stream.get_ref().1.peer_certificates()?;
    let owned = certificates.iter().map(|certificate| certificate.clone().into_owned());
    Some(Arc::new(PeerChain::new(owned.collect())))
}

fn http_builder(headers_max: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(headers_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_OCTETS)
        .initial_connection_window_size(CONNECTION_WINDOW_OCTETS)
        .max_header_list_size(HEADERS_OCTETS_MAX)
        .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL))
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}

#[cfg(test)]
mod tests;
