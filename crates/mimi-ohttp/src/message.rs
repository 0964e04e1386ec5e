//! What is inside: one GET of an asset and its answer, as Binary HTTP (RFC 9292).
//!
//! Both are padded, so that lengths tell a relay little: requests to a multiple of
//! [`REQUEST_PADDED_TO_OCTETS`], responses to lengths that keep only their leading bits.

use std::io::Cursor;

use bhttp::{Message, Mode, StatusCode};
use mimi_wire::protocol::proxy_download::AssetUrl;

use crate::{CONTENT_OCTETS_MAX, OhttpFault};

/// Octets that the length of a request is a multiple of.
pub const REQUEST_PADDED_TO_OCTETS: usize = 512;
/// Octets that a response has at least.
pub const RESPONSE_OCTETS_MIN: usize = 512;
/// Octets of a value that is looked at: a domain name, or a range.
const VALUE_OCTETS_MAX: usize = 300;

const HOST: &[u8] = b"host";
const RANGE: &[u8] = b"range";
const CONTENT_RANGE: &[u8] = b"content-range";

/// A GET of an asset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssetRequest {
    /// Of what.
    pub url: AssetUrl,
    /// Which part: the value of `Range`.
    pub range: Option<String>,
}

/// Its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssetResponse {
    /// The status.
    pub status: u16,
    /// Which part of how many octets: the value of `Content-Range`.
    pub content_range: Option<String>,
    /// The asset or the part; of no meaning unless the status is 200 or 206.
    pub content: Vec<u8>,
}

impl AssetRequest {
    /// For the whole.
    pub fn new(url: AssetUrl) -> Self {
        Self { url, range: None }
    }

    /// The octets, padded.
    pub fn encode(&self) -> Vec<u8> {
        let path = self.url.path_and_query().as_bytes().to_vec();
        let host = self.url.host().as_str().as_bytes().to_vec();
        let mut message = Message::request(b"GET".to_vec(), b"https".to_vec(), host, path);
        if let Some(range) = &self.range {
            message.put_header(RANGE, range.as_bytes());
        }
        let mut octets = written(&message);
        let padded = octets.len().next_multiple_of(REQUEST_PADDED_TO_OCTETS);
        octets.resize(padded, 0);
        octets
    }

    /// Reads one. Whatever else it asks for is not passed on: of its fields only `Range` counts.
    ///
    /// # Errors
    /// [`OhttpFault::NotAnAsset`] if it is no GET of a URL that an asset can have (PROTO-DL-4).
    pub fn decode(octets: &[u8]) -> Result<Self, OhttpFault> {
        let message = read(octets, "a request")?;
        let control = message.control();
        if control.method() != Some(b"GET") {
            return Err(OhttpFault::NotAnAsset("only GET is answered"));
        }
        if !message.content().is_empty() {
            return Err(OhttpFault::NotAnAsset("a GET has no content"));
        }
        // A message that was HTTP/1.1 once has its host in a field (RFC 9292 section 3.7).
        let host = field(&message, HOST)?;
        let authority = control.authority().or(host.as_deref().map(str::as_bytes));
        let (Ok(scheme), Ok(authority), Ok(path)) =
            (text(control.scheme()), text(authority), text(control.path()))
        else {
            return Err(OhttpFault::NotAnAsset("it names no URL"));
        };
        if host.as_deref().is_some_and(|host| host != authority) {
            return Err(OhttpFault::NotAnAsset("it names two hosts"));
        }
        if scheme != "https" {
            return Err(OhttpFault::NotAnAsset("only https is fetched"));
        }
        // What belongs to the path must not come out as part of the host.
        if authority.contains(['/', '?', '#']) || !path.starts_with('/') {
            return Err(OhttpFault::NotAnAsset("it names no URL"));
        }
        let url = AssetUrl::new(&format!("https://{authority}{path}"));
        let url = url.map_err(|_| OhttpFault::NotAnAsset("it names no URL of an asset"))?;
        Ok(Self { url, range: field(&message, RANGE)? })
    }
}

