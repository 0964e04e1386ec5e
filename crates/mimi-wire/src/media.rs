//! Media types and `ApplicationFraming` (mls-extensions-10 section 6.2, MLSX-8; content-08 section 7).
//!
//! ```
//! use mimi_wire::Wire;
//! use mimi_wire::media::{ApplicationFraming, MIMI_CONTENT, MediaType, MediaTypeList};
//!
//! // What a group requires, and what the leaf of a client says it can receive.
//! let required = MediaTypeList(vec![MediaType::new(MIMI_CONTENT)]);
//! let own = MediaTypeList(vec![MediaType::new("image/png"), MediaType::new(MIMI_CONTENT)]);
//! assert!(own.missing(&required).is_empty());
//!
//! // An empty type stands for the group's first.
//! let framed = ApplicationFraming::decode(&[0, 0, 2, 7, 7])?;
//! assert_eq!(required.type_of(&framed), Some(&MediaType::new(MIMI_CONTENT)));
//! # Ok::<(), mimi_wire::Malformed>(())
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};

/// `application/mimi-content`.
pub const MIMI_CONTENT: &str = "application/mimi-content";
/// `application/mimi-message-status`.
pub const MIMI_MESSAGE_STATUS: &str = "application/mimi-message-status";

/// `MediaType` of mls-extensions: a type and its parameters.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MediaType {
    /// E.g. `text/plain`; empty means the group's first (MLSX-8).
    pub media_type: String,
    /// Name and value.
    pub parameters: Vec<(String, String)>,
}

/// `MediaTypeList`, the content of component `content_media_types`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MediaTypeList(pub Vec<MediaType>);

/// `ApplicationFraming`: what `application_data` holds where `content_media_types` is in the group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApplicationFraming {
    /// Type of the content.
    pub media_type: MediaType,
    /// The content.
    pub inner_application_content: Vec<u8>,
}

impl MediaTypeList {
    /// The types of a group that a client with this list cannot receive: only one without any may
    /// be added (MLSX-8). Types compare as [`MediaType::covers`] says (AMB-CNT-19).
    pub fn missing<'a>(&self, required: &'a Self) -> Vec<&'a MediaType> {
        let has = |required: &MediaType| self.0.iter().any(|own| own.covers(required));
        required.0.iter().filter(|required| !has(required)).collect()
    }

    /// The type of framed content: the one it names, or the group's first (MLSX-8).
    pub fn type_of<'a>(&'a self, framing: &'a ApplicationFraming) -> Option<&'a MediaType> {
        match framing.media_type.media_type.is_empty() {
            true => self.0.first(),
            false => Some(&framing.media_type),
        }
    }
}

impl MediaType {
    /// A type without parameters.
    pub fn new(media_type: &str) -> Self {
        Self { media_type: media_type.to_owned(), parameters: Vec::new() }
    }

    /// Whether what is said of this type holds for the other: the same type, and the same
    /// parameters unless this one has none (POLICY-AS-2).
    pub fn covers(&self, other: &Self) -> bool {
        let (own, other) = (ContentType::from(self), ContentType::from(other));
        let is_general = own.parameters.is_empty();
        let (own, other) = (own.without_defaults(), other.without_defaults());
        own.essence == other.essence && (is_general || own.parameters == other.parameters)
    }
}

/// A `contentType` for comparison: types and names of parameters in lower case, parameters as a
/// set (AMB-CNT-19).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentType {
    /// `type/subtype`.
    pub essence: String,
    /// Value by name, without quotes.
    pub parameters: BTreeMap<String, String>,
}

impl ContentType {
    /// Takes a type apart, leniently: unknown or odd types are not malicious (CONTENT-SEC-2).
    pub fn parse(content_type: &str) -> Self {
        let mut pieces = pieces(content_type).into_iter();
        let essence = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let parameters = pieces
            .map(|piece| {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                parameter(name.trim(), unquoted(value.trim()))
            })
            .filter(|(name, _)| !name.is_empty())
            .collect();
        Self { essence, parameters }
    }

