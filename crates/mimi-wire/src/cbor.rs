//! CBOR of RFC 8949 section 4.2.1 only: one encoding per value, within the data model of the
//! content draft (CONTENT-ENC-1, CONTENT-DM-1, CONTENT-DEP-1, AMB-CNT-5).

use std::collections::BTreeSet;

use minicbor::Decoder;
use minicbor::data::Type;

use crate::codec::Malformed;
use crate::trace::{Kind, Open, Record, Trace};

/// Largest absolute value of an integer key: a double float holds it exactly.
pub(crate) const INTEGER_KEY_MAX: i64 = (1 << 53) - 1;

/// Which order of a map's keys is accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyOrder {
    /// Bytewise order of the encoded keys, as must be sent.
    Sorted,
    /// Any, for senders that keep the order of insertion.
    Any,
}

/// A decoder that accepts shortest forms and definite lengths only.
pub(crate) struct StrictDecoder<'a> {
    decoder: Decoder<'a>,
    order: KeyOrder,
    /// Told of everything read, where someone wants to know.
    trace: Option<&'a Trace>,
}

/// The keys of one map so far.
pub(crate) struct Keys<'a> {
    last: Option<&'a [u8]>,
    seen: BTreeSet<&'a [u8]>,
}

impl<'a> StrictDecoder<'a> {
    pub(crate) fn new(octets: &'a [u8], order: KeyOrder) -> Self {
        Self { decoder: Decoder::new(octets), order, trace: None }
    }

    /// As [`new`](Self::new), and tells `trace` of everything.
    pub(crate) fn traced(octets: &'a [u8], order: KeyOrder, trace: &'a Trace) -> Self {
        Self { decoder: Decoder::new(octets), order, trace: Some(trace) }
    }

    /// Begins an item that has items of its own.
    pub(crate) fn open(&self, field: &'static str) -> Option<Open> {
        self.trace.map(|trace| trace.open(self.position(), field, Kind::CborGroup))
    }

    /// Ends it.
    pub(crate) fn close(&self, open: Option<Open>) {
        if let (Some(trace), Some(open)) = (self.trace, open) {
            trace.close(open, Some(self.position()));
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.decoder.position()
    }

    /// The octets from `start` to the current position.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.decoder.input()[start..self.position()]
    }

