//! The conversation: what the person types becomes operations, what happens becomes lines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::roles::RoleData;
use tokio::sync::broadcast;
use tombolo_client::{
    Client, ClientError, ClientEvent, Participant, RoomState, RoomStatus, ShownMessage,
};

use crate::chat::files::{self, FileInput};
use crate::chat::input::{self, Input};
use crate::chat::invitation::{self, Way};
use crate::chat::operation::{Doing, Done, Operation, Progress};
use crate::chat::profile::Device;
use crate::chat::refused;
use crate::chat::room_input::{self, RoomInput};
use crate::chat::terminal::Terminal;
use crate::plain::{continued, one_line};

/// Messages shown when a room is opened.
const HISTORY_SHOWN: usize = 50;

/// Whether the chat goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    GoOn,
    Quit,
}

/// One person at one terminal.
pub(crate) struct Conversation {
    client: Arc<Client>,
    events: broadcast::Receiver<ClientEvent>,
    terminal: Terminal,
    room: Option<MimiUri>,
    /// What the person knows of the room.
    seen: Option<Seen>,
    /// Messages by the numbers shown in front of them, from 1.
    numbered: Vec<MessageId>,
    /// What was typed and is not yet begun.
    waiting: VecDeque<(String, Input)>,
    running: Option<Operation>,
    /// Out of reach of the provider.
    cut_off: bool,
}

/// What the person knows of the open room.
struct Seen {
    metadata: RoomMetadata,
    rules: RoleData,
    roles: BTreeMap<MimiUri, String>,
    /// Devices with their users.
    devices: BTreeSet<(MimiUri, MimiUri)>,
}

impl Seen {
    fn of(state: &RoomState) -> Self {
        let role = |one: &Participant| (one.user.clone(), one.role_name.clone());
        let roles = state.participants.iter().map(role).collect();
        let (metadata, rules) = (state.metadata.clone(), state.roles.clone());
        Self { metadata, rules, roles, devices: devices(state) }
    }
}

impl Conversation {
    /// Opens the chat on a device; a new device comes into the room first.
    pub(crate) async fn open(
        client: Client,
        new: Device,
        room: Option<MimiUri>,
    ) -> Result<Self, String> {
        let events = client.subscribe();
        let terminal = Terminal::open()?;
        let mut chat = Self {
            client: Arc::new(client),
            events,
            terminal,
            room: None,
            seen: None,
            numbered: Vec::new(),
            waiting: VecDeque::new(),
            running: None,
            cut_off: false,
        };
        let me = chat.client.identity().clone();
        chat.terminal.print(&format!(
            "You are {} (device {}). /help lists the commands.",
            short(&me.user),
            device(&me.client)
        ));
        if new == Device::New {
            chat.terminal
                .print("This device is new: it reads what is written from now on. Times are UTC.");
        }
        match room {
            Some(room) => {
                let way = Way::Room { room: room.clone(), role: None };
                chat.queue(format!("/join {room}"), Input::Join(way));
            }
            None => chat.first_room().await,
        }
        Ok(chat)
    }

