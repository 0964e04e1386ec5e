//! `Range` (RFC 9110 section 14): one range of octets, or the whole.

use http::HeaderValue;

/// The part of a resource that is asked for, of which it has as many octets as this says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ByteRange {
    /// All of it: nothing else is asked for, or in a way that may be ignored.
    Whole,
    /// From the first offset to before the second.
    Part(u64, u64),
    /// None of it is there.
    Beyond,
}

impl ByteRange {
    /// What the header of a request asks of a resource of so many octets. Several ranges at once, and
    /// other units, are answered with the whole, as RFC 9110 allows.
    pub(crate) fn of(range: Option<&HeaderValue>, octets: u64) -> Self {
        let Some(value) = range else { return Self::Whole };
        let text = value.to_str().unwrap_or_default();
        let Some((first, last)) = text.strip_prefix("bytes=").and_then(|set| set.split_once('-'))
        else {
            return Self::Whole;
        };
        let (start, end) = match (number(first.trim()), number(last.trim())) {
            (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1)),
            (Some(first), None) if last.trim().is_empty() => (first, octets),
            (None, Some(suffix)) if first.trim().is_empty() => {
                (octets.saturating_sub(suffix), if suffix == 0 { 0 } else { octets })
            }
            _ => return Self::Whole,
        };
        let end = end.min(octets);
        if start < end { Self::Part(start, end) } else { Self::Beyond }
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
