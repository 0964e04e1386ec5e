//! The state that all handlers share, and the one way in which decisions become durable.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use mimi_mls::hub_keys::HubKeys;
use mimi_provider::{Change, Effect, Expect, Reject, Transition};
use mimi_wire::Domain;
use tokio::sync::oneshot;
use tombolo_store::{Commit, Committed, Store, StoreError};

use crate::account::removals::Removals;
use crate::assets::Uploads;
use crate::assets::serve::DownloadSlots;
use crate::capture::Capture;
use crate::clock::Clock;
use crate::config::Config;
use crate::contact::Contact;
use crate::delivery::Delivery;
use crate::federation::code_guesses::CodeGuesses;
use crate::federation::identifier_query::Budgets;
use crate::franking_keys::FrankingKeys;
use crate::growth::Growth;
use crate::issuer::ClientIssuer;
use crate::network::Network;
use crate::oblivious::Oblivious;
use crate::ohttp_keys::OhttpKeys;
use crate::peers::{Peers, PeersError};
use crate::proxy::AssetProxy;
use crate::reports::Reports;
use crate::rooms::{Foundings, Rooms};
use crate::surroundings::{Chance, Surroundings, Toil};
use crate::tls::Identity;
use crate::turns::Turns;
use crate::wake::Wake;
use crate::working::Working;

/// What a provider is made of; [`crate::running`] reads it from the configuration.
pub struct Parts {
    /// What the operator wants.
    pub config: Config,
    /// Storage, time, chance and the network.
    pub surroundings: Surroundings,
    /// The hub's external-sender key.
    pub hub_keys: HubKeys,
    /// What it franks messages with.
    pub franking: FrankingKeys,
    /// What requests to its gateway are sealed to.
    pub ohttp_keys: OhttpKeys,
    /// Certifies the provider's own devices.
    pub client_issuer: ClientIssuer,
    /// The TLS certificate and key of the domain.
    pub identity: Arc<Identity>,
    /// What people have uploaded.
    pub(crate) assets: Uploads,
}

/// A provider's shared state. Made by [`Provider::new`], shared in an [`Arc`].
pub struct Provider {
    pub(crate) config: Config,
    pub(crate) domain: Domain,
    /// What decisions are handed of the limits in `config`.
    pub(crate) limits: mimi_provider::Limits,
    pub(crate) working: Working,
    pub(crate) foundings: Foundings,
    pub(crate) growth: Growth,
    pub(crate) clock: Clock,
    pub(crate) chance: Chance,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) toil: Toil,
    pub(crate) store: Arc<dyn Store>,
    storage_error: Mutex<Option<String>>,
    pub(crate) hub_keys: HubKeys,
    pub(crate) franking: FrankingKeys,
    pub(crate) ohttp_keys: OhttpKeys,
    pub(crate) client_issuer: ClientIssuer,
    pub(crate) identity: Arc<Identity>,
    pub(crate) peers: Peers,
    pub(crate) reports: Reports,
    pub(crate) rooms: Rooms,
    pub(crate) turns: Turns,
    pub(crate) queries: Budgets,
    pub(crate) contact: Contact,
    pub(crate) removals: Removals,
    pub(crate) code_guesses: CodeGuesses,
    pub(crate) wake: Wake,
    pub(crate) delivery: Delivery,
    pub(crate) capture: Option<Arc<Capture>>,
    pub(crate) assets: Uploads,
    pub(crate) downloads: DownloadSlots,
    pub(crate) proxy: AssetProxy,
    pub(crate) oblivious: Oblivious,
}

/// What is done when a commit is not written.
pub(crate) type OnFailure = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A commit on its way to the disk. It and its effects happen whether or not anybody waits: a caller
/// that hangs up must not keep a durable entry from being delivered.
#[derive(Debug)]
pub(crate) struct Enqueued(oneshot::Receiver<Result<Committed, StoreError>>);

impl Enqueued {
    /// Resolves when the commit is durable and its effects have been started.
    pub(crate) async fn durable(self) -> Result<Committed, StoreError> {
        match self.0.await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Failed("the commit was given up at shutdown".to_owned())),
        }
    }
}

