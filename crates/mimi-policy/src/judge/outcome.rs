//! The room as it would be: every client's user is listed and may have clients, and the base
//! policy's limits hold. What was wrong before blocks only what makes it worse.

use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::RoleData;
use mimi_wire::{MimiUri, UriKind};

use crate::change::{Actor, ProposedChange};
use crate::denied::Denied;
use crate::index::RoomIndex;
use crate::judge::authority::role_name;
use crate::judge::reading::Reading;
use crate::judge::roles::is_banned_role;
use crate::judge::roster::{Standing, Touched};
use crate::parent::{is_parent, takes_part};
use crate::rule::Rule;
use crate::view::RoomView;

/// Judges what the room becomes.
pub(super) fn check(reading: &Reading<'_>) -> Result<(), Denied> {
    for (user, touched) in reading.roster.touched() {
        real_clients(reading, user, touched)?;
        let same_place = touched.before.role == touched.after.role;
        if same_place && touched.after.clients <= touched.before.clients {
            continue;
        }
        if waits_for_entry(reading, user, touched.after) {
            continue;
        }
        clients_belong(user, touched.after, reading.roles)
            .map_err(|denied| was_listed(denied, touched.before))
            .map_err(|denied| blame(denied, Some(touched.cause)))?;
    }
    if let Some(cause) = sender_of(reading, |change| matches!(change, ProposedChange::Roles(_))) {
        // New definitions may take the clients away from a role.
        for (user, standing) in reading.roster.all_after() {
            let before = clients_belong(user, reading.roster.before(user), &reading.view.roles);
            if before.is_ok() {
                clients_belong(user, standing, reading.roles)
                    .map_err(|denied| blame(denied, cause.into()))?;
            }
        }
    }
    among_parents(reading)?;
    limits(reading)
}

/// POLICY-BASE-3, asked by whoever knows the parent: nobody takes part who does not take part there.
fn among_parents(reading: &Reading<'_>) -> Result<(), Denied> {
    let depends = reading.base_policy.filter(|policy| policy.parent_dependant);
    let named = depends.and_then(|policy| policy.parent_room.as_deref());
    let parent = reading.known.parent.filter(|parent| Some(parent.room().as_str()) == named);
    let Some(parent) = parent else { return Ok(()) };
    let inside =
        |standing: Standing, roles| standing.role.is_some_and(|role| !is_banned_role(roles, role));
    let stranger = |user: &MimiUri| {
        let needed = "they take no part in the parent room";
        Denied::new(Rule::InParent, None, needed).about(user)
    };
    if let Some(setter) = setter(reading)
        && !is_parent(parent, reading.view)
    {
        // Nobody learns who is in a room by naming it as the parent, but who is in it too.
        if let Some(user) = setter.user().filter(|user| !takes_part(parent, user)) {
            return Err(blame(stranger(user), Some(setter)));
        }
        let everybody = reading.roster.all_after();
        let outside = everybody
            .into_iter()
            .find(|(user, standing)| inside(*standing, reading.roles) && !takes_part(parent, user));
        return match outside {
            Some((user, _)) => Err(blame(stranger(user), Some(setter))),
            None => Ok(()),
        };
    }
    for (user, it) in reading.roster.touched() {
        let comes = inside(it.after, reading.roles) && !inside(it.before, &reading.view.roles);
        if comes && !takes_part(parent, user) {
            return Err(blame(stranger(user), Some(it.cause)));
        }
    }
    Ok(())
}

/// Judges what a room starts with.
pub(super) fn check_founding(view: &RoomView) -> Result<(), Denied> {
    let everybody = RoomIndex::of(view).everybody(view);
    for (user, standing) in &everybody {
        clients_belong(user, *standing, &view.roles)?;
    }
    let Some(policy) = &view.base_policy else { return Ok(()) };
    for (user, standing) in everybody {
        // POLICY-BASE-6
        if !policy.pseudonyms_allowed && user.kind() == UriKind::Pseudonym {
            return Err(no_pseudonyms(user));
        }
        single_device(policy, user, standing)?;
    }
    maximum_clients(policy, view.clients.len())?;
    let users = view.participants.participants.iter().map(|pair| pair.role_index);
    maximum_users(policy, not_banned(users, &view.roles))
}

