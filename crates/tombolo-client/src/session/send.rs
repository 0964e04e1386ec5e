//! Sending: one message of a room at a time, in the order written, each encrypted when its turn
//! comes and stored with the ratchet's step before it leaves.

use bytes::Bytes;
use mimi_mls::device::Device;
use mimi_mls::error::StageError;
use mimi_mls::member::MemberGroup;
use mimi_policy::message::may_submit;
use mimi_render::escape_html_tags;
use mimi_wire::content::{Disposition, MessageId, MimiContent, NestedPart, Part};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::submit_message::{Frank, SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::session::Session;
use crate::session::astray::MESSAGE_BEHIND_MAX;
use crate::session::command::{Draft, OperationId, Outcome};
use crate::session::commit::Intent;
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer, refusal};
use crate::session::expiry;
use crate::session::franking::{self, Franked};
use crate::session::receipts;
use crate::session::request::{Request, RequestId, Response};
use crate::session::room::{Means, Room, Standing};
use crate::session::saved::room_value;
use crate::session::timeline::Role;
use crate::session::verdict::{self, Verdict};
use crate::store::StoredMessage;

/// Octets of a message's content, with room for what encrypts and carries it (AMB-TR-5).
pub const CONTENT_OCTETS_MAX: usize = 900 * 1024;
/// Media type of texts without markup.
const PLAIN_TYPE: &str = "text/plain;charset=utf-8";
/// How often a message is encrypted before its operation gives up.
pub const ENCRYPTIONS_MAX: u32 = 8;
/// How long the stream may take to bring the epoch that the hub is in, before the hub is asked
/// again; each time twice as long, up to so many times.
const EPOCH_LATE_MS: u64 = 1_000;
const EPOCH_LATE_DOUBLED: u32 = 5;

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Sending {
    operation: Option<OperationId>,
    stored: SavedSending,
    request: Option<RequestId>,
    /// How often the hub said that it is in a later epoch than we know.
    behind: u32,
    /// The hub does not allow it, and is looked at: it may be in an earlier epoch.
    doubted: bool,
}

/// A message on its way, as stored.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SavedSending {
    number: u64,
    id: [u8; 32],
    content: Vec<u8>,
    /// Once encrypted: the epoch, and the octets that are sent again after a restart.
    encrypted: Option<(u64, Vec<u8>)>,
    encryptions: u32,
}

impl Sending {
    /// What the group that is given up has made does not leave any more.
    pub(crate) fn encrypt_anew(&mut self, room: &MimiUri, effects: &mut Effects) {
        if let Some(request) = self.request.take() {
            effects.cancel(request);
        }
        self.stored.encrypted = None;
        self.behind = 0;
        effects.put_room(room, self.stored.row(), &self.stored);
    }

    /// The stream moves: an epoch it lacks may still come.
    pub(crate) fn be_patient(&mut self) {
        self.behind = 0;
    }

    /// Whether it is encrypted for this epoch or a later one.
    pub(crate) fn is_ahead_of(&self, epoch: u64) -> bool {
        self.stored.encrypted.as_ref().is_some_and(|(of, _)| *of >= epoch)
    }

    /// Whether it is encrypted for an epoch that the hub, by its word, has not come to.
    fn is_of_later_than(&self, hub_epoch: u64) -> bool {
        self.stored.encrypted.as_ref().is_some_and(|(of, _)| *of > hub_epoch)
    }

    /// A message to be sent, stored as such.
    pub(crate) fn new(
        content: &MimiContent,
        own: &MimiUri,
        room: &MimiUri,
        operation: Option<OperationId>,
        effects: &mut Effects,
    ) -> Result<Self, ClientError> {
        let encoded = content.encode().map_err(|error| ClientError::Other(error.to_string()))?;
        if encoded.len() > CONTENT_OCTETS_MAX {
            return Err(ClientError::Other("the message is too long".to_owned()));
        }
        let stored = SavedSending {
            number: effects.number(),
            id: MessageId::compute(own, room, &encoded, &content.salt).0,
            content: encoded,
            encrypted: None,
            encryptions: 0,
        };
        effects.put_room(room, stored.row(), &stored);
        Ok(Self { operation, stored, request: None, behind: 0, doubted: false })
    }

