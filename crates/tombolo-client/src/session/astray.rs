//! A device and its hub that are not where each other thinks: what was to come does not come, or the
//! hub, its provider or this device was put back to an earlier state (AMB-NTF-10).
//!
//! The way out is always the same, and takes nobody's help: GroupInfo, and an external commit in the
//! place of the old leaf. What differs is how it is noticed:
//!
//! - events wait for an epoch that the stream does not bring,
//! - the hub keeps saying that it is in a later epoch, or says that it is in an earlier one,
//! - a handshake of an epoch that is over was accepted after what ended it,
//! - the provider's log ends before our cursor: it was restored,
//! - our cursor is before what we have acknowledged: this device was restored, and must not encrypt
//!   with keys that it has used already.

use mimi_mls::member::{MemberGroup, epoch_of};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};

use crate::session::Session;
use crate::session::effects::{Effects, Moment, Timer};
use crate::session::room::{Means, Room, Standing};
use crate::session::saved::{self, Footing, room_value};
use crate::session::stream_event::{LogPosition, StreamEvent};
use crate::store::StoreChange;

/// How long events wait for an epoch that does not come. The stream is in order: what is missing by
/// then has been lost on the way.
pub const GAP_MS: u64 = 10_000;
/// How often the hub may say that it is in a later epoch, each time asked after a longer wait, before
/// the stream counts as not bringing it: about two minutes of silence for messages, one and a half
/// for commits. It may only be late, and coming in again costs what was on its way.
pub const MESSAGE_BEHIND_MAX: u32 = 7;
/// See [`MESSAGE_BEHIND_MAX`].
pub const COMMIT_LOST_MAX: u32 = 5;
/// A room is come into again for these reasons at most this often: a hub that contradicts itself
/// must not keep its members busy.
pub const ASTRAY_EVERY_MS: u64 = 60_000;

impl Session {
    /// The event stream is open. `None`: the provider does not say where its log is.
    ///
    /// Until this is known nothing encrypted leaves a device that was stored: it may have been put
    /// back from a backup, and then its message keys have been used.
    pub fn opened(
        &mut self,
        position: Option<LogPosition>,
        now_ms: u64,
        rng: &mut dyn rand::CryptoRng,
    ) {
        let mut at = Moment { now_ms, rng };
        if let Some(LogPosition { era, after, acknowledged }) = position {
            if after < self.cursor {
                tracing::warn!(cursor = self.cursor, after, "the provider was put back");
                self.provider_went_back(after, &mut at);
            } else if acknowledged > self.cursor && !self.is_compared {
                tracing::warn!(cursor = self.cursor, acknowledged, "this device was put back");
                self.known_until = acknowledged;
                self.device_went_back(&mut at);
            }
            // Who runs is not put back: whatever a provider says later, that cannot be.
            self.is_compared = true;
            if self.era.as_ref() != Some(&era) {
                self.effects.put(saved::ERA, &era);
                self.era = Some(era);
            }
        }
        self.effects.release_held();
    }

    /// Era of the log that the cursor is of, as the provider named it.
    pub fn era(&self) -> Option<&str> {
        self.era.as_deref()
    }

    /// What came after `after` has not happened for the provider.
    fn provider_went_back(&mut self, after: u64, at: &mut Moment<'_>) {
        self.cursor = after;
        self.known_until = 0;
        self.effects.put(saved::CURSOR, &self.cursor);
        for room in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.with_room(&room, at, |room, means, at| {
                room.forget_waiting_after(after, means.effects);
                let lost = room.footing.event_id.is_none_or(|id| id > after);
                // A provider that says so all the time must not keep its people's rooms busy.
                if lost && room.standing == Standing::Joined && !is_lately(room.astray_ms, at) {
                    room.astray_ms = Some(at.now_ms);
                    room.rejoin(means, at);
                }
            });
        }
    }

    /// This device has forgotten what it did: its keys of every group may have been used.
    fn device_went_back(&mut self, at: &mut Moment<'_>) {
        for room in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.with_room(&room, at, |room, means, at| room.rejoin_restored(means, at));
        }
    }

    /// A Welcome that this device had followed before it was put back has brought it in once more,
    /// with the same keys.
    pub(crate) fn welcomed_again(&mut self, event: &StreamEvent, at: &mut Moment<'_>) {
        if event.id <= self.known_until {
            self.with_room(&event.stream, at, |room, means, at| room.rejoin_restored(means, at));
        }
    }
}

impl Room {
    /// Our epoch began at this time of the hub.
    pub(crate) fn epoch_began(&mut self, accepted_ms: u64, effects: &mut Effects) {
        self.footing = Footing { accepted_ms, event_id: None };
        effects.put_room(&self.uri, room_value::FOOTING, &self.footing);
    }

