//! The other providers: who they are, whether we talk, where their endpoints are and whom they let
//! vouch for their clients.

mod answer;
mod connector;
mod directories;
mod issuer_files;
mod link;
mod table;
pub(crate) mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use hyper::body::Incoming;
use mimi_mls::identity::{IdentityError, Issuers};
use mimi_wire::Domain;
use mimi_wire::protocol::directory::{Directory, Endpoint};
use thiserror::Error;
use tokio::time::Instant;

pub(crate) use answer::{Answer, PeerError};
pub(crate) use directories::Suspicion;
pub(crate) use table::PeerTables;

pub(crate) use mimi_wire::public_address::is_public;

use crate::capture::{Capture, Direction};
use crate::clock::{self, Clock};
use crate::config::{Config, PeerLimits, PeerPolicy};
use crate::crowd::makes_way;
use crate::network::Network;
use crate::tls::{Identity, RootsError};
use directories::Directories;
use issuer_files::IssuerFiles;
use link::Link;

/// Name of the request to a peer's Oblivious HTTP gateway, by which its media type is told.
pub(crate) const OHTTP_GATEWAY: &str = "ohttpGateway";

/// Why the peers cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeersError {
    /// Root certificates cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Our own client issuer is none.
    #[error("the client issuer cannot be used: {0}")]
    Issuer(#[from] IdentityError),
}

/// Everything about the other providers.
#[derive(Debug)]
pub(crate) struct Peers {
    domain: Domain,
    limits: PeerLimits,
    began: Instant,
    identity: Arc<Identity>,
    tables: Arc<PeerTables>,
    links: Mutex<HashMap<Domain, Link>>,
    directories: Directories,
    issuers: ArcSwap<Issuers>,
    /// The providers whose issuers are kept, with the time they were last learned at.
    learned: Mutex<HashMap<Domain, u64>>,
    issuer_files: IssuerFiles,
    capture: Option<Arc<Capture>>,
    clock: Clock,
    network: Arc<dyn Network>,
}

/// A request to a peer.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// The endpoint's name, for the log.
    pub(crate) endpoint: &'static str,
    /// GET or POST.
    pub(crate) method: Method,
    /// An https URL.
    pub(crate) url: String,
    /// The body.
    pub(crate) body: Bytes,
    /// Octets the answer may have.
    pub(crate) answer_octets_max: usize,
}

impl Peers {
    pub(crate) fn new(
        config: &Config,
        identity: Arc<Identity>,
        issuer_pem: &str,
        capture: Option<Arc<Capture>>,
        (clock, network): (&Clock, &Arc<dyn Network>),
    ) -> Result<Self, PeersError> {
        let mut issuers = Issuers::default();
        let issuer_files = IssuerFiles::new(&config.data_dir);
        issuer_files.load_into(&mut issuers);
        let learned = issuers.domains().map(|domain| (domain.clone(), 0)).collect();
        issuers.trust(config.domain.clone(), &[issuer_pem.to_owned()])?;
        Ok(Self {
            domain: config.domain.clone(),
            limits: config.limits.peers,
            began: clock::monotonic(),
            identity,
            tables: Arc::new(PeerTables::new(config)?),
            links: Mutex::default(),
            directories: Directories::new(config.limits.peers.known_max),
            issuers: ArcSwap::from_pointee(issuers),
            learned: Mutex::new(learned),
            issuer_files,
            capture,
            clock: clock.clone(),
            network: Arc::clone(network),
        })
    }

    /// Policies, roots and addresses as of now.
    pub(crate) fn tables(&self) -> &Arc<PeerTables> {
        &self.tables
    }

