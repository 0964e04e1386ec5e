//! Deeds of plans in which somebody keeps no rule: what is honest and otherwise rare, and what clients and
//! providers try that have nothing but their own keys. What comes of it is seen by whoever watches hubs and
//! devices; where it is clear from the start that it must be refused, the answer says so.

use mimi_mls::CIPHERSUITE;
use mimi_mls::device::Device;
use mimi_mls::member::{CommitPlan, MemberGroup, founding_requirements};
use mimi_policy::RoomView;
use mimi_wire::component::CONTENT_MEDIA_TYPES;
use mimi_wire::content::{MessageId, MimiContent};
use mimi_wire::media::ApplicationFraming;
use mimi_wire::mls::{KeyPackage, MlsMessage};
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::group_info::{
    GROUP_INFO_REQUEST_LABEL, GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoRequestTbs,
};
use mimi_wire::protocol::key_material::{
    KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest, KeyMaterialRequestTbs, KeyPackageList,
};
use mimi_wire::protocol::ratchet_tree::{GroupInfoOption, RatchetTreeOption};
use mimi_wire::protocol::submit_message::SubmitMessageRequest;
use mimi_wire::protocol::update::{CommitBundle, UpdateRequest};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair, UserRolePair};
use mimi_wire::{MimiUri, Wire as _};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use tombolo_client::RoomStatus;
use tombolo_client::session::command::{Command, NewJoinLink};
use tombolo_client::session::request::Request;
use tombolo_testkit::simulation::plan::{Deed, Misdeed};

use super::watching::holds;
use super::{Ask, Back, By, Doing, Event, Op, World};
use crate::pure::node::forbidden;

/// Requests of clients that others have overheard.
const OVERHEARD_MAX: usize = 60;
/// Of KeyPackages: longer than a simulation may be behind the clock of this machine.
const LIFETIME_S: u64 = 60 * 24 * 60 * 60;

type Wish = Option<(Command, Doing)>;

impl World {
    pub(super) fn deed(&mut self, device: usize, deed: Deed) -> Wish {
        let other = |name| Doing::Other(name);
        match deed {
            Deed::CreateLink { room, uses, lasts_ms } => {
                let room = self.room_for_links(device, room)?;
                let uses = std::num::NonZeroU32::new(uses);
                let wish = NewJoinLink { role: None, uses, lasts_ms };
                Some((Command::CreateJoinLink { room, wish }, Doing::Link))
            }
            Deed::JoinByNewestLink => {
                let link = self.links.last()?.parse().ok()?;
                Some((Command::JoinByLink(link), other("join by link")))
            }
            Deed::RemoveNewestLink { room } => {
                let room = self.room(device, room)?;
                let links = self.devices[device].session.room(&room).ok()?.join_links;
                let link = links.last()?.link.clone();
                Some((Command::RemoveJoinLink { room, link }, other("remove link")))
            }
            Deed::Subroom { room, user } => {
                let parent = self.room(device, room)?;
                let user = self.user(user);
                // Who is to be in it has to be in the other one as well; what comes first does not matter.
                let adding = Command::AddUser { room: parent.clone(), user };
                self.start(device, adding, other("add"));
                self.last_parent = Some(parent.clone());
                let name = "sub".to_owned();
                Some((Command::CreateSubroom { parent, name }, other("create subroom")))
            }
            Deed::AddToNewestRoom { user } => {
                let (room, user) = (self.rooms.last()?.clone(), self.user(user));
                Some((Command::AddUser { room, user }, other("add")))
            }
            Deed::RemoveFromParent { user } => {
                let (room, user) = (self.last_parent.clone()?, self.user(user));
                Some((Command::RemoveUser { room, user }, other("remove")))
            }
            Deed::JoinAnew { room } => {
                let room = self.room(device, room)?;
                Some((Command::JoinRoom(room), other("join")))
            }
            Deed::Mis { misdeed, room, user } => {
                self.seen.one(format!("misdeed: {misdeed:?}"));
                let _ = self.misdeed(device, room, user, misdeed);
                None
            }
        }
    }

