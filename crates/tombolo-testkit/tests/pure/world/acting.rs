//! What people do, and what clients and providers without checks try.

use mimi_mls::device::Device;
use mimi_mls::member::{CommitPlan, MemberGroup};
use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_wire::content::MessageId;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::submit_message::SubmitMessageRequest;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_code::RoomLink;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair};
use mimi_wire::{MimiUri, Wire as _};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use tombolo_client::ContactWord;
use tombolo_client::session::command::{Command, Draft, NewJoinLink};
use tombolo_client::session::request::Request;
use tombolo_client::{RoomState, ShownMessage};
use tombolo_testkit::simulation::plan::{Action, Happening, Trick};

use super::watching::holds;
use super::{Ask, Back, By, Doing, Event, Op, World};
use crate::pure::node::forbidden;

impl World {
    pub(super) fn step(&mut self, index: usize) {
        match self.plan.steps[index].what.clone() {
            Happening::Fault(fault) => self.fault(fault),
            Happening::Act { person, device, action } => {
                let own: Vec<usize> = (0..self.devices.len())
                    .filter(|it| self.devices[*it].person == person)
                    .filter(|it| self.devices[*it].is_registered())
                    .filter(|it| !self.devices[*it].is_signed_out)
                    .collect();
                let Some(device) = own.get(device % own.len().max(1)).copied() else { return };
                if self.trace.is_on() {
                    let name = self.devices[device].name.clone();
                    let text = format!("{action:?}");
                    self.note(|| format!("{name} wants {text}"));
                }
                self.act(person, device, &own, action);
            }
        }
    }

    pub(super) fn user(&self, person: usize) -> MimiUri {
        let found = self.devices.iter().find(|device| device.person == person);
        found.expect("everybody has a device").user.clone()
    }

    pub(super) fn room(&self, device: usize, room: usize) -> Option<MimiUri> {
        let rooms = self.devices[device].session.rooms();
        rooms.get(room % rooms.len().max(1)).cloned()
    }

    fn message(&self, device: usize, room: &MimiUri, back: usize) -> Option<ShownMessage> {
        let RoomState { messages, .. } = self.devices[device].session.room(room).ok()?;
        let at = messages.len().checked_sub(1 + back % messages.len().max(1))?;
        messages.get(at).cloned()
    }

    fn act(&mut self, person: usize, device: usize, own: &[usize], action: Action) {
        match self.command(person, device, own, &action) {
            Some((command, doing)) => self.start(device, command, doing),
            None => self.seen.one("wishes without an object"),
        }
    }

    /// The command an action comes to; some are carried out here.
    fn command(
        &mut self,
        person: usize,
        device: usize,
        own: &[usize],
        action: &Action,
    ) -> Option<(Command, Doing)> {
        if let Some(command) = self.about_messages(device, action) {
            return Some(command);
        }
        if let Some(command) = self.about_rooms(device, action) {
            return Some(command);
        }
        let other = |name| Doing::Other(name);
        Some(match action {
            Action::CreateRoom { preset } => (self.new_room(*preset), Doing::CreateRoom),
            Action::OpenDirect { user } if *user != person => {
                (Command::OpenDirect(self.user(*user)), other("open direct room"))
            }
            Action::CreateSubroom { room } => {
                let parent = self.room(device, *room)?;
                (Command::CreateSubroom { parent, name: "sub".to_owned() }, other("create subroom"))
            }
            Action::JoinByLink { link } => {
                let link = self.links.get(link % self.links.len().max(1))?;
                let link: RoomLink = link.parse().ok()?;
                (Command::JoinByLink(link), other("join by link"))
            }
            Action::Accept { user } if *user != person => {
                let word = ContactWord::Accept;
                let (own, of) = (self.devices[device].user.clone(), self.user(*user));
                self.watch.begins_yes(own, of.clone());
                (self.contact(*user, word), Doing::Accept { of })
            }
            Action::Ask { user } if *user != person => {
                (self.contact(*user, ContactWord::Ask), other("ask for contact"))
            }
            Action::TurnAway { user } if *user != person => {
                let of = self.user(*user);
                (self.contact(*user, ContactWord::TurnAway), Doing::TurnAway { of })
            }
            Action::AddDevice => {
                if own.len() < 4 {
                    let name = format!("more{}", self.devices.len());
                    self.add_device(person, name);
                }
                return None;
            }
            Action::SignOutDevice { device: which } => {
                let which = *own.get(which % own.len()).filter(|which| **which != device)?;
                let client = self.devices[which].client.clone()?;
                self.devices[which].is_signed_out = true;
                let doing = Doing::SignOut { client: client.clone() };
                (Command::SignOut(client), doing)
            }
            Action::Deed(deed) => return self.deed(device, *deed),
            Action::Forbidden { room, trick } => {
                self.seen.one(format!("trick: {trick:?}"));
                return self.trick(device, *room, *trick);
            }
            _ => return None,
        })
    }

