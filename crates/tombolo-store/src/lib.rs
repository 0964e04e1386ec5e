//! What a provider keeps: a few domain reads and one atomic commit. No rules, no HTTP.
//!
//! [`Store`] is the interface; [`memory::MemoryStore`] and [`sqlite::SqliteStore`] are the backends,
//! and one conformance suite (feature `conformance`) says what both of them do.
//!
//! **Invariant:** the changes of a [`Commit`] are written together or not at all, and its future
//! resolves only once they are durable. **Invariant:** a stream's entries are numbered from 1
//! without gaps, and ids of the whole log ascend in the order in which entries become visible.

#![warn(missing_docs)]

mod conflict;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;
pub mod sqlite;
mod store;

pub use store::{
    CLIENT_PAGE_OCTETS, Commit, Committed, FollowerBatch, Store, StoreError, StoreFuture,
};
