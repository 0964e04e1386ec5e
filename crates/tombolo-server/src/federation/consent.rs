//! What `requestConsent` and `updateConsent` have in common: what has to be known before either is
//! decided (protocol section 5.7; FLOW-12).

use std::sync::Arc;

use mimi_provider::consent::{OtherUser, PeerConsentInput};
use mimi_provider::record::{ConsentRecord, ConsentRequest, Seq};
use mimi_provider::{Reject, Transition};
use mimi_wire::protocol::consent::ConsentEntry;
use mimi_wire::{Domain, MimiUri};

use super::staging::{Obstacle, Retries};
use crate::provider::Provider;

/// Decides on a peer's entry.
pub(super) type DecideForPeer = fn(&PeerConsentInput<'_>) -> Result<Transition<()>, Reject>;

/// A peer's entry about `user`, who should be one of ours.
pub(super) async fn from_peer(
    provider: &Arc<Provider>,
    from: &Domain,
    entry: &ConsentEntry,
    user: &MimiUri,
    decide: DecideForPeer,
) -> Result<(), Reject> {
    let mut retries = Retries::default();
    loop {
        match attempt_peer(provider, from, entry, user, decide).await {
            Ok(()) => return Ok(()),
            Err(obstacle) => retries.overcome(provider, obstacle).await?,
        }
    }
}

async fn attempt_peer(
    provider: &Arc<Provider>,
    from: &Domain,
    entry: &ConsentEntry,
    user: &MimiUri,
    decide: DecideForPeer,
) -> Result<(), Obstacle> {
    let _turn = provider.turns.take(user).await;
    let known = Known::load(provider, entry, user).await?;
    let transition = decide(&PeerConsentInput {
        own: &provider.domain,
        from,
        entry,
        user: known.user,
        open_requests: &known.open_requests,
        consents: &known.consents,
        last_seq: known.last_seq,
        now_ms: provider.now_ms(),
    })?;
    Ok(provider.apply(transition).await?)
}

/// What is known about an entry.
struct Known {
    user: OtherUser,
    open_requests: Vec<ConsentRequest>,
    consents: Vec<ConsentRecord>,
    last_seq: Seq,
}

impl Known {
    async fn load(
        provider: &Provider,
        entry: &ConsentEntry,
        user: &MimiUri,
    ) -> Result<Self, Obstacle> {
        let store = &provider.store;
        let known = if user.domain() != provider.domain {
            OtherUser::Remote
        } else if store.account(user).await?.is_some() {
            OtherUser::Local
        } else {
            OtherUser::Unknown
        };
        Ok(Self {
            user: known,
            open_requests: store.consent_requests(&entry.target_uri).await?,
            consents: store.consents(&entry.target_uri, &entry.requester_uri).await?,
            last_seq: store.last_seq(user).await?,
        })
    }
}
