//! The admin listener: plain HTTP, loopback only.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{AdminApi, router};
use crate::network::{Connection, Listening};

/// Open connections; whoever connects beyond them waits in the system's queue.
const OPEN_MAX: usize = 64;
/// Pause after a failed `accept`, which is for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener of which only so many connections are open at once.
struct Bounded {
    listener: Box<dyn Listening>,
    places: Arc<Semaphore>,
}

/// A connection, with its place.
struct Placed {
    stream: Connection,
    _place: OwnedSemaphorePermit,
}

impl Listener for Bounded {
    type Io = Placed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Placed, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let _place = place.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => return (Placed { stream, _place }, address),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Serves until `stopping` turns true and requests in flight are answered, at most `drain_max`.
pub(crate) async fn serve(
    api: AdminApi,
    listener: Box<dyn Listening>,
    mut stopping: watch::Receiver<bool>,
    drain_max: Duration,
) {
    let mut told = stopping.clone();
    let stop = async move {
        // The sender going away means the same as its signal.
        let _ = told.wait_for(|stopping| *stopping).await;
    };
    let listener = Bounded { listener, places: Arc::new(Semaphore::new(OPEN_MAX)) };
    let serving = axum::serve(listener, router(api)).with_graceful_shutdown(stop);
    let cut_off = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(drain_max).await;
    };
    tokio::select! {
        biased;
        outcome = serving => {
            if let Err(error) = outcome {
                tracing::error!(%error, "the admin listener has failed");
            }
        }
        () = cut_off => tracing::warn!("an operator's request is cut off at shutdown"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// n are taken, one more waits until one of them ends.
    #[tokio::test]
    async fn operators_connections_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener: Box<dyn Listening> = Box::new(listener);
        let mut bounded = Bounded { listener, places: Arc::new(Semaphore::new(OPEN_MAX)) };
        let (mut outside, mut inside) = (Vec::new(), Vec::new());
        for _ in 0..OPEN_MAX {
            outside.push(TcpStream::connect(address).await.unwrap());
            inside.push(bounded.accept().await.0);
        }
        let mut one_more = TcpStream::connect(address).await.unwrap();
        {
            let mut waits = Box::pin(bounded.accept());
            assert!(futures_util::poll!(&mut waits).is_pending());
            inside.pop();
            drop(waits.await);
        }
        assert_eq!(one_more.read(&mut [0]).await.unwrap(), 0, "taken, and dropped");
    }
}