    /// A room in which this person may make links, if there is one.
    fn room_for_links(&self, device: usize, room: usize) -> Option<MimiUri> {
        let state = &self.devices[device];
        let may = |room: &MimiUri| {
            let shown = state.session.room(room).ok();
            shown.is_some_and(|it| holds(&it, &state.user, Capability::CAN_CREATE_JOIN_CODE))
        };
        let rooms: Vec<MimiUri> = state.session.rooms().into_iter().filter(may).collect();
        rooms.get(room % rooms.len().max(1)).cloned()
    }

    /// Tells whether there was an occasion.
    fn misdeed(&mut self, device: usize, room: usize, user: usize, misdeed: Misdeed) -> Option<()> {
        match misdeed {
            Misdeed::WritesAfterLeaving => self.writes_after_leaving(device),
            Misdeed::WritesUnasked => self.writes_unasked(device, room),
            Misdeed::WrongGroup => self.wrong_group(device),
            Misdeed::ForgedContent => self.forged_content(device, room, user),
            Misdeed::ForeignEdit => self.foreign_edit(device, room),
            Misdeed::WrongClient => self.wrong_client(device),
            Misdeed::ChangesUnasked => self.changes_unasked(device, room, user),
            Misdeed::WrongGroupInfo => self.wrong_group_info(device, room),
            Misdeed::WrongWelcome => self.wrong_welcome(device, room, user),
            Misdeed::StolenCommit => self.stolen_commit(device, room),
            Misdeed::UngrantedJoin => self.ungranted_join(device, room, None),
            Misdeed::StolenJoin => {
                let others = 0..self.devices.len();
                let others: Vec<usize> = others.filter(|it| *it != device).collect();
                let by = *others.choose(&mut self.rng)?;
                self.ungranted_join(device, room, Some(by))
            }
            Misdeed::KeysUnasked => self.keys(device, user, None),
            Misdeed::KeysByRoom => {
                let room = self.rooms.choose(&mut self.rng)?.clone();
                self.keys(device, user, Some(room))
            }
            Misdeed::OthersQuestion => self.others_question(device),
            Misdeed::OthersRequest => self.others_request(device),
            Misdeed::ForgedConsent => self.forged_consent(device, user),
            Misdeed::ForgedPeerConsent => self.forged_peer_consent(device, user),
            Misdeed::OthersKeyPackages => self.others_key_packages(device),
            Misdeed::AddsBanned => self.adds_banned(device),
        }
    }

    /// What a client asks is remembered by those who listen.
    pub(super) fn overhear(&mut self, device: usize, request: &Request) {
        let is_of_use = matches!(
            request,
            Request::GroupInfo { .. }
                | Request::KeyMaterial { .. }
                | Request::Consent(_)
                | Request::FoundRoom { .. }
                | Request::SubmitMessage { .. }
                | Request::Update { .. }
        );
        if !is_of_use {
            return;
        }
        if self.overheard.len() == OVERHEARD_MAX {
            self.overheard.pop_front();
        }
        self.overheard.push_back((device, request.clone()));
    }

    fn keys_of(&self, device: usize) -> Option<Device> {
        let saved = &self.devices[device].saved;
        Device::restore(saved.values.get("device")?.octets()).ok()
    }

    /// A copy of a device's group: it does not know what is done with it.
    fn copy_of_group(&self, device: usize, room: &MimiUri) -> Option<MemberGroup> {
        let pieces = self.devices[device].saved.rooms.get(room)?.group.iter();
        let pieces = pieces.map(|(key, value)| (key.clone(), value.octets().to_vec()));
        MemberGroup::restore(pieces.collect()).ok()
    }

