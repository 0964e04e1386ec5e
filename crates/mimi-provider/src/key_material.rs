//! `keyMaterial` as the target's provider (protocol section 5.2, PROTO-KM-5..12).

use mimi_policy::ClientIdentity;
use mimi_wire::protocol::key_material::{KeyMaterialRequest, KeyMaterialResponse};
use mimi_wire::{Domain, MimiUri};

use crate::hub::key_material::HubChecked;
use crate::record::{ConsentRecord, Seq, StoredKeyPackage};
use crate::requester::DeviceIdentity;
use crate::{Reject, Transition};

/// At fewer KeyPackages a client is told to upload more.
pub const KEY_PACKAGE_STOCK_LOW: u64 = 20;

/// On which way a request reached the target's provider (AMB-TR-6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asker {
    /// A peer: the hub of the request's room, or the requester's provider outside any room.
    Peer(Domain),
    /// A client of this provider, outside any room.
    Local(DeviceIdentity),
    /// Through a room that this provider hosts.
    OurRoom(HubChecked),
}

/// What is known of one client of the target.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientStock {
    /// The client.
    pub client: MimiUri,
    /// Its unreleased KeyPackages, oldest first; may be cut short.
    pub packages: Vec<StoredKeyPackage>,
    /// How many there are in all.
    pub stock: u64,
}

/// A request whose signature and credential have been verified (PROTO-KM-5).
#[derive(Clone, Copy)]
pub struct KeyMaterialInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// How it came.
    pub asker: &'a Asker,
    /// The request.
    pub request: &'a KeyMaterialRequest,
    /// Who the request's credential proves.
    pub identity: &'a ClientIdentity,
    /// The target's clients, oldest first; `None`: no such user.
    pub clients: Option<&'a [ClientStock]>,
    /// What the target decided about the requester.
    pub consents: &'a [ConsentRecord],
    /// Whether a KeyPackage has the capabilities the request requires (PROTO-KM-9).
    pub satisfies: &'a dyn Fn(&StoredKeyPackage) -> bool,
    /// The last entry of the target's stream.
    pub last_seq: Seq,
    /// The time.
    pub now_ms: u64,
}

/// Decides what of a user's key material is released. Whatever the requester may know is in the
/// reply; only requests that no honest peer sends are rejected.
pub fn key_material(
    input: &KeyMaterialInput<'_>,
) -> Result<Transition<KeyMaterialResponse>, Reject> {
    let _ = input.satisfies;
    todo!()
}
