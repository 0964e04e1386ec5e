//! The MIMI client SDK: what a chat app embeds to talk across providers.
//!
//! [`Session`](session::Session) is the pure core: it is asked for outgoing requests and told their
//! answers. [`Client`] drives it natively, with HTTPS to its provider and a SQLite file.
//!
//! ```no_run
//! use mimi_policy::preset::Preset;
//! use tombolo_client::{Client, ClientError, ClientEvent, ProviderAddress, Registration};
//!
//! # async fn talk() -> Result<(), ClientError> {
//! let provider = ProviderAddress {
//!     url: "https://a.example".to_owned(),
//!     resolve: None,
//!     roots_pem: None,
//! };
//! let registration = Registration {
//!     provider,
//!     user: "alice".to_owned(),
//!     password: "…".to_owned(),
//!     device: "phone".to_owned(),
//! };
//! let alice = Client::register("alice-phone.db".as_ref(), registration).await?;
//! let mut events = alice.subscribe();
//! let room = alice.create_room("Clubhouse", Preset::Cooperative).await?;
//! let bob = "mimi://b.example/u/bob".parse().expect("a canonical URI");
//! alice.request_consent(&bob).await?;
//! while let Ok(event) = events.recv().await {
//!     if matches!(event, ClientEvent::ConsentChanged { granted: true, .. }) {
//!         alice.add_user(&room, &bob).await?;
//!         alice.send_text(&room, "hello, bob").await?;
//!         break;
//!     }
//! }
//! alice.close().await
//! # }
//! ```

#![warn(missing_docs)]

pub mod asset_rules;
pub mod client;
pub mod contacts;
pub mod error;
pub mod event;
pub mod profile;
pub mod secret;
pub mod session;
pub mod shown;
pub mod store;
pub mod surroundings;
pub mod transport;

pub use client::downloads::DownloadSettings;
pub use client::files::Download;
pub use client::{Client, ProviderAddress, Registration};
pub use contacts::{ContactWord, Contacts};
pub use error::ClientError;
pub use event::ClientEvent;
/// What shows the texts of messages.
pub use mimi_render as render;
pub use profile::{FoundUser, Profile};
pub use session::command::{Lifetime, MetadataChange, NewJoinLink, ReceiptSetting};
pub use shown::{
    Attempt, DeviceEntry, Evidence, Participant, RefusedMessage, RoomState, RoomStatus,
    ShownJoinLink, ShownMessage, ShownPart, ShownVersion,
};
pub use surroundings::Surroundings;
