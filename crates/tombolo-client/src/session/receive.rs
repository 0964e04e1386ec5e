//! Events of a room, in the hub's order: verified by `mimi-mls`, judged by `mimi-policy`, and only
//! then followed.
//!
//! **Invariant:** a commit that the judge refuses, or that cannot be verified, freezes the room with
//! the event as evidence; the device never follows it and never goes its own way (AMB-POL-19).

use mimi_mls::error::StageError;
use mimi_mls::member::{MemberGroup, ReceiveError, Received, StagedMemberCommit};
use mimi_policy::{Denied, RoomView, StagedChange};
use mimi_wire::content::rules::{Nonsense, check_acceptance};
use mimi_wire::content::{MessageId, MimiContent};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::status::MessageStatusReport;
use mimi_wire::{Domain, MimiUri, Wire};

use crate::event::ClientEvent;
use crate::session::effects::{Effects, Moment};
use crate::session::expiry::Life;
use crate::session::framing::{Unframed, unframed};
use crate::session::franking::{Franked, KeptFrank};
use crate::session::freeze::Fault;
use crate::session::hub_sender;
use crate::session::judging::judge;
use crate::session::leave_room::takes_leave;
use crate::session::operational;
use crate::session::remove_user::is_banned;
use crate::session::room::{Means, Room, Standing};
use crate::session::saved::{frank_name, verdict_name};
use crate::session::stream_event::StreamEvent;
use crate::session::verdict::{self, Refusal, Verdict};
use crate::shown::RoomStatus;
use crate::store::{StoreChange, StoredMessage};

/// Events of a room that may wait for their epoch or for issuers.
pub const WAITING_MAX: usize = 4_096;

/// The user whose doing all of a commit is: who commits what others have proposed has not wanted it.
fn sole_author(change: &StagedChange) -> Option<MimiUri> {
    let committer = change.committer.as_ref()?.user()?;
    let mut senders = change.proposals.iter().map(|proposal| proposal.sender.user());
    senders.all(|sender| sender == Some(committer)).then(|| committer.clone())
}

/// What became of an event.
enum Processed {
    Done,
    /// It is for a later epoch.
    Later,
    /// It, and all after it, wait for the issuers of a domain.
    Blocked(Domain),
}

impl Room {
    /// Takes an event of this room from the stream.
    pub(crate) fn take_event(
        &mut self,
        event: StreamEvent,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        self.stream_moved();
        if self.blocked.is_some() {
            return self.wait(event, means.effects);
        }
        match self.process(&event, means, at) {
            Processed::Done => {}
            Processed::Later => {
                self.wait(event, means.effects);
                self.look_for_gap(means.effects, at);
            }
            Processed::Blocked(domain) => {
                self.wait(event, means.effects);
                self.block(domain, means);
            }
        }
    }

    fn block(&mut self, domain: Domain, means: &mut Means<'_>) {
        self.blocked = Some(domain.clone());
        means.issuers.need(domain, means.effects);
    }

    /// Keeps an event, whole, until it can be processed (POLICY-OP-1).
    fn wait(&mut self, event: StreamEvent, effects: &mut Effects) {
        if self.waiting.len() >= WAITING_MAX {
            tracing::error!(room = %self.uri, id = event.id, "too many events wait; one is dropped");
            return;
        }
        effects.store(StoreChange::PutWaiting { room: self.uri.clone(), event: event.clone() });
        self.waiting.insert(event.id, event);
    }

    /// Tries what waits, in order, until nothing more comes of it.
    pub(crate) fn retry_waiting(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let mut next = self.waiting.keys().next().copied();
        while let Some(id) = next {
            if self.blocked.is_some() {
                return;
            }
            let after = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
            let Some(event) = self.waiting.get(&id).cloned() else { return };
            let epoch = self.epoch();
            match self.process(&event, means, at) {
                Processed::Later => next = self.waiting.range(after).next().map(|(id, _)| *id),
                Processed::Blocked(domain) => return self.block(domain, means),
                Processed::Done => {
                    self.waiting.remove(&id);
                    let room = self.uri.clone();
                    means.effects.store(StoreChange::RemoveWaiting { room, id });
                    // A new epoch is what earlier ones may have waited for.
                    next = match self.epoch() == epoch {
                        true => self.waiting.range(after).next().map(|(id, _)| *id),
                        false => self.waiting.keys().next().copied(),
                    };
                }
            }
        }
    }

