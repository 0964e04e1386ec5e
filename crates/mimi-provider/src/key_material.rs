//! `keyMaterial` as the target's provider (protocol section 5.2, PROTO-KM-5..12).
//!
//! No request is refused for having been seen before: an honest repeat has the same octets, and gets
//! other KeyPackages, as long as its budget lasts (AMB-KM-9, `contact_budget`). Last-resort
//! KeyPackages never get into the stock (AMB-KM-7).
//!
//! Whoever has no consent is answered by [`consent`] alone, before anything of the target is looked
//! at: not even whether it exists (PROTO-KM-6).

use mimi_policy::ClientIdentity;
use mimi_wire::limits::KEY_MATERIAL_CLIENTS_MAX;
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::key_material::{
    ClientKeyMaterial, ClientMaterial, KeyMaterialRequest, KeyMaterialResponse, KeyMaterialUserCode,
};
use mimi_wire::{Domain, MimiUri, Wire};

use crate::consent::{Consent, ContactDefault, Disclosure, consent_for};
use crate::hub::key_material::HubChecked;
use crate::record::{
    ConsentRecord, DeviceRecord, EventKind, NewEvent, Seq, StoredKeyPackage, SuiteStock,
};
use crate::requester::DeviceIdentity;
use crate::{Change, Effect, Expect, Reject, Transition};

/// At fewer KeyPackages of a suite a client is told to upload more.
pub const KEY_PACKAGE_STOCK_LOW: u64 = 20;
/// KeyPackages that are valid for no longer than this are not given: an Add could come too late for
/// them, and the room's hub may leave it out then (TOM-7).
pub const KEY_PACKAGE_VALID_MS_MIN: u64 = 15 * 60 * 1_000;
/// Those that are valid for no longer than this come last.
pub const KEY_PACKAGE_ENDING_MS: u64 = 24 * 60 * 60 * 1_000;

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
    /// Its unreleased KeyPackages of acceptable suites, oldest first within a suite; may be cut
    /// short.
    pub packages: Vec<StoredKeyPackage>,
    /// How many there are in all, of every suite: those that can still be given.
    pub stock: Vec<SuiteStock>,
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
    /// What the target decided about the requester, by [`consent`].
    pub consent: Consent,
    /// What others may be told.
    pub disclosure: Disclosure,
    /// The target's clients, oldest first; `None`: no such user, or not looked for, which is right
    /// without consent where answers are masked.
    pub clients: Option<&'a [ClientStock]>,
    /// Whether a KeyPackage has the capabilities the request requires (PROTO-KM-9).
    pub satisfies: &'a dyn Fn(&StoredKeyPackage) -> bool,
    /// The last entry of the target's stream.
    pub last_seq: Seq,
    /// The time.
    pub now_ms: u64,
}

/// Whether a user's key material may be given for a request at all (PROTO-KM-6). A user's own
/// devices need nobody's consent.
pub fn consent(
    request: &KeyMaterialRequest,
    consents: &[ConsentRecord],
    default: ContactDefault,
) -> Consent {
    let tbs = &request.tbs;
    if tbs.requesting_user == tbs.target_user {
        return Consent::Granted;
    }
    consent_for(consents, &tbs.requesting_user, tbs.room_id.as_ref(), default)
}

/// Decides what of a user's key material is released. Whatever the requester may know is in the
/// reply; only requests that no honest peer sends are rejected.
pub fn key_material(
    input: &KeyMaterialInput<'_>,
) -> Result<Transition<KeyMaterialResponse>, Reject> {
    well_addressed(input.own, input.asker, input.request)?;
    let tbs = &input.request.tbs;
    // PROTO-KM-5.
    if input.identity.user != tbs.requesting_user {
        return Err(Reject::PeerMisbehaved("the credential is not requestingUser's".into()));
    }
    if let Asker::Local(device) = input.asker
        && device.client != input.identity.client
    {
        return Err(Reject::PeerMisbehaved("the credential is another client's".into()));
    }
    let refused = |code| Ok(Transition::unchanged(nothing(input, code)));
    match (input.consent, input.disclosure, input.clients) {
        (Consent::Granted, _, Some(clients)) => release(input, clients),
        (_, Disclosure::Plain, None) => refused(KeyMaterialUserCode::UserUnknown),
        (Consent::NotForThisRoom, Disclosure::Plain, Some(_)) => {
            refused(KeyMaterialUserCode::NoConsentForThisRoom)
        }
        _ => refused(KeyMaterialUserCode::NoConsent),
    }
}

/// Who may ask for whom on which way (AMB-TR-6). To be asked before anybody's issuers are looked up
/// to verify the credential: whose they are is the requester's word.
pub fn well_addressed(
    own: &Domain,
    asker: &Asker,
    request: &KeyMaterialRequest,
) -> Result<(), Reject> {
    let tbs = &request.tbs;
    if tbs.target_user.domain() != *own {
        return Err(Reject::Unknown("targetUser is not a user of this provider".into()));
    }
    // PROTO-KM-4.
    if tbs.acceptable_ciphersuites.is_empty() {
        return Err(Reject::Malformed("acceptableCiphersuites is empty".into()));
    }
    let room_hub = tbs.room_id.as_ref().map(MimiUri::domain);
    let from_the_right_place = match (asker, room_hub) {
        // PROTO-KM-2: in a room, through its hub and not otherwise (AMB-TR-6, AMB-KM-9).
        (Asker::Peer(from), Some(hub)) => *from == hub,
        (Asker::Peer(from), None) => *from == tbs.requesting_user.domain(),
        (Asker::Local(device), None) => device.user == tbs.requesting_user,
        (Asker::Local(_), Some(_)) => false,
        (Asker::OurRoom(_), hub) => hub.as_ref() == Some(own),
    };
    if from_the_right_place {
        Ok(())
    } else {
        Err(Reject::PeerMisbehaved("the request did not come through its room's hub".into()))
    }
}

