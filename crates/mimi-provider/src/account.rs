//! Accounts and devices: what the provider decides about its own users.

use std::collections::BTreeSet;

use mimi_wire::protocol::CipherSuite;
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::uri::UriError;
use mimi_wire::{Domain, MimiUri, UriKind};

use crate::record::{Account, DeviceRecord, StoredKeyPackage};
use crate::requester::DeviceIdentity;
use crate::{Change, Expect, Reject, Transition};

/// How long after its registration a device may ask again for a lost answer.
pub const REGISTRATION_REPEAT_MS: u64 = 10 * 60 * 1_000;
/// Octets of a user's or device's name.
pub const NAME_OCTETS_MAX: usize = 64;
/// Claims of one account.
pub const CLAIMS_MAX: usize = 16;
/// Devices of one user.
pub const DEVICES_PER_USER_MAX: usize = 32;
/// KeyPackages in stock per client.
pub const KEY_PACKAGES_PER_CLIENT_MAX: u64 = 200;
/// Octets of an Ed25519 signature key.
pub const SIGNATURE_KEY_OCTETS: usize = 32;

/// A device that signs up.
#[derive(Clone, Copy, Debug)]
pub struct NewDeviceInput<'a> {
    /// Its user.
    pub account: &'a Account,
    /// The user's devices.
    pub devices: &'a [DeviceRecord],
    /// Its name.
    pub name: &'a str,
    /// SHA-256 of the access token it is given.
    pub token_sha256: [u8; 32],
    /// Its MLS signature key.
    pub signature_key: &'a [u8],
    /// The time.
    pub now_ms: u64,
}

/// A KeyPackage a client hands in, verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OfferedKeyPackage {
    /// `KeyPackageRef`.
    pub reference: Vec<u8>,
    /// Whose it is, as its credential proves.
    pub identity: DeviceIdentity,
    /// The KeyPackage.
    pub octets: Vec<u8>,
    /// Its suite.
    pub ciphersuite: CipherSuite,
    /// Its leaf's capabilities.
    pub capabilities: Vec<u8>,
    /// Milliseconds since the epoch.
    pub not_after_ms: u64,
    /// What it is for.
    pub usage: KeyPackageUsage,
}

/// How often a KeyPackage may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyPackageUsage {
    /// Once.
    Once,
    /// Again and again; never served over MIMI (AMB-KM-7).
    LastResort,
}

/// The URI of a local user.
pub fn user_uri(own: &Domain, name: &str) -> Result<MimiUri, Reject> {
    proper_name(name)?;
    built(MimiUri::build(own, UriKind::User, &[name]))
}

/// A new account; the reply is its user.
pub fn new_account(
    own: &Domain,
    name: &str,
    password_hash: Option<String>,
    claims: Vec<NamedClaim>,
    now_ms: u64,
) -> Result<Transition<MimiUri>, Reject> {
    let user = user_uri(own, name)?;
    proper_claims(&claims)?;
    let account = Account { user: user.clone(), password_hash, claims, created_ms: now_ms };
    Ok(Transition {
        changes: vec![Change::CreateAccount(account)],
        expect: vec![Expect::NoAccount(user.clone())],
        effects: Vec::new(),
        reply: user,
    })
}

/// Changes what an account's certificates claim: those of devices that register from now on.
pub fn set_claims(
    account: &Account,
    claims: Vec<NamedClaim>,
) -> Result<Transition<MimiUri>, Reject> {
    proper_claims(&claims)?;
    let user = account.user.clone();
    Ok(Transition {
        changes: vec![Change::SetClaims { user: user.clone(), claims }],
        ..Transition::unchanged(user)
    })
}

/// One value of each, as the subject's name in a certificate has it.
fn proper_claims(claims: &[NamedClaim]) -> Result<(), Reject> {
    if claims.len() > CLAIMS_MAX {
        return Err(Reject::Malformed(format!("an account has at most {CLAIMS_MAX} claims")));
    }
    let mut names = BTreeSet::new();
    match claims.iter().find(|claim| !names.insert(&claim.name)) {
        None => Ok(()),
        Some(twice) => Err(Reject::Malformed(format!("{} is given twice", twice.name))),
    }
}

