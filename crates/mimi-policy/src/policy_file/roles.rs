//! The roles of a policy file, those of a preset as a start.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::{Role, RoleData, SingleSourceRoleChangeTargets};
use toml::Value;

use super::section::{Section, number, text};
use crate::judge::capability_by_name;

/// What role 0 is called where nobody defines it.
pub(super) const NO_ROLE: &str = "no_role";

/// Roles by what people call them.
#[derive(Debug)]
pub(super) struct Names {
    indices: BTreeMap<String, Vec<RoleIndex>>,
    defined: Vec<RoleIndex>,
}

impl Names {
    pub(super) fn of(roles: &RoleData) -> Self {
        let mut indices: BTreeMap<String, Vec<RoleIndex>> = BTreeMap::new();
        for role in &roles.roles {
            let called = indices.entry(role.role_name.clone()).or_default();
            if !called.contains(&role.role_index) {
                called.push(role.role_index);
            }
        }
        indices.entry(NO_ROLE.to_owned()).or_insert_with(|| vec![0]);
        Self { indices, defined: roles.roles.iter().map(|role| role.role_index).collect() }
    }

    pub(super) fn is_defined(&self, index: RoleIndex) -> bool {
        self.defined.contains(&index)
    }

    /// A role by name or index. Role 0 is always there: it is not being in the room.
    pub(super) fn find(&self, value: &Value) -> Result<RoleIndex, String> {
        let Some(name) = value.as_str() else {
            let index: RoleIndex =
                number(value).map_err(|_| "must be the name or the index of a role".to_owned())?;
            let known = index == 0 || self.is_defined(index);
            return if known { Ok(index) } else { Err(format!("there is no role {index}")) };
        };
        match self.indices.get(name).map(Vec::as_slice) {
            Some([only]) => Ok(*only),
            Some(_) => Err(format!("several roles are called {name:?}: give the index")),
            None => Err(format!("there is no role {name:?}")),
        }
    }
}

/// The preset's roles as the file changes them, or the file's alone; and their names, with those of
/// roles that stand twice.
pub(super) fn read(file: &mut Section<'_>, given: RoleData, is_whole: bool) -> (RoleData, Names) {
    let mut roles = given.roles;
    let sections = file.tables("roles");
    if sections.is_none() && is_whole && !file.has("roles") {
        file.wrong("roles", "needs a [[roles]] table for each role, or name a preset");
    }
    drop_roles(file, &mut roles, is_whole);
    let mut unread = Vec::new();
    let mut written: Vec<RoleIndex> = Vec::new();
    for mut section in sections.unwrap_or_default() {
        let index: Option<RoleIndex> = section.number("role_index");
        let name = section.text("role_name");
        let met = roles.iter().position(|role| match index {
            Some(index) => role.role_index == index,
            None => !section.has("role_index") && Some(role.role_name.as_str()) == name,
        });
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            section = section.renamed(format!("roles.{name}"));
        }
        let mut place = match (met, index) {
            (Some(met), _) => met,
            (None, Some(index)) => {
                roles.push(empty(index));
                roles.len() - 1
            }
            (None, None) => {
                if !section.has("role_index") {
                    let preset = if is_whole { "" } else { ", and the preset has no such role" };
                    section.wrong("role_index", format!("is missing{preset}"));
                }
                // It is read all the same, for what else is wrong with it.
                let mut nobody = empty(0);
                fields(&mut section, &mut nobody);
                section.list("authorized_role_changes", |_| Ok(()));
                section.finish();
                continue;
            }
        };
        let role_index = roles[place].role_index;
        if written.contains(&role_index) {
            section.wrong("role_index", format!("role {role_index} stands in the file twice"));
            // Apart, so that both names are known to what else speaks of them.
            roles.push(empty(role_index));
            place = roles.len() - 1;
        }
        written.push(role_index);
        fields(&mut section, &mut roles[place]);
        unread.push((section, place));
    }
    let mut roles = RoleData { roles };
    // Names are all known now.
    let names = Names::of(&roles);
    for (mut section, place) in unread {
        if let Some(changes) = role_changes(&mut section, &names) {
            roles.roles[place].authorized_role_changes = changes;
        }
        section.finish();
    }
    let mut once = BTreeSet::new();
    roles.roles.retain(|role| once.insert(role.role_index));
    forget_dropped(&mut roles, is_whole);
    (roles, names)
}

