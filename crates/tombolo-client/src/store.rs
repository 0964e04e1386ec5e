//! Where a device keeps its state: everything at start, then atomic commits of what changed.
//!
//! The session decides what is stored and when; a store only promises that a commit is written
//! whole or not at all, and durably before its future resolves.

pub mod memory;
pub mod sqlite;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use thiserror::Error;

use crate::secret::Secret;
use crate::session::stream_event::StreamEvent;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

/// One write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StoreChange {
    /// A value of the device.
    Put {
        /// Its name.
        name: String,
        /// The value.
        value: Secret,
    },
    /// A value of a room.
    PutRoomValue {
        /// The room.
        room: MimiUri,
        /// Its name.
        name: String,
        /// The value.
        value: Secret,
    },
    /// A room's value is gone.
    RemoveRoomValue {
        /// The room.
        room: MimiUri,
        /// Its name.
        name: String,
    },
    /// A piece of a room's group state.
    PutGroupState {
        /// The room.
        room: MimiUri,
        /// Its key.
        key: Vec<u8>,
        /// The piece.
        value: Secret,
    },
    /// A piece of a room's group state is gone.
    RemoveGroupState {
        /// The room.
        room: MimiUri,
        /// Its key.
        key: Vec<u8>,
    },
    /// A room's whole group state is gone.
    ClearGroup(MimiUri),
    /// A message, once; a repeat of its id changes nothing.
    PutMessage {
        /// The room.
        room: MimiUri,
        /// The message.
        message: StoredMessage,
    },
    /// A message is gone for good, e.g. because its time is over.
    RemoveMessage {
        /// The room.
        room: MimiUri,
        /// Its id.
        id: MessageId,
    },
    /// An event of a room that cannot be processed yet.
    PutWaiting {
        /// The room.
        room: MimiUri,
        /// The event.
        event: StreamEvent,
    },
    /// It has been processed.
    RemoveWaiting {
        /// The room.
        room: MimiUri,
        /// The event's id.
        id: u64,
    },
    /// An event that broke a room's rules, kept as evidence.
    PutEvidence {
        /// The room.
        room: MimiUri,
        /// The event.
        event: StreamEvent,
        /// What is wrong with it.
        reason: String,
    },
    /// Everything is gone: the device, its rooms and what was written in them.
    Clear,
}

/// A message as received and accepted, one version of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredMessage {
    /// Its id.
    pub id: MessageId,
    /// Its sender, proven.
    pub sender: MimiUri,
    /// When the hub accepted it, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// Its octets, `application/mimi-content`.
    pub content: Vec<u8>,
}

/// Everything stored.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Saved {
    /// Values of the device.
    pub values: BTreeMap<String, Secret>,
    /// Rooms.
    pub rooms: BTreeMap<MimiUri, SavedRoom>,
}

/// Everything stored of a room.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SavedRoom {
    /// Values.
    pub values: BTreeMap<String, Secret>,
    /// Pieces of the group state.
    pub group: BTreeMap<Vec<u8>, Secret>,
    /// Messages, by id.
    pub messages: BTreeMap<MessageId, StoredMessage>,
    /// Events that wait, by id.
    pub waiting: BTreeMap<u64, StreamEvent>,
    /// Events kept as evidence, with what is wrong with them.
    pub evidence: BTreeMap<u64, (StreamEvent, String)>,
}

/// The storage failed.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{0}")]
pub struct StoreFailure(pub String);

/// A future of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFailure>> + Send + 'a>>;

/// A device's storage.
pub trait ClientStore: Send + Sync + 'static {
    /// Everything stored.
    fn load(&self) -> StoreFuture<'_, Saved>;
    /// Writes all changes, in order, or none; durable when the future resolves.
    fn commit(&self, changes: Vec<StoreChange>) -> StoreFuture<'_, ()>;
    /// Releases what the storage holds; nothing is asked of it afterwards.
    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
