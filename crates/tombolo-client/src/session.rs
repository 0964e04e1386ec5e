//! The pure core of a client: no clock, sockets, files or threads.
//!
//! Commands, answers and events go in, each with the time and a source of randomness. Out come
//! writes ([`Session::take_changes`]), requests ([`Session::next_request`]), timers
//! ([`Session::next_timer`]) and notices ([`Session::take_notices`]).
//!
//! **Invariant:** whoever drives a session commits the writes, whole and in order, before it sends
//! the requests, passes on the notices or acknowledges the events that came with them. Then a device
//! can be stopped at any point: what was under way is stored and is taken up again with the very
//! same octets.
//!
//! One file per kind of operation; [`receive`] is what comes in.

mod add_user;
pub mod astray;
mod change_room;
pub mod command;
pub mod commit;
mod consent;
mod create_room;
pub mod delete_account;
mod devices;
mod direct;
mod effects;
pub(crate) mod expiry;
mod find;
mod framing;
pub mod franking;
mod freeze;
mod gifts;
mod hub_sender;
mod issuers;
mod join_links;
mod join_room;
mod judging;
pub mod key_packages;
mod leave_room;
mod missed;
mod operational;
mod own_devices;
mod own_role;
pub mod prepare;
pub mod receipts;
pub mod receive;
mod register;
mod remove_user;
pub mod request;
mod restore;
mod room;
pub(crate) mod saved;
pub mod send;
pub mod stream_event;
mod timeline;
mod verdict;
mod way_in;

use std::collections::{BTreeMap, BTreeSet};

use mimi_mls::device::Device;
use mimi_policy::{ClientIdentity, RoomView};
use mimi_wire::MimiUri;
use rand::CryptoRng;

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::secret::SecretText;
use crate::session::add_user::Adding;
use crate::session::command::{Command, Notice, OperationId};
use crate::session::commit::Intent;
use crate::session::create_room::Creating;
use crate::session::delete_account::Deleting;
use crate::session::direct::Opening;
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer};
use crate::session::gifts::Gifts;
use crate::session::issuers::IssuerBook;
use crate::session::receipts::ReceiptSetting;
use crate::session::register::Registering;
use crate::session::request::{Outgoing, RequestId, Response, TransportError};
use crate::session::room::{Means, Room, Standing};
use crate::session::saved::SavedAccount;
use crate::session::stream_event::{StreamEvent, StreamEventKind};
use crate::session::way_in::Wish;
use crate::shown::{Evidence, RoomState};
use crate::store::StoreChange;

/// A device of a user. See the module.
#[derive(Debug)]
pub struct Session {
    device: Device,
    account: Option<SavedAccount>,
    /// What a registration got, until it is checked.
    unproven: Option<SavedAccount>,
    issuers: IssuerBook,
    rooms: BTreeMap<MimiUri, Room>,
    cursor: u64,
    /// Names the era of the provider's log that the cursor is of.
    era: Option<String>,
    /// Other devices of the user that were in rooms when the provider was asked for all.
    devices_in_rooms: BTreeSet<MimiUri>,
    /// Up to here the stream repeats what this device knew before it was put back.
    known_until: u64,
    /// Since its start this device has compared its cursor with what the provider knows of it.
    is_compared: bool,
    registering: Option<Registering>,
    creating: BTreeMap<OperationId, Creating>,
    adding: BTreeMap<OperationId, Adding>,
    /// KeyPackages that came with grants.
    gifts: Gifts,
    opening: BTreeMap<OperationId, Opening>,
    /// What the user tells of others' messages, once that has been said.
    receipts: Option<ReceiptSetting>,
    deleting: Option<Deleting>,
    /// The account is deleted, and nothing of the device is left.
    is_deleted: bool,
    effects: Effects,
}

impl Session {
    /// A new device, not registered yet.
    pub fn new(rng: &mut dyn CryptoRng) -> Self {
        let mut rng = rng;
        let mut session = Self::with_device(Device::generate(&mut rng));
        session.save_device();
        session
    }

