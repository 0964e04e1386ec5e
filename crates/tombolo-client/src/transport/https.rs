//! HTTPS to one provider, natively.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response as HttpResponse, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use crate::client::ProviderAddress;
use crate::error::ClientError;
use crate::session::request::{Outgoing, Request, Response, TransportError};
use crate::session::stream_event::{LogPosition, StreamEvent};
use crate::transport::assets::AssetTransport;
use crate::transport::reply;
use crate::transport::sse::{SseParser, is_end, read_end, read_event};
use crate::transport::{EventStream, OpenStream, Token, Transport, TransportFuture};

/// Octets of one answer: the largest handshake body, with room for what is around it.
pub const ANSWER_OCTETS_MAX: usize = 17 * 1024 * 1024;
/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take (AMB-TR-5).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Silence after which the event stream counts as broken: three keep-alives missed.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);

/// Octets of an era's name.
pub const ERA_OCTETS_MAX: usize = 128;

/// Everything but the unreserved characters of RFC 3986 is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// HTTPS to one provider.
#[derive(Clone, Debug)]
pub struct HttpsTransport {
    client: Client,
    base: Url,
    roots_pem: Option<String>,
}

impl HttpsTransport {
    /// For the provider at an address.
    pub fn new(address: &ProviderAddress) -> Result<Self, ClientError> {
        Self::from_local(address, None)
    }

    /// The same from a local address of one's own choice: for many devices on one machine, of which
    /// a provider takes only so many connections an address.
    pub fn from_local(
        address: &ProviderAddress,
        local: Option<IpAddr>,
    ) -> Result<Self, ClientError> {
        let at_fault = |what: &str| ClientError::Other(format!("{}: {what}", address.url));
        let mut base = Url::parse(&address.url).map_err(|error| at_fault(&error.to_string()))?;
        if base.scheme() != "https" || base.path() != "/" || base.query().is_some() {
            return Err(at_fault("a provider's address looks like https://host[:port]"));
        }
        let host = base.host_str().ok_or_else(|| at_fault("it names no host"))?.to_owned();
        let roots_pem = address.roots_pem.clone();
        let mut builder = builder(roots_pem.as_deref())?
            .local_address(local)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .http2_keep_alive_while_idle(true);
        if let Some(address) = address.resolve {
            // The port comes from the URL alone, so it is put there.
            base.set_port(Some(address.port())).map_err(|()| at_fault("it takes no port"))?;
            builder = builder.resolve(&host, address);
        }
        let client = builder.build().map_err(|error| at_fault(&error.to_string()))?;
        Ok(Self { client, base, roots_pem })
    }

    /// A client for other hosts, that says nothing of us.
    pub(super) fn anonymous(&self) -> Result<ClientBuilder, ClientError> {
        builder(self.roots_pem.as_deref())
    }

    pub(super) fn builder(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        self.client.request(method, url)
    }

