//! A device as it was stored, with what was under way.

use std::collections::BTreeMap;

use mimi_mls::device::Device;
use mimi_mls::member::MemberGroup;
use mimi_policy::RoomView;
use mimi_wire::MimiUri;

use super::{Session, astray, saved, send};
use crate::error::ClientError;
use crate::secret::Secret;
use crate::session::effects::Timer;
use crate::session::issuers::IssuerBook;
use crate::session::room::{Room, Standing};
use crate::session::saved::{SavedAccount, room_value, room_value_of};
use crate::store::{Saved, SavedRoom};

impl Session {
    /// Whether a device, registered or not, is stored.
    pub fn is_stored(saved: &Saved) -> bool {
        saved.values.contains_key(saved::DEVICE)
    }

    /// A device as it was stored; what was under way goes on.
    pub fn restore(saved: Saved, now_ms: u64) -> Result<Self, ClientError> {
        let device = saved.values.get(saved::DEVICE);
        let device =
            device.ok_or_else(|| ClientError::Storage("no device is stored".to_owned()))?;
        let device = Device::restore(device.octets())
            .map_err(|error| ClientError::Storage(error.to_string()))?;
        let mut session = Self::with_device(device);
        if let Some(account) = saved.values.get(saved::ACCOUNT) {
            let account: SavedAccount = saved::unpack(account, "the account")?;
            match account.proven {
                true => session.account = Some(account),
                false => session.unproven = Some(account),
            }
        }
        if let Some(cursor) = saved.values.get(saved::CURSOR) {
            session.cursor = saved::unpack(cursor, "the event cursor")?;
        }
        if let Some(gifts) = saved.values.get(saved::GIFTS) {
            session.gifts = saved::unpack(gifts, "KeyPackages of grants")?;
        }
        if let Some(era) = saved.values.get(saved::ERA) {
            session.era = Some(saved::unpack(era, "the log's era")?);
        }
        // Nothing encrypted leaves before it is known whether the store is the latest.
        session.effects.hold();
        if let Some(receipts) = saved.values.get(saved::RECEIPTS) {
            session.receipts = Some(saved::unpack(receipts, "what is told of messages")?);
        }
        session.issuers = IssuerBook::restore(&saved.values)?;
        for (uri, room) in saved.rooms {
            session.restore_room(uri, room, now_ms)?;
        }
        Ok(session)
    }

    fn restore_room(
        &mut self,
        uri: MimiUri,
        saved: SavedRoom,
        now_ms: u64,
    ) -> Result<(), ClientError> {
        let values = &saved.values;
        let own = self.account.as_ref().map(|account| account.identity.user.clone());
        let Some(own) = own else { return Ok(()) };
        let standing = room_value_of(values, room_value::STANDING, &uri)?;
        let mut room = Room::new(uri.clone(), standing.unwrap_or(Standing::Unknown));
        if !saved.group.is_empty() {
            let pieces = saved.group.into_iter().map(|(key, value)| (key, value.octets().to_vec()));
            let group = MemberGroup::restore(pieces.collect());
            let group = group
                .map_err(|error| ClientError::Storage(format!("the group of {uri}: {error}")))?;
            room.group = Some(group);
        }
        room.footing = room_value_of(values, room_value::FOOTING, &uri)?.unwrap_or_default();
        room.last_view = room_value_of(values, room_value::LAST_VIEW, &uri)?;
        room.last_group = room_value_of(values, room_value::LAST_GROUP, &uri)?;
        room.waiting = saved.waiting;
        if !room.waiting.is_empty() {
            self.effects.timer(now_ms.saturating_add(astray::GAP_MS), Timer::GapLate(uri.clone()));
        }
        room.superseded_by = room_value_of(values, room_value::SUPERSEDED_BY, &uri)?;
        room.plan_to_leave_superseded(&mut self.effects, now_ms);
        room.load_messages(saved.messages, values, &mut self.effects, now_ms)?;
        room.resume_reports(&mut self.effects, now_ms);
        self.resume_room(&mut room, &saved.values, &own)?;
        if room.standing == Standing::Rejoining && room.joining.is_none() {
            room.resume_rejoining();
            self.effects.timer(now_ms, Timer::JoinAgain(uri.clone()));
        }
        if room.has_pending_proposals() {
            room.commit_pending_due = true;
            self.effects.timer(now_ms, Timer::CommitPending(uri.clone()));
        }
        room.stirred = true;
        self.rooms.insert(uri, room);
        Ok(())
    }

    /// Takes up what was under way in a room.
    fn resume_room(
        &mut self,
        room: &mut Room,
        values: &BTreeMap<String, Secret>,
        own: &MimiUri,
    ) -> Result<(), ClientError> {
        let uri = room.uri.clone();
        let effects = &mut self.effects;
        if let Some(founding) = room_value_of(values, room_value::FOUNDING, &uri)? {
            room.resume_founding(founding, effects);
        }
        if let Some(commit) = room_value_of(values, room_value::COMMIT, &uri)? {
            room.resume_commit(commit, effects);
        }
        if let Some(leaving) = room_value_of(values, room_value::LEAVE, &uri)? {
            room.resume_leaving(&leaving, effects);
        }
        if let Some(joining) = room_value_of(values, room_value::JOIN, &uri)? {
            room.resume_join(joining, effects);
        }
        for (name, value) in values {
            if name.starts_with(room_value::SEND) {
                let sending: send::SavedSending = saved::unpack(value, name)?;
                effects.number_above(sending.number());
                room.resume_send(sending, own, effects);
            } else if name.starts_with(room_value::VIEW) {
                let view: RoomView = saved::unpack(value, name)?;
                room.past_views.insert(view.epoch, view);
            } else if name.starts_with(room_value::EVIDENCE) {
                room.evidence.push(saved::unpack(value, name)?);
            }
        }
        Ok(())
    }
}
