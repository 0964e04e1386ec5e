//! KeyPackages that came with a grant of consent (AMB-CON-3): used once, for whom they are from,
//! instead of fetching some.

use mimi_mls::key_package::claimed;
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::key_material::{
    ClientKeyMaterial, ClientMaterial, KeyMaterialResponse, KeyMaterialUserCode,
};
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

/// Grants whose KeyPackages are kept; beyond that the oldest go.
const GIFTS_MAX: usize = 64;
/// KeyPackages kept of one grant: as many as a user has devices.
const PACKAGES_MAX: usize = 32;

/// What was given and not used yet, oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Gifts(Vec<Gift>);

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Gift {
    from: MimiUri,
    /// For one room or any.
    room: Option<MimiUri>,
    packages: Vec<Vec<u8>>,
}

impl Gifts {
    /// Keeps what a grant brought; a newer grant of the same scope replaces an older.
    pub(crate) fn keep(&mut self, from: &MimiUri, room: Option<&MimiUri>, given: &[KeyPackage]) {
        self.0.retain(|gift| gift.from != *from || gift.room.as_ref() != room);
        let packages = given.iter().take(PACKAGES_MAX).map(|package| package.octets().to_vec());
        let packages = packages.collect();
        self.0.push(Gift { from: from.clone(), room: room.cloned(), packages });
        let excess = self.0.len().saturating_sub(GIFTS_MAX);
        self.0.drain(..excess);
    }

    /// Takes what may be used to add a user to a room, in the form in which a provider would have
    /// given it; what is for this room first. Gone afterwards, used or not.
    pub(crate) fn take(&mut self, from: &MimiUri, room: &MimiUri) -> Option<KeyMaterialResponse> {
        let fits = |gift: &Gift| {
            gift.from == *from && gift.room.as_ref().is_none_or(|for_room| for_room == room)
        };
        let fitting = (0..self.0.len()).filter(|at| fits(&self.0[*at]));
        let at = fitting.max_by_key(|at| self.0[*at].room.is_some())?;
        let gift = self.0.remove(at);
        let clients: Vec<_> = gift.packages.iter().filter_map(|octets| material(octets)).collect();
        let (user_status, user_uri) = (KeyMaterialUserCode::Success, from.clone());
        (!clients.is_empty()).then_some(KeyMaterialResponse { user_status, user_uri, clients })
    }

    /// Somebody no longer lets us in.
    pub(crate) fn forget(&mut self, from: &MimiUri, room: Option<&MimiUri>) {
        self.0.retain(|gift| gift.from != *from || room.is_some() && gift.room.as_ref() != room);
    }
}

/// Who it is from is what it claims; it is verified like what a provider gives.
fn material(octets: &[u8]) -> Option<ClientKeyMaterial> {
    let package = KeyPackage::decode(octets).ok()?;
    let client_uri = claimed(&package).ok()?.client;
    Some(ClientKeyMaterial { client_uri, material: ClientMaterial::KeyPackage(package) })
}

#[cfg(test)]
mod tests;
