//! The MIMI client SDK: what a chat app embeds to talk across providers.
//!
//! [`Session`](session::Session) is the pure core: it is asked for outgoing requests and told their
//! answers. [`Client`] drives it natively, with HTTPS to its provider and a SQLite file.

#![warn(missing_docs)]

pub mod client;
pub mod error;
pub mod event;
pub mod secret;
pub mod session;
pub mod shown;
pub mod store;
pub mod transport;

pub use client::{Client, ProviderAddress, Registration};
pub use error::ClientError;
pub use event::ClientEvent;
pub use shown::{Participant, RoomState, RoomStatus, ShownMessage};