/// PROTO-ST-8, PROTO-UPD-2, PROTO-UPD-3, POLICY-ROLE-2: whoever has clients may have them.
fn clients_belong(user: &MimiUri, standing: Standing, roles: &RoleData) -> Result<(), Denied> {
    if standing.clients == 0 {
        return Ok(());
    }
    let Some(index) = standing.role else {
        let needed = "clients belong to users in the participant list";
        return Err(Denied::new(Rule::UnlistedClient, None, needed).about(user));
    };
    if is_banned_role(roles, index) {
        let needed = "whoever is banned has no clients";
        return Err(Denied::new(Rule::BannedClient, None, needed).about(user));
    }
    let role = roles.roles.iter().find(|role| role.role_index == index);
    if role.is_some_and(|role| role.maximum_active_participants_constraint == Some(0)) {
        let needed = "that role has no clients";
        let denied = Denied::new(Rule::MaximumActive, None, needed);
        return Err(denied.about(role_name(roles, index)));
    }
    Ok(())
}

/// POLICY-BASE-6: what a room forbids is the credential in its group, so a pseudonym that is listed
/// already gets no further client either.
fn real_clients(
    reading: &Reading<'_>,
    user: &MimiUri,
    touched: &Touched<'_>,
) -> Result<(), Denied> {
    let forbidden = reading.base_policy.is_some_and(|policy| !policy.pseudonyms_allowed);
    let more = touched.after.clients > touched.before.clients;
    if forbidden && more && user.kind() == UriKind::Pseudonym {
        return Err(blame(no_pseudonyms(user), Some(touched.cause)));
    }
    Ok(())
}

fn no_pseudonyms(user: &MimiUri) -> Denied {
    Denied::new(Rule::Pseudonyms, None, "the room does not allow pseudonyms").about(user)
}

/// Somebody who goes and keeps a client is told so; somebody who never came in is told that.
fn was_listed(denied: Denied, before: Standing) -> Denied {
    match (denied.rule, before.role) {
        (Rule::UnlistedClient, Some(_)) => Denied {
            rule: Rule::ClientsLeftBehind,
            needed: "all clients must go with the list entry".to_owned(),
            ..denied
        },
        _ => denied,
    }
}

/// AMB-UPD-14: the entry of somebody who proposes to join is written by whoever commits it.
fn waits_for_entry(reading: &Reading<'_>, user: &MimiUri, after: Standing) -> bool {
    let mut sets = reading.sets.iter();
    reading.committer.is_none()
        && after.role.is_none()
        && reading.roster.before(user) == Standing::default()
        && sets.any(|set| set.authority.joiner().is_some_and(|joiner| joiner.user == *user))
}

