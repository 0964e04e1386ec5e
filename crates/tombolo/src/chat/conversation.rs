//! The conversation: what the person types becomes operations, what happens becomes lines.

use std::collections::BTreeSet;

use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use tokio::sync::broadcast;
use tombolo_client::{
    Client, ClientError, ClientEvent, Participant, RoomState, RoomStatus, ShownMessage,
};

use crate::chat::input::{self, Input};
use crate::chat::profile::Device;
use crate::chat::terminal::Terminal;
use crate::plain::{continued, plain};

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
    client: Client,
    events: broadcast::Receiver<ClientEvent>,
    terminal: Terminal,
    room: Option<MimiUri>,
    /// Devices in the room, with their users.
    present: BTreeSet<(MimiUri, MimiUri)>,
    /// Messages by the numbers shown in front of them, from 1.
    numbered: Vec<MessageId>,
}

impl Conversation {
    /// Opens the chat on a device; a new device comes into the room first.
    pub(crate) async fn open(
        client: Client,
        device: Device,
        room: Option<MimiUri>,
    ) -> Result<Self, String> {
        let events = client.subscribe();
        let terminal = Terminal::open()?;
        let (present, numbered) = (BTreeSet::new(), Vec::new());
        let mut chat = Self { client, events, terminal, room: None, present, numbered };
        let me = chat.client.identity().clone();
        chat.terminal
            .print(&format!("You are {} on {}. /help lists the commands.", me.user, me.client));
        if device == Device::New {
            chat.terminal.print("This device is new: it reads what is written from now on.");
        }
        match room {
            Some(room) => chat.enter(room).await,
            None => chat.first_room().await,
        }
        Ok(chat)
    }

    /// Runs until the person quits, then leaves everything in order for the next start.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        loop {
            let next = tokio::select! {
                line = self.terminal.line() => match line {
                    Some(line) => self.typed(&line).await,
                    None => Next::Quit,
                },
                event = self.events.recv() => {
                    if let Ok(event) = event { self.happened(event).await }
                    Next::GoOn
                }
                _ = tokio::signal::ctrl_c() => Next::Quit,
            };
            if next == Next::Quit {
                self.terminal.print("Goodbye. Your history is kept; start again to read on.");
                return self.client.close().await.map_err(|error| error.to_string());
            }
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

    /// Opens a room, coming into it if this device is not there yet.
    async fn enter(&mut self, room: MimiUri) {
        let here = self.client.room(&room).await;
        if !here.is_ok_and(|state| state.status == RoomStatus::Joined) {
            self.terminal.print(&format!("Coming into {room} …"));
            if let Err(error) = self.client.join_room(&room).await
                && self.client.room(&room).await.is_err()
            {
                return self.sorry(&error);
            }
        }
        self.show_room(room).await;
    }

