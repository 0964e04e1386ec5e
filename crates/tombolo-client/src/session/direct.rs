//! Direct rooms: of two people for good, and one for the two of them (AMB-POL-8, AMB-POL-42,
//! POLICY-BASE-2).
//!
//! A hub keeps one per set of people. At two hubs there can be two, when both people open one at the
//! same time; then every device comes to the same conclusion which of them stays
//! ([`Session::settle_direct`]), writes there, and after a while leaves the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mimi_mls::CIPHERSUITE;
use mimi_mls::member::{Founding, MemberGroup, founding_requirements};
use mimi_policy::RoomView;
use mimi_policy::preset::{Preset, hub_preauth};
use mimi_wire::component::FRANKING_AGENT;
use mimi_wire::mls::{ExternalSender, KeyPackage};
use mimi_wire::protocol::found_room::{FoundingWelcome, RoomFounding};
use mimi_wire::protocol::key_material::{
    KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest, KeyMaterialRequestTbs, KeyMaterialResponse,
    KeyMaterialUserCode,
};
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::UserRolePair;
use mimi_wire::{Domain, MimiUri, Wire};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::add_user::{Unusable, UsablePackage, inspect, status};
use crate::session::command::{OperationId, Outcome};
use crate::session::create_room::fresh_names;
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer, refusal};
use crate::session::request::{Request, Response};
use crate::session::room::{Room, Standing};
use crate::session::saved::room_value;
use crate::session::way_in::Wish;
use crate::session::{Session, hub_sender, not_registered};

/// How long a device stays in a room that another one has taken the place of: others may write
/// there who have not heard of it yet.
const SUPERSEDED_GRACE_MS: u64 = 60_000;

/// A direct room on its way to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    user: MimiUri,
    hub: Option<ExternalSender>,
    /// What it franks with, if it does.
    franking_agent: Option<Vec<u8>>,
    /// Whose KeyPackages are still to be fetched: the other's, then those of our own other devices.
    to_fetch: VecDeque<MimiUri>,
    key_packages: Vec<UsablePackage>,
    /// KeyPackages that wait for the issuers of a domain.
    verifying: Option<(Domain, Box<KeyMaterialResponse>)>,
}

impl Session {
    pub(crate) fn open_direct(
        &mut self,
        operation: OperationId,
        user: MimiUri,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.clone();
        if user == own {
            return Err(ClientError::Other("a direct room is with somebody else".to_owned()));
        }
        if let Some(room) = self.settled_room(&user) {
            self.effects.finish(Some(operation), Ok(Outcome::Room(room)));
            return Ok(());
        }
        let opening = Opening {
            to_fetch: VecDeque::from([user.clone(), own]),
            user: user.clone(),
            hub: None,
            franking_agent: None,
            key_packages: Vec::new(),
            verifying: None,
        };
        self.opening.insert(operation, opening);
        self.effects.request(Purpose::DirectRoom(operation), Request::DirectRoom(user));
        Ok(())
    }

    /// The direct room with a user that this device is in.
    fn direct_room(&self, user: &MimiUri) -> Option<MimiUri> {
        let own = &self.identity()?.user;
        let set = BTreeSet::from([own, user]);
        let rooms = self.rooms.values().filter_map(|room| Some((room, fixed_view(room)?)));
        let same = rooms.filter(|(_, view)| users(view) == set).map(|(_, view)| view);
        same.min_by_key(|view| precedence(view)).map(|view| view.room().clone())
    }

    /// The one to open without asking anybody. Where our provider hosts it and the other is not in it,
    /// that may be because the account is gone: then the two may have another one (TOM-127).
    fn settled_room(&self, user: &MimiUri) -> Option<MimiUri> {
        let room = self.direct_room(user)?;
        let view = self.rooms.get(&room).and_then(fixed_view)?;
        let own = self.identity()?.user.domain();
        (view.is_active(user) || room.domain() != own).then_some(room)
    }

    /// Our provider says whether there is one at it already.
    pub(crate) fn direct_room_answered(
        &mut self,
        operation: OperationId,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        match answer.result {
            Ok(Response::Founded { room }) => {
                if let Some(Opening { user, .. }) = self.opening.remove(&operation) {
                    self.enter_direct(Some(operation), &room, user, at);
                }
            }
            Err(error) if error.is_refusal("unknown") => {
                self.effects.request(Purpose::HubOfDirect(operation), Request::Provider);
            }
            other => self.opening_failed(operation, refusal(other)),
        }
    }

