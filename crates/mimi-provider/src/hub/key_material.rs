//! `keyMaterial` at the hub of the room it is for: who may fetch, and who answers (AMB-KM-8,
//! PROTO-KM-2, PROTO-KM-14).

use mimi_policy::RoomView;
use mimi_wire::Domain;
use mimi_wire::protocol::key_material::KeyMaterialRequest;

use crate::Reject;
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

/// Decides whether a participant may fetch key material through this hub.
pub fn key_material(
    state: &HubState,
    own: &Domain,
    requester: &Requester,
    view: &RoomView,
    request: &KeyMaterialRequest,
) -> Result<Route, Reject> {
    let _ = (state, own, requester, view, request, HubChecked(()));
    todo!()
}
