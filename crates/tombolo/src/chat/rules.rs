//! Who may do what in a room, for people to read.

use std::collections::BTreeMap;

use mimi_policy::RoomView;
use mimi_policy::policy_file::RoomPolicy;
use mimi_wire::component;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::roles::{Role, RoleData};

use crate::plain::one_line;

/// Columns of a line, as far as words allow.
const COLUMNS: usize = 78;

/// The whole policy of a room.
pub(crate) fn of(view: &RoomView) -> String {
    let mut lines = Vec::new();
    for role in &view.roles.roles {
        role_lines(view, role, &mut lines);
    }
    lines.push("The room:".to_owned());
    let base: Vec<String> = match &view.base_policy {
        Some(policy) => base(policy),
        None => vec!["has no base policy, so it limits nothing".to_owned()],
    };
    lines.extend(base.into_iter().map(|said| format!("  {said}")));
    for entry in &view.preauth.entries {
        let claims: Vec<String> = entry
            .claimset
            .iter()
            .map(|claim| one_line(&String::from_utf8_lossy(&claim.claim_value)))
            .collect();
        let whom = if claims.is_empty() { "everybody".to_owned() } else { claims.join(" and ") };
        let role = name(&view.roles, entry.target_role.role_index);
        lines.push(format!("  whose credential says {whom} is preauthorized as {role}"));
    }
    let others = view.other_components.keys().filter_map(|id| component::name(*id));
    let others: Vec<&str> = others.filter(|name| name.ends_with("policy")).collect();
    if !others.is_empty() {
        lines.push(format!("  has more rules: {}", others.join(", ")));
    }
    lines.join("\n")
}

/// The policy as a file holds it.
pub(crate) fn policy_of(view: &RoomView) -> RoomPolicy {
    let hub = view.room().domain().provider_uri();
    let is_hub = |entry: &&mimi_wire::room::preauth::PreAuthRoleEntry| match &*entry.claimset {
        [claim] => claim.claim_value == hub.as_bytes(),
        _ => false,
    };
    let entries = &view.preauth.entries;
    let hub_role = entries.iter().find(is_hub).map(|entry| entry.target_role.role_index);
    let mut preauth = view.preauth.clone();
    preauth.entries.retain(|entry| !is_hub(&entry));
    let is_policy = |id: u16| component::name(id).is_some_and(|name| name.ends_with("policy"));
    let components: BTreeMap<_, _> = view
        .other_components
        .iter()
        .filter(|(id, _)| is_policy(**id))
        .map(|(id, value)| (*id, value.clone()))
        .collect();
    let highest = view.roles.roles.iter().max_by_key(|role| role.role_capabilities.len());
    let highest = highest.map_or(0, |role| role.role_index);
    let mut given = view.roles.roles.iter().flat_map(|role| &role.authorized_role_changes);
    let from_none = given.find(|entry| entry.from_role_index == 0);
    let ordinary = from_none.and_then(|entry| entry.target_role_indexes.iter().copied().max());
    RoomPolicy {
        roles: view.roles.clone(),
        base: view.base_policy.clone(),
        preauth,
        components,
        creator_role: highest,
        ordinary_role: ordinary.unwrap_or(highest),
        hub_role,
    }
}

/// What one role lets its holders do.
pub(crate) fn of_role(view: &RoomView, index: u32) -> String {
    let mut lines = Vec::new();
    let mine = view.roles.roles.iter().find(|role| role.role_index == index);
    if let Some(role) = mine {
        lines.push(format!("-- you are {}", one_line(&role.role_name)));
        rights_lines(view, role, &mut lines);
    }
    lines.join("\n")
}

fn role_lines(view: &RoomView, role: &Role, lines: &mut Vec<String>) {
    let held = |index| {
        view.participants.participants.iter().filter(|pair| pair.role_index == index).count()
    };
    let who = match role.role_index {
        0 => "whoever is not in the room".to_owned(),
        index => format!("{} in the room", held(index)),
    };
    lines.push(format!("{} {} ({who}):", role.role_index, one_line(&role.role_name)));
    rights_lines(view, role, lines);
    let bounds = bounds(role);
    if !bounds.is_empty() {
        lines.push(format!("  holders: {}", bounds.join(", ")));
    }
}