    fn with_device(device: Device) -> Self {
        Self {
            device,
            account: None,
            unproven: None,
            issuers: IssuerBook::default(),
            rooms: BTreeMap::new(),
            cursor: 0,
            era: None,
            known_until: 0,
            is_compared: false,
            devices_in_rooms: BTreeSet::new(),
            registering: None,
            creating: BTreeMap::new(),
            adding: BTreeMap::new(),
            gifts: Gifts::default(),
            opening: BTreeMap::new(),
            receipts: None,
            deleting: None,
            is_deleted: false,
            effects: Effects::default(),
        }
    }

    /// Who the device is, once it is registered.
    pub fn identity(&self) -> Option<&ClientIdentity> {
        self.account.as_ref().map(|account| &account.identity)
    }

    /// The access token, once there is one.
    pub fn token(&self) -> Option<SecretText> {
        // A registration needs it already for the issuers its certificate is checked with.
        let account = self.account.as_ref().or(self.unproven.as_ref());
        account.map(|account| SecretText::new(account.token.clone()))
    }

    /// The last event taken.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// A room as it is shown.
    pub fn room(&self, room: &MimiUri) -> Result<RoomState, ClientError> {
        let known = self.rooms.get(room).and_then(|known| Some((known, known.state()?)));
        let (known, mut state) = known.ok_or_else(|| ClientError::NotInRoom(room.clone()))?;
        if let (Ok(group), Some(own)) = (known.member(), self.identity()) {
            state.offered_role = own_role::offer(group.view(), own);
        }
        Ok(state)
    }

    /// What holds in a room, as this device knows it.
    pub fn view(&self, room: &MimiUri) -> Result<RoomView, ClientError> {
        let known = self.rooms.get(room);
        let view = known.and_then(|known| match (&known.group, &known.last_view) {
            (Some(group), _) => Some(group.view()),
            (None, last) => last.as_ref().map(|last| &last.view),
        });
        view.cloned().ok_or_else(|| ClientError::NotInRoom(room.clone()))
    }

    /// What is kept of a room's events that were not followed, in their order.
    pub fn evidence(&self, room: &MimiUri) -> Result<Vec<Evidence>, ClientError> {
        let known = self.rooms.get(room);
        let known = known.ok_or_else(|| ClientError::NotInRoom(room.clone()))?;
        Ok(known.evidence.clone())
    }

    /// What is to be stored before anything else happens.
    pub fn take_changes(&mut self) -> Vec<StoreChange> {
        self.effects.take_changes()
    }