    /// Sends a request to a host of a peer. `peer` is whose trust settings hold: the endpoints may
    /// be on another host than the domain (AMB-TR-1).
    pub(crate) async fn send(&self, peer: &Domain, request: Outgoing) -> Result<Answer, PeerError> {
        let link = self.link(peer)?;
        let (endpoint, body) = (request.endpoint, request.body.clone());
        self.keep(Direction::Out, peer, &format!("{endpoint}-request"), &body).await;
        let started = clock::monotonic();
        let outcome = link.send(&self.domain, request, self.limits.exchange_ms_max).await;
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(answer) => {
                tracing::info!(
                    target: "wire", endpoint, from = %self.domain, to = %peer,
                    request_octets = body.len(), response_octets = answer.body.len(),
                    status = answer.status.as_u16(), ms,
                );
                self.keep(Direction::In, peer, &format!("{endpoint}-answer"), &answer.body).await;
            }
            Err(error) => tracing::info!(endpoint, %peer, %error, ms, "no answer from a peer"),
        }
        outcome
    }

    /// Sends a GET to a host of a peer and hands its answer out as it comes; whoever takes it bounds
    /// it.
    pub(crate) async fn open(
        &self,
        peer: &Domain,
        url: String,
        range: Option<HeaderValue>,
    ) -> Result<Response<Incoming>, PeerError> {
        let started = clock::monotonic();
        let link = self.link(peer)?;
        let answer = link.open(&self.domain, url, range, self.limits.exchange_ms_max).await?;
        let endpoint = Endpoint::ProxyDownload.key();
        wire::passed_on(endpoint, (&self.domain, peer), &answer, started);
        Ok(answer)
    }

    async fn keep(&self, direction: Direction, peer: &Domain, what: &str, body: &[u8]) {
        if let Some(capture) = &self.capture {
            capture.keep(direction, peer, what, body).await;
        }
    }

    /// Whether we talk to a peer at all.
    pub(crate) fn allowed(&self, peer: &Domain) -> Result<(), PeerError> {
        match self.tables.current().policy(peer) {
            PeerPolicy::Allow if *peer != self.domain => Ok(()),
            PeerPolicy::Allow => Err(PeerError::Own),
            PeerPolicy::Block => Err(PeerError::Blocked(peer.clone())),
        }
    }

    /// A pool of connections to a peer under the trust settings and our certificate of now.
    fn link(&self, peer: &Domain) -> Result<Link, PeerError> {
        self.allowed(peer)?;
        let generation = (self.tables.current().generation(), self.identity.generation());
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get(peer).filter(|link| link.generation() == generation) {
            return Ok(link.clone());
        }
        // What is in flight on one that goes continues; its connections are just not used again.
        make_place(&mut links, self.limits.links_max, Link::is_recent, |it| self.ms_at(it.used()));
        let identity = Arc::clone(&self.identity);
        let link = Link::new(
            peer,
            identity,
            Arc::clone(&self.tables),
            generation,
            (&self.clock, &self.network),
        )?;
        links.insert(peer.clone(), link.clone());
        Ok(link)
    }

    /// The client issuers known by now, our own included.
    pub(crate) fn issuers(&self) -> Arc<Issuers> {
        self.issuers.load_full()
    }

    /// Where directories are kept.
    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }

    /// Makes sure the client issuers of a peer are known, which takes its directory.
    pub(crate) async fn learn_issuers(&self, peer: &Domain) -> Result<(), PeerError> {
        self.directory(peer).await?;
        if self.issuers().knows(peer) {
            return Ok(());
        }
        Err(PeerError::BadAnswer("its directory names no client issuer".to_owned()))
    }

    /// Takes on the issuers a peer publishes, in place of earlier ones.
    fn trust_issuers_of(&self, peer: &Domain, directory: &Directory) {
        let pem = &directory.client_issuers;
        let mut outcome = Ok(());
        self.issuers.rcu(|issuers| {
            let mut issuers = Issuers::clone(issuers);
            outcome = issuers.trust(peer.clone(), pem);
            issuers
        });
        match outcome {
            Ok(()) => {
                self.issuer_files.keep(peer, pem);
                self.make_way_for(peer);
            }
            Err(error) => tracing::warn!(%peer, %error, "the peer's client issuers are not used"),
        }
    }

    /// Notes that a peer's issuers have been learned. If there are too many, others are forgotten:
    /// they are fetched again when they are needed.
    fn make_way_for(&self, peer: &Domain) {
        let now_ms = self.ms_at(clock::monotonic());
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.insert(peer.clone(), now_ms);
        if learned.len() <= self.limits.known_max {
            return;
        }
        let others = learned.iter().filter(|(domain, _)| *domain != peer);
        let Some(forgotten) = makes_way(others.map(|(domain, at_ms)| (domain, *at_ms))) else {
            return;
        };
        learned.remove(&forgotten);
        drop(learned);
        self.issuers.rcu(|issuers| {
            let mut issuers = Issuers::clone(issuers);
            issuers.forget(&forgotten);
            issuers
        });
        self.issuer_files.forget(&forgotten);
    }

    fn ms_at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// If there are so many links already, those that are of no use any more go, else one of the family with
/// the most.
fn make_place<L>(
    links: &mut HashMap<Domain, L>,
    max: usize,
    is_recent: impl Fn(&L) -> bool,
    used_ms: impl Fn(&L) -> u64,
) {
    if links.len() >= max {
        links.retain(|_, link| is_recent(link));
    }
    if links.len() >= max
        && let Some(oldest) = makes_way(links.iter().map(|it| (it.0, used_ms(it.1))))
    {
        links.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// n stay, for one more another makes way; those that are not recent go first.
    #[test]
    fn so_many_links_are_kept() {
        let domain = |name: &str| Domain::new(name).unwrap();
        let kept = |links: &[(&str, u64)]| {
            let mut links = links.iter().map(|(name, at)| (domain(name), *at)).collect();
            make_place(&mut links, 3, |used_ms| *used_ms >= 10, |used_ms| *used_ms);
            let mut names: Vec<_> = links.into_keys().map(|it| it.to_string()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(kept(&[("a.test", 1), ("b.test", 2)]), ["a.test", "b.test"]);
        assert_eq!(kept(&[("a.test", 12), ("b.test", 11), ("c.test", 13)]), ["a.test", "c.test"]);
        assert_eq!(kept(&[("a.test", 1), ("b.test", 11), ("c.test", 2)]), ["b.test"]);
    }
}
