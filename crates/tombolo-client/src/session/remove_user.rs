//! Removing, kicking and banning a user: the list change, if any, and the removal of all its
//! clients in one commit (PROTO-UPD-3).

use mimi_mls::member::CommitPlan;
use mimi_policy::{ProposedChange, RoomView, StagedChange};
use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::{
    ParticipantListUpdate, RoleIndex, UserIndexRolePair, UserRolePair,
};

use crate::error::ClientError;
use crate::session::commit::Step;

/// The role of banned users (room-policy section 8).
pub(crate) const BANNED: RoleIndex = 1;

/// What is to be done so that a user is no participant.
pub(crate) fn remove_step(view: &RoomView, pending: &StagedChange, user: &MimiUri) -> Step {
    let remove: Vec<_> = view.clients_of(user).map(|client| client.leaf).collect();
    let index = list_index(view, user);
    if index.is_none() && remove.is_empty() {
        return Step::Fulfilled;
    }
    if is_touched(view, pending, user) {
        return Step::pending_first();
    }
    let update = index.map(|index| ParticipantListUpdate {
        removed_indices: vec![index],
        ..ParticipantListUpdate::default()
    });
    Step::commit(CommitPlan { remove, participants: update, ..CommitPlan::default() })
}

/// What is to be done so that a user has no client in the room and stays listed (POLICY-CAP-REM-4).
pub(crate) fn kick_step(view: &RoomView, pending: &StagedChange, user: &MimiUri) -> Step {
    if view.role_index_of(user).is_none() {
        return Step::Refused(not_listed(user));
    }
    let remove: Vec<_> = view.clients_of(user).map(|client| client.leaf).collect();
    if remove.is_empty() {
        return Step::Fulfilled;
    }
    if is_touched(view, pending, user) {
        return Step::pending_first();
    }
    Step::commit(CommitPlan { remove, ..CommitPlan::default() })
}

/// What is to be done so that a user has a role (POLICY-CAP-ROLE-1). Role 1, where it bans, is
/// given by a ban.
pub(crate) fn role_step(
    view: &RoomView,
    pending: &StagedChange,
    user: &MimiUri,
    role_index: RoleIndex,
) -> Step {
    if view.role(role_index).is_some_and(|role| is_ban(role_index, &role.role_name)) {
        return ban_step(view, pending, user);
    }
    let Some(user_index) = list_index(view, user) else {
        return Step::Refused(not_listed(user));
    };
    if view.role_index_of(user) == Some(role_index) {
        return Step::Fulfilled;
    }
    if is_touched(view, pending, user) {
        return Step::pending_first();
    }
    let pair = UserIndexRolePair { user_index, role_index };
    let update =
        ParticipantListUpdate { changed_role_participants: vec![pair], ..Default::default() };
    Step::commit(CommitPlan { participants: Some(update), ..CommitPlan::default() })
}

/// What is to be done so that a user is banned no more: it gets a role that whoever lifts the ban
/// may give, or the one that was wished (POLICY-CAP-ROLE-4). Its clients come in another way.
pub(crate) fn unban_step(
    view: &RoomView,
    pending: &StagedChange,
    own: &MimiUri,
    user: &MimiUri,
    role: Option<RoleIndex>,
) -> Step {
    if !is_banned(view, user) {
        return Step::Fulfilled;
    }
    let role = role.unwrap_or_else(|| role_after_ban(view, own));
    role_step(view, pending, user, role)
}

/// The lowest role from a ban that we may give; else one that the judge will refuse with reasons.
fn role_after_ban(view: &RoomView, own: &MimiUri) -> RoleIndex {
    let role = view.role_index_of(own).and_then(|index| view.role(index));
    let entries = role.map(|role| role.authorized_role_changes.as_slice()).unwrap_or_default();
    let lifts = entries.iter().filter(|entry| entry.from_role_index == BANNED);
    let targets = lifts.flat_map(|entry| entry.target_role_indexes.iter().copied());
    targets.filter(|index| *index > BANNED).min().unwrap_or(BANNED + 1)
}

fn not_listed(user: &MimiUri) -> ClientError {
    ClientError::Refused(format!("{user} is not in the room"))
}

/// What is to be done so that a user is banned, listed or not (AMB-POL-24).
pub(crate) fn ban_step(view: &RoomView, pending: &StagedChange, user: &MimiUri) -> Step {
    let remove: Vec<_> = view.clients_of(user).map(|client| client.leaf).collect();
    let banned = is_banned(view, user);
    if banned && remove.is_empty() {
        return Step::Fulfilled;
    }
    if is_touched(view, pending, user) {
        return Step::pending_first();
    }
    let mut update = ParticipantListUpdate::default();
    match list_index(view, user) {
        Some(user_index) => {
            let pair = UserIndexRolePair { user_index, role_index: BANNED };
            update.changed_role_participants.push(pair);
        }
        None => {
            let pair = UserRolePair { user: user.clone(), role_index: BANNED };
            update.added_participants.push(pair);
        }
    }
    let participants = (!banned).then_some(update);
    Step::commit(CommitPlan { remove, participants, ..CommitPlan::default() })
}

/// Whether a user is banned: a role 1 by another name is an ordinary role (AMB-POL-41).
pub(crate) fn is_banned(view: &RoomView, user: &MimiUri) -> bool {
    let role = view.role(BANNED).filter(|_| view.role_index_of(user) == Some(BANNED));
    role.is_some_and(|role| is_ban(BANNED, &role.role_name))
}

/// Whether a role bans.
pub(crate) fn is_ban(role_index: RoleIndex, role_name: &str) -> bool {
    role_index == BANNED && role_name == "banned"
}

/// The position of a user in the epoch's list (AMB-PL-1).
pub(crate) fn list_index(view: &RoomView, user: &MimiUri) -> Option<u32> {
    let position = view.participants.participants.iter().position(|pair| pair.user == *user)?;
    u32::try_from(position).ok()
}

/// Whether pending proposals change the same user: one commit may do so only once (PROTO-PL-4).
pub(crate) fn is_touched(view: &RoomView, pending: &StagedChange, user: &MimiUri) -> bool {
    let index = list_index(view, user);
    pending.proposals.iter().any(|proposal| match &proposal.change {
        ProposedChange::ParticipantList(update) => {
            let changed = update.changed_role_participants.iter().map(|pair| pair.user_index);
            let mut indices = changed.chain(update.removed_indices.iter().copied());
            indices.any(|changed| Some(changed) == index)
                || update.added_participants.iter().any(|pair| pair.user == *user)
        }
        ProposedChange::RemoveClient(leaf) => {
            view.client_at(*leaf).is_some_and(|client| client.user == *user)
        }
        ProposedChange::SelfRemove => match &proposal.sender {
            mimi_policy::Actor::Member { user: leaver, .. } => leaver == user,
            _ => false,
        },
        _ => false,
    })
}
