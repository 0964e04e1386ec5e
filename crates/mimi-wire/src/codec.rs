//! The TLS presentation language as MIMI uses it (WIRE-1..3): a reader that names the field and the
//! offset of every fault, and a writer.

use thiserror::Error;

use crate::limits::HANDSHAKE_BODY_OCTETS_MAX;
use crate::trace::{Kind, Record, Trace};

/// Why octets are not what they claim to be, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field} at offset {offset}: {reason}")]
pub struct Malformed {
    /// Offset into the outermost octets handed to the decoder.
    pub offset: usize,
    /// Dotted name of the field in the draft's own terms, e.g. `KeyMaterialRequest.targetUser`.
    pub field: &'static str,
    /// What is wrong, for a person.
    pub reason: String,
}

/// A structure with one encoding. `decode` consumes the octets exactly (WIRE-6).
pub trait Wire: Sized {
    /// Octets of the largest whole value that [`decode`](Self::decode) looks at.
    const OCTETS_MAX: usize = HANDSHAKE_BODY_OCTETS_MAX;

    /// Reads one value at the reader's position.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
    /// Appends the value's octets.
    fn write(&self, writer: &mut Writer);

    /// Decodes a whole body; trailing octets are malformed (WIRE-6).
    fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        Self::decode_from(Reader::new(octets))
    }

    /// As [`decode`](Self::decode), from a reader that stands at the start of its octets.
    #[doc(hidden)]
    fn decode_from(mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let octets = reader.rest();
        if octets.len() > Self::OCTETS_MAX {
            let reason = format!("{} octets, at most {} allowed", octets.len(), Self::OCTETS_MAX);
            return Err(reader.malformed("body", reason));
        }
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// The value's octets.
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.into_octets()
    }
}

/// A position in received octets.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    octets: &'a [u8],
    position: usize,
    /// Offset of `octets[0]` in the outermost input.
    base: usize,
    /// Told of everything read, where someone wants to know.
    trace: Option<&'a Trace>,
}