    /// The room is there, says the provider: this device is in it, or comes in by itself. What is
    /// meant for one person is written there, so it must be what it is said to be.
    pub(crate) fn enter_direct(
        &mut self,
        operation: Option<OperationId>,
        room: &MimiUri,
        user: MimiUri,
        at: &mut Moment<'_>,
    ) {
        let operation = operation.unwrap_or_else(|| OperationId(self.effects.number()));
        let entered = match self.is_other_than_direct(room, &user) {
            true => Err(not_direct(&user)),
            false => {
                let wish = Wish { direct_with: Some(user), ..Wish::default() };
                self.join_room(operation, room, wish, at)
            }
        };
        if let Err(error) = entered {
            self.effects.finish(Some(operation), Err(error));
        }
    }

    /// Whether this device is in a room, and not with this user alone.
    fn is_other_than_direct(&self, room: &MimiUri, user: &MimiUri) -> bool {
        let known = self.rooms.get(room).and_then(|known| known.member().ok());
        let own = self.identity().map(|own| &own.user);
        match (known, own) {
            (Some(group), Some(own)) => !is_of_two(group.view(), own, user),
            _ => false,
        }
    }

    pub(crate) fn hub_of_direct(
        &mut self,
        operation: OperationId,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        let Some(opening) = self.opening.get_mut(&operation) else { return };
        let next = match answer.result {
            Ok(Response::Provider { hub_sender, franking_agent, .. }) => {
                opening.hub = Some(*hub_sender);
                opening.franking_agent = franking_agent;
                self.fetch_next(operation, at)
            }
            other => Err(refusal(other)),
        };
        if let Err(error) = next {
            self.opening_failed(operation, error);
        }
    }

    /// Asks for the next KeyPackages, outside of any room (AMB-KM-2, AMB-TR-6); founds the room
    /// once all are there.
    fn fetch_next(
        &mut self,
        operation: OperationId,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.clone();
        let Some(opening) = self.opening.get_mut(&operation) else { return Ok(()) };
        let Some(target_user) = opening.to_fetch.pop_front() else {
            return self.found_direct(operation, at);
        };
        let required = founding_requirements(&self.device);
        let tbs = KeyMaterialRequestTbs {
            requesting_user: own,
            target_user: target_user.clone(),
            room_id: None,
            acceptable_ciphersuites: vec![CIPHERSUITE],
            required_capabilities: required.map_err(|error| other(&error))?,
            requester_signature_key: self.device.signature_key().to_vec(),
            requester_credential: self.device.credential().ok_or_else(not_registered)?,
        };
        let signature = self.device.sign_with_label(KEY_MATERIAL_REQUEST_LABEL, &tbs.encode());
        let body = KeyMaterialRequest { tbs, signature }.encode().into();
        let request = Request::KeyMaterial { user: target_user, body };
        self.effects.request(Purpose::DirectKeyMaterial(operation), request);
        Ok(())
    }

    pub(crate) fn direct_key_material_answered(
        &mut self,
        operation: OperationId,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        let taken = match answer.result {
            Ok(Response::KeyMaterial(response)) => {
                self.take_direct_key_material(operation, response, at)
            }
            other => Err(refusal(other)),
        };
        if let Err(error) = taken {
            self.opening_failed(operation, error);
        }
    }

    fn take_direct_key_material(
        &mut self,
        operation: OperationId,
        response: Box<KeyMaterialResponse>,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.clone();
        let Some(opening) = self.opening.get_mut(&operation) else { return Ok(()) };
        if response.user_uri != opening.user && response.user_uri != own {
            let text = format!("KeyPackages of {} were given instead", response.user_uri);
            return Err(ClientError::Refused(text));
        }
        // Who has no KeyPackages left, or no device yet, comes in by itself later (canAddOwnClient).
        if response.user_status != KeyMaterialUserCode::NoCompatibleMaterial {
            status(&response, &response.user_uri)?;
        }
        let required = founding_requirements(&self.device).map_err(|error| other(&error))?;
        match inspect(&response, &required, &self.issuers, at.now_ms) {
            Ok(key_packages) => opening.key_packages.extend(key_packages),
            Err(Unusable::For(error)) => return Err(error),
            Err(Unusable::Until(domain)) => {
                opening.verifying = Some((domain.clone(), response));
                self.issuers.need(domain, &mut self.effects);
                return Ok(());
            }
        }
        self.fetch_next(operation, at)
    }

