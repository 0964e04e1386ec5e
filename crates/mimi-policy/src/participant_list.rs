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
    Role { position: usize, user: &'a MimiUri, from: RoleIndex, to: RoleIndex },
    /// A listed user goes.
    Removal { position: usize, user: &'a MimiUri, from: RoleIndex },
    /// A user comes.
    Addition { user: &'a MimiUri, to: RoleIndex },
}

/// What one commit does to the list, all its updates together: as large as they are, not as the
/// list is. It fits the list it was judged against and no other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListDelta {
    /// New roles by position.
    roles: BTreeMap<usize, RoleIndex>,
    /// Positions that go.
    removed: BTreeSet<usize>,
    /// In commit order.
    added: Vec<UserRolePair>,
}

/// Additions that are looked for in the list one by one.
const LOOKED_FOR_MAX: usize = 8;

/// The list after all updates of one commit: role changes, removals, then additions in commit
/// order, every index relative to the epoch's list (AMB-PL-1).
pub fn apply(
    list: &ParticipantListData,
    updates: &[ParticipantListUpdate],
) -> Result<ParticipantListData, Denied> {
    let added: usize = updates.iter().map(|update| update.added_participants.len()).sum();
    let users = || list.participants.iter().map(|pair| &pair.user);
    // To sort the list pays only for whoever asks often.
    let sorted: BTreeSet<&MimiUri> =
        if added > LOOKED_FOR_MAX { users().collect() } else { BTreeSet::new() };
    let is_listed = |user: &MimiUri| match added > LOOKED_FOR_MAX {
        true => sorted.contains(user),
        false => users().any(|listed| listed == user),
    };
    let delta = merge(list, is_listed, updates.iter().map(|update| (None, update)))?;
    let mut after = list.clone();
    delta.apply_to(&mut after);
    Ok(after)
}

/// Up to so many entries are taken out one by one, which moves what stands behind each as a block.
const SINGLE_REMOVALS_MAX: usize = 8;

impl ListDelta {
    /// Makes the list what the commit makes of it. Nobody but the removed is looked at, and only
    /// what stands behind the first of them moves.
    pub fn apply_to(&self, list: &mut ParticipantListData) {
        for (position, role_index) in &self.roles {
            if let Some(pair) = list.participants.get_mut(*position) {
                pair.role_index = *role_index;
            }
        }
        // PROTO-PL-2: the order shows only in the result: the rest keep their places, additions
        // follow.
        if self.removed.len() <= SINGLE_REMOVALS_MAX {
            for position in self.removed.iter().rev().copied() {
                if position < list.participants.len() {
                    list.participants.remove(position);
                }
            }
        } else {
            let mut position = 0;
            list.participants.retain(|_| {
                position += 1;
                !self.removed.contains(&(position - 1))
            });
        }
        list.participants.extend(self.added.iter().cloned());
    }
}

/// All updates of one commit as one, blaming the user whose update it is.
pub(crate) fn merge<'a>(
    list: &'a ParticipantListData,
    is_listed: impl Fn(&MimiUri) -> bool,
    updates: impl IntoIterator<Item = (Option<&'a MimiUri>, &'a ParticipantListUpdate)>,
) -> Result<ListDelta, Denied> {
    let mut delta = ListDelta::default();
    let mut adder = None;
    let mut touched: BTreeSet<&MimiUri> = BTreeSet::new();
    for (actor, update) in updates {
        for change in changes(list, update).map_err(|denied| blame(denied, actor))? {
            // PROTO-PL-4, AMB-PL-2, AMB-PL-4: no user twice, in whatever combination.
            if !touched.insert(change.user()) {
                let needed = "a commit may change each participant only once";
                return Err(Denied::new(Rule::UserTouchedTwice, actor, needed).about(change.user()));
            }
            match change {
                ListChange::Role { position, to, .. } => {
                    delta.roles.insert(position, to);
                }
                ListChange::Removal { position, .. } => {
                    delta.removed.insert(position);
                }
                ListChange::Addition { user, to } => {
                    // AMB-PL-4: not even where the same commit removes it.
                    if is_listed(user) {
                        let needed = "that user is in the participant list already";
                        let denied = Denied::new(Rule::AlreadyListed, actor, needed);
                        return Err(denied.about(user));
                    }
                    delta.added.push(UserRolePair { user: user.clone(), role_index: to });
                    adder = actor;
                }
            }
        }
    }
    let before = list.participants.len();
    let after = before - delta.removed.len() + delta.added.len();
    if after > PARTICIPANTS_MAX && after > before {
        let needed = format!("a list holds at most {PARTICIPANTS_MAX}");
        return Err(Denied::new(Rule::ListFull, adder, needed));
    }
    Ok(delta)
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
        let (position, listed) = entry(list, pair.user_index)?;
        real_role(&listed.user, pair.role_index)?;
        // AMB-PL-5
        if listed.role_index == pair.role_index {
            let denied = Denied::new(Rule::RoleUnchanged, None, "that is the role already held");
            return Err(denied.about(&listed.user));
        }
        let (from, to) = (listed.role_index, pair.role_index);
        changes.push(ListChange::Role { position, user: &listed.user, from, to });
    }
    for index in &update.removed_indices {
        let (position, listed) = entry(list, *index)?;
        let from = listed.role_index;
        changes.push(ListChange::Removal { position, user: &listed.user, from });
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

fn entry(list: &ParticipantListData, index: u32) -> Result<(usize, &UserRolePair), Denied> {
    let position = usize::try_from(index).ok();
    let found = position.and_then(|position| Some((position, list.participants.get(position)?)));
    found.ok_or_else(|| {
        let needed = format!("it has {} entries", list.participants.len());
        let target = format!("position {index} of the participant list");
        Denied::new(Rule::IndexInList, None, needed).about(target)
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
