//! Who is restricted by what is accepted but not yet committed: restrictions take effect at once,
//! grants on commit (PROTO-ST-2, PROTO-UPD-4, PROTO-UPD-12, AMB-ST-8).
//!
//! The judge says what pending proposals forbid; the hub adds whom it remembers to be leaving
//! across epochs (AMB-UPD-9), and whom it wants out itself.

use std::collections::BTreeSet;

use mimi_policy::{ClientView, Restrictions, RoomView, restrictions};
use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;

use crate::hub::state::{Evicted, HubState};

/// The restrictions of this moment.
pub(super) fn of(state: &HubState, view: &RoomView) -> Restrictions {
    let pending = state.pending.iter().map(|pending| &pending.proposal);
    let mut restrictions = restrictions(view, pending);
    for user in &state.leaving {
        restrictions.mark_gone(user);
    }
    for evicted in &state.evicting {
        if let Evicted::User(user) = evicted {
            restrictions.mark_gone(user);
        }
    }
    restrictions
}

/// Whether a user is listed with a role that holds a capability and is not on the way out.
pub(super) fn holds(
    restrictions: &Restrictions,
    view: &RoomView,
    user: &MimiUri,
    capability: Capability,
) -> bool {
    let role = view.role_index_of(user);
    role.is_some_and(|role| role_holds(view, role, capability))
        && !restrictions.may_only_remove_own(user)
}

/// Whether holders of a role have a capability.
pub(super) fn role_holds(view: &RoomView, role: RoleIndex, capability: Capability) -> bool {
    view.role(role).is_some_and(|role| role.role_capabilities.contains(&capability))
}

/// The members that may read application messages, where that is not all of them: those whose role
/// may receive (AMB-POL-29) and who are not on the way out (PROTO-UPD-4).
pub(super) fn readers<'a>(
    restrictions: &Restrictions,
    view: &'a RoomView,
) -> Option<Vec<&'a ClientView>> {
    let receives = |role| role_holds(view, role, Capability::CAN_RECEIVE_MESSAGE);
    let deaf_roles: BTreeSet<RoleIndex> = view
        .roles
        .roles
        .iter()
        .map(|role| role.role_index)
        .filter(|role| !receives(*role))
        .collect();
    let listed = view.participants.participants.iter();
    let deaf: BTreeSet<&MimiUri> =
        listed.filter(|it| deaf_roles.contains(&it.role_index)).map(|it| &it.user).collect();
    let may_read =
        |it: &&ClientView| !deaf.contains(&it.user) && restrictions.may_receive(&it.user);
    if view.clients.iter().all(|client| may_read(&client)) {
        return None;
    }
    Some(view.clients.iter().filter(may_read).collect())
}
