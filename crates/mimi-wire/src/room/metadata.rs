//! Component 0x0023, `room_metadata` (protocol section 7.6). The update format is the data format.

use serde::{Deserialize, Serialize};

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