    pub(crate) fn id(&self) -> MessageId {
        MessageId(self.stored.id)
    }
}

impl SavedSending {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn row(&self) -> String {
        format!("{}{:016x}", room_value::SEND, self.number)
    }
}

impl Session {
    pub(crate) fn send(
        &mut self,
        operation: OperationId,
        room: &MimiUri,
        draft: Draft,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(room)?;
        let view = known.member()?.view();
        // CONTENT-MSG-1.
        let mut salt = [0; 16];
        at.rng.fill_bytes(&mut salt);
        let own = &means.own.user;
        let content = known.compose(draft, salt, own)?;
        let role = known.timeline.role(&content);
        let role = role.map_err(|reason| ClientError::Other(reason.to_owned()))?;
        verdict::judge(view, own, &content, &role, &known.timeline)?;
        let sending = Sending::new(&content, own, room, Some(operation), means.effects)?;
        known.sends.push_back(sending);
        Ok(())
    }
}

impl Room {
    fn compose(
        &self,
        draft: Draft,
        salt: [u8; 16],
        own: &MimiUri,
    ) -> Result<MimiContent, ClientError> {
        let room = &self.uri;
        let root = |id: &MessageId| {
            let root = self.timeline.root(id);
            root.ok_or_else(|| ClientError::Other(format!("there is no message {id} in {room}")))
        };
        let view = self.member()?.view();
        // Whatever is about another message ends with that.
        let new = |content: MimiContent| {
            let policy = expiry::policy(view);
            let expires = expiry::of_new_message(policy.as_ref(), self.expiry.lifetime);
            MimiContent { expires, ..content }
        };
        Ok(match draft {
            Draft::Text { text, in_reply_to: None } => {
                new(MimiContent::text(salt, own, room, &escape_html_tags(&text)))
            }
            Draft::Text { text, in_reply_to: Some(to) } => {
                let root = root(&to)?;
                let to = self.timeline.newest_version(&root);
                // A reply stays in the topic of what it answers.
                let topic_id = self.timeline.topic(&root).to_vec();
                let text = escape_html_tags(&text);
                new(MimiContent { topic_id, ..MimiContent::reply(salt, own, room, to, &text) })
            }
            Draft::Plain { text } => {
                let body = NestedPart::single(Disposition::RENDER, PLAIN_TYPE, text.as_bytes());
                new(MimiContent { body, ..MimiContent::text(salt, own, room, "") })
            }
            Draft::Topic { text, topic } => {
                let text = escape_html_tags(&text);
                new(MimiContent { topic_id: topic, ..MimiContent::text(salt, own, room, &text) })
            }
            Draft::SetTopic { message, topic } => {
                let of = root(&message)?;
                let newest = self.timeline.content(&self.timeline.newest_version(&of));
                let body = newest.map(|newest| newest.body.clone());
                let body = body.ok_or_else(|| ClientError::NotInRoom(room.clone()))?;
                let edit = self.in_place_of(MimiContent::edit(salt, own, room, of, ""), &of);
                MimiContent { body, topic_id: topic, ..edit }
            }
            Draft::File { part } => {
                let disposition = Disposition::ATTACHMENT;
                let part = Part::External(part);
                let body = NestedPart { disposition, language: String::new(), part };
                new(MimiContent { body, ..MimiContent::text(salt, own, room, "") })
            }
            Draft::Reaction { to, reaction } => {
                let to = self.timeline.newest_version(&root(&to)?);
                MimiContent::reaction(salt, own, room, to, &reaction)
            }
            Draft::Edit { message, text } => {
                let of = root(&message)?;
                let edit = MimiContent::edit(salt, own, room, of, &escape_html_tags(&text));
                self.in_place_of(edit, &of)
            }
            Draft::Delete { message } => {
                let of = root(&message)?;
                let deletion = MimiContent::delete(salt, own, room, of);
                match self.timeline.role(&deletion) {
                    Ok(Role::ReactionDeletion { .. }) => {
                        self.in_place_of(MimiContent::unlike(salt, own, room, of), &of)
                    }
                    _ => self.in_place_of(deletion, &of),
                }
            }
        })
    }