    fn asks(&mut self, device: usize, request: Request, back: Back) -> Option<()> {
        let token = self.devices[device].session.token()?.reveal().to_owned();
        let node = self.devices[device].node;
        let ask = Ask { by: By::Client(Some(token)), op: Op::Client(request), back, tries: 0 };
        self.after(1, Event::Asked { node, ask });
        Some(())
    }

    fn asks_as_peer(&mut self, crook: usize, node: usize, op: Op, back: Back) -> Option<()> {
        if crook == node {
            return None;
        }
        let by = By::Peer(self.nodes[crook].domain().clone());
        let ask = Ask { by, op, back, tries: 0 };
        self.after(20, Event::Asked { node, ask });
        Some(())
    }

    fn node_of(&self, uri: &MimiUri) -> Option<usize> {
        self.nodes.iter().position(|node| *node.domain() == uri.domain())
    }

    fn status(&self, device: usize, room: &MimiUri) -> Option<RoomStatus> {
        self.devices[device].session.room(room).ok().map(|state| state.status)
    }

    fn rooms_with(&self, device: usize, status: &RoomStatus) -> Vec<MimiUri> {
        let rooms = self.devices[device].session.rooms().into_iter();
        rooms.filter(|room| self.status(device, room).as_ref() == Some(status)).collect()
    }

    fn submission(&mut self, device: usize, room: &MimiUri, content: &[u8]) -> Option<MlsMessage> {
        let keys = self.keys_of(device)?;
        let mut group = self.copy_of_group(device, room)?;
        let data = framed(group.view(), content);
        group.encrypt(&keys, &data).ok()
    }

    fn submit(&mut self, by: usize, room: MimiUri, message: MlsMessage, back: Back) -> Option<()> {
        let sending_uri = self.devices[by].user.clone();
        let body = SubmitMessageRequest { app_message: message, sending_uri }.encode().into();
        self.asks(by, Request::SubmitMessage { room, body }, back)
    }

    fn words(&mut self, sender: &MimiUri, room: &MimiUri) -> MimiContent {
        self.texts += 1;
        MimiContent::text(self.rng.random(), sender, room, &format!("x{}", self.texts))
    }

    fn writes_after_leaving(&mut self, device: usize) -> Option<()> {
        let room = self.rooms_with(device, &RoomStatus::Left).choose(&mut self.rng)?.clone();
        let user = self.devices[device].user.clone();
        let content = self.words(&user, &room).encode().ok()?;
        let message = self.submission(device, &room, &content)?;
        // It may have been taken in again: the hub's log tells.
        self.submit(device, room, message, Back::Nobody)
    }

    fn writes_unasked(&mut self, device: usize, room: usize) -> Option<()> {
        let room = self.room(device, room)?;
        let state = self.devices[device].session.room(&room).ok()?;
        let user = self.devices[device].user.clone();
        let may = holds(&state, &user, Capability::CAN_SEND_MESSAGE);
        if may {
            return None;
        }
        let content = self.words(&user, &room).encode().ok()?;
        let message = self.submission(device, &room, &content)?;
        self.retire(device);
        self.submit(device, room, message, Back::Nobody)
    }

    fn wrong_group(&mut self, device: usize) -> Option<()> {
        let rooms = self.rooms_with(device, &RoomStatus::Joined);
        let of = rooms.choose(&mut self.rng)?.clone();
        let others: Vec<&MimiUri> = rooms.iter().filter(|room| **room != of).collect();
        let to = (*others.choose(&mut self.rng)?).clone();
        let user = self.devices[device].user.clone();
        let content = self.words(&user, &to).encode().ok()?;
        let message = self.submission(device, &of, &content)?;
        self.submit(device, to, message, Back::Misdeed(Misdeed::WrongGroup))
    }

    /// From now on its person does nothing with it any more: its keys have been used behind its back.
    fn retire(&mut self, device: usize) {
        self.devices[device].is_signed_out = true;
    }

