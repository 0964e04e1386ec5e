//! Coming in by oneself (PROTO-GI-7): GroupInfo from the hub, verified and decrypted, then an
//! external commit.

mod rejoin;

use bytes::Bytes;
use mimi_mls::CIPHERSUITE;
use mimi_mls::error::StageError;
use mimi_mls::label::{HpkeKeyPair, verify_with_label};
use mimi_mls::member::MemberGroup;
use mimi_wire::mls::{ExternalSender, MlsMessage};
use mimi_wire::protocol::group_info::{
    GROUP_INFO_ENCRYPTION_LABEL, GROUP_INFO_REQUEST_LABEL, GROUP_INFO_RESPONSE_LABEL,
    GroupInfoOutcome, GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoRequestTbs,
    GroupInfoResponse, GroupInfoSuccess, JoiningCode,
};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::{CommitBundle, UpdateOutcome, UpdateRequest};
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserRolePair};
use mimi_wire::{Domain, MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{OperationId, Outcome};
use crate::session::commit::told_by_hub;
use crate::session::direct::{is_of_two, not_direct};
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer, refusal};
use crate::session::request::{Request, RequestId, Response};
use crate::session::room::{Means, Room, Standing};
use crate::session::saved::room_value;
use crate::session::stream_event::StreamEvent;
use crate::session::way_in::{LINK_IS_SPENT, Wish, role_to_join};
use crate::session::{Session, hub_sender, not_registered};
use crate::shown::RoomStatus;

/// How often joining starts over.
const ATTEMPTS_MAX: u32 = 8;
/// The longest wait before it does.
const AGAIN_MS: u64 = 400;
/// The pause after a device that must come in again could not.
const REJOIN_AGAIN_MS: u64 = 10_000;
/// How long our own commit may take to come in the stream, when its answer was lost.
const ECHO_LATE_MS: u64 = 3_000;

/// What a person is told who came without a link.
const NOT_LET_IN: &str = "its provider does not let you in: you have to be added, or need a link, \
                          or there is no such room";
/// Also of who is still listed, and may not bring in devices.
const KICKED_OUT: &str = "you were removed, and its provider does not let you in again this way: \
                          somebody who is in the room has to add you";

/// Why there is no external commit.
enum NotBuilt {
    /// The hub's material, or what proves it, is at fault.
    Unsound(StageError),
    /// The room's rules do not let this device in as wished.
    Unwanted(ClientError),
    /// The hub has another group in the place of the one that this device is in.
    AnotherGroup,
}

impl From<StageError> for NotBuilt {
    fn from(error: StageError) -> Self {
        Self::Unsound(error)
    }
}

impl From<ClientError> for NotBuilt {
    fn from(error: ClientError) -> Self {
        Self::Unwanted(error)
    }
}

/// A room on its way to be joined.
#[derive(Debug)]
pub(crate) struct Joining {
    operation: Option<OperationId>,
    wish: Wish,
    attempts: u32,
    /// Where the device stood before, if it knew the room.
    before: Option<Standing>,
    stage: Stage,
    /// Nothing is sent if the hub turns out to be in our epoch.
    looks_only: bool,
}

#[derive(Debug)]
enum Stage {
    /// The hub is asked for the GroupInfo, encrypted to this key.
    Asking { keys: HpkeKeyPair },
    /// What the hub gave waits for the issuers of a domain.
    Verifying { opened: Box<Opened>, domain: Domain },
    /// The hub has the external commit, or will get it; the room holds the group to be.
    Committed { commit: MlsMessage, request: Option<RequestId> },
    /// It starts over after a pause.
    Pausing,
}

/// The hub's answer, verified and decrypted.
#[derive(Debug)]
struct Opened {
    material: GroupInfoRatchetTreeTbe,
    hub_sender: ExternalSender,
}

/// An external commit under way, as stored.
#[derive(Deserialize, Serialize)]
pub(crate) struct SavedJoining {
    before: Option<Standing>,
    wish: Wish,
    body: Vec<u8>,
}