impl Provider {
    /// Puts the parts together. Nothing runs yet.
    pub fn new(parts: Parts) -> Result<Arc<Self>, PeersError> {
        let config = parts.config;
        let limits = config.limits;
        let capture = config.debug.capture_dir.clone().map(Capture::new).map(Arc::new);
        let issuer_pem = parts.client_issuer.certificate_pem();
        let identity = Arc::clone(&parts.identity);
        let Surroundings { store, clock, chance, network, toil } = parts.surroundings;
        let peers = Peers::new(&config, identity, issuer_pem, capture.clone(), (&clock, &network))?;
        Ok(Arc::new(Self {
            domain: config.domain.clone(),
            config,
            clock,
            chance,
            network,
            toil,
            store,
            storage_error: Mutex::default(),
            hub_keys: parts.hub_keys,
            franking: parts.franking,
            ohttp_keys: parts.ohttp_keys,
            client_issuer: parts.client_issuer,
            identity: parts.identity,
            peers,
            reports: Reports::default(),
            rooms: Rooms::new(&limits.rooms),
            turns: Turns::default(),
            queries: Budgets::default(),
            contact: Contact::default(),
            removals: Removals::default(),
            code_guesses: CodeGuesses::new(&limits.rooms),
            wake: Wake::default(),
            delivery: Delivery::new(limits.peers.deliveries_per_peer_max),
            limits: limits.of_decisions(),
            working: Working::new(&limits.requests),
            foundings: Foundings::new(&limits.rooms),
            growth: Growth::new(&limits.logs, &limits.rooms),
            capture,
            assets: parts.assets,
            downloads: DownloadSlots::default(),
            proxy: AssetProxy::default(),
            oblivious: Oblivious::new(&limits.oblivious),
        }))
    }

    /// The provider's domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Milliseconds since the UNIX epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Makes a decision durable, starts its effects and hands out its answer. On
    /// [`StoreError::Conflict`] the caller loads and decides anew.
    pub(crate) async fn apply<R>(
        self: &Arc<Self>,
        transition: Transition<R>,
    ) -> Result<R, StoreError> {
        let Transition { changes, expect, effects, reply } = transition;
        if changes.is_empty() && expect.is_empty() {
            self.start(&effects);
            return Ok(reply);
        }
        self.enqueue(changes, expect, effects, None).durable().await?;
        Ok(reply)
    }

    /// Queues a commit at once, in the order of calls. `on_failure` runs if it is not written.
    pub(crate) fn enqueue(
        self: &Arc<Self>,
        changes: Vec<Change>,
        expect: Vec<Expect>,
        effects: Vec<Effect>,
        on_failure: Option<OnFailure>,
    ) -> Enqueued {
        let joins = joins(&changes);
        let commit = self.store.commit(Commit { expect, changes });
        let (sender, receiver) = oneshot::channel();
        let provider = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = commit.await;
            provider.note_storage(&outcome);
            match (&outcome, on_failure) {
                (Ok(_), _) => {
                    for (client, stream) in &joins {
                        provider.wake.join(client, stream);
                    }
                    provider.start(&effects);
                }
                (Err(_), Some(on_failure)) => on_failure.await,
                (Err(_), None) => {}
            }
            // Nobody waits any more when the caller hung up; the commit stands all the same.
            let _ = sender.send(outcome);
        });
        Enqueued(receiver)
    }

    /// Why the last commit was not written, if that was the storage's fault.
    pub(crate) fn storage_error(&self) -> Option<String> {
        self.storage_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_storage(&self, outcome: &Result<Committed, StoreError>) {
        let error = match outcome {
            Ok(_) => None,
            // The storage has told that the log has moved: it works.
            Err(StoreError::Conflict(_)) => return,
            Err(error) => Some(error.to_string()),
        };
        let mut known = self.storage_error.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() && error.is_none() {
            tracing::info!("the storage takes again what is to be stored");
        }
        *known = error;
    }

    /// Starts the effects of what has become durable.
    fn start(self: &Arc<Self>, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::WakeFollower { stream, follower } => {
                    crate::delivery::wake(self, stream, follower);
                }
                Effect::WakeStream(stream) => self.wake.stream(stream),
                Effect::WakeArrivals => self.contact.wake(),
                Effect::WakeRemovals => self.removals.wake(),
            }
        }
    }
}

/// Which clients begin to see which streams, so that their event streams wake for them.
fn joins(changes: &[Change]) -> Vec<(mimi_wire::MimiUri, mimi_wire::MimiUri)> {
    let pairs = changes.iter().filter_map(|change| match change {
        Change::Join { client, stream, .. } => Some((client.clone(), stream.clone())),
        Change::PutDevice(device) => Some((device.client.clone(), device.user.clone())),
        _ => None,
    });
    pairs.collect()
}

/// A failure of the storage as a refusal. What exactly fails is for the log only.
pub(crate) fn storage_failed(error: StoreError) -> Reject {
    match error {
        StoreError::Unavailable(why) => {
            tracing::warn!(%why, "a request is turned away: the storage takes nothing now");
            Reject::Unavailable("nothing can be stored here at the moment".to_owned())
        }
        error => Reject::Internal(error.to_string()),
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Provider").field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parts").field("domain", &self.config.domain).finish_non_exhaustive()
    }
}
