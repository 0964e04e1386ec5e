//! Accounts and devices: what the provider decides about its own users.

use std::collections::BTreeSet;

use mimi_wire::protocol::CipherSuite;
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::uri::UriError;
use mimi_wire::{Domain, MimiUri, UriKind};

use crate::record::{Account, DeviceChange, DeviceRecord, OwedRemoval, StoredKeyPackage};
use crate::requester::DeviceIdentity;
use crate::{Change, Effect, Expect, Limits, Reject, Transition};

/// How long after its registration a device may ask again for a lost answer.
pub const REGISTRATION_REPEAT_MS: u64 = 10 * 60 * 1_000;
/// How exactly it is kept when a device was last here.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Octets of what a person calls a device.
pub const LABEL_OCTETS_MAX: usize = 64;
/// Octets of a user's or device's name.
pub const NAME_OCTETS_MAX: usize = 64;
/// Claims of one account.
pub const CLAIMS_MAX: usize = 16;
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
    /// What the operator allows.
    pub limits: &'a Limits,
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
        // Not put in anew: it may have been signed out in the meantime.
        let change = DeviceChange::Token(input.token_sha256);
        return Ok(Transition {
            changes: vec![Change::ChangeDevice { client: device.client.clone(), change }],
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
    let devices_max = input.limits.devices_per_user_max;
    if input.devices.len() >= devices_max {
        let message = format!("the user has {devices_max} devices already");
        return Err(Reject::NotAllowed(message));
    }
    let device = DeviceRecord {
        client: client.clone(),
        user: user.clone(),
        name: input.name.to_owned(),
        token_sha256: input.token_sha256,
        signature_key: input.signature_key.to_vec(),
        created_ms: input.now_ms,
        last_seen_ms: day_of(input.now_ms),
    };
    Ok(Transition {
        // Putting a device in lets it see its user's stream from there on.
        changes: vec![Change::PutDevice(device)],
        expect: vec![Expect::NoDevice(client.clone())],
        effects: Vec::new(),
        reply: DeviceIdentity { user: user.clone(), client },
    })
}

/// Which devices of a user are to be signed out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignOut {
    /// This one, which may be the one that asks.
    One(MimiUri),
    /// All but the one that asks.
    Others,
}

/// A device signs out devices of its user: their tokens and KeyPackages are good no longer once this is
/// written. The reply is who they were.
pub fn sign_out(
    asking: &DeviceRecord,
    devices: &[DeviceRecord],
    which: &SignOut,
) -> Result<Transition<Vec<MimiUri>>, Reject> {
    let is_meant = |client: &MimiUri| match which {
        SignOut::One(one) => client == one,
        SignOut::Others => *client != asking.client,
    };
    let clients = devices.iter().map(|device| &device.client);
    let gone: Vec<MimiUri> = clients.filter(|client| is_meant(client)).cloned().collect();
    if gone.is_empty() && matches!(which, SignOut::One(_)) {
        return Err(no_such_device());
    }
    // Which rooms they are in is forgotten with them.
    let changes = gone
        .iter()
        .cloned()
        .flat_map(|client| [Change::OweRemovals(client.clone()), Change::RemoveDevice(client)]);
    Ok(Transition {
        changes: changes.collect(),
        // Their event streams end.
        effects: vec![Effect::WakeStream(asking.user.clone()), Effect::WakeRemovals],
        ..Transition::unchanged(gone)
    })
}

/// An account is deleted with all its devices, whatever becomes of the rooms: nobody acts as the user
/// any more once this is written. The rooms hosted here are owed its removal.
pub fn remove_account(user: &MimiUri, devices: &[DeviceRecord]) -> Transition<()> {
    let clients = devices.iter().map(|device| device.client.clone());
    let mut changes: Vec<Change> = clients.map(Change::RemoveDevice).collect();
    changes.push(Change::RemoveAccount(user.clone()));
    changes.push(Change::OweRemoval(OwedRemoval { gone: user.clone(), room: None }));
    let effects = vec![Effect::WakeStream(user.clone()), Effect::WakeRemovals];
    Transition { changes, effects, ..Transition::unchanged(()) }
}

/// A device is removed, known here or not, in the same way.
pub fn remove_device(user: &MimiUri, client: &MimiUri) -> Transition<()> {
    let owed = OwedRemoval { gone: client.clone(), room: None };
    let changes = vec![Change::RemoveDevice(client.clone()), Change::OweRemoval(owed)];
    let effects = vec![Effect::WakeStream(user.clone()), Effect::WakeRemovals];
    Transition { changes, effects, ..Transition::unchanged(()) }
}

/// A person calls a device of its own something else. Its URI stays.
pub fn rename_device(
    devices: &[DeviceRecord],
    client: &MimiUri,
    name: &str,
) -> Result<Transition<()>, Reject> {
    let proper = (1..=LABEL_OCTETS_MAX).contains(&name.len())
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if !proper {
        let rule = "without control characters, and no spaces around them";
        return Err(Reject::Malformed(format!(
            "a device is called by 1 to {LABEL_OCTETS_MAX} octets {rule}"
        )));
    }
    if !devices.iter().any(|device| device.client == *client) {
        return Err(no_such_device());
    }
    Ok(changed(client, DeviceChange::Name(name.to_owned())))
}

/// A device gives itself another access token, and the old one up.
pub fn change_token(device: &DeviceRecord, token_sha256: [u8; 32]) -> Transition<()> {
    let mut transition = changed(&device.client, DeviceChange::Token(token_sha256));
    // Who holds the old one, reads no further.
    transition.effects.push(Effect::WakeStream(device.user.clone()));
    transition
}

/// A device is here. Only the day is kept, so there is something to write once a day.
pub fn seen(device: &DeviceRecord, now_ms: u64) -> Option<Transition<()>> {
    let day = day_of(now_ms);
    (device.last_seen_ms != day).then(|| changed(&device.client, DeviceChange::Seen(day)))
}

fn changed(client: &MimiUri, change: DeviceChange) -> Transition<()> {
    let changes = vec![Change::ChangeDevice { client: client.clone(), change }];
    Transition { changes, ..Transition::unchanged(()) }
}

fn no_such_device() -> Reject {
    Reject::Unknown("you have no such device".to_owned())
}

fn day_of(now_ms: u64) -> u64 {
    now_ms - now_ms % DAY_MS
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
    limits: &Limits,
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
    let stock_max = limits.key_packages_per_device_max;
    if stock > stock_max {
        let message = format!("more than {stock_max} KeyPackages in stock");
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