    fn epoch(&self) -> Option<u64> {
        self.group.as_ref().map(|group| group.view().epoch)
    }

    fn process(
        &mut self,
        event: &StreamEvent,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) -> Processed {
        let fanout = match FanoutMessage::decode(&event.payload) {
            Ok(fanout) => fanout,
            Err(error) => {
                tracing::warn!(room = %self.uri, id = event.id, %error, "an event is malformed");
                return Processed::Done;
            }
        };
        if matches!(fanout.kind, FanoutKind::Welcome { .. }) {
            return self.welcomed(event, &fanout, means, at);
        }
        let is_commit = matches!(fanout.kind, FanoutKind::Commit { .. });
        // What follows our own commit is for the group that it makes; what the hub has stapled to it
        // is too.
        if self.joining.is_some() && !self.join_echoed(event, &fanout, means.effects, at) {
            return Processed::Later;
        }
        if matches!(self.standing, Standing::Frozen { .. }) || self.group.is_none() {
            tracing::debug!(room = %self.uri, id = event.id, "an event is passed over");
            return Processed::Done;
        }
        if Self::is_handshake(&fanout) {
            if self.is_of_another_log(&fanout) {
                self.went_astray("the hub goes on from an earlier epoch", means, at);
                return Processed::Done;
            }
            self.handshake_came(event, means.effects);
        }
        match &fanout.kind {
            FanoutKind::Application { .. } => {
                self.send_echoed(&fanout, means, at);
            }
            FanoutKind::Proposal { .. } => self.leaving_echoed(&fanout.message, means.effects),
            FanoutKind::Commit { .. } | FanoutKind::Welcome { .. } => {}
        }
        let processed = self.receive(event, &fanout, means, at);
        if is_commit && self.began_ms.is_none() && matches!(processed, Processed::Done) {
            self.begin(fanout.timestamp, means.effects);
        }
        processed
    }

    fn receive(
        &mut self,
        event: &StreamEvent,
        fanout: &FanoutMessage,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) -> Processed {
        let Some(group) = &mut self.group else { return Processed::Done };
        let before = group.has_pending().then(|| group.view().clone());
        let received = group.receive(fanout, means.issuers.trusted(), at.now_ms);
        self.save_group(means.effects);
        match received {
            Ok(Received::Application { user, epoch, application_data, franking_tag, .. }) => {
                let franked = Franked {
                    epoch,
                    application_data: &application_data,
                    tag: franking_tag,
                    frank: fanout.frank(),
                };
                self.message(user, &franked, fanout.timestamp, means, at);
            }
            Ok(Received::Commit(staged)) => self.commit_received(event, *staged, means, at),
            Ok(Received::OwnCommit) => {
                if let Some(before) = before {
                    self.own_commit_merged(before, fanout.timestamp, means);
                    self.handshake_came(event, means.effects);
                }
            }
            Ok(Received::Proposals(change)) => self.proposals_received(event, &change, means, at),
            Ok(Received::Repeat) => {}
            Ok(Received::Future { .. }) => return Processed::Later,
            Err(ReceiveError::Unreadable(reason)) => {
                tracing::warn!(room = %self.uri, id = event.id, %reason, "an event is dropped");
                if self.is_of_another_log(fanout) {
                    self.doubt_hub(means, at);
                }
            }
            Err(ReceiveError::Stage(error)) => return self.not_staged(event, error, means, at),
            Err(ReceiveError::Unproven(error)) => {
                if let Some(domain) = means.issuers.wanted(&error, at.now_ms) {
                    return Processed::Blocked(domain);
                }
                tracing::warn!(room = %self.uri, id = event.id, %error, "an event is dropped");
            }
            Err(error @ (ReceiveError::RejoinNeeded(_) | ReceiveError::Expired(_))) => {
                let reason = error.to_string();
                tracing::error!(room = %self.uri, id = event.id, reason, "coming in again");
                self.keep_some_evidence(event, Fault::invalid(&reason), means.effects, at);
                self.rejoin(means, at);
            }
            Err(error) => {
                tracing::warn!(room = %self.uri, id = event.id, %error, "an event is dropped");
            }
        }
        Processed::Done
    }

