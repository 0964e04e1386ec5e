//! Applying updates to the participant list (PROTO-PL-1..6, AMB-PL-1..5).

use mimi_wire::room::participant_list::{ParticipantListData, ParticipantListUpdate};

use crate::denied::Denied;

/// The list after all updates of one commit: role changes, removals, then additions in commit
/// order, every index relative to the epoch's list (AMB-PL-1).
pub fn apply(
    _list: &ParticipantListData,
    _updates: &[ParticipantListUpdate],
) -> Result<ParticipantListData, Denied> {
    todo!()
}
