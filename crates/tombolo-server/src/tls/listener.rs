//! Accepts TLS connections and serves HTTP/1.1 and HTTP/2 on them, until told to stop.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::PeerChain;
use super::activity::{Activity, Patience};
use super::admission::{Admission, Standing};
use super::lingering::Lingering;
use crate::config::{ConnectionLimits, RequestLimits};
use crate::network::{self, Listening};

/// Octets a peer may send before it is told that they were read: per request, and per connection.
const STREAM_WINDOW_OCTETS: u32 = 1024 * 1024;
const CONNECTION_WINDOW_OCTETS: u32 = 4 * 1024 * 1024;
/// Requests that were reset before they were looked at: one more and the connection ends. Resetting
/// is a way to ask for much work at the price of none ("rapid reset").
const RESETS_MAX: usize = 32;
/// Octets of answers that a connection holds for each request beyond what may be sent.
const SEND_BUFFER_OCTETS_MAX: usize = 64 * 1024;
/// A silent HTTP/2 connection is asked for a sign of life, and given up without one.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause after a failed `accept`, which is for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves, then lets requests in flight finish. `service_for` makes the
/// service of one connection; it is handed the peer's address, what the connection is to us, and the
/// chain if it presented one. Requests in flight at shutdown have `drain_max` to finish.
pub(crate) async fn serve<S>(
    mut listener: Box<dyn Listening>,
    config: Arc<ServerConfig>,
    (limits, requests): (ConnectionLimits, &RequestLimits),
    drain_max: Duration,
    shutdown: impl Future<Output = ()>,
    service_for: impl Fn(SocketAddr, Standing, Option<Arc<PeerChain>>) -> S + Clone + Send + 'static,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let acceptor = TlsAcceptor::from(config);
    let slots = Arc::new(Semaphore::new(limits.open_max));
    let admission = Admission::new(limits, requests);
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
                let standing = match admission.enter(address.ip()) {
                    Ok(standing) => standing,
                    Err(reason) => {
                        tracing::debug!(%address, reason, "a connection is not taken");
                        continue;
                    }
                };
                let acceptor = acceptor.clone();
                let connection = Connection { acceptor, limits, address, standing, permit };
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
    if tokio::time::timeout(drain_max, graceful.shutdown()).await.is_err() {
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
    standing: Standing,
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run<S>(
        self,
        stream: network::Connection,
        watcher: Watcher,
        service_for: impl Fn(SocketAddr, Standing, Option<Arc<PeerChain>>) -> S,
    ) where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
    {
        let (standing, _permit) = (self.standing, self.permit);
        let limits = self.limits;
        let handshake = self.acceptor.accept(stream);
        let handshake = tokio::time::timeout(ms(limits.handshake_ms_max), handshake);
        let outcome = tokio::select! {
            biased;
            outcome = handshake => outcome,
            () = standing.evicted() => return tracing::debug!("a handshake makes way for others"),
        };
        let stream = match outcome {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake refused"),
            Err(_) => return tracing::debug!("TLS handshake took too long"),
        };
        let activity = Activity::new();
        let chain = peer_chain(&stream);
        let service = activity.notice(service_for(self.address, standing.clone(), chain));
        let builder = http_builder(&limits);
        let stream = Lingering::new(stream, &limits);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let patience = || Patience {
            first_max: ms(limits.handshake_ms_max),
            idle_max: ms(match standing.is_proven() {
                true => limits.idle_ms_max,
                false => limits.unproven_idle_ms_max,
            }),
            answer_max: ms(limits.answer_ms_max),
        };
        let ended = tokio::select! {
            biased;
            ended = watcher.watch(connection.into_owned()) => ended,
            // Also before the first octet is read, when it is not known what is spoken.
            silence = activity.none(patience) => {
                return tracing::debug!(?silence, "a connection is closed");
            }
            () = standing.evicted() => return tracing::debug!("a connection makes way for others"),
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}

fn peer_chain(stream: &TlsStream<network::Connection>) -> Option<Arc<PeerChain>> {
    let certificates = stream.get_ref().1.peer_certificates()?;
    let owned = certificates.iter().map(|certificate| certificate.clone().into_owned());
    Some(Arc::new(PeerChain::new(owned.collect())))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn http_builder(limits: &ConnectionLimits) -> Builder<TokioExecutor> {
    let headers_octets = usize::try_from(limits.header_octets_max).unwrap_or(usize::MAX);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(ms(limits.handshake_ms_max))
        .max_buf_size(headers_octets);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .initial_stream_window_size(STREAM_WINDOW_OCTETS)
        .initial_connection_window_size(CONNECTION_WINDOW_OCTETS)
        .max_header_list_size(limits.header_octets_max)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_send_buf_size(SEND_BUFFER_OCTETS_MAX)
        .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL))
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}

#[cfg(test)]
mod tests;
