//! A provider that keeps no rule: it has a certificate like the others, and what it could have
//! overheard of honest requests.

mod misdeed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, FROM, HOST};
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::protocol::submit_message::SubmitMessageRequest;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tombolo_client::session::request::TransportError;
use tombolo_client::transport::Exchange;
use tombolo_testkit::simulation::ledger::Rule;
use tombolo_testkit::simulation::plan::Trick;

use crate::book::{Book, Overheard};
use crate::provider::{CLIENT_PORT, FEDERATION_PORT};
use crate::wires::Courier;
use misdeed::{Misdeed, is_success};

/// Its domain, and its host's name.
pub const MALLORY: &str = "mallory.example";
/// How long it waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How much it does of its own accord at once.
const MISDEEDS: u32 = 10;
/// Octets of nonsense, at most.
const GARBAGE_OCTETS_MAX: usize = 600;

/// Who it can be, by domain: its own certificate, and those of providers it acts for when these
/// repeat themselves.
pub type Identities = BTreeMap<Domain, ClientConfig>;

/// See the module.
pub struct Mallory {
    own: Domain,
    identities: Identities,
    book: Book,
    rng: Mutex<StdRng>,
    orders: Mutex<Option<mpsc::UnboundedSender<Order>>>,
}

/// What it is told.
#[derive(Debug)]
enum Order {
    /// To try something.
    Trick(Trick),
    /// To do something of its own accord.
    Misbehave,
    /// To go on as a device that was signed out.
    GoOn(MimiUri),
}

/// One request it makes.
#[derive(Debug)]
struct Attempt {
    to: Domain,
    /// Whose certificate it shows.
    shown: Domain,
    /// Who it says it is.
    from: Domain,
    endpoint: Endpoint,
    about: MimiUri,
    body: Bytes,
    /// For whom it is said to be, if for somebody else.
    host: Option<Domain>,
}

impl Mallory {
    /// With these certificates, its own among them.
    pub fn new(identities: Identities, book: Book, rng: StdRng) -> Self {
        let own = Domain::new(MALLORY).expect("a plain domain");
        let (rng, orders) = (Mutex::new(rng), Mutex::new(None));
        Self { own, identities, book, rng, orders }
    }

    /// Tells it to try something.
    pub fn tell(&self, trick: Trick) {
        self.order(Order::Trick(trick));
    }

    /// Tells it to do something of its own accord.
    pub fn misbehave(&self) {
        self.order(Order::Misbehave);
    }

    /// Tells it to go on with the token of a device that is signed out.
    pub fn go_on_as(&self, client: MimiUri) {
        self.order(Order::GoOn(client));
    }

