//! A policy of one's own, from a TOML file that people write and read. Whoever writes one is told
//! everything that is wrong with it at once.
//!
//! ```
//! let policy = mimi_policy::what_if::custom::parse(r#"
//!     name = "book club"
//!     creator_role = 3
//!     ordinary_role = 2
//!
//!     [base]
//!     max_users = 40
//!
//!     [[roles]]
//!     role_index = 2
//!     role_name = "reader"
//!     capabilities = ["canSendMessage", "canReceiveMessage", "canRemoveSelf"]
//!     authorized_role_changes = [[2, [0]]]
//!
//!     [[roles]]
//!     role_index = 3
//!     role_name = "host"
//!     capabilities = ["canSendMessage", "canReceiveMessage", "canAddParticipant"]
//!     authorized_role_changes = [[0, [2, 3]]]
//! "#).unwrap();
//! assert_eq!(policy.roles.roles.len(), 2);
//! ```

use std::collections::BTreeSet;

use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::{Role, RoleData};
use serde_json::{Value, json};

use super::Malformed;
use super::read::{Field, Fields};
use super::room::{all_absent, base_policy, role};
use crate::judge::holds;

/// A policy that a file describes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CustomPolicy {
    /// What people call it.
    pub name: String,
    /// The role of a room's creator.
    pub creator_role: RoleIndex,
    /// The role a participant is added with when nobody says otherwise.
    pub ordinary_role: RoleIndex,
    /// The roles.
    pub roles: RoleData,
    /// The base policy; where the file does not say, every policy component counts as listed.
    pub base_policy: BaseRoomPolicy,
}

/// Reads a policy, or says everything that is wrong with it.
pub fn parse(text: &str) -> Result<CustomPolicy, Vec<Malformed>> {
    let value: Value =
        toml::from_str(text).map_err(|error| vec![Malformed::new("", error.to_string())])?;
    let mut wrong = Vec::new();
    let nothing = serde_json::Map::new();
    let object = value.as_object().unwrap_or(&nothing);
    let known = ["name", "creator_role", "ordinary_role", "base", "roles"];
    wrong.extend(Fields::of(&value, "", &known).err());
    let field = |name: &str| {
        let value = object.get(name).ok_or_else(|| Malformed::new(name, "is missing"));
        value.map(|value| Field::at(value, name.to_owned()))
    };
    let name = field("name").and_then(|field| field.text().map(str::to_owned));
    let creator_role = field("creator_role").and_then(|field| field.number());
    let ordinary_role = field("ordinary_role").and_then(|field| field.number());
    let roles = roles(object.get("roles"), &mut wrong);
    let base_policy = match object.get("base") {
        Some(base) => {
            let read = |field: &Field<'_>| base_policy(field, &roles);
            table(base, "base", &json!({}), &mut wrong, read)
        }
        None => Some(all_absent()),
    };
    for (role, place) in [(&creator_role, "creator_role"), (&ordinary_role, "ordinary_role")] {
        if let Ok(index) = role
            && (*index <= 1 || !is_defined(&roles, *index))
        {
            wrong.push(Malformed::new(place, "must be a defined role other than 0 and 1"));
        }
    }
    contradictions(&roles, base_policy.as_ref(), &mut wrong);
    match (name, creator_role, ordinary_role, base_policy) {
        (Ok(name), Ok(creator_role), Ok(ordinary_role), Some(base_policy)) if wrong.is_empty() => {
            Ok(CustomPolicy { name, creator_role, ordinary_role, roles, base_policy })
        }
        (name, creator_role, ordinary_role, _) => {
            wrong.extend(name.err());
            wrong.extend(creator_role.err());
            wrong.extend(ordinary_role.err());
            Err(wrong)
        }
    }
}

fn roles(value: Option<&Value>, wrong: &mut Vec<Malformed>) -> RoleData {
    let Some(tables) = value.and_then(Value::as_array) else {
        wrong.push(Malformed::new("roles", "must be [[roles]] tables, one for each role"));
        return RoleData::default();
    };
    let least = json!({ "role_index": 0 });
    let read = tables.iter().enumerate().filter_map(|(number, value)| {
        table(value, &format!("roles[{number}]"), &least, wrong, role)
    });
    RoleData { roles: read.collect() }
}

/// Reads a table; if that fails, each of its fields by itself beside the least a table needs, so
/// that no mistake hides behind another.
fn table<T>(
    value: &Value,
    place: &str,
    least: &Value,
    wrong: &mut Vec<Malformed>,
    read: impl Fn(&Field<'_>) -> Result<T, Malformed>,
) -> Option<T> {
    let first = match read(&Field::at(value, place.to_owned())) {
        Ok(whole) => return Some(whole),
        Err(first) => first,
    };
    let before = wrong.len();
    let nothing = serde_json::Map::new();
    let object = value.as_object().unwrap_or(&nothing);
    let needed = least.as_object().into_iter().flat_map(|least| least.keys());
    for key in needed.filter(|key| !object.contains_key(*key)) {
        wrong.push(Malformed::new(format!("{place}.{key}"), "is missing"));
    }
    for (key, value) in object {
        let probe = |value: Value| {
            let mut alone = least.clone();
            alone[key] = value;
            read(&Field::at(&alone, place.to_owned())).err()
        };
        match value.as_array() {
            Some(items) => {
                for (number, item) in items.iter().enumerate() {
                    wrong.extend(probe(json!([item])).map(|found| {
                        let at = format!("{place}.{key}[0]");
                        let rest = found.field.strip_prefix(&at);
                        let exact = rest.map(|rest| format!("{place}.{key}[{number}]{rest}"));
                        let field = exact.unwrap_or_else(|| found.field.clone());
                        Malformed { field, ..found }
                    }));
                }
            }
            None => wrong.extend(probe(value.clone())),
        }
    }
    if wrong.len() == before {
        wrong.push(first);
    }
    None
}

fn is_defined(roles: &RoleData, index: RoleIndex) -> bool {
    roles.roles.iter().any(|role| role.role_index == index)
}

/// What each role says well and all of them together do not.
fn contradictions(roles: &RoleData, base: Option<&BaseRoomPolicy>, wrong: &mut Vec<Malformed>) {
    let mut seen = BTreeSet::new();
    for Role { role_index, .. } in &roles.roles {
        if !seen.insert(*role_index) {
            let message = format!("role {role_index} is defined twice");
            wrong.push(Malformed::new("roles", message));
        }
    }
    for role in &roles.roles {
        let place = format!("roles, role {}", role.role_index);
        // POLICY-CAP-ADD-3
        if role.role_index != 0 && holds(role, Capability::CAN_OPEN_JOIN) {
            wrong.push(Malformed::new(place.clone(), "canOpenJoin belongs to role 0 alone"));
        }
        let entries = role.authorized_role_changes.iter();
        let named: BTreeSet<RoleIndex> = entries
            .flat_map(|it| it.target_role_indexes.iter().copied().chain([it.from_role_index]))
            .collect();
        for index in named.into_iter().filter(|index| *index != 0 && !seen.contains(index)) {
            let message =
                format!("authorized_role_changes name role {index}, which is not defined");
            wrong.push(Malformed::new(place.clone(), message));
        }
    }
    // POLICY-BASE-3
    if base.is_some_and(|base| base.parent_dependant != base.parent_room.is_some()) {
        let message = "a parent is named if and only if the room depends on one";
        wrong.push(Malformed::new("base.parent_room", message));
    }
}
