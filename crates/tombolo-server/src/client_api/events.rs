//! `/events`: everything a device is to see, in order, from where it left off.
//!
//! The stream reads the store in pages and waits for a hint when it has reached the end. It writes
//! no faster than the device reads: the next page is read when the last one has been taken. Nothing
//! is lost when the connection breaks, because the device names the last entry it has.

mod streams;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mimi_provider::account::seen;
use mimi_provider::era::{ResumeInput, resume};
use mimi_provider::record::{DeviceRecord, EraId, EventKind, LoggedEvent};
use mimi_provider::{Change, Reject, Transition};
use mimi_wire::MimiUri;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tombolo_store::StoreError;

use super::request::{JsonBody, SignedIn, add_base64, malformed};
use super::route::{Parameter, Place, Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};
use crate::wake::Listener;

pub(super) use streams::Streams;
use streams::Turn;

/// Entries read at once; the store bounds their octets ([`tombolo_store::CLIENT_PAGE_OCTETS`]).
const PAGE_ENTRIES_MAX: usize = 64;
/// Octets of text after which what has been read so far is written: entries that are there together
/// travel together.
const CHUNK_OCTETS: usize = 64 * 1024;
/// How often a lost race is run again.
const TRIES_MAX: usize = 5;
/// A stream with nothing to say says so this often, so that both ends notice a dead connection; the
/// store is read again then, should a wake-up have been lost.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Headers of the stream: the era of the log, where the stream begins, what was acknowledged.
const ERA: HeaderName = HeaderName::from_static("tombolo-era");
const AFTER: HeaderName = HeaderName::from_static("tombolo-after");
const ACKNOWLEDGED: HeaderName = HeaderName::from_static("tombolo-acknowledged");
/// First words of every stream: headers reach the device at once, and `EventSource` learns how long
/// to wait before it connects again.
const GREETING: &str = "retry: 1000\n: connected\n\n";
const KEEP_ALIVE_COMMENT: &str = ": keep-alive\n\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    after: Option<u64>,
    /// Era of the log that `after` is of.
    era: Option<String>,
    follow: Option<bool>,
}

/// What a device has stored.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledgement {
    /// The last entry it has stored, with everything before.
    #[schemars(range(max = schema::INTEGER_MAX))]
    id: u64,
}

pub(super) fn routes() -> [Route; 2] {
    let id = json!({ "type": "integer", "minimum": 0, "maximum": schema::INTEGER_MAX });
    [
        Route::get("/events", events)
            .named(Tag::Events, "streamEvents", "Everything the device is to see", ABOUT_EVENTS)
            .takes(Parameter {
                name: "after",
                place: Place::Query,
                required: false,
                about: "Entries after this one. Without it, `Last-Event-ID` counts, and without that the \
                        last acknowledgement.",
                schema: id.clone(),
                example: json!(42),
            })
            .takes(Parameter {
                name: "era",
                place: Place::Query,
                required: false,
                about: "`tombolo-era` of the stream that the entry came in. With it a device notices \
                        when its provider was set back.",
                schema: json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
                example: json!("00112233445566778899aabbccddeeff"),
            })
            .takes(Parameter {
                name: "Last-Event-ID",
                place: Place::Header,
                required: false,
                about: "As `after`; `EventSource` sends it when it connects again.",
                schema: id,
                example: json!(42),
            })
            .takes(Parameter {
                name: "follow",
                place: Place::Query,
                required: false,
                about: "Whether to go on when there is nothing more (`true`, the default), or to end there: \
                        for devices that look now and then.",
                schema: json!({ "type": "boolean", "default": true }),
                example: json!(false),
            })
            .answers_events("The stream.")
            .refuses(&[StatusCode::CONFLICT]),
        Route::post("/events/ack", acknowledge)
            .named(
                Tag::Events,
                "acknowledgeEvents",
                "The device has stored everything up to an entry",
                "From where a stream begins that names no entry. It moves forward only.",
            )
            .takes_json::<Acknowledgement>(json!({ "id": 42 }))
            .answers_nothing(StatusCode::NO_CONTENT, "It is noted."),
    ]
}

