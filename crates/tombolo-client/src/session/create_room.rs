//! Creating a room at our own provider, which becomes its hub.

use bytes::Bytes;
use mimi_mls::member::{Founding as GroupFounding, MemberGroup};
use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::{Preset, base_policy};
use mimi_wire::component::FRANKING_AGENT;
use mimi_wire::mls::ExternalSender;
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::session::command::{OperationId, Outcome};
use crate::session::direct::other_of_two;
use crate::session::effects::{Answer, Effects, Moment, Purpose, refusal};
use crate::session::request::{Request, Response};
use crate::session::room::{Room, Standing};
use crate::session::saved::room_value;
use crate::session::{Session, hub_sender, not_registered};

/// A room that waits to learn its hub's key.
#[derive(Debug)]
pub(crate) struct Creating {
    name: String,
    policy: Box<RoomPolicy>,
}

/// What the provider says of itself as a hub.
struct HubOfRoom {
    domain: Domain,
    sender: ExternalSender,
    franking_agent: Option<Vec<u8>>,
}

/// A room that waits for its hub to take it on.
#[derive(Debug)]
pub(crate) struct Founding {
    operation: Option<OperationId>,
}

/// A founding under way, as stored.
#[derive(Deserialize, Serialize)]
pub(crate) struct SavedFounding {
    body: Vec<u8>,
}

impl Session {
    pub(crate) fn create_room(
        &mut self,
        operation: OperationId,
        name: String,
        policy: Box<RoomPolicy>,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        self.creating.insert(operation, Creating { name, policy });
        self.effects.request(Purpose::HubOfNewRoom(operation), Request::Provider);
        Ok(())
    }

    /// A cooperative room that depends on another one (POLICY-BASE-3).
    pub(crate) fn create_subroom(
        &mut self,
        operation: OperationId,
        name: String,
        parent: &MimiUri,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.domain();
        if parent.domain() != own {
            let there = parent.domain();
            let text =
                format!("a room inside this one has to be at {there}, and yours are at {own}");
            return Err(ClientError::Refused(text));
        }
        let mut policy = RoomPolicy::of_preset(Preset::Cooperative);
        let mut base = policy.base.unwrap_or_else(base_policy);
        base.parent_dependant = true;
        base.parent_room = Some(parent.as_str().to_owned());
        policy.base = Some(base);
        self.create_room(operation, name, Box::new(policy))
    }

    pub(crate) fn hub_of_new_room(
        &mut self,
        operation: OperationId,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        let Some(creating) = self.creating.remove(&operation) else { return };
        let founded = match answer.result {
            Ok(Response::Provider { domain, hub_sender, franking_agent, .. }) => {
                let hub = HubOfRoom { domain, sender: *hub_sender, franking_agent };
                self.found(operation, &creating, hub, at)
            }
            other => Err(refusal(other)),
        };
        if let Err(error) = founded {
            self.effects.finish(Some(operation), Err(error));
        }
    }

    fn found(
        &mut self,
        operation: OperationId,
        creating: &Creating,
        hub: HubOfRoom,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.domain();
        if hub.domain != own || hub_sender::domain_of(&hub.sender).as_ref() != Some(&own) {
            return Err(ClientError::Other("the provider names another hub".to_owned()));
        }
        let other = |error: &dyn std::fmt::Display| ClientError::Other(error.to_string());
        let (room, group_id) = fresh_names(&own, at)?;
        let founding = founding(creating, &room, &group_id, hub);
        let created = MemberGroup::create(&self.device, &founding, &mut at.rng, at.now_ms);
        let (group, group_info, ratchet_tree) = created.map_err(|error| other(&error))?;
        let body = RoomFounding { group_info, ratchet_tree, welcome: None };
        self.send_founding(operation, room, group, &body);
        Ok(())
    }

