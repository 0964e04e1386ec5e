//! The JSON form of `tombolo policy check`, as plain structs that are read and printed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub room: Room,
    pub change: Change,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Room {
    pub roles: Roles,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preauth: Vec<PreAuthEntry>,
    #[serde(default)]
    pub participants: Vec<Participant>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Roles {
    Preset(String),
    Table(Vec<Role>),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    pub role_index: u32,
    #[serde(default)]
    pub role_name: String,
    #[serde(default)]
    pub capabilities: Vec<String>,
    #[serde(default)]
    pub minimum_participants: u32,
    pub maximum_participants: Option<u32>,
    #[serde(default)]
    pub minimum_active_participants: u32,
    pub maximum_active_participants: Option<u32>,
    #[serde(default)]
    pub authorized_role_changes: Vec<(u32, Vec<u32>)>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    #[serde(default)]
    pub fixed_membership: bool,
    #[serde(default)]
    pub parent_dependant: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_room: Option<Parent>,
    #[serde(default = "yes")]
    pub multi_device: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_clients: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_users: Option<u32>,
    #[serde(default)]
    pub pseudonyms_allowed: bool,
    #[serde(default)]
    pub persistent_room: bool,
    #[serde(default)]
    pub discoverable: bool,
    /// Empty: it says nothing of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_component_ids: Vec<u16>,
}

/// A vector of at most one parent, as the draft has it, or the one itself (AMB-POL-4).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Parent {
    Itself(String),
    Vector(Vec<String>),
}

impl Default for Base {
    /// The base policy of a room that says nothing: several devices, the rest false or none.
    fn default() -> Self {
        Self {
            fixed_membership: false,
            parent_dependant: false,
            parent_room: None,
            multi_device: true,
            max_clients: None,
            max_users: None,
            pseudonyms_allowed: false,
            persistent_room: false,
            discoverable: false,
            policy_component_ids: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreAuthEntry {
    #[serde(default)]
    pub claims: Vec<Claim>,
    pub role: u32,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    pub credential_type: u16,
    #[serde(default)]
    pub id: String,
    pub value: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Participant {
    pub user: String,
    pub role: u32,
    #[serde(default)]
    pub clients: u32,
}

/// One change by one sender.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// A user, or `external_sender`.
    pub by: String,
    pub how: How,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Participant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_role: Vec<SetRole>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_clients: Vec<AddClients>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_clients: Vec<RemoveClients>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_message: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_code: Option<JoinCode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    #[default]
    Commit,
    Proposal,
    ExternalCommit,
    Message,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetRole {
    pub user: String,
    pub role: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddClients {
    pub user: String,
    pub clients: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveClients {
    pub user: String,
    pub clients: HowMany,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum HowMany {
    Number(u32),
    All(All),
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum All {
    All,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinCode {
    pub role: u32,
    pub valid: bool,
}

/// The components a change may name.
pub(crate) const COMPONENTS: [&str; 14] = [
    "base",
    "roles",
    "preauth",
    "join_links_add",
    "join_links_remove",
    "operational",
    "status",
    "join_link",
    "link_preview",
    "asset",
    "logging",
    "history",
    "bot",
    "expiration",
];

/// A user, by name or pseudonym.
pub(crate) fn check_user(uri: &str) -> Result<(), String> {
    let right = uri.starts_with("mimi://") && (uri.contains("/u/") || uri.contains("/p/"));
    if right { Ok(()) } else { Err(format!("{uri} is no user")) }
}

/// A field of the metadata, by its name, and of its type (protocol section 7.6).
fn check_metadata(field: &str, value: &Value) -> Result<(), String> {
    let right = match field {
        "room_uri" => value.as_str().is_some_and(|uri| uri.starts_with("mimi://")),
        "room_name" | "room_avatar" | "room_subject" | "room_mood" => value.is_string(),
        "room_descriptions" => value.as_array().is_some_and(|all| all.iter().all(is_description)),
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("metadata: {field}")) }
}

fn is_description(value: &Value) -> bool {
    let known = ["media_type", "language_tag", "description_content"];
    value.as_object().is_some_and(|parts| {
        parts.iter().all(|(name, part)| known.contains(&name.as_str()) && part.is_string())
    })
}

impl Change {
    /// Reads what the types do not say: who is named is a user, and a message changes nothing of
    /// the room.
    pub(crate) fn check(&self) -> Result<(), String> {
        let actor = Some(&self.by).filter(|by| *by != "external_sender");
        let users = actor
            .into_iter()
            .chain(self.add.iter().map(|added| &added.user))
            .chain(&self.remove)
            .chain(self.set_role.iter().map(|set| &set.user))
            .chain(self.add_clients.iter().map(|addition| &addition.user))
            .chain(self.remove_clients.iter().map(|removal| &removal.user));
        for user in users {
            check_user(user)?;
        }
        for name in &self.components {
            if !COMPONENTS.contains(&name.as_str()) {
                return Err(format!("{name} is no component"));
            }
        }
        for (field, value) in self.metadata.iter().flatten() {
            check_metadata(field, value)?;
        }
        if self.how == How::Message && self.asks_for_more_than_a_message() {
            return Err("a message changes nothing of the room".to_owned());
        }
        if self.how == How::Message && self.send_message == Some(false) {
            return Err("a message that is not sent".to_owned());
        }
        Ok(())
    }

    fn asks_for_more_than_a_message(&self) -> bool {
        !self.add.is_empty()
            || !self.remove.is_empty()
            || !self.set_role.is_empty()
            || !self.add_clients.is_empty()
            || !self.remove_clients.is_empty()
            || self.metadata.is_some()
            || !self.components.is_empty()
    }
}