    /// Fails if anything is left.
    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        match self.decoder.input().len() - self.position() {
            0 => Ok(()),
            left => Err(malformed(self.position(), "end", format!("{left} octets after the end"))),
        }
    }

    /// Type of the next item.
    pub(crate) fn datatype(&self, field: &'static str) -> Result<Type, Malformed> {
        self.decoder.datatype().map_err(|error| malformed(self.position(), field, error))
    }

    pub(crate) fn boolean(&mut self, field: &'static str) -> Result<bool, Malformed> {
        self.simply(field, Decoder::bool)
    }

    /// True if the next item is null, which is then consumed.
    pub(crate) fn null(&mut self, field: &'static str) -> Result<bool, Malformed> {
        if self.datatype(field)? != Type::Null {
            return Ok(false);
        }
        self.simply(field, Decoder::null)?;
        Ok(true)
    }

    /// An unsigned integer of at most `max`.
    pub(crate) fn unsigned<T: TryFrom<u64>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, Malformed> {
        let start = self.position();
        let value = self.simply(field, Decoder::u64)?;
        self.check_head(start, value, 0, field)?;
        let too_large = |_| malformed(start, field, format!("{value} is too large"));
        T::try_from(value).map_err(too_large)
    }

    /// Any integer.
    pub(crate) fn integer(&mut self, field: &'static str) -> Result<i128, Malformed> {
        let start = self.position();
        let value = i128::from(self.simply(field, Decoder::int)?);
        let argument = if value < 0 { -1 - value } else { value };
        let argument = u64::try_from(argument).expect("CBOR integers have 64 bits and a sign");
        self.check_head(start, argument, 0, field)?;
        Ok(value)
    }

    /// An integer that may be a map's key.
    pub(crate) fn integer_key(&mut self, field: &'static str) -> Result<i64, Malformed> {
        let start = self.position();
        let value = self.integer(field)?;
        let key = i64::try_from(value).ok().filter(|key| key.abs() <= INTEGER_KEY_MAX);
        key.ok_or_else(|| malformed(start, field, format!("key {value} is beyond 2^53 - 1")))
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let start = self.position();
        let value = self.simply(field, Decoder::bytes)?;
        self.check_head(start, value.len() as u64, value.len(), field)?;
        Ok(value)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, Malformed> {
        let start = self.position();
        let value = self.simply(field, Decoder::str)?;
        self.check_head(start, value.len() as u64, value.len(), field)?;
        Ok(value)
    }

    /// The head of an array: its number of items.
    pub(crate) fn array(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.head(field, Decoder::array)
    }

    /// The head of an array of exactly `count` items.
    pub(crate) fn array_of(&mut self, count: u64, field: &'static str) -> Result<(), Malformed> {
        let start = self.position();
        match self.array(field)? {
            found if found == count => Ok(()),
            found => Err(malformed(start, field, format!("{found} items, must be {count}"))),
        }
    }

    /// Exactly `N` octets.
    pub(crate) fn octets<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], Malformed> {
        let start = self.position();
        let octets = self.bytes(field)?;
        octets
            .try_into()
            .map_err(|_| malformed(start, field, format!("{} octets, must be {N}", octets.len())))
    }

    /// A tag; its content follows.
    pub(crate) fn tag(&mut self, field: &'static str) -> Result<u64, Malformed> {
        let start = self.position();
        let tag = self.simply(field, Decoder::tag)?.as_u64();
        self.check_head(start, tag, 0, field)?;
        Ok(tag)
    }

    /// The head of a map: its number of pairs.
    pub(crate) fn map(&mut self, field: &'static str) -> Result<(u64, Keys<'a>), Malformed> {
        let count = self.head(field, Decoder::map)?;
        Ok((count, Keys { last: None, seen: BTreeSet::new() }))
    }

    /// Checks the place of the key that was read from `start` on.
    pub(crate) fn check_key(
        &self,
        keys: &mut Keys<'a>,
        start: usize,
        field: &'static str,
    ) -> Result<(), Malformed> {
        let key = self.since(start);
        let fault = match self.order {
            KeyOrder::Sorted if keys.last.is_some_and(|last| last >= key) => {
                "keys must ascend bytewise, each once"
            }
            KeyOrder::Any if !keys.seen.insert(key) => "the key is there twice",
            _ => {
                keys.last = Some(key);
                return Ok(());
            }
        };
        Err(malformed(start, field, fault))
    }

    /// Any item of the data model, of which at most `levels` of tags, maps and arrays are nested.
    pub(crate) fn item(&mut self, levels: u32, field: &'static str) -> Result<(), Malformed> {
        let start = self.position();
        match self.datatype(field)? {
            Type::Bool => self.boolean(field).map(drop),
            Type::Null => self.simply(field, Decoder::null),
            Type::Undefined => self.simply(field, Decoder::undefined),
            Type::Simple => self.simple(field),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => self.integer(field).map(drop),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                self.integer(field).map(drop)
            }
            Type::F16 => self.float::<2>(field),
            Type::F32 => self.float::<4>(field),
            Type::F64 => self.float::<8>(field),
            Type::Bytes => self.bytes(field).map(drop),
            Type::String => self.text(field).map(drop),
            Type::Array | Type::Map | Type::Tag => match levels.checked_sub(1) {
                Some(levels) => self.container(levels, field),
                None => Err(malformed(start, field, "more than 4 levels deep (CONTENT-DEP-1)")),
            },
            other => Err(malformed(start, field, format!("{other} is not allowed"))),
        }
    }

    /// An array, a map or a tag whose content may nest `levels` more.
    fn container(&mut self, levels: u32, field: &'static str) -> Result<(), Malformed> {
        let open = self.open(field);
        self.items(levels, field)?;
        self.close(open);
        Ok(())
    }

    fn items(&mut self, levels: u32, field: &'static str) -> Result<(), Malformed> {
        match self.datatype(field)? {
            Type::Array => {
                for _ in 0..self.array(field)? {
                    self.item(levels, field)?;
                }
            }
            Type::Map => {
                let (count, mut keys) = self.map(field)?;
                for _ in 0..count {
                    let start = self.position();
                    self.nested_key(field)?;
                    self.check_key(&mut keys, start, field)?;
                    self.item(levels, field)?;
                }
            }
            _ => {
                let tag = self.tag(field)?;
                if matches!(tag, 2 | 3) {
                    return self.big_integer(field);
                }
                self.item(levels, field)?;
            }
        }
        Ok(())
    }

    /// Keys below the top level are integers, text or octets.
    fn nested_key(&mut self, field: &'static str) -> Result<(), Malformed> {
        match self.datatype(field)? {
            Type::Bytes => self.bytes(field).map(drop),
            Type::String => self.text(field).map(drop),
            _ => self.integer_key(field).map(drop),
        }
    }

    /// The content of a big integer: only what does not fit an ordinary one, without leading
    /// zeros.
    fn big_integer(&mut self, field: &'static str) -> Result<(), Malformed> {
        let start = self.position();
        let magnitude = self.bytes(field)?;
        if magnitude.len() <= 8 || magnitude[0] == 0 {
            return Err(malformed(start, field, "a big integer is not in its shortest form"));
        }
        Ok(())
    }

    /// A simple value that has no type of its own.
    fn simple(&mut self, field: &'static str) -> Result<(), Malformed> {
        let start = self.position();
        let value = self.simply(field, Decoder::simple)?;
        // Below 32 the value is in the first octet, or it is one of the types above, or reserved.
        if self.position() - start != if value < 24 { 1 } else { 2 } || (24..32).contains(&value) {
            return Err(malformed(start, field, "a simple value is not in its shortest form"));
        }
        Ok(())
    }

    /// A float in its shortest form; of the NaNs only f97e00.
    fn float<const N: usize>(&mut self, field: &'static str) -> Result<(), Malformed> {
        let start = self.position();
        let octets = self.decoder.input().get(start + 1..start + 1 + N);
        let octets: &[u8; N] = octets
            .and_then(|octets| octets.try_into().ok())
            .ok_or_else(|| malformed(start, field, "the float is cut off"))?;
        self.decoder.set_position(start + 1 + N);
        self.note(start, field);
        let (is_nan, is_shortest) = match octets.as_slice() {
            [a, b] => (is_half_nan(u16::from_be_bytes([*a, *b])), true),
            [a, b, c, d] => {
                let value = f32::from_be_bytes([*a, *b, *c, *d]);
                (value.is_nan(), !fits_half(value))
            }
            wide => {
                let wide = wide.try_into().expect("N is 2, 4 or 8");
                let value = f64::from_be_bytes(wide);
                (value.is_nan(), !fits_single(value))
            }
        };
        if is_nan && octets.as_slice() != [0x7e, 0x00] {
            return Err(malformed(start, field, "a NaN other than f97e00 (CONTENT-DM-1)"));
        }
        if !is_nan && !is_shortest {
            return Err(malformed(start, field, "a float is not in its shortest form"));
        }
        Ok(())
    }

    /// A value that is well formed and makes no sense (CONTENT-SEC-1) is a fault like any other,
    /// but to who looks closely: there the rest is read as well, for whether it is well formed.
    pub(crate) fn nonsensical(
        &self,
        offset: usize,
        field: &'static str,
        reason: impl ToString,
    ) -> Result<(), Malformed> {
        let fault = malformed(offset, field, reason);
        match self.trace {
            None => Err(fault),
            Some(trace) => {
                trace.note_nonsense(fault);
                Ok(())
            }
        }
    }

    /// As [`nonsensical`](Self::nonsensical), and whoever looks must not read on.
    pub(crate) fn hopeless(
        &self,
        offset: usize,
        field: &'static str,
        reason: impl ToString,
    ) -> Malformed {
        let fault = malformed(offset, field, reason);
        match self.trace {
            None => fault,
            Some(trace) => {
                trace.note_nonsense(fault.clone());
                trace.nonsense().unwrap_or(fault)
            }
        }
    }

    fn head(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<Option<u64>, minicbor::decode::Error>,
    ) -> Result<u64, Malformed> {
        let start = self.position();
        let Some(count) = self.simply(field, read)? else {
            return Err(malformed(start, field, "indefinite length"));
        };
        self.check_head(start, count, 0, field)?;
        Ok(count)
    }

    fn simply<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, minicbor::decode::Error>,
    ) -> Result<T, Malformed> {
        let start = self.position();
        let value = read(&mut self.decoder).map_err(|error| malformed(start, field, error))?;
        self.note(start, field);
        Ok(value)
    }

    /// Tells the trace what was read from `start` on.
    fn note(&self, start: usize, field: &'static str) {
        if let Some(trace) = self.trace {
            trace.record(Record { start, end: self.position(), field, kind: Kind::Cbor });
        }
    }

    /// Checks that the head that began at `start`, and what follows it, is as short as can be.
    fn check_head(
        &self,
        start: usize,
        argument: u64,
        following: usize,
        field: &'static str,
    ) -> Result<(), Malformed> {
        let shortest = match argument {
            0..24 => 1,
            24..0x100 => 2,
            0x100..0x1_0000 => 3,
            0x1_0000..0x1_0000_0000 => 5,
            _ => 9,
        };
        if self.position() - start == shortest + following {
            return Ok(());
        }
        Err(malformed(start, field, "not in its shortest form (CONTENT-ENC-1)"))
    }
}

/// A fault at an offset of the content.
pub(crate) fn malformed(offset: usize, field: &'static str, reason: impl ToString) -> Malformed {
    Malformed { offset, field, reason: reason.to_string() }
}

fn is_half_nan(bits: u16) -> bool {
    bits & 0x7c00 == 0x7c00 && bits & 0x03ff != 0
}

/// Whether a single float that is no NaN is also a half float.
fn fits_half(value: f32) -> bool {
    let bits = value.to_bits();
    let fraction = bits & 0x007f_ffff;
    match bits >> 23 & 0xff {
        // Zero; a subnormal single is too small for a half.
        0 => fraction == 0,
        // Infinity.
        0xff => true,
        // A normal half: 2^-14 to 2^15, 10 of the 23 bits of fraction.
        113..=142 => fraction.trailing_zeros() >= 13,
        // A subnormal half: a multiple of 2^-24.
        exponent @ 103..=112 => (fraction | 0x0080_0000).trailing_zeros() >= 126 - exponent,
        _ => false,
    }
}

/// Whether a double float that is no NaN is also a single float.
fn fits_single(value: f64) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "the comparison shows what was lost")]
    let single = value as f32;
    f64::from(single).to_bits() == value.to_bits()
}
