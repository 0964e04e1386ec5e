//! How requests reach the provider and its event stream reaches us.

pub mod api;
pub mod assets;
pub mod exchange;
pub mod https;
mod reply;
pub mod sse;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::Stream;

use crate::secret::SecretText;
use crate::session::request::{Outgoing, Response, TransportError};
use crate::session::stream_event::{LogPosition, StreamEvent};

pub use api::ApiTransport;
pub use exchange::{Exchange, Octets};
pub use https::HttpsTransport;

/// An access token.
pub type Token = SecretText;

/// A future of a transport.
pub type TransportFuture<T> = Pin<Box<dyn Future<Output = Result<T, TransportError>> + Send>>;

/// An open event stream, and where the provider's log is if it says so.
pub struct OpenStream {
    /// Names where the stream really begins.
    pub position: Option<LogPosition>,
    /// The entries.
    pub events: EventStream,
}

impl fmt::Debug for OpenStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("OpenStream").field(&self.position).finish_non_exhaustive()
    }
}

/// The event stream, until it breaks.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<StreamEvent, TransportError>> + Send>>;

/// The way to one provider.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request once.
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response>;
    /// Opens the event stream after a position, which is of an era of the provider's log if we know
    /// of any.
    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream>;
    /// Tells the provider that everything up to a position is stored here.
    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()>;
    /// The way of assets, if it has one.
    fn assets(&self) -> Option<Arc<dyn assets::AssetTransport>> {
        None
    }
}