    /// Repeats what must stay, with the topic as it is now.
    fn in_place_of(&self, content: MimiContent, of: &MessageId) -> MimiContent {
        match self.timeline.content(of) {
            Some(original) => {
                let topic_id = self.timeline.topic(of).to_vec();
                MimiContent { topic_id, ..content.in_place_of(original) }
            }
            None => content,
        }
    }

    /// Takes up a message that was under way before a restart.
    pub(crate) fn resume_send(
        &mut self,
        stored: SavedSending,
        own: &MimiUri,
        effects: &mut Effects,
    ) {
        let request = stored.encrypted.as_ref().and_then(|(_, message)| {
            let body = submission(message, own)?;
            let request = Request::SubmitMessage { room: self.uri.clone(), body };
            Some(effects.request_again(Purpose::Send(self.uri.clone()), request))
        });
        let sending = Sending { operation: None, stored, request, behind: 0, doubted: false };
        self.sends.push_back(sending);
    }

    /// Sends the first message that waits, if none is under way.
    pub(crate) fn advance_sends(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        while let Ok(epoch) = self.member().map(|group| group.view().epoch) {
            let Some(sending) = self.sends.front() else { return };
            let encrypted = sending.stored.encrypted.as_ref();
            // Encrypted for this epoch already, it waits for the hub or for the stream.
            if sending.request.is_some() || encrypted.is_some_and(|(of, _)| *of >= epoch) {
                return;
            }
            match self.encrypt_first(means) {
                Ok(Encrypted::Sent) => return,
                Ok(Encrypted::NotYet) => {
                    self.commit_before_sending(means, at);
                    return;
                }
                Err(error) => self.send_failed(error, means.effects),
            }
        }
    }

    fn encrypt_first(&mut self, means: &mut Means<'_>) -> Result<Encrypted, ClientError> {
        if let Some(sending) = self.sends.front() {
            self.judge_again(&sending.stored.content, &means.own.user)?;
        }
        let (Some(group), Some(sending)) = (&mut self.group, self.sends.front_mut()) else {
            return Ok(Encrypted::Sent);
        };
        let stored = &mut sending.stored;
        if stored.encryptions >= ENCRYPTIONS_MAX {
            let text = "the room changes faster than a message can be sent".to_owned();
            return Err(ClientError::Refused(text));
        }
        let epoch = group.view().epoch;
        let message = match encrypt(group, means.device, &stored.content) {
            Ok(message) => message,
            // Proposals must be committed before anything is sent in their epoch.
            Err(_) if !group.pending_change().proposals.is_empty() => {
                return Ok(Encrypted::NotYet);
            }
            Err(error) => return Err(ClientError::Other(error.to_string())),
        };
        stored.encrypted = Some((epoch, message.octets().to_vec()));
        stored.encryptions += 1;
        sending.behind = 0;
        let body = submission(message.octets(), &means.own.user)
            .ok_or_else(|| ClientError::Other("a message of our own is malformed".to_owned()))?;
        means.effects.put_room(&self.uri, stored.row(), &*stored);
        means.effects.save_group(&self.uri, group);
        let request = Request::SubmitMessage { room: self.uri.clone(), body };
        let purpose = Purpose::Send(self.uri.clone());
        sending.request = Some(means.effects.request(purpose, request));
        Ok(Encrypted::Sent)
    }

    /// The room may have changed since the message was written: what its receivers would refuse in
    /// this epoch is not sent in it.
    fn judge_again(&self, content: &[u8], own: &MimiUri) -> Result<(), ClientError> {
        let view = self.member()?.view();
        let unreadable = || ClientError::Other("a message of our own is malformed".to_owned());
        let content = MimiContent::decode(content).map_err(|_| unreadable())?;
        if receipts::is_report(&content) {
            return Ok(may_submit(view, own)?);
        }
        // What it was about is there still, unless its time is over.
        let role = self.timeline.role(&content).map_err(|_| unreadable())?;
        verdict::judge(view, own, &content, &role, &self.timeline)?;
        Ok(())
    }

