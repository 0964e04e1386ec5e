//! The client API over HTTP: which request is which, how its answer is read, how long each may take.
//! What carries them is an [`Exchange`].

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::request::Builder;
use http::{HeaderMap, HeaderValue, Method, Response as HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde_json::json;

use super::exchange::{Exchange, Octets, bounded_body, successful};
use crate::error::ClientError;
use crate::session::request::{Outgoing, Request, Response, TransportError};
use crate::session::stream_event::{LogPosition, StreamEvent};
use crate::transport::reply;
use crate::transport::sse::{SseParser, is_end, read_end, read_event};
use crate::transport::{EventStream, OpenStream, Token, Transport, TransportFuture};

/// How long a request may take (AMB-TR-5).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Silence after which the event stream counts as broken: three keep-alives missed.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);

/// Octets of an era's name.
pub const ERA_OCTETS_MAX: usize = 128;

/// Everything but the unreserved characters of RFC 3986 is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// The client API of one provider.
#[derive(Clone, Debug)]
pub struct ApiTransport {
    base: Url,
    exchange: Arc<dyn Exchange>,
}

impl ApiTransport {
    /// Of the provider at `https://host[:port]`.
    pub fn new(url: &str, exchange: Arc<dyn Exchange>) -> Result<Self, ClientError> {
        Ok(Self { base: base(url)?, exchange })
    }

    fn builder(&self, method: Method, path: &str) -> Builder {
        let mut url = self.base.clone();
        url.set_path(path);
        http::Request::builder().method(method).uri(url.as_str())
    }

    fn http_request(&self, outgoing: &Outgoing) -> Result<http::Request<Bytes>, http::Error> {
        let sealed = |builder: Builder| match &outgoing.token {
            Some(token) => bearing(builder, token),
            None => builder,
        };
        let send = |method: Method, path: &str, media_type: &str, body: Bytes| {
            let builder = self.builder(method, path).header("content-type", media_type);
            sealed(builder).body(body)
        };
        let post = |path: &str, body: &Bytes| send(Method::POST, path, OCTETS, body.clone());
        let ask =
            |method: Method, path: &str| sealed(self.builder(method, path)).body(Bytes::new());
        match &outgoing.request {
            Request::Register { user, password, device, signature_key } => {
                let body = json!({
                    "user": user,
                    "password": password.reveal(),
                    "device": device,
                    "signature_key": BASE64_STANDARD.encode(signature_key),
                });
                send(Method::POST, "/client/v1/register", JSON, body.to_string().into())
            }
            Request::Provider => ask(Method::GET, "/client/v1/provider"),
            Request::Issuers(domain) => ask(Method::GET, &format!("/client/v1/issuers/{domain}")),
            Request::KeyPackageStock => ask(Method::GET, "/client/v1/key-packages"),
            Request::UploadKeyPackages(body) => post("/client/v1/key-packages", body),
            Request::KeyMaterial { user, body } => {
                post(&format!("/client/v1/key-material/{}", segment(user.as_str())), body)
            }
            Request::FoundRoom { room, body } => {
                let path = format!("/client/v1/rooms/{}", segment(room.as_str()));
                send(Method::PUT, &path, OCTETS, body.clone())
            }
            Request::DirectRoom(user) => {
                ask(Method::GET, &format!("/client/v1/direct/{}", segment(user.as_str())))
            }
            Request::Update { room, body } => post(&room_path(room.as_str(), "update"), body),
            Request::SubmitMessage { room, body } => {
                post(&room_path(room.as_str(), "submit-message"), body)
            }
            Request::GroupInfo { room, body } => {
                post(&room_path(room.as_str(), "group-info"), body)
            }
            Request::IdentifierQuery { domain, body } => {
                post(&format!("/client/v1/identifier-query/{domain}"), body)
            }
            Request::Profile => ask(Method::GET, "/client/v1/profile"),
            Request::SetProfile(body) => {
                send(Method::PUT, "/client/v1/profile", JSON, body.clone())
            }
            Request::ReportAbuse { room, body } => {
                post(&room_path(room.as_str(), "report-abuse"), body)
            }
            Request::Consent(body) => post("/client/v1/consent", body),
            Request::Devices => ask(Method::GET, "/client/v1/devices"),
            Request::SignOutDevice(client) => {
                let path = format!("/client/v1/devices/{}", segment(client.as_str()));
                ask(Method::DELETE, &path)
            }
            Request::SignOutOthers => ask(Method::POST, "/client/v1/sign-out-others"),
            Request::DeleteAccount { password, check_only } => {
                let body = json!({ "password": password.reveal(), "check_only": check_only });
                send(Method::POST, "/client/v1/delete-account", JSON, body.to_string().into())
            }
            Request::Contacts => ask(Method::GET, "/client/v1/consent"),
        }
    }
}

impl Transport for ApiTransport {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        let (exchange, request) = (self.exchange.clone(), self.http_request(&outgoing));
        Box::pin(in_time(REQUEST_TIMEOUT, async move {
            let answer = successful(exchange.send(request.map_err(malformed)?).await?).await?;
            reply::read(&outgoing.request, &bounded_body(answer).await?)
        }))
    }

    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        let mut url = self.base.clone();
        url.set_path("/client/v1/events");
        url.query_pairs_mut().append_pair("after", &after.to_string());
        if let Some(era) = era {
            url.query_pairs_mut().append_pair("era", &era);
        }
        let builder = http::Request::get(url.as_str()).header("accept", "text/event-stream");
        let request = bearing(builder, &token).body(Bytes::new());
        let exchange = self.exchange.clone();
        Box::pin(async move {
            let opening =
                async { successful(exchange.send(request.map_err(malformed)?).await?).await };
            let answer = in_time(SILENCE_TIMEOUT, opening).await?;
            let position = position_of(answer.headers());
            let events = Box::pin(events_of(answer)) as EventStream;
            Ok(OpenStream { position, events })
        })
    }

    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()> {
        let builder =
            self.builder(Method::POST, "/client/v1/events/ack").header("content-type", JSON);
        let request = bearing(builder, &token).body(json!({ "id": id }).to_string().into());
        let exchange = self.exchange.clone();
        Box::pin(in_time(REQUEST_TIMEOUT, async move {
            let answer = successful(exchange.send(request.map_err(malformed)?).await?).await?;
            bounded_body(answer).await.map(drop)
        }))
    }
}