const ABOUT_EVENTS: &str = "\
Server-sent events, in the order of the provider's log: `id` is the entry's position there, which grows and \
has gaps; `event` is its kind (`application`, `commit`, `proposal`, `welcome`, `request_consent`, \
`update_consent`, `key_packages_low`; skip others); `data` is JSON: `stream` (the room, or the user for what \
is for the user alone), `seq`, `timestamp_ms`, `payload` (base64).\n\n\
Every entry comes at least once; after a break a device names the last one it has stored, and gets everything \
behind it. The provider writes no faster than the device reads. A comment line every 15 seconds shows that \
the connection lives.\n\n\
The last event is `end`, without an id; its `data` is JSON with a `reason`: `caught_up` (with \
`follow=false`), `signed_out`, `token_replaced`, `newer_stream` (a device has one stream, and a newer one ends \
the older), `stopping` or `failed`. A stream that breaks without one is opened again. 409 says that the log has \
not got as far as the entry that the device names: the provider has been set back.\n\n\
A device that keeps the `tombolo-era` header of its stream beside its cursor, and names it the next time, is \
never refused: `tombolo-after` says where the stream really begins. If that is before its own cursor, the \
provider has been set back, and what the device has seen since then has not happened there. If \
`tombolo-acknowledged` is behind its own cursor, the device itself has been set back. In both cases its \
KeyPackages in stock are released, as they may have been used: it uploads new ones, and comes into the rooms \
concerned again.";

