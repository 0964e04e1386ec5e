//! One HTTP exchange, whatever carries it: [`ApiTransport`](super::ApiTransport) says what is asked,
//! an [`Exchange`] brings it there.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::Stream;
use http::{Request, Response};

use super::{TransportFuture, reply};
use crate::session::request::TransportError;

/// Octets of one answer: the largest handshake body, with room for what is around it.
pub const ANSWER_OCTETS_MAX: usize = 17 * 1024 * 1024;

/// The body of an answer, as it comes.
pub type Octets = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// Sends HTTP requests to one provider. How long an answer may take is bounded by whoever waits for
/// it, how long a connection may take to come about is bounded here.
pub trait Exchange: fmt::Debug + Send + Sync + 'static {
    /// Sends a request once; resolves with the head of its answer, whatever its status.
    fn send(&self, request: Request<Bytes>) -> TransportFuture<Response<Octets>>;
}

/// An answer that is no success becomes its error.
pub(super) async fn successful(
    answer: Response<Octets>,
) -> Result<Response<Octets>, TransportError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = bounded_body(answer).await.unwrap_or_default();
    Err(reply::read_error(status, retry_after.as_deref(), &body))
}

pub(super) async fn bounded_body(answer: Response<Octets>) -> Result<Vec<u8>, TransportError> {
    let (mut pieces, mut body) = (answer.into_body(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        if body.len() + piece.len() > ANSWER_OCTETS_MAX {
            return Err(TransportError::Garbled("it is too long".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
