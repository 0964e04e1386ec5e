//! How requests reach the provider and its event stream reaches us.

pub mod assets;
pub mod https;
mod reply;
pub mod sse;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::Stream;

use crate::secret::SecretText;
use crate::session::request::{Outgoing, Response, TransportError};
use crate::session::stream_event::StreamEvent;

pub use https::HttpsTransport;

/// An access token.
pub type Token = SecretText;

/// A future of a transport.
pub type TransportFuture<T> = Pin<Box<dyn Future<Output = Result<T, TransportError>> + Send>>;

/// The event stream, until it breaks.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<StreamEvent, TransportError>> + Send>>;

/// The way to one provider.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request once.
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response>;
    /// Opens the event stream after a position.
    fn events(&self, token: Token, after: u64) -> TransportFuture<EventStream>;
    /// Tells the provider that everything up to a position is stored here.
    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()>;
    /// The way of assets, if it has one.
    fn assets(&self) -> Option<Arc<dyn assets::AssetTransport>> {
        None
    }
}
