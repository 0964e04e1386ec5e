//! How often strangers may knock, and how many KeyPackages anybody is given (AMB-KM-9).
//!
//! Every budget belongs to whoever asks, or to a pair of asker and asked: nobody can use up what is
//! left of a user for others. What is budgeted per requester is counted per provider that vouches for
//! it, so that a provider that names users of others spends its own budget only.

use mimi_wire::{Domain, MimiUri};

use crate::budget::{Budgets, Rate};

/// Consent entries of one peer, its users together.
pub const CONSENT_PER_PEER: Rate = Rate::new(600, 100);
/// Requests for contact of one user.
pub const REQUESTS_PER_REQUESTER: Rate = Rate::new(60, 60_000);
/// Requests for contact of one user to one other.
pub const REQUESTS_PER_PAIR: Rate = Rate::new(6, 3_600_000);
/// Requests for contact of all of a peer's users to one of ours.
pub const REQUESTS_PER_PEER_AND_TARGET: Rate = Rate::new(60, 600_000);
/// Requests for key material through one peer, whoever's they are.
pub const KEY_MATERIAL_PER_PEER: Rate = Rate::new(5_000, 10);
/// Requests for key material of one user, by one way: enough to fill a large room in one go.
pub const KEY_MATERIAL_PER_REQUESTER: Rate = Rate::new(1_000, 100);
/// Times that a user's KeyPackages are given through one peer.
pub const RELEASES_PER_PEER_AND_TARGET: Rate = Rate::new(200, 15_000);
/// Times that KeyPackages are given for one and the same request.
pub const RELEASES_PER_REQUEST: Rate = Rate::new(12, 60_000);

/// The budgets as an operator sets them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContactRates {
    /// See [`CONSENT_PER_PEER`].
    pub consent_per_peer: Rate,
    /// See [`REQUESTS_PER_REQUESTER`].
    pub requests_per_requester: Rate,
    /// See [`REQUESTS_PER_PAIR`].
    pub requests_per_pair: Rate,
    /// See [`REQUESTS_PER_PEER_AND_TARGET`].
    pub requests_per_peer_and_target: Rate,
    /// See [`KEY_MATERIAL_PER_PEER`].
    pub key_material_per_peer: Rate,
    /// See [`KEY_MATERIAL_PER_REQUESTER`].
    pub key_material_per_requester: Rate,
    /// See [`RELEASES_PER_PEER_AND_TARGET`].
    pub releases_per_peer_and_target: Rate,
    /// See [`RELEASES_PER_REQUEST`].
    pub releases_per_request: Rate,
}

impl Default for ContactRates {
    fn default() -> Self {
        Self {
            consent_per_peer: CONSENT_PER_PEER,
            requests_per_requester: REQUESTS_PER_REQUESTER,
            requests_per_pair: REQUESTS_PER_PAIR,
            requests_per_peer_and_target: REQUESTS_PER_PEER_AND_TARGET,
            key_material_per_peer: KEY_MATERIAL_PER_PEER,
            key_material_per_requester: KEY_MATERIAL_PER_REQUESTER,
            releases_per_peer_and_target: RELEASES_PER_PEER_AND_TARGET,
            releases_per_request: RELEASES_PER_REQUEST,
        }
    }
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum ConsentKey {
    Requester(MimiUri),
    Pair(MimiUri, MimiUri),
    Target(Domain, MimiUri),
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum KeyMaterialKey {
    Requester(Option<Domain>, MimiUri),
    Target(Option<Domain>, MimiUri),
    Request(Option<Domain>, [u8; 32]),
}

/// What everybody has left. An error is the time to wait, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct ContactBudgets {
    consent_peers: Budgets<Domain>,
    consent: Budgets<ConsentKey>,
    key_material_peers: Budgets<Domain>,
    key_material: Budgets<KeyMaterialKey>,
}

impl ContactBudgets {
    /// A peer sends a consent entry, of whatever kind.
    pub fn entry_of_peer(
        &mut self,
        rates: &ContactRates,
        peer: &Domain,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.consent_peers.take(peer.clone(), rates.consent_per_peer, 1, now_ms)
    }

    /// A user of a peer asks one of ours for contact.
    pub fn request_of_peer(
        &mut self,
        rates: &ContactRates,
        peer: &Domain,
        requester: &MimiUri,
        target: &MimiUri,
        now_ms: u64,
    ) -> Result<(), u64> {
        let of_peer = ConsentKey::Target(peer.clone(), target.clone());
        let [requester, pair] = request(rates, requester, target);
        let of_peer = (of_peer, rates.requests_per_peer_and_target);
        self.consent.take_all([requester, pair, of_peer], now_ms)
    }

    /// A user of ours asks somebody for contact.
    pub fn request_of_ours(
        &mut self,
        rates: &ContactRates,
        requester: &MimiUri,
        target: &MimiUri,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.consent.take_all(request(rates, requester, target), now_ms)
    }

    /// Somebody asks for key material: through a peer, or (`None`) a user of ours. Asked before
    /// anything is known of the request but who brings it, so that the target does not matter.
    pub fn key_material(
        &mut self,
        rates: &ContactRates,
        peer: Option<&Domain>,
        requester: &MimiUri,
        now_ms: u64,
    ) -> Result<(), u64> {
        let key = KeyMaterialKey::Requester(peer.cloned(), requester.clone());
        let rate = rates.key_material_per_requester;
        let Some(peer) = peer else { return self.key_material.take(key, rate, 1, now_ms) };
        match self.key_material.wait_ms(&key, rate, 1, now_ms) {
            0 => {
                let of_peer = rates.key_material_per_peer;
                self.key_material_peers.take(peer.clone(), of_peer, 1, now_ms)?;
                self.key_material.take(key, rate, 1, now_ms)
            }
            wait_ms => Err(wait_ms),
        }
    }

    /// KeyPackages are about to be given for a request, which `request_sha256` names. A repeat has
    /// the same octets and gets other KeyPackages (PROTO-KM-10): who plays it again, honest or not,
    /// spends the request's budget at this way, and nobody else's (AMB-KM-9).
    pub fn release(
        &mut self,
        rates: &ContactRates,
        peer: Option<&Domain>,
        target: &MimiUri,
        request_sha256: [u8; 32],
        now_ms: u64,
    ) -> Result<(), u64> {
        let of_target = KeyMaterialKey::Target(peer.cloned(), target.clone());
        let of_request = KeyMaterialKey::Request(peer.cloned(), request_sha256);
        let of_request = (of_request, rates.releases_per_request);
        match peer {
            None => self.key_material.take_all([of_request], now_ms),
            Some(_) => {
                let of_target = (of_target, rates.releases_per_peer_and_target);
                self.key_material.take_all([of_request, of_target], now_ms)
            }
        }
    }
}

fn request(rates: &ContactRates, requester: &MimiUri, target: &MimiUri) -> [(ConsentKey, Rate); 2] {
    let pair = ConsentKey::Pair(requester.clone(), target.clone());
    let requester = ConsentKey::Requester(requester.clone());
    [(requester, rates.requests_per_requester), (pair, rates.requests_per_pair)]
}

#[cfg(test)]
mod tests;