    fn forged_content(&mut self, device: usize, room: usize, user: usize) -> Option<()> {
        let room = self.room(device, room)?;
        if self.status(device, &room)? != RoomStatus::Joined || self.is_needed(device) {
            return None;
        }
        let own = self.devices[device].user.clone();
        let other = self.user(user);
        let elsewhere = self.rooms.iter().find(|it| **it != room).cloned();
        let content = match elsewhere.filter(|_| self.rng.random()) {
            Some(elsewhere) => self.words(&own, &elsewhere),
            None if other != own => self.words(&other, &room),
            None => return None,
        };
        let message = self.submission(device, &room, &content.encode().ok()?)?;
        self.retire(device);
        // Its hub cannot see it.
        self.submit(device, room, message, Back::Nobody)
    }

    fn foreign_edit(&mut self, device: usize, room: usize) -> Option<()> {
        let room = self.room(device, room)?;
        if self.status(device, &room)? != RoomStatus::Joined || self.is_needed(device) {
            return None;
        }
        let own = self.devices[device].user.clone();
        let state = self.devices[device].session.room(&room).ok()?;
        let others: Vec<MessageId> = state
            .messages
            .iter()
            .filter(|it| it.sender != own && !it.deleted && it.refused.is_none())
            .map(|it| it.id)
            .collect();
        let target = *others.choose(&mut self.rng)?;
        self.touched.insert(target);
        let salt = self.rng.random();
        let deletes = holds(&state, &own, Capability::CAN_DELETE_OTHER_MESSAGE);
        let content = match !deletes && self.rng.random() {
            true => {
                self.watch.spare(target);
                MimiContent::delete(salt, &own, &room, target)
            }
            false => {
                self.texts += 1;
                let text = format!("e{}", self.texts);
                self.watch.writes(device, &own, &room, &text);
                MimiContent::edit(salt, &own, &room, target, &text)
            }
        };
        let message = self.submission(device, &room, &content.encode().ok()?)?;
        self.retire(device);
        self.submit(device, room, message, Back::Nobody)
    }

    /// Whether it is the last of its person: somebody has to go on.
    fn is_needed(&self, device: usize) -> bool {
        let person = self.devices[device].person;
        let own = self.devices.iter().filter(|it| it.person == person && it.is_registered());
        own.filter(|it| !it.is_signed_out).count() < 2
    }

    fn wrong_client(&mut self, device: usize) -> Option<()> {
        let person = self.devices[device].person;
        let own: Vec<usize> = (0..self.devices.len())
            .filter(|it| *it != device && self.devices[*it].person == person)
            .collect();
        let member = *own.choose(&mut self.rng)?;
        let domain = self.nodes[self.devices[device].node].domain().clone();
        let rooms = self.rooms_with(member, &RoomStatus::Joined);
        let client = self.devices[device].client.clone()?;
        let mut rooms = rooms.into_iter().filter(|room| room.domain() == domain);
        let room = rooms.find(|room| !self.ledger.holds(room, &client))?;
        let user = self.devices[device].user.clone();
        let content = self.words(&user, &room).encode().ok()?;
        let message = self.submission(member, &room, &content)?;
        // It may come in this very moment: the hub's log tells.
        self.submit(device, room, message, Back::Nobody)
    }

    /// A KeyPackage of somebody's device, whose private half nobody keeps.
    fn key_package_of(&mut self, device: usize) -> Option<KeyPackage> {
        let mut keys = self.keys_of(device)?;
        let now_ms = self.now_ms;
        keys.key_packages(1, LIFETIME_S, now_ms, &mut self.rng).ok()?.pop()
    }

