//! One event stream per device: a newer one ends the older, which as a rule is a connection the
//! device has lost and the server does not know of yet.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimi_wire::MimiUri;
use tokio::sync::watch;

/// The open streams.
#[derive(Clone, Debug, Default)]
pub(in crate::client_api) struct Streams(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    /// Dropping the sender ends the stream.
    by_client: HashMap<MimiUri, (u64, watch::Sender<()>)>,
}

/// A device's turn to have a stream.
#[derive(Debug)]
pub(super) struct Turn {
    id: u64,
    client: MimiUri,
    ended: watch::Receiver<()>,
    streams: Streams,
}

impl Streams {
    /// Begins a stream of a device and ends the one before.
    pub(super) fn begin(&self, client: &MimiUri) -> Turn {
        let (sender, ended) = watch::channel(());
        let mut open = self.open();
        let id = open.next_id;
        open.next_id += 1;
        open.by_client.insert(client.clone(), (id, sender));
        drop(open);
        Turn { id, client: client.clone(), ended, streams: self.clone() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Whether a newer stream has taken over.
    pub(super) fn is_over(&self) -> bool {
        self.ended.has_changed().is_err()
    }

    /// Resolves once a newer stream takes over.
    pub(super) async fn over(&mut self) {
        // Nothing is ever sent: a change is the end.
        while self.ended.changed().await.is_ok() {}
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        if open.by_client.get(&self.client).is_some_and(|(id, _)| *id == self.id) {
            open.by_client.remove(&self.client);
        }
    }
}
