//! Messages that do not last (CONTENT-EXP-1, POLICY-EXPR-1): how long those written here are to live,
//! how long those of others do, and their end.
//!
//! **Invariant:** whatever is over is removed from the store and from what is shown in one step, by a
//! timer alone: nobody has to be online, and at a start it is gone before anything is shown.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::RoomView;
use mimi_wire::component::MESSAGE_EXPIRATION_POLICY;
use mimi_wire::content::{Expiration, MessageId};
use mimi_wire::limits::EXPIRY_SECONDS_MAX;
use mimi_wire::room::message_expiration_policy::{ExpirationRange, MessageExpiration};
use mimi_wire::room::optionality::Conditional;
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::secret::Secret;
use crate::session::Session;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Effects, Timer};
use crate::session::room::Room;
use crate::session::saved::{
    frank_name, message_of, of_message, room_value, room_value_of, unpack, verdict_name,
};
use crate::session::timeline::Role;
use crate::session::verdict::Verdict;
use crate::store::{StoreChange, StoredMessage};

/// For how long the messages that a person writes in a room are to be seen once they are read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Lifetime {
    /// As the room suggests; where it suggests nothing, for ever if it may be.
    #[default]
    AsSuggested,
    /// For ever.
    Unlimited,
    /// So many seconds.
    Seconds(u32),
}

/// How a received message ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Life {
    /// As it says itself.
    wish: Option<Expiration>,
    /// As the room has it.
    pub(crate) expires: Option<Expiration>,
}

impl Life {
    /// Of a message that a room's view has judged. What is about another message ends with that.
    pub(crate) fn of(
        view: &RoomView,
        role: &Role,
        wish: Option<Expiration>,
        accepted_ms: u64,
    ) -> Self {
        let expires = match role {
            Role::Plain { .. } => of_received(policy(view).as_ref(), wish, accepted_ms),
            _ => wish,
        };
        Self { wish, expires }
    }
}

/// What a room knows of the ends of its messages.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// For what is written here.
    pub(crate) lifetime: Lifetime,
    /// Where the room's policy makes of a message's own wish something else.
    others: BTreeMap<MessageId, Option<Expiration>>,
    /// When messages end, in milliseconds since the epoch.
    ends: BTreeSet<(u64, MessageId)>,
    /// When it is looked next.
    planned_ms: Option<u64>,
}

/// The policy of a room; one that nobody can read says nothing, and the judge lets none in.
pub(crate) fn policy(view: &RoomView) -> Option<MessageExpiration> {
    let octets = view.other_components.get(&MESSAGE_EXPIRATION_POLICY)?;
    MessageExpiration::decode(octets).ok()
}

/// POLICY-EXPR-1: how a new message is to expire, given what its author has chosen. What was chosen
/// before the policy changed is brought into its bounds.
pub(crate) fn of_new_message(
    policy: Option<&MessageExpiration>,
    chosen: Lifetime,
) -> Option<Expiration> {
    let after = |time| Some(Expiration { relative: true, time });
    let within = |range: &ExpirationRange, time: u32| {
        let bounds = (range.min_expiration_duration, range.max_expiration_duration);
        after(time.clamp(bounds.0, bounds.1))
    };
    let Some(MessageExpiration { expiring_messages }) = policy else {
        return match chosen {
            Lifetime::Seconds(time) => after(time),
            Lifetime::AsSuggested | Lifetime::Unlimited => None,
        };
    };
    match (expiring_messages, chosen) {
        (Conditional::Forbidden, _) | (Conditional::Optional(_), Lifetime::Unlimited) => None,
        (Conditional::Optional(range) | Conditional::Required(range), Lifetime::Seconds(time)) => {
            within(range, time)
        }
        (Conditional::Optional(range), Lifetime::AsSuggested) => {
            range.default_expiration_duration.and_then(|time| within(range, time))
        }
        (Conditional::Required(range), Lifetime::AsSuggested | Lifetime::Unlimited) => {
            within(range, longest_unless_suggested(range))
        }
    }
}

fn longest_unless_suggested(range: &ExpirationRange) -> u32 {
    range.default_expiration_duration.unwrap_or(range.max_expiration_duration)
}

