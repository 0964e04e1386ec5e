//! A provider that keeps no rule: it has a certificate like the others, and what it could have
//! overheard of honest requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, FROM};
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::protocol::submit_message::SubmitMessageRequest;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tombolo_client::transport::Exchange;
use tombolo_testkit::simulation::ledger::Rule;
use tombolo_testkit::simulation::plan::Trick;

use crate::book::{Book, Overheard};
use crate::provider::FEDERATION_PORT;
use crate::wires::Courier;

/// Its domain, and its host's name.
pub const MALLORY: &str = "mallory.example";
/// How long it waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
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
    orders: Mutex<Option<mpsc::UnboundedSender<Trick>>>,
}

/// One request it makes.
struct Attempt {
    to: Domain,
    /// Whose certificate it shows.
    shown: Domain,
    /// Who it says it is.
    from: Domain,
    endpoint: Endpoint,
    about: MimiUri,
    body: Bytes,
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
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has not started yet does no harm.
        let _ = orders.as_ref().map(|orders| orders.send(trick));
    }

    /// From the start of its host.
    pub async fn live(self: Arc<Self>) -> turmoil::Result {
        let (sender, mut orders) = mpsc::unbounded_channel();
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        while let Some(trick) = orders.recv().await {
            if let Some(attempt) = self.attempt(trick) {
                tokio::spawn(self.clone().send(trick, attempt));
            }
        }
        Ok(())
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
            Attempt { to, shown, from, endpoint, about, body }
        };
        match trick {
            Trick::Replay => {
                // As the one who sent it, with its certificate: a repeat; or without: a forgery.
                let endpoint = *[Endpoint::Notify, Endpoint::SubmitMessage].choose(&mut *rng)?;
                let it = heard(endpoint, &mut rng)?;
                let shown = if rng.random() { it.from.clone() } else { own };
                let Overheard { to, from, endpoint, about, body } = it;
                Some(Attempt { to, shown, from, endpoint, about, body })
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
                    let at = rng.random_range(0..body.len().max(1));
                    let other = rng.random::<u8>();
                    body.get_mut(at).into_iter().for_each(|octet| *octet ^= other);
                }
                // A provider may send what it likes in the names of its own users, and a hub cannot
                // tell: what is tried is to do so in the names of others.
                let Overheard { to, from, endpoint, about, .. } = it;
                Some(Attempt { to, shown: own, from, endpoint, about, body: body.into() })
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

    async fn send(self: Arc<Self>, trick: Trick, attempt: Attempt) {
        let Attempt { to, shown, from, endpoint, about, body } = attempt;
        let Some(tls) = self.identities.get(&shown) else { return };
        let about = utf8_percent_encode(about.as_str(), NON_ALPHANUMERIC);
        let url = format!("https://{to}:{FEDERATION_PORT}/mimi/v1/{}/{about}", endpoint.key());
        let request = Request::post(url)
            .header(FROM, format!("mimi@{from}"))
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body);
        let Ok(request) = request else { return };
        let courier = Courier::new(tls.clone());
        let answer = tokio::time::timeout(ANSWER_MAX, courier.send(request)).await;
        let said = match answer {
            Ok(Ok(answer)) => answer.status().as_u16().to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        let what = format!("{trick:?} at {to} as {from}, shown {shown}: {said}");
        self.book.note(|| format!("{MALLORY} {what}"));
        // Nobody is anybody else.
        if shown != from && said.starts_with('2') {
            self.book.pages().ledger.broken(Rule::Write, what);
        }
    }
}

impl std::fmt::Debug for Mallory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(MALLORY)
    }
}
