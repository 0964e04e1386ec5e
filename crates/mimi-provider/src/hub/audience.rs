//! Who gets an entry: other providers by their members, our own clients by name where not all of
//! them may read it (AMB-NTF-5, AMB-NTF-6, PROTO-UPD-4, AMB-POL-29).
//!
//! A provider is counted by the clients in the group alone: the judge lets no client in whose user
//! is not listed (PROTO-ST-8), so these are the providers of the active participants.

use std::collections::BTreeSet;

use mimi_policy::{ClientView, Restrictions, RoomView};
use mimi_wire::{Domain, MimiUri};

use crate::hub::restriction;

/// Providers that get a handshake: those with members before it or after it, except our own.
pub(super) fn of_handshake(before: &RoomView, after: &RoomView, own: &Domain) -> Vec<Domain> {
    providers(before.clients.iter().chain(&after.clients), own)
}

/// Who reads application messages in one epoch as long as nothing is pending: kept beside the room,
/// so that a message does not look at everybody in it.
#[derive(Clone, Debug)]
pub struct Readership {
    epoch: u64,
    readers: Readers,
}

impl Readership {
    /// Of a room in its epoch.
    pub fn of(view: &RoomView, own: &Domain) -> Self {
        Self { epoch: view.epoch, readers: of_message(view, &Restrictions::default(), own) }
    }

    /// The readers of a message: those that are kept, if they are the epoch's and nobody is
    /// restricted meanwhile.
    pub(super) fn now(
        &self,
        view: &RoomView,
        restrictions: &Restrictions,
        own: &Domain,
    ) -> Readers {
        match self.epoch == view.epoch && restrictions.is_empty() {
            true => self.readers.clone(),
            false => of_message(view, restrictions, own),
        }
    }
}

/// Readers of an application message.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    /// Other providers with at least one member that may read it.
    pub(super) audience: Vec<Domain>,
    /// Our clients; `None`: all that are in the room.
    pub(super) targets: Option<Vec<MimiUri>>,
}

/// Who reads an application message: members whose role may receive and who are not on their way
/// out. Within another provider it is that provider's task to choose.
pub(super) fn of_message(view: &RoomView, restrictions: &Restrictions, own: &Domain) -> Readers {
    let Some(readers) = restriction::readers(restrictions, view) else {
        return Readers { audience: providers(view.clients.iter(), own), targets: None };
    };
    let ours = readers.iter().filter(|reader| is_of(&reader.client, own));
    Readers {
        targets: Some(ours.map(|reader| reader.client.clone()).collect()),
        audience: providers(readers.into_iter(), own),
    }
}

fn providers<'a>(clients: impl Iterator<Item = &'a ClientView>, own: &Domain) -> Vec<Domain> {
    let mut domains: BTreeSet<Domain> = BTreeSet::new();
    for client in clients {
        // Thousands of clients, a handful of providers: compare before making another Domain.
        let known =
            is_of(&client.client, own) || domains.iter().any(|one| is_of(&client.client, one));
        if !known {
            domains.insert(client.client.domain());
        }
    }
    domains.into_iter().collect()
}

/// Whether a URI is of a domain, without copying the domain out of it.
fn is_of(uri: &MimiUri, domain: &Domain) -> bool {
    let provider = uri.as_str().strip_prefix("mimi://").unwrap_or_default();
    match provider.strip_prefix(domain.as_str()) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests;