impl Session {
    pub(crate) fn join_room(
        &mut self,
        operation: OperationId,
        room: &MimiUri,
        wish: Wish,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        let before = self.rooms.get(room).map(|known| known.standing.clone());
        match &before {
            Some(Standing::Joined | Standing::Rejoining) => {
                self.effects.finish(Some(operation), Ok(Outcome::Room(room.clone())));
                return Ok(());
            }
            Some(Standing::Frozen { reason }) => {
                let (room, reason) = (room.clone(), reason.clone());
                return Err(ClientError::Frozen { room, reason });
            }
            Some(Standing::Joining | Standing::Founding) => {
                return Err(ClientError::Other("this device is joining already".to_owned()));
            }
            Some(Standing::Unknown | Standing::Left | Standing::Removed | Standing::Banned)
            | None => {}
        }
        let known = self.rooms.entry(room.clone());
        let known = known.or_insert_with(|| Room::new(room.clone(), Standing::Joining));
        // Not stored before the commit is: until then nothing is lost by forgetting it.
        known.standing = Standing::Joining;
        known.joining = Some(Joining {
            operation: Some(operation),
            wish,
            attempts: 0,
            before,
            stage: Stage::Pausing,
            looks_only: false,
        });
        self.with_room(room, at, |room, means, at| room.join_again(means, at));
        Ok(())
    }

    pub(crate) fn resume_joining(
        &mut self,
        domain: &Domain,
        known: Result<(), ClientError>,
        at: &mut Moment<'_>,
    ) {
        let waiting: Vec<MimiUri> = self
            .rooms
            .values()
            .filter(|room| room.joining.as_ref().is_some_and(|joining| {
                matches!(&joining.stage, Stage::Verifying { domain: waited, .. } if waited == domain)
            }))
            .map(|room| room.uri.clone())
            .collect();
        for room in waiting {
            let known = known.clone();
            self.with_room(&room, at, |room, means, at| room.join_verified(known, means, at));
        }
        self.forget_unjoined();
    }

    /// Rooms that could not be joined and were not known before are forgotten.
    pub(crate) fn forget_unjoined(&mut self) {
        self.rooms.retain(|_, room| match room.standing {
            Standing::Joining => room.joining.is_some(),
            Standing::Unknown => !room.waiting.is_empty(),
            _ => true,
        });
    }
}

impl Room {
    /// Asks the hub for the GroupInfo.
    pub(crate) fn join_again(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        let Some(joining) = &mut self.joining else { return };
        match &joining.stage {
            Stage::Pausing => {}
            // The echo of a commit whose answer was lost did not come: it was not accepted.
            Stage::Committed { request: None, .. } => self.drop_unaccepted(means.effects),
            _ => return,
        }
        let Some(joining) = &mut self.joining else { return };
        joining.attempts += 1;
        if joining.attempts > ATTEMPTS_MAX {
            let text = "the room keeps changing; try again".to_owned();
            return self.joining_failed(ClientError::Refused(text), means.effects, at);
        }
        let mut randomness = [0; 32];
        at.rng.fill_bytes(&mut randomness);
        let keys = HpkeKeyPair::derive(CIPHERSUITE, &randomness);
        let credential = means.device.credential();
        let (Ok(keys), Some(requesting_credential)) = (keys, credential) else {
            return self.joining_failed(not_registered(), means.effects, at);
        };
        let tbs = GroupInfoRequestTbs {
            cipher_suite: CIPHERSUITE,
            requesting_signature_key: means.device.signature_key().to_vec(),
            requesting_credential,
            group_info_public_key: keys.public.clone(),
            joining_code: joining.wish.code.clone().map(String::into_bytes).map(JoiningCode::new),
        };
        let signature = means.device.sign_with_label(GROUP_INFO_REQUEST_LABEL, &tbs.encode());
        let body = Bytes::from(GroupInfoRequest { tbs, signature }.encode());
        let request = Request::GroupInfo { room: self.uri.clone(), body };
        means.effects.request(Purpose::GroupInfo(self.uri.clone()), request);
        joining.stage = Stage::Asking { keys };
    }

    pub(crate) fn group_info_answered(
        &mut self,
        answer: Answer,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let Some(joining) = &mut self.joining else { return };
        let Stage::Asking { keys } = std::mem::replace(&mut joining.stage, Stage::Pausing) else {
            return;
        };
        let response = match answer.result {
            Ok(Response::GroupInfo(response)) => response,
            other => return self.joining_failed(refusal(other), means.effects, at),
        };
        let refused = |text: &str| ClientError::Refused(format!("{}: {text}", self.uri));
        let success = match &response.outcome {
            GroupInfoOutcome::Success(success) => success,
            GroupInfoOutcome::NotAuthorized => {
                let refused = match (&joining.before, &joining.wish.code) {
                    (Some(Standing::Banned), _) => ClientError::Banned(self.uri.clone()),
                    (Some(Standing::Removed), _) => refused(KICKED_OUT),
                    (_, Some(_)) => ClientError::Refused(LINK_IS_SPENT.to_owned()),
                    (_, None) => refused(NOT_LET_IN),
                };
                return self.joining_refused(refused, means.effects);
            }
            GroupInfoOutcome::NoSuchRoom => {
                let refused = refused("there is no such room");
                return self.joining_refused(refused, means.effects);
            }
        };
        match open(&self.uri, &response, success, &keys) {
            Ok(opened) => self.commit_externally(Box::new(opened), means, at),
            Err(error) => self.joining_failed(error, means.effects, at),
        }
    }

