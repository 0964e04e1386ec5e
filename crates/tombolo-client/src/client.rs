//! The native client: a task that owns the session, its store and its connections, and a handle.

pub mod downloads;
mod driver;
pub mod files;
mod people;
mod stream;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_policy::{ClientIdentity, RoomView};
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::room::join_code::RoomLink;
use mimi_wire::room::participant_list::RoleIndex;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::client::downloads::{DownloadSettings, Downloads};
use crate::client::driver::{Driver, Input};
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::secret::SecretText;
use crate::session::Session;
use crate::session::command::{
    Command, Draft, Lifetime, MetadataChange, NewJoinLink, Outcome, ReceiptSetting,
};
use crate::shown::{Evidence, RoomState};
use crate::store::{ClientStore, Saved, SqliteStore, StoreChange, StoreFailure};
use crate::surroundings::Surroundings;
use crate::transport::{HttpsTransport, Transport};

/// How long an operation may take before its caller is told that it did not come through.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// How often, at most, the provider is told how far events have arrived. Streams begin where the
/// device says, so this is for the provider's knowledge alone, and costs it a write.
pub const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);
/// Events a subscriber may be behind before it misses some.
pub const EVENTS_BUFFERED: usize = 4_096;
/// Name of the stored provider address.
const ADDRESS: &str = "provider address";

/// Where a provider's client API is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProviderAddress {
    /// `https://host[:port]`, without a path.
    pub url: String,
    /// Connect here instead of where DNS says.
    pub resolve: Option<SocketAddr>,
    /// PEM roots to trust instead of the public ones.
    pub roots_pem: Option<String>,
}

/// What a new device needs.
#[derive(Clone)]
pub struct Registration {
    /// The provider.
    pub provider: ProviderAddress,
    /// Local name of the user, e.g. `alice`.
    pub user: String,
    /// The account's password.
    pub password: String,
    /// Name of this device, e.g. `phone`; part of its client URI.
    pub device: String,
}

impl fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, user, device, .. } = self;
        write!(formatter, "Registration of {user}'s {device} at {}", provider.url)
    }
}

/// A device of a user, running: it keeps its event stream open and its rooms up to date.
#[derive(Debug)]
pub struct Client {
    identity: ClientIdentity,
    inputs: mpsc::Sender<Input>,
    events: broadcast::Sender<ClientEvent>,
    /// Why the task stopped by itself.
    stopped: Arc<OnceLock<String>>,
    downloads: Downloads,
    surroundings: Surroundings,
}

impl Client {
    /// Registers a new device; its state lives in a new SQLite file.
    ///
    /// The file of a registration that did not come through is taken up again.
    pub async fn register(store: &Path, registration: Registration) -> Result<Self, ClientError> {
        let transport = Arc::new(HttpsTransport::new(&registration.provider)?);
        let store = match store.exists() {
            true => SqliteStore::open(store).await,
            false => SqliteStore::create(store).await,
        };
        let store = Arc::new(store.map_err(storage)?);
        refuse_registered(&store.load().await.map_err(storage)?, &Surroundings::of_machine())?;
        let address = serde_json::to_vec(&registration.provider)
            .map_err(|error| ClientError::Other(error.to_string()))?;
        let put = StoreChange::Put { name: ADDRESS.to_owned(), value: address.into() };
        store.commit(vec![put]).await.map_err(storage)?;
        Self::register_over(store, transport, registration).await
    }

    /// Opens a device registered before; [`ClientError::NotRegistered`] if that did not come
    /// through, and [`register`](Self::register) takes the file up again.
    pub async fn open(store: &Path) -> Result<Self, ClientError> {
        let store = SqliteStore::open(store).await.map_err(storage)?;
        let saved = store.load().await.map_err(storage)?;
        let address = saved.values.get(ADDRESS).ok_or(ClientError::NotRegistered)?;
        let address: ProviderAddress = serde_json::from_slice(address.octets())
            .map_err(|error| ClientError::Storage(format!("the provider's address: {error}")))?;
        let transport = Arc::new(HttpsTransport::new(&address)?);
        Self::start(Arc::new(store), transport).await
    }

