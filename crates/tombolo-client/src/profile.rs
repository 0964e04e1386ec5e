//! What a user lets others know and find of itself, and whom one finds (protocol section 5.8).

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

/// What a user says of itself.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Profile {
    /// Whether the user can be found at all.
    pub findability: Findability,
    /// In the user's order; a name may stand there more than once.
    pub fields: Vec<ProfileField>,
}

/// Whether a user can be found at all.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Findability {
    /// Not even by an exact handle.
    #[default]
    Hidden,
    /// As the fields say.
    Findable,
}

/// One field of the own profile.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProfileField {
    /// Where its name is from.
    pub source: FieldSource,
    /// Its name, e.g. `email` or `ORG`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// How it may be searched.
    pub searchability: Searchability,
    /// Whether who finds the user sees it.
    pub visibility: Visibility,
}

/// Where a field's name is from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldSource {
    /// The standard claims of OpenID Connect; handle, nick, e-mail and phone are
    /// `preferred_username`, `nickname`, `email` and `phone_number`.
    OidcStdClaim,
    /// The properties of vCards.
    VcardField,
}

/// How a field may be searched.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Searchability {
    /// Not at all.
    #[default]
    NotFindable,
    /// By who knows the whole value.
    ExactOnly,
    /// Also by a part of it.
    Searchable,
}

/// Whether a field is shown to who finds the user.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// No.
    #[default]
    Concealed,
    /// Yes.
    Shown,
}

/// A user who was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundUser {
    /// The user.
    pub user: MimiUri,
    /// What it shows: names and values. Nobody but its provider vouches for them.
    pub fields: Vec<(String, String)>,
}