    /// The issuers are known, or will not be.
    fn join_verified(
        &mut self,
        known: Result<(), ClientError>,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let Some(joining) = &mut self.joining else { return };
        let stage = std::mem::replace(&mut joining.stage, Stage::Pausing);
        match (stage, known) {
            (Stage::Verifying { opened, .. }, Ok(())) => {
                self.commit_externally(opened, means, at);
            }
            (_, Err(error)) => self.joining_failed(error, means.effects, at),
            (stage, Ok(())) => joining.stage = stage,
        }
    }

    fn commit_externally(
        &mut self,
        opened: Box<Opened>,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        match self.build_external_commit(&opened, means, at) {
            Ok((group, bundle)) => {
                if self.hub_is_elsewhere(&group, means) {
                    self.send_external_commit(group, bundle, means);
                }
            }
            Err(NotBuilt::Unwanted(error)) => self.joining_refused(error, means.effects),
            Err(NotBuilt::AnotherGroup) => self.freeze_for_another_group(means.effects, at),
            Err(NotBuilt::Unsound(error)) => {
                if let Some(domain) = means.issuers.wanted_to_stage(&error, at.now_ms) {
                    means.issuers.need(domain.clone(), means.effects);
                    if let Some(joining) = &mut self.joining {
                        joining.stage = Stage::Verifying { opened, domain };
                    }
                    return;
                }
                let error = ClientError::Refused(format!("the room cannot be joined: {error}"));
                self.joining_failed(error, means.effects, at);
            }
        }
    }

    /// The group to be. It must be the group of this room, at the hub that signed (PROTO-GI-6).
    fn build_external_commit(
        &self,
        opened: &Opened,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) -> Result<(MemberGroup, CommitBundle), NotBuilt> {
        let invalid = |reason: &str| NotBuilt::from(StageError::Invalid(reason.to_owned()));
        let mut join = |participants| {
            let trusted = means.issuers.trusted();
            let material = &opened.material;
            MemberGroup::join_by_external_commit(
                means.device,
                material,
                participants,
                trusted,
                &mut at.rng,
                at.now_ms,
            )
        };
        let (group, bundle) = join(None)?;
        let view = group.view();
        if *group.hub_sender() != opened.hub_sender {
            return Err(invalid("the answer is signed by another hub than the group's"));
        }
        if *view.room() != self.uri {
            return Err(invalid("the group is that of another room"));
        }
        if self.is_in_another_group_than(&group) {
            return Err(NotBuilt::AnotherGroup);
        }
        let wish = self.joining.as_ref().map(|joining| joining.wish.clone()).unwrap_or_default();
        if let Some(user) = &wish.direct_with
            && !is_of_two(view, &means.own.user, user)
        {
            return Err(NotBuilt::Unwanted(not_direct(user)));
        }
        let Some(role_index) = role_to_join(view, means.own, &wish)? else {
            return Ok((group, bundle));
        };
        // AMB-UPD-16: who is not listed lists itself, by value.
        let pair = UserRolePair { user: means.own.user.clone(), role_index };
        let joined = join(Some(ParticipantListUpdate {
            added_participants: vec![pair],
            ..ParticipantListUpdate::default()
        }))?;
        Ok(joined)
    }

    fn send_external_commit(
        &mut self,
        group: MemberGroup,
        bundle: CommitBundle,
        means: &mut Means<'_>,
    ) {
        if let Some(view) = self.group.as_ref().map(|group| group.view().clone()) {
            self.give_up_group(view, means.effects);
        }
        let Some(joining) = &mut self.joining else { return };
        let commit = bundle.commit.clone();
        let body = UpdateRequest::Commit(bundle).encode();
        let saved = SavedJoining {
            before: joining.before.clone(),
            wish: joining.wish.clone(),
            body: body.clone(),
        };
        means.effects.put_room(&self.uri, room_value::JOIN, &saved);
        let request = Request::Update { room: self.uri.clone(), body: Bytes::from(body) };
        let request = means.effects.request(Purpose::Join(self.uri.clone()), request);
        joining.stage = Stage::Committed { commit, request: Some(request) };
        if self.standing != Standing::Rejoining {
            self.stand(Standing::Joining, means.effects);
        }
        self.group = Some(group);
        self.save_group(means.effects);
    }

