//! Connections to one peer, kept open and shared by all requests to it.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, FROM, RANGE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mimi_ohttp::REQUEST_TYPE;
use mimi_wire::Domain;
use tokio::time::Instant;

use super::connector::Connector;
use super::{Answer, OHTTP_GATEWAY, Outgoing, PeerError, PeerTables};
use crate::clock::{self, Clock};
use crate::network::Network;
use crate::tls::{Identity, client_config};

/// An idle connection is kept this long.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// A silent HTTP/2 connection is asked for a sign of life, and given up without one: packets that
/// are dropped without a word must not hold every later request.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Octets a peer may send before it is told that they were read.
const WINDOW_OCTETS: u32 = 1024 * 1024;
/// `Retry-After` is believed up to a day.
const RETRY_AFTER_MAX_S: u64 = 24 * 60 * 60;

/// State of the trust settings, and of our own certificate.
pub(super) type Generation = (u64, u64);

/// A pool of connections to the hosts of one peer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    client: Client<Connector, Full<Bytes>>,
    clock: Clock,
    generation: Generation,
    used: Arc<Mutex<Instant>>,
}

impl Link {
    pub(super) fn new(
        peer: &Domain,
        identity: Arc<Identity>,
        tables: Arc<PeerTables>,
        generation: Generation,
        (clock, network): (&Clock, &Arc<dyn Network>),
    ) -> Result<Self, PeerError> {
        let roots = tables.current().roots_for(peer);
        let tls = client_config(identity, roots, clock);
        let tls = tls.map_err(|error| PeerError::Setup(error.to_string()))?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .http2_initial_stream_window_size(WINDOW_OCTETS)
            .http2_initial_connection_window_size(WINDOW_OCTETS)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .build(Connector::new(tables, tls, Arc::clone(network)));
        let clock = clock.clone();
        Ok(Self { client, clock, generation, used: Arc::new(Mutex::new(clock::monotonic())) })
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// When it was last used.
    pub(super) fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was used while a connection could still be open.
    pub(super) fn is_recent(&self) -> bool {
        self.used().elapsed() < IDLE_MAX
    }

    /// One exchange, from its start to the last octet of its answer (AMB-TR-5). Redirects are answers
    /// like any other.
    pub(super) async fn send(
        &self,
        from: &Domain,
        outgoing: Outgoing,
        ms_max: u64,
    ) -> Result<Answer, PeerError> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = clock::monotonic();
        let octets_max = outgoing.answer_octets_max;
        let request = request(from, outgoing)?;
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| PeerError::NoAnswer(causes(&error)))?;
            read_answer(response, octets_max, self.clock.now()).await
        };
        match tokio::time::timeout(Duration::from_millis(ms_max), exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PeerError::NoAnswer(format!("nothing within {ms_max} ms"))),
        }
    }
}

impl Link {
    /// A GET whose answer is handed out as it comes, once its head is there.
    pub(super) async fn open(
        &self,
        from: &Domain,
        url: String,
        range: Option<HeaderValue>,
        ms_max: u64,
    ) -> Result<Response<Incoming>, PeerError> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = clock::monotonic();
        let (endpoint, method, body) = ("proxyDownload", Method::GET, Bytes::new());
        let outgoing = Outgoing { endpoint, method, url, body, answer_octets_max: 0 };
        let mut request = request(from, outgoing)?;
        if let Some(range) = range {
            request.headers_mut().insert(RANGE, range);
        }
        let head = self.client.request(request);
        let answer = tokio::time::timeout(Duration::from_millis(ms_max), head).await;
        let late = |_| PeerError::NoAnswer("no head of an answer in time".to_owned());
        answer.map_err(late)?.map_err(|error| PeerError::NoAnswer(causes(&error)))
    }
}

fn request(from: &Domain, outgoing: Outgoing) -> Result<Request<Full<Bytes>>, PeerError> {
    let setup = |error: http::Error| PeerError::Setup(error.to_string());
    let mut request = Request::builder()
        .method(outgoing.method.clone())
        .uri(outgoing.url)
        .header(FROM, format!("mimi@{from}")) // PROTO-TR-3
        .body(Full::new(outgoing.body))
        .map_err(setup)?;
    if outgoing.method == Method::POST {
        let octets = HeaderValue::from_static(match outgoing.endpoint {
            OHTTP_GATEWAY => REQUEST_TYPE,
            _ => "application/octet-stream", // AMB-TR-3
        });
        request.headers_mut().insert(CONTENT_TYPE, octets);
    }
    Ok(request)
}

async fn read_answer(
    response: Response<Incoming>,
    octets_max: usize,
    now: SystemTime,
) -> Result<Answer, PeerError> {
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, octets_max).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(PeerError::BadAnswer(format!("it exceeds {octets_max} octets")));
        }
        Err(error) => return Err(PeerError::NoAnswer(error.to_string())),
    };
    let retry_after = retry_after(&head.headers, now);
    let max_age = max_age(&head.headers);
    Ok(Answer { status: head.status, retry_after, max_age, body })
}

/// `Retry-After`, in seconds or as a date (RFC 9110 section 10.2.3). A date is measured from the
/// answer's own `Date`, so that no common clock is needed, or else from ours.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let longest = Duration::from_secs(RETRY_AFTER_MAX_S);
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(longest));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(date.unwrap_or(now)).unwrap_or_default().min(longest))
}

/// How long `Cache-Control` lets an answer be kept; zero for `no-store` and `no-cache`.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut found = None;
    for directive in values.flat_map(|value| value.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            return Some(Duration::ZERO);
        }
        let seconds = directive.strip_prefix("max-age=").map(|value| value.trim_matches('"'));
        if let Some(seconds) = seconds.and_then(|seconds| seconds.parse().ok()) {
            found = Some(Duration::from_secs(seconds));
        }
    }
    found
}

/// An error with what caused it: "client error (Connect)" alone helps nobody.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Link(generation {:?})", self.generation)
    }
}

#[cfg(test)]
mod tests;
