//! Component 0x0023, `room_metadata` (protocol-06 section 7.6). The update format is the data format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX, TEXT_OCTETS_MAX};
use crate::uri::MimiUri;

/// `RichDescription`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RichDescription {
    /// Empty for `text/plain;charset=utf-8`.
    pub media_type: String,
    /// RFC 5646 tag or empty.
    pub language_tag: String,
    /// The description.
    pub description_content: Vec<u8>,
}

/// `RoomMetaData`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RoomMetadata {
    /// The room; never changes after creation (AMB-RM-1).
    pub room_uri: MimiUri,
    /// UTF-8 without NUL, as all texts here.
    pub room_name: String,
    /// In several languages or formats.
    pub room_descriptions: Vec<RichDescription>,
    /// An https URI or empty (PROTO-RM-2).
    pub room_avatar: String,
    /// The subject.
    pub room_subject: String,
    /// The mood.
    pub room_mood: String,
}

impl Wire for RichDescription {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            media_type: reader.text(TEXT_OCTETS_MAX, "RichDescription.media_type")?,
            language_tag: reader.text(TEXT_OCTETS_MAX, "RichDescription.language_tag")?,
            description_content: reader
                .opaque(OPAQUE_OCTETS_MAX, "RichDescription.description_content")?
                .to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(self.media_type.as_bytes());
        writer.opaque(self.language_tag.as_bytes());
        writer.opaque(&self.description_content);
    }
}

impl Wire for RoomMetadata {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            room_uri: MimiUri::read_field(reader, "RoomMetaData.room_uri")?,
            room_name: read_utf8_string(reader, "RoomMetaData.room_name")?,
            room_descriptions: reader.vector(
                LIST_ELEMENTS_MAX,
                "RoomMetaData.room_descriptions",
                RichDescription::read,
            )?,
            room_avatar: read_avatar(reader)?,
            room_subject: read_utf8_string(reader, "RoomMetaData.room_subject")?,
            room_mood: read_utf8_string(reader, "RoomMetaData.room_mood")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.room_uri.write(writer);
        writer.opaque(self.room_name.as_bytes());
        writer.vector(&self.room_descriptions, |writer, description| description.write(writer));
        writer.opaque(self.room_avatar.as_bytes());
        writer.opaque(self.room_subject.as_bytes());
        writer.opaque(self.room_mood.as_bytes());
    }
}

/// `UTF8String`: no NUL inside.
fn read_utf8_string(reader: &mut Reader<'_>, field: &'static str) -> Result<String, Malformed> {
    let start = reader.clone();
    let text = reader.text(TEXT_OCTETS_MAX, field)?;
    if text.contains('\0') {
        return Err(start.malformed(field, "holds a NUL"));
    }
    Ok(text)
}

/// Clients fetch the avatar, so it must be https or nothing (PROTO-RM-2, AMB-RM-1).
fn read_avatar(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let field = "RoomMetaData.room_avatar";
    let start = reader.clone();
    let text = reader.text(TEXT_OCTETS_MAX, field)?;
    let is_uri = || text.bytes().all(|octet| octet.is_ascii_graphic());
    let names_host = || {
        let rest = text.strip_prefix("https://").unwrap_or_default();
        !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':'])
    };
    if text.is_empty() || (names_host() && is_uri()) {
        return Ok(text);
    }
    Err(start.malformed(field, "neither empty nor an https URI"))
}
