//! Answers on their way out: what they hold is given back when their last octet has been taken, and
//! they leave in pieces, so that a reader who does not read has little of them in buffers.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use hyper::body::{Body as _, Frame, SizeHint};

/// Octets handed to the connection at once.
const PIECE_OCTETS: usize = 32 * 1024;

/// A body with something that it holds.
struct Holding<G> {
    body: Body,
    /// The rest of what was read from the body.
    rest: Bytes,
    _held: G,
}

/// Lets an answer whose size is known hold `held` until it has been taken. One that goes on holds
/// nothing: it has places of its own (event streams, downloads).
pub(crate) fn holding<G: Send + Unpin + 'static>(
    response: Response<Body>,
    held: G,
) -> Response<Body> {
    if response.body().size_hint().exact().is_none() {
        return response;
    }
    response.map(|body| Body::new(Holding { body, rest: Bytes::new(), _held: held }))
}

impl<G: Unpin> hyper::body::Body for Holding<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let octets = self.rest.len().min(PIECE_OCTETS);
        let piece = self.rest.split_to(octets);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        match self.body.size_hint().exact() {
            Some(octets) => SizeHint::with_exact(octets + rest),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// A large answer leaves in pieces, says its size, and holds what it holds to the end.
    #[tokio::test]
    async fn answers_leave_in_pieces() {
        let held = std::sync::Arc::new(());
        for octets in [0, 1, PIECE_OCTETS, PIECE_OCTETS + 1, 3 * PIECE_OCTETS] {
            let whole = Response::new(Body::from(vec![7; octets]));
            let mut body = holding(whole, held.clone()).into_body();
            assert_eq!(body.size_hint().exact(), Some(octets as u64));
            let mut sizes = Vec::new();
            while let Some(frame) = body.frame().await {
                assert_eq!(std::sync::Arc::strong_count(&held), 2);
                sizes.push(frame.unwrap().into_data().unwrap().len());
            }
            assert!(sizes.iter().all(|size| *size <= PIECE_OCTETS), "{octets}");
            assert_eq!(sizes.iter().sum::<usize>(), octets);
            assert_eq!(body.size_hint().exact(), Some(0));
            drop(body);
            assert_eq!(std::sync::Arc::strong_count(&held), 1);
        }
    }
}