    /// Runs a device registered before, over a store and a transport of one's own.
    pub async fn start(
        store: Arc<dyn ClientStore>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ClientError> {
        Self::start_in(Surroundings::of_machine(), store, transport).await
    }

    /// The same with time and randomness of one's own.
    pub async fn start_in(
        surroundings: Surroundings,
        store: Arc<dyn ClientStore>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ClientError> {
        let saved = store.load().await.map_err(storage)?;
        if !Session::is_stored(&saved) {
            return Err(ClientError::NotRegistered);
        }
        let settings = downloads::stored(&saved)?;
        let session = Session::restore(saved, surroundings.now_ms())?;
        let identity = session.identity().cloned().ok_or(ClientError::NotRegistered)?;
        let driver = Driver::new(session, store.clone(), transport, surroundings.clone());
        Ok(Self::run(driver, identity, Downloads::new(store, settings), surroundings))
    }

    /// Registers a new device over a store and a transport of one's own.
    pub async fn register_over(
        store: Arc<dyn ClientStore>,
        transport: Arc<dyn Transport>,
        registration: Registration,
    ) -> Result<Self, ClientError> {
        Self::register_in(Surroundings::of_machine(), store, transport, registration).await
    }

    /// The same with time and randomness of one's own.
    pub async fn register_in(
        surroundings: Surroundings,
        store: Arc<dyn ClientStore>,
        transport: Arc<dyn Transport>,
        registration: Registration,
    ) -> Result<Self, ClientError> {
        let saved = store.load().await.map_err(storage)?;
        refuse_registered(&saved, &surroundings)?;
        let session = match Session::is_stored(&saved) {
            true => Session::restore(saved, surroundings.now_ms())?,
            false => Session::new(&mut surroundings.rng()),
        };
        let mut driver = Driver::new(session, store.clone(), transport, surroundings.clone());
        let command = Command::Register {
            user: registration.user,
            password: SecretText::new(registration.password),
            device: registration.device,
        };
        let registered = tokio::time::timeout(OPERATION_TIMEOUT, driver.complete(command)).await;
        registered.map_err(|_| timed_out())??;
        let identity = driver.identity().cloned();
        let identity = identity
            .ok_or_else(|| ClientError::Other("registered without an identity".to_owned()))?;
        let downloads = Downloads::new(store, DownloadSettings::default());
        Ok(Self::run(driver, identity, downloads, surroundings))
    }

    fn run(
        mut driver: Driver,
        identity: ClientIdentity,
        downloads: Downloads,
        surroundings: Surroundings,
    ) -> Self {
        let (inputs, received) = mpsc::channel(64);
        let events = driver.events();
        let stopped = driver.stopped();
        tokio::spawn(async move { driver.run(received).await });
        Self { identity, inputs, events, stopped, downloads, surroundings }
    }

    /// Who this device is.
    pub fn identity(&self) -> &ClientIdentity {
        &self.identity
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ClientEvent> {
        self.events.subscribe()
    }

    /// Creates a room at our provider by a preset, with our other devices not yet in it.
    pub async fn create_room(&self, name: &str, preset: Preset) -> Result<MimiUri, ClientError> {
        self.create_room_with(name, RoomPolicy::of_preset(preset)).await
    }

    /// Creates a room with a policy of one's own.
    pub async fn create_room_with(
        &self,
        name: &str,
        policy: RoomPolicy,
    ) -> Result<MimiUri, ClientError> {
        let policy = Box::new(policy);
        match self.operate(Command::CreateRoom { name: name.to_owned(), policy }).await? {
            Outcome::Room(room) => Ok(room),
            other => Err(unexpected(&other)),
        }
    }

    /// Opens the direct room with a user: the one there is, or a new one at our provider with all
    /// devices of both. Should both open one at the same moment, both end in the same.
    ///
    /// Needs the user's consent to be contacted in any room, if there is none yet.
    pub async fn open_direct(&self, user: &MimiUri) -> Result<MimiUri, ClientError> {
        match self.operate(Command::OpenDirect(user.clone())).await? {
            Outcome::Room(room) => Ok(room),
            other => Err(unexpected(&other)),
        }
    }

    /// Creates a room at our provider that depends on another one of it: only participants of
    /// `parent` can be in it, and whoever goes there goes here too.
    pub async fn create_subroom(
        &self,
        parent: &MimiUri,
        name: &str,
    ) -> Result<MimiUri, ClientError> {
        let (parent, name) = (parent.clone(), name.to_owned());
        match self.operate(Command::CreateSubroom { parent, name }).await? {
            Outcome::Room(room) => Ok(room),
            other => Err(unexpected(&other)),
        }
    }

    /// Rooms known on this device.
    pub async fn rooms(&self) -> Result<Vec<MimiUri>, ClientError> {
        self.ask(Input::Rooms).await
    }

    /// A room as this device sees it.
    pub async fn room(&self, room: &MimiUri) -> Result<RoomState, ClientError> {
        self.ask(|answer| Input::Room(room.clone(), answer)).await?
    }

    /// Adds a user with all its devices, in one commit.
    pub async fn add_user(&self, room: &MimiUri, user: &MimiUri) -> Result<(), ClientError> {
        let command = Command::AddUser { room: room.clone(), user: user.clone() };
        self.operate(command).await.map(drop)
    }

    /// Comes into a room this device's user takes part in, by external commit.
    pub async fn join_room(&self, room: &MimiUri) -> Result<(), ClientError> {
        self.operate(Command::JoinRoom(room.clone())).await.map(drop)
    }

    /// Comes into a room as a newcomer, in a role of one's choice where there is one.
    pub async fn join_room_as(&self, room: &MimiUri, role: RoleIndex) -> Result<(), ClientError> {
        self.operate(Command::JoinAs { room: room.clone(), role }).await.map(drop)
    }

    /// Comes into a room by a link.
    pub async fn join_by_link(&self, link: &RoomLink) -> Result<(), ClientError> {
        self.operate(Command::JoinByLink(link.clone())).await.map(drop)
    }

    /// Makes a link into a room. Everybody in the room, and its providers, can read it.
    pub async fn create_join_link(
        &self,
        room: &MimiUri,
        wish: NewJoinLink,
    ) -> Result<String, ClientError> {
        match self.operate(Command::CreateJoinLink { room: room.clone(), wish }).await? {
            Outcome::Link(link) => Ok(link),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes a link back, by its octets.
    pub async fn remove_join_link(&self, room: &MimiUri, link: &[u8]) -> Result<(), ClientError> {
        let command = Command::RemoveJoinLink { room: room.clone(), link: link.to_vec() };
        self.operate(command).await.map(drop)
    }

    /// Takes the role that this device's certificate is preauthorized for.
    pub async fn take_own_role(&self, room: &MimiUri) -> Result<(), ClientError> {
        self.operate(Command::TakeOwnRole(room.clone())).await.map(drop)
    }

    /// Leaves with all devices of this user.
    pub async fn leave_room(&self, room: &MimiUri) -> Result<(), ClientError> {
        self.operate(Command::LeaveRoom(room.clone())).await.map(drop)
    }

    /// Removes a user and all its clients.
    pub async fn remove_user(&self, room: &MimiUri, user: &MimiUri) -> Result<(), ClientError> {
        let command = Command::RemoveUser { room: room.clone(), user: user.clone() };
        self.operate(command).await.map(drop)
    }

    /// Bans a user and removes all its clients.
    pub async fn ban_user(&self, room: &MimiUri, user: &MimiUri) -> Result<(), ClientError> {
        let command = Command::BanUser { room: room.clone(), user: user.clone() };
        self.operate(command).await.map(drop)
    }

    /// Removes all clients of a user, who stays a participant and may come again.
    pub async fn kick_user(&self, room: &MimiUri, user: &MimiUri) -> Result<(), ClientError> {
        let command = Command::KickUser { room: room.clone(), user: user.clone() };
        self.operate(command).await.map(drop)
    }

    /// Lifts a ban; the user gets `role`, or else the lowest one that we may give.
    pub async fn unban_user(
        &self,
        room: &MimiUri,
        user: &MimiUri,
        role: Option<RoleIndex>,
    ) -> Result<(), ClientError> {
        let command = Command::UnbanUser { room: room.clone(), user: user.clone(), role };
        self.operate(command).await.map(drop)
    }

    /// Gives a participant another role.
    pub async fn change_role(
        &self,
        room: &MimiUri,
        user: &MimiUri,
        role: RoleIndex,
    ) -> Result<(), ClientError> {
        let command = Command::ChangeRole { room: room.clone(), user: user.clone(), role };
        self.operate(command).await.map(drop)
    }

    /// Changes what a room says of itself.
    pub async fn change_metadata(
        &self,
        room: &MimiUri,
        change: MetadataChange,
    ) -> Result<(), ClientError> {
        let command = Command::ChangeMetadata { room: room.clone(), change };
        self.operate(command).await.map(drop)
    }

    /// Changes what holds in a room: roles, base policy, preauthorizations and the other policy
    /// components, all of them as the policy says.
    pub async fn change_policy(
        &self,
        room: &MimiUri,
        policy: RoomPolicy,
    ) -> Result<(), ClientError> {
        let command = Command::ChangePolicy { room: room.clone(), policy: Box::new(policy) };
        self.operate(command).await.map(drop)
    }

    /// What holds in a room, as this device knows it.
    pub async fn policy(&self, room: &MimiUri) -> Result<RoomView, ClientError> {
        self.ask(|answer| Input::View(room.clone(), answer)).await?
    }

    /// The commits that froze rooms on this device, or could not be followed, with what they were
    /// judged by.
    pub async fn evidence(&self, room: &MimiUri) -> Result<Vec<Evidence>, ClientError> {
        self.ask(|answer| Input::Evidence(room.clone(), answer)).await?
    }

    /// Commits what is pending in a room, if anything is.
    pub async fn commit_pending(&self, room: &MimiUri) -> Result<(), ClientError> {
        self.operate(Command::CommitPending(room.clone())).await.map(drop)
    }

    /// Renames a room.
    pub async fn rename_room(&self, room: &MimiUri, name: &str) -> Result<(), ClientError> {
        let command = Command::RenameRoom { room: room.clone(), name: name.to_owned() };
        self.operate(command).await.map(drop)
    }

    /// Writes a message in Markdown; HTML in it is text. Returns once the hub has accepted it.
    pub async fn send_text(&self, room: &MimiUri, text: &str) -> Result<MessageId, ClientError> {
        self.send(room, Draft::Text { text: text.to_owned(), in_reply_to: None }).await
    }

    /// Writes a message that is shown exactly as it is, without any markup.
    pub async fn send_plain(&self, room: &MimiUri, text: &str) -> Result<MessageId, ClientError> {
        self.send(room, Draft::Plain { text: text.to_owned() }).await
    }

    /// Writes a message in a topic, which it opens or goes on with.
    pub async fn send_in_topic(
        &self,
        room: &MimiUri,
        topic: &[u8],
        text: &str,
    ) -> Result<MessageId, ClientError> {
        self.send(room, Draft::Topic { text: text.to_owned(), topic: topic.to_vec() }).await
    }

    /// Puts a message under another topic, or none.
    pub async fn set_topic(
        &self,
        room: &MimiUri,
        message: MessageId,
        topic: &[u8],
    ) -> Result<MessageId, ClientError> {
        self.send(room, Draft::SetTopic { message, topic: topic.to_vec() }).await
    }

    /// Answers a message.
    pub async fn reply(
        &self,
        room: &MimiUri,
        to: MessageId,
        text: &str,
    ) -> Result<MessageId, ClientError> {
        self.send(room, Draft::Text { text: text.to_owned(), in_reply_to: Some(to) }).await
    }

    /// Reacts to a message.
    pub async fn react(
        &self,
        room: &MimiUri,
        to: MessageId,
        reaction: &str,
    ) -> Result<MessageId, ClientError> {
        self.send(room, Draft::Reaction { to, reaction: reaction.to_owned() }).await
    }

    /// Replaces the text of an own message.
    pub async fn edit(
        &self,
        room: &MimiUri,
        message: MessageId,
        text: &str,
    ) -> Result<MessageId, ClientError> {
        self.send(room, Draft::Edit { message, text: text.to_owned() }).await
    }

    /// Reports messages of somebody, with all their versions, to the moderators of the room's hub,
    /// with a note that may be empty. Returns once the hub has received it; it says nothing more.
    pub async fn report(
        &self,
        room: &MimiUri,
        messages: &[MessageId],
        note: &str,
    ) -> Result<(), ClientError> {
        let (messages, note) = (messages.to_vec(), note.to_owned());
        let command = Command::ReportAbuse { room: room.clone(), messages, note };
        self.operate(command).await.map(drop)
    }

    /// Takes an own message back.
    pub async fn delete(&self, room: &MimiUri, message: MessageId) -> Result<(), ClientError> {
        self.send(room, Draft::Delete { message }).await.map(drop)
    }

    /// Says that messages have been read: what is told of that, and what ends after it, begins.
    pub async fn mark_read(
        &self,
        room: &MimiUri,
        messages: &[MessageId],
    ) -> Result<(), ClientError> {
        let command = Command::MarkRead { room: room.clone(), messages: messages.to_vec() };
        self.operate(command).await.map(drop)
    }

    /// What others are told of their messages, where their room leaves it open; `None` while that
    /// has not been said, which tells nothing.
    pub async fn receipts(&self) -> Result<Option<ReceiptSetting>, ClientError> {
        self.ask(Input::Receipts).await
    }

    /// Says what others are to be told of their messages.
    pub async fn set_receipts(&self, receipts: ReceiptSetting) -> Result<(), ClientError> {
        self.operate(Command::SetReceipts(receipts)).await.map(drop)
    }

    /// Says for how long what is written in a room from now on is to be seen.
    pub async fn set_lifetime(
        &self,
        room: &MimiUri,
        lifetime: Lifetime,
    ) -> Result<(), ClientError> {
        self.operate(Command::SetLifetime { room: room.clone(), lifetime }).await.map(drop)
    }

    /// Stops after storing everything received; the device can be opened again.
    pub async fn close(self) -> Result<(), ClientError> {
        let closed: Result<Result<(), ClientError>, _> = self.ask(Input::Close).await;
        closed?
    }

    async fn send(&self, room: &MimiUri, draft: Draft) -> Result<MessageId, ClientError> {
        match self.operate(Command::Send { room: room.clone(), draft }).await? {
            Outcome::Message(id) => Ok(id),
            other => Err(unexpected(&other)),
        }
    }

    async fn operate(&self, command: Command) -> Result<Outcome, ClientError> {
        let asked = self.ask(|answer| Input::Start(command, answer));
        tokio::time::timeout(OPERATION_TIMEOUT, asked).await.map_err(|_| timed_out())??
    }

    async fn ask<T>(
        &self,
        input: impl FnOnce(oneshot::Sender<T>) -> Input,
    ) -> Result<T, ClientError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.inputs.send(input(answer)).await;
        sent.map_err(|_| self.gone())?;
        answered.await.map_err(|_| self.gone())
    }

    fn gone(&self) -> ClientError {
        let reason = self.stopped.get().map_or("the device was closed", String::as_str);
        ClientError::Storage(reason.to_owned())
    }
}

/// A store holds one device.
fn refuse_registered(saved: &Saved, surroundings: &Surroundings) -> Result<(), ClientError> {
    if !Session::is_stored(saved) {
        return Ok(());
    }
    let session = Session::restore(saved.clone(), surroundings.now_ms())?;
    match session.identity() {
        None => Ok(()),
        Some(identity) => {
            let text = format!("the file holds a device already: {}", identity.client);
            Err(ClientError::Other(text))
        }
    }
}

fn storage(failure: StoreFailure) -> ClientError {
    ClientError::Storage(failure.0)
}

fn timed_out() -> ClientError {
    let seconds = OPERATION_TIMEOUT.as_secs();
    ClientError::Unreachable(format!(
        "nothing came of it in {seconds} s; what was being sent is kept and tried further"
    ))
}

fn unexpected(outcome: &Outcome) -> ClientError {
    ClientError::Other(format!("an operation ended as {outcome:?}"))
}

#[cfg(test)]
mod tests;