impl AssetResponse {
    /// An answer without content.
    pub fn of_status(status: u16) -> Self {
        Self { status, content_range: None, content: Vec::new() }
    }

    /// The octets, padded. A status that there is not is written as 500.
    pub fn encode(&self) -> Vec<u8> {
        let status = StatusCode::try_from(self.status).ok().filter(|status| status.code() >= 200);
        let status =
            status.unwrap_or_else(|| StatusCode::try_from(500_u16).expect("between 100 and 599"));
        let mut message = Message::response(status);
        if let Some(range) = &self.content_range {
            message.put_header(CONTENT_RANGE, range.as_bytes());
        }
        message.write_content(&self.content);
        let mut octets = written(&message);
        octets.resize(padded_octets(octets.len()), 0);
        octets
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`OhttpFault`] if it is none, or has more than [`CONTENT_OCTETS_MAX`] octets of content.
    pub fn decode(octets: &[u8]) -> Result<Self, OhttpFault> {
        let message = read(octets, "a response")?;
        let status = message.control().status().ok_or(OhttpFault::Format("a response"))?;
        if message.content().len() > CONTENT_OCTETS_MAX {
            return Err(OhttpFault::TooLarge);
        }
        Ok(Self {
            status: status.code(),
            content_range: field(&message, CONTENT_RANGE)?,
            content: message.content().to_vec(),
        })
    }
}

/// How many octets a response of so many becomes: at most an eighth more, and few enough different
/// lengths that one tells at most the order of magnitude and a few bits (Padmé).
pub(crate) fn padded_octets(octets: usize) -> usize {
    let octets = octets.max(RESPONSE_OCTETS_MIN);
    let exponent = octets.ilog2();
    let kept_bits = exponent.ilog2() + 1;
    octets.next_multiple_of(1 << (exponent - kept_bits))
}

fn text(octets: Option<&[u8]>) -> Result<&str, std::str::Utf8Error> {
    str::from_utf8(octets.unwrap_or_default())
}

fn written(message: &Message) -> Vec<u8> {
    let mut octets = Vec::new();
    message.write_bhttp(Mode::KnownLength, &mut octets).expect("memory takes all");
    octets
}

/// A message; behind it, padding and nothing else (RFC 9292 section 3.8).
fn read(octets: &[u8], what: &'static str) -> Result<Message, OhttpFault> {
    // Without its last zeros a message means the same; of indeterminate length, the library misses
    // those that end content and trailer.
    let completed: Vec<u8>;
    let octets = match octets.first() {
        Some(2 | 3) => {
            completed = [octets, &[0, 0]].concat();
            &completed
        }
        _ => octets,
    };
    let mut cursor = Cursor::new(octets);
    let message = Message::read_bhttp(&mut cursor).map_err(|_| OhttpFault::Format(what))?;
    let end = usize::try_from(cursor.position()).unwrap_or(octets.len());
    let padding = octets.get(end..).unwrap_or_default();
    match padding.iter().all(|octet| *octet == 0) {
        true => Ok(message),
        false => Err(OhttpFault::Format(what)),
    }
}

/// The value of a field that there is at most once.
fn field(message: &Message, name: &[u8]) -> Result<Option<String>, OhttpFault> {
    let fault = OhttpFault::Format("a field");
    let mut values = message.header().get_all(name);
    let (Some(value), None) = (values.next(), values.next()) else {
        return if message.header().get(name).is_none() { Ok(None) } else { Err(fault) };
    };
    let printable = |octet: &u8| matches!(octet, b' '..=b'~');
    if value.len() > VALUE_OCTETS_MAX || !value.iter().all(printable) {
        return Err(fault);
    }
    String::from_utf8(value.to_vec()).map(Some).map_err(|_| fault)
}

#[cfg(test)]
mod tests;