/// `GET`: the stream, after the entry the query names, or `Last-Event-ID`, or else after the last
/// one the device has acknowledged.
pub(super) async fn events(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let Query(Asked { after, era, follow }) = query.map_err(|error| malformed(&error))?;
    let era = era.as_deref().map(read_era).transpose()?;
    let cursor = match named(after, &headers)? {
        // Who names an era is told where the stream goes on.
        Some(after) if era.is_some() => after,
        Some(after) => there_is(&api, after).await?,
        None => {
            let cursor = api.provider.store.client_cursor(&device.client).await;
            cursor.map_err(storage_failed)?
        }
    };
    let position = position(&api.provider, &device.client, era, cursor).await?;
    let feed = Feed::open(api, device, position.after, follow.unwrap_or(true)).await?;
    let body = stream::unfold(feed, async |mut feed| {
        let chunk = feed.next().await?;
        Some((Ok::<_, Infallible>(chunk), feed))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(EraId(era)) = position.era {
        headers.insert(ERA, header(&hex(&era)));
    }
    headers.insert(AFTER, header(&position.after.to_string()));
    headers.insert(ACKNOWLEDGED, header(&position.acknowledged.to_string()));
    Ok(response)
}

/// Where a stream begins, and what a device compares with what it knows.
struct Position {
    era: Option<EraId>,
    after: u64,
    acknowledged: u64,
}

/// Decides where a device's stream begins; see [`mimi_provider::era`]. Again from the start when
/// KeyPackages went from the stock meanwhile: to others, or by another stream of the device.
async fn position(
    provider: &Arc<Provider>,
    client: &MimiUri,
    era: Option<EraId>,
    after: u64,
) -> Result<Position, Reject> {
    for _ in 0..TRIES_MAX {
        match try_position(provider, client, era, after).await {
            Ok(position) => return Ok(position),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(storage_failed(error)),
        }
    }
    Err(Reject::Unavailable("much is asked of this device at once; try again".to_owned()))
}

async fn try_position(
    provider: &Arc<Provider>,
    client: &MimiUri,
    era: Option<EraId>,
    after: u64,
) -> Result<Position, StoreError> {
    let store = &provider.store;
    let history = store.history().await?;
    let acknowledged = store.client_cursor(client).await?;
    let input = ResumeInput { client, history: &history, era, after, acknowledged, stock: &[] };
    let mut transition = resume(&input);
    if transition.reply.put_back.is_some() {
        let now_ms = provider.now_ms();
        let mut stock = Vec::new();
        for suite in store.key_package_stock(client, now_ms).await? {
            stock.extend(store.key_packages(client, suite.ciphersuite, now_ms, usize::MAX).await?);
        }
        transition = resume(&ResumeInput { stock: &stock, ..input });
    }
    let resumed = provider.apply(transition).await?;
    if let Some(put_back) = resumed.put_back {
        tracing::warn!(%client, after, resumed = resumed.after, ?put_back, "a stream goes on earlier");
    }
    let era = history.eras.last().map(|era| era.id);
    Ok(Position { era, after: resumed.after, acknowledged })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("letters and digits")
}

fn read_era(text: &str) -> Result<EraId, HttpError> {
    let digits = |place: usize| u8::from_str_radix(text.get(place..place + 2)?, 16).ok();
    let octets: Option<Vec<u8>> = (0..16).map(|octet| digits(2 * octet)).collect();
    let id = octets.filter(|_| text.len() == 32).and_then(|octets| octets.try_into().ok());
    id.map(EraId).ok_or_else(|| malformed(&"an era is 32 hexadecimal digits"))
}

/// `POST /events/ack`: the device has stored everything up to an entry.
pub(super) async fn acknowledge(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    JsonBody(Acknowledgement { id }): JsonBody<Acknowledgement>,
) -> Result<StatusCode, HttpError> {
    if id > schema::INTEGER_MAX {
        return Err(malformed(&"there can be no entry of this number"));
    }
    let change = Change::Acknowledge { client: device.client, event_id: id };
    let (changes, expect, effects) = (vec![change], Vec::new(), Vec::new());
    let transition = Transition { changes, expect, effects, reply: () };
    api.provider.apply(transition).await.map_err(storage_failed)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses a position that the log has not reached: whoever waited there would miss what comes before.
/// The provider has been set back to an older state of its storage, or the device has mixed something up.
async fn there_is(api: &ClientApi, after: u64) -> Result<u64, HttpError> {
    let last = api.provider.store.last_event_id().await.map_err(storage_failed)?;
    if after <= last {
        return Ok(after);
    }
    Err(Reject::Conflict(format!("the log ends at {last}: begin there or before")).into())
}

/// The entry that a device has stored, as the query says it or else the header, which is an id also where it
/// does not count.
fn named(after: Option<u64>, headers: &HeaderMap) -> Result<Option<u64>, HttpError> {
    let last = last_event_id(headers)?;
    if after.max(last).is_some_and(|id| id > schema::INTEGER_MAX) {
        return Err(malformed(&"there can be no entry of this number"));
    }
    Ok(after.or(last))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, HttpError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| malformed(&"Last-Event-ID is not the id of an event"))
}

/// One device's open stream.
struct Feed {
    api: ClientApi,
    client: MimiUri,
    user: MimiUri,
    /// What the device is signed in by.
    token_sha256: [u8; 32],
    /// The last entry read from the store.
    cursor: u64,
    /// Read and not yet taken.
    page: VecDeque<LoggedEvent>,
    /// Whether it goes on when there is nothing more.
    follow: bool,
    listener: Listener,
    turn: Turn,
    greeted: bool,
    ended: bool,
}

/// Why a stream ends, as it says itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// There is nothing more, and the device did not want to wait.
    CaughtUp,
    /// The device is not signed in any more.
    SignedOut,
    /// The device has another token now.
    TokenReplaced,
    /// The device has opened a newer stream.
    NewerStream,
    /// The provider stops.
    Stopping,
    /// Something is wrong here.
    Failed,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::CaughtUp => "caught_up",
            Self::SignedOut => "signed_out",
            Self::TokenReplaced => "token_replaced",
            Self::NewerStream => "newer_stream",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }

    /// Without an id: it is no entry of the log.
    fn frame(self) -> Bytes {
        Bytes::from(format!("event: end\ndata: {{\"reason\":\"{}\"}}\n\n", self.name()))
    }
}

/// Why a feed stopped waiting.
enum Woken {
    /// There may be more, or an end.
    Hint,
    /// Nothing happened for a while.
    Quiet,
}

impl Feed {
    async fn open(
        api: ClientApi,
        device: DeviceRecord,
        cursor: u64,
        follow: bool,
    ) -> Result<Self, HttpError> {
        if let Some(transition) = seen(&device, api.provider.now_ms()) {
            api.provider.apply(transition).await.map_err(storage_failed)?;
        }
        let DeviceRecord { client, user, token_sha256, .. } = device;
        // Listening begins before the store is read, so that nothing falls in between.
        let listener = api.provider.wake.listen(&client);
        let rooms = api.provider.store.rooms_of(&client).await.map_err(storage_failed)?;
        listener.watch(rooms.into_iter().chain([user.clone()]));
        let turn = api.streams.begin(&client);
        let page = VecDeque::new();
        let (greeted, ended) = (false, false);
        Ok(Self {
            api,
            client,
            user,
            token_sha256,
            cursor,
            page,
            follow,
            listener,
            turn,
            greeted,
            ended,
        })
    }

