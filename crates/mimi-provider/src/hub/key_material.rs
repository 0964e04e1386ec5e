//! `keyMaterial` at the hub of the room it is for: who may fetch, and who answers (AMB-KM-8,
//! PROTO-KM-2, PROTO-KM-14).

use mimi_policy::RoomView;
use mimi_wire::Domain;
use mimi_wire::protocol::key_material::{KeyMaterialRequest, KeyMaterialRequestTbs};
use mimi_wire::room::capability::Capability;

use crate::Reject;
use crate::hub::restriction;
use crate::hub::state::HubState;
use crate::requester::Requester;

/// Proof that the room's hub has checked a request, where that hub is this provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HubChecked(());

/// Where a checked request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// The target is a user of this provider.
    Here(HubChecked),
    /// The request's octets go on, unmodified (PROTO-KM-14).
    Forward(Domain),
}

/// Decides whether a participant may fetch key material through this hub. A refusal is answered
/// as `noConsent` (AMB-KM-8).
pub fn key_material(
    state: &HubState,
    own: &Domain,
    requester: &Requester,
    view: &RoomView,
    request: &KeyMaterialRequest,
) -> Result<Route, Reject> {
    let KeyMaterialRequestTbs { requesting_user, target_user, room_id, .. } = &request.tbs;
    // PROTO-KM-3.
    if room_id.as_ref() != Some(view.room()) {
        return Err(Reject::Internal("the request is not for this room".into()));
    }
    // AMB-TR-6.
    if !requester.speaks_for(requesting_user) {
        return Err(Reject::NotAllowed("requestingUser is not the requester's".into()));
    }
    let needed = if requesting_user == target_user {
        Capability::CAN_ADD_OWN_CLIENT
    } else {
        Capability::CAN_ADD_PARTICIPANT
    };
    let restrictions = restriction::of(state, view);
    if !restriction::holds(&restrictions, view, requesting_user, needed) {
        return Err(Reject::NotAllowed("the requesting user may not add this user".into()));
    }
    let target = target_user.domain();
    Ok(if target == *own { Route::Here(HubChecked(())) } else { Route::Forward(target) })
}

#[cfg(test)]
mod tests;
