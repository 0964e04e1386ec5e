//! The devices of the story.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mimi_wire::MimiUri;
use tokio::sync::broadcast;
use tombolo_client::session::request::{Outgoing, Response};
use tombolo_client::store::SqliteStore;
use tombolo_client::transport::{HttpsTransport, OpenStream, Token, Transport, TransportFuture};
use tombolo_client::{Client, ClientEvent, ProviderAddress, Registration, RoomState};

use crate::demo::narrator::Narrator;

/// How long anything may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often the person watching hears of a wait.
const WAITING_TOLD_EVERY: Duration = Duration::from_secs(2);

/// One device: an SDK instance with its own file.
#[derive(Debug)]
pub(crate) struct Device {
    /// As told, e.g. `alice's phone`.
    pub(crate) name: String,
    pub(crate) client: Client,
    narrator: Arc<Narrator>,
    events: broadcast::Receiver<ClientEvent>,
    file: PathBuf,
}

/// What a program of one's own makes of a request.
pub(crate) type Tamper = fn(Outgoing) -> Outgoing;

/// The way to a provider through a program that tampers.
struct Tampering {
    honest: HttpsTransport,
    tamper: Tamper,
}

impl Transport for Tampering {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        self.honest.request((self.tamper)(outgoing))
    }

    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        self.honest.events(token, after, era)
    }

    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()> {
        self.honest.acknowledge(token, id)
    }
}

impl Device {
    /// Registers a device of a user.
    pub(crate) async fn register(
        folder: &Path,
        provider: &ProviderAddress,
        (user, password, device): (&str, &str, &str),
        narrator: &Arc<Narrator>,
    ) -> Result<Self, String> {
        let name = format!("{user}'s {device}");
        let registration = Registration {
            provider: provider.clone(),
            user: user.to_owned(),
            password: password.to_owned(),
            device: device.to_owned(),
        };
        let file = folder.join(format!("{user}-{device}.db"));
        let client = Client::register(&file, registration).await;
        let client = client.map_err(|error| format!("{name} cannot register: {error}"))?;
        let events = client.subscribe();
        Ok(Self { name, client, narrator: narrator.clone(), events, file })
    }

    /// Starts it again with a program that sends what `tamper` makes of its requests.
    pub(crate) async fn tampered(
        self,
        provider: &ProviderAddress,
        tamper: Tamper,
    ) -> Result<Self, String> {
        let Self { name, client, narrator, file, .. } = self;
        let failed = |error: &dyn Display| format!("{name} cannot start again: {error}");
        client.close().await.map_err(|error| failed(&error))?;
        let store = SqliteStore::open(&file).await.map_err(|error| failed(&error.0))?;
        let honest = HttpsTransport::new(provider).map_err(|error| failed(&error))?;
        let transport = Arc::new(Tampering { honest, tamper });
        let client = Client::start(Arc::new(store), transport).await;
        let client = client.map_err(|error| failed(&error))?;
        let events = client.subscribe();
        Ok(Self { name, client, narrator, events, file })
    }

    /// Its user.
    pub(crate) fn user(&self) -> &MimiUri {
        &self.client.identity().user
    }

    /// The room as it shows it now.
    pub(crate) async fn room(&self, room: &MimiUri) -> Result<RoomState, String> {
        let state = self.client.room(room).await;
        state.map_err(|error| format!("{} cannot show the room: {error}", self.name))
    }

    /// Waits until the device shows what it must, telling the person watching what for.
    pub(crate) async fn sees(
        &self,
        room: &MimiUri,
        what: &str,
        holds: impl Fn(&RoomState) -> bool,
    ) -> Result<RoomState, String> {
        let since = Instant::now();
        let mut told = since;
        let mut events = self.client.subscribe();
        loop {
            if let Ok(state) = self.client.room(room).await
                && holds(&state)
            {
                return Ok(state);
            }
            if since.elapsed() > PATIENCE {
                let last = self.client.room(room).await;
                return Err(format!("{} never sees {what}; it shows {last:?}", self.name));
            }
            if told.elapsed() > WAITING_TOLD_EVERY {
                told = Instant::now();
                let text = format!("{} waits for {what}", self.name);
                self.narrator.waiting(&text, since.elapsed());
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), events.recv()).await;
        }
    }

    /// Waits for an event that has come since the device was registered or last asked.
    pub(crate) async fn hears<T>(
        &mut self,
        what: &str,
        mut heard: impl FnMut(ClientEvent) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Ok(event)) => {
                    if let Some(found) = heard(event) {
                        return Ok(found);
                    }
                }
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => {
                    return Err(format!("{} never hears {what}", self.name));
                }
            }
        }
    }

    /// Takes what has been heard and not asked for, e.g. to count retries.
    pub(crate) fn overheard(&mut self) -> Vec<ClientEvent> {
        let mut heard = Vec::new();
        loop {
            match self.events.try_recv() {
                Ok(event) => heard.push(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return heard,
            }
        }
    }
}
