//! Accounts and devices: what the provider decides about its own users.

use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};

use crate::record::{Account, DeviceRecord, Seq};
use crate::requester::DeviceIdentity;
use crate::{Reject, Transition};

/// Octets of a user's or device's name.
pub const NAME_OCTETS_MAX: usize = 64;
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
    /// The last entry of the user's stream.
    pub last_seq: Seq,
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
    let _ = (own, name);
    todo!()
}

/// A new account; the reply is its user.
pub fn new_account(
    own: &Domain,
    name: &str,
    password_hash: Option<String>,
    now_ms: u64,
) -> Result<Transition<MimiUri>, Reject> {
    let _ = (own, name, password_hash, now_ms);
    todo!()
}

/// A new device of an account.
pub fn new_device(input: &NewDeviceInput<'_>) -> Result<Transition<DeviceIdentity>, Reject> {
    let _ = input;
    todo!()
}

/// A device uploads KeyPackages; the reply is its stock.
pub fn upload_key_packages(
    device: &DeviceRecord,
    offered: Vec<OfferedKeyPackage>,
    stock: u64,
    now_ms: u64,
) -> Result<Transition<u64>, Reject> {
    let _ = (device, offered, stock, now_ms);
    todo!()
}