    fn new_room(&mut self, preset: Preset) -> Command {
        let policy = Box::new(RoomPolicy::of_preset(preset));
        Command::CreateRoom { name: format!("room {}", self.rng.random::<u16>()), policy }
    }

    fn contact(&self, user: usize, word: ContactWord) -> Command {
        Command::SayContact { word, user: self.user(user), room: None }
    }

    fn about_messages(&mut self, device: usize, action: &Action) -> Option<(Command, Doing)> {
        let (room, back) = match action {
            Action::Write { room } | Action::MarkRead { room } => (*room, 0),
            Action::Reply { room, message }
            | Action::Edit { room, message }
            | Action::Delete { room, message }
            | Action::React { room, message } => (*room, *message),
            _ => return None,
        };
        let room = self.room(device, room)?;
        let target = self.message(device, &room, back);
        let touches = !matches!(action, Action::Write { .. } | Action::Reply { .. });
        if touches && let Some(target) = &target {
            self.touched.insert(target.id);
        }
        let id = target.as_ref().map(|target| target.id);
        let other =
            |name, draft| Some((Command::Send { room: room.clone(), draft }, Doing::Other(name)));
        match action {
            Action::MarkRead { .. } => {
                let state = self.devices[device].session.room(&room).ok()?;
                let messages: Vec<MessageId> = state.messages.iter().map(|it| it.id).collect();
                self.touched.extend(&messages);
                Some((Command::MarkRead { room, messages }, Doing::Other("mark read")))
            }
            Action::Edit { .. } => {
                self.texts += 1;
                let text = format!("e{}", self.texts);
                let own = self.devices[device].user.clone();
                self.watch.writes(device, &own, &room, &text);
                let draft = Draft::Edit { message: id?, text };
                let doing = match target.is_some_and(|target| target.sender != own) {
                    true => Doing::Unrightful("edit what another one wrote"),
                    false => Doing::Other("edit"),
                };
                Some((Command::Send { room: room.clone(), draft }, doing))
            }
            Action::Delete { .. } => {
                let draft = Draft::Delete { message: id? };
                self.watch.takes_back(id?);
                let own = &self.devices[device].user;
                let is_others = target.is_some_and(|target| target.sender != *own);
                let state = self.devices[device].session.room(&room).ok()?;
                let may = holds(&state, own, Capability::CAN_DELETE_OTHER_MESSAGE);
                let doing = match is_others && !may {
                    true => Doing::Unrightful("delete what another one wrote"),
                    false => Doing::Other("delete"),
                };
                Some((Command::Send { room: room.clone(), draft }, doing))
            }
            Action::React { .. } => {
                other("react", Draft::Reaction { to: id?, reaction: "👍".to_owned() })
            }
            _ => {
                self.texts += 1;
                let text = format!("t{}", self.texts);
                let in_reply_to = id.filter(|_| matches!(action, Action::Reply { .. }));
                let user = self.devices[device].user.clone();
                self.ledger.wrote(&user, &room, &text);
                self.watch.writes(device, &user, &room, &text);
                let draft = Draft::Text { text: text.clone(), in_reply_to };
                Some((Command::Send { room: room.clone(), draft }, Doing::Text { room, text }))
            }
        }
    }

