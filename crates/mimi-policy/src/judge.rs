//! `check`: the one entry to the judge.

use crate::change::StagedChange;
use crate::denied::Denied;
use crate::view::RoomView;
use mimi_wire::room::participant_list::ParticipantListData;

/// Proof that the judge allowed a change.
#[derive(Clone, Debug)]
pub struct Allowed {
    participants: ParticipantListData,
}

impl Allowed {
    /// The participant list once the change is committed.
    pub fn participants(&self) -> &ParticipantListData {
        &self.participants
    }
}

/// Judges a commit or a bundle of proposals against the state of its epoch.
pub fn check(_view: &RoomView, _change: &StagedChange) -> Result<Allowed, Denied> {
    todo!()
}
