//! Removing and banning a user: the list change and the removal of all its clients in one commit
//! (PROTO-UPD-3).

use mimi_mls::member::CommitPlan;
use mimi_policy::{ProposedChange, RoomView, StagedChange};
use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::{
    ParticipantListUpdate, RoleIndex, UserIndexRolePair, UserRolePair,
};

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
    view.role_index_of(user) == Some(BANNED)
        && view.role(BANNED).is_some_and(|role| role.role_name == "banned")
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
