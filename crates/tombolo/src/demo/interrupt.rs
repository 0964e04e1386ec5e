//! What stops a demo: Ctrl-C, a polite `kill`, a closed terminal.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that mean "enough".
#[derive(Debug)]
pub(crate) struct Interrupt {
    signals: [Signal; 3],
}

impl Interrupt {
    /// From now on these signals no longer end the program by themselves.
    pub(crate) fn listen() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| format!("no signals: {error}"));
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [first, second, third] = kinds.map(listen);
        Ok(Self { signals: [first?, second?, third?] })
    }

    /// Waits for any of them.
    pub(crate) async fn received(&mut self) {
        let [first, second, third] = &mut self.signals;
        tokio::select! {
            _ = first.recv() => {}
            _ = second.recv() => {}
            _ = third.recv() => {}
        }
    }
}
