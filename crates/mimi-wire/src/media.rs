//! Media types and `ApplicationFraming` (MLSX-8).

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};

/// `application/mimi-content`.
pub const MIMI_CONTENT: &str = "application/mimi-content";
/// `application/mimi-message-status`.
pub const MIMI_MESSAGE_STATUS: &str = "application/mimi-message-status";

/// `MediaType` of mls-extensions: a type and its parameters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
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

impl MediaType {
    /// A type without parameters.
    pub fn new(media_type: &str) -> Self {
        Self { media_type: media_type.to_owned(), parameters: Vec::new() }
    }
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