    fn order(&self, order: Order) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has not started yet does no harm.
        let _ = orders.as_ref().map(|orders| orders.send(order));
    }

    /// From the start of its host.
    pub async fn live(self: Arc<Self>) -> turmoil::Result {
        let (sender, mut orders) = mpsc::unbounded_channel();
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        while let Some(order) = orders.recv().await {
            match order {
                Order::Trick(trick) => {
                    if let Some(attempt) = self.attempt(trick) {
                        tokio::spawn(self.clone().send(format!("{trick:?}"), attempt, false));
                    }
                }
                Order::Misbehave => (0..MISDEEDS).for_each(|_| self.do_something()),
                Order::GoOn(client) => drop(tokio::spawn(self.clone().go_on(client))),
            }
        }
        Ok(())
    }

    fn do_something(self: &Arc<Self>) {
        let domains: Vec<_> = self.identities.keys().cloned().collect();
        let misdeed = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            misdeed::misdeed(&self.book.pages(), &domains, &mut rng)
        };
        match misdeed {
            Some(Misdeed::Provider(attempt)) => {
                drop(tokio::spawn(self.clone().send("Misdeed".to_owned(), attempt, true)));
            }
            Some(Misdeed::Device(request)) => drop(tokio::spawn(self.clone().ask(request))),
            None => {}
        }
    }

    /// As a device, at its provider.
    async fn ask(self: Arc<Self>, request: misdeed::Request) {
        let misdeed::Request { to, token, endpoint, about, body, what } = request;
        let about = utf8_percent_encode(about.as_str(), NON_ALPHANUMERIC);
        let path = match endpoint {
            Endpoint::SubmitMessage => format!("rooms/{about}/submit-message"),
            Endpoint::Update => format!("rooms/{about}/update"),
            Endpoint::GroupInfo => format!("rooms/{about}/group-info"),
            Endpoint::KeyMaterial => format!("key-material/{about}"),
            Endpoint::RequestConsent | Endpoint::UpdateConsent => "consent".to_owned(),
            _ => return,
        };
        let request = Request::post(format!("https://{to}:{CLIENT_PORT}/client/v1/{path}"))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body);
        let Ok(request) = request else { return };
        let answer = self.answer(&self.own, request).await;
        let what = format!("{what} ({endpoint:?} at {to}): {}", answer.said);
        self.book.note(|| format!("{MALLORY} {what}"));
        if answer.is_good && is_success(endpoint, &answer.body) {
            self.book.pages().ledger.broken(Rule::Write, what);
        }
    }

    async fn go_on(self: Arc<Self>, client: MimiUri) {
        let known = self.book.pages().tokens.get(&client).cloned();
        let Some((user, token)) = known else { return };
        let url = format!("https://{}:{CLIENT_PORT}/client/v1/devices", user.domain());
        let request = Request::get(url).header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
        let Ok(request) = request.body(Bytes::new()) else { return };
        let answer = self.answer(&self.own, request).await;
        let what = format!("{client} goes on, signed out: {}", answer.said);
        self.book.note(|| format!("{MALLORY} {what}"));
        if answer.is_good {
            self.book.pages().ledger.broken(Rule::Read, what);
        }
    }

    /// Sends a request and hears the whole answer.
    async fn answer(&self, shown: &Domain, request: Request<Bytes>) -> Answer {
        let nothing = |said: String| Answer { said, is_good: false, body: Vec::new() };
        let Some(tls) = self.identities.get(shown) else { return nothing("nobody".to_owned()) };
        let courier = Courier::new(tls.clone());
        let exchange = async {
            let answer = courier.send(request).await?;
            let status = answer.status();
            let pieces: Vec<Bytes> = answer.into_body().try_collect().await?;
            Ok::<_, TransportError>((status, pieces.concat()))
        };
        match tokio::time::timeout(ANSWER_MAX, exchange).await {
            Ok(Ok((status, body))) => {
                Answer { said: status.as_u16().to_string(), is_good: status.is_success(), body }
            }
            Ok(Err(error)) => nothing(error.to_string()),
            Err(_) => nothing("no answer".to_owned()),
        }
    }

    fn attempt(&self, trick: Trick) -> Option<Attempt> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = self.book.pages();
        let heard = |endpoint: Endpoint, rng: &mut StdRng| {
            let heard: Vec<_> = pages.heard.iter().filter(|it| it.endpoint == endpoint).collect();
            heard.choose(rng).map(|it| (*it).clone())
        };
        let own = self.own.clone();
        let as_itself = |it: Overheard, body: Bytes| {
            let (shown, from) = (own.clone(), own.clone());
            let Overheard { to, endpoint, about, .. } = it;
            Attempt { to, shown, from, endpoint, about, body, host: None }
        };
        match trick {
            Trick::Replay => {
                // As the one who sent it, with its certificate: a repeat; or without: a forgery.
                let endpoint = *[Endpoint::Notify, Endpoint::SubmitMessage].choose(&mut *rng)?;
                let it = heard(endpoint, &mut rng)?;
                let shown = if rng.random() { it.from.clone() } else { own };
                let Overheard { to, from, endpoint, about, body } = it;
                Some(Attempt { to, shown, from, endpoint, about, body, host: None })
            }
            Trick::ForgedSender => {
                let it = heard(Endpoint::SubmitMessage, &mut rng)?;
                let body = it.body.clone();
                Some(as_itself(it, body))
            }
            Trick::OutsiderWrites => {
                let it = heard(Endpoint::SubmitMessage, &mut rng)?;
                let mut request = SubmitMessageRequest::decode(&it.body).ok()?;
                request.sending_uri = MimiUri::build(&own, UriKind::User, &["mallory"]).ok()?;
                Some(as_itself(it, request.encode().into()))
            }
            Trick::ForeignNotify => {
                let it = heard(Endpoint::Notify, &mut rng)?;
                let body = it.body.clone();
                Some(as_itself(it, body))
            }
            Trick::Tampered => {
                let it = pages.heard.iter().choose(&mut *rng)?.clone();
                let mut body = it.body.to_vec();
                for _ in 0..rng.random_range(1..4) {
                    let at = misdeed::somewhere(body.len(), &mut rng);
                    let other = rng.random::<u8>();
                    body.get_mut(at).into_iter().for_each(|octet| *octet ^= other);
                }
                // A provider may send what it likes in the names of its own users, and a hub cannot
                // tell: what is tried is to do so in the names of others.
                let Overheard { to, from, endpoint, about, .. } = it;
                let (shown, body) = (own, body.into());
                Some(Attempt { to, shown, from, endpoint, about, body, host: None })
            }
            Trick::Garbage
            | Trick::OutsiderReads
            | Trick::RemovesAdministrator
            | Trick::RaisesItself => {
                let mut it = pages.heard.iter().choose(&mut *rng)?.clone();
                it.endpoint = match trick {
                    Trick::OutsiderReads => Endpoint::GroupInfo,
                    Trick::Garbage => *Endpoint::ALL.as_slice().choose(&mut *rng)?,
                    _ => Endpoint::Update,
                };
                let octets = rng.random_range(0..GARBAGE_OCTETS_MAX);
                let body: Vec<u8> = (0..octets).map(|_| rng.random()).collect();
                Some(as_itself(it, body.into()))
            }
        }
    }

    /// `is_forbidden`: whoever it is, this is not theirs to ask.
    async fn send(self: Arc<Self>, trick: String, attempt: Attempt, is_forbidden: bool) {
        let Attempt { to, shown, from, endpoint, about, body, host } = attempt;
        let about = utf8_percent_encode(about.as_str(), NON_ALPHANUMERIC);
        let url = format!("https://{to}:{FEDERATION_PORT}/mimi/v1/{}/{about}", endpoint.key());
        let request = Request::post(url)
            .header(FROM, format!("mimi@{from}"))
            .header(CONTENT_TYPE, "application/octet-stream");
        let hosts = host.iter();
        let request = hosts.fold(request, |it, host| it.header(HOST, host.as_str())).body(body);
        let Ok(request) = request else { return };
        let answer = self.answer(&shown, request).await;
        let said = &answer.said;
        let what = format!("{trick} ({endpoint:?}) at {to} as {from}, shown {shown}: {said}");
        self.book.note(|| format!("{MALLORY} {what}"));
        // Nobody is anybody else, and this one is nobody's.
        let is_nobody = shown != from;
        let is_forbidden = is_forbidden || from == self.own;
        let is_done = answer.is_good && is_success(endpoint, &answer.body);
        if (is_nobody && answer.is_good) || (is_forbidden && is_done) {
            self.book.pages().ledger.broken(Rule::Write, what);
        }
    }
}

/// What was answered.
struct Answer {
    /// In words.
    said: String,
    /// Its status is one of success.
    is_good: bool,
    body: Vec<u8>,
}

impl std::fmt::Debug for Mallory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(MALLORY)
    }
}