    /// Issuers have come, or will not.
    pub(crate) fn resume_opening(
        &mut self,
        domain: &Domain,
        known: Result<(), ClientError>,
        at: &mut Moment<'_>,
    ) {
        let waits = |opening: &Opening| {
            opening.verifying.as_ref().is_some_and(|(waited_for, _)| waited_for == domain)
        };
        let waiting = self.opening.iter().filter(|(_, opening)| waits(opening));
        for operation in waiting.map(|(operation, _)| *operation).collect::<Vec<_>>() {
            let response = self.opening.get_mut(&operation).and_then(|it| it.verifying.take());
            let taken = match (response, known.clone()) {
                (Some((_, response)), Ok(())) => {
                    self.take_direct_key_material(operation, response, at)
                }
                (_, Err(error)) => Err(error),
                (None, Ok(())) => Ok(()),
            };
            if let Err(error) = taken {
                self.opening_failed(operation, error);
            }
        }
    }

    fn found_direct(
        &mut self,
        operation: OperationId,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.clone();
        let Some(opening) = self.opening.remove(&operation) else { return Ok(()) };
        // It may have come in the meantime.
        if let Some(room) = self.settled_room(&opening.user) {
            self.effects.finish(Some(operation), Ok(Outcome::Room(room)));
            return Ok(());
        }
        let hub =
            opening.hub.filter(|hub| hub_sender::domain_of(hub).as_ref() == Some(&own.domain()));
        let hub = hub.ok_or_else(|| other(&"the provider names another hub"))?;
        let (room, group_id) = fresh_names(&own.domain(), at)?;
        let mut founding = founding(&room, &group_id, &opening.user, hub);
        // AMB-FRK-1.
        let agent = opening.franking_agent.map(|agent| (FRANKING_AGENT, agent));
        founding.components.extend(agent);
        let packages: Result<Vec<_>, _> =
            opening.key_packages.iter().map(|it| KeyPackage::decode(&it.octets)).collect();
        let packages = packages.map_err(|error| other(&error))?;
        let welcomed = opening.key_packages.into_iter().map(|it| (it.client, it.reference));
        let welcomed = welcomed.collect();
        let created =
            MemberGroup::create_with(&self.device, &founding, packages, &mut at.rng, at.now_ms);
        let (group, group_info, ratchet_tree, welcome) = created.map_err(|error| other(&error))?;
        let welcome = welcome.map(|welcome| FoundingWelcome { welcome, welcomed });
        let body = RoomFounding { group_info, ratchet_tree, welcome };
        self.send_founding(operation, room, group, &body);
        Ok(())
    }

    fn opening_failed(&mut self, operation: OperationId, error: ClientError) {
        // Better the one there is, without the other, than none.
        let opening = self.opening.remove(&operation);
        let known = opening.and_then(|opening| self.direct_room(&opening.user));
        self.effects.finish(Some(operation), known.map(Outcome::Room).ok_or(error));
    }

    /// Of several direct rooms of the same people one stays: of those that everybody is in, one at
    /// the provider of the person whose URI comes first, and of these the one whose URI comes first.
    /// Every device comes to that by itself, so nobody needs to be told.
    pub(crate) fn settle_direct(&mut self, room: &MimiUri, at: &mut Moment<'_>) {
        let Some(view) = self.rooms.get(room).and_then(fixed_view) else {
            return self.none_gives_way_to(room);
        };
        let set = users(view);
        // Only rooms in which nothing can change: what is written follows without anybody asked.
        let rooms = self.rooms.values().filter_map(fixed_view);
        let rooms = rooms.filter(|view| Preset::of_roles(&view.roles) == Some(Preset::Direct));
        let mut same: Vec<&RoomView> = rooms.filter(|view| users(view) == set).collect();
        if same.len() < 2 {
            return;
        }
        same.sort_by_key(|view| precedence(view));
        let mut same = same.into_iter().map(|view| view.room().clone()).collect::<VecDeque<_>>();
        let Some(stays) = same.pop_front() else { return };
        if let Some(room) = self.rooms.get_mut(&stays)
            && room.superseded_by.take().is_some()
        {
            self.effects.remove_room(&stays, room_value::SUPERSEDED_BY);
        }
        for gives_way in same {
            if let Some(room) = self.rooms.get_mut(&gives_way) {
                room.give_way(&stays, &mut self.effects, at);
            }
        }
    }

