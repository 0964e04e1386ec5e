//! What is tried beside the tricks of plans: by providers with a certificate of their own, and by
//! devices with a token of their own, about what is not theirs.

use std::collections::BTreeSet;

use bytes::Bytes;
use mimi_wire::protocol::consent::ConsentEntry;
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::protocol::group_info::{GroupInfoOutcome, GroupInfoResponse};
use mimi_wire::protocol::key_material::{KeyMaterialRequest, KeyMaterialResponse};
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateResponse};
use mimi_wire::{Domain, MimiUri, Wire};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};

use super::{Attempt, MALLORY};
use crate::book::{Overheard, Pages};

/// Endpoints whose bodies a device has signed: its own provider may not change a bit of them.
const SIGNED: &[Endpoint] = &[Endpoint::GroupInfo, Endpoint::KeyMaterial];

/// Octets of a signature.
const SIGNATURE_OCTETS: usize = 64;

/// Something that nobody may do.
#[derive(Debug)]
pub(super) enum Misdeed {
    /// By a provider.
    Provider(Attempt),
    /// By a device.
    Device(Request),
}

/// A request of a device that is signed in, or says so.
#[derive(Debug)]
pub(super) struct Request {
    /// Its provider.
    pub(super) to: Domain,
    /// Whose token it bears.
    pub(super) token: String,
    pub(super) endpoint: Endpoint,
    pub(super) about: MimiUri,
    pub(super) body: Bytes,
    /// For a person.
    pub(super) what: String,
}

/// One of those there are, if enough has been heard for it.
pub(super) fn misdeed(pages: &Pages, domains: &[Domain], rng: &mut StdRng) -> Option<Misdeed> {
    // Of each kind as often, also of those that are rare.
    let kinds: BTreeSet<_> = pages.heard.iter().map(|it| it.endpoint.key()).collect();
    let kind = kinds.into_iter().choose(rng)?;
    let it = pages.heard.iter().filter(|it| it.endpoint.key() == kind).choose(rng)?.clone();
    match rng.random_range(0..6) {
        5 => for_somebody_else(it, domains, rng).map(Misdeed::Provider),
        0 | 1 => in_another_name(it, domains, rng).map(Misdeed::Provider),
        2 => altered(pages, rng).map(Misdeed::Provider),
        3 => of_somebody_else(pages, rng).map(Misdeed::Device),
        _ => without_token(it, pages, rng).map(Misdeed::Device),
    }
}

/// An honest provider's request, sent by another one in its own name.
fn in_another_name(it: Overheard, domains: &[Domain], rng: &mut StdRng) -> Option<Attempt> {
    let Overheard { to, from, endpoint, about, body } = it;
    let speaks_for = match endpoint {
        // Hubs pass it on for everybody.
        Endpoint::KeyMaterial => return None,
        _ => &from,
    };
    let others = domains.iter().filter(|it| *it != speaks_for && **it != to);
    let other = others.choose(rng)?.clone();
    let (shown, from) = (other.clone(), other);
    Some(Attempt { to, shown, from, endpoint, about, body, host: None })
}

/// An honest provider's request once more, that says it is for another provider than it comes to.
fn for_somebody_else(it: Overheard, domains: &[Domain], rng: &mut StdRng) -> Option<Attempt> {
    let Overheard { to, from, endpoint, about, body } = it;
    // Another KeyPackage would be gone.
    if endpoint == Endpoint::KeyMaterial {
        return None;
    }
    let host = domains.iter().filter(|it| **it != to).choose(rng).cloned();
    Some(Attempt { to, shown: from.clone(), from, endpoint, about, body, host })
}

/// A place near the beginning or the end of so many octets. What lies between may be longer by an octet
/// or two in another process, as certificates' signatures are, and a seed has to be one life.
pub(super) fn somewhere(len: usize, rng: &mut StdRng) -> usize {
    let near = rng.random_range(0..SIGNATURE_OCTETS);
    match rng.random() {
        true => near.min(len.saturating_sub(1)),
        false => len.saturating_sub(1 + near),
    }
}