    /// Takes up an external commit that was under way before a restart.
    pub(crate) fn resume_join(&mut self, saved: SavedJoining, effects: &mut Effects) {
        let Ok(UpdateRequest::Commit(bundle)) = UpdateRequest::decode(&saved.body) else { return };
        let body = Bytes::from(saved.body.clone());
        let request = Request::Update { room: self.uri.clone(), body };
        let request = effects.request_again(Purpose::Join(self.uri.clone()), request);
        let stage = Stage::Committed { commit: bundle.commit, request: Some(request) };
        let SavedJoining { before, wish, .. } = saved;
        let (operation, attempts, looks_only) = (None, 1, false);
        self.joining = Some(Joining { operation, wish, attempts, before, stage, looks_only });
    }

    pub(crate) fn join_answered(
        &mut self,
        answer: Answer,
        means: &mut Means<'_>,
        at: &mut Moment<'_>,
    ) {
        let response = match answer.result {
            Ok(Response::Update(response)) => response,
            other => return self.joining_failed(refusal(other), means.effects, at),
        };
        match response.outcome {
            UpdateOutcome::Success { accepted_timestamp } => {
                self.join_accepted(accepted_timestamp, means.effects, at);
            }
            UpdateOutcome::WrongEpoch { current_epoch } => {
                self.join_lost(current_epoch, answer.uncertain, means.effects, at);
            }
            UpdateOutcome::NotAllowed => {
                let by_link = self.joining.as_ref().is_some_and(|it| it.wish.code.is_some());
                let otherwise = if by_link { LINK_IS_SPENT } else { NOT_LET_IN };
                let refused = told_by_hub(response.error_description, otherwise);
                self.joining_refused(refused, means.effects);
            }
            // A SelfRemove came in between: start over and include it.
            UpdateOutcome::InvalidProposal { .. } => {
                self.drop_unaccepted(means.effects);
                let due = at.after(0, AGAIN_MS);
                means.effects.timer(due, Timer::JoinAgain(self.uri.clone()));
            }
        }
    }

    fn join_lost(
        &mut self,
        current_epoch: u64,
        uncertain: bool,
        effects: &mut Effects,
        at: &mut Moment<'_>,
    ) {
        let Some(joining) = &mut self.joining else { return };
        let due = match &mut joining.stage {
            // The winner may be our own commit: then the stream brings it.
            Stage::Committed { request, .. } if uncertain => {
                *request = None;
                at.later(ECHO_LATE_MS)
            }
            _ => {
                self.drop_unaccepted(effects);
                let room = self.uri.clone();
                effects.event(ClientEvent::Retrying { room, current_epoch });
                at.after(0, AGAIN_MS)
            }
        };
        effects.timer(due, Timer::JoinAgain(self.uri.clone()));
    }

    /// Whether this is the external commit under way, come back in the stream.
    pub(crate) fn join_echoed(
        &mut self,
        event: &StreamEvent,
        fanout: &FanoutMessage,
        effects: &mut Effects,
        at: &Moment<'_>,
    ) -> bool {
        let stage = self.joining.as_ref().map(|joining| &joining.stage);
        let Some(Stage::Committed { commit, .. }) = stage else { return false };
        let echoed = commit.octets() == fanout.message.octets();
        if echoed {
            self.join_accepted(fanout.timestamp, effects, at);
            self.handshake_came(event, effects);
        }
        echoed
    }

    fn join_accepted(&mut self, accepted_ms: u64, effects: &mut Effects, at: &Moment<'_>) {
        let Some(joining) = self.joining.take() else { return };
        self.epoch_began(accepted_ms, effects);
        let epoch = self.group.as_ref().map_or(0, |group| group.view().epoch);
        self.encrypt_anew_from(epoch, effects);
        if let Stage::Committed { request: Some(request), .. } = joining.stage {
            effects.cancel(request);
        }
        effects.remove_room(&self.uri, room_value::JOIN);
        if self.standing == Standing::Rejoining
            && let Some(before) = self.last_view.as_ref().map(|last| last.view.clone())
            && let Err(denied) = self.judge_missed(&before, effects)
        {
            let frozen = self.freeze_after_missing(&denied, before, effects, at);
            return effects.finish(joining.operation, Err(frozen));
        }
        if self.last_view.take().is_some() {
            effects.remove_room(&self.uri, room_value::LAST_VIEW);
        }
        let room = self.uri.clone();
        effects.event(match self.standing {
            Standing::Rejoining => ClientEvent::RoomChanged { room, epoch, by: None },
            _ => ClientEvent::Joined(room),
        });
        self.stand(Standing::Joined, effects);
        self.stirred = true;
        effects.finish(joining.operation, Ok(Outcome::Room(self.uri.clone())));
    }