    /// Runs until the person quits, then leaves everything in order for the next start.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        let mut ended = false;
        loop {
            self.begin();
            let next = tokio::select! {
                line = self.terminal.line(), if !ended => {
                    match line {
                        Some(line) => self.typed(&line),
                        None => {
                            ended = true;
                            self.queue("/quit".to_owned(), Input::Quit);
                        }
                    }
                    Next::GoOn
                }
                event = self.events.recv() => {
                    if let Ok(event) = event { self.happened(event).await }
                    Next::GoOn
                }
                progress = Operation::progress(&mut self.running) => {
                    self.progressed(progress).await;
                    Next::GoOn
                }
                _ = tokio::signal::ctrl_c() => Next::Quit,
            };
            let idle = self.running.is_none();
            let quits = idle && matches!(self.waiting.front(), Some((_, Input::Quit)));
            if next == Next::Quit || quits {
                self.terminal.print("Goodbye. Your history is kept; start again to read on.");
                drop(self.running.take());
                let Some(client) = Arc::into_inner(self.client) else { return Ok(()) };
                return client.close().await.map_err(|error| error.to_string());
            }
        }
    }

    fn queue(&mut self, line: String, input: Input) {
        self.waiting.push_back((line, input));
    }

    /// Begins what is next, if nothing is under way.
    fn begin(&mut self) {
        while self.running.is_none()
            && let Some((line, input)) = self.waiting.pop_front()
        {
            if input == Input::Quit {
                return self.waiting.push_front((line, input));
            }
            let shows = matches!(input, Input::Join(_) | Input::NewRoom(..));
            match self.operation(input) {
                Ok(doing) => self.running = Some(Operation::new(line, doing, shows)),
                Err(error) => self.sorry(&error),
            }
        }
    }

    async fn progressed(&mut self, progress: Progress) {
        match progress {
            Progress::Slow(line) => {
                self.terminal.print(&format!("… still working on {}", one_line(&line)));
            }
            Progress::Done(Ok(Done::Quietly)) => {}
            Progress::Done(Ok(Done::Say(text))) => self.terminal.print(&text),
            Progress::Done(Ok(Done::Show(room))) => self.show_room(room).await,
            Progress::Done(Ok(Done::Changed(room))) => {
                if Some(&room) == self.room.as_ref() {
                    self.room_changed(&room).await;
                }
            }
            Progress::Done(Err(error)) => self.sorry(&error),
        }
    }

    async fn first_room(&mut self) {
        match self.client.rooms().await {
            Ok(rooms) if rooms.is_empty() => {
                self.terminal.print("No rooms yet: /new NAME creates one, /join ROOM enters one.");
            }
            Ok(rooms) => self.show_room(rooms[0].clone()).await,
            Err(error) => self.sorry(&error),
        }
    }

    async fn show_room(&mut self, room: MimiUri) {
        match self.client.room(&room).await {
            Ok(state) => {
                self.room = Some(room);
                self.seen = Some(Seen::of(&state));
                self.numbered.clear();
                self.terminal.print(&format!("== {} ({})", one_line(&state.name), state.room));
                self.terminal.print(&standing(&state));
                if let Some((_, role)) = &state.offered_role {
                    let role = one_line(role);
                    let offer = format!("-- your certificate makes you {role} here: /claimrole");
                    self.terminal.print(&offer);
                }
                let skip = state.messages.len().saturating_sub(HISTORY_SHOWN);
                if skip > 0 {
                    self.terminal.print(&format!("-- the last {HISTORY_SHOWN} messages"));
                }
                for (at, message) in state.messages.iter().enumerate() {
                    let number = self.number_of(message.id);
                    if at >= skip {
                        let line = self.told(number, message);
                        self.terminal.print(&line);
                    }
                }
            }
            Err(error) => self.sorry(&error),
        }
    }

    fn number_of(&mut self, id: MessageId) -> usize {
        match self.numbered.iter().position(|known| *known == id) {
            Some(at) => at + 1,
            None => {
                self.numbered.push(id);
                self.numbered.len()
            }
        }
    }

    fn message(&self, number: usize) -> Result<MessageId, ClientError> {
        let at = number.checked_sub(1).and_then(|at| self.numbered.get(at));
        at.copied().ok_or_else(|| ClientError::Other(format!("there is no message [{number}]")))
    }

    /// One message as one line.
    fn told(&mut self, number: usize, message: &ShownMessage) -> String {
        let sender = short(&message.sender);
        if let Some(refused) = &message.refused {
            let time = clock(message.timestamp_ms);
            let told = refused::told(refused, |id| self.number_of(id));
            return format!("[{number}] {time} {sender} {told}");
        }
        let text = match (&message.text, message.deleted) {
            (_, true) => "(taken back)".to_owned(),
            (Some(text), false) => text.clone(),
            (None, false) => files::told(number, message)
                .unwrap_or_else(|| "(nothing this client can show)".to_owned()),
        };
        let answer = message.in_reply_to.map(|id| format!(" (to [{}])", self.number_of(id)));
        let edited = if message.edited && !message.deleted { " (edited)" } else { "" };
        let reactions: Vec<String> = message
            .reactions
            .iter()
            .map(|(who, reaction)| format!("{} {}", one_line(reaction), short(who)))
            .collect();
        let reactions = match reactions.as_slice() {
            [] => String::new(),
            some => format!("   {{{}}}", some.join(", ")),
        };
        let mut answer = answer.unwrap_or_default();
        if !message.topic.is_empty() {
            answer.push_str(&format!(" (in {})", refused::topic_name(&message.topic)));
        }
        let (time, text) = (clock(message.timestamp_ms), continued(&text));
        format!("[{number}] {time} {sender}{answer}: {text}{edited}{reactions}")
    }

    async fn happened(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Message { room, message } if Some(&room) == self.room.as_ref() => {
                let number = self.number_of(message.id);
                let line = self.told(number, &message);
                self.terminal.print(&line);
            }
            ClientEvent::Message { room, message } => {
                let line = format!("-- {} writes in {room}; /rooms", short(&message.sender));
                self.terminal.print(&line);
            }
            ClientEvent::RoomChanged(room) if Some(&room) == self.room.as_ref() => {
                self.room_changed(&room).await;
            }
            // What is under way shows it.
            ClientEvent::Joined(_) if self.running.as_ref().is_some_and(|one| one.shows) => {}
            ClientEvent::Joined(room) if self.room.is_none() => self.show_room(room).await,
            ClientEvent::Joined(room) if Some(&room) != self.room.as_ref() => {
                self.terminal.print(&format!("-- you are now in {room}; /rooms"));
            }
            ClientEvent::Left { room, status } => {
                self.terminal.print(&format!("-- {room}: {}", standing_of(&status)));
                if matches!(status, RoomStatus::Frozen { .. }) {
                    self.terminal.print("-- nothing is sent or shown there any more; /evidence");
                }
            }
            ClientEvent::Missed { room, came } => {
                let came: Vec<String> = came.iter().map(short).collect();
                let who = if came.is_empty() { "nobody".to_owned() } else { came.join(", ") };
                let line =
                    format!("-- {room}: this device missed changes; {who} came in meanwhile");
                self.terminal.print(&line);
            }
            ClientEvent::ConsentRequested { requester, .. } => {
                let line = format!("-- {requester} asks to contact you; /accept {requester}");
                self.terminal.print(&line);
            }
            ClientEvent::ConsentChanged { target, granted, .. } => {
                let answer = if granted { "agrees to be contacted" } else { "declines contact" };
                self.terminal.print(&format!("-- {target} {answer}"));
            }
            ClientEvent::Connected(false) => {
                self.cut_off = true;
                self.terminal.print("-- the provider is out of reach; trying again …");
            }
            ClientEvent::Connected(true) if self.cut_off => {
                self.cut_off = false;
                self.terminal.print("-- connected again");
            }
            _ => {}
        }
    }

    /// Says what is different: the name, who is in, who has which role, with which devices.
    async fn room_changed(&mut self, room: &MimiUri) {
        let Ok(state) = self.client.room(room).await else { return };
        let now = Seen::of(&state);
        let mut lines = Vec::new();
        if let Some(before) = &self.seen {
            lines.extend(said_otherwise(&before.metadata, &now.metadata));
            if before.rules != now.rules {
                lines.push("-- who may do what has changed; /policy shows it".to_owned());
            }
            for (user, role) in &now.roles {
                let role = one_line(role);
                match before.roles.get(user) {
                    None => lines.push(format!("-- {user} is in the room, as {role}")),
                    Some(old) if one_line(old) != role => {
                        lines.push(format!("-- {} is now {role}", short(user)));
                    }
                    Some(_) => {}
                }
            }
            for (user, client) in now.devices.difference(&before.devices) {
                lines.push(format!("-- {} comes in with {}", short(user), device(client)));
            }
            for (user, client) in before.devices.difference(&now.devices) {
                lines.push(format!("-- {} goes with {}", short(user), device(client)));
            }
            for user in before.roles.keys().filter(|user| !now.roles.contains_key(*user)) {
                lines.push(format!("-- {} is no longer in the room", short(user)));
            }
        }
        self.seen = Some(now);
        for line in lines {
            self.terminal.print(&line);
        }
    }

    fn typed(&mut self, line: &str) {
        match input::parse(line) {
            Ok(Input::Nothing) => {}
            Ok(Input::Help) => {
                self.terminal.print(&format!(
                    "{}\n{}\n{}",
                    input::HELP,
                    files::HELP,
                    room_input::HELP
                ));
            }
            Ok(input) => self.queue(line.trim().to_owned(), input),
            Err(hint) => self.terminal.print(&continued(&hint)),
        }
    }

    /// What a line asks for, ready to run.
    fn operation(&self, input: Input) -> Result<Doing, ClientError> {
        let client = self.client.clone();
        Ok(match input {
            Input::NewRoom(name, chosen) => {
                Box::pin(
                    async move { room_input::create(&client, &name, chosen).await.map(Done::Show) },
                )
            }
            Input::OpenRoom(number) => Box::pin(async move {
                let rooms = client.rooms().await?;
                let room = number.checked_sub(1).and_then(|at| rooms.get(at)).cloned();
                room.map(Done::Show).ok_or_else(|| {
                    ClientError::Other(format!("there is no room {number}; /rooms lists them"))
                })
            }),
            Input::Rooms => Box::pin(async move { rooms(&client).await }),
            Input::Ask(user) => Box::pin(async move {
                client.request_consent(&user).await?;
                Ok(Done::Say(format!("-- {} will be asked", short(&user))))
            }),
            Input::Accept(user) => Box::pin(async move {
                client.grant_consent(&user).await?;
                Ok(Done::Say(format!("-- {} may contact you now", short(&user))))
            }),
            Input::Join(way) => Box::pin(async move { join(&client, way).await }),
            Input::Help | Input::Nothing | Input::Quit => Box::pin(async { Ok(Done::Quietly) }),
            in_room => self.operation_in_room(in_room)?,
        })
    }

    fn operation_in_room(&self, input: Input) -> Result<Doing, ClientError> {
        let Some(room) = self.room.clone() else {
            let hint = "open a room first: /new NAME, /join ROOM or /rooms";
            return Err(ClientError::Other(hint.to_owned()));
        };
        let client = self.client.clone();
        let message = match &input {
            Input::Reply(number, _)
            | Input::React(number, _)
            | Input::Edit(number, _)
            | Input::Room(RoomInput::SetTopic(number, _))
            | Input::File(FileInput::Save(number, _))
            | Input::Delete(number) => Some(self.message(*number)?),
            _ => None,
        };
        Ok(Box::pin(async move { in_room(&client, room, input, message).await }))
    }

    fn sorry(&mut self, error: &ClientError) {
        let text = match error {
            ClientError::NoConsent(user) => {
                format!("{0} has not agreed to be contacted: /ask {0}", short(user))
            }
            error => error.to_string(),
        };
        self.terminal.print(&format!("!! {}", continued(&text)));
    }
}