/// What a device has signed, changed by its own provider on the way.
fn altered(pages: &Pages, rng: &mut StdRng) -> Option<Attempt> {
    let heard = pages.heard.iter().filter(|it| SIGNED.contains(&it.endpoint) && it.to != it.from);
    let Overheard { to, from, endpoint, about, body } = heard.choose(rng)?.clone();
    let mut body = body.to_vec();
    // Its end is the signature.
    let at = somewhere(body.len(), rng);
    let bit = 1 << rng.random_range(0..8);
    body.get_mut(at).into_iter().for_each(|octet| *octet ^= bit);
    let (shown, body) = (from.clone(), body.into());
    Some(Attempt { to, shown, from, endpoint, about, body, host: None })
}

/// Whose request it is, as far as its body says.
fn author(it: &Overheard) -> Option<MimiUri> {
    match it.endpoint {
        Endpoint::SubmitMessage => {
            SubmitMessageRequest::decode(&it.body).ok().map(|request| request.sending_uri)
        }
        Endpoint::KeyMaterial => {
            let request = KeyMaterialRequest::decode(&it.body).ok()?;
            Some(request.tbs.requesting_user)
        }
        Endpoint::RequestConsent => {
            ConsentEntry::decode(&it.body).ok().map(|entry| entry.requester_uri)
        }
        Endpoint::UpdateConsent => {
            ConsentEntry::decode(&it.body).ok().map(|entry| entry.target_uri)
        }
        _ => None,
    }
}

/// A device sends what another user's device has sent.
fn of_somebody_else(pages: &Pages, rng: &mut StdRng) -> Option<Request> {
    let (client, (user, token)) = pages.tokens.iter().choose(rng)?;
    let heard = pages.heard.iter().filter(|it| author(it).is_some_and(|author| author != *user));
    // Of those at the same provider no other one can tell whose a request is.
    let near: Vec<_> = heard.clone().filter(|it| it.from == user.domain()).collect();
    let heard: Vec<_> = if near.is_empty() { heard.collect() } else { near };
    let Overheard { endpoint, about, body, .. } = (*heard.choose(rng)?).clone();
    let what = format!("{client} sends what another user has sent");
    let token = token.reveal().to_owned();
    Some(Request { to: user.domain(), token, endpoint, about, body, what })
}

/// Somebody with a token that nobody was given sends what a device has sent.
fn without_token(it: Overheard, pages: &Pages, rng: &mut StdRng) -> Option<Request> {
    let (_, (_, token)) = pages.tokens.iter().choose(rng)?;
    let mut letters: Vec<_> = token.reveal().chars().collect();
    let at = rng.random_range(0..letters.len().max(1));
    let letter = letters.get_mut(at)?;
    // Another one, whatever it was: tokens are not the seed's.
    *letter = if *letter == 'a' { 'b' } else { 'a' };
    let token: String = letters.into_iter().collect();
    let Overheard { from, endpoint, about, body, .. } = it;
    let what = "somebody without a token sends what a device has sent".to_owned();
    (from.as_str() != MALLORY).then_some(Request { to: from, token, endpoint, about, body, what })
}

/// Whether an answer says that what was asked is done, or gives what was asked for.
pub(super) fn is_success(endpoint: Endpoint, body: &[u8]) -> bool {
    match endpoint {
        Endpoint::SubmitMessage => matches!(
            SubmitMessageResponse::decode(body),
            Ok(SubmitMessageResponse::Accepted { .. })
        ),
        Endpoint::Update => {
            let response = UpdateResponse::decode(body);
            response.is_ok_and(|it| matches!(it.outcome, UpdateOutcome::Success { .. }))
        }
        Endpoint::GroupInfo => {
            let response = GroupInfoResponse::decode(body);
            response.is_ok_and(|it| matches!(it.outcome, GroupInfoOutcome::Success(_)))
        }
        Endpoint::KeyMaterial => {
            KeyMaterialResponse::decode(body).is_ok_and(|it| !it.clients.is_empty())
        }
        Endpoint::Notify | Endpoint::RequestConsent | Endpoint::UpdateConsent => true,
        // They have nothing to hide, or nobody's request was heard.
        Endpoint::IdentifierQuery | Endpoint::ReportAbuse | Endpoint::ProxyDownload => false,
    }
}
