//! Whose hosts assets are fetched from (PROTO-DL-3, AMB-DL-2).
//!
//! A host counts as an asset host of a peer if the operator lists it, if the asset policy of a room
//! hosted here names it for a provider, or if a peer's directory names it and it is the peer's own
//! domain or below it (`assetHosts`): nobody can name the hosts of somebody else that way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimi_policy::RoomView;
use mimi_provider::Reject;
use mimi_wire::component::ASSET_POLICY;
use mimi_wire::room::asset_policy::AssetPolicy;
use mimi_wire::{Domain, MimiUri, Wire};

use crate::provider::Provider;

/// Asset hosts that one room's policy can name; further ones are not fetched from.
pub(super) const HOSTS_PER_ROOM_MAX: usize = 256;

/// The asset hosts that policies of rooms hosted here name, as far as the rooms have been used since
/// the start.
#[derive(Debug, Default)]
pub(crate) struct RoomHosts(Mutex<Hosts>);

#[derive(Debug, Default)]
struct Hosts {
    of_room: HashMap<MimiUri, Vec<(Domain, Domain)>>,
    /// Owners of a host, with how many rooms say so.
    owners: HashMap<Domain, BTreeMap<Domain, usize>>,
}

impl RoomHosts {
    /// Takes on what a room's policy says now.
    pub(crate) fn learn(&self, view: &RoomView) {
        let policy = view.other_components.get(&ASSET_POLICY);
        self.set(view.room(), policy.and_then(|octets| AssetPolicy::decode(octets).ok()).as_ref());
    }

    pub(super) fn set(&self, room: &MimiUri, policy: Option<&AssetPolicy>) {
        let mut named = Vec::new();
        for domains in policy.into_iter().flat_map(|policy| &policy.upload_domains) {
            for host in &domains.asset_upload_destinations {
                named.push((host.clone(), domains.provider.clone()));
            }
        }
        named.truncate(HOSTS_PER_ROOM_MAX);
        let mut hosts = self.hosts();
        if hosts.of_room.get(room).map(Vec::as_slice).unwrap_or_default() == named.as_slice() {
            return;
        }
        for (host, owner) in hosts.of_room.remove(room).unwrap_or_default() {
            hosts.forget(&host, &owner);
        }
        for (host, owner) in &named {
            *hosts.owners.entry(host.clone()).or_default().entry(owner.clone()).or_default() += 1;
        }
        if !named.is_empty() {
            hosts.of_room.insert(room.clone(), named);
        }
    }

    /// Whose asset host it is, by the rooms' policies.
    pub(super) fn owners(&self, host: &Domain) -> Vec<Domain> {
        let hosts = self.hosts();
        hosts.owners.get(host).into_iter().flat_map(|owners| owners.keys().cloned()).collect()
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        // Whatever a panic elsewhere left out is learned again with the room's next event.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hosts {
    /// One room less says that a host is this owner's.
    fn forget(&mut self, host: &Domain, owner: &Domain) {
        let Some(owners) = self.owners.get_mut(host) else { return };
        if let Some(rooms) = owners.get_mut(owner) {
            *rooms -= 1;
        }
        owners.retain(|_, rooms| *rooms > 0);
        if owners.is_empty() {
            self.owners.remove(host);
        }
    }
}

/// The peer whose asset host it is, or the refusal to fetch from it.
pub(super) async fn owner(provider: &Arc<Provider>, host: &Domain) -> Result<Domain, Reject> {
    if provider.config.assets.peer_hosts.contains(host) {
        return Ok(host.clone());
    }
    let by_policy = provider.proxy.rooms.owners(host);
    let is_peer = |owner: &Domain| provider.peers.allowed(owner).is_ok();
    if let Some(owner) = by_policy.into_iter().find(is_peer) {
        return Ok(owner);
    }
    for candidate in self_and_parents(host) {
        if !is_known(provider, &candidate) || !is_peer(&candidate) {
            continue;
        }
        let directory = provider.peers.directory(&candidate).await;
        if directory.is_ok_and(|directory| directory.asset_hosts.contains(host)) {
            return Ok(candidate);
        }
    }
    Err(Reject::NotAllowed(format!("{host} is no asset host of a peer of this hub")))
}

/// Whether we have had to do with a provider: whoever asks for a URL must not choose whose directory
/// is fetched.
fn is_known(provider: &Provider, domain: &Domain) -> bool {
    let table = provider.peers.tables().current();
    provider.peers.issuers().knows(domain) || table.domains().any(|named| named == domain)
}

/// The domain itself, and every domain it is below.
pub(super) fn self_and_parents(host: &Domain) -> impl Iterator<Item = Domain> {
    let name = host.as_str();
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
    starts.filter_map(|start| Domain::new(&name[start..]).ok())
}