    /// Others' proposals stand before the first message: they are committed at once.
    fn commit_before_sending(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        if self.has_pending_proposals() && !self.is_committing() {
            self.want_commit(None, Intent::CommitPendingOfOthers);
            self.advance_commits(means, at);
        }
    }

    /// What had to be committed first, the hub does not take: whoever waits for that hears it, and asks no
    /// more. A later message finds out anew.
    pub(crate) fn waits_in_vain(&mut self, error: &ClientError, effects: &mut Effects) {
        let epoch = self.member().map(|group| group.view().epoch);
        let waits = |sending: &Sending| {
            let encrypted = sending.stored.encrypted.as_ref().map(|(of, _)| *of);
            sending.request.is_none()
                && epoch.is_ok_and(|epoch| encrypted.is_none_or(|of| of < epoch))
        };
        if self.sends.front().is_some_and(waits) {
            self.send_failed(error.clone(), effects);
        }
    }

    pub(crate) fn send_answered(
        &mut self,
        answer: Answer,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let response = match answer.result {
            Ok(Response::SubmitMessage(response)) => *response,
            // An earlier sending may have come through, before this device was signed out, say.
            other if answer.uncertain => {
                let in_doubt = ClientError::InDoubt(refusal(other).to_string());
                return self.send_failed(in_doubt, means.effects);
            }
            other => return self.send_failed(refusal(other), means.effects),
        };
        match (response, self.sends_no_more()) {
            (SubmitMessageResponse::Accepted { accepted_timestamp, frank }, _) => {
                self.send_accepted(accepted_timestamp, frank.as_ref(), means, at);
            }
            (_, Some(error)) => self.send_failed(error, means.effects),
            (SubmitMessageResponse::NotAllowed, None) => self.send_not_allowed(means, at),
            (SubmitMessageResponse::EpochTooOld { current_epoch }, None) => {
                self.epoch_too_old(current_epoch, means, at);
            }
        }
    }

    /// The message under way comes back in the stream: accepted, if the answer did not say so
    /// (PROTO-NTF-7).
    pub(crate) fn send_echoed(
        &mut self,
        fanout: &FanoutMessage,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let echoed = self.sends.front().is_some_and(|sending| {
            let encrypted = sending.stored.encrypted.as_ref();
            encrypted.is_some_and(|(_, octets)| octets == fanout.message.octets())
        });
        if echoed {
            self.send_accepted(fanout.timestamp, fanout.frank(), means, at);
        }
    }

    fn send_accepted(
        &mut self,
        timestamp_ms: u64,
        frank: Option<&Frank>,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let Some(sending) = self.sends.pop_front() else { return };
        if let Some(request) = sending.request {
            means.effects.cancel(request);
        }
        means.effects.remove_room(&self.uri, sending.stored.row());
        let id = MessageId(sending.stored.id);
        let stored = StoredMessage {
            id,
            sender: means.own.user.clone(),
            timestamp_ms,
            content: sending.stored.content,
        };
        let kept = sending.stored.encrypted.and_then(|(epoch, _)| {
            let view = self.view_of(epoch)?;
            let application_data = &franking::application_data(view, &stored.content);
            let tag = franking::tag(view, &stored.content, application_data);
            self.kept_frank(&stored, &Franked { epoch, application_data, tag, frank })
        });
        // A report is none of the conversation.
        if !MimiContent::decode(&stored.content).is_ok_and(|it| receipts::is_report(&it)) {
            self.show(stored, Verdict::Applied, kept, means.effects);
            let own = means.own.user.clone();
            self.arrived(&id, &own, means, at);
        }
        means.effects.finish(sending.operation, Ok(Outcome::Message(id)));
    }

    /// The message was encrypted for an epoch that is gone: once the stream has brought a later
    /// one, it is encrypted again.
    fn epoch_too_old(&mut self, current_epoch: u64, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let Some(sending) = self.sends.front_mut() else { return };
        sending.request = None;
        // Not by where we are now: while the answer was on its way, the stream may have gone on.
        let is_earlier = sending.is_of_later_than(current_epoch);
        let late_ms = EPOCH_LATE_MS << sending.behind.min(EPOCH_LATE_DOUBLED);
        sending.behind += 1;
        let behind = sending.behind;
        means.effects.timer(at.later(late_ms), Timer::SendAgain(self.uri.clone()));
        if is_earlier {
            self.went_astray("the hub is in an earlier epoch", means, at);
        } else if behind > MESSAGE_BEHIND_MAX {
            self.went_astray("the stream does not bring the hub's epoch", means, at);
        }
    }

