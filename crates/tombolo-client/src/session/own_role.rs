//! Taking the role that the own credential is preauthorized for (POLICY-CAP-ROLE-2).

use mimi_mls::member::CommitPlan;
use mimi_policy::{ClientIdentity, RoomView, StagedChange, preauthorized_role};
use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::{ParticipantListUpdate, RoleIndex, UserIndexRolePair};

use crate::error::ClientError;
use crate::session::commit::Step;
use crate::session::remove_user::{is_touched, list_index};

/// The role, if the credential leads to one.
pub(crate) fn offered(view: &RoomView, own: &ClientIdentity) -> Result<RoleIndex, ClientError> {
    preauthorized_role(view, &own.claims).ok_or_else(|| {
        let text = "this device's certificate gives no role in this room";
        ClientError::Refused(text.to_owned())
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
    let Some(user_index) = list_index(view, own) else {
        return Step::Refused(ClientError::NotInRoom(view.room().clone()));
    };
    let update = ParticipantListUpdate {
        changed_role_participants: vec![UserIndexRolePair { user_index, role_index }],
        ..ParticipantListUpdate::default()
    };
    Step::commit(CommitPlan { participants: Some(update), ..CommitPlan::default() })
}