    fn not_staged(
        &mut self,
        event: &StreamEvent,
        error: StageError,
        means: &mut Means<'_>,
        at: &Moment<'_>,
    ) -> Processed {
        if let Some(domain) = means.issuers.wanted_to_stage(&error, at.now_ms) {
            return Processed::Blocked(domain);
        }
        match error {
            StageError::WrongEpoch { current, given } if given > current => Processed::Later,
            StageError::WrongEpoch { .. } => Processed::Done,
            error => {
                self.freeze(event, Fault::invalid(&error), means.effects, at);
                Processed::Done
            }
        }
    }

    /// A verified commit of somebody else.
    fn commit_received(
        &mut self,
        event: &StreamEvent,
        staged: StagedMemberCommit,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let Some(group) = &mut self.group else { return };
        let before = group.view().clone();
        if let Err(denied) = judge(group, staged.change()) {
            let fault = Fault::denied(&denied, staged.change());
            return self.freeze(event, fault, means.effects, at);
        }
        let evicted = staged.evicts_us().then(|| staged.after().clone());
        let changed = ClientEvent::RoomChanged {
            room: self.uri.clone(),
            epoch: staged.change().epoch + 1,
            by: sole_author(staged.change()),
        };
        if group.has_pending()
            && let Err(error) = group.drop_pending()
        {
            return self.freeze(event, Fault::invalid(&error), means.effects, at);
        }
        if let Err(error) = group.merge(staged) {
            return self.freeze(event, Fault::invalid(&error), means.effects, at);
        }
        self.stirred = true;
        self.epoch_began(event.timestamp_ms, means.effects);
        self.handshake_came(event, means.effects);
        self.keep_view(before, means.effects);
        self.save_group(means.effects);
        means.effects.event(changed);
        if let Some(after) = evicted {
            return self.evicted(after, means);
        }
        if let Some((denied, stapled)) = self.judge_stapled() {
            return self.freeze(event, Fault::denied(&denied, &stapled), means.effects, at);
        }
        self.race_lost(means.effects, at);
        self.leaving_overtaken(means.effects);
    }

    /// What a hub staples to a commit has to be in the next one, like other proposals: the judge is
    /// asked at once.
    fn judge_stapled(&self) -> Option<(Denied, StagedChange)> {
        let group = self.group.as_ref()?;
        let stapled = group.pending_change();
        if stapled.proposals.is_empty() {
            return None;
        }
        let denied = judge(group, &stapled).err()?;
        Some((denied, stapled))
    }

    /// The commit removed this device.
    fn evicted(&mut self, after: RoomView, means: &mut Means<'_>) {
        let own = &means.own.user;
        let (standing, status) = match (&self.standing, after.role_index_of(own)) {
            (Standing::Left, _) => (Standing::Left, None),
            (_, None) if self.leaving.is_some() => (Standing::Left, Some(RoomStatus::Left)),
            _ if is_banned(&after, own) => (Standing::Banned, Some(RoomStatus::Banned)),
            _ => (Standing::Removed, Some(RoomStatus::Removed)),
        };
        self.stand(standing, means.effects);
        self.leaving_over(means.effects);
        self.abandon(&self.outside(), means.effects);
        self.give_up_group(after, means.effects);
        if let Some(status) = status {
            means.effects.event(ClientEvent::Left { room: self.uri.clone(), status });
        }
    }

    /// Proposals that the hub has accepted: whoever commits next must include them, so the judge is
    /// asked at once.
    fn proposals_received(
        &mut self,
        event: &StreamEvent,
        change: &StagedChange,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let judged = self.group.as_ref().map(|group| judge(group, change));
        if let Some(Err(denied)) = judged {
            return self.freeze(event, Fault::denied(&denied, change), means.effects, at);
        }
        self.stirred = true;
        let view = self.group.as_ref().map(MemberGroup::view);
        if view.is_some_and(|view| takes_leave(view, change, &means.own.user)) {
            // Another device of this user leaves, for all of them: what this one wanted is so.
            self.depart(means.effects);
            self.leaving_over(means.effects);
        }
        // A commit that waited for them can be built.
        self.commit_again(means, at);
    }

