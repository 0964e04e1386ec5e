//! What becomes of messages at those who get them (message-status-01): what this device tells, and
//! what it is told.
//!
//! What is told waits a little and goes out as one report of many messages; it is only ever about
//! messages of others, never about reports, reactions, edits and deletions (AMB-STA-2). What is kept
//! is what others say of our own messages, and what our own devices have said of others'.

use std::collections::BTreeMap;

use mimi_policy::RoomView;
use mimi_policy::message::may_submit;
use mimi_wire::component::STATUS_NOTIFICATION_POLICY;
use mimi_wire::content::{MessageId, MimiContent};
use mimi_wire::room::optionality::Optionality;
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use mimi_wire::status::{MessageStatus, MessageStatusReport, Statuses};
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::Session;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Effects, Moment, Timer};
use crate::session::room::{Means, Room};
use crate::session::saved::{self, of_message, room_value};
use crate::session::send::Sending;

/// Messages that one report is about at most; more make more reports, one after another.
pub const REPORT_ENTRIES_MAX: usize = 128;
/// Messages of a room that a report may be owed for; of older ones nothing is told.
pub const OWED_MAX: usize = 256;
/// Active participants of a room up to whom receipts are sent that the room does not require: in a
/// crowd they would be more than the messages.
pub const RECEIPTS_PARTICIPANTS_MAX: usize = 50;
/// Shortest and longest wait from a message to the report of it: others that come meanwhile are in
/// it, and of several devices of a user one is enough.
const REPORT_DELAY_MS: (u64, u64) = (1_000, 3_000);
/// The same while something else goes first, perhaps for as long as nobody is online.
const REPORT_BEHIND_MS: (u64, u64) = (5_000, 10_000);

/// What a user tells others of what becomes of their messages, where the room leaves it open
/// (STATUS-3). Everything else a person does with a message, hiding it for example, is told to nobody
/// (STATUS-4).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReceiptSetting {
    /// That they have arrived.
    pub delivered: bool,
    /// That they were read.
    pub read: bool,
}