fn drop_roles(file: &mut Section<'_>, roles: &mut Vec<Role>, is_whole: bool) {
    let names = Names::of(&RoleData { roles: roles.clone() });
    let dropped = file.list("drop_roles", |value| names.find(value));
    if dropped.is_some() && is_whole {
        file.wrong("drop_roles", "is for files that start from a preset");
    }
    roles.retain(|role| !dropped.iter().flatten().any(|index| *index == role.role_index));
}

/// A preset's tables lead to roles that the file drops no more.
fn forget_dropped(roles: &mut RoleData, is_whole: bool) {
    if is_whole {
        return;
    }
    let defined: Vec<RoleIndex> = roles.roles.iter().map(|role| role.role_index).collect();
    let stays = |index: &RoleIndex| *index == 0 || defined.contains(index);
    for role in &mut roles.roles {
        for entry in &mut role.authorized_role_changes {
            entry.target_role_indexes.retain(stays);
        }
        role.authorized_role_changes
            .retain(|entry| stays(&entry.from_role_index) && !entry.target_role_indexes.is_empty());
    }
}

fn empty(role_index: RoleIndex) -> Role {
    Role {
        role_index,
        role_name: String::new(),
        role_description: String::new(),
        role_capabilities: Vec::new(),
        minimum_participants_constraint: 0,
        maximum_participants_constraint: None,
        minimum_active_participants_constraint: 0,
        maximum_active_participants_constraint: None,
        authorized_role_changes: Vec::new(),
    }
}

/// Everything but the role changes. What the section does not say stays as it is.
fn fields(section: &mut Section<'_>, role: &mut Role) {
    if let Some(name) = section.text("role_name") {
        name.clone_into(&mut role.role_name);
    }
    if let Some(description) = section.text("role_description") {
        description.clone_into(&mut role.role_description);
    }
    if let Some(capabilities) = section.list("capabilities", capability) {
        role.role_capabilities = capabilities;
    }
    for capability in section.list("add_capabilities", capability).unwrap_or_default() {
        if !role.role_capabilities.contains(&capability) {
            role.role_capabilities.push(capability);
        }
    }
    let removed = section.list("remove_capabilities", capability).unwrap_or_default();
    role.role_capabilities.retain(|capability| !removed.contains(capability));
    let minimums = [
        ("minimum_participants", &mut role.minimum_participants_constraint),
        ("minimum_active_participants", &mut role.minimum_active_participants_constraint),
    ];
    for (key, least) in minimums {
        *least = section.number(key).unwrap_or(*least);
    }
    let maximums = [
        ("maximum_participants", &mut role.maximum_participants_constraint),
        ("maximum_active_participants", &mut role.maximum_active_participants_constraint),
    ];
    for (key, most) in maximums {
        let read = section.read(key, |value| match value.as_str() {
            Some("none") => Ok(None),
            Some(_) => Err("must be a number or \"none\"".to_owned()),
            None => number(value).map(Some),
        });
        *most = read.unwrap_or(*most);
    }
}

/// A capability by its name in the registry, or by number where the registry has no name for it.
fn capability(value: &Value) -> Result<Capability, String> {
    let name = text(value)?;
    if let Some(code) = name.strip_prefix("0x") {
        let code = u16::from_str_radix(code, 16);
        return code.map(Capability).map_err(|_| "must be a number such as 0xf001".to_owned());
    }
    let found = capability_by_name(name);
    found.ok_or_else(|| format!("{name:?} is no capability of the registry"))
}

/// `{ from = "guest", to = ["no_role", "banned"] }`
fn role_changes(
    section: &mut Section<'_>,
    names: &Names,
) -> Option<Vec<SingleSourceRoleChangeTargets>> {
    let entries = section.tables("authorized_role_changes")?;
    let read = |mut entry: Section<'_>| {
        let from_role_index = entry.read("from", |value| names.find(value));
        let target_role_indexes = entry.list("to", |value| names.find(value));
        for key in ["from", "to"] {
            if !entry.has(key) {
                entry.missing(key);
            }
        }
        entry.finish();
        Some(SingleSourceRoleChangeTargets {
            from_role_index: from_role_index?,
            target_role_indexes: target_role_indexes?,
        })
    };
    Some(entries.into_iter().filter_map(read).collect())
}
