//! What a decoder read, where, and under which name: the material of [`inspect`](crate::inspect).
//!
//! The decoders themselves leave the trace, so what is shown is what was decoded, and there is no
//! second description of any format to keep in step.

use std::cell::RefCell;

use crate::codec::Malformed;

/// What a stretch of octets is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A big-endian integer.
    Number,
    /// One octet, 0 or 1.
    Boolean,
    /// Octets of a fixed number.
    Fixed,
    /// A length prefix and octets.
    Opaque,
    /// A length prefix and elements.
    Vector,
    /// One element of a vector.
    Element,
    /// A presence octet and perhaps a value.
    Optional,
    /// An object of MLS.
    Mls,
    /// A CBOR item without items of its own, or the head of one that has some.
    Cbor,
    /// A CBOR item with all its items.
    CborGroup,
}

/// A stretch of octets that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) field: &'static str,
    pub(crate) kind: Kind,
}

/// Records in the order of their first octet, a group before what is in it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    records: RefCell<Vec<Record>>,
    /// The first value that is well formed and makes no sense (CONTENT-SEC-1).
    nonsense: RefCell<Option<Malformed>>,
}

/// A group whose end is not known yet.
#[must_use]
pub(crate) struct Open(usize);

impl Kind {
    fn is_group(self) -> bool {
        matches!(self, Self::Vector | Self::Element | Self::Optional | Self::CborGroup)
    }
}

impl Trace {
    /// Adds a record. What was read before at the same place, by a check or by a reading that did
    /// not succeed, is forgotten.
    pub(crate) fn record(&self, record: Record) {
        let mut records = self.records.borrow_mut();
        while let Some(last) = records.last() {
            let contains = last.kind.is_group() && last.end >= record.end;
            if last.start < record.start || contains {
                break;
            }
            records.pop();
        }
        records.push(record);
    }

    /// Begins a group.
    pub(crate) fn open(&self, start: usize, field: &'static str, kind: Kind) -> Open {
        self.record(Record { start, end: usize::MAX, field, kind });
        Open(self.records.borrow().len() - 1)
    }

    /// Ends a group; with none if it could not be read.
    pub(crate) fn close(&self, open: Open, end: Option<usize>) {
        let mut records = self.records.borrow_mut();
        match end {
            Some(end) => records[open.0].end = end,
            None => records.truncate(open.0),
        }
    }

    /// Remembers the first value that makes no sense.
    pub(crate) fn note_nonsense(&self, fault: Malformed) {
        self.nonsense.borrow_mut().get_or_insert(fault);
    }

    /// The first value that makes no sense.
    pub(crate) fn nonsense(&self) -> Option<Malformed> {
        self.nonsense.borrow().clone()
    }

    /// All records.
    pub(crate) fn into_records(self) -> Vec<Record> {
        self.records.into_inner()
    }
}