impl ReceiptSetting {
    fn allows(self, status: MessageStatus) -> bool {
        match status {
            MessageStatus::DELIVERED => self.delivered,
            MessageStatus::READ => self.read,
            _ => false,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    /// Of our own messages, what others report.
    statuses: Statuses,
    /// Of others' messages, what a device of ours has reported.
    told: BTreeMap<MessageId, MessageStatus>,
    read_ms: BTreeMap<MessageId, u64>,
    owed: BTreeMap<MessageId, MessageStatus>,
    /// A timer runs.
    planned: bool,
}

impl Receipts {
    pub(crate) fn read_ms(&self, id: &MessageId) -> Option<u64> {
        self.read_ms.get(id).copied()
    }

    pub(crate) fn is_read(&self, id: &MessageId) -> bool {
        self.read_ms.contains_key(id)
    }

    /// What others have reported of a message.
    pub(crate) fn of(&self, id: &MessageId) -> Vec<(MimiUri, MessageStatus)> {
        self.statuses.of(id).map(|(user, status)| (user.clone(), status)).collect()
    }

    /// Whether a device of ours telling this would tell anything new.
    fn is_news(&self, id: &MessageId, status: MessageStatus) -> bool {
        let told = self.told.get(id);
        told.is_none_or(|told| *told != status && told.may_become(status))
    }
}

/// Whether a message is a report, which is never one of the conversation.
pub(crate) fn is_report(content: &MimiContent) -> bool {
    !matches!(MessageStatusReport::from_content(content), Ok(None))
}

/// A room without the component leaves everything to its people (AMB-POL-38); the judge lets in none
/// that cannot be read.
fn policy(view: &RoomView) -> StatusNotificationPolicy {
    let octets = view.other_components.get(&STATUS_NOTIFICATION_POLICY);
    octets.and_then(|octets| StatusNotificationPolicy::decode(octets).ok()).unwrap_or_default()
}

/// STATUS-3, POLICY-STAT-1: what is required is told, what is forbidden is not, and in between it is
/// as the user wishes, but not to a crowd.
fn is_told(view: &RoomView, status: MessageStatus, setting: ReceiptSetting) -> bool {
    match policy(view).of(status) {
        Optionality::Required => true,
        Optionality::Optional => setting.allows(status) && !is_crowd(view),
        Optionality::Forbidden => false,
    }
}

fn is_crowd(view: &RoomView) -> bool {
    let listed = view.participants.participants.iter();
    let active = listed.filter(|pair| view.clients_of(&pair.user).next().is_some());
    active.take(RECEIPTS_PARTICIPANTS_MAX + 1).count() > RECEIPTS_PARTICIPANTS_MAX
}

impl Room {
    /// A message of the conversation has arrived.
    pub(crate) fn arrived(
        &mut self,
        id: &MessageId,
        sender: &MimiUri,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        self.watch_end(id, means.effects);
        if !self.timeline.is_plain(id) {
            return;
        }
        match *sender == means.own.user {
            // Who wrote it knows it, on all devices.
            true => self.note_read(id, at.now_ms, means.effects),
            false => self.owe(id, MessageStatus::DELIVERED, means, at),
        }
    }

    /// A person has read messages.
    pub(crate) fn read(&mut self, ids: &[MessageId], means: &mut Means<'_>, at: &mut Moment<'_>) {
        for id in ids {
            if !self.timeline.is_plain(id) || self.receipts.is_read(id) {
                continue;
            }
            self.note_read(id, at.now_ms, means.effects);
            self.owe(id, MessageStatus::READ, means, at);
        }
    }

    /// Read here or by another device of the user: what lives on from reading begins to.
    fn note_read(&mut self, id: &MessageId, now_ms: u64, effects: &mut Effects) {
        if self.receipts.is_read(id) {
            return;
        }
        self.receipts.read_ms.insert(*id, now_ms);
        effects.put_room(&self.uri, of_message(room_value::READ, id), &now_ms);
        self.watch_end(id, effects);
    }

    /// Something is to be told of a message, unless the room or the user says otherwise, or another
    /// device has told it.
    fn owe(
        &mut self,
        id: &MessageId,
        status: MessageStatus,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let Ok(group) = self.member() else { return };
        if !is_told(group.view(), status, means.receipts) || !self.receipts.is_news(id, status) {
            return;
        }
        let owed = self.receipts.owed.get(id);
        if owed.is_some_and(|owed| *owed == status || !owed.may_become(status)) {
            return;
        }
        self.receipts.owed.insert(*id, status);
        means.effects.put_room(&self.uri, of_message(room_value::OWED, id), &status.0);
        while self.receipts.owed.len() > OWED_MAX {
            let time = |id: &MessageId| self.timeline.timestamp_ms(id);
            let Some(oldest) = self.receipts.owed.keys().copied().min_by_key(time) else { break };
            self.owe_no_more(&oldest, means.effects);
        }
        self.plan_report(REPORT_DELAY_MS, means.effects, at);
    }

    fn owe_no_more(&mut self, id: &MessageId, effects: &mut Effects) {
        if self.receipts.owed.remove(id).is_some() {
            effects.remove_room(&self.uri, of_message(room_value::OWED, id));
        }
    }

    fn plan_report(
        &mut self,
        (least_ms, most_ms): (u64, u64),
        effects: &mut Effects,
        at: &mut Moment<'_>,
    ) {
        if !self.receipts.planned && !self.receipts.owed.is_empty() {
            self.receipts.planned = true;
            effects.timer(at.after(least_ms, most_ms), Timer::Report(self.uri.clone()));
        }
    }

    /// Tells what is owed, in one message. It never goes before what a person has written, and never
    /// makes anybody commit.
    pub(crate) fn report_due(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        self.receipts.planned = false;
        let own = means.own.user.clone();
        let may = self.member().is_ok_and(|group| may_submit(group.view(), &own).is_ok());
        if !may || self.superseded_by.is_some() {
            let owed: Vec<MessageId> = self.receipts.owed.keys().copied().collect();
            return owed.iter().for_each(|id| self.owe_no_more(id, means.effects));
        }
        if !self.sends.is_empty() || self.has_pending_proposals() || self.is_committing() {
            return self.plan_report(REPORT_BEHIND_MS, means.effects, at);
        }
        if let Err(error) = self.send_report(&own, means, at) {
            tracing::warn!(room = %self.uri, %error, "a status report is not sent");
        }
        self.plan_report(REPORT_DELAY_MS, means.effects, at);
    }

    fn send_report(
        &mut self,
        own: &MimiUri,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let owed = self.receipts.owed.iter().take(REPORT_ENTRIES_MAX);
        let report = MessageStatusReport(owed.map(|(id, status)| (*id, *status)).collect());
        for (id, _) in &report.0 {
            self.owe_no_more(id, means.effects);
        }
        // The room may have changed since.
        let view = self.member()?.view();
        let crowd = is_crowd(view);
        let wishes = |status| means.receipts.allows(status) && !crowd;
        let Some(report) = policy(view).permitted(&report, wishes) else { return Ok(()) };
        let mut salt = [0; 16];
        at.rng.fill_bytes(&mut salt);
        let text = MimiContent::text(salt, own, &self.uri, "");
        let content = MimiContent { body: report.to_part(), ..text };
        let sending = Sending::new(&content, own, &self.uri, None, means.effects)?;
        for (id, status) in &report.0 {
            self.note_told(id, *status, means.effects);
        }
        self.sends.push_back(sending);
        Ok(())
    }

    /// A report of a member (STATUS-5): what others tell of our messages, and what other devices of
    /// ours have told of theirs.
    pub(crate) fn reported(
        &mut self,
        reporter: &MimiUri,
        report: &MessageStatusReport,
        view: &RoomView,
        means: &mut Means<'_>,
        at: &Moment<'_>,
    ) {
        let policy = policy(view);
        let allowed = |status: MessageStatus| policy.of(status) != Optionality::Forbidden;
        let own = &means.own.user;
        let concerns = |id: &MessageId| {
            let sender = self.timeline.sender(id);
            // What somebody says of own words is nothing to know, as little as what a third says.
            let of_another = sender.is_some_and(|sender| sender != reporter);
            of_another && (sender == Some(own) || reporter == own) && self.timeline.is_plain(id)
        };
        let entries = report.0.iter().filter(|(id, status)| allowed(*status) && concerns(id));
        let report = MessageStatusReport(entries.copied().collect());
        match reporter == own {
            true => self.reported_by_own(&report, means.effects, at.now_ms),
            false => self.reported_by_other(reporter, &report, means.effects),
        }
    }

    /// Another device of the user has said it: once is enough.
    fn reported_by_own(
        &mut self,
        report: &MessageStatusReport,
        effects: &mut Effects,
        now_ms: u64,
    ) {
        for (id, status) in &report.0 {
            self.note_told(id, *status, effects);
            if *status == MessageStatus::READ {
                self.note_read(id, now_ms, effects);
            }
            let owed = self.receipts.owed.get(id).copied();
            if owed.is_some_and(|owed| !self.receipts.is_news(id, owed)) {
                self.owe_no_more(id, effects);
            }
        }
    }

    fn note_told(&mut self, id: &MessageId, status: MessageStatus, effects: &mut Effects) {
        if self.receipts.is_news(id, status) {
            self.receipts.told.insert(*id, status);
            effects.put_room(&self.uri, of_message(room_value::TOLD, id), &status.0);
        }
    }

    fn reported_by_other(
        &mut self,
        reporter: &MimiUri,
        report: &MessageStatusReport,
        effects: &mut Effects,
    ) {
        let mut messages = Vec::new();
        for entry in &report.0 {
            let one = MessageStatusReport(vec![*entry]);
            if self.receipts.statuses.apply(reporter, &one, |_| true) > 0 {
                effects.put_room(&self.uri, status_name(&entry.0, reporter), &entry.1.0);
                messages.push(entry.0);
            }
        }
        if !messages.is_empty() {
            let (room, by) = (self.uri.clone(), reporter.clone());
            effects.event(ClientEvent::Status { room, by, messages });
        }
    }

    /// A message is gone, and what was known of it goes too.
    pub(crate) fn forget_receipts(&mut self, id: &MessageId, effects: &mut Effects) {
        for reporter in self.receipts.statuses.forget(id) {
            effects.remove_room(&self.uri, status_name(id, &reporter));
        }
        if self.receipts.told.remove(id).is_some() {
            effects.remove_room(&self.uri, of_message(room_value::TOLD, id));
        }
        if self.receipts.read_ms.remove(id).is_some() {
            effects.remove_room(&self.uri, of_message(room_value::READ, id));
        }
        self.owe_no_more(id, effects);
    }

    /// Takes up a stored value, if it is one of these.
    pub(crate) fn load_receipt(
        &mut self,
        name: &str,
        value: &crate::secret::Secret,
    ) -> Result<(), ClientError> {
        if let Some(id) = saved::message_of(name, room_value::READ) {
            self.receipts.read_ms.insert(id, saved::unpack(value, name)?);
        } else if let Some(id) = saved::message_of(name, room_value::OWED) {
            self.receipts.owed.insert(id, MessageStatus(saved::unpack(value, name)?));
        } else if let Some(id) = saved::message_of(name, room_value::TOLD) {
            self.receipts.told.insert(id, MessageStatus(saved::unpack(value, name)?));
        } else if let Some((id, reporter)) = status_of(name) {
            let status = MessageStatus(saved::unpack(value, name)?);
            let report = MessageStatusReport(vec![(id, status)]);
            self.receipts.statuses.apply(&reporter, &report, |_| true);
        }
        Ok(())
    }

    /// After a start: what was owed still is.
    pub(crate) fn resume_reports(&mut self, effects: &mut Effects, now_ms: u64) {
        if !self.receipts.owed.is_empty() && !self.receipts.planned {
            self.receipts.planned = true;
            let due_ms = now_ms.saturating_add(REPORT_DELAY_MS.1);
            effects.timer(due_ms, Timer::Report(self.uri.clone()));
        }
    }
}

impl Session {
    /// What the user tells of others' messages; `None` while that has not been said, which tells
    /// nothing but what a room requires.
    pub fn receipts(&self) -> Option<ReceiptSetting> {
        self.receipts
    }

    pub(crate) fn mark_read(
        &mut self,
        operation: OperationId,
        room: &MimiUri,
        messages: &[MessageId],
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        self.parts(room)?;
        self.with_room(room, at, |room, means, at| room.read(messages, means, at));
        self.effects.finish(Some(operation), Ok(Outcome::Done));
        Ok(())
    }

    pub(crate) fn set_receipts(
        &mut self,
        operation: OperationId,
        receipts: ReceiptSetting,
    ) -> Result<(), ClientError> {
        self.receipts = Some(receipts);
        self.effects.put(saved::RECEIPTS, &receipts);
        self.effects.finish(Some(operation), Ok(Outcome::Done));
        Ok(())
    }
}

fn status_name(id: &MessageId, reporter: &MimiUri) -> String {
    format!("{}{id}/{reporter}", room_value::STATUS)
}

fn status_of(name: &str) -> Option<(MessageId, MimiUri)> {
    let (id, reporter) = name.strip_prefix(room_value::STATUS)?.split_once('/')?;
    Some((id.parse().ok()?, MimiUri::new(reporter).ok()?))
}

#[cfg(test)]
mod tests;
