//! What a device asks of a room whose commits it has not seen (AMB-POL-19).

use std::collections::BTreeSet;

use mimi_mls::member::MemberGroup;
use mimi_policy::skipped::check_skipped;
use mimi_policy::{Denied, RoomView};
use mimi_wire::MimiUri;

use crate::event::ClientEvent;
use crate::session::effects::Effects;
use crate::session::room::{Room, Standing};

impl Room {
    /// Nobody here has judged the commits that were skipped by coming in again: what can still be
    /// asked is asked, and the person hears who came in meanwhile.
    pub(crate) fn judge_missed(
        &self,
        before: &RoomView,
        effects: &mut Effects,
    ) -> Result<(), Denied> {
        let Some(group) = &self.group else { return Ok(()) };
        let after = group.view();
        check_skipped(before, after)?;
        let users = |view: &RoomView| -> BTreeSet<MimiUri> {
            view.participants.participants.iter().map(|listed| listed.user.clone()).collect()
        };
        let came = users(after).difference(&users(before)).cloned().collect();
        effects.event(ClientEvent::Missed { room: self.uri.clone(), came });
        Ok(())
    }

    /// Whether a group is another one than that which this device is in, and only lost sight of. Nothing
    /// that it can follow makes a room another group (AMB-ID-5): whoever has put one there has not
    /// asked the room.
    pub(crate) fn is_in_another_group_than(&self, group: &MemberGroup) -> bool {
        let is_in = match &self.joining {
            Some(joining) => joining.comes_in_again(),
            None => self.standing == Standing::Rejoining,
        };
        let last = self.last_group.as_deref();
        let known = last.or(self.group.as_ref().map(MemberGroup::group_id));
        is_in && known.is_some_and(|known| known != group.group_id())
    }

    /// The room as it was last followed.
    pub(crate) fn view_before_missing(&self) -> Option<RoomView> {
        let last = self.last_view.as_ref().map(|last| &last.view);
        last.or(self.group.as_ref().map(MemberGroup::view)).cloned()
    }
}
