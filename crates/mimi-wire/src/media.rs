//! Media types and `ApplicationFraming` (MLSX-8).

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