/// Octets being written.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    octets: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `octets`.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { octets, position: 0, base: 0, trace: None }
    }

    /// Reads `octets`, which begin at `base` of the outermost input, and tells `trace` of
    /// everything.
    pub(crate) fn traced(octets: &'a [u8], base: usize, trace: &'a Trace) -> Self {
        Self { octets, position: 0, base, trace: Some(trace) }
    }

    /// The same position, for looking ahead: no trace is told of what is read there.
    pub(crate) fn untraced(&self) -> Self {
        Self { trace: None, ..self.clone() }
    }

    /// Tells the trace what was read from `start` on.
    fn note(&self, start: usize, field: &'static str, kind: Kind) {
        if let Some(trace) = self.trace {
            trace.record(Record { start, end: self.offset(), field, kind });
        }
    }

    /// Reads a group of fields.
    fn group<T>(
        &mut self,
        field: &'static str,
        kind: Kind,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let Some(trace) = self.trace else { return read(self) };
        let open = trace.open(self.offset(), field, kind);
        let value = read(self);
        trace.close(open, value.is_ok().then(|| self.offset()));
        value
    }

    /// Offset of the next octet in the outermost input.
    pub fn offset(&self) -> usize {
        self.base + self.position
    }

    /// What is left, without consuming it.
    pub fn rest(&self) -> &'a [u8] {
        &self.octets[self.position..]
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Fails if anything is left (WIRE-6).
    pub fn finish(&self) -> Result<(), Malformed> {
        match self.rest().len() {
            0 => Ok(()),
            left => Err(self.malformed("end", format!("{left} octets after the end"))),
        }
    }

    /// A fault at the current position.
    pub fn malformed(&self, field: &'static str, reason: impl Into<String>) -> Malformed {
        Malformed { offset: self.offset(), field, reason: reason.into() }
    }

    /// The next `count` octets.
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let rest = self.rest();
        if count > rest.len() {
            let reason = format!("needs {count} octets, {} are left", rest.len());
            return Err(self.malformed(field, reason));
        }
        self.position += count;
        Ok(&rest[..count])
    }

    /// A fixed array of octets.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        self.fixed(field, Kind::Fixed)
    }

    /// So many octets, as one field.
    pub(crate) fn octets(
        &mut self,
        count: usize,
        field: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        let start = self.offset();
        let octets = self.take(count, field)?;
        self.note(start, field, Kind::Fixed);
        Ok(octets)
    }

    fn fixed<const N: usize>(
        &mut self,
        field: &'static str,
        kind: Kind,
    ) -> Result<[u8; N], Malformed> {
        let start = self.offset();
        let octets = self.take(N, field)?;
        self.note(start, field, kind);
        Ok(octets.try_into().expect("take returned N octets"))
    }

    /// An unsigned integer of one octet.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        Ok(self.fixed::<1>(field, Kind::Number)?[0])
    }

    /// An unsigned integer of two octets.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.fixed(field, Kind::Number)?))
    }

    /// An unsigned integer of four octets.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.fixed(field, Kind::Number)?))
    }

    /// An unsigned integer of eight octets.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.fixed(field, Kind::Number)?))
    }

    /// A length prefix of a variable vector: RFC 9420 section 2.1.2, shortest form only (WIRE-1).
    pub fn length(&mut self, field: &'static str) -> Result<usize, Malformed> {
        let start = self.clone();
        let first = self.take(1, field)?[0];
        let (extra, mut value) = match first >> 6 {
            0 => (0, usize::from(first)),
            1 => (1, usize::from(first & 0x3f)),
            2 => (3, usize::from(first & 0x3f)),
            _ => return Err(start.malformed(field, "a length prefix of 8 octets is not allowed")),
        };
        for _ in 0..extra {
            value = value << 8 | usize::from(self.take(1, field)?[0]);
        }
        let least = match extra {
            0 => 0,
            1 => 0x40,
            _ => 0x4000,
        };
        if value < least {
            return Err(start.malformed(field, "the length prefix is not in its shortest form"));
        }
        Ok(value)
    }

    /// `opaque x<V>` of at most `max` octets.
    pub fn opaque(&mut self, max: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let start = self.clone();
        let length = self.length(field)?;
        if length > max {
            return Err(start.malformed(field, format!("{length} octets, at most {max} allowed")));
        }
        let octets = self.take(length, field)?;
        self.note(start.offset(), field, Kind::Opaque);
        Ok(octets)
    }

    /// `opaque x<V>` that holds UTF-8 of at most `max` octets.
    pub fn text(&mut self, max: usize, field: &'static str) -> Result<String, Malformed> {
        let start = self.clone();
        let octets = self.opaque(max, field)?;
        match std::str::from_utf8(octets) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(start.malformed(field, "not valid UTF-8")),
        }
    }

    /// `T x<V>` with at most `max` elements; `element` reads one.
    pub fn vector<T>(
        &mut self,
        max: usize,
        field: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let start = self.clone();
        let mut inner = self.nested(field)?;
        let mut elements = Vec::new();
        while !inner.is_empty() {
            if elements.len() == max {
                return Err(start.malformed(field, format!("more than {max} elements")));
            }
            let value = inner.group(field, Kind::Element, &mut element)?;
            if elements.is_empty() {
                // Most lists are short, and the room a vector makes by itself is for four.
                elements.reserve_exact(1);
            }
            elements.push(value);
        }
        Ok(elements)
    }

    /// A reader over the body of the next variable vector, keeping true offsets.
    pub fn nested(&mut self, field: &'static str) -> Result<Self, Malformed> {
        let start = self.offset();
        let length = self.length(field)?;
        let base = self.offset();
        let octets = self.take(length, field)?;
        self.note(start, field, Kind::Vector);
        Ok(Self { octets, position: 0, base, trace: self.trace })
    }

    /// One MLS object, whose own structure tells its extent, parsed by the MLS library.
    ///
    /// The library never allocates by an unchecked length (tls_codec reads in bounded pieces).
    pub fn mls<T: tls_codec::Deserialize>(
        &mut self,
        field: &'static str,
    ) -> Result<(&'a [u8], T), Malformed> {
        let start = self.offset();
        let octets = self.rest();
        let mut left = octets;
        match T::tls_deserialize(&mut left) {
            Ok(parsed) => {
                let octets = self.take(octets.len() - left.len(), field)?;
                self.note(start, field, Kind::Mls);
                Ok((octets, parsed))
            }
            Err(error) => Err(self.malformed(field, not_valid_mls(&error))),
        }
    }

    /// So many octets of an MLS object that were found to be sound.
    pub(crate) fn mls_octets(
        &mut self,
        count: usize,
        field: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        let start = self.offset();
        let octets = self.take(count, field)?;
        self.note(start, field, Kind::Mls);
        Ok(octets)
    }

    /// A one-octet boolean (AMB-W-7).
    pub fn boolean(&mut self, field: &'static str) -> Result<bool, Malformed> {
        let start = self.clone();
        match self.fixed::<1>(field, Kind::Boolean)?[0] {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(start.malformed(field, format!("boolean {other}, must be 0 or 1"))),
        }
    }

    /// `optional<uint32>`.
    pub fn optional_u32(&mut self, field: &'static str) -> Result<Option<u32>, Malformed> {
        self.optional(field, |reader| reader.u32(field))
    }

    /// `optional<T>` (WIRE-2).
    pub fn optional<T>(
        &mut self,
        field: &'static str,
        value: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let start = self.clone();
        self.group(field, Kind::Optional, |reader| match reader.take(1, field)?[0] {
            0 => Ok(None),
            1 => value(reader).map(Some),
            other => Err(start.malformed(field, format!("presence octet {other}, must be 0 or 1"))),
        })
    }
}