    fn changes_unasked(&mut self, device: usize, room: usize, user: usize) -> Option<()> {
        let room = self.room(device, room)?;
        let mut group = self.copy_of_group(device, &room)?;
        self.makes_commits(device, &room);
        let keys = self.keys_of(device)?;
        let view = group.view().clone();
        let target = self.user(user);
        let mut plan = CommitPlan::default();
        let mut list = ParticipantListUpdate::default();
        let listed = (0u32..).zip(&view.participants.participants);
        let index = listed.into_iter().find(|(_, pair)| pair.user == target).map(|(at, _)| at);
        let roles: Vec<u32> = view.roles.roles.iter().map(|role| role.role_index).collect();
        let role_index = *roles.choose(&mut self.rng)?;
        let clients: Vec<u32> = view.clients_of(&target).map(|client| client.leaf).collect();
        match (index, self.rng.random_range(0..6)) {
            (_, 0) => {
                let room_name = format!("stolen {}", self.texts);
                plan.metadata = Some(RoomMetadata { room_name, ..view.metadata.clone() });
            }
            (Some(user_index), 1) => {
                list.changed_role_participants.push(UserIndexRolePair { user_index, role_index });
            }
            (Some(index), 2) => {
                list.removed_indices.push(index);
                plan.remove = clients;
            }
            (Some(user_index), 3) => {
                let banned = UserIndexRolePair { user_index, role_index: 1 };
                list.changed_role_participants.push(banned);
                plan.remove = clients;
            }
            (Some(_), 4) if !clients.is_empty() => plan.remove = vec![clients[0]],
            (index, _) => {
                if index.is_none() {
                    let user = target.clone();
                    list.added_participants.push(UserRolePair { user, role_index });
                }
                let theirs: Vec<usize> =
                    (0..self.devices.len()).filter(|it| self.devices[*it].user == target).collect();
                let theirs = *theirs.choose(&mut self.rng)?;
                plan.add.push(self.key_package_of(theirs)?);
            }
        }
        if list != ParticipantListUpdate::default() {
            plan.participants = Some(list);
        }
        let now_ms = self.now_ms;
        let (bundle, change) = group.commit(&keys, &plan, &mut self.rng, now_ms).ok()?;
        let what = forbidden(&view, &change);
        if what.is_empty() {
            return None;
        }
        self.note(|| format!("forbidden: {what:?}"));
        let body = UpdateRequest::Commit(bundle).encode().into();
        let back = Back::Misdeed(Misdeed::ChangesUnasked);
        self.asks(device, Request::Update { room, body }, back)
    }

    fn adds_banned(&mut self, device: usize) -> Option<()> {
        let rooms = self.rooms_with(device, &RoomStatus::Joined);
        let room = rooms.choose(&mut self.rng)?.clone();
        let state = self.devices[device].session.room(&room).ok()?;
        let banned = state.participants.iter().find(|it| it.is_banned)?.user.clone();
        let theirs = (0..self.devices.len()).find(|it| self.devices[*it].user == banned)?;
        let mut group = self.copy_of_group(device, &room)?;
        let keys = self.keys_of(device)?;
        let add = vec![self.key_package_of(theirs)?];
        let plan = CommitPlan { add, ..CommitPlan::default() };
        let now_ms = self.now_ms;
        let (bundle, _) = group.commit(&keys, &plan, &mut self.rng, now_ms).ok()?;
        let body = UpdateRequest::Commit(bundle).encode().into();
        let back = Back::Misdeed(Misdeed::AddsBanned);
        self.asks(device, Request::Update { room, body }, back)
    }

    /// A commit that its author may make, and has not made.
    fn fair_commit(&mut self, device: usize, room: &MimiUri) -> Option<CommitBundle> {
        let mut group = self.copy_of_group(device, room)?;
        let keys = self.keys_of(device)?;
        let view = group.view().clone();
        let room_name = format!("fair {}", self.texts);
        let metadata = Some(RoomMetadata { room_name, ..view.metadata.clone() });
        let plan = CommitPlan { metadata, ..CommitPlan::default() };
        let now_ms = self.now_ms;
        let (bundle, change) = group.commit(&keys, &plan, &mut self.rng, now_ms).ok()?;
        forbidden(&view, &change).is_empty().then_some(bundle)
    }

