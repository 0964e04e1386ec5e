//! Clients that are members of a room and nothing else: they have keys, a certificate of their
//! provider's issuer and one KeyPackage, but no account, and never connect. For rooms larger than there
//! is time to register devices for, each of which has a password hashed.

use mimi_mls::device::Device;
use mimi_policy::ClientIdentity;
use mimi_wire::mls::KeyPackage;
use mimi_wire::{Domain, MimiUri, UriKind};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tombolo_server::issuer::ClientIssuer;

use super::device::now_ms;
use super::federation::Site;

/// How long their KeyPackages are valid.
const LIFETIME_S: u64 = 30 * 24 * 60 * 60;

/// KeyPackages of so many clients, each of a user of its own, named after `name`.
pub(crate) fn key_packages(
    site: &Site,
    name: &str,
    clients: usize,
) -> Result<Vec<(MimiUri, KeyPackage)>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("no light client: {error}");
    let domain = Domain::new(&site.home.domain).map_err(|error| failed(&error))?;
    let issuer = ClientIssuer::open_or_create(&site.home.data_directory(), &domain, now_ms());
    let issuer = issuer.map_err(|error| failed(&error))?;
    let mut rng = StdRng::from_os_rng();
    let mut made = Vec::with_capacity(clients);
    for number in 0..clients {
        let user = format!("{name}{number}");
        let uri = |kind, segments: &[&str]| MimiUri::build(&domain, kind, segments);
        let identity = ClientIdentity {
            user: uri(UriKind::User, &[&user]).map_err(|error| failed(&error))?,
            client: uri(UriKind::Client, &[&user, "device"]).map_err(|error| failed(&error))?,
            claims: Vec::new(),
        };
        let mut device = Device::generate(&mut rng);
        let (user, client, key) = (&identity.user, &identity.client, device.signature_key());
        let chain = issuer.issue(user, client, &[], key, now_ms());
        let chain = chain.map_err(|error| failed(&error))?;
        let user = identity.user.clone();
        device.certify(&chain, identity).map_err(|error| failed(&error))?;
        let packages = device.key_packages(1, LIFETIME_S, now_ms(), &mut rng);
        for package in packages.map_err(|error| failed(&error))? {
            made.push((user.clone(), package));
        }
    }
    Ok(made)
}
