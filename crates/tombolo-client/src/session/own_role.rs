//! Taking the role that the own credential is preauthorized for (POLICY-CAP-ROLE-2).

use std::collections::BTreeMap;

use mimi_mls::member::CommitPlan;
use mimi_policy::{
    Actor, ClientIdentity, Judge, ProposedChange, RoomView, StagedChange, StagedProposal,
    preauthorized_role,
};
use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::{ParticipantListUpdate, RoleIndex, UserIndexRolePair};

use crate::error::ClientError;
use crate::session::commit::Step;
use crate::session::remove_user::{is_touched, list_index};
use crate::session::way_in::role_name;

/// The role, if the credential leads to one.
pub(crate) fn offered(view: &RoomView, own: &ClientIdentity) -> Result<RoleIndex, ClientError> {
    preauthorized_role(view, &own.claims).ok_or_else(|| {
        let text = "this device's certificate gives no role in this room";
        ClientError::Refused(text.to_owned())
    })
}

/// The role that could be taken now, by index and name: another one than the present.
pub(crate) fn offer(view: &RoomView, own: &ClientIdentity) -> Option<(RoleIndex, String)> {
    let role_index = preauthorized_role(view, &own.claims)?;
    let client = view.clients.iter().find(|client| client.client == own.client)?;
    let participants = change_to(view, &own.user, role_index)?;
    let sender = Actor::Member { leaf: client.leaf, user: own.user.clone() };
    let change = ProposedChange::ParticipantList(participants);
    let proposal = StagedProposal { sender: sender.clone(), reference: None, change };
    let proposals = vec![proposal];
    let change = StagedChange { epoch: view.epoch, committer: Some(sender), proposals };
    let claims = BTreeMap::from([(client.leaf, own.claims.clone())]);
    let may = Judge::of(view).with_claims(&claims).decide(&change).is_ok();
    may.then(|| (role_index, role_name(view, role_index)))
}

/// The list change that gives a participant a role it does not have.
fn change_to(
    view: &RoomView,
    user: &MimiUri,
    role_index: RoleIndex,
) -> Option<ParticipantListUpdate> {
    let user_index = list_index(view, user)?;
    let differs = view.role_index_of(user) != Some(role_index);
    differs.then(|| ParticipantListUpdate {
        changed_role_participants: vec![UserIndexRolePair { user_index, role_index }],
        ..ParticipantListUpdate::default()
    })
}

/// What is to be done so that a user has a role.
pub(crate) fn step(
    view: &RoomView,
    pending: &StagedChange,
    own: &MimiUri,
    role_index: RoleIndex,
) -> Step {
    if view.role_index_of(own) == Some(role_index) {
        return Step::Fulfilled;
    }
    if is_touched(view, pending, own) {
        return Step::pending_first();
    }
    match change_to(view, own, role_index) {
        None => Step::Refused(ClientError::NotInRoom(view.room().clone())),
        participants => Step::commit(CommitPlan { participants, ..CommitPlan::default() }),
    }
}