    fn wrong_group_info(&mut self, device: usize, room: usize) -> Option<()> {
        let room = self.room(device, room)?;
        let mut bundle = self.fair_commit(device, &room)?;
        let node = self.node_of(&room)?;
        let present = self.nodes[node].hub(&room).ok()?.group.group_info().clone();
        bundle.group_info = GroupInfoOption::Full(present);
        let body = UpdateRequest::Commit(bundle).encode().into();
        let back = Back::Misdeed(Misdeed::WrongGroupInfo);
        self.asks(device, Request::Update { room, body }, back)
    }

    fn wrong_welcome(&mut self, device: usize, room: usize, user: usize) -> Option<()> {
        let room = self.room(device, room)?;
        let target = self.user(user);
        let client = (0..self.devices.len()).find(|it| {
            let state = &self.devices[*it];
            let is_in = |client: &MimiUri| self.ledger.holds(&room, client);
            state.user == target && state.client.as_ref().is_some_and(|client| !is_in(client))
        })?;
        let keys = self.keys_of(device)?;
        let mut bundles = Vec::new();
        for _ in 0..2 {
            let mut group = self.copy_of_group(device, &room)?;
            let view = group.view().clone();
            let mut list = ParticipantListUpdate::default();
            if view.role_index_of(&target).is_none() {
                let role_index = view.role_index_of(&self.devices[device].user)?;
                list.added_participants.push(UserRolePair { user: target.clone(), role_index });
            }
            let participants = (list != ParticipantListUpdate::default()).then_some(list);
            let add = vec![self.key_package_of(client)?];
            let plan = CommitPlan { add, participants, ..CommitPlan::default() };
            let now_ms = self.now_ms;
            bundles.push(group.commit(&keys, &plan, &mut self.rng, now_ms).ok()?.0);
        }
        let mut bundle = bundles.pop()?;
        bundle.welcome = bundles.pop()?.welcome.filter(|_| self.rng.random_range(0..3) > 0);
        let body = UpdateRequest::Commit(bundle).encode().into();
        let back = Back::Misdeed(Misdeed::WrongWelcome);
        self.asks(device, Request::Update { room, body }, back)
    }

    fn stolen_commit(&mut self, device: usize, room: usize) -> Option<()> {
        let room = self.room(device, room)?;
        let bundle = self.fair_commit(device, &room)?;
        let body: bytes::Bytes = UpdateRequest::Commit(bundle).encode().into();
        let back = Back::Misdeed(Misdeed::StolenCommit);
        let hub = self.node_of(&room)?;
        let others: Vec<usize> = (0..self.devices.len()).filter(|it| *it != device).collect();
        let by = *others.choose(&mut self.rng)?;
        if self.devices[by].node == hub {
            return self.asks(by, Request::Update { room, body }, back);
        }
        if self.devices[by].node == self.devices[device].node {
            return None;
        }
        let crook = self.devices[by].node;
        self.asks_as_peer(crook, hub, Op::Update { room, body }, back)
    }

