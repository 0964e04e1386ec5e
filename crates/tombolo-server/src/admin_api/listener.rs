//! The admin listener: plain HTTP, loopback only.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Sleep;

use super::{AdminApi, router};
use crate::network::{Connection, Listening};
use crate::tls::Unread;

/// Open connections; whoever connects beyond them waits in the system's queue.
const OPEN_MAX: usize = 64;
/// Octets that are thrown away unread after an early refusal, and for how long: an operator's program
/// reads its answer then.
const UNREAD_OCTETS_MAX: u64 = 32 * 1024 * 1024;
const UNREAD_TIME_MAX: Duration = Duration::from_secs(2);
/// Pause after a failed `accept`, which is for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection lasts, whatever is done on it: who sends or reads octet by octet gives the
/// place back. An operator's program opens one for each request.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);

/// A listener of which only so many connections are open at once, each for so long.
struct Bounded {
    listener: Box<dyn Listening>,
    places: Arc<Semaphore>,
    time_max: Duration,
}

/// A connection, with its place.
struct Placed {
    stream: Connection,
    end: Pin<Box<Sleep>>,
    /// Once our side is closed.
    unread: Option<Unread>,
    _place: OwnedSemaphorePermit,
}

impl Placed {
    /// Whether its time is over; wakes when it is.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let over = |()| io::Error::from(io::ErrorKind::TimedOut);
        self.end.as_mut().poll(context).map(over)
    }
}

impl Listener for Bounded {
    type Io = Placed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Placed, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let _place = place.expect("the semaphore is never closed");
        let (stream, address) = loop {
            match self.listener.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        let end = Box::pin(tokio::time::sleep(self.time_max));
        (Placed { stream, end, unread: None, _place }, address)
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
        if let Poll::Ready(over) = self.poll_over(context) {
            return Poll::Ready(Err(over));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(over) = self.poll_over(context) {
            return Poll::Ready(Err(over));
        }
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, unread, .. } = &mut *self;
        let unread = match unread {
            Some(unread) => unread,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                unread.insert(Unread::new(UNREAD_OCTETS_MAX, UNREAD_TIME_MAX))
            }
        };
        unread.poll_over(Pin::new(stream), context).map(Ok)
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
    let places = Arc::new(Semaphore::new(OPEN_MAX));
    let listener = Bounded { listener, places, time_max: CONNECTION_TIME_MAX };
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// n are taken, one more waits until one of them ends.
    #[tokio::test]
    async fn operators_connections_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener: Box<dyn Listening> = Box::new(listener);
        let places = Arc::new(Semaphore::new(OPEN_MAX));
        let mut bounded = Bounded { listener, places, time_max: CONNECTION_TIME_MAX };
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

    /// Who sends octet by octet, or only reads so, is cut off at the end of its time.
    #[tokio::test]
    async fn operators_connections_end() {
        let time_max = Duration::from_millis(400);
        for sends in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let listener: Box<dyn Listening> = Box::new(listener);
            let places = Arc::new(Semaphore::new(1));
            let bounded = Bounded { listener, places, time_max };
            // An answer that no buffer between us holds.
            let answer = || async { vec![b'x'; 64 * 1024 * 1024] };
            let router = axum::Router::new().route("/", axum::routing::get(answer));
            let serving = tokio::spawn(async move { axum::serve(bounded, router).await });
            let slow = async || {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let begun = tokio::time::Instant::now();
                let head: &[u8] = if sends {
                    b"GET / HTTP/1.1\r\nx: "
                } else {
                    b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
                };
                stream.write_all(head).await.unwrap();
                loop {
                    let outcome = match sends {
                        true => stream.write_all(b"x").await,
                        false => stream.read_exact(&mut [0]).await.map(drop),
                    };
                    if outcome.is_err() || begun.elapsed() > 20 * time_max {
                        return begun.elapsed();
                    }
                    tokio::time::sleep(Duration::from_millis(if sends { 20 } else { 100 })).await;
                    if !sends && begun.elapsed() > 2 * time_max {
                        // What is in the buffers is still there; nothing comes after it.
                        let mut rest = Vec::new();
                        let _ = stream.read_to_end(&mut rest).await;
                        assert!(rest.len() < 64 * 1024 * 1024, "it was cut off");
                        return begun.elapsed();
                    }
                }
            };
            // The second gets the only place once the first is cut off.
            for _ in 0..2 {
                let lasted = slow().await;
                assert!(lasted >= time_max && lasted < 20 * time_max, "{lasted:?}");
            }
            serving.abort();
        }
    }
}