/// Does what concerns the open room; `message` is the one that the line names.
async fn in_room(
    client: &Client,
    room: MimiUri,
    input: Input,
    message: Option<MessageId>,
) -> Result<Done, ClientError> {
    match (input, message) {
        (Input::Write(text), _) => client.send_text(&room, &text).await.map(|_| Done::Quietly),
        (Input::Reply(_, text), Some(to)) => {
            client.reply(&room, to, &text).await.map(|_| Done::Quietly)
        }
        (Input::React(_, reaction), Some(to)) => {
            client.react(&room, to, &reaction).await.map(|_| Done::Quietly)
        }
        (Input::Edit(_, text), Some(of)) => {
            client.edit(&room, of, &text).await.map(|_| Done::Quietly)
        }
        (Input::Delete(_), Some(of)) => client.delete(&room, of).await.map(|()| Done::Quietly),
        (Input::Add(user), _) => {
            if is_in(client, &room, &user).await? {
                return Ok(Done::Say(format!("-- {} is in the room already", short(&user))));
            }
            client.add_user(&room, &user).await.map(|()| Done::Changed(room))
        }
        (Input::Remove(user), _) => {
            if !is_in(client, &room, &user).await? {
                return Ok(Done::Say(format!("-- {} is not in the room", short(&user))));
            }
            client.remove_user(&room, &user).await.map(|()| Done::Changed(room))
        }
        (Input::Ban(user), _) => client.ban_user(&room, &user).await.map(|()| Done::Changed(room)),
        (Input::Rename(name), _) => {
            client.rename_room(&room, &name).await.map(|()| Done::Changed(room))
        }
        (Input::Link(wish), _) => invitation::make(client, &room, wish).await,
        (Input::Links, _) => invitation::list(client, &room).await,
        (Input::Unlink(number), _) => invitation::take_back(client, &room, number).await,
        (Input::ClaimRole, _) => client.take_own_role(&room).await.map(|()| Done::Changed(room)),
        (Input::Leave, _) => client.leave_room(&room).await.map(|()| Done::Quietly),
        (Input::Who, _) => who(client, &room).await,
        (Input::File(command), message) => files::run(client, &room, command, message).await,
        (Input::Room(command), message) => room_input::run(client, room, command, message).await,
        _ => Ok(Done::Show(room)),
    }
}