    fn about_rooms(&mut self, device: usize, action: &Action) -> Option<(Command, Doing)> {
        let command = match action {
            Action::Add { room, user } => {
                let (room, user) = (self.room(device, *room)?, self.user(*user));
                (Command::AddUser { room, user }, "add")
            }
            Action::Remove { room, user } => {
                let (room, user) = (self.room(device, *room)?, self.user(*user));
                (Command::RemoveUser { room, user }, "remove")
            }
            Action::Kick { room, user } => {
                let (room, user) = (self.room(device, *room)?, self.user(*user));
                (Command::KickUser { room, user }, "kick")
            }
            Action::Ban { room, user } => {
                let (room, user) = (self.room(device, *room)?, self.user(*user));
                (Command::BanUser { room, user }, "ban")
            }
            Action::Unban { room, user } => {
                let (room, user) = (self.room(device, *room)?, self.user(*user));
                (Command::UnbanUser { room, user, role: None }, "unban")
            }
            Action::ChangeRole { room, user, role } => {
                let (room, user) = (self.room(device, *room)?, self.user(*user));
                let state = self.devices[device].session.room(&room).ok()?;
                let roles = &state.roles.roles;
                let role = roles.get(role % roles.len().max(1))?.role_index;
                (Command::ChangeRole { room, user, role }, "change role")
            }
            Action::Leave { room } => {
                let room = self.room(device, *room)?;
                let user = self.devices[device].user.clone();
                self.ledger.wants_to_go(&room, &user);
                return Some((Command::LeaveRoom(room.clone()), Doing::Leave { room }));
            }
            Action::Join { room } => {
                let room = self.rooms.get(room % self.rooms.len().max(1))?.clone();
                (Command::JoinRoom(room), "join")
            }
            Action::CreateLink { room, uses } => {
                let room = self.room(device, *room)?;
                let uses = std::num::NonZeroU32::new(*uses);
                let wish = NewJoinLink { role: None, uses, lasts_ms: None };
                return Some((Command::CreateJoinLink { room, wish }, Doing::Link));
            }
            Action::RemoveLink { room, link } => {
                let room = self.room(device, *room)?;
                let links = self.devices[device].session.room(&room).ok()?.join_links;
                let link = links.get(link % links.len().max(1))?.link.clone();
                (Command::RemoveJoinLink { room, link }, "remove link")
            }
            Action::Rename { room } => {
                let room = self.room(device, *room)?;
                self.texts += 1;
                (Command::RenameRoom { room, name: format!("name {}", self.texts) }, "rename")
            }
            Action::CommitPending { room } => {
                (Command::CommitPending(self.room(device, *room)?), "commit pending")
            }
            _ => return None,
        };
        Some((command.0, Doing::Other(command.1)))
    }

    /// Something that must lead to nothing; what it leads to, the ledger sees.
    fn trick(&mut self, device: usize, room: usize, trick: Trick) -> Option<(Command, Doing)> {
        let other_room = self.rooms.get(room % self.rooms.len().max(1)).cloned();
        match trick {
            Trick::OutsiderReads => {
                return Some((Command::JoinRoom(other_room?), Doing::Other("come in uninvited")));
            }
            Trick::RemovesAdministrator | Trick::RaisesItself => {
                let room = self.room(device, room)?;
                let (token, body) = self.unchecked_commit(device, &room, trick)?;
                let op = Op::Client(Request::Update { room, body: body.into() });
                let by = By::Client(Some(token));
                let node = self.devices[device].node;
                let ask = Ask { by, op, back: Back::Trick(trick), tries: 0 };
                self.after(1, Event::Asked { node, ask });
                return None;
            }
            _ => {}
        }
        let crook = self.devices[device].node;
        let (node, op) = self.heard.choose(&mut self.rng)?.clone();
        let (node, op) = match trick {
            Trick::Replay => (node, op),
            Trick::Garbage => {
                let octets: Vec<u8> =
                    (0..self.rng.random_range(0..60)).map(|_| self.rng.random()).collect();
                (node, with_body(&op, octets.into())?)
            }
            Trick::Tampered => {
                let mut octets = body(&op)?.to_vec();
                let at = self.rng.random_range(0..octets.len().max(1));
                *octets.get_mut(at)? ^= 1 << self.rng.random_range(0..8);
                (node, with_body(&op, octets.into())?)
            }
            Trick::ForgedSender | Trick::OutsiderWrites => self.forged(crook, trick)?,
            _ => self.foreign_notify(crook)?,
        };
        let own = self.nodes[crook].domain().clone();
        // A hub that changes what it says of its own rooms is another matter: nobody can tell.
        let is_its_hub = matches!(&op, Op::Notify { room, .. } if room.domain() == own);
        if node == crook || is_its_hub && trick != Trick::Replay {
            return None;
        }
        let by = By::Peer(own);
        // What is an honest request somewhere may be one here.
        let back = match (trick, &op) {
            (Trick::Replay | Trick::Garbage | Trick::Tampered, _) => Back::Nobody,
            // Somebody may take it in before it arrives.
            (Trick::OutsiderWrites, Op::SubmitMessage { room, body }) => {
                let user = SubmitMessageRequest::decode(body).ok()?.sending_uri;
                Back::Outsider { room: room.clone(), user }
            }
            _ => Back::Trick(trick),
        };
        let ask = Ask { by, op, back, tries: 0 };
        self.after(20, Event::Asked { node, ask });
        None
    }

