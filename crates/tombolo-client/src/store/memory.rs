//! A store for tests and throw-away devices.

use std::sync::{Mutex, PoisonError};

use crate::store::{ClientStore, Saved, StoreChange, StoreFuture};

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    saved: Mutex<Saved>,
}

impl MemoryStore {
    /// What is stored now.
    pub fn saved(&self) -> Saved {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientStore for MemoryStore {
    fn load(&self) -> StoreFuture<'_, Saved> {
        Box::pin(async { Ok(self.saved()) })
    }

    fn commit(&self, changes: Vec<StoreChange>) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
            for change in changes {
                saved.apply(change);
            }
            Ok(())
        })
    }
}

impl Saved {
    /// What is stored after one more write.
    pub fn apply(&mut self, change: StoreChange) {
        let rooms = &mut self.rooms;
        match change {
            StoreChange::Clear => *self = Self::default(),
            StoreChange::Put { name, value } => drop(self.values.insert(name, value)),
            StoreChange::PutRoomValue { room, name, value } => {
                rooms.entry(room).or_default().values.insert(name, value);
            }
            StoreChange::RemoveRoomValue { room, name } => {
                rooms.entry(room).or_default().values.remove(&name);
            }
            StoreChange::PutGroupState { room, key, value } => {
                rooms.entry(room).or_default().group.insert(key, value);
            }
            StoreChange::RemoveGroupState { room, key } => {
                rooms.entry(room).or_default().group.remove(&key);
            }
            StoreChange::ClearGroup(room) => rooms.entry(room).or_default().group.clear(),
            StoreChange::PutMessage { room, message } => {
                rooms.entry(room).or_default().messages.entry(message.id).or_insert(message);
            }
            StoreChange::RemoveMessage { room, id } => {
                rooms.entry(room).or_default().messages.remove(&id);
            }
            StoreChange::PutWaiting { room, event } => {
                rooms.entry(room).or_default().waiting.insert(event.id, event);
            }
            StoreChange::RemoveWaiting { room, id } => {
                rooms.entry(room).or_default().waiting.remove(&id);
            }
            StoreChange::PutEvidence { room, event, reason } => {
                rooms.entry(room).or_default().evidence.insert(event.id, (event, reason));
            }
        }
        // A room of which nothing is left is unknown, as in a store of rows.
        self.rooms.retain(|_, room| *room != crate::store::SavedRoom::default());
    }
}
