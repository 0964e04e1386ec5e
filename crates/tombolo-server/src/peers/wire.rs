//! Exchanges whose answers are passed on as they come, in the log of what crosses the wires.

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use mimi_wire::Domain;

/// Name of a request to an asset's host. Which asset it was is nobody's business.
pub(crate) const ASSET: &str = "asset";

/// Logs a GET without a body when the head of its answer is there; the answer's size is what it says.
pub(crate) fn passed_on<B>(
    endpoint: &str,
    (from, to): (&Domain, &Domain),
    answer: &Response<B>,
    started: Instant,
) {
    let announced = answer.headers().get(CONTENT_LENGTH).map(HeaderValue::to_str);
    let announced: Option<u64> = announced.and_then(Result::ok).and_then(|it| it.parse().ok());
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        target: "wire", endpoint, %from, %to, request_octets = 0,
        response_octets = announced.unwrap_or_default(), status = answer.status().as_u16(), ms,
    );
}
use tokio::time::Instant;