    /// What to write next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(GREETING.as_bytes()));
        }
        let written = self.entry().await;
        Some(written.unwrap_or_else(|ending| {
            self.ended = true;
            ending.frame()
        }))
    }

    async fn entry(&mut self) -> Result<Bytes, Ending> {
        loop {
            if *self.api.stopping.borrow() {
                return Err(Ending::Stopping);
            }
            if self.turn.is_over() {
                return Err(Ending::NewerStream);
            }
            if !self.page.is_empty() {
                return Ok(self.chunk());
            }
            self.read().await?;
            if !self.page.is_empty() {
                continue;
            }
            if !self.follow {
                return Err(Ending::CaughtUp);
            }
            match self.wait().await {
                Woken::Hint => {}
                Woken::Quiet => return Ok(Bytes::from_static(KEEP_ALIVE_COMMENT.as_bytes())),
            }
        }
    }

    /// The entries that have been read, as many as travel together.
    fn chunk(&mut self) -> Bytes {
        let mut text = Vec::new();
        while text.len() < CHUNK_OCTETS {
            let Some(event) = self.page.pop_front() else { break };
            write_frame(&mut text, &event);
        }
        text.into()
    }

    /// Reads the next page, if there is one, and if the device is still signed in.
    async fn read(&mut self) -> Result<(), Ending> {
        let store = &self.api.provider.store;
        let failed = |error: StoreError| {
            tracing::error!(client = %self.client, %error, "an event stream ends");
            Ending::Failed
        };
        if store.device_by_token(self.token_sha256).await.map_err(failed)?.is_none() {
            let devices = store.devices(&self.user).await.map_err(failed)?;
            let is_there = devices.iter().any(|device| device.client == self.client);
            return Err(if is_there { Ending::TokenReplaced } else { Ending::SignedOut });
        }
        let events = store.client_events(&self.client, self.cursor, PAGE_ENTRIES_MAX).await;
        let events = events.map_err(failed)?;
        if let Some(last) = events.last() {
            self.cursor = last.id;
        }
        self.page = events.into();
        Ok(())
    }

    async fn wait(&mut self) -> Woken {
        tokio::select! {
            biased;
            () = self.listener.woken() => Woken::Hint,
            () = tokio::time::sleep(KEEP_ALIVE) => Woken::Quiet,
            () = self.turn.over() => Woken::Hint,
            // The sender going away means the same as its signal.
            _ = self.api.stopping.wait_for(|stopping| *stopping) => Woken::Hint,
        }
    }
}

/// Adds an entry as `text/event-stream` writes it. Its JSON is written piece by piece: there is one of
/// these for every device and message.
fn write_frame(text: &mut Vec<u8>, logged: &LoggedEvent) {
    let LoggedEvent { id, event } = logged;
    let head = format!("id: {id}\nevent: {}\ndata: {{\"stream\":", name(event.kind));
    text.extend_from_slice(head.as_bytes());
    serde_json::to_writer(&mut *text, &event.stream).expect("a string always serialises");
    let numbers =
        format!(",\"seq\":{},\"timestamp_ms\":{},\"payload\":\"", event.seq, event.timestamp_ms);
    text.extend_from_slice(numbers.as_bytes());
    add_base64(text, &event.payload);
    text.extend_from_slice(b"\"}\n\n");
}

/// The name of a kind of entry in the stream.
fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Application => "application",
        EventKind::Commit => "commit",
        EventKind::Proposal => "proposal",
        EventKind::Welcome => "welcome",
        // Never for a client: its entries have no targets.
        EventKind::HubNote => "hub_note",
        EventKind::RequestConsent => "request_consent",
        EventKind::UpdateConsent => "update_consent",
        EventKind::KeyPackagesLow => "key_packages_low",
        // Nor these: moderators read them over the admin API.
        EventKind::ReportAbuse => "report_abuse",
        EventKind::ReportClosed => "report_closed",
    }
}