    /// What has happened, once it is stored.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.effects.take_notices()
    }

    /// The next request to send, once what led to it is stored.
    pub fn next_request(&mut self) -> Option<Outgoing> {
        let (id, request) = self.effects.next_request()?;
        Some(Outgoing { id, token: self.token(), request })
    }

    /// When [`tick`](Self::tick) is wanted next, in milliseconds since the epoch.
    pub fn next_timer(&self) -> Option<u64> {
        self.effects.next_timer()
    }

    /// Starts an operation; a [`Notice::Finished`] ends it.
    pub fn start(&mut self, command: Command, now_ms: u64, rng: &mut dyn CryptoRng) -> OperationId {
        let mut at = Moment { now_ms, rng };
        let operation = OperationId(self.effects.number());
        if let Err(error) = self.started(operation, command, &mut at) {
            self.effects.finish(Some(operation), Err(error));
        }
        operation
    }

    fn started(
        &mut self,
        operation: OperationId,
        command: Command,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        match command {
            Command::Register { user, password, device } => {
                self.register(operation, user, password, device)
            }
            Command::SayContact { word, user, room } => {
                self.say_contact(operation, word, user, room, at)
            }
            Command::Contacts => self.ask_contacts(operation),
            Command::Devices => self.ask_devices(operation),
            Command::SignOut(client) => self.ask_sign_out(operation, client),
            Command::SignOutOthers => self.ask_sign_out_others(operation),
            Command::DeleteAccount(password) => self.delete_account(operation, password),
            Command::Find { domain, elements } => self.find(operation, domain, elements),
            Command::Profile => self.ask_profile(operation),
            Command::SetProfile(profile) => self.set_profile(operation, &profile),
            Command::CreateRoom { name, policy } => self.create_room(operation, name, policy),
            Command::CreateSubroom { parent, name } => {
                self.create_subroom(operation, name, &parent)
            }
            Command::OpenDirect(user) => self.open_direct(operation, user),
            Command::AddUser { room, user } => self.add_user(operation, room, user, at),
            Command::JoinRoom(room) => self.join_room(operation, &room, Wish::default(), at),
            Command::JoinAs { room, role } => {
                self.join_room(operation, &room, Wish { role: Some(role), ..Wish::default() }, at)
            }
            Command::JoinByLink(link) => {
                let wish = Wish { code: Some(link.code), ..Wish::default() };
                self.join_room(operation, &link.room, wish, at)
            }
            Command::CreateJoinLink { room, wish } => {
                let (known, _) = self.parts(&room)?;
                let link = join_links::fresh(known.member()?.view(), &wish, at)?;
                self.commit_for(operation, &room, Intent::AddJoinLink(link.to_string()), at)
            }
            Command::RemoveJoinLink { room, link } => {
                self.commit_for(operation, &room, Intent::RemoveJoinLink(link), at)
            }
            Command::TakeOwnRole(room) => {
                let (known, means) = self.parts(&room)?;
                let role = own_role::offered(known.member()?.view(), means.own)?;
                self.commit_for(operation, &room, Intent::OwnRole(role), at)
            }
            Command::LeaveRoom(room) => {
                self.leave_room(Some(operation), &room)?;
                self.with_room(&room, at, |_, _, _| {});
                Ok(())
            }
            Command::ReportAbuse { room, messages, note } => {
                self.report_abuse(operation, &room, &messages, note)
            }
            Command::MarkRead { room, messages } => self.mark_read(operation, &room, &messages, at),
            Command::SetReceipts(receipts) => self.set_receipts(operation, receipts),
            Command::SetLifetime { room, lifetime } => {
                self.set_lifetime(operation, &room, lifetime)
            }
            Command::Send { room, draft } => {
                let room = self.in_place_of(&room);
                self.send(operation, &room, draft, at)?;
                self.with_room(&room, at, |_, _, _| {});
                Ok(())
            }
            by_commit => match change_room::wanted(by_commit) {
                Some((room, intent)) => self.commit_for(operation, &room, intent, at),
                None => Err(ClientError::Other("this version cannot do that".to_owned())),
            },
        }
    }

    fn commit_for(
        &mut self,
        operation: OperationId,
        room: &MimiUri,
        intent: Intent,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(room)?;
        known.member()?;
        if matches!(&intent, Intent::RemoveUser(user) | Intent::KickUser(user) if *user == means.own.user)
        {
            let text = "you cannot remove yourself; leave the room instead".to_owned();
            return Err(ClientError::Other(text));
        }
        self.with_room(room, at, |room, _, _| room.want_commit(Some(operation), intent));
        Ok(())
    }

    /// Takes the answer to a request.
    pub fn answer(
        &mut self,
        id: RequestId,
        result: Result<Response, TransportError>,
        now_ms: u64,
        rng: &mut dyn CryptoRng,
    ) {
        let mut at = Moment { now_ms, rng };
        if let Some(answer) = self.effects.answer(id, result, &mut at) {
            self.answered(answer, &mut at);
        }
    }

    fn answered(&mut self, answer: Answer, at: &mut Moment<'_>) {
        match answer.purpose.clone() {
            Purpose::Register => self.registration_answered(answer),
            Purpose::Issuers(domain) => self.issuers_answered(&domain, answer, at),
            Purpose::Stock => self.stock_answered(answer, at),
            Purpose::OwnDevices => self.own_devices_answered(answer, at),
            Purpose::UploadKeyPackages => self.upload_answered(answer),
            Purpose::Consent(operation) => self.consent_answered(operation, answer),
            Purpose::Contacts(operation) => self.contacts_answered(operation, answer),
            Purpose::Devices(operation) => self.devices_answered(operation, answer),
            Purpose::SignOut(operation) => self.sign_out_answered(operation, answer),
            Purpose::DeleteAccount(operation) => self.deletion_answered(operation, answer, at),
            Purpose::Find(operation, domain) => self.find_answered(operation, &domain, answer),
            Purpose::Profile(operation) => self.profile_answered(operation, answer),
            Purpose::SetProfile(operation) => self.profile_set(operation, answer),
            Purpose::ReportAbuse(operation) => self.report_answered(operation, answer),
            Purpose::HubOfNewRoom(operation) => self.hub_of_new_room(operation, answer, at),
            Purpose::FoundRoom(room) => self.founding_answered(&room, answer, at),
            Purpose::DirectRoom(operation) => self.direct_room_answered(operation, answer, at),
            Purpose::HubOfDirect(operation) => self.hub_of_direct(operation, answer, at),
            Purpose::DirectKeyMaterial(operation) => {
                self.direct_key_material_answered(operation, answer, at);
            }
            Purpose::KeyMaterial(operation) => {
                self.key_material_answered(operation, answer, at);
            }
            Purpose::Commit(room) => self.with_room(&room, at, |room, means, at| {
                room.commit_answered(answer, means, at);
            }),
            Purpose::Leave(room) => {
                self.with_room(&room, at, |room, means, at| room.leave_answered(answer, means, at));
                self.settle_direct(&room, at);
            }
            Purpose::GroupInfo(room) => self.with_room(&room, at, |room, means, at| {
                room.group_info_answered(answer, means, at);
            }),
            Purpose::Join(room) => {
                self.with_room(&room, at, |room, means, at| room.join_answered(answer, means, at));
                self.settle_direct(&room, at);
            }
            Purpose::Send(room) => self.with_room(&room, at, |room, means, at| {
                room.send_answered(answer, means, at);
            }),
        }
        self.forget_unjoined();
        self.go_on_deleting();
    }

    /// Takes an entry of the event stream; one taken before is passed over.
    pub fn event(&mut self, event: StreamEvent, now_ms: u64, rng: &mut dyn CryptoRng) {
        let mut at = Moment { now_ms, rng };
        if event.id <= self.cursor || self.account.is_none() {
            return;
        }
        self.cursor = event.id;
        self.effects.put(saved::CURSOR, &self.cursor);
        match event.kind {
            StreamEventKind::Application
            | StreamEventKind::Commit
            | StreamEventKind::Proposal
            | StreamEventKind::Welcome => {
                let room = event.stream.clone();
                let welcome = (event.kind == StreamEventKind::Welcome).then(|| event.clone());
                let unknown = || Room::new(room.clone(), Standing::Unknown);
                self.rooms.entry(room.clone()).or_insert_with(unknown);
                self.with_room(&room, &mut at, |room, means, at| {
                    room.take_event(event, means, at);
                });
                if let Some(welcome) = welcome {
                    self.welcomed_again(&welcome, &mut at);
                }
                self.settle_direct(&room, &mut at);
                self.forget_unjoined();
            }
            StreamEventKind::RequestConsent | StreamEventKind::UpdateConsent => {
                self.consent_event(&event);
            }
            StreamEventKind::KeyPackagesLow => self.check_stock(),
            StreamEventKind::Unknown(kind) => {
                tracing::info!(kind, "an event of an unknown kind is passed over");
            }
        }
        self.go_on_deleting();
    }

    /// The provider does not know this device any more.
    pub fn signed_out(&mut self) {
        if !self.is_ending_account() {
            self.effects.event(ClientEvent::SignedOut);
        }
    }

    /// The connection to the provider came or went.
    pub fn connected(&mut self, connected: bool, now_ms: u64, rng: &mut dyn CryptoRng) {
        let mut at = Moment { now_ms, rng };
        self.effects.event(ClientEvent::Connected(connected));
        if connected {
            self.effects.resend_now();
            self.check_stock();
            self.refresh_issuers(now_ms);
            self.check_own_devices();
            let rooms: Vec<MimiUri> = self.rooms.keys().cloned().collect();
            for room in rooms {
                self.with_room(&room, &mut at, |_, _, _| {});
            }
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now_ms: u64, rng: &mut dyn CryptoRng) {
        let mut at = Moment { now_ms, rng };
        while let Some(timer) = self.effects.due_timer(now_ms) {
            self.due(timer, &mut at);
        }
        self.forget_unjoined();
        self.go_on_deleting();
    }

    fn due(&mut self, timer: Timer, at: &mut Moment<'_>) {
        match timer {
            Timer::Resend(id) => self.effects.resend(id),
            Timer::CommitPending(room) => {
                self.with_room(&room, at, |room, _, _| room.commit_pending_of_others());
            }
            Timer::CommitAgain(room) => {
                self.with_room(&room, at, |room, means, at| room.commit_again(means, at));
            }
            Timer::WinnerLate(room) => {
                self.with_room(&room, at, |room, means, _| room.winner_late(means.effects));
            }
            Timer::SendAgain(room) => {
                self.with_room(&room, at, |room, means, _| room.send_again(means));
            }
            Timer::LeaveAgain(room) => {
                self.with_room(&room, at, |room, _, _| room.leave_again());
            }
            Timer::LeaveSuperseded(room) => {
                self.with_room(&room, at, |room, _, _| room.leave_superseded());
            }
            Timer::GapLate(room) => {
                self.with_room(&room, at, |room, means, at| room.gap_late(means, at));
            }
            Timer::DeleteAccount(operation) => self.leaving_has_taken_long(operation),
            Timer::JoinAgain(room) => {
                self.with_room(&room, at, |room, means, at| room.join_again(means, at));
            }
            Timer::Report(room) => {
                self.with_room(&room, at, |room, means, at| room.report_due(means, at));
            }
            Timer::Expire(room) => {
                self.with_room(&room, at, |room, means, at| {
                    room.expire(at.now_ms, means.effects);
                });
            }
            Timer::Issuers(domain) => self.issuers_due(domain),
            Timer::RefreshIssuers => {
                self.refresh_issuers(at.now_ms);
                self.check_own_devices();
                // KeyPackages end without anybody having used them.
                self.check_stock();
            }
        }
    }

    /// A room and what it needs of the rest.
    fn parts(&mut self, room: &MimiUri) -> Result<(&mut Room, Means<'_>), ClientError> {
        let own = &self.account.as_ref().ok_or_else(not_registered)?.identity;
        let known = self.rooms.get_mut(room);
        let known = known.ok_or_else(|| ClientError::NotInRoom(room.clone()))?;
        let (device, issuers) = (&mut self.device, &mut self.issuers);
        let receipts = self.receipts.unwrap_or_default();
        Ok((known, Means { device, own, issuers, effects: &mut self.effects, receipts }))
    }

    /// Does something in a room, if it is known, and lets what waits there go on.
    fn with_room(
        &mut self,
        room: &MimiUri,
        at: &mut Moment<'_>,
        act: impl FnOnce(&mut Room, &mut Means<'_>, &mut Moment<'_>),
    ) {
        if let Ok((room, mut means)) = self.parts(room) {
            act(room, &mut means, at);
            room.settle(&mut means, at);
        }
    }

    fn save_device(&mut self) {
        self.effects.put_device(&self.device);
    }
}

fn not_registered() -> ClientError {
    ClientError::Other("this device is not registered".to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
