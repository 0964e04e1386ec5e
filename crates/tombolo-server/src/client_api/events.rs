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
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mimi_provider::record::{DeviceRecord, EventKind, LoggedEvent};
use mimi_provider::{Change, Transition};
use mimi_wire::MimiUri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tombolo_store::StoreError;

use super::request::{JsonBody, SignedIn, malformed, to_base64};
use super::route::{Parameter, Place, Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;
use crate::provider::storage_failed;
use crate::wake::Listener;

pub(super) use streams::Streams;
use streams::Turn;

/// Entries read at once; each may be as large as a handshake.
const PAGE_ENTRIES_MAX: usize = 16;
/// After a page of more octets than this the next one is a single entry.
const PAGE_OCTETS_MAX: usize = 1024 * 1024;
/// Entries of the first page, of which nothing is known.
const PAGE_ENTRIES_FIRST: usize = 4;
/// A stream with nothing to say says so this often, so that both ends notice a dead connection; the
/// store is read again then, should a wake-up have been lost.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// First words of every stream: headers reach the device at once, and `EventSource` learns how long
/// to wait before it connects again.
const GREETING: &str = "retry: 1000\n: connected\n\n";
const KEEP_ALIVE_COMMENT: &str = ": keep-alive\n\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<u64>,
}

/// What a device has stored.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledgement {
    /// The last entry it has stored, with everything before.
    #[schemars(range(max = schema::INTEGER_MAX))]
    id: u64,
}

#[derive(Serialize)]
struct Data<'a> {
    stream: &'a MimiUri,
    seq: u64,
    timestamp_ms: u64,
    payload: String,
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
                name: "Last-Event-ID",
                place: Place::Header,
                required: false,
                about: "As `after`; `EventSource` sends it when it connects again.",
                schema: id,
                example: json!(42),
            })
            .answers_events("The stream."),
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
the connection lives. A device has one stream: a newer one ends the older.";

/// `GET`: the stream, after the entry the query names, or `Last-Event-ID`, or else after the last
/// one the device has acknowledged.
pub(super) async fn events(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let Query(After { after }) = query.map_err(|error| malformed(&error))?;
    let cursor = match after.map_or_else(|| last_event_id(&headers), |after| Ok(Some(after)))? {
        Some(after) => after,
        None => {
            let cursor = api.provider.store.client_cursor(&device.client).await;
            cursor.map_err(storage_failed)?
        }
    };
    let feed = Feed::open(api, device, cursor).await?;
    let body = stream::unfold(feed, async |mut feed| {
        let chunk = feed.next().await?;
        Some((Ok::<_, Infallible>(chunk), feed))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `POST /events/ack`: the device has stored everything up to an entry.
pub(super) async fn acknowledge(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    JsonBody(Acknowledgement { id }): JsonBody<Acknowledgement>,
) -> Result<StatusCode, HttpError> {
    let change = Change::Acknowledge { client: device.client, event_id: id };
    let (changes, expect, effects) = (vec![change], Vec::new(), Vec::new());
    let transition = Transition { changes, expect, effects, reply: () };
    api.provider.apply(transition).await.map_err(storage_failed)?;
    Ok(StatusCode::NO_CONTENT)
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
    /// What the device is signed in by.
    token_sha256: [u8; 32],
    /// The last entry read from the store.
    cursor: u64,
    /// Read and not yet taken.
    page: VecDeque<LoggedEvent>,
    /// Entries the next page may have.
    page_entries: usize,
    listener: Listener,
    turn: Turn,
    greeted: bool,
}

/// Why a feed stopped waiting.
enum Woken {
    /// There may be more.
    Hint,
    /// Nothing happened for a while.
    Quiet,
    /// The provider stops, or the device has opened a newer stream.
    End,
}

impl Feed {
    async fn open(api: ClientApi, device: DeviceRecord, cursor: u64) -> Result<Self, HttpError> {
        let DeviceRecord { client, user, token_sha256, .. } = device;
        // Listening begins before the store is read, so that nothing falls in between.
        let listener = api.provider.wake.listen(&client);
        let rooms = api.provider.store.rooms_of(&client).await.map_err(storage_failed)?;
        listener.watch(rooms.into_iter().chain([user]));
        let turn = api.streams.begin(&client);
        let page = VecDeque::new();
        let page_entries = PAGE_ENTRIES_FIRST;
        let greeted = false;
        Ok(Self { api, client, token_sha256, cursor, page, page_entries, listener, turn, greeted })
    }

    /// What to write next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(GREETING.as_bytes()));
        }
        loop {
            if *self.api.stopping.borrow() || self.turn.is_over() {
                return None;
            }
            if let Some(event) = self.page.pop_front() {
                return Some(frame(&event));
            }
            match self.read().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    tracing::error!(client = %self.client, %error, "an event stream ends");
                    return None;
                }
            }
            if !self.page.is_empty() {
                continue;
            }
            match self.wait().await {
                Woken::Hint => {}
                Woken::Quiet => return Some(Bytes::from_static(KEEP_ALIVE_COMMENT.as_bytes())),
                Woken::End => return None,
            }
        }
    }

    /// Reads the next page, if there is one; `false` for a device that is signed out by now.
    async fn read(&mut self) -> Result<bool, StoreError> {
        let store = &self.api.provider.store;
        if store.device_by_token(self.token_sha256).await?.is_none() {
            return Ok(false);
        }
        let events = store.client_events(&self.client, self.cursor, self.page_entries).await?;
        self.page_entries = next_page_entries(self.page_entries, &events);
        if let Some(last) = events.last() {
            self.cursor = last.id;
        }
        self.page = events.into();
        Ok(true)
    }

    async fn wait(&mut self) -> Woken {
        tokio::select! {
            () = self.listener.woken() => Woken::Hint,
            () = tokio::time::sleep(KEEP_ALIVE) => Woken::Quiet,
            () = self.turn.over() => Woken::End,
            // The sender going away means the same as its signal.
            _ = self.api.stopping.wait_for(|stopping| *stopping) => Woken::End,
        }
    }
}

/// One entry after a large page, else more and more of them.
fn next_page_entries(last: usize, page: &[LoggedEvent]) -> usize {
    let octets: usize = page.iter().map(|logged| logged.event.payload.len()).sum();
    if octets > PAGE_OCTETS_MAX { 1 } else { (2 * last).min(PAGE_ENTRIES_MAX) }
}

/// An entry as `text/event-stream` writes it.
fn frame(logged: &LoggedEvent) -> Bytes {
    let LoggedEvent { id, event } = logged;
    let data = Data {
        stream: &event.stream,
        seq: event.seq,
        timestamp_ms: event.timestamp_ms,
        payload: to_base64(&event.payload),
    };
    let data = serde_json::to_string(&data).expect("strings and numbers always serialise");
    Bytes::from(format!("id: {id}\nevent: {}\ndata: {data}\n\n", name(event.kind)))
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