    /// What the room's rules allow as we know them, the hub does not: perhaps it is in an epoch
    /// before ours, to which a message of ours is one from the future (PROTO-SUB-3). Its GroupInfo
    /// tells.
    fn send_not_allowed(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let Some(sending) = self.sends.front_mut() else { return };
        let again = std::mem::replace(&mut sending.doubted, true);
        if again || self.joining.is_some() || self.standing != Standing::Joined {
            return self.send_failed(not_let_write(), means.effects);
        }
        sending.request = None;
        self.look_at_hub(means, at);
    }

    /// The hub is where we are, so it meant what it said.
    pub(crate) fn doubts_settled(&mut self, effects: &mut Effects) {
        let doubted = |sending: &Sending| sending.doubted && sending.request.is_none();
        if self.sends.front().is_some_and(doubted) {
            self.send_failed(not_let_write(), effects);
        }
    }

    /// The stream is late: perhaps the hub answers otherwise now.
    pub(crate) fn send_again(&mut self, means: &mut Means<'_>) {
        let Some(sending) = self.sends.front_mut() else { return };
        let Some((_, message)) = &sending.stored.encrypted else { return };
        if sending.request.is_some() {
            return;
        }
        if let Some(body) = submission(message, &means.own.user) {
            let request = Request::SubmitMessage { room: self.uri.clone(), body };
            let purpose = Purpose::Send(self.uri.clone());
            sending.request = Some(means.effects.request_again(purpose, request));
        }
    }

    fn send_failed(&mut self, error: ClientError, effects: &mut Effects) {
        let Some(sending) = self.sends.pop_front() else { return };
        if let Some(request) = sending.request {
            effects.cancel(request);
        }
        effects.remove_room(&self.uri, sending.stored.row());
        effects.finish(sending.operation, Err(error));
    }

    /// Nothing more is sent. What the hub may have accepted by now is left to its answer: who hears that
    /// a message was not sent writes it again, and everybody else would have it twice.
    pub(crate) fn abandon_sends(&mut self, error: &ClientError, effects: &mut Effects) {
        let is_asked = self.sends.front().is_some_and(|sending| sending.request.is_some());
        // What the hub of a frozen room answers, if it ever does, is worth nothing.
        let is_frozen = matches!(error, ClientError::Frozen { .. });
        if is_asked && is_frozen {
            self.send_failed(ClientError::InDoubt(error.to_string()), effects);
        }
        let asked = if is_asked && !is_frozen { self.sends.pop_front() } else { None };
        while !self.sends.is_empty() {
            self.send_failed(error.clone(), effects);
        }
        self.sends.extend(asked);
    }

    /// Why nothing is sent here any more, if this device is out.
    fn sends_no_more(&self) -> Option<ClientError> {
        match self.standing {
            Standing::Left | Standing::Removed | Standing::Banned => self.member().err(),
            _ => None,
        }
    }
}

fn not_let_write() -> ClientError {
    ClientError::Refused("the hub does not let this user write to the room".to_owned())
}

enum Encrypted {
    Sent,
    /// Something must be committed first.
    NotYet,
}

/// Encrypts a content, committed to by a tag where the room's hub franks.
pub(crate) fn encrypt(
    group: &mut MemberGroup,
    device: &Device,
    content: &[u8],
) -> Result<MlsMessage, StageError> {
    let application_data = franking::application_data(group.view(), content);
    let tag = franking::tag(group.view(), content, &application_data);
    group.encrypt_franked(device, &application_data, tag)
}

/// The request for a message; the same octets each time.
pub(crate) fn submission(message: &[u8], own: &MimiUri) -> Option<Bytes> {
    let app_message = MlsMessage::decode(message).ok()?;
    let request = SubmitMessageRequest { app_message, sending_uri: own.clone() };
    Some(Bytes::from(request.encode()))
}
