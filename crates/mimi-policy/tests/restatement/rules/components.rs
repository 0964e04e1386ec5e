//! Metadata and components: who may change them, and beside what.

use super::{Verdict, deny, require};
use crate::form::Change;
use crate::registry::*;
use crate::room::{Role, Room};

/// What may not appear in one commit with what.
pub(super) fn may_share_a_commit(change: &Change) -> Verdict {
    let updates = |component: &str| change.components.iter().any(|name| name == component);
    let additions_or_roles = !change.add.is_empty() || !change.set_role.is_empty();
    let any_list_change = additions_or_roles || !change.remove.is_empty();
    // AMB-RM-3 for every component that is replaced as a whole: one replacement would undo the
    // other. Of join links several may be added, but the one that is there goes only once.
    let times = |component: &String| change.components.iter().filter(|it| *it == component).count();
    let several = |it: &&String| it.as_str() != "join_links_add" && times(it) > 1;
    require(!change.components.iter().any(|it| several(&it)), "AMB-RM-3", "a component twice")?;
    // POLICY-ROLE-3: "not valid if it appear in the same commit as any Participant List change".
    require(!(updates("roles") && any_list_change), "POLICY-ROLE-3", "roles with a list change")?;
    // POLICY-PRE-3: "… as any Participant List change, except for user removals".
    require(!(updates("preauth") && additions_or_roles), "POLICY-PRE-3", "preauth with a change")
}

/// POLICY-CAP-META-1: "changing the relevant field" needs its capability.
pub(super) fn metadata(change: &Change, role: &Role) -> Verdict {
    for (field, value) in change.metadata.iter().flatten() {
        let capability = match field.as_str() {
            "room_name" => CAN_CHANGE_ROOM_NAME,
            "room_descriptions" => CAN_CHANGE_ROOM_DESCRIPTION,
            "room_avatar" => CAN_CHANGE_ROOM_AVATAR,
            "room_subject" => CAN_CHANGE_ROOM_SUBJECT,
            "room_mood" => CAN_CHANGE_ROOM_MOOD,
            // AMB-RM-1: "room_uri change → invalid after creation".
            _ => return deny("AMB-RM-1", format!("{field} does not change")),
        };
        require(role.holds(capability), "POLICY-CAP-META-1", name(capability))?;
        if field == "room_avatar" {
            // PROTO-RM-2: "an https URI resolving to an avatar image"; may be empty (AMB-RM-1).
            let uri = value.as_str().unwrap_or_default();
            let good = uri.is_empty() || uri.starts_with("https://");
            require(good, "PROTO-RM-2", "an https URI")?;
        }
    }
    Ok(())
}

/// POLICY-CAP-POL-1, POLICY-CAP-RES-1, AMB-POL-13.
pub(super) fn components(change: &Change, role: &Role) -> Verdict {
    for component in &change.components {
        let capability = match component.as_str() {
            "base" => CAN_CHANGE_ROOM_MEMBERSHIP_STYLE,
            "roles" => CAN_CHANGE_ROLE_DEFINITIONS,
            "preauth" => CAN_CHANGE_PREAUTHORIZED_USER_LIST,
            "operational" => CAN_CHANGE_MLS_OPERATIONAL_POLICIES,
            "join_links_add" => CAN_CREATE_JOIN_CODE,
            "join_links_remove" => CAN_DELETE_JOIN_CODE,
            _ => CAN_CHANGE_OTHER_POLICY_ATTRIBUTE,
        };
        require(role.holds(capability), "AMB-POL-13", name(capability))?;
    }
    Ok(())
}

/// POLICY-BASE-9: "the other policy components that are relevant to this room are listed". A base
/// policy that comes along lists what it must.
pub(super) fn policy_components_are_listed(room: &Room, change: &Change) -> Verdict {
    let listed = &room.base.policy_component_ids;
    if listed.is_empty() || change.components.iter().any(|component| component == "base") {
        return Ok(());
    }
    for component in &change.components {
        let id = POLICY_COMPONENTS.iter().find(|(name, _)| name == component);
        let named = id.is_none_or(|(_, id)| listed.contains(id));
        require(named, "POLICY-BASE-9", format!("{component} is not listed"))?;
    }
    Ok(())
}
