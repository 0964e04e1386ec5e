//! Providers that a room has nothing to do with. They hear of it what they would hear if there were
//! no such room: not that it exists, its MLS group or its epoch (AMB-UPD-15, TOM-125).

use mimi_policy::RoomView;
use mimi_wire::Domain;

use super::state::HubState;
use crate::Reject;

/// Whether a room has to do with a provider: it has participants there, has sent events there, or
/// has told a client from there how to come in (AMB-UPD-13).
pub fn is_acquainted(state: &HubState, view: &RoomView, provider: &Domain) -> bool {
    state.followers.contains(provider)
        || view.participants.participants.iter().any(|pair| pair.user.domain() == *provider)
        || state.grants.iter().any(|grant| grant.user.domain() == *provider)
}

/// What a stranger hears instead of a refusal. `Malformed` is said before any room is looked at, and
/// what is our fault has no reason that anybody hears.
pub fn to_stranger(reject: Reject) -> Reject {
    match reject {
        Reject::Malformed(_) | Reject::Internal(_) => reject,
        _ => refusal(),
    }
}

/// The one answer about rooms that do not exist and rooms that are somebody else's.
pub fn refusal() -> Reject {
    Reject::NotAllowed("there is no such room, or none for this provider's users".to_owned())
}

#[cfg(test)]
mod tests;