fn rights_lines(view: &RoomView, role: &Role, lines: &mut Vec<String>) {
    let rights: Vec<String> =
        role.role_capabilities.iter().map(|capability| right(*capability)).collect();
    match rights.is_empty() {
        true => lines.push("  may do nothing".to_owned()),
        false => wrapped("  may ", &rights, lines),
    }
    let moves: Vec<String> = role
        .authorized_role_changes
        .iter()
        .map(|entry| {
            let to: Vec<String> =
                entry.target_role_indexes.iter().map(|to| name(&view.roles, *to)).collect();
            format!("{} to {}", name(&view.roles, entry.from_role_index), to.join("/"))
        })
        .collect();
    if !moves.is_empty() {
        wrapped("  may move people from role to role: ", &moves, lines);
    }
}

fn bounds(role: &Role) -> Vec<String> {
    let least = |count: u32, whom: &str| (count > 0).then(|| format!("at least {count}{whom}"));
    let most = |count: Option<u32>, whom: &str| match count {
        Some(0) if !whom.is_empty() => Some("none with a device".to_owned()),
        Some(count) => Some(format!("at most {count}{whom}")),
        None => None,
    };
    let active = " with a device";
    [
        least(role.minimum_participants_constraint, ""),
        most(role.maximum_participants_constraint, ""),
        least(role.minimum_active_participants_constraint, active),
        most(role.maximum_active_participants_constraint, active),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn base(policy: &BaseRoomPolicy) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |holds: bool, text: String| {
        if holds {
            said.push(text);
        }
    };
    say(policy.fixed_membership, "nobody comes and nobody goes".to_owned());
    if let Some(parent) = &policy.parent_room {
        say(policy.parent_dependant, format!("only people of {} take part", one_line(parent)));
    }
    say(!policy.multi_device, "one device for each person".to_owned());
    say(policy.multi_device, "any number of devices for each person".to_owned());
    if let Some(most) = policy.max_users {
        say(true, format!("at most {most} people"));
    }
    if let Some(most) = policy.max_clients {
        say(true, format!("at most {most} devices"));
    }
    say(!policy.pseudonyms_allowed, "no pseudonyms".to_owned());
    say(policy.persistent_room, "stays when everybody has gone".to_owned());
    say(policy.discoverable, "can be found by search".to_owned());
    said
}

/// `delete other message` for `canDeleteOtherMessage`.
fn right(capability: Capability) -> String {
    let Some(name) = capability.name() else { return format!("do {:#06x}", capability.0) };
    let mut words = String::new();
    for character in name.strip_prefix("can").unwrap_or(name).chars() {
        if character.is_ascii_uppercase() && !words.is_empty() && !words.ends_with(is_upper) {
            words.push(' ');
        }
        words.push(character);
    }
    let words = words.to_ascii_lowercase().replace("un ban", "unban");
    words.replace("mls", "MLS ").replace("  ", " ")
}

fn is_upper(character: char) -> bool {
    character.is_ascii_uppercase()
}

fn name(roles: &RoleData, index: u32) -> String {
    if index == 0 {
        return "outside".to_owned();
    }
    let role = roles.roles.iter().find(|role| role.role_index == index);
    role.map_or_else(|| format!("role {index}"), |role| one_line(&role.role_name))
}

fn wrapped(start: &str, words: &[String], lines: &mut Vec<String>) {
    let indent = "    ";
    let mut line = start.to_owned();
    for (at, word) in words.iter().enumerate() {
        let end = if at + 1 == words.len() { "" } else { ", " };
        if line.chars().count() + word.chars().count() > COLUMNS {
            lines.push(line.trim_end().to_owned());
            line = indent.to_owned();
        }
        line.push_str(word);
        line.push_str(end);
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use mimi_wire::room::capability::Capability;

    use super::{right, wrapped};

    #[test]
    fn rights_are_words() {
        assert_eq!(right(Capability::CAN_DELETE_OTHER_MESSAGE), "delete other message");
        assert_eq!(right(Capability::CAN_UNBAN), "unban");
        assert_eq!(right(Capability::CAN_SEND_MLS_REINIT_PROPOSAL), "send MLS reinit proposal");
        assert_eq!(right(Capability(0xf123)), "do 0xf123");
        assert!(Capability::ALL.iter().all(|capability| !right(*capability).contains("can")));
    }

    #[test]
    fn long_lines_are_wrapped() {
        let mut lines = Vec::new();
        wrapped("  may ", &vec!["do something".to_owned(); 20], &mut lines);
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:?}");
        assert!(lines.len() > 2);
        assert!(lines[1].starts_with("    do something"));
    }
}
