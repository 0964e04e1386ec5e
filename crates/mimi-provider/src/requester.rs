//! Who asks: a peer provider that transport has authenticated, or a client of our own.

use mimi_wire::{Domain, MimiUri};
use serde::{Deserialize, Serialize};

/// A client and its user.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct DeviceIdentity {
    /// The user.
    pub user: MimiUri,
    /// The client.
    pub client: MimiUri,
}

/// Who a request comes from, as far as the transport proves it (PROTO-TR-4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Requester {
    /// Another provider: its certificate and `From` agree.
    Peer(Domain),
    /// A client of this provider, signed in.
    Local(DeviceIdentity),
}

impl Requester {
    /// The provider that answers for the requester.
    pub fn domain(&self) -> Domain {
        match self {
            Self::Peer(domain) => domain.clone(),
            Self::Local(device) => device.user.domain(),
        }
    }

    /// Whether the requester may speak for a user (AMB-TR-6): a peer for all of its own, a local
    /// client for its user alone.
    pub fn speaks_for(&self, user: &MimiUri) -> bool {
        match self {
            Self::Peer(domain) => *domain == user.domain(),
            Self::Local(device) => device.user == *user,
        }
    }

    /// As [`speaks_for`](Self::speaks_for), where the acting client is known as well.
    pub fn speaks_for_client(&self, user: &MimiUri, client: &MimiUri) -> bool {
        match self {
            Self::Peer(domain) => *domain == user.domain() && *domain == client.domain(),
            Self::Local(device) => device.user == *user && device.client == *client,
        }
    }
}

#[cfg(test)]
mod tests;