/// POLICY-BASE-4, POLICY-BASE-5: limits bind what grows, and whoever makes them tighter. A limit that
/// is exceeded and stays as it was, or is loosened, blocks no other change (AMB-POL-17).
fn limits(reading: &Reading<'_>) -> Result<(), Denied> {
    let Some(policy) = reading.base_policy else { return Ok(()) };
    let growing = |before: Standing, after: Standing| after.clients > before.clients;
    for (user, touched) in reading.roster.touched() {
        if growing(touched.before, touched.after) {
            single_device(policy, user, touched.after)
                .map_err(|denied| blame(denied, Some(touched.cause)))?;
        }
    }
    let several_before = reading.view.base_policy.as_ref().is_none_or(|it| it.multi_device);
    if several_before && let Some(setter) = setter(reading) {
        for (user, standing) in reading.roster.all_after() {
            single_device(policy, user, standing).map_err(|denied| blame(denied, Some(setter)))?;
        }
    }
    let view = reading.view;
    let (come, go) = reading.roster.growth();
    let clients = (view.clients.len() + come).saturating_sub(go);
    let tighter = tightener(reading, |policy| policy.max_clients);
    if tighter.is_some() || come > go {
        let grower = reading.roster.touched().find(|(_, it)| growing(it.before, it.after));
        maximum_clients(policy, clients)
            .map_err(|denied| blame(denied, grower.map(|(_, it)| it.cause).or(tighter)))?;
    }
    let banned =
        |roles| is_banned_role(roles, 1).then(|| reading.roster.population(1).participants);
    let users = |roles| view.participants.participants.len() - banned(roles).unwrap_or_default();
    let (come, go) = reading.roster.listing(is_banned_role(reading.roles, 1).then_some(1));
    let after = (users(reading.roles) + come).saturating_sub(go);
    let tighter = tightener(reading, |policy| policy.max_users);
    if tighter.is_some() || after > users(&view.roles) {
        let lister = reading.roster.touched().find(|(_, it)| it.before.role != it.after.role);
        maximum_users(policy, after)
            .map_err(|denied| blame(denied, lister.map(|(_, it)| it.cause).or(tighter)))?;
    }
    Ok(())
}

/// Whoever sets the base policy anew.
fn setter<'a>(reading: &Reading<'a>) -> Option<&'a Actor> {
    sender_of(reading, |change| matches!(change, ProposedChange::BasePolicy(_)))
}

/// Whoever sets a limit that was not there, or was higher.
fn tightener<'a>(
    reading: &Reading<'a>,
    limit: impl Fn(&BaseRoomPolicy) -> Option<u32>,
) -> Option<&'a Actor> {
    let old = reading.view.base_policy.as_ref().and_then(&limit);
    let new = reading.base_policy.and_then(limit)?;
    setter(reading).filter(|_| old.is_none_or(|old| new < old))
}

fn single_device(policy: &BaseRoomPolicy, user: &MimiUri, after: Standing) -> Result<(), Denied> {
    if policy.multi_device || after.clients <= 1 {
        return Ok(());
    }
    let needed = "the room allows one client per user";
    Err(Denied::new(Rule::SingleDevice, None, needed).about(user))
}

fn maximum_clients(policy: &BaseRoomPolicy, clients: usize) -> Result<(), Denied> {
    match policy.max_clients {
        Some(most) if exceeds(clients, most) => {
            let needed = format!("the room allows {most} clients, {clients} would be in it");
            Err(Denied::new(Rule::MaximumClients, None, needed))
        }
        _ => Ok(()),
    }
}

fn maximum_users(policy: &BaseRoomPolicy, users: usize) -> Result<(), Denied> {
    match policy.max_users {
        Some(most) if exceeds(users, most) => {
            let needed = format!("the room allows {most} participants, {users} would be in it");
            Err(Denied::new(Rule::MaximumUsers, None, needed))
        }
        _ => Ok(()),
    }
}

/// How many of the listed are not banned.
fn not_banned(indices: impl Iterator<Item = RoleIndex>, roles: &RoleData) -> usize {
    let banned = is_banned_role(roles, 1);
    indices.filter(|index| !(banned && *index == 1)).count()
}

/// Whether a count is above a limit.
pub(super) fn exceeds(count: usize, most: u32) -> bool {
    u64::try_from(count).is_ok_and(|count| count > u64::from(most))
}

/// Whoever asks for a certain kind of change.
fn sender_of<'a>(
    reading: &Reading<'a>,
    wanted: impl Fn(&ProposedChange) -> bool,
) -> Option<&'a Actor> {
    let mut sets = reading.sets.iter();
    sets.find(|set| set.others.iter().any(|change| wanted(change))).map(|set| set.authority.actor())
}

/// Names who brought it about.
pub(super) fn blame(mut denied: Denied, cause: Option<&Actor>) -> Denied {
    denied.actor = cause.and_then(Actor::user).cloned();
    denied
}
