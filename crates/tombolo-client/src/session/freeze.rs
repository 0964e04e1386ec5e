//! A room whose rules were broken: frozen, with the evidence (AMB-POL-19).
//!
//! **Invariant:** in a frozen room nothing is sent, committed or applied, and nothing thaws it: to
//! follow would be to obey who broke the rules, to go on alone would be to fork the room.

use mimi_policy::{Denied, RoomView, StagedChange};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::effects::{Effects, Moment};
use crate::session::room::{Room, Standing};
use crate::session::saved::evidence_name;
use crate::session::stream_event::StreamEvent;
use crate::shown::{Evidence, RoomStatus};
use crate::store::StoreChange;

/// Events of one room, kept as evidence, that only made the device come in again. What freezes the
/// room is always kept.
pub(crate) const EVIDENCE_MAX: usize = 32;

/// Why an event is not followed.
pub(crate) struct Fault {
    reason: String,
    rule: Option<String>,
    change: Option<StagedChange>,
}

impl Fault {
    /// The judge refuses it.
    pub(crate) fn denied(denied: &Denied, change: &StagedChange) -> Self {
        let rule = format!("{} ({})", denied.rule.name(), denied.rule.id());
        Self { reason: denied.to_string(), rule: Some(rule), change: Some(change.clone()) }
    }

    /// It cannot be what it should be.
    pub(crate) fn invalid(reason: &dyn ToString) -> Self {
        Self { reason: reason.to_string(), rule: None, change: None }
    }
}

impl Room {
    /// Somebody broke the rules, or we cannot tell that nobody did.
    pub(crate) fn freeze(
        &mut self,
        event: &StreamEvent,
        fault: Fault,
        effects: &mut Effects,
        at: &Moment<'_>,
    ) {
        let rule = fault.rule.as_deref().unwrap_or("none");
        let told = &fault.reason;
        tracing::error!(room = %self.uri, id = event.id, rule, reason = %told, "frozen");
        let reason = format!("a change broke the room's rules: {}", fault.reason);
        self.keep_evidence(event, Fault { reason: reason.clone(), ..fault }, effects, at);
        self.frozen(reason, effects);
    }

    /// Ends everything under way; gives what every operation ends with from now on.
    fn frozen(&mut self, reason: String, effects: &mut Effects) -> ClientError {
        self.stand(Standing::Frozen { reason: reason.clone() }, effects);
        let room = self.uri.clone();
        let frozen = ClientError::Frozen { room: room.clone(), reason: reason.clone() };
        self.abandon(&frozen, effects);
        self.end_leaving(Err(frozen.clone()), effects);
        effects.event(ClientEvent::Left { room, status: RoomStatus::Frozen { reason } });
        frozen
    }

    /// The room has become, in commits that this device has missed, what nobody had a right to make
    /// it. There is no event to keep: the room before them is what it was judged by.
    pub(crate) fn freeze_after_missing(
        &mut self,
        denied: &Denied,
        before: RoomView,
        effects: &mut Effects,
        at: &Moment<'_>,
    ) -> ClientError {
        let rule = format!("{} ({})", denied.rule.name(), denied.rule.id());
        tracing::error!(room = %self.uri, rule, reason = %denied, "frozen after missed commits");
        let text = "a change that this device has missed broke the room's rules";
        self.freeze_without_event(
            format!("{text}: {denied}"),
            Some(rule),
            Some(before),
            effects,
            at,
        )
    }

    /// In the room's place is a group that this device was never in: to go there would be to speak, under
    /// the room's name, to whoever has made it.
    pub(crate) fn freeze_for_another_group(&mut self, effects: &mut Effects, at: &Moment<'_>) {
        let reason = "its provider has put another group in this room's place".to_owned();
        tracing::error!(room = %self.uri, reason, "frozen");
        let joining = self.joining.take();
        let before = self.view_before_missing();
        let frozen = self.freeze_without_event(reason, None, before, effects, at);
        effects.finish(joining.and_then(|joining| joining.operation()), Err(frozen));
    }

    fn freeze_without_event(
        &mut self,
        reason: String,
        rule: Option<String>,
        before: Option<RoomView>,
        effects: &mut Effects,
        at: &Moment<'_>,
    ) -> ClientError {
        let evidence = Evidence {
            room: self.uri.clone(),
            reason: reason.clone(),
            rule,
            judged_ms: at.now_ms,
            accepted_ms: 0,
            event_id: u64::MAX,
            room_seq: 0,
            event: Vec::new(),
            change: None,
            view: before,
        };
        effects.put_room(&self.uri, evidence_name(evidence.event_id), &evidence);
        self.evidence.push(evidence);
        self.frozen(reason, effects)
    }

    /// Keeps an event that is not followed, while there are few: whoever sends many of them does not
    /// fill the store.
    pub(crate) fn keep_some_evidence(
        &mut self,
        event: &StreamEvent,
        fault: Fault,
        effects: &mut Effects,
        at: &Moment<'_>,
    ) {
        if self.evidence.len() < EVIDENCE_MAX {
            self.keep_evidence(event, fault, effects, at);
        }
    }

    /// Keeps an event that is not followed, and what it was judged by.
    fn keep_evidence(
        &mut self,
        event: &StreamEvent,
        fault: Fault,
        effects: &mut Effects,
        at: &Moment<'_>,
    ) {
        let Fault { reason, rule, change } = fault;
        let evidence = Evidence {
            room: self.uri.clone(),
            reason: reason.clone(),
            rule,
            judged_ms: at.now_ms,
            accepted_ms: event.timestamp_ms,
            event_id: event.id,
            room_seq: event.seq,
            event: event.payload.clone(),
            change,
            view: self.group.as_ref().map(|group| group.view().clone()),
        };
        effects.put_room(&self.uri, evidence_name(event.id), &evidence);
        let (room, event) = (self.uri.clone(), event.clone());
        effects.store(StoreChange::PutEvidence { room, event, reason });
        self.evidence.push(evidence);
    }
}