impl Writer {
    /// The octets written so far.
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// Appends octets as they are.
    pub fn raw(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// Appends an integer of one octet.
    pub fn u8(&mut self, value: u8) {
        self.octets.push(value);
    }

    /// Appends an integer of two octets.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    /// Appends an integer of four octets.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    /// Appends an integer of eight octets.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    /// Appends `opaque x<V>`.
    ///
    /// # Panics
    /// Above 2^30 - 1 octets, which no limit of this crate lets a value reach.
    pub fn opaque(&mut self, octets: &[u8]) {
        let length = u32::try_from(octets.len()).expect("bounded by the limits of this crate");
        match length {
            0..=0x3f => self.u8(u8::try_from(length).expect("at most 0x3f")),
            0x40..=0x3fff => self.u16(u16::try_from(length).expect("at most 0x3fff") | 0x4000),
            0x4000..=0x3fff_ffff => self.u32(length | 0x8000_0000),
            _ => panic!("a vector of {length} octets has no length prefix"),
        }
        self.raw(octets);
    }

    /// Appends `T x<V>`; `element` writes one.
    pub fn vector<T>(&mut self, elements: &[T], mut element: impl FnMut(&mut Self, &T)) {
        let mut body = Self::default();
        for value in elements {
            element(&mut body, value);
        }
        self.opaque(&body.octets);
    }

    /// Appends a one-octet boolean (AMB-W-7).
    pub fn boolean(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Appends `optional<uint32>`.
    pub fn optional_u32(&mut self, value: Option<u32>) {
        self.optional(value.as_ref(), |writer, value| writer.u32(*value));
    }

    /// Appends `optional<T>` (WIRE-2).
    pub fn optional<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                write(self, value);
            }
        }
    }
}

/// Why an MLS object cannot be decoded, in words that do not name the library's own.
fn not_valid_mls(error: &tls_codec::Error) -> String {
    match error {
        tls_codec::Error::EndOfStream => "not valid MLS: it ends too early".to_owned(),
        tls_codec::Error::InvalidVectorLength => "not valid MLS: a wrong length".to_owned(),
        tls_codec::Error::UnknownValue(value) => format!("not valid MLS: unknown value {value}"),
        _ => "not valid MLS".to_owned(),
    }
}

#[cfg(test)]
mod tests;