/// Whether a requester of our own is a device of its user still (PROTO-KM-5): certificates outlive the
/// devices that were signed out, and users' own requests need no consent.
pub fn is_signed_in(
    devices: &[DeviceRecord],
    client: &MimiUri,
    signature_key: &[u8],
) -> Result<(), Reject> {
    let is_known = devices
        .iter()
        .any(|device| device.client == *client && device.signature_key == signature_key);
    match is_known {
        true => Ok(()),
        false => Err(Reject::PeerMisbehaved("the requesting device is signed in no more".into())),
    }
}

/// An answer without material (PROTO-KM-8).
fn nothing(input: &KeyMaterialInput<'_>, user_status: KeyMaterialUserCode) -> KeyMaterialResponse {
    let user_uri = input.request.tbs.target_user.clone();
    KeyMaterialResponse { user_status, user_uri, clients: Vec::new() }
}

/// One KeyPackage of every client that has a fitting one, gone from the stock for good
/// (PROTO-KM-7, PROTO-KM-10).
fn release(
    input: &KeyMaterialInput<'_>,
    clients: &[ClientStock],
) -> Result<Transition<KeyMaterialResponse>, Reject> {
    let mut transition = Transition::unchanged(nothing(input, KeyMaterialUserCode::Success));
    let mut low = Vec::new();
    for client in clients.iter().take(KEY_MATERIAL_CLIENTS_MAX) {
        // A device fetching for its own user's other devices does not need itself.
        if client.client == input.identity.client {
            continue;
        }
        let material = match fitting(input, client) {
            Ok(package) => {
                let reference = package.reference.clone();
                transition.expect.push(Expect::KeyPackageUnused(reference.clone()));
                transition.changes.push(Change::ReleaseKeyPackage(reference));
                let stock = client.stock.iter().find(|it| it.ciphersuite == package.ciphersuite);
                if runs_low(stock.map_or(0, |stock| stock.count.saturating_sub(1))) {
                    low.push(client.client.clone());
                }
                ClientMaterial::KeyPackage(stored(package)?)
            }
            Err(material) => material,
        };
        let client_uri = client.client.clone();
        transition.reply.clients.push(ClientKeyMaterial { client_uri, material });
    }
    transition.reply.user_status = user_status(&transition.reply.clients);
    tell_low(input, low, &mut transition);
    Ok(transition)
}

/// The oldest KeyPackage of the first acceptable suite that has the capabilities and is valid long
/// enough (PROTO-KM-9, PROTO-KM-11), or what to say instead.
fn fitting<'a>(
    input: &KeyMaterialInput<'_>,
    client: &'a ClientStock,
) -> Result<&'a StoredKeyPackage, ClientMaterial> {
    if client.stock.iter().all(|stock| stock.count == 0) {
        return Err(ClientMaterial::Exhausted);
    }
    let of_suite = |suite, valid_ms| {
        client.packages.iter().find(|package| {
            package.ciphersuite == suite
                && package.not_after_ms > input.now_ms.saturating_add(valid_ms)
                && (input.satisfies)(package)
        })
    };
    let suites = &input.request.tbs.acceptable_ciphersuites;
    let fits = suites.iter().copied().find_map(|suite| {
        of_suite(suite, KEY_PACKAGE_ENDING_MS).or_else(|| of_suite(suite, KEY_PACKAGE_VALID_MS_MIN))
    });
    // Capabilities are withheld (PROTO-KM-15): they would tell strangers what a client is.
    fits.ok_or(ClientMaterial::NothingCompatible(None))
}

fn stored(package: &StoredKeyPackage) -> Result<KeyPackage, Reject> {
    let read = KeyPackage::decode(&package.octets);
    read.map_err(|malformed| Reject::Internal(format!("a KeyPackage in stock: {malformed}")))
}

/// PROTO-KM-7, AMB-KM-10.
fn user_status(clients: &[ClientKeyMaterial]) -> KeyMaterialUserCode {
    let served =
        |client: &&ClientKeyMaterial| matches!(client.material, ClientMaterial::KeyPackage(_));
    match clients.iter().filter(served).count() {
        0 => KeyMaterialUserCode::NoCompatibleMaterial,
        count if count == clients.len() => KeyMaterialUserCode::Success,
        _ => KeyMaterialUserCode::PartialSuccess,
    }
}

/// A client is told when its stock falls below the mark, at half of it and when it is empty; not
/// at every release, for it may be away for long.
fn runs_low(left: u64) -> bool {
    left + 1 == KEY_PACKAGE_STOCK_LOW || left == KEY_PACKAGE_STOCK_LOW / 2 || left == 0
}

/// One entry in the target's stream per client whose stock runs low.
fn tell_low(
    input: &KeyMaterialInput<'_>,
    low: Vec<MimiUri>,
    transition: &mut Transition<KeyMaterialResponse>,
) {
    if low.is_empty() {
        return;
    }
    let stream = &input.request.tbs.target_user;
    transition.expect.push(Expect::StreamSeq { stream: stream.clone(), seq: input.last_seq });
    for (client, seq) in low.into_iter().zip(input.last_seq + 1..) {
        transition.changes.push(Change::Append(NewEvent {
            stream: stream.clone(),
            seq,
            kind: EventKind::KeyPackagesLow,
            timestamp_ms: input.now_ms,
            payload: Vec::new(),
            audience: Vec::new(),
            targets: Some(vec![client]),
            detail: Vec::new(),
        }));
    }
    transition.effects.push(Effect::WakeStream(stream.clone()));
}

#[cfg(test)]
mod tests;