    /// A handshake has come in the event stream.
    pub(crate) fn handshake_came(&mut self, event: &StreamEvent, effects: &mut Effects) {
        if self.footing.event_id != Some(event.id) {
            self.footing.event_id = Some(event.id);
            effects.put_room(&self.uri, room_value::FOOTING, &self.footing);
        }
    }

    /// Whether the hub has accepted, after what led to our epoch, something of an epoch before it: in
    /// one log that cannot be (AMB-NTF-8), so the log is another one.
    pub(crate) fn is_of_another_log(&self, fanout: &FanoutMessage) -> bool {
        let own = self.group.as_ref().map(|group| group.view().epoch);
        let is_before = epoch_of(&fanout.message).zip(own).is_some_and(|(of, own)| of < own);
        let began_ms = self.footing.accepted_ms;
        is_before && began_ms > 0 && fanout.timestamp > began_ms
    }

    /// An application message may be of an earlier epoch, and can then be read.
    pub(crate) fn is_handshake(fanout: &FanoutMessage) -> bool {
        matches!(fanout.kind, FanoutKind::Commit { .. } | FanoutKind::Proposal { .. })
    }

    /// The hub is in an earlier epoch than we are.
    pub(crate) fn is_ahead_of(&self, hub_epoch: u64) -> bool {
        self.group.as_ref().is_some_and(|group| hub_epoch < group.view().epoch)
    }

    /// Comes in again, unless it has lately.
    pub(crate) fn went_astray(&mut self, reason: &str, means: &mut Means<'_>, at: &mut Moment<'_>) {
        if self.standing != Standing::Joined || self.joining.is_some() {
            return;
        }
        if is_lately(self.astray_ms, at) {
            tracing::info!(room = %self.uri, reason, "astray again; not so soon");
            return self.look_for_gap(means.effects, at);
        }
        tracing::warn!(room = %self.uri, reason, "astray: coming in again");
        self.astray_ms = Some(at.now_ms);
        self.rejoin(means, at);
    }

    /// A message of an earlier epoch cannot be read: it is from before we came in, or garbage, or the
    /// hub goes on from there. Its GroupInfo tells. On the word of a message alone nobody comes in
    /// again: hubs take late ones, unread, and any member could make all others do so.
    pub(crate) fn doubt_hub(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let is_at_rest = self.standing == Standing::Joined && self.joining.is_none();
        if is_at_rest && !is_lately(self.doubted_ms, at) {
            self.doubted_ms = Some(at.now_ms);
            self.look_at_hub(means, at);
        }
    }

    /// The room's stream is alive: what it has not brought yet, it may still bring.
    pub(crate) fn stream_moved(&mut self) {
        if let Some(sending) = self.sends.front_mut() {
            sending.be_patient();
        }
        self.be_patient_with_winner();
    }

    /// Something waits for an epoch to come.
    pub(crate) fn look_for_gap(&self, effects: &mut Effects, at: &Moment<'_>) {
        let timer = Timer::GapLate(self.uri.clone());
        if !effects.is_due(&timer) {
            effects.timer(at.later(GAP_MS), timer);
        }
    }

    /// What waited should have come.
    pub(crate) fn gap_late(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let Some(own) = self.group.as_ref().map(MemberGroup::view).map(|view| view.epoch) else {
            return;
        };
        let mut waiting = self.waiting.values();
        let waits = waiting.any(|event| {
            let fanout = mimi_wire::Wire::decode(&event.payload).ok();
            let epoch = fanout.and_then(|fanout: FanoutMessage| epoch_of(&fanout.message));
            epoch.is_some_and(|epoch| epoch > own)
        });
        if waits && self.blocked.is_none() {
            self.went_astray("an epoch has not come", means, at);
        }
    }

    /// The group is another one than what messages were encrypted for, if that was a later epoch.
    pub(crate) fn encrypt_anew_from(&mut self, epoch: u64, effects: &mut Effects) {
        for sending in self.sends.iter_mut().filter(|sending| sending.is_ahead_of(epoch)) {
            sending.encrypt_anew(&self.uri, effects);
        }
    }

    /// Comes in again with keys that have never been used; what is under way is encrypted anew.
    fn rejoin_restored(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        if self.standing != Standing::Joined {
            return;
        }
        for sending in &mut self.sends {
            sending.encrypt_anew(&self.uri, means.effects);
        }
        self.rejoin(means, at);
    }

    /// Events of a log that is gone.
    fn forget_waiting_after(&mut self, after: u64, effects: &mut Effects) {
        for (id, _) in self.waiting.split_off(&after.saturating_add(1)) {
            effects.store(StoreChange::RemoveWaiting { room: self.uri.clone(), id });
        }
        if self.waiting.is_empty() {
            self.blocked = None;
        }
    }
}

/// Whether something was done too short a time ago to do it again.
fn is_lately(last_ms: Option<u64>, at: &Moment<'_>) -> bool {
    last_ms.is_some_and(|last_ms| at.now_ms.saturating_sub(last_ms) < ASTRAY_EVERY_MS)
}
