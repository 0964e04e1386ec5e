//! Devices: set up by the SDK, then at rest, with messages encrypted ahead or only a token.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mimi_wire::MimiUri;
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::update::UpdateOutcome;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tombolo_client::session::Session;
use tombolo_client::session::prepare::PreparedMessage;
use tombolo_client::session::request::Response;
use tombolo_client::store::{ClientStore, MemoryStore};
use tombolo_client::transport::{HttpsTransport, Token, Transport};
use tombolo_client::{Client, Registration, RoomState};

use super::BODY_OCTETS;
use super::federation::{PASSWORD, Site};
use super::progress::Progress;

/// How long anything may take that must happen while the scene is set.
const PATIENCE: Duration = Duration::from_secs(120);
/// Devices that connect from one local address, of which a provider takes only so many unproven
/// connections.
const DEVICES_PER_ADDRESS: usize = 200;

/// A device that runs.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) client: Client,
    store: Arc<MemoryStore>,
    transport: Arc<HttpsTransport>,
}

/// A device that no longer runs, and what others can do in its name.
#[derive(Debug)]
pub(crate) struct Resting {
    session: Session,
    store: Arc<MemoryStore>,
    pub(crate) transport: Arc<HttpsTransport>,
    pub(crate) token: Token,
}

impl Device {
    /// Registers a device; `number` spreads devices over local addresses.
    pub(crate) async fn register(
        site: &Site,
        user: &str,
        device: &str,
        number: usize,
    ) -> Result<Self, String> {
        let address = &site.address;
        let transport = HttpsTransport::from_local(address, local_address(number));
        let transport = Arc::new(transport.map_err(|error| error.to_string())?);
        Self::register_over(site, (user, device), transport.clone(), transport).await
    }

    /// The same over a transport that watches what passes.
    pub(crate) async fn register_over(
        site: &Site,
        (user, device): (&str, &str),
        transport: Arc<HttpsTransport>,
        over: Arc<dyn Transport>,
    ) -> Result<Self, String> {
        let store = Arc::new(MemoryStore::default());
        let registration = Registration {
            provider: site.address.clone(),
            user: user.to_owned(),
            password: PASSWORD.to_owned(),
            device: device.to_owned(),
        };
        let client = Client::register_over(store.clone(), over, registration).await;
        let client =
            client.map_err(|error| format!("{user}'s {device} cannot register: {error}"))?;
        Ok(Self { client, store, transport })
    }

    /// Its user.
    pub(crate) fn user(&self) -> &MimiUri {
        &self.client.identity().user
    }

    /// Waits until it shows what it must in a room.
    pub(crate) async fn sees(
        &self,
        room: &MimiUri,
        what: &str,
        holds: impl Fn(&RoomState) -> bool,
    ) -> Result<RoomState, String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut events = self.client.subscribe();
        loop {
            if let Ok(state) = self.client.room(room).await
                && holds(&state)
            {
                return Ok(state);
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("{} never sees {what}", self.user()));
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), events.recv()).await;
        }
    }

    /// Stops it.
    pub(crate) async fn rest(self) -> Result<Resting, String> {
        self.client.close().await.map_err(|error| error.to_string())?;
        Resting::of(self.store, self.transport)
    }

    /// Stops it without waiting for what it may be doing: enough for a device that only receives.
    pub(crate) fn rest_at_once(self) -> Result<Resting, String> {
        Resting::of(self.store, self.transport)
    }
}

impl Resting {
    fn of(store: Arc<MemoryStore>, transport: Arc<HttpsTransport>) -> Result<Self, String> {
        let session = Session::restore(store.saved(), now_ms());
        let session = session.map_err(|error| error.to_string())?;
        let token = session.token().ok_or("a device is registered without a token")?;
        Ok(Self { session, store, transport, token })
    }

    /// Encrypts so many messages for a room.
    pub(crate) fn prepare(
        &mut self,
        room: &MimiUri,
        count: usize,
    ) -> Result<Vec<PreparedMessage>, String> {
        let texts: Vec<String> = (0..count).map(text).collect();
        let prepared = self.session.prepare_texts(room, &texts, &mut StdRng::from_os_rng());
        prepared.map_err(|error| format!("messages cannot be prepared: {error}"))
    }

    /// Adds clients to a room, in one commit for each `at_once` of them.
    pub(crate) async fn add(
        &mut self,
        room: &MimiUri,
        clients: &[(MimiUri, KeyPackage)],
        at_once: usize,
        progress: &Progress,
    ) -> Result<(), String> {
        let mut done = 0;
        for some in clients.chunks(at_once) {
            let outgoing = tokio::task::block_in_place(|| {
                let rng = &mut StdRng::from_os_rng();
                self.session.prepare_addition(room, some, rng, now_ms())
            });
            let outgoing = outgoing.map_err(|error| error.to_string())?;
            let answer = self.transport.request(outgoing).await;
            let answer = answer.map_err(|error| format!("a large commit: {error}"))?;
            let Response::Update(response) = &answer else {
                return Err(format!("a large commit is answered otherwise: {answer:?}"));
            };
            let UpdateOutcome::Success { accepted_timestamp } = response.outcome else {
                return Err(format!("a large commit is refused: {answer:?}"));
            };
            let accepted = self.session.addition_accepted(room, accepted_timestamp);
            accepted.map_err(|error| error.to_string())?;
            done += some.len();
            progress.say(&format!("{done} of {} members are in", clients.len()));
        }
        Ok(())
    }

    /// Runs it again, over a transport that watches what passes.
    pub(crate) async fn wake(mut self, over: Arc<dyn Transport>) -> Result<Device, String> {
        let failed = |error: &dyn std::fmt::Display| format!("a device cannot go on: {error}");
        let changes = self.session.take_changes();
        self.store.commit(changes).await.map_err(|error| failed(&error))?;
        let client = Client::start(self.store.clone(), over).await;
        let client = client.map_err(|error| failed(&error))?;
        Ok(Device { client, store: self.store, transport: self.transport })
    }

    /// The same device over connections of its own making anew.
    pub(crate) fn reconnect(&mut self, site: &Site) -> Result<(), String> {
        let transport = HttpsTransport::new(&site.address).map_err(|error| error.to_string())?;
        self.transport = Arc::new(transport);
        Ok(())
    }
}

/// A text of exactly [`BODY_OCTETS`].
fn text(number: usize) -> String {
    let number = format!("{number:08} ");
    format!("{number}{}", "x".repeat(BODY_OCTETS - number.len()))
}

/// Where the first devices connect from is the system's choice: not everywhere can every loopback
/// address be used.
fn local_address(number: usize) -> Option<IpAddr> {
    let block = u8::try_from(number / DEVICES_PER_ADDRESS).unwrap_or(u8::MAX);
    (block > 0).then(|| IpAddr::V4(Ipv4Addr::new(127, 0, 1, block)))
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_has_the_length_that_is_promised() {
        for number in [0, 7, 99_999_999, 123_456_789] {
            assert_eq!(super::text(number).len(), super::BODY_OCTETS);
        }
    }
}