    /// Without the parameters that say what goes without saying: UTF-8 of texts, and our variant of
    /// Markdown (AMB-CNT-19).
    fn without_defaults(mut self) -> Self {
        let mut forget = |name: &str, default: &str| {
            if self.parameters.get(name).is_some_and(|value| value == default) {
                self.parameters.remove(name);
            }
        };
        if self.essence.starts_with("text/") {
            forget("charset", "utf-8");
        }
        if self.essence == "text/markdown" {
            forget("variant", "gfm-mimi");
        }
        self
    }

    /// `image` of `image/png`.
    pub fn top_level(&self) -> &str {
        self.essence.split('/').next().unwrap_or_default()
    }

    /// How its content is to be read, if it is text that everyone must know or should know
    /// (CONTENT-MT-1).
    pub fn text_format(&self) -> Option<TextFormat> {
        let charset = self.parameters.get("charset").map_or("utf-8", String::as_str);
        let is_utf_8 =
            ["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known));
        let variant = self.parameters.get("variant").map_or("GFM-MIMI", String::as_str);
        match self.essence.as_str() {
            _ if !is_utf_8 => None,
            "text/plain" => Some(TextFormat::Plain),
            "text/html" => Some(TextFormat::Html),
            // Without a variant as with ours; others are not known (AMB-CNT-19).
            "text/markdown" if variant.eq_ignore_ascii_case("GFM-MIMI") => {
                Some(TextFormat::GfmMimi)
            }
            "text/markdown" if variant.eq_ignore_ascii_case("CommonMark") => {
                Some(TextFormat::CommonMark)
            }
            _ => None,
        }
    }
}

/// Texts of [`ContentType::text_format`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TextFormat {
    /// `text/plain;charset=utf-8`.
    Plain,
    /// `text/markdown;variant=GFM-MIMI`.
    GfmMimi,
    /// `text/markdown;variant=CommonMark`.
    CommonMark,
    /// `text/html`.
    Html,
}

impl From<&MediaType> for ContentType {
    fn from(media_type: &MediaType) -> Self {
        let mut content_type = Self::parse(&media_type.media_type);
        let parameters = media_type.parameters.iter();
        content_type
            .parameters
            .extend(parameters.map(|(name, value)| parameter(name, value.clone())));
        content_type
    }
}

/// A parameter for comparison. Names have no case; nor have the values of those that name a
/// character set (RFC 2978) or a variant of Markdown (RFC 7763).
fn parameter(name: &str, value: String) -> (String, String) {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "charset" | "variant" => (name, value.to_ascii_lowercase()),
        _ => (name, value),
    }
}

/// What semicolons outside of quotes part, trimmed.
fn pieces(content_type: &str) -> Vec<&str> {
    let mut quoted = false;
    let mut escaped = false;
    content_type
        .split(|character| {
            let parts = character == ';' && !quoted;
            if character == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && character == '\\' && !escaped;
            parts
        })
        .map(str::trim)
        .collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    text
}

impl Wire for MediaType {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            media_type: reader.text(TEXT_OCTETS_MAX, "MediaType.type")?,
            parameters: reader.vector(LIST_ELEMENTS_MAX, "MediaType.parameters", |reader| {
                let name = reader.text(TEXT_OCTETS_MAX, "Parameter.parameter_name")?;
                let value = reader.text(TEXT_OCTETS_MAX, "Parameter.parameter_value")?;
                Ok((name, value))
            })?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(self.media_type.as_bytes());
        writer.vector(&self.parameters, |writer, (name, value)| {
            writer.opaque(name.as_bytes());
            writer.opaque(value.as_bytes());
        });
    }
}

impl Wire for MediaTypeList {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "MediaTypeList.media_type_list";
        let start = reader.clone();
        let types = reader.vector(LIST_ELEMENTS_MAX, field, MediaType::read)?;
        if types.is_empty() {
            return Err(start.malformed(field, "must contain at least one media type"));
        }
        Ok(Self(types))
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.0, |writer, media_type| media_type.write(writer));
    }
}

impl Wire for ApplicationFraming {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "ApplicationFraming.inner_application_content";
        Ok(Self {
            media_type: MediaType::read(reader)?,
            inner_application_content: reader.opaque(APPLICATION_BODY_OCTETS_MAX, field)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.media_type.write(writer);
        writer.opaque(&self.inner_application_content);
    }
}

#[cfg(test)]
mod tests;
