//! How a room ends, and how a persistent one goes on in another group (POLICY-BASE-7,
//! POLICY-CAP-POL-1, AMB-POL-31). Neither is a change of a group, so the judge is asked here.

use mimi_wire::MimiUri;
use mimi_wire::component::JOIN_LINKS;
use mimi_wire::room::capability::Capability;

use crate::denied::Denied;
use crate::judge::{capability_name, check_founding, holds, is_banned_role, role_name};
use crate::rule::Rule;
use crate::view::RoomView;

/// Whether a participant may have the hub destroy the room.
pub fn may_destroy(view: &RoomView, user: &MimiUri) -> Result<(), Denied> {
    may(view, user, Rule::DestroyRoom, Capability::CAN_DESTROY_ROOM)
}

/// Whether a participant may found a new group for a room whose group is gone: the room says that
/// it persists, nobody is in its last group, the new group holds what the last one held, and the
/// founder may bring in a client of its own.
pub fn check_refounding(last: &RoomView, anew: &RoomView, founder: &MimiUri) -> Result<(), Denied> {
    let refuse = |needed: &str| Err(Denied::new(Rule::Refound, Some(founder), needed));
    if !last.base_policy.as_ref().is_some_and(|policy| policy.persistent_room) {
        return refuse("the room was not made to outlive its group");
    }
    if !last.clients.is_empty() {
        return refuse("its group still has members");
    }
    may(last, founder, Rule::Refound, Capability::CAN_ADD_OWN_CLIENT)?;
    let components = |view: &RoomView| {
        let mut kept = view.other_components.clone();
        // Links may have led into the group that is gone.
        kept.remove(&JOIN_LINKS);
        kept
    };
    let same = last.participants == anew.participants
        && last.roles == anew.roles
        && last.metadata == anew.metadata
        && last.preauth == anew.preauth
        && last.base_policy == anew.base_policy
        && components(last) == components(anew);
    if !same {
        return refuse("the new group must hold the participants and policies of the last one");
    }
    check_founding(anew)
}

fn may(view: &RoomView, user: &MimiUri, rule: Rule, capability: Capability) -> Result<(), Denied> {
    let index = view.role_index_of(user).filter(|index| !is_banned_role(&view.roles, *index));
    let Some(role) = index.and_then(|index| view.role(index)) else {
        return Err(Denied::new(rule, Some(user), "they take no part in the room"));
    };
    if holds(role, capability) {
        return Ok(());
    }
    let name = role_name(&view.roles, role.role_index);
    let needed = format!("their role {name} lacks {}", capability_name(capability));
    Err(Denied::new(rule, Some(user), needed))
}
