//! Writes down what real devices send to their provider, for a fuzzer that goes on from there.
//!
//!     record_bodies <https://host:port> <127.0.0.1:port> <roots.pem> <password>
//!
//! Alice and bob, who have accounts with that password, talk; then alice prepares more that is kept
//! back, so that whoever sends it is the first. On the standard output comes a line of JSON for each of
//! alice's bodies, `{"operation","path","body","kept_back"}` with the body in hexadecimal digits and
//! the values of the path by their names, and at last one with the token of alice's device.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mimi_policy::preset::Preset;
use mimi_wire::content::MessageId;
use mimi_wire::protocol::identifier_query::{QueryElement, SearchIdentifier};
use mimi_wire::room::join_code::RoomLink;
use mimi_wire::{Domain, MimiUri};
use serde_json::{Value, json};
use tombolo_client::session::request::{Outgoing, Request, Response, TransportError};
use tombolo_client::store::MemoryStore;
use tombolo_client::transport::assets::AssetTransport;
use tombolo_client::transport::{HttpsTransport, OpenStream, Token, Transport, TransportFuture};
use tombolo_client::{
    Client, ClientError, ClientEvent, ContactWord, NewJoinLink, ProviderAddress, Registration,
};

/// How many of a kind are kept back: a fuzzer uses some of them up.
const KEPT_BACK: usize = 6;

/// Writes down what goes through it, and lets it through or not.
struct Recorder {
    inner: HttpsTransport,
    lines: Mutex<Vec<Value>>,
    token: Mutex<Option<String>>,
    keeps_back: AtomicBool,
}

impl Transport for Recorder {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        let keeps_back = self.keeps_back.load(Ordering::SeqCst);
        if let Some(token) = &outgoing.token {
            *self.token.lock().expect("no panic") = Some(token.reveal().to_owned());
        }
        let Some((operation, path, body)) = described(&outgoing.request) else {
            return self.inner.request(outgoing);
        };
        self.lines.lock().expect("no panic").push(json!({
            "operation": operation,
            "path": path,
            "body": hex::encode(body),
            "kept_back": keeps_back,
        }));
        // What is fetched is needed to go on.
        let changes = !matches!(operation, "fetchKeyMaterial" | "fetchGroupInfo");
        if keeps_back && changes {
            let code = "kept_back".to_owned();
            let refused = TransportError::Refused { code, message: "kept back".to_owned() };
            return Box::pin(async move { Err(refused) });
        }
        self.inner.request(outgoing)
    }

    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        self.inner.events(token, after, era)
    }

    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()> {
        self.inner.acknowledge(token, id)
    }

    fn assets(&self) -> Option<Arc<dyn AssetTransport>> {
        self.inner.assets()
    }
}

/// A request with octets of MIMI by its `operationId`.
fn described(request: &Request) -> Option<(&'static str, BTreeMap<&'static str, String>, &Bytes)> {
    let one = |name, value: &dyn ToString| BTreeMap::from([(name, value.to_string())]);
    Some(match request {
        Request::UploadKeyPackages(body) => ("uploadKeyPackages", BTreeMap::new(), body),
        Request::Consent(body) => ("sayConsent", BTreeMap::new(), body),
        Request::KeyMaterial { user, body } => ("fetchKeyMaterial", one("user", user), body),
        Request::FoundRoom { room, body } => ("foundRoom", one("room", room), body),
        Request::Update { room, body } => ("updateRoom", one("room", room), body),
        Request::SubmitMessage { room, body } => ("submitMessage", one("room", room), body),
        Request::GroupInfo { room, body } => ("fetchGroupInfo", one("room", room), body),
        Request::ReportAbuse { room, body } => ("reportAbuse", one("room", room), body),
        Request::IdentifierQuery { domain, body } => {
            ("queryIdentifiers", one("domain", domain), body)
        }
        _ => return None,
    })
}

struct People {
    provider: ProviderAddress,
    password: String,
}

