//! Minimums and maximums of roles, on the room as it would be (POLICY-ROLE-2, AMB-POL-17): a
//! minimum binds whoever takes somebody out of a role, a maximum whoever puts somebody into it.

use std::collections::BTreeMap;

use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::Role;

use crate::change::Actor;
use crate::denied::Denied;
use crate::judge::authority::role_name;
use crate::judge::outcome::{blame, exceeds};
use crate::judge::reading::Reading;
use crate::judge::roles::is_banned_role;
use crate::judge::roster::{Population, Standing};
use crate::rule::Rule;

/// What happens to a role: how many will have it, and who brought about a coming or going.
#[derive(Clone, Copy, Debug, Default)]
struct Movement<'a> {
    participants: usize,
    active: usize,
    left: Option<&'a Actor>,
    entered: Option<&'a Actor>,
    became_inactive: Option<&'a Actor>,
    became_active: Option<&'a Actor>,
}

/// Judges the constraints of the roles a change touches.
pub(super) fn check(reading: &Reading<'_>) -> Result<(), Denied> {
    if reading.roster.touched().next().is_none() {
        return Ok(());
    }
    let movements = movements(reading);
    for role in &reading.roles.roles {
        // POLICY-ROLE-1: role 0 is nobody's.
        if let Some(movement) = movements.get(&role.role_index)
            && role.role_index != 0
        {
            minimums(reading, role, movement)?;
            maximums(reading, role, movement)?;
        }
    }
    Ok(())
}

fn movements<'a>(reading: &Reading<'a>) -> BTreeMap<RoleIndex, Movement<'a>> {
    let mut movements: BTreeMap<RoleIndex, Movement<'a>> = BTreeMap::new();
    for (_, touched) in reading.roster.touched() {
        let (before, after) = (touched.before, touched.after);
        let cause = Some(touched.cause);
        if before.role != after.role {
            if let Some(role) = before.role {
                movements.entry(role).or_default().left = cause;
            }
            if let Some(role) = after.role {
                movements.entry(role).or_default().entered = cause;
            }
        }
        if active_role(before) != active_role(after) {
            if let Some(role) = active_role(before) {
                movements.entry(role).or_default().became_inactive = cause;
            }
            if let Some(role) = active_role(after) {
                movements.entry(role).or_default().became_active = cause;
            }
        }
    }
    for (role, movement) in &mut movements {
        let Population { participants, active } = reading.roster.population(*role);
        movement.participants = participants;
        movement.active = active;
        for (_, touched) in reading.roster.touched() {
            let (before, after) = (touched.before, touched.after);
            let count = |standing: Standing| usize::from(standing.role == Some(*role));
            movement.participants = movement.participants + count(after) - count(before);
            let count = |standing| usize::from(active_role(standing) == Some(*role));
            movement.active = movement.active + count(after) - count(before);
        }
    }
    movements
}

/// The role somebody is active in.
fn active_role(standing: Standing) -> Option<RoleIndex> {
    standing.role.filter(|_| standing.clients > 0)
}

fn minimums(reading: &Reading<'_>, role: &Role, movement: &Movement<'_>) -> Result<(), Denied> {
    let least = role.minimum_participants_constraint;
    if movement.left.is_some() && falls_short(movement.participants, least) {
        let needed = format!("at least {least} must stay in it");
        return Err(denied(reading, role, Rule::MinimumParticipants, needed, movement.left));
    }
    let least = role.minimum_active_participants_constraint;
    // Whoever leaves touches the role, active or not: what it leaves violated denies (TOM-44).
    let cause = movement.became_inactive.or(movement.left);
    if cause.is_some() && falls_short(movement.active, least) {
        let needed = format!("at least {least} must stay active in it");
        return Err(denied(reading, role, Rule::MinimumActive, needed, cause));
    }
    Ok(())
}

fn maximums(reading: &Reading<'_>, role: &Role, movement: &Movement<'_>) -> Result<(), Denied> {
    // POLICY-CAP-ROLE-3: a full role of the banned never prevents a ban (AMB-POL-17).
    if is_banned_role(reading.roles, role.role_index) {
        return Ok(());
    }
    if let Some(most) = role.maximum_participants_constraint
        && movement.entered.is_some()
        && exceeds(movement.participants, most)
    {
        let needed = format!("at most {most} may be in it");
        return Err(denied(reading, role, Rule::MaximumParticipants, needed, movement.entered));
    }
    // AMB-POL-30: a participant that comes back counts as well; one that enters without a client
    // touches the role too (TOM-44).
    let cause = movement.became_active.or(movement.entered);
    if let Some(most) = role.maximum_active_participants_constraint
        && cause.is_some()
        && exceeds(movement.active, most)
    {
        let needed = format!("at most {most} may be active in it");
        return Err(denied(reading, role, Rule::MaximumActive, needed, cause));
    }
    Ok(())
}

fn falls_short(count: usize, least: u32) -> bool {
    u64::try_from(count).is_ok_and(|count| count < u64::from(least))
}

fn denied(
    reading: &Reading<'_>,
    role: &Role,
    rule: Rule,
    needed: String,
    cause: Option<&Actor>,
) -> Denied {
    let name = role_name(reading.roles, role.role_index);
    blame(Denied::new(rule, None, needed).about(name), cause)
}