    /// A commit that the judge refuses, made by a device that asks no judge.
    fn unchecked_commit(
        &mut self,
        device: usize,
        room: &MimiUri,
        trick: Trick,
    ) -> Option<(String, Vec<u8>)> {
        self.makes_commits(device, room);
        let state = &self.devices[device];
        let own = Device::restore(state.saved.values.get("device")?.octets()).ok()?;
        let pieces = state.saved.rooms.get(room)?.group.iter();
        let pieces = pieces.map(|(key, value)| (key.clone(), value.octets().to_vec()));
        let mut group = MemberGroup::restore(pieces.collect()).ok()?;
        let view = group.view().clone();
        let roles = &view.roles.roles;
        let admin = roles.iter().max_by_key(|role| role.role_capabilities.len())?.role_index;
        let listed = || (0u32..).zip(&view.participants.participants);
        let mut plan = CommitPlan::default();
        let mut list = ParticipantListUpdate::default();
        match trick {
            Trick::RaisesItself => {
                let (user_index, _) = listed().find(|(_, pair)| pair.user == state.user)?;
                let raised = UserIndexRolePair { user_index, role_index: admin };
                list.changed_role_participants.push(raised);
            }
            _ => {
                let mut others = listed().filter(|(_, pair)| pair.user != state.user);
                let (index, pair) = others.find(|(_, pair)| pair.role_index == admin)?;
                list.removed_indices.push(index);
                plan.remove = view.clients_of(&pair.user).map(|client| client.leaf).collect();
            }
        }
        plan.participants = Some(list);
        let now_ms = self.now_ms;
        let (bundle, change) = group.commit(&own, &plan, &mut self.rng, now_ms).ok()?;
        if mimi_policy::check(&view, &change).is_ok() && forbidden(&view, &change).is_empty() {
            return None;
        }
        self.seen.one(format!("forbidden commit sent: {trick:?}"));
        let token = self.devices[device].session.token()?.reveal().to_owned();
        Some((token, UpdateRequest::Commit(bundle).encode()))
    }

    /// A message that was heard, in the name of somebody whom the sending provider does not speak for.
    fn forged(&mut self, crook: usize, trick: Trick) -> Option<(usize, Op)> {
        let submits: Vec<_> = self
            .heard
            .iter()
            .filter(|(_, op)| matches!(op, Op::SubmitMessage { .. }))
            .cloned()
            .collect();
        let (node, op) = submits.choose(&mut self.rng)?.clone();
        let Op::SubmitMessage { room, body } = op else { return None };
        let mut request = SubmitMessageRequest::decode(&body).ok()?;
        let own = self.nodes[crook].domain().clone();
        let users: Vec<_> = self
            .devices
            .iter()
            .map(|device| device.user.clone())
            .filter(|user| match trick {
                Trick::OutsiderWrites => {
                    user.domain() == own && !self.ledger.is_member(&room, user)
                }
                _ => user.domain() != own,
            })
            .collect();
        request.sending_uri = users.choose(&mut self.rng)?.clone();
        // Another message: the same one would be a repeat, and answered like the first time.
        let mut octets = request.app_message.octets().to_vec();
        *octets.last_mut()? ^= 1;
        request.app_message = MlsMessage::decode(&octets).ok()?;
        Some((node, Op::SubmitMessage { room, body: request.encode().into() }))
    }

    /// What a hub has sent, with another time, by somebody who is no hub.
    fn foreign_notify(&mut self, crook: usize) -> Option<(usize, Op)> {
        let own = self.nodes[crook].domain().clone();
        let foreign = |op: &Op| matches!(op, Op::Notify { room, .. } if room.domain() != own);
        let notifies: Vec<_> = self.heard.iter().filter(|(_, op)| foreign(op)).cloned().collect();
        let (node, op) = notifies.choose(&mut self.rng)?.clone();
        let Op::Notify { room, body } = op else { return None };
        let mut messages = FanoutMessage::decode_all(&body).ok()?;
        for message in &mut messages {
            message.timestamp += 1;
        }
        let body: Vec<u8> = messages.iter().flat_map(|message| message.encode()).collect();
        Some((node, Op::Notify { room, body: body.into() }))
    }
}

fn body(op: &Op) -> Option<&bytes::Bytes> {
    match op {
        Op::KeyMaterial(body)
        | Op::Update { body, .. }
        | Op::SubmitMessage { body, .. }
        | Op::GroupInfo { body, .. }
        | Op::Notify { body, .. }
        | Op::RequestConsent(body)
        | Op::UpdateConsent(body) => Some(body),
        _ => None,
    }
}

fn with_body(op: &Op, octets: bytes::Bytes) -> Option<Op> {
    let mut op = op.clone();
    match &mut op {
        Op::KeyMaterial(body)
        | Op::Update { body, .. }
        | Op::SubmitMessage { body, .. }
        | Op::GroupInfo { body, .. }
        | Op::Notify { body, .. }
        | Op::RequestConsent(body)
        | Op::UpdateConsent(body) => *body = octets,
        _ => return None,
    }
    Some(op)
}