    /// Stores the group to be and hands it to the hub.
    pub(crate) fn send_founding(
        &mut self,
        operation: OperationId,
        room: MimiUri,
        group: MemberGroup,
        founding: &RoomFounding,
    ) {
        let body = founding.encode();
        let mut created = Room::new(room.clone(), Standing::Founding);
        created.stand(Standing::Founding, &mut self.effects);
        created.group = Some(group);
        created.save_group(&mut self.effects);
        created.founding = Some(Founding { operation: Some(operation) });
        let saved = SavedFounding { body: body.clone() };
        self.effects.put_room(&room, room_value::FOUNDING, &saved);
        let request = Request::FoundRoom { room: room.clone(), body: Bytes::from(body) };
        self.effects.request(Purpose::FoundRoom(room.clone()), request);
        self.rooms.insert(room, created);
    }

    pub(crate) fn founding_answered(
        &mut self,
        room: &MimiUri,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        let own = self.account.as_ref().map(|account| account.identity.user.clone());
        let Some(founded) = self.rooms.get_mut(room) else { return };
        let Some(Founding { operation }) = founded.founding.take() else { return };
        self.effects.remove_room(room, room_value::FOUNDING);
        // Nobody else can have used a fresh random name: an earlier sending came through.
        let repeated = answer.uncertain
            && answer.result.as_ref().is_err_and(|error| error.is_refusal("conflict"));
        match answer.result {
            Ok(Response::Founded { room: given }) if given == *room => {}
            _ if repeated => {}
            other => {
                let view = founded.group.as_ref().map(MemberGroup::view);
                let with = view.zip(own).and_then(|(view, own)| other_of_two(view, &own));
                founded.forget_group(&mut self.effects);
                self.effects.remove_room(room, room_value::STANDING);
                self.rooms.remove(room);
                return match (other, with) {
                    // The same people have one already (POLICY-BASE-2).
                    (Ok(Response::Founded { room: existing }), Some(user)) => {
                        self.enter_direct(operation, &existing, user, at);
                    }
                    (other, _) => self.effects.finish(operation, Err(refusal(other))),
                };
            }
        }
        founded.stand(Standing::Joined, &mut self.effects);
        founded.stirred = true;
        self.effects.event(crate::event::ClientEvent::Joined(room.clone()));
        self.settle_direct(room, at);
        self.effects.finish(operation, Ok(Outcome::Room(room.clone())));
    }
}

impl Room {
    /// Takes up a founding that was under way before a restart.
    pub(crate) fn resume_founding(&mut self, saved: SavedFounding, effects: &mut Effects) {
        let body = Bytes::from(saved.body);
        let request = Request::FoundRoom { room: self.uri.clone(), body };
        effects.request_again(Purpose::FoundRoom(self.uri.clone()), request);
        self.founding = Some(Founding { operation: None });
    }
}

/// URIs of a new room and its group (AMB-ID-5).
pub(crate) fn fresh_names(
    own: &Domain,
    at: &mut Moment<'_>,
) -> Result<(MimiUri, MimiUri), ClientError> {
    let mut fresh = |kind| {
        MimiUri::build(own, kind, &[&fresh_name(at)])
            .map_err(|error| ClientError::Other(error.to_string()))
    };
    Ok((fresh(UriKind::Room)?, fresh(UriKind::Group)?))
}

/// 128 random bits: nobody can guess or reserve the name.
fn fresh_name(at: &mut Moment<'_>) -> String {
    let mut octets = [0; 16];
    at.rng.fill_bytes(&mut octets);
    hex::encode(octets)
}

/// What the group starts with.
fn founding(
    creating: &Creating,
    room: &MimiUri,
    group_id: &MimiUri,
    hub: HubOfRoom,
) -> GroupFounding {
    let policy = &creating.policy;
    let mut components = policy.components.clone();
    // AMB-FRK-1: what the hub will sign franks with, from the first message on.
    components.extend(hub.franking_agent.map(|agent| (FRANKING_AGENT, agent)));
    GroupFounding {
        group_id: group_id.as_bytes().to_vec(),
        metadata: RoomMetadata {
            room_uri: room.clone(),
            room_name: creating.name.clone(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        // The hub may remove deleted users and the like (AMB-ST-4).
        preauth: policy.preauth_at(&room.domain()),
        creator_role: policy.creator_role,
        base_policy: policy.base.clone().unwrap_or_else(base_policy),
        components,
        roles: policy.roles.clone(),
        others: Vec::new(),
        hub_sender: hub.sender,
    }
}