/// POLICY-EXPR-1: how a received message expires: as it says, within what the room allows. A message
/// that keeps to nothing of this is still read; it only lives as the room wants it.
pub(crate) fn of_received(
    policy: Option<&MessageExpiration>,
    expires: Option<Expiration>,
    accepted_ms: u64,
) -> Option<Expiration> {
    let Some(MessageExpiration { expiring_messages }) = policy else { return expires };
    let (range, expires) = match (expiring_messages, expires) {
        (Conditional::Forbidden, _) | (Conditional::Optional(_), None) => return None,
        (Conditional::Required(range), None) => {
            let time = longest_unless_suggested(range);
            (range, Expiration { relative: true, time })
        }
        (Conditional::Optional(range) | Conditional::Required(range), Some(expires)) => {
            (range, expires)
        }
    };
    let (min, max) = (range.min_expiration_duration, range.max_expiration_duration);
    let time = match expires.relative {
        true => expires.time.clamp(min, max),
        // From acceptance (AMB-CNT-20).
        false => {
            let accepted = accepted_ms / 1_000;
            let duration = u64::from(expires.time).saturating_sub(accepted);
            let duration = duration.clamp(u64::from(min), u64::from(max));
            u32::try_from(accepted.saturating_add(duration)).unwrap_or(u32::MAX)
        }
    };
    Some(Expiration { time, ..expires })
}

/// Whether a person may choose this in a room.
pub(crate) fn check_choice(
    policy: Option<&MessageExpiration>,
    chosen: Lifetime,
) -> Result<(), ClientError> {
    let refused = |text: String| Err(ClientError::Refused(text));
    let range = match (policy.map(|policy| &policy.expiring_messages), chosen) {
        (_, Lifetime::AsSuggested)
        | (None | Some(Conditional::Optional(_)), Lifetime::Unlimited) => {
            return Ok(());
        }
        (Some(Conditional::Forbidden), Lifetime::Unlimited) => return Ok(()),
        (Some(Conditional::Forbidden), Lifetime::Seconds(_)) => {
            return refused("messages of this room are kept".to_owned());
        }
        (Some(Conditional::Required(_)), Lifetime::Unlimited) => {
            return refused("messages of this room do not stay for ever".to_owned());
        }
        (None, Lifetime::Seconds(time)) => {
            return match time <= EXPIRY_SECONDS_MAX {
                true => Ok(()),
                false => refused("messages live for a year at most".to_owned()),
            };
        }
        (Some(Conditional::Optional(range) | Conditional::Required(range)), _) => range,
    };
    let Lifetime::Seconds(time) = chosen else { return Ok(()) };
    let (min, max) = (range.min_expiration_duration, range.max_expiration_duration);
    match (min..=max.min(EXPIRY_SECONDS_MAX)).contains(&time) {
        true => Ok(()),
        false => refused(format!("messages of this room live for {min} to {max} seconds")),
    }
}

impl Room {
    /// For how long what is written now is to live, in seconds after it is read.
    pub(crate) fn lifetime_now_s(&self, view: &RoomView) -> Option<u32> {
        of_new_message(policy(view).as_ref(), self.expiry.lifetime).map(|expires| expires.time)
    }

    pub(crate) fn choose_lifetime(
        &mut self,
        chosen: Lifetime,
        effects: &mut Effects,
    ) -> Result<(), ClientError> {
        check_choice(policy(self.member()?.view()).as_ref(), chosen)?;
        self.expiry.lifetime = chosen;
        effects.put_room(&self.uri, room_value::LIFETIME, &chosen);
        Ok(())
    }

    /// Remembers how a message expires where the room's policy has made of it something else.
    pub(crate) fn keep_other_life(&mut self, id: &MessageId, life: Life, effects: &mut Effects) {
        if life.wish != life.expires {
            let packed = life.expires.map(|expires| (expires.relative, expires.time));
            effects.put_room(&self.uri, of_message(room_value::OTHER_LIFE, id), &packed);
            self.load_other_life(*id, packed);
        }
    }

    /// Takes up the stored messages; what was over while nobody looked is gone before it is shown.
    pub(crate) fn load_messages(
        &mut self,
        stored: BTreeMap<MessageId, StoredMessage>,
        values: &BTreeMap<String, Secret>,
        effects: &mut Effects,
        now_ms: u64,
    ) -> Result<(), ClientError> {
        self.began_ms = room_value_of(values, room_value::BEGAN, &self.uri)?;
        self.load_lives(values)?;
        let mut messages: Vec<_> = stored.into_values().collect();
        messages.sort_by_key(|message| (message.timestamp_ms, message.id));
        for message in &messages {
            let id = &message.id;
            let verdict = room_value_of(values, &verdict_name(id), &self.uri)?;
            self.load_message(message, verdict.unwrap_or(Verdict::Applied));
            let frank = room_value_of(values, &frank_name(id), &self.uri)?;
            self.keep_frank(*id, frank);
            self.watch_end(id, effects);
        }
        self.expire(now_ms, effects);
        Ok(())
    }

