//! Several providers' client issuers, and the devices they certify.

use std::collections::BTreeMap;

use mimi_mls::device::Device;
use mimi_mls::hub_keys::HubKeys;
use mimi_mls::identity::Issuers;
use mimi_policy::ClientIdentity;
use mimi_wire::mls::KeyPackage;
use mimi_wire::{Domain, MimiUri, UriKind};
use rand::RngCore as _;
use rand::rngs::StdRng;

use crate::{TestIssuer, now_ms, rng};

const DAY_S: u64 = 24 * 60 * 60;

/// Providers, each with its client issuer.
#[derive(Debug)]
pub struct Federation {
    issuers: BTreeMap<String, TestIssuer>,
    /// Where the fixtures take their randomness from.
    pub rng: StdRng,
}

impl Federation {
    /// Providers of these domains.
    pub fn new(domains: &[&str]) -> Self {
        let issuers = domains.iter().map(|it| ((*it).to_owned(), TestIssuer::new(it)));
        Self { issuers: issuers.collect(), rng: rng(1) }
    }

    /// One provider's issuer.
    pub fn issuer(&self, domain: &str) -> &TestIssuer {
        self.issuers.get(domain).expect("a provider of the federation")
    }

    /// All issuers, trusted each for its own domain.
    pub fn issuers(&self) -> Issuers {
        let mut issuers = Issuers::default();
        for issuer in self.issuers.values() {
            let pem = [issuer.pem().to_owned()];
            issuers.trust(issuer.domain().clone(), &pem).expect("an authority");
        }
        issuers
    }

    /// A certified device.
    pub fn device(&mut self, domain: &str, user: &str, device: &str) -> Device {
        let mut fresh = Device::generate(&mut self.rng);
        let identity = identity(domain, user, device);
        let issuer = self.issuer(domain);
        let chain = issuer.issue(fresh.signature_key(), &identity.client, &identity.user);
        fresh.certify(&chain, identity).expect("a certificate of its own");
        fresh
    }

    /// Fresh KeyPackages of a device.
    pub fn key_packages(&mut self, device: &mut Device, count: usize) -> Vec<KeyPackage> {
        let packages = device.key_packages(count, 30 * DAY_S, now_ms(), &mut self.rng);
        packages.expect("a certified device")
    }

    /// One fresh KeyPackage of a device.
    pub fn key_package(&mut self, device: &mut Device) -> KeyPackage {
        self.key_packages(device, 1).remove(0)
    }

    /// Keys of a hub.
    pub fn hub_keys(&mut self, domain: &str) -> HubKeys {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        HubKeys::from_seed(Domain::new(domain).expect("a domain"), seed)
    }
}

/// User and client by their usual names.
fn identity(domain: &str, user: &str, device: &str) -> ClientIdentity {
    let domain = Domain::new(domain).expect("a domain");
    let uri = |kind, segments: &[&str]| MimiUri::build(&domain, kind, segments).expect("a URI");
    ClientIdentity {
        user: uri(UriKind::User, &[user]),
        client: uri(UriKind::Client, &[user, device]),
        claims: Vec::new(),
    }
}