    /// A Welcome brings this device in (PROTO-NTF-11).
    fn welcomed(
        &mut self,
        event: &StreamEvent,
        fanout: &FanoutMessage,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) -> Processed {
        let FanoutKind::Welcome { ratchet_tree } = &fanout.kind else { return Processed::Done };
        // While this device looks at its hub, commits wait; one of them may put it out.
        let looks = self.standing == Standing::Joined && self.joining.is_some();
        if looks || self.is_committing_externally() {
            return Processed::Later;
        }
        let may_enter = match self.standing {
            Standing::Unknown
            | Standing::Joining
            | Standing::Rejoining
            | Standing::Left
            | Standing::Removed
            | Standing::Banned => true,
            Standing::Founding | Standing::Joined | Standing::Frozen { .. } => false,
        };
        if !may_enter {
            tracing::info!(room = %self.uri, "a Welcome to a room this device is in is dropped");
            return Processed::Done;
        }
        let (device, trusted) = (&mut *means.device, means.issuers.trusted());
        let message = &fanout.message;
        match MemberGroup::join_by_welcome(device, message, ratchet_tree, trusted, at.now_ms) {
            Ok(group) => {
                // The KeyPackage is used up, whatever the group is.
                means.effects.put_device(means.device);
                let hub = hub_sender::domain_of(group.hub_sender());
                if *group.view().room() == self.uri && hub == Some(self.uri.domain()) {
                    self.joined_otherwise(means.effects);
                    self.epoch_began(fanout.timestamp, means.effects);
                    self.handshake_came(event, means.effects);
                    self.begin(fanout.timestamp, means.effects);
                    self.enter_by_welcome(group, means.effects, at);
                } else {
                    tracing::warn!(room = %self.uri, "a Welcome is for another room; dropped");
                }
                Processed::Done
            }
            Err(error) => {
                if let Some(domain) = means.issuers.wanted_to_stage(&error, at.now_ms) {
                    return Processed::Blocked(domain);
                }
                tracing::warn!(room = %self.uri, %error, "a Welcome cannot be followed");
                self.come_in_without_welcome(means, at);
                Processed::Done
            }
        }
    }

    /// Who could not follow has judged nothing of what came since, and does now what it can.
    fn enter_by_welcome(&mut self, group: MemberGroup, effects: &mut Effects, at: &Moment<'_>) {
        let before = match self.standing {
            Standing::Rejoining => self.view_before_missing(),
            _ => None,
        };
        if self.is_in_another_group_than(&group) {
            return self.freeze_for_another_group(effects, at);
        }
        self.enter(group, effects);
        if let Some(before) = before
            && let Err(denied) = self.judge_missed(&before, effects)
        {
            self.freeze_after_missing(&denied, before, effects, at);
        }
    }

    /// A decrypted application message: applied as what it is, if it may be that.
    fn message(
        &mut self,
        user: MimiUri,
        franked: &Franked<'_>,
        timestamp_ms: u64,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let Franked { epoch, application_data, .. } = *franked;
        let read = self.read_message(user, epoch, application_data, timestamp_ms, at.now_ms);
        match read {
            Ok(Read::Message(read)) => self.take_message(*read, franked, means, at),
            Ok(Read::Report(reporter, report)) => {
                if let Some(view) = self.view_of(epoch).cloned() {
                    self.reported(&reporter, &report, &view, means, at);
                }
            }
            Ok(Read::Nothing) => {}
            Err(reason) => tracing::warn!(room = %self.uri, %reason, "a message is dropped"),
        }
    }

    /// Shows a message, unless its time was over before it came.
    fn take_message(
        &mut self,
        read: ReadMessage,
        franked: &Franked<'_>,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let ReadMessage { stored, verdict, life } = read;
        let (id, sender) = (stored.id, stored.sender.clone());
        if let Verdict::Refused(Refusal { reason, rule }) = &verdict {
            tracing::warn!(room = %self.uri, %id, rule, reason, "not applied");
        }
        let end_ms = life.expires.and_then(|expires| expires.deletes_at_ms(None));
        if end_ms.is_some_and(|end_ms| end_ms <= at.now_ms) {
            return self.came_too_late(&id, means.effects);
        }
        let frank = self.kept_frank(&stored, franked);
        self.keep_other_life(&id, life, means.effects);
        self.show(stored, verdict, frank, means.effects);
        self.arrived(&id, &sender, means, at);
    }