    /// An external commit with what a member has let out: the hub has told its author nothing.
    fn ungranted_join(&mut self, device: usize, room: usize, by: Option<usize>) -> Option<()> {
        let room = self.rooms.get(room % self.rooms.len().max(1))?.clone();
        if self.status(device, &room) == Some(RoomStatus::Joined) {
            return None;
        }
        let hub = self.node_of(&room)?;
        let (issuers, now_ms) = (self.nodes[hub].issuers(), self.now_ms);
        let keys = self.keys_of(device)?;
        let (client, user) = (keys.identity()?.client.clone(), keys.identity()?.user.clone());
        let was_let_in = self.nodes[hub].has_let_in(&room, &client);
        let known = self.nodes[hub].hub(&room).ok()?;
        if was_let_in {
            return None;
        }
        let material = GroupInfoRatchetTreeTbe {
            group_info: known.group.group_info().clone(),
            ratchet_tree: RatchetTreeOption::Full(known.group.ratchet_tree()),
            pending_proposals: Vec::new(),
        };
        let view = known.group.view().clone();
        let listed = view.role_index_of(&user).is_some();
        let roles: Vec<u32> = view.roles.roles.iter().map(|it| it.role_index).collect();
        let role_index = *roles.choose(&mut self.rng)?;
        let pair = UserRolePair { user, role_index };
        let update = ParticipantListUpdate {
            added_participants: vec![pair],
            ..ParticipantListUpdate::default()
        };
        let (_, bundle) = MemberGroup::join_by_external_commit(
            &keys,
            &material,
            (!listed).then_some(update),
            &issuers,
            &mut self.rng,
            now_ms,
        )
        .ok()?;
        // Another device of its user may have been let in.
        let person = self.devices[device].person;
        let others = (0..self.devices.len()).filter(|it| *it != device);
        let sibling = others.into_iter().find(|it| self.devices[*it].person == person);
        if let Some(sibling) = sibling.filter(|_| self.rng.random()) {
            self.ask_group_info(sibling, &room);
        }
        let body = UpdateRequest::Commit(bundle).encode().into();
        let misdeed = match by {
            Some(_) => Misdeed::StolenJoin,
            None => Misdeed::UngrantedJoin,
        };
        let by = by.unwrap_or(device);
        let token = self.devices[by].session.token()?.reveal().to_owned();
        let op = Op::Client(Request::Update { room, body });
        let back = Back::Misdeed(misdeed);
        let ask = Ask { by: By::Client(Some(token)), op, back, tries: 0 };
        let node = self.devices[by].node;
        self.after(200, Event::Asked { node, ask });
        Some(())
    }

    /// As its client would, with a key that nobody has: it only wants to be let in.
    fn ask_group_info(&mut self, device: usize, room: &MimiUri) -> Option<()> {
        let keys = self.keys_of(device)?;
        let tbs = GroupInfoRequestTbs {
            cipher_suite: CIPHERSUITE,
            requesting_signature_key: keys.signature_key().to_vec(),
            requesting_credential: keys.credential()?,
            group_info_public_key: self.rng.random::<[u8; 32]>().to_vec(),
            joining_code: None,
        };
        let unsigned = GroupInfoRequest { tbs, signature: Vec::new() };
        let signed = unsigned.signed_octets();
        let octets = signed.first()?;
        let signature = keys.sign_with_label(GROUP_INFO_REQUEST_LABEL, octets);
        let body = GroupInfoRequest { signature, ..unsigned }.encode().into();
        self.asks(device, Request::GroupInfo { room: room.clone(), body }, Back::Nobody)
    }

    /// KeyPackages of whoever it may be; who may have them is known.
    fn keys(&mut self, device: usize, user: usize, room: Option<MimiUri>) -> Option<()> {
        let keys = self.keys_of(device)?;
        let target = self.user(user);
        let tbs = KeyMaterialRequestTbs {
            requesting_user: self.devices[device].user.clone(),
            target_user: target.clone(),
            room_id: room,
            acceptable_ciphersuites: vec![CIPHERSUITE],
            required_capabilities: founding_requirements(&keys).ok()?,
            requester_signature_key: keys.signature_key().to_vec(),
            requester_credential: keys.credential()?,
        };
        let signature = keys.sign_with_label(KEY_MATERIAL_REQUEST_LABEL, &tbs.encode());
        let to_room = tbs.room_id.is_some();
        let body: bytes::Bytes = KeyMaterialRequest { tbs, signature }.encode().into();
        let (own, theirs) = (self.devices[device].node, self.node_of(&target)?);
        if to_room && self.rng.random() {
            // Past the room's hub.
            return self.asks_as_peer(own, theirs, Op::KeyMaterial(body), Back::Nobody);
        }
        self.asks(device, Request::KeyMaterial { user: target, body }, Back::Nobody)
    }

