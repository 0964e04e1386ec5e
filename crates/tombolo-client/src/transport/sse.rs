//! Server-sent events: an incremental parser with bounded lines, and the provider's form of events.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mimi_wire::MimiUri;
use serde::Deserialize;

use crate::session::request::TransportError;
use crate::session::stream_event::{StreamEvent, StreamEventKind};

/// Octets of one line: the largest handshake body in base64, with room to spare.
pub const LINE_OCTETS_MAX: usize = 24 * 1024 * 1024;
/// Octets of one event over all its lines.
pub const EVENT_OCTETS_MAX: usize = 2 * LINE_OCTETS_MAX;

/// One event as the stream's text has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SseEvent {
    /// `id:`.
    pub id: Option<String>,
    /// `event:`; empty means `message`.
    pub event: String,
    /// `data:` lines, joined by line feeds.
    pub data: String,
}

/// The stream does not keep to its limits or is not UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SseFault {
    /// A line is longer than [`LINE_OCTETS_MAX`].
    #[error("a line of the event stream is too long")]
    LineTooLong,
    /// An event is longer than [`EVENT_OCTETS_MAX`].
    #[error("an event of the stream is too long")]
    EventTooLong,
    /// Not UTF-8.
    #[error("the event stream is not UTF-8")]
    Encoding,
}

/// Takes octets as they come and gives whole events.
#[derive(Debug)]
pub struct SseParser {
    line: Vec<u8>,
    /// The last octet was a carriage return: a line feed right after it belongs to it.
    after_return: bool,
    first_line: bool,
    event: SseEvent,
    has_data: bool,
    line_octets_max: usize,
    event_octets_max: usize,
}

impl Default for SseParser {
    fn default() -> Self {
        Self::bounded(LINE_OCTETS_MAX, EVENT_OCTETS_MAX)
    }
}

impl SseParser {
    /// With limits of one's own.
    pub fn bounded(line_octets_max: usize, event_octets_max: usize) -> Self {
        Self {
            line: Vec::new(),
            after_return: false,
            first_line: true,
            event: SseEvent::default(),
            has_data: false,
            line_octets_max,
            event_octets_max,
        }
    }

    /// Takes the next octets; gives the events they complete.
    pub fn feed(&mut self, octets: &[u8]) -> Result<Vec<SseEvent>, SseFault> {
        let mut events = Vec::new();
        let mut rest = octets;
        if self.after_return && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        if !octets.is_empty() {
            self.after_return = false;
        }
        while let Some(end) = rest.iter().position(|octet| matches!(octet, b'\n' | b'\r')) {
            self.extend(&rest[..end])?;
            let line = std::mem::take(&mut self.line);
            events.extend(self.take_line(&line)?);
            let returned = rest[end] == b'\r';
            rest = &rest[end + 1..];
            match rest.first() {
                Some(b'\n') if returned => rest = &rest[1..],
                None => self.after_return = returned,
                Some(_) => {}
            }
        }
        self.extend(rest)?;
        Ok(events)
    }

    fn extend(&mut self, octets: &[u8]) -> Result<(), SseFault> {
        if self.line.len() + octets.len() > self.line_octets_max {
            return Err(SseFault::LineTooLong);
        }
        self.line.extend_from_slice(octets);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<SseEvent>, SseFault> {
        let mut line = std::str::from_utf8(line).map_err(|_| SseFault::Encoding)?;
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.event.data.len() + value.len() >= self.event_octets_max {
                    return Err(SseFault::EventTooLong);
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.event),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            // Comments (keep-alives) and fields nobody knows.
            _ => {}
        }
        Ok(None)
    }
}

/// `data:` of the provider's events.
#[derive(Deserialize)]
struct EventData {
    stream: MimiUri,
    seq: u64,
    timestamp_ms: u64,
    payload: String,
}

/// Whether the provider says that the stream ends here, and why: no entry of the log.
pub fn is_end(event: &SseEvent) -> bool {
    event.event == "end"
}

/// `data:` of the last event.
#[derive(Deserialize)]
struct EndData {
    reason: String,
}

/// Why the stream ends, where that is more than a reason to open another one.
pub fn read_end(event: &SseEvent) -> Option<TransportError> {
    let end: EndData = serde_json::from_str(&event.data).ok()?;
    tracing::debug!(reason = end.reason, "the provider ends the event stream");
    (end.reason == "signed_out").then(|| TransportError::Refused {
        code: "unauthorized".to_owned(),
        message: "this device is signed out".to_owned(),
    })
}

/// Reads the provider's event from the stream's text.
pub fn read_event(event: &SseEvent) -> Result<StreamEvent, TransportError> {
    let garbled = |what: &str| TransportError::Garbled(format!("an event of the stream: {what}"));
    let id = event.id.as_deref().and_then(|id| id.parse().ok());
    let data: EventData =
        serde_json::from_str(&event.data).map_err(|error| garbled(&error.to_string()))?;
    Ok(StreamEvent {
        id: id.ok_or_else(|| garbled("it has no number"))?,
        kind: StreamEventKind::by_name(&event.event),
        stream: data.stream,
        seq: data.seq,
        timestamp_ms: data.timestamp_ms,
        payload: BASE64_STANDARD
            .decode(data.payload)
            .map_err(|_| garbled("its payload is not base64"))?,
    })
}

#[cfg(test)]
mod tests;
