//! `Optionality` and `Uri`, which the policy components share (room-policy-03 section 6).

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{LIST_ELEMENTS_MAX, URI_OCTETS_MAX};

/// `Optionality`; what the drafts call mandatory is `required` (AMB-POL-1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[repr(u8)]
pub enum Optionality {
    /// `optional(0)`, also where the component is missing (AMB-POL-38).
    #[default]
    Optional = 0,
    /// `required(1)`.
    Required = 1,
    /// `forbidden(2)`.
    Forbidden = 2,
}

impl Optionality {
    pub(super) fn read_field(
        reader: &mut Reader<'_>,
        field: &'static str,
    ) -> Result<Self, Malformed> {
        let start = reader.clone();
        match reader.u8(field)? {
            0 => Ok(Self::Optional),
            1 => Ok(Self::Required),
            2 => Ok(Self::Forbidden),
            other => Err(start.malformed(field, format!("unknown optionality {other}"))),
        }
    }
}

impl Wire for Optionality {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::read_field(reader, "Optionality")
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(*self as u8);
    }
}

/// A setting of which something is told unless it is forbidden. Absent exactly when forbidden.
pub(super) fn read_unless_forbidden<T>(
    reader: &mut Reader<'_>,
    field: &'static str,
    read: impl FnOnce(&mut Reader<'_>, Optionality) -> Result<T, Malformed>,
) -> Result<Conditional<T>, Malformed> {
    match Optionality::read_field(reader, field)? {
        Optionality::Optional => read(reader, Optionality::Optional).map(Conditional::Optional),
        Optionality::Required => read(reader, Optionality::Required).map(Conditional::Required),
        Optionality::Forbidden => Ok(Conditional::Forbidden),
    }
}

/// An [`Optionality`] with what the drafts select by it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Conditional<T> {
    /// `optional(0)`.
    Optional(T),
    /// `required(1)`.
    Required(T),
    /// `forbidden(2)`: nothing more is said.
    Forbidden,
}

impl<T> Conditional<T> {
    /// Which of the three.
    pub fn optionality(&self) -> Optionality {
        match self {
            Self::Optional(_) => Optionality::Optional,
            Self::Required(_) => Optionality::Required,
            Self::Forbidden => Optionality::Forbidden,
        }
    }

    /// What is told, unless forbidden.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Optional(value) | Self::Required(value) => Some(value),
            Self::Forbidden => None,
        }
    }

    pub(super) fn write_with(&self, writer: &mut Writer, write: impl FnOnce(&mut Writer, &T)) {
        self.optionality().write(writer);
        if let Some(value) = self.value() {
            write(writer, value);
        }
    }
}

/// `Uri`, of any scheme; empty where there is none.
pub(super) fn read_uri(reader: &mut Reader<'_>, field: &'static str) -> Result<String, Malformed> {
    let start = reader.clone();
    let uri = reader.text(URI_OCTETS_MAX, field)?;
    // RFC 3986 knows only visible ASCII.
    if !uri.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(start.malformed(field, "not a URI: only visible ASCII characters are allowed"));
    }
    Ok(uri)
}

/// `Uri x<V>`.
pub(super) fn read_uris(
    reader: &mut Reader<'_>,
    max: usize,
    field: &'static str,
) -> Result<Vec<String>, Malformed> {
    reader.vector(max, field, |reader| read_uri(reader, field))
}

/// `uint32 x<V>`.
pub(super) fn read_u32s(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<Vec<u32>, Malformed> {
    reader.vector(LIST_ELEMENTS_MAX, field, |reader| reader.u32(field))
}

pub(super) fn write_texts(writer: &mut Writer, texts: &[String]) {
    writer.vector(texts, |writer, text| writer.opaque(text.as_bytes()));
}