/// A new device of an account, or a device that never got the answer to its registration and asks
/// again with the same key: it is given a new token.
pub fn new_device(input: &NewDeviceInput<'_>) -> Result<Transition<DeviceIdentity>, Reject> {
    proper_name(input.name)?;
    if input.signature_key.len() != SIGNATURE_KEY_OCTETS {
        let message = format!("the signature key must have {SIGNATURE_KEY_OCTETS} octets");
        return Err(Reject::Malformed(message));
    }
    let user = &input.account.user;
    let user_name = user.segments().concat();
    let client = built(MimiUri::build(&user.domain(), UriKind::Client, &[&user_name, input.name]))?;
    if let Some(device) = input.devices.iter().find(|device| asks_again(device, input, &client)) {
        let again = DeviceRecord { token_sha256: input.token_sha256, ..device.clone() };
        return Ok(Transition {
            changes: vec![Change::PutDevice(again)],
            expect: Vec::new(),
            effects: Vec::new(),
            reply: DeviceIdentity { user: user.clone(), client },
        });
    }
    if input.devices.iter().any(|device| device.client == client) {
        return Err(Reject::Conflict("the user has a device of this name".into()));
    }
    if input.devices.iter().any(|device| device.signature_key == input.signature_key) {
        return Err(Reject::Conflict("the signature key is another device's".into()));
    }
    if input.devices.len() >= DEVICES_PER_USER_MAX {
        let message = format!("the user has {DEVICES_PER_USER_MAX} devices already");
        return Err(Reject::NotAllowed(message));
    }
    let device = DeviceRecord {
        client: client.clone(),
        user: user.clone(),
        name: input.name.to_owned(),
        token_sha256: input.token_sha256,
        signature_key: input.signature_key.to_vec(),
        created_ms: input.now_ms,
    };
    Ok(Transition {
        // Putting a device in lets it see its user's stream from there on.
        changes: vec![Change::PutDevice(device)],
        expect: vec![Expect::NoDevice(client.clone())],
        effects: Vec::new(),
        reply: DeviceIdentity { user: user.clone(), client },
    })
}

/// Only for a while: later, a new token for a device somebody uses would sign that device out.
fn asks_again(device: &DeviceRecord, input: &NewDeviceInput<'_>, client: &MimiUri) -> bool {
    device.client == *client
        && device.signature_key == input.signature_key
        && input.now_ms.saturating_sub(device.created_ms) <= REGISTRATION_REPEAT_MS
}

/// A device uploads KeyPackages; the reply is its stock. All are taken or none.
pub fn upload_key_packages(
    device: &DeviceRecord,
    offered: Vec<OfferedKeyPackage>,
    stock: u64,
    now_ms: u64,
) -> Result<Transition<u64>, Reject> {
    let mut references = BTreeSet::new();
    for package in &offered {
        let DeviceIdentity { user, client } = &package.identity;
        if (user, client) != (&device.user, &device.client) {
            return Err(Reject::NotAllowed("a KeyPackage is of another client".into()));
        }
        // AMB-KM-7.
        if package.usage == KeyPackageUsage::LastResort {
            return Err(Reject::NotAllowed("last-resort KeyPackages are not served".into()));
        }
        if package.not_after_ms <= now_ms {
            return Err(Reject::Malformed("a KeyPackage has expired".into()));
        }
        if !references.insert(&package.reference) {
            return Err(Reject::Malformed("a KeyPackage is there twice".into()));
        }
    }
    let stock = stock + references.len() as u64;
    if stock > KEY_PACKAGES_PER_CLIENT_MAX {
        let message = format!("more than {KEY_PACKAGES_PER_CLIENT_MAX} KeyPackages in stock");
        return Err(Reject::NotAllowed(message));
    }
    let mut transition = Transition::unchanged(stock);
    if !offered.is_empty() {
        let packages = offered.into_iter().map(OfferedKeyPackage::into_stored).collect();
        transition.changes.push(Change::AddKeyPackages(packages));
    }
    Ok(transition)
}

impl OfferedKeyPackage {
    pub(crate) fn into_stored(self) -> StoredKeyPackage {
        StoredKeyPackage {
            reference: self.reference,
            client: self.identity.client,
            octets: self.octets,
            ciphersuite: self.ciphersuite,
            capabilities: self.capabilities,
            not_after_ms: self.not_after_ms,
        }
    }
}

/// Names stand in URIs that people read and type, so they are plain.
fn proper_name(name: &str) -> Result<(), Reject> {
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let starts_plain = name.bytes().next().is_some_and(plain);
    let proper = name.bytes().all(|octet| plain(octet) || matches!(octet, b'.' | b'_' | b'-'));
    if starts_plain && proper && name.len() <= NAME_OCTETS_MAX {
        Ok(())
    } else {
        let rule = "a to z, 0 to 9, dot, underscore and hyphen, beginning with a letter or digit";
        Err(Reject::Malformed(format!("a name has 1 to {NAME_OCTETS_MAX} of: {rule}")))
    }
}

fn built(uri: Result<MimiUri, UriError>) -> Result<MimiUri, Reject> {
    uri.map_err(|error| Reject::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests;
