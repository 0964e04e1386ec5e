//! `check`: the one entry to the judge.
//!
//! A change is read into sets, one per sender (AMB-POL-21). Each set is judged by its sender's own
//! authority in the epoch's state, by area: `membership`, `roles`, `metadata`, `components`. Then
//! the room as it would be is judged as a whole: `outcome`, `constraints`, `definitions`.

mod authority;
mod components;
mod constraints;
mod definitions;
mod membership;
mod metadata;
mod outcome;
mod reading;
mod roles;
mod roster;

use mimi_wire::room::participant_list::ParticipantListData;

use crate::change::StagedChange;
use crate::denied::Denied;
use crate::view::RoomView;

pub(crate) use authority::{capability_name, holds, role_name};
pub(crate) use roles::is_banned_role;

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
///
/// Proposals without a committer are judged as the commit that holds exactly them would be. Several
/// senders may stand in one such bundle: a hub that passes what it has cached together with what is
/// new accepts only what can also be committed together.
pub fn check(view: &RoomView, change: &StagedChange) -> Result<Allowed, Denied> {
    let reading = reading::read(view, change)?;
    components::check_company(&reading, change)?;
    membership::check_committer(&reading, change)?;
    for set in &reading.sets {
        membership::check_joiner(set)?;
        roles::check(&reading, set)?;
        membership::check(&reading, set)?;
        components::check(&reading, set)?;
    }
    definitions::check(&reading)?;
    outcome::check(&reading)?;
    constraints::check(&reading)?;
    Ok(Allowed { participants: reading.participants })
}

/// Judges a room as its creator hands it to the hub: definitions that hold together, every client's
/// user listed. Minimums and maximums of roles are not asked at creation (AMB-POL-17).
pub fn check_founding(view: &RoomView) -> Result<(), Denied> {
    definitions::check_founding(view)?;
    outcome::check_founding(view)
}