    /// The group is only the device's own idea: it goes.
    fn drop_unaccepted(&mut self, effects: &mut Effects) {
        let Some(joining) = &mut self.joining else { return };
        let stage = std::mem::replace(&mut joining.stage, Stage::Pausing);
        let Stage::Committed { request, .. } = stage else { return };
        if let Some(request) = request {
            effects.cancel(request);
        }
        let before = joining.before.clone();
        // A Welcome has waited for what becomes of the commit: if it can bring this device in, no second
        // commit must.
        self.stirred = true;
        self.group = None;
        self.forget_group(effects);
        effects.remove_room(&self.uri, room_value::JOIN);
        match &before {
            Some(before) => effects.put_room(&self.uri, room_value::STANDING, before),
            None => effects.remove_room(&self.uri, room_value::STANDING),
        }
    }

    /// The hub says that this device has no place in the room.
    fn joining_refused(&mut self, error: ClientError, effects: &mut Effects) {
        self.drop_unaccepted(effects);
        let Some(joining) = self.joining.take() else { return };
        self.doubts_settled(effects);
        self.stirred = true;
        match joining.before {
            // It was out without having been able to see how.
            Some(Standing::Rejoining) => self.removed_meanwhile(effects),
            Some(before) => self.standing = before,
            // Somebody may have added this device meanwhile: what waits, a Welcome perhaps, is kept.
            None if !self.waiting.is_empty() => self.standing = Standing::Unknown,
            None => {}
        }
        effects.finish(joining.operation, Err(error));
    }

    /// It did not come about; who must come in again tries again.
    fn joining_failed(&mut self, error: ClientError, effects: &mut Effects, at: &Moment<'_>) {
        let again = self.joining.as_ref().is_some_and(|it| it.before == Some(Standing::Rejoining));
        if !again {
            return self.joining_refused(error, effects);
        }
        tracing::warn!(room = %self.uri, %error, "the room could not be joined again yet");
        self.drop_unaccepted(effects);
        if let Some(joining) = &mut self.joining {
            joining.attempts = 0;
            effects.timer(at.later(REJOIN_AGAIN_MS), Timer::JoinAgain(self.uri.clone()));
        }
    }

    fn removed_meanwhile(&mut self, effects: &mut Effects) {
        if let Some(view) = self.group.as_ref().map(|group| group.view().clone()) {
            self.give_up_group(view, effects);
        }
        self.stand(Standing::Removed, effects);
        self.leaving_over(effects);
        self.abandon(&ClientError::NotInRoom(self.uri.clone()), effects);
        let (room, status) = (self.uri.clone(), RoomStatus::Removed);
        effects.event(ClientEvent::Left { room, status });
    }
}

/// Verifies and decrypts the hub's answer (PROTO-GI-4, PROTO-GI-6).
fn open(
    room: &MimiUri,
    response: &GroupInfoResponse,
    success: &GroupInfoSuccess,
    keys: &HpkeKeyPair,
) -> Result<Opened, ClientError> {
    let refused = |text: &str| ClientError::Refused(format!("{room}: {text}"));
    if response.room_id != *room {
        return Err(refused("the hub answered about another room"));
    }
    let hub = &success.hub_sender;
    if success.cipher_suite != CIPHERSUITE || hub_sender::domain_of(hub) != Some(room.domain()) {
        return Err(refused("the answer is not one of the room's hub"));
    }
    let key = hub_sender::signature_key(hub).unwrap_or_default();
    let signed = response.to_be_signed();
    verify_with_label(CIPHERSUITE, &key, GROUP_INFO_RESPONSE_LABEL, &signed, &success.signature)
        .map_err(|_| refused("the hub's signature is not valid"))?;
    let sealed = &success.encrypted_group_info_and_tree;
    let label = GROUP_INFO_ENCRYPTION_LABEL;
    let opened = keys
        .decrypt_with_label(CIPHERSUITE, label, room.as_bytes(), sealed)
        .map_err(|_| refused("the hub's answer cannot be decrypted"))?;
    let material = GroupInfoRatchetTreeTbe::decode(&opened)
        .map_err(|error| refused(&format!("the hub's answer is malformed: {error}")))?;
    Ok(Opened { material, hub_sender: hub.clone() })
}