    /// Whoever leaves the one that stays, stays in those that would have given way: others may have
    /// moved there.
    fn none_gives_way_to(&mut self, gone: &MimiUri) {
        if self.rooms.get(gone).is_some_and(|room| room.member().is_ok()) {
            return;
        }
        for (uri, room) in &mut self.rooms {
            if room.superseded_by.as_ref() == Some(gone) {
                room.superseded_by = None;
                self.effects.remove_room(uri, room_value::SUPERSEDED_BY);
            }
        }
    }

    /// Where a message goes that is written in a room: to the same people only.
    pub(crate) fn in_place_of(&self, room: &MimiUri) -> MimiUri {
        let known = self.rooms.get(room);
        let by = known.and_then(|known| Some((known, known.superseded_by.as_ref()?)));
        let stays = by.filter(|(known, by)| {
            let stays = self.rooms.get(*by).and_then(fixed_view);
            let view = known.view_before_missing();
            stays.zip(view.as_ref()).is_some_and(|(stays, view)| users(stays) == users(view))
        });
        stays.map_or(room, |(_, by)| by).clone()
    }
}

impl Room {
    fn give_way(&mut self, stays: &MimiUri, effects: &mut Effects, at: &Moment<'_>) {
        if self.superseded_by.as_ref() == Some(stays) {
            return;
        }
        self.superseded_by = Some(stays.clone());
        effects.put_room(&self.uri, room_value::SUPERSEDED_BY, stays);
        let (room, by) = (self.uri.clone(), stays.clone());
        effects.event(ClientEvent::Superseded { room, by });
        self.plan_to_leave_superseded(effects, at.now_ms);
    }

    /// Also after a restart.
    pub(crate) fn plan_to_leave_superseded(&self, effects: &mut Effects, now_ms: u64) {
        if self.superseded_by.is_some() && self.standing == Standing::Joined {
            let due = now_ms.saturating_add(SUPERSEDED_GRACE_MS);
            effects.timer(due, Timer::LeaveSuperseded(self.uri.clone()));
        }
    }
}

/// The view of a room of fixed membership that this device is in.
fn fixed_view(room: &Room) -> Option<&RoomView> {
    let view = room.member().ok()?.view();
    let policy = view.base_policy.as_ref();
    policy.is_some_and(|policy| policy.fixed_membership).then_some(view)
}

/// Whether a room is of these two for good.
pub(crate) fn is_of_two(view: &RoomView, own: &MimiUri, user: &MimiUri) -> bool {
    let fixed = view.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership);
    fixed && users(view) == BTreeSet::from([own, user])
}

pub(crate) fn not_direct(user: &MimiUri) -> ClientError {
    let text = format!("the provider names a room that is not one with {user} alone");
    ClientError::Refused(text)
}

/// The other one in a room of two.
pub(crate) fn other_of_two(view: &RoomView, own: &MimiUri) -> Option<MimiUri> {
    let mut others = users(view).into_iter().filter(|user| *user != own);
    let other = others.next().filter(|user| is_of_two(view, own, user));
    other.cloned()
}

fn users(view: &RoomView) -> BTreeSet<&MimiUri> {
    view.participants.participants.iter().map(|pair| &pair.user).collect()
}

/// The least one stays.
fn precedence(view: &RoomView) -> (bool, bool, MimiUri) {
    let users = users(view);
    let lacks_somebody = users.iter().any(|user| !view.is_active(user));
    let first = users.first().map(|user| user.domain());
    (lacks_somebody, first != Some(view.room().domain()), view.room().clone())
}

fn other(error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Other(error.to_string())
}

fn founding(room: &MimiUri, group_id: &MimiUri, user: &MimiUri, hub: ExternalSender) -> Founding {
    let preset = Preset::Direct;
    let text = String::new;
    Founding {
        group_id: group_id.as_bytes().to_vec(),
        metadata: RoomMetadata {
            room_uri: room.clone(),
            room_name: text(),
            room_descriptions: Vec::new(),
            room_avatar: text(),
            room_subject: text(),
            room_mood: text(),
        },
        roles: preset.roles(),
        creator_role: preset.creator_role(),
        others: vec![UserRolePair { user: user.clone(), role_index: preset.ordinary_role() }],
        preauth: hub_preauth(&room.domain(), preset),
        base_policy: preset.base_policy(),
        components: BTreeMap::new(),
        hub_sender: hub,
    }
}