impl People {
    async fn device(
        &self,
        user: &str,
        device: &str,
    ) -> Result<(Client, Arc<Recorder>), Box<dyn Error>> {
        let recorder = Arc::new(Recorder {
            inner: HttpsTransport::new(&self.provider)?,
            lines: Mutex::default(),
            token: Mutex::default(),
            keeps_back: AtomicBool::new(false),
        });
        let registration = Registration {
            provider: self.provider.clone(),
            user: user.to_owned(),
            password: self.password.clone(),
            device: device.to_owned(),
        };
        let store = Arc::new(MemoryStore::default());
        let client = Client::register_over(store, recorder.clone(), registration).await?;
        Ok((client, recorder))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, resolve, roots, password] = arguments.as_slice() else {
        return Err("record_bodies <url> <address> <roots.pem> <password>".into());
    };
    let provider = ProviderAddress {
        url: url.clone(),
        resolve: Some(resolve.parse()?),
        roots_pem: Some(std::fs::read_to_string(roots)?),
    };
    let people = People { provider, password: password.clone() };
    let (alice, recorder) = people.device("alice", "laptop").await?;
    let (bob, _) = people.device("bob", "laptop").await?;
    let (alices, bobs) = (alice.identity().user.clone(), bob.identity().user.clone());

    // Both let the other in beforehand, so that nobody has to wait for a request to arrive.
    bob.say_contact(ContactWord::AcceptWithKeyPackage, &alices, None).await?;
    alice.say_contact(ContactWord::Ask, &bobs, None).await?;
    let room = alice.create_room("Club", Preset::Cooperative).await?;
    alice.add_user(&room, &bobs).await?;
    alice.send_text(&room, "hello").await?;
    alice.open_direct(&bobs).await?;
    let hall = bob.create_room("Hall", Preset::Cooperative).await?;
    let link: RoomLink = bob.create_join_link(&hall, NewJoinLink::default()).await?.parse()?;
    let written = written_by_bob(&alice, &bob, &room).await?;
    find(&alice, &bobs).await?;

    recorder.keeps_back.store(true, Ordering::SeqCst);
    prepare(&alice, &bobs, &room, &link, written).await?;
    alice.close().await?;
    bob.close().await?;

    let mut out = std::io::stdout().lock();
    for line in recorder.lines.lock().expect("no panic").iter() {
        writeln!(out, "{line}")?;
    }
    let token = recorder.token.lock().expect("no panic").clone();
    writeln!(out, "{}", json!({ "token": token, "room": room }))?;
    Ok(())
}

/// A message of bob's, once alice has it.
async fn written_by_bob(
    alice: &Client,
    bob: &Client,
    room: &MimiUri,
) -> Result<MessageId, Box<dyn Error>> {
    let mut at_bobs = bob.subscribe();
    let mut at_alices = alice.subscribe();
    while !bob.rooms().await?.contains(room) {
        at_bobs.recv().await?;
    }
    let written = bob.send_text(room, "something to report").await?;
    loop {
        match at_alices.recv().await? {
            ClientEvent::Message { message, .. } if message.id == written => return Ok(written),
            _ => {}
        }
    }
}

async fn find(alice: &Client, bob: &MimiUri) -> Result<(), Box<dyn Error>> {
    let identifier = SearchIdentifier::Handle;
    let element = QueryElement { identifier, search_value: bob.to_string() };
    let domain: Domain = bob.domain();
    match alice.find(&domain, vec![element]).await {
        // Nobody is to be found until it says so.
        Ok(_) | Err(ClientError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What would be carried out, were it sent.
async fn prepare(
    alice: &Client,
    bob: &MimiUri,
    room: &MimiUri,
    link: &RoomLink,
    written: MessageId,
) -> Result<(), Box<dyn Error>> {
    for number in 0..KEPT_BACK {
        kept_back(alice.send_text(room, &format!("message {number}")).await)?;
        kept_back(alice.create_room(&format!("room {number}"), Preset::Strict).await)?;
        kept_back(alice.rename_room(room, &format!("Club {number}")).await)?;
    }
    kept_back(alice.react(room, written, "\u{1f44b}").await)?;
    kept_back(alice.report(room, &[written], "as it was sent").await)?;
    for word in [ContactWord::AcceptWithKeyPackage, ContactWord::Accept, ContactWord::Ask] {
        kept_back(alice.say_contact(word, bob, None).await)?;
    }
    kept_back(alice.join_by_link(link).await)?;
    kept_back(alice.remove_user(room, bob).await)?;
    kept_back(alice.leave_room(room).await)
}

/// What was kept back has failed; that is as it should be.
fn kept_back<T>(outcome: Result<T, ClientError>) -> Result<(), Box<dyn Error>> {
    match outcome {
        Err(ClientError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("it was sent".into()),
    }
}
