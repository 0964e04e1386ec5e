//! Applying updates to the participant list (PROTO-PL-1..6, AMB-PL-1..5): what a list can become,
//! not who may make it so. Whether roles are defined is the judge's question; it knows them.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::limits::PARTICIPANTS_MAX;
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, RoleIndex, UserRolePair,
};

use crate::denied::Denied;
use crate::rule::Rule;

/// One change of one user, with what the epoch's list says about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ListChange<'a> {
    /// A listed user gets another role.
    Role { user: &'a MimiUri, from: RoleIndex, to: RoleIndex },
    /// A listed user goes.
    Removal { user: &'a MimiUri, from: RoleIndex },
    /// A user comes.
    Addition { user: &'a MimiUri, to: RoleIndex },
}

/// The list after all updates of one commit: role changes, removals, then additions in commit
/// order, every index relative to the epoch's list (AMB-PL-1).
pub fn apply(
    list: &ParticipantListData,
    updates: &[ParticipantListUpdate],
) -> Result<ParticipantListData, Denied> {
    merge(list, updates.iter().map(|update| (None, update)))
}

/// [`apply`], blaming the user whose update it is.
pub(crate) fn merge<'a>(
    list: &'a ParticipantListData,
    updates: impl IntoIterator<Item = (Option<&'a MimiUri>, &'a ParticipantListUpdate)>,
) -> Result<ParticipantListData, Denied> {
    let mut roles: BTreeMap<&MimiUri, RoleIndex> = BTreeMap::new();
    let mut removed: BTreeSet<&MimiUri> = BTreeSet::new();
    let mut added: Vec<(Option<&MimiUri>, UserRolePair)> = Vec::new();
    let mut touched: BTreeSet<&MimiUri> = BTreeSet::new();
    for (actor, update) in updates {
        for change in changes(list, update).map_err(|denied| blame(denied, actor))? {
            // PROTO-PL-4, AMB-PL-2, AMB-PL-4: no user twice, in whatever combination.
            if !touched.insert(change.user()) {
                let needed = "a commit may change each list entry only once";
                return Err(Denied::new(Rule::UserTouchedTwice, actor, needed).about(change.user()));
            }
            match change {
                ListChange::Role { user, to, .. } => {
                    roles.insert(user, to);
                }
                ListChange::Removal { user, .. } => {
                    removed.insert(user);
                }
                ListChange::Addition { user, to } => {
                    added.push((actor, UserRolePair { user: user.clone(), role_index: to }));
                }
            }
        }
    }
    not_listed(list, &added)?;
    // PROTO-PL-2: the order shows only in the result: the rest keep their places, additions follow.
    let mut participants = Vec::with_capacity(list.participants.len() + added.len());
    for pair in &list.participants {
        if !removed.contains(&pair.user) {
            let role_index = roles.get(&pair.user).copied().unwrap_or(pair.role_index);
            participants.push(UserRolePair { user: pair.user.clone(), role_index });
        }
    }
    let last = added.last().and_then(|(actor, _)| *actor);
    participants.extend(added.into_iter().map(|(_, pair)| pair));
    if participants.len() > PARTICIPANTS_MAX && participants.len() > list.participants.len() {
        let needed = format!("a list holds at most {PARTICIPANTS_MAX}");
        return Err(Denied::new(Rule::ListFull, last, needed));
    }
    Ok(ParticipantListData { participants })
}

/// What one update does, in its order. Indices name entries of the epoch's list (PROTO-PL-5).
pub(crate) fn changes<'a>(
    list: &'a ParticipantListData,
    update: &'a ParticipantListUpdate,
) -> Result<Vec<ListChange<'a>>, Denied> {
    let mut changes = Vec::with_capacity(
        update.changed_role_participants.len()
            + update.removed_indices.len()
            + update.added_participants.len(),
    );
    for pair in &update.changed_role_participants {
        let listed = entry(list, pair.user_index)?;
        real_role(&listed.user, pair.role_index)?;
        // AMB-PL-5
        if listed.role_index == pair.role_index {
            let denied = Denied::new(Rule::RoleUnchanged, None, "that is the role already held");
            return Err(denied.about(&listed.user));
        }
        let (from, to) = (listed.role_index, pair.role_index);
        changes.push(ListChange::Role { user: &listed.user, from, to });
    }
    for index in &update.removed_indices {
        let listed = entry(list, *index)?;
        changes.push(ListChange::Removal { user: &listed.user, from: listed.role_index });
    }
    for pair in &update.added_participants {
        real_role(&pair.user, pair.role_index)?;
        // PROTO-PL-1, AMB-MMR-2
        if !pair.user.is_user() {
            let denied = Denied::new(Rule::ParticipantIsUser, None, "participants are users");
            return Err(denied.about(&pair.user));
        }
        changes.push(ListChange::Addition { user: &pair.user, to: pair.role_index });
    }
    Ok(changes)
}

/// AMB-PL-4: a listed user cannot be added, not even where the same commit removes it.
fn not_listed(
    list: &ParticipantListData,
    added: &[(Option<&MimiUri>, UserRolePair)],
) -> Result<(), Denied> {
    if added.is_empty() {
        return Ok(());
    }
    let by_user: BTreeMap<&MimiUri, Option<&MimiUri>> =
        added.iter().map(|(actor, pair)| (&pair.user, *actor)).collect();
    for pair in &list.participants {
        if let Some(actor) = by_user.get(&pair.user) {
            let needed = "that user is in the participant list already";
            return Err(Denied::new(Rule::AlreadyListed, *actor, needed).about(&pair.user));
        }
    }
    Ok(())
}

fn entry(list: &ParticipantListData, index: u32) -> Result<&UserRolePair, Denied> {
    let position = usize::try_from(index).ok();
    position.and_then(|position| list.participants.get(position)).ok_or_else(|| {
        let needed = format!("the list has {} entries", list.participants.len());
        Denied::new(Rule::IndexInList, None, needed).about(format!("position {index}"))
    })
}

/// AMB-PL-3: role 0 means "not in the list", so nobody in the list has it.
fn real_role(user: &MimiUri, role: RoleIndex) -> Result<(), Denied> {
    if role != 0 {
        return Ok(());
    }
    let needed = format!("role 0 means not being listed, so {user} cannot have it");
    Err(Denied::new(Rule::RoleDefined, None, needed).about("role 0"))
}

fn blame(mut denied: Denied, actor: Option<&MimiUri>) -> Denied {
    denied.actor = actor.cloned();
    denied
}

impl<'a> ListChange<'a> {
    /// Whose entry it is.
    pub(crate) fn user(&self) -> &'a MimiUri {
        match self {
            Self::Role { user, .. } | Self::Removal { user, .. } | Self::Addition { user, .. } => {
                user
            }
        }
    }
}

#[cfg(test)]
mod tests;