async fn is_in(client: &Client, room: &MimiUri, user: &MimiUri) -> Result<bool, ClientError> {
    Ok(client.room(room).await?.participants.iter().any(|one| one.user == *user))
}

/// Comes into a room if this device is not there yet.
async fn join(client: &Client, way: Way) -> Result<Done, ClientError> {
    let room = match &way {
        Way::Room { room, .. } => room.clone(),
        Way::Link(link) => link.room.clone(),
    };
    let here = client.room(&room).await;
    if here.is_ok_and(|state| state.status == RoomStatus::Joined) {
        return Ok(Done::Show(room));
    }
    let joined = match &way {
        Way::Room { room, role: None } => client.join_room(room).await,
        Way::Room { room, role: Some(role) } => {
            client.join_room_as(room, invitation::role_number(role)?).await
        }
        Way::Link(link) => client.join_by_link(link).await,
    };
    match joined {
        // A room this device was in before is shown as it is, unless somebody wanted a way in.
        Err(error) if matches!(way, Way::Link(_)) || client.room(&room).await.is_err() => {
            Err(error)
        }
        _ => Ok(Done::Show(room)),
    }
}

async fn rooms(client: &Client) -> Result<Done, ClientError> {
    let mut lines = Vec::new();
    for (at, room) in client.rooms().await?.iter().enumerate() {
        let state = client.room(room).await?;
        let name = one_line(&state.name);
        lines.push(format!("  {}. {name} ({room}), {}", at + 1, standing(&state)));
    }
    if lines.is_empty() {
        lines.push("No rooms yet: /new NAME creates one, /join ROOM enters one.".to_owned());
    }
    Ok(Done::Say(lines.join("\n")))
}