/// The address of a provider, in which nothing but the host and its port stand.
pub(super) fn base(url: &str) -> Result<Url, ClientError> {
    let at_fault = |what: &str| ClientError::Other(format!("{url}: {what}"));
    let base = Url::parse(url).map_err(|error| at_fault(&error.to_string()))?;
    if base.scheme() != "https" || base.path() != "/" || base.query().is_some() {
        return Err(at_fault("a provider's address looks like https://host[:port]"));
    }
    base.host_str().ok_or_else(|| at_fault("it names no host"))?;
    Ok(base)
}

fn bearing(builder: Builder, token: &Token) -> Builder {
    match HeaderValue::from_str(&format!("Bearer {}", token.reveal())) {
        Ok(mut bearer) => {
            // Not kept in tables of compressed headers.
            bearer.set_sensitive(true);
            builder.header("authorization", bearer)
        }
        // The builder keeps what is wrong with it.
        Err(_) => builder.header("authorization", token.reveal()),
    }
}

fn malformed(error: http::Error) -> TransportError {
    TransportError::Garbled(format!("the request: {error}"))
}

async fn in_time<T>(
    longest: Duration,
    exchange: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    tokio::time::timeout(longest, exchange).await.unwrap_or_else(|_| Err(late()))
}

fn late() -> TransportError {
    TransportError::Unreachable("no answer in time".to_owned())
}

pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn room_path(room: &str, endpoint: &str) -> String {
    format!("/client/v1/rooms/{}/{endpoint}", segment(room))
}

/// Where the provider's log is, as the head of the stream says.
fn position_of(headers: &HeaderMap) -> Option<LogPosition> {
    let text = |name| headers.get(name)?.to_str().ok();
    let number = |name| text(name)?.parse().ok();
    Some(LogPosition {
        era: text("tombolo-era").filter(|era| era.len() <= ERA_OCTETS_MAX)?.to_owned(),
        after: number("tombolo-after")?,
        acknowledged: number("tombolo-acknowledged")?,
    })
}

/// The events of an answer, until it ends or is at fault.
fn events_of(
    answer: HttpResponse<Octets>,
) -> impl stream::Stream<Item = Result<StreamEvent, TransportError>> + Send {
    struct Reading {
        octets: Option<Octets>,
        parser: SseParser,
        ready: VecDeque<StreamEvent>,
        /// What the provider has said at the end, if it is worth saying.
        ending: Option<TransportError>,
    }
    let (parser, ready) = (SseParser::default(), VecDeque::new());
    let octets = Some(answer.into_body());
    let reading = Reading { octets, parser, ready, ending: None };
    stream::unfold(reading, |mut reading| async move {
        loop {
            if let Some(event) = reading.ready.pop_front() {
                return Some((Ok(event), reading));
            }
            if let Some(error) = reading.ending.take() {
                return Some((Err(error), reading));
            }
            let mut octets = reading.octets.take()?;
            let piece = match tokio::time::timeout(SILENCE_TIMEOUT, octets.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return Some((Err(error), reading)),
                Ok(None) => return None,
                Err(_) => return Some((Err(late()), reading)),
            };
            let fed = reading.parser.feed(&piece);
            let fed = fed.map_err(|fault| TransportError::Garbled(fault.to_string()));
            let mut fed = match fed {
                Ok(events) => events,
                Err(error) => return Some((Err(error), reading)),
            };
            // What comes before the end is still read.
            let end = fed.iter().position(is_end);
            let end = end.map(|at| read_end(&fed.split_off(at)[0]));
            match fed.iter().map(read_event).collect::<Result<VecDeque<_>, _>>() {
                Ok(events) => reading.ready = events,
                Err(error) => return Some((Err(error), reading)),
            }
            match end {
                None => reading.octets = Some(octets),
                Some(ending) => reading.ending = ending,
            }
        }
    })
}