    /// The message to be shown; nothing for repeats and for what is not shown.
    fn read_message(
        &self,
        sender: MimiUri,
        epoch: u64,
        application_data: &[u8],
        timestamp_ms: u64,
        now_ms: u64,
    ) -> Result<Read, String> {
        // CONTENT-SEC-1: what makes no sense is discarded, with a line in the log.
        let nonsense = |nonsense: Nonsense| format!("sent by {sender}: {nonsense}");
        check_acceptance(timestamp_ms, Some(now_ms), self.began_ms).map_err(nonsense)?;
        let view = self.view_of(epoch).ok_or("its epoch is not known")?;
        // POLICY-OP-2.
        let now = self.member().map(MemberGroup::view);
        if now.is_ok_and(|now| !operational::takes_message_of(now, epoch)) {
            return Err(format!("sent by {sender} in epoch {epoch}: too old for this room"));
        }
        let octets = match unframed(view, application_data)? {
            Unframed::Content(octets) => octets,
            Unframed::Report(report) => return Ok(Read::Report(sender, report)),
            Unframed::Other => return Ok(Read::Nothing),
        };
        let content = MimiContent::decode(&octets).map_err(|error| error.to_string())?;
        // What it claims must be what is proven (AMB-CNT-4, PROTO-SUB-6).
        content.check_claims(Some(&sender), Some(&self.uri)).map_err(nonsense)?;
        content.check_values().map_err(nonsense)?;
        content.check_expiry(timestamp_ms).map_err(nonsense)?;
        let id = MessageId::compute(&sender, &self.uri, &octets, &content.salt);
        if self.timeline.knows(&id) || self.sends.iter().any(|sending| sending.id() == id) {
            return Ok(Read::Nothing);
        }
        // Encrypted once more by a sender that came in again; what is over does not come back.
        if self.timeline.has_expired(&id) {
            return Ok(Read::Nothing);
        }
        let report = MessageStatusReport::from_content(&content);
        if let Some(report) = report.map_err(|error| format!("{id}: {error}"))? {
            return Ok(Read::Report(sender, report));
        }
        let role = self.timeline.role(&content).map_err(|reason| format!("{id}: {reason}"))?;
        let judged = verdict::judge(view, &sender, &content, &role, &self.timeline);
        let verdict = judged.unwrap_or_else(|denied| Verdict::Refused(Refusal::from(&denied)));
        let life = Life::of(view, &role, content.expires, timestamp_ms);
        let stored = StoredMessage { id, sender, timestamp_ms, content: octets };
        Ok(Read::Message(Box::new(ReadMessage { stored, verdict, life })))
    }

    /// Stores and shows a message as what it is.
    pub(crate) fn show(
        &mut self,
        stored: StoredMessage,
        verdict: Verdict,
        frank: Option<KeptFrank>,
        effects: &mut Effects,
    ) {
        // Most are applied, and nothing has to be kept for that.
        let kept = (verdict != Verdict::Applied).then(|| verdict.clone());
        let Some(root) = self.load_message(&stored, verdict) else { return };
        if let Some(kept) = kept {
            effects.put_room(&self.uri, verdict_name(&stored.id), &kept);
        }
        if let Some(frank) = &frank {
            effects.put_room(&self.uri, frank_name(&stored.id), frank);
        }
        self.keep_frank(stored.id, frank);
        effects.store(StoreChange::PutMessage { room: self.uri.clone(), message: stored });
        if let Some(message) = self.shown_message(&root) {
            let (room, message) = (self.uri.clone(), Box::new(message));
            effects.event(ClientEvent::Message { room, message });
        }
    }

    /// Remembers what is kept of a message's frank (FRANK-9).
    pub(crate) fn keep_frank(&mut self, id: MessageId, frank: Option<KeptFrank>) {
        let Some(frank) = frank else { return };
        if let Some(fault) = &frank.fault {
            self.timeline.mark_unfrankable(&id, fault.clone());
        }
        self.franks.insert(id, frank);
    }

    /// Puts a message into the timeline; gives the one it changes.
    pub(crate) fn load_message(
        &mut self,
        stored: &StoredMessage,
        verdict: Verdict,
    ) -> Option<MessageId> {
        if self.timeline.knows(&stored.id) {
            return None;
        }
        let content = MimiContent::decode(&stored.content).ok()?;
        let role = self.timeline.role(&content).ok()?;
        Some(self.timeline.insert(stored, content, role, verdict))
    }
}

/// What application data turn out to be.
enum Read {
    Message(Box<ReadMessage>),
    /// Of messages of the room, by this user.
    Report(MimiUri, MessageStatusReport),
    /// A repeat, or something that is not for us.
    Nothing,
}

/// A message of the conversation.
struct ReadMessage {
    stored: StoredMessage,
    verdict: Verdict,
    life: Life,
}
