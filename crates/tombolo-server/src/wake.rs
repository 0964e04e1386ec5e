//! Hints inside the process that a stream has more for local clients. Losing one costs time, never
//! data: whoever is woken reads the store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimi_wire::MimiUri;
use tokio::sync::Notify;

/// Who waits for which stream.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    next_id: u64,
    listeners: HashMap<u64, Entry>,
    by_stream: HashMap<MimiUri, BTreeSet<u64>>,
    by_client: HashMap<MimiUri, BTreeSet<u64>>,
}

struct Entry {
    client: MimiUri,
    notify: Arc<Notify>,
    streams: HashSet<MimiUri>,
}

/// One waiting connection of a client; it is forgotten on drop.
pub(crate) struct Listener {
    id: u64,
    notify: Arc<Notify>,
    wake: Wake,
}

impl Wake {
    /// Registers a connection of a client. Streams the client joins from now on wake it; those it
    /// sees already are named with [`Listener::watch`], after which the store is read.
    pub(crate) fn listen(&self, client: &MimiUri) -> Listener {
        let mut registry = self.registry();
        let id = registry.next_id;
        registry.next_id += 1;
        let notify = Arc::new(Notify::new());
        let streams = HashSet::new();
        let entry = Entry { client: client.clone(), notify: Arc::clone(&notify), streams };
        registry.listeners.insert(id, entry);
        registry.by_client.entry(client.clone()).or_default().insert(id);
        drop(registry);
        Listener { id, notify, wake: self.clone() }
    }

    /// Wakes everyone who watches a stream.
    pub(crate) fn stream(&self, stream: &MimiUri) {
        let registry = self.registry();
        for id in registry.by_stream.get(stream).into_iter().flatten() {
            if let Some(entry) = registry.listeners.get(id) {
                entry.notify.notify_one();
            }
        }
    }

    /// A client begins to see a stream.
    pub(crate) fn join(&self, client: &MimiUri, stream: &MimiUri) {
        let mut registry = self.registry();
        let ids = registry.by_client.get(client).cloned().unwrap_or_default();
        for id in ids {
            registry.watch(id, stream.clone());
            if let Some(entry) = registry.listeners.get(&id) {
                entry.notify.notify_one();
            }
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // The registry is consistent between statements, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn watch(&mut self, id: u64, stream: MimiUri) {
        let Some(entry) = self.listeners.get_mut(&id) else { return };
        if entry.streams.insert(stream.clone()) {
            self.by_stream.entry(stream).or_default().insert(id);
        }
    }

    fn forget(&mut self, id: u64) {
        let Some(entry) = self.listeners.remove(&id) else { return };
        for stream in entry.streams {
            remove(&mut self.by_stream, &stream, id);
        }
        remove(&mut self.by_client, &entry.client, id);
    }
}

fn remove(index: &mut HashMap<MimiUri, BTreeSet<u64>>, key: &MimiUri, id: u64) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

impl Listener {
    /// Adds streams that wake this connection.
    pub(crate) fn watch(&self, streams: impl IntoIterator<Item = MimiUri>) {
        let mut registry = self.wake.registry();
        for stream in streams {
            registry.watch(self.id, stream);
        }
    }

    /// Resolves when there may be more than at the last read. A wake-up during a read is kept.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.wake.registry().forget(self.id);
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Wake({} listeners)", self.registry().listeners.len())
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Listener({})", self.id)
    }
}

#[cfg(test)]
mod tests;
