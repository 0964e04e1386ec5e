//! Changes of a participant's role, bans among them (room-policy section 8.1.3).

use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::RoleData;

use crate::denied::Denied;
use crate::judge::authority::role_name;
use crate::judge::membership::{none_left_behind, role_defined};
use crate::judge::reading::{ProposalSet, Reading};
use crate::participant_list::ListChange;
use crate::preauth::first_match;
use crate::rule::Rule;

/// The role that bans: always this index, and named exactly "banned" (POLICY-CAP-ROLE-3).
pub(crate) const BANNED: RoleIndex = 1;

/// Whether a role is the one that bans. A role 1 of another name is an ordinary role (AMB-POL-41).
pub(crate) fn is_banned_role(roles: &RoleData, index: RoleIndex) -> bool {
    index == BANNED
        && roles.roles.iter().any(|role| role.role_index == BANNED && role.role_name == "banned")
}

/// Judges the role changes of a set.
pub(super) fn check(reading: &Reading<'_>, set: &ProposalSet<'_>) -> Result<(), Denied> {
    for change in &set.list {
        if let ListChange::Role { user, from, to, .. } = *change {
            role_defined(reading, &set.authority, to)?;
            if set.authority.is(user) {
                own_role(reading, set, from, to)?;
            } else {
                others_role(reading, set, user, from, to)?;
            }
        }
    }
    Ok(())
}

/// POLICY-CAP-ROLE-2: the own role changes to the preauthorized one; no table is asked.
fn own_role(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    from: RoleIndex,
    to: RoleIndex,
) -> Result<(), Denied> {
    let by = &set.authority;
    let target = format!("to {}", role_name(&reading.view.roles, to));
    by.require(Rule::ChangeOwnRole, &target, Capability::CAN_CHANGE_OWN_ROLE)?;
    no_own_unban(reading, set, from)?;
    match first_match(reading.view, by.claims()) {
        Some(role) if role.role_index == to => Ok(()),
        _ => {
            let needed = "their credential is not known to be preauthorized for it";
            Err(by.deny(Rule::ChangeOwnRole, needed).about(target))
        }
    }
}

/// POLICY-PRE-1: whatever a role named banned may hold, and whoever is preauthorized, nobody lifts
/// a ban from itself.
pub(super) fn no_own_unban(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    from: RoleIndex,
) -> Result<(), Denied> {
    match (is_banned_role(&reading.view.roles, from), set.authority.user()) {
        (true, Some(user)) => {
            let needed = "whoever is banned waits for others to lift the ban";
            Err(set.authority.deny(Rule::Unban, needed).about(user))
        }
        _ => Ok(()),
    }
}

fn others_role(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    user: &MimiUri,
    from: RoleIndex,
    to: RoleIndex,
) -> Result<(), Denied> {
    let by = &set.authority;
    let any = Capability::CAN_CHANGE_USER_ROLE;
    let roles = &reading.view.roles;
    // AMB-POL-25: where a ban begins or ends, the general capability does as well.
    let (rule, capabilities) = if is_banned_role(roles, to) {
        (Rule::Ban, &[Capability::CAN_BAN, any][..])
    } else if is_banned_role(roles, from) {
        (Rule::Unban, &[Capability::CAN_UNBAN, any][..])
    } else if to == BANNED && by.holds(Capability::CAN_BAN) && !by.holds(any) {
        let needed = "the room has no role 1 that is named banned";
        return Err(by.deny(Rule::Ban, needed).about(user));
    } else {
        (Rule::ChangeUserRole, &[any][..])
    };
    by.require_any(rule, user, capabilities)?;
    by.require_move(rule, user, from, to)?;
    match rule {
        Rule::Ban => none_left_behind(reading, set, user),
        _ => Ok(()),
    }
}
