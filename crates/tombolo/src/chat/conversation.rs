//! The conversation: what the person types becomes operations, what happens becomes lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::status::MessageStatus;
use tokio::sync::broadcast;
use tombolo_client::{Client, ClientError, ClientEvent, ReceiptSetting, RoomStatus, ShownMessage};

use crate::chat::account;
use crate::chat::contacts;
use crate::chat::devices;
use crate::chat::display::{self, Reader, with_mentions};
use crate::chat::files::{self, FileInput};
use crate::chat::find;
use crate::chat::help::HELP;
use crate::chat::input::{self, Input};
use crate::chat::invitation;
use crate::chat::messages;
use crate::chat::operation::{Doing, Done, Operation, Progress};
use crate::chat::people;
use crate::chat::profile::Device;
use crate::chat::room_input::{self, RoomInput};
use crate::chat::seen::Seen;
use crate::chat::terminal::Terminal;
use crate::chat::words::{self, device, short, standing, standing_of, title};
use crate::plain::{continued, one_line};

/// Messages shown when a room is opened.
const HISTORY_SHOWN: usize = 50;

/// People in a room up to whom it is told at once that somebody has read something.
const STATUS_TOLD_PARTICIPANTS_MAX: usize = 3;

/// Whether the chat goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    GoOn,
    Quit,
    /// There is nothing to go on with.
    Ended,
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
    /// For whom messages are shown, and where.
    reader: Reader,
    /// What was typed and is not yet begun.
    waiting: VecDeque<(String, Input)>,
    running: Option<Operation>,
    /// Out of reach of the provider.
    cut_off: bool,
    /// The next line is the password with which the account is deleted.
    asks_password: bool,
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
            reader: Reader::default(),
            waiting: VecDeque::new(),
            running: None,
            cut_off: false,
            asks_password: false,
        };
        chat.reader.styled = chat.terminal.is_styled();
        let variables = ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"];
        chat.reader.languages = display::languages(variables.map(|name| std::env::var(name).ok()));
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
        chat.settle_receipts().await;
        match room {
            Some(room) => {
                chat.queue(format!("/join {room}"), Input::Enter(room));
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
                    self.progressed(progress).await
                }
                _ = tokio::signal::ctrl_c() => Next::Quit,
            };
            if next == Next::Ended {
                return Ok(());
            }
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

    /// Until a person says otherwise others hear what has arrived and was read, and the person knows.
    async fn settle_receipts(&mut self) {
        if matches!(self.client.receipts().await, Ok(None)) {
            let setting = ReceiptSetting { delivered: true, read: true };
            match self.client.set_receipts(setting).await {
                Ok(()) => self.terminal.print(&messages::receipts_told(setting)),
                Err(error) => self.sorry(&error),
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
            let shows = matches!(
                input,
                Input::Join(_)
                    | Input::Enter(_)
                    | Input::NewRoom(..)
                    | Input::Direct(_)
                    | Input::Subroom(..)
            );
            match self.operation(input) {
                Ok(doing) => self.running = Some(Operation::new(line, doing, shows)),
                Err(error) => self.sorry(&error),
            }
        }
    }

    async fn progressed(&mut self, progress: Progress) -> Next {
        match progress {
            Progress::Slow(line) => {
                self.terminal.print(&format!("… still working on {}", one_line(&line)));
            }
            Progress::Done(Ok(Done::Quietly)) => {}
            Progress::Done(Ok(Done::Say(text))) => self.terminal.print(&text),
            Progress::Done(Ok(Done::End(text))) => {
                self.terminal.print(&text);
                return Next::Ended;
            }
            Progress::Done(Ok(Done::Show(room))) => self.show_room(room).await,
            Progress::Done(Ok(Done::Direct(room))) => self.show_direct(room).await,
            Progress::Done(Ok(Done::Changed(room))) => {
                if Some(&room) == self.room.as_ref() {
                    self.room_changed(&room, None).await;
                }
            }
            Progress::Done(Err(error)) => self.sorry(&error),
        }
        Next::GoOn
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

    /// The other person may have opened one too, which has taken this one's place before it is shown.
    async fn show_direct(&mut self, room: MimiUri) {
        match self.client.room(&room).await.map(|state| state.status) {
            Ok(RoomStatus::Superseded { by }) => self.show_one_that_stays(by).await,
            _ => self.show_room(room).await,
        }
    }

    async fn show_one_that_stays(&mut self, room: MimiUri) {
        let line = "-- there are several rooms for the two of you; this is the one that stays";
        self.terminal.print(line);
        self.show_room(room).await;
    }

    async fn show_room(&mut self, room: MimiUri) {
        match self.client.room(&room).await {
            Ok(state) => {
                self.room = Some(room.clone());
                self.reader = self.reader.in_room(&state);
                self.seen = Some(Seen::of(&state));
                self.numbered.clear();
                let me = &self.client.identity().user;
                let (title, standing) = (title(&state, me), standing(&state, me));
                self.terminal.print(&format!("== {title} ({})", state.room));
                self.terminal.print(&standing);
                if let Some((_, role)) = &state.offered_role {
                    let role = one_line(role);
                    let offer =
                        format!("-- your certificate lets you be {role} here: /role takes it");
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
                let shown = state.messages.iter().skip(skip).map(|message| message.id);
                self.has_read(&room, shown.collect()).await;
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
        let reader = self.reader.clone();
        display::told(&reader, number, message, now_ms(), |id| self.number_of(id))
    }

    /// What is on the screen counts as read.
    async fn has_read(&mut self, room: &MimiUri, shown: Vec<MessageId>) {
        if let Err(error) = self.client.mark_read(room, &shown).await {
            tracing::debug!(%error, "not marked as read");
        }
    }

    /// Somebody has read what we wrote: told where few are, of the newest.
    async fn status_told(&mut self, room: &MimiUri, by: &MimiUri, messages: &[MessageId]) {
        let Ok(state) = self.client.room(room).await else { return };
        let read = (by.clone(), MessageStatus::READ);
        let mut newest = state.messages.iter().rev();
        let newest = newest.find(|it| messages.contains(&it.id) && it.statuses.contains(&read));
        if let Some(message) = newest
            && state.participants.len() <= STATUS_TOLD_PARTICIPANTS_MAX
        {
            let number = self.number_of(message.id);
            self.terminal.print(&format!("-- {} has read [{number}]", short(by)));
        }
    }

    async fn happened(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Message { room, message } if Some(&room) == self.room.as_ref() => {
                let number = self.number_of(message.id);
                let line = self.told(number, &message);
                self.terminal.print(&line);
                self.has_read(&room, vec![message.id]).await;
            }
            ClientEvent::Status { room, by, messages } if Some(&room) == self.room.as_ref() => {
                self.status_told(&room, &by, &messages).await;
            }
            ClientEvent::Expired { room, message } if Some(&room) == self.room.as_ref() => {
                if let Some(at) = self.numbered.iter().position(|known| *known == message) {
                    self.terminal.print(&format!("-- [{}] is gone: its time is over", at + 1));
                }
            }
            ClientEvent::Message { room, message } => {
                let name = self.named(&room).await;
                let line = format!("-- {} writes in {name}; /rooms", short(&message.sender));
                self.terminal.print(&line);
            }
            ClientEvent::RoomChanged { room, epoch, by } if Some(&room) == self.room.as_ref() => {
                self.room_changed(&room, by.map(|by| (epoch, by))).await;
            }
            // What is under way shows it.
            ClientEvent::Joined(_) if self.running.as_ref().is_some_and(|one| one.shows) => {}
            ClientEvent::Joined(room) if self.room.is_none() => self.show_room(room).await,
            ClientEvent::Joined(room) if Some(&room) != self.room.as_ref() => {
                let name = self.named(&room).await;
                self.terminal.print(&format!("-- you are now in {name}; /rooms"));
            }
            ClientEvent::Superseded { room, by } if Some(&room) == self.room.as_ref() => {
                self.show_one_that_stays(by).await;
            }
            ClientEvent::Left { room, status } => {
                let name = self.named(&room).await;
                self.terminal.print(&format!("-- {name}: {}", standing_of(&status)));
                if matches!(status, RoomStatus::Frozen { .. }) {
                    self.terminal.print("-- nothing is sent or shown there any more; /evidence");
                }
            }
            ClientEvent::Missed { room, came } => {
                let came: Vec<String> = came.iter().map(short).collect();
                let who = if came.is_empty() { "nobody".to_owned() } else { came.join(", ") };
                let name = self.named(&room).await;
                let line =
                    format!("-- {name}: this device missed changes; {who} came in meanwhile");
                self.terminal.print(&line);
            }
            ClientEvent::ConsentRequested { requester, room } => {
                self.terminal.print(&contacts::requested(&requester, room.as_ref()));
            }
            ClientEvent::ConsentWithdrawn { requester, .. } => {
                let line = format!("-- {} no longer asks to contact you", short(&requester));
                self.terminal.print(&line);
            }
            ClientEvent::ConsentChanged { target, granted, .. } => {
                let answer = if granted { "agrees to be contacted" } else { "declines contact" };
                self.terminal.print(&format!("-- {} {answer}", short(&target)));
            }
            ClientEvent::Connected(false) => {
                self.cut_off = true;
                self.terminal.print("-- the provider is out of reach; trying again …");
            }
            ClientEvent::DevicesLost(devices) => {
                self.terminal.print(&words::devices_lost(&devices));
            }
            ClientEvent::SignedOut => self.terminal.print(
                "-- this device is signed out: its provider does not know it any more; what it \
                 has read stays here",
            ),
            ClientEvent::Connected(true) if self.cut_off => {
                self.cut_off = false;
                self.terminal.print("-- connected again");
            }
            _ => {}
        }
    }

    /// A room by the name it shows, or by its URI.
    async fn named(&self, room: &MimiUri) -> String {
        let me = &self.client.identity().user;
        let title = self.client.room(room).await.map(|state| title(&state, me));
        title.ok().filter(|title| !title.is_empty()).unwrap_or_else(|| room.to_string())
    }

    /// Says what is different: the name, who is in, who has which role, with which devices.
    async fn room_changed(&mut self, room: &MimiUri, by: Option<(u64, MimiUri)>) {
        let Ok(state) = self.client.room(room).await else { return };
        self.reader = self.reader.in_room(&state);
        let now = Seen::of(&state);
        let me = &self.client.identity().user;
        let since = |before: &Seen| now.since(before, me, by.as_ref());
        let mut lines = self.seen.as_ref().map_or_else(Vec::new, since);
        // Who is out has been told so, and with which device does not matter.
        lines.retain(|line| state.status == RoomStatus::Joined || !line.starts_with("-- you "));
        self.seen = Some(now);
        for line in lines {
            self.terminal.print(&line);
        }
    }

    fn typed(&mut self, line: &str) {
        if std::mem::take(&mut self.asks_password) {
            match account::confirmed(line) {
                Some(input) => self.queue("/delete-account".to_owned(), input),
                None => self.terminal.print(account::KEPT),
            }
            return;
        }
        match input::parse(line) {
            Ok(Input::Nothing) => {}
            Ok(Input::Help) => self.terminal.print(HELP),
            Ok(Input::DeleteAccount(None)) => {
                self.asks_password = true;
                self.terminal.hide_next_line();
                self.terminal.print(&account::warning(&self.client.identity().user));
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
            Input::Direct(user) => {
                Box::pin(async move { client.open_direct(&user).await.map(Done::Direct) })
            }
            Input::OpenRoom(number) => Box::pin(async move {
                let rooms = client.rooms().await?;
                let room = number.checked_sub(1).and_then(|at| rooms.get(at)).cloned();
                room.map(Done::Show).ok_or_else(|| {
                    ClientError::Other(format!("there is no room {number}; /rooms lists them"))
                })
            }),
            Input::Rooms => Box::pin(async move { room_input::list(&client).await }),
            Input::Devices(input) => {
                Box::pin(async move { devices::run(&client, input).await.map(Done::Say) })
            }
            Input::DeleteAccount(Some(password)) => {
                Box::pin(async move { account::delete(&client, &password).await })
            }
            Input::Contact(input) => {
                let room = self.room.clone();
                Box::pin(async move { contacts::run(&client, room, input).await })
            }
            Input::Find(wanted) => {
                Box::pin(async move { find::find(&client, wanted).await.map(Done::Say) })
            }
            Input::Profile(input) => {
                Box::pin(async move { find::profile(&client, input).await.map(Done::Say) })
            }
            Input::File(FileInput::Downloads(ways)) => {
                Box::pin(async move { files::downloads(&client, ways).await })
            }
            Input::Join(way) => Box::pin(async move { invitation::join(&client, way).await }),
            Input::Enter(room) => Box::pin(async move { invitation::enter(&client, room).await }),
            Input::Help | Input::Nothing | Input::Quit | Input::DeleteAccount(None) => {
                Box::pin(async { Ok(Done::Quietly) })
            }
            in_room => self.operation_in_room(in_room)?,
        })
    }

    fn operation_in_room(&self, input: Input) -> Result<Doing, ClientError> {
        let Some(room) = self.room.clone() else {
            let hint = "open a room first: /new NAME, /join ROOM or /rooms";
            return Err(ClientError::Other(hint.to_owned()));
        };
        let client = self.client.clone();
        if let Input::Subroom(name, users) = input {
            return Ok(Box::pin(async move {
                let subroom = client.create_subroom(&room, &name).await?;
                for user in &users {
                    client.add_user(&subroom, user).await?;
                }
                Ok(Done::Show(subroom))
            }));
        }
        let message = match &input {
            Input::Message(input) => input.number().map(|it| self.message(it)).transpose()?,
            Input::Reply(number, _)
            | Input::React(number, _)
            | Input::Edit(number, _)
            | Input::Room(RoomInput::SetTopic(number, _) | RoomInput::Report(number, _))
            | Input::File(FileInput::Save(number, _))
            | Input::Delete(number) => Some(self.message(*number)?),
            _ => None,
        };
        let reader = self.reader.clone();
        Ok(Box::pin(async move { in_room(&client, room, input, message, &reader).await }))
    }

    fn sorry(&mut self, error: &ClientError) {
        let here = |room: &MimiUri| match self.room.as_ref() == Some(room) {
            true => "this room".to_owned(),
            false => room.to_string(),
        };
        let text = match error {
            ClientError::NoConsent(user) => {
                format!("{0} has not agreed to be contacted: /ask {0}", short(user))
            }
            ClientError::Denied(denied) => denied.told_to(&self.client.identity().user).to_string(),
            ClientError::Banned(room) => format!(
                "you are banned from {}; once the ban is lifted, /join {room} brings you back, or \
                 somebody there does",
                here(room)
            ),
            ClientError::Removed(room) => format!(
                "you were removed from {}; /join {room} brings you back, if its rules let it",
                here(room)
            ),
            ClientError::NotInRoom(room) => format!(
                "you are not in {}; /join {room} brings you in, if its rules let it",
                here(room)
            ),
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
    reader: &Reader,
) -> Result<Done, ClientError> {
    let marked = |text: String| with_mentions(&text, &reader.members);
    match (input, message) {
        (Input::Write(text), _) => {
            client.send_text(&room, &marked(text)).await?;
            people::heard(client, &room).await
        }
        (Input::Reply(_, text), Some(to)) => {
            client.reply(&room, to, &marked(text)).await.map(|_| Done::Quietly)
        }
        (Input::React(_, reaction), Some(to)) => {
            client.react(&room, to, &reaction).await.map(|_| Done::Quietly)
        }
        (Input::Edit(_, text), Some(of)) => {
            client.edit(&room, of, &marked(text)).await.map(|_| Done::Quietly)
        }
        (Input::Delete(_), Some(of)) => client.delete(&room, of).await.map(|()| Done::Quietly),
        (Input::Add(user), _) => people::add(client, room, &user).await,
        (Input::Remove(user), _) => people::remove(client, room, &user).await,
        (Input::Ban(user), _) => client.ban_user(&room, &user).await.map(|()| Done::Changed(room)),
        (Input::Rename(name), _) => {
            client.rename_room(&room, &name).await.map(|()| Done::Changed(room))
        }
        (Input::Link(wish), _) => invitation::make(client, &room, wish).await,
        (Input::Links, _) => invitation::list(client, &room).await,
        (Input::Unlink(number), _) => invitation::take_back(client, &room, number).await,
        (Input::OwnRole, _) => people::own_role(client, room).await,
        (Input::Leave, _) => client.leave_room(&room).await.map(|()| Done::Quietly),
        (Input::Who, _) => people::who(client, &room).await,
        (Input::Message(command), message) => {
            messages::run(client, &room, command, message, reader).await
        }
        (Input::File(command), message) => files::run(client, &room, command, message).await,
        (Input::Room(command), message) => room_input::run(client, room, command, message).await,
        _ => Ok(Done::Show(room)),
    }
}

/// Milliseconds since the UNIX epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