async fn who(client: &Client, room: &MimiUri) -> Result<Done, ClientError> {
    let line = |one: Participant| {
        let devices = match one.clients.len() {
            0 if one.is_banned => "banned".to_owned(),
            0 => "inactive: no device in the room".to_owned(),
            devices => counted(devices, "device"),
        };
        format!("  {}, {}, {devices}", short(&one.user), one_line(&one.role_name))
    };
    let participants = client.room(room).await?.participants;
    Ok(Done::Say(participants.into_iter().map(line).collect::<Vec<_>>().join("\n")))
}

/// `1 device`, `2 devices`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn standing(state: &RoomState) -> String {
    match &state.status {
        RoomStatus::Joined => counted(state.participants.len(), "participant"),
        other => standing_of(other),
    }
}

fn standing_of(status: &RoomStatus) -> String {
    match status {
        RoomStatus::Joined => "you are in".to_owned(),
        RoomStatus::Left => "you have left".to_owned(),
        RoomStatus::Removed => "this device was removed".to_owned(),
        RoomStatus::Banned => "you are banned".to_owned(),
        RoomStatus::Frozen { reason } => format!("frozen, because its rules were broken: {reason}"),
        _ => "this client does not know this state".to_owned(),
    }
}

/// What a room says of itself that it did not say before.
fn said_otherwise(before: &RoomMetadata, now: &RoomMetadata) -> Vec<String> {
    let description = |metadata: &RoomMetadata| {
        let first = metadata.room_descriptions.first();
        first.map_or_else(String::new, |it| {
            String::from_utf8_lossy(&it.description_content).into_owned()
        })
    };
    let fields = [
        ("is now called", before.room_name.clone(), now.room_name.clone()),
        ("is now about", before.room_subject.clone(), now.room_subject.clone()),
        ("is now in the mood", before.room_mood.clone(), now.room_mood.clone()),
        ("is now described as", description(before), description(now)),
        ("now has the avatar", before.room_avatar.clone(), now.room_avatar.clone()),
    ];
    let changed = fields.into_iter().filter(|(_, before, now)| before != now);
    changed
        .map(|(what, _, now)| {
            let now = if now.is_empty() { "(nothing)".to_owned() } else { one_line(&now) };
            format!("-- the room {what} {now}")
        })
        .collect()
}

/// Users and devices in a room.
fn devices(state: &RoomState) -> BTreeSet<(MimiUri, MimiUri)> {
    let of = |participant: &Participant| {
        let user = participant.user.clone();
        participant.clients.clone().into_iter().map(move |client| (user.clone(), client))
    };
    state.participants.iter().flat_map(of).collect()
}

/// `phone` for `mimi://b.example/d/bob/phone`.
fn device(client: &MimiUri) -> String {
    client.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

/// `bob@b.example` for `mimi://b.example/u/bob`.
fn short(user: &MimiUri) -> String {
    // Not decoded: a name may hold anything, escaped.
    let name = user.as_str().rsplit('/').next().unwrap_or_default();
    format!("{name}@{}", user.domain())
}

/// `14:05`, in UTC.
fn clock(timestamp_ms: u64) -> String {
    let minutes = timestamp_ms / 60_000 % (24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