    /// What is stored of messages' ends and of receipts.
    fn load_lives(&mut self, values: &BTreeMap<String, Secret>) -> Result<(), ClientError> {
        for (name, value) in values {
            if let Some(id) = message_of(name, room_value::OTHER_LIFE) {
                self.load_other_life(id, unpack(value, name)?);
            } else if let Some(id) = message_of(name, room_value::EXPIRED) {
                self.timeline.note_expired(id);
            } else if name == room_value::LIFETIME {
                self.expiry.lifetime = unpack(value, name)?;
            } else {
                self.load_receipt(name, value)?;
            }
        }
        Ok(())
    }

    fn load_other_life(&mut self, id: MessageId, packed: Option<(bool, u32)>) {
        let expires = packed.map(|(relative, time)| Expiration { relative, time });
        self.expiry.others.insert(id, expires);
    }

    /// When a message ends, as far as that is known: of what is unread, perhaps never.
    pub(crate) fn ends_ms(&self, id: &MessageId) -> Option<u64> {
        let expires = match self.expiry.others.get(id) {
            Some(other) => *other,
            None => self.timeline.expires(id),
        };
        expires?.deletes_at_ms(self.receipts.read_ms(id))
    }

    /// A message is there, or has been read: its end is watched for.
    pub(crate) fn watch_end(&mut self, id: &MessageId, effects: &mut Effects) {
        let Some(end_ms) = self.ends_ms(id) else { return };
        self.expiry.ends.insert((end_ms, *id));
        self.plan_expiry(effects);
    }

    fn plan_expiry(&mut self, effects: &mut Effects) {
        let Some((first_ms, _)) = self.expiry.ends.first().copied() else { return };
        if self.expiry.planned_ms.is_none_or(|planned_ms| first_ms < planned_ms) {
            self.expiry.planned_ms = Some(first_ms);
            effects.timer(first_ms, Timer::Expire(self.uri.clone()));
        }
    }

    /// Removes what is over, and looks again when the next one is.
    pub(crate) fn expire(&mut self, now_ms: u64, effects: &mut Effects) {
        while let Some((end_ms, id)) = self.expiry.ends.first().copied()
            && end_ms <= now_ms
        {
            self.expiry.ends.pop_first();
            if self.timeline.knows(&id) {
                self.remove_message(&id, effects);
                effects.event(ClientEvent::Expired { room: self.uri.clone(), message: id });
            }
        }
        self.expiry.planned_ms = None;
        self.plan_expiry(effects);
    }

    /// A message goes with all that is about it, and with all that is kept beside it; that there was
    /// one stays known, for what answers it.
    fn remove_message(&mut self, id: &MessageId, effects: &mut Effects) {
        for gone in self.timeline.remove(id) {
            let room = self.uri.clone();
            effects.store(StoreChange::RemoveMessage { room, id: gone });
            effects.remove_room(&self.uri, verdict_name(&gone));
            if self.franks.remove(&gone).is_some() {
                effects.remove_room(&self.uri, frank_name(&gone));
            }
            if self.expiry.others.remove(&gone).is_some() {
                effects.remove_room(&self.uri, of_message(room_value::OTHER_LIFE, &gone));
            }
            self.forget_receipts(&gone, effects);
        }
        effects.put_room(&self.uri, of_message(room_value::EXPIRED, id), &());
        self.timeline.note_expired(*id);
    }

    /// A message that was over before it came is never shown.
    pub(crate) fn came_too_late(&mut self, id: &MessageId, effects: &mut Effects) {
        effects.put_room(&self.uri, of_message(room_value::EXPIRED, id), &());
        self.timeline.note_expired(*id);
    }
}

impl Session {
    pub(crate) fn set_lifetime(
        &mut self,
        operation: OperationId,
        room: &MimiUri,
        lifetime: Lifetime,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(room)?;
        known.choose_lifetime(lifetime, means.effects)?;
        self.effects.finish(Some(operation), Ok(Outcome::Done));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