    fn others_question(&mut self, device: usize) -> Option<()> {
        let crook = self.devices[device].node;
        let questions: Vec<_> = self
            .heard
            .iter()
            .filter(|(_, op)| matches!(op, Op::KeyMaterial(_) | Op::GroupInfo { .. }))
            .cloned()
            .collect();
        let (node, op) = questions.choose(&mut self.rng)?.clone();
        self.asks_as_peer(crook, node, op, Back::Nobody)
    }

    fn others_request(&mut self, device: usize) -> Option<()> {
        let at = self.rng.random_range(0..self.overheard.len().max(1));
        let (of, request) = self.overheard.get(at)?.clone();
        let same = self.devices[of].user == self.devices[device].user;
        if same {
            return None;
        }
        let back = match &request {
            // The answer to what was accepted before is the same again.
            Request::Update { .. } | Request::FoundRoom { .. } => Back::Nobody,
            // The room's hub asks whose it is, and the answer is sealed for that one.
            Request::GroupInfo { .. } => Back::Nobody,
            _ => Back::Misdeed(Misdeed::OthersRequest),
        };
        self.asks(device, request, back)
    }

    fn grant(requester_uri: MimiUri, target_uri: MimiUri) -> ConsentEntry {
        ConsentEntry {
            operation: ConsentOperation::Grant { client_key_packages: Vec::new() },
            requester_uri,
            target_uri,
            room_id: None,
            consent_extensions: Default::default(),
        }
    }

    fn forged_consent(&mut self, device: usize, user: usize) -> Option<()> {
        let (own, target) = (self.devices[device].user.clone(), self.user(user));
        if own == target {
            return None;
        }
        let body = Self::grant(own, target).encode().into();
        self.asks(device, Request::Consent(body), Back::Misdeed(Misdeed::ForgedConsent))
    }

    fn forged_peer_consent(&mut self, device: usize, user: usize) -> Option<()> {
        let crook = self.devices[device].node;
        let (own, target) = (self.devices[device].user.clone(), self.user(user));
        let node = self.node_of(&target)?;
        let mut entry = Self::grant(own, target);
        let back = Back::Misdeed(Misdeed::ForgedPeerConsent);
        if self.rng.random() {
            let op = Op::UpdateConsent(entry.encode().into());
            return self.asks_as_peer(crook, node, op, back);
        }
        // Somebody else's wish.
        let domain = self.nodes[crook].domain().clone();
        let others = self.devices.iter().map(|it| it.user.clone());
        let others: Vec<_> = others.filter(|user| user.domain() != domain).collect();
        entry.operation = ConsentOperation::Request;
        entry.requester_uri = others.choose(&mut self.rng)?.clone();
        if entry.requester_uri == entry.target_uri {
            return None;
        }
        self.asks_as_peer(crook, node, Op::RequestConsent(entry.encode().into()), back)
    }

    fn others_key_packages(&mut self, device: usize) -> Option<()> {
        let others: Vec<usize> = (0..self.devices.len()).filter(|it| *it != device).collect();
        let other = *others.choose(&mut self.rng)?;
        let package = self.key_package_of(other)?;
        let body = KeyPackageList(vec![package]).encode().into();
        let back = Back::Misdeed(Misdeed::OthersKeyPackages);
        self.asks(device, Request::UploadKeyPackages(body), back)
    }
}

/// A content as messages of a room carry it.
fn framed(view: &RoomView, content: &[u8]) -> Vec<u8> {
    if !view.other_components.contains_key(&CONTENT_MEDIA_TYPES) {
        return content.to_vec();
    }
    let inner_application_content = content.to_vec();
    ApplicationFraming { media_type: Default::default(), inner_application_content }.encode()
}
