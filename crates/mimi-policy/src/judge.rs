//! [`Judge`], and [`check`]: the one entry to it.
//!
//! A change is read into sets, one per sender (AMB-POL-21). Each set is judged by its sender's own
//! authority in the epoch's state, by area: `membership`, `roles`, `metadata`, `components`. Then
//! the room as it would be is judged as a whole: `outcome`, `constraints`, `definitions`.

mod authority;
mod components;
mod constraints;
mod definitions;
mod joining;
mod membership;
mod metadata;
mod outcome;
mod reading;
mod roles;
mod roster;

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::ParticipantListData;
use mimi_wire::room::preauth::Claim;

use crate::change::{Actor, StagedChange};
use crate::denied::Denied;
use crate::index::RoomIndex;
use crate::known::{JoinCodes, Known};
use crate::message;
use crate::participant_list::ListDelta;
use crate::view::{LeafIndex, RoomView};

use authority::Authority;
use roster::Roster;

pub(crate) use authority::{capability_by_name, capability_name, holds, role_name};
pub(crate) use definitions::definition_faults;
pub(crate) use roles::{BANNED, is_banned_role};

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

/// A room in one epoch, with whatever else its asker knows.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    view: &'a RoomView,
    index: Option<&'a RoomIndex>,
    known: Known<'a>,
}

impl<'a> Judge<'a> {
    /// Knows the room and nothing else.
    pub fn of(view: &'a RoomView) -> Self {
        Self { view, index: None, known: Known::default() }
    }

    /// The room it judges.
    pub fn view(&self) -> &'a RoomView {
        self.view
    }

    /// Looks the room up in an index its caller keeps. One of another epoch is not used.
    #[must_use]
    pub fn with_index(self, index: &'a RoomIndex) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Knows what joiners present (POLICY-CAP-ADD-5).
    #[must_use]
    pub fn with_join_codes(self, join_codes: JoinCodes<'a>) -> Self {
        Self { known: Known { join_codes, ..self.known }, ..self }
    }

    /// Knows the room this one depends on (POLICY-BASE-3).
    #[must_use]
    pub fn with_parent(self, parent: &'a RoomView) -> Self {
        Self { known: Known { parent: Some(parent), ..self.known }, ..self }
    }

    /// Knows the claims of members' credentials, by leaf (POLICY-CAP-ROLE-2).
    #[must_use]
    pub fn with_claims(self, claims: &'a BTreeMap<LeafIndex, Vec<Claim>>) -> Self {
        Self { known: Known { claims: Some(claims), ..self.known }, ..self }
    }

    /// Judges as [`check`] does.
    pub fn check(&self, change: &StagedChange) -> Result<Allowed, Denied> {
        let delta = self.decide(change)?;
        let mut participants = self.view.participants.clone();
        delta.apply_to(&mut participants);
        Ok(Allowed { participants })
    }

    /// Asks as [`may_submit`](crate::message::may_submit) does; with an index nobody but the sender
    /// is looked at.
    pub fn may_submit(&self, sender: &MimiUri) -> Result<(), Denied> {
        match self.index.filter(|index| index.fits(self.view)) {
            Some(index) => {
                let standing = index.standing(self.view, sender);
                message::submit(self.view, sender, standing.role, standing.clients > 0)
            }
            None => message::may_submit(self.view, sender),
        }
    }

    /// Whether somebody may propose anything at all, whatever that may be: a client of a participant,
    /// or a server with a preauthorization entry (PROTO-ST-8, POLICY-PRE-4).
    pub(crate) fn has_a_say(&self, actor: &Actor) -> Result<(), Denied> {
        let index = RoomIndex::of(self.view);
        let roster = Roster::of(self.view, &index);
        Authority::of(self.view, &roster, self.known, actor).map(drop)
    }

    /// Judges as [`check`] does, and says only what becomes of the list. With an index this costs
    /// what the change is worth, however many are in the room.
    pub fn decide(&self, change: &StagedChange) -> Result<ListDelta, Denied> {
        let made;
        let index = match self.index {
            Some(kept) if kept.fits(self.view) => kept,
            _ => {
                made = RoomIndex::of(self.view);
                &made
            }
        };
        let reading = reading::read(self.view, index, self.known, change)?;
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
        Ok(reading.delta)
    }
}

/// Judges a commit or a bundle of proposals against the state of its epoch.
///
/// Proposals without a committer are judged as the commit that holds exactly them would be. Several
/// senders may stand in one such bundle: a hub that passes what it has cached together with what is
/// new accepts only what can also be committed together.
pub fn check(view: &RoomView, change: &StagedChange) -> Result<Allowed, Denied> {
    Judge::of(view).check(change)
}

/// Judges a room as its creator hands it to the hub: definitions that hold together, every client's
/// user listed. Minimums and maximums of roles are not asked at creation (AMB-POL-17).
pub fn check_founding(view: &RoomView) -> Result<(), Denied> {
    definitions::check_founding(view)?;
    outcome::check_founding(view)
}
