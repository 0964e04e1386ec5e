//! The end of a connection whose other side still sends.
//!
//! A refusal may leave before the request has arrived: its body is too large, its path too long. Whoever
//! closes then with octets unread has the kernel reset the connection, and the other side loses the
//! answer that it has not read yet. So the connection is closed in one direction first, and what still
//! comes is thrown away, within bounds, until the other side has closed as well.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use crate::config::ConnectionLimits;
use crate::network::Connection;

/// How long nothing may come: who does not close has closed as far as it is to us.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Octets thrown away at once.
const PIECE_OCTETS: usize = 16 * 1024;
const MIB: u64 = 1024 * 1024;

/// A connection that ends so. What comes after the end is thrown away as it comes: decrypting it
/// would be work for nothing.
pub(super) struct Lingering {
    stream: TlsStream<Connection>,
    ending: Ending,
}

enum Ending {
    /// Not begun, with what is thrown away at most, and for how long.
    Open(u64, Duration),
    /// Our side is closed.
    Unread(Unread),
    Over,
}

/// What still comes.
pub(crate) struct Unread {
    /// Octets that may still come.
    left: u64,
    deadline: Instant,
    /// At the end of the silence, or of everything.
    until: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(super) fn new(stream: TlsStream<Connection>, limits: &ConnectionLimits) -> Self {
        let time_max = Duration::from_millis(limits.unread_ms_max);
        Self { stream, ending: Ending::Open(limits.unread_mib_max * MIB, time_max) }
    }
}

impl Unread {
    /// At most `octets_max` octets, for at most `time_max` from now.
    pub(crate) fn new(octets_max: u64, time_max: Duration) -> Self {
        let deadline = Instant::now() + time_max;
        let until = deadline.min(Instant::now() + SILENCE_MAX);
        Self { left: octets_max, deadline, until: Box::pin(tokio::time::sleep_until(until)) }
    }

    /// Throws away what comes. Ready when the other side has closed, or when it was enough.
    pub(crate) fn poll_over(
        &mut self,
        mut stream: Pin<&mut impl AsyncRead>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut piece = [MaybeUninit::uninit(); PIECE_OCTETS];
        loop {
            if self.until.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::uninit(&mut piece);
            let read = ready!(stream.as_mut().poll_read(context, &mut buffer));
            let octets = buffer.filled().len() as u64;
            if read.is_err() || octets == 0 || octets > self.left {
                return Poll::Ready(());
            }
            self.left -= octets;
            let until = self.deadline.min(Instant::now() + SILENCE_MAX);
            self.until.as_mut().reset(until);
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, ending } = &mut *self;
        loop {
            match ending {
                Ending::Open(octets_max, time_max) => {
                    ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                    *ending = Ending::Unread(Unread::new(*octets_max, *time_max));
                }
                Ending::Unread(unread) => {
                    ready!(unread.poll_over(Pin::new(stream.get_mut().0), context));
                    *ending = Ending::Over;
                }
                Ending::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