    async fn show_room(&mut self, room: MimiUri) {
        match self.client.room(&room).await {
            Ok(state) => {
                self.room = Some(room);
                self.present = devices(&state);
                self.numbered.clear();
                self.terminal.print(&format!("== {} ({})", one_line(&state.name), state.room));
                self.terminal.print(&standing(&state));
                let skip = state.messages.len().saturating_sub(HISTORY_SHOWN);
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
        let text = match (&message.text, message.deleted) {
            (_, true) => "(taken back)".to_owned(),
            (Some(text), false) => text.clone(),
            (None, false) => "(nothing this client can show)".to_owned(),
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
        let answer = answer.unwrap_or_default();
        format!("[{number}] {sender}{answer}: {}{edited}{reactions}", continued(&text))
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
            ClientEvent::Joined(room) if self.room.is_none() => self.show_room(room).await,
            ClientEvent::Joined(room) if Some(&room) != self.room.as_ref() => {
                self.terminal.print(&format!("-- you are now in {room}; /rooms"));
            }
            ClientEvent::Left { room, status } => {
                self.terminal.print(&format!("-- {room}: {}", standing_of(&status)));
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
                self.terminal.print("-- the provider is out of reach; trying again …");
            }
            _ => {}
        }
    }

    /// Says who came and who went.
    async fn room_changed(&mut self, room: &MimiUri) {
        let Ok(state) = self.client.room(room).await else { return };
        let now = devices(&state);
        let before = std::mem::replace(&mut self.present, now.clone());
        for (user, client) in now.difference(&before) {
            self.terminal.print(&format!("-- {} comes in with {}", short(user), device(client)));
        }
        for (user, client) in before.difference(&now) {
            self.terminal.print(&format!("-- {} goes with {}", short(user), device(client)));
        }
    }

    async fn typed(&mut self, line: &str) -> Next {
        let input = match input::parse(line) {
            Ok(input) => input,
            Err(hint) => {
                self.terminal.print(&hint);
                return Next::GoOn;
            }
        };
        if input == Input::Quit {
            return Next::Quit;
        }
        if let Err(error) = self.obey(input).await {
            self.sorry(&error);
        }
        Next::GoOn
    }

    async fn obey(&mut self, input: Input) -> Result<(), ClientError> {
        match input {
            Input::NewRoom(name) => {
                let room = self.client.create_room(&name, Preset::Cooperative).await?;
                self.show_room(room).await;
            }
            Input::OpenRoom(number) => self.open_numbered(number).await?,
            Input::Rooms => self.rooms().await?,
            Input::Ask(user) => {
                self.client.request_consent(&user).await?;
                self.terminal.print(&format!("-- {user} will be asked"));
            }
            Input::Accept(user) => {
                self.client.grant_consent(&user).await?;
                self.terminal.print(&format!("-- {user} may contact you now"));
            }
            Input::Join(room) => self.enter(room).await,
            Input::Help => self.terminal.print(input::HELP),
            Input::Nothing | Input::Quit => {}
            in_room => self.obey_in_room(in_room).await?,
        }
        Ok(())
    }

    async fn obey_in_room(&mut self, input: Input) -> Result<(), ClientError> {
        let Some(room) = self.room.clone() else {
            let hint = "open a room first: /new NAME, /join ROOM or /rooms";
            return Err(ClientError::Other(hint.to_owned()));
        };
        match input {
            Input::Write(text) => {
                self.client.send_text(&room, &text).await?;
            }
            Input::Reply(number, text) => {
                self.client.reply(&room, self.message(number)?, &text).await?;
            }
            Input::React(number, reaction) => {
                self.client.react(&room, self.message(number)?, &reaction).await?;
            }
            Input::Edit(number, text) => {
                self.client.edit(&room, self.message(number)?, &text).await?;
            }
            Input::Delete(number) => self.client.delete(&room, self.message(number)?).await?,
            Input::Add(user) => {
                self.client.add_user(&room, &user).await?;
                self.terminal.print(&format!("-- {user} is in the room"));
            }
            Input::Remove(user) => self.client.remove_user(&room, &user).await?,
            Input::Ban(user) => self.client.ban_user(&room, &user).await?,
            Input::Rename(name) => self.client.rename_room(&room, &name).await?,
            Input::Leave => self.client.leave_room(&room).await?,
            Input::Who => self.who(&room).await?,
            _ => self.show_room(room).await,
        }
        Ok(())
    }

    async fn rooms(&mut self) -> Result<(), ClientError> {
        for (at, room) in self.client.rooms().await?.iter().enumerate() {
            let state = self.client.room(room).await?;
            let line = format!("  {}. {} ({room}), {}", at + 1, one_line(&state.name), standing(&state));
            self.terminal.print(&line);
        }
        Ok(())
    }

    async fn open_numbered(&mut self, number: usize) -> Result<(), ClientError> {
        let rooms = self.client.rooms().await?;
        let room = number.checked_sub(1).and_then(|at| rooms.get(at)).cloned();
        let none = || ClientError::Other(format!("there is no room {number}; /rooms lists them"));
        self.show_room(room.ok_or_else(none)?).await;
        Ok(())
    }

    async fn who(&mut self, room: &MimiUri) -> Result<(), ClientError> {
        for participant in self.client.room(room).await?.participants {
            let devices = participant.clients.len();
            let (user, role) = (participant.user, participant.role_name);
            self.terminal.print(&format!("  {user}, {role}, {devices} devices"));
        }
        Ok(())
    }

    fn sorry(&mut self, error: &ClientError) {
        self.terminal.print(&format!("!! {error}"));
    }
}

fn standing(state: &RoomState) -> String {
    match &state.status {
        RoomStatus::Joined => format!("{} participants", state.participants.len()),
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

/// Text that stays on its line.
fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}