    fn http_request(&self, request: &Request) -> RequestBuilder {
        let post = |path: &str, body: &Bytes| {
            self.builder(Method::POST, path)
                .header("content-type", "application/octet-stream")
                .body(body.clone())
        };
        match request {
            Request::Register { user, password, device, signature_key } => {
                let body = json!({
                    "user": user,
                    "password": password.reveal(),
                    "device": device,
                    "signature_key": BASE64_STANDARD.encode(signature_key),
                });
                self.builder(Method::POST, "/client/v1/register")
                    .header("content-type", "application/json")
                    .body(body.to_string())
            }
            Request::Provider => self.builder(Method::GET, "/client/v1/provider"),
            Request::Issuers(domain) => {
                self.builder(Method::GET, &format!("/client/v1/issuers/{domain}"))
            }
            Request::KeyPackageStock => self.builder(Method::GET, "/client/v1/key-packages"),
            Request::UploadKeyPackages(body) => post("/client/v1/key-packages", body),
            Request::KeyMaterial { user, body } => {
                post(&format!("/client/v1/key-material/{}", segment(user.as_str())), body)
            }
            Request::FoundRoom { room, body } => self
                .builder(Method::PUT, &format!("/client/v1/rooms/{}", segment(room.as_str())))
                .header("content-type", "application/octet-stream")
                .body(body.clone()),
            Request::DirectRoom(user) => {
                self.builder(Method::GET, &format!("/client/v1/direct/{}", segment(user.as_str())))
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
            Request::Profile => self.builder(Method::GET, "/client/v1/profile"),
            Request::SetProfile(body) => self
                .builder(Method::PUT, "/client/v1/profile")
                .header("content-type", "application/json")
                .body(body.clone()),
            Request::ReportAbuse { room, body } => {
                post(&room_path(room.as_str(), "report-abuse"), body)
            }
            Request::Consent(body) => post("/client/v1/consent", body),
            Request::Devices => self.builder(Method::GET, "/client/v1/devices"),
            Request::SignOutDevice(client) => self.builder(
                Method::DELETE,
                &format!("/client/v1/devices/{}", segment(client.as_str())),
            ),
            Request::SignOutOthers => self.builder(Method::POST, "/client/v1/sign-out-others"),
            Request::Contacts => self.builder(Method::GET, "/client/v1/consent"),
        }
    }
}

impl Transport for HttpsTransport {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        let mut builder = self.http_request(&outgoing.request).timeout(REQUEST_TIMEOUT);
        if let Some(token) = &outgoing.token {
            builder = builder.bearer_auth(token.reveal());
        }
        Box::pin(async move {
            let body = success_body(builder).await?;
            reply::read(&outgoing.request, &body)
        })
    }

    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        let mut url = self.base.clone();
        url.set_path("/client/v1/events");
        url.query_pairs_mut().append_pair("after", &after.to_string());
        if let Some(era) = era {
            url.query_pairs_mut().append_pair("era", &era);
        }
        let builder = self.client.get(url).header("accept", "text/event-stream");
        let builder = builder.bearer_auth(token.reveal());
        Box::pin(async move {
            let answer = success(builder).await?;
            let position = position_of(answer.headers());
            let events = Box::pin(events_of(answer)) as EventStream;
            Ok(OpenStream { position, events })
        })
    }

    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()> {
        let builder = self
            .builder(Method::POST, "/client/v1/events/ack")
            .timeout(REQUEST_TIMEOUT)
            .header("content-type", "application/json")
            .body(json!({ "id": id }).to_string())
            .bearer_auth(token.reveal());
        Box::pin(async move { success_body(builder).await.map(drop) })
    }

    fn assets(&self) -> Option<Arc<dyn AssetTransport>> {
        Some(Arc::new(self.clone()))
    }
}

pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn room_path(room: &str, endpoint: &str) -> String {
    format!("/client/v1/rooms/{}/{endpoint}", segment(room))
}

/// HTTPS alone, to where it is asked to and no further.
fn builder(roots_pem: Option<&str>) -> Result<ClientBuilder, ClientError> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls(roots_pem)?)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT))
}

fn tls(roots_pem: Option<&str>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    match roots_pem {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|der| roots.add(der).map_err(|error| error.to_string()));
                added.map_err(|error| {
                    ClientError::Other(format!("a root certificate cannot be used: {error}"))
                })?;
            }
            if roots.is_empty() {
                return Err(ClientError::Other("the roots hold no certificate".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Other(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

pub(super) async fn success_body(builder: RequestBuilder) -> Result<Vec<u8>, TransportError> {
    bounded_body(success(builder).await?).await
}

/// Sends; an answer that is no success becomes its error.
pub(super) async fn success(builder: RequestBuilder) -> Result<HttpResponse, TransportError> {
    successful(builder.send().await.map_err(unreachable)?).await
}

pub(super) async fn successful(answer: HttpResponse) -> Result<HttpResponse, TransportError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = bounded_body(answer).await.unwrap_or_default();
    Err(reply::read_error(status, retry_after.as_deref(), &body))
}

async fn bounded_body(mut answer: HttpResponse) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + piece.len() > ANSWER_OCTETS_MAX {
            return Err(TransportError::Garbled("it is too long".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The innermost cause says most: "connection refused" rather than "error sending request".
pub(super) fn unreachable(error: reqwest::Error) -> TransportError {
    if error.is_timeout() {
        return TransportError::Unreachable("no answer in time".to_owned());
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    TransportError::Unreachable(cause.to_string())
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
    answer: HttpResponse,
) -> impl stream::Stream<Item = Result<StreamEvent, TransportError>> + Send {
    struct Reading {
        answer: Option<HttpResponse>,
        parser: SseParser,
        ready: VecDeque<StreamEvent>,
        /// What the provider has said at the end, if it is worth saying.
        ending: Option<TransportError>,
    }
    let (parser, ready) = (SseParser::default(), VecDeque::new());
    let reading = Reading { answer: Some(answer), parser, ready, ending: None };
    stream::unfold(reading, |mut reading| async move {
        loop {
            if let Some(event) = reading.ready.pop_front() {
                return Some((Ok(event), reading));
            }
            if let Some(error) = reading.ending.take() {
                return Some((Err(error), reading));
            }
            let mut answer = reading.answer.take()?;
            let piece = match answer.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return None,
                Err(error) => return Some((Err(unreachable(error)), reading)),
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
                None => reading.answer = Some(answer),
                Some(ending) => reading.ending = ending,
            }
        }
    })
}
