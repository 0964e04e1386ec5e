//! Contact between strangers: the budgets of whoever asks, and what becomes of consent entries once
//! they are written down (`mimi_provider::consent::arrival`).
//!
//! Entries are looked at one after another, in their order, away from the requests that brought
//! them: no answer waits for it. What was not looked at before a stop is looked at after the start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mimi_provider::consent::arrival::{ArrivalInput, answer_stream, take_in, user_of};
use mimi_provider::contact_budget::ContactBudgets;
use mimi_provider::record::StoredArrival;
use mimi_provider::{Change, Reject};
use mimi_wire::protocol::consent::ConsentEntry;
use mimi_wire::{Domain, MimiUri, Wire};
use tokio::sync::Notify;
use tombolo_store::StoreError;

use crate::http_error::HttpError;
use crate::provider::Provider;

/// Arrivals that may wait to be looked at, in all: more come only if the storage is slow for long.
pub(crate) const ARRIVALS_WAITING_MAX: u64 = 10_000;
/// Arrivals read at once.
const PAGE_MAX: usize = 64;
/// How long to wait when the storage has failed.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);

/// What everybody may still ask, and whether something waits.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    budgets: Mutex<ContactBudgets>,
    waiting: Notify,
    /// Arrivals that have woken the task and have not been looked at.
    count: AtomicU64,
}

impl Contact {
    /// Something has arrived.
    pub(crate) fn wake(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.waiting.notify_one();
    }

    /// Whether one more may come.
    pub(crate) fn has_room(&self) -> Result<(), Reject> {
        if self.count.load(Ordering::Relaxed) < ARRIVALS_WAITING_MAX {
            return Ok(());
        }
        Err(Reject::Unavailable("too many requests for contact wait to be looked at".to_owned()))
    }

    fn looked_at_one(&self) {
        // Those of before the start were never counted.
        let less = |count: u64| Some(count.saturating_sub(1));
        let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Nothing waits. One that is looked at before its own commit has woken the task is counted after
    /// it was taken off: without this the count would only grow, up to its limit.
    fn looked_at_all(&self) {
        self.count.store(0, Ordering::Relaxed);
    }

    fn budgets(&self) -> MutexGuard<'_, ContactBudgets> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    /// A peer brings a consent entry: its own budget, so that it comes back later.
    pub(crate) fn spend_entry(&self, peer: &Domain) -> Result<(), HttpError> {
        self.contact.has_room()?;
        let rates = &self.config.contact.rates;
        too_many(self.contact.budgets().entry_of_peer(rates, peer, self.now_ms()))
    }

    /// Whether a request for contact of a peer's user is looked at. Where it is not, the peer is
    /// answered as ever: it sends entries in order, and one of its users must not hold up the others.
    pub(crate) fn spend_request(
        &self,
        peer: &Domain,
        requester: &MimiUri,
        target: &MimiUri,
    ) -> bool {
        let (rates, now_ms) = (&self.config.contact.rates, self.now_ms());
        let spent = self.contact.budgets().request_of_peer(rates, peer, requester, target, now_ms);
        if spent.is_err() {
            tracing::debug!(%peer, %requester, "too many requests for contact; one is dropped");
        }
        spent.is_ok()
    }

    /// A user of ours asks for contact.
    pub(crate) fn spend_own_request(
        &self,
        requester: &MimiUri,
        target: &MimiUri,
    ) -> Result<(), HttpError> {
        self.contact.has_room()?;
        let (rates, now_ms) = (&self.config.contact.rates, self.now_ms());
        too_many(self.contact.budgets().request_of_ours(rates, requester, target, now_ms))
    }

    /// Somebody asks for key material.
    pub(crate) fn spend_key_material(
        &self,
        peer: Option<&Domain>,
        requester: &MimiUri,
    ) -> Result<(), HttpError> {
        let (rates, now_ms) = (&self.config.contact.rates, self.now_ms());
        too_many(self.contact.budgets().key_material(rates, peer, requester, now_ms))
    }

    /// KeyPackages are about to be given.
    pub(crate) fn spend_release(
        &self,
        peer: Option<&Domain>,
        target: &MimiUri,
        request_sha256: [u8; 32],
    ) -> Result<(), HttpError> {
        let (rates, now_ms) = (&self.config.contact.rates, self.now_ms());
        too_many(self.contact.budgets().release(rates, peer, target, request_sha256, now_ms))
    }
}

fn too_many(spent: Result<(), u64>) -> Result<(), HttpError> {
    spent.map_err(|wait_ms| HttpError::TooMany(wait_ms.div_ceil(1_000)))
}

/// Looks at what has arrived, for as long as the provider runs.
pub(crate) async fn take_in_arrivals(provider: Arc<Provider>) {
    loop {
        match take_in_page(&provider).await {
            Ok(true) => {}
            Ok(false) => {
                provider.contact.looked_at_all();
                provider.contact.waiting.notified().await;
            }
            Err(error) => {
                tracing::error!(%error, "consent entries wait for the storage");
                tokio::time::sleep(STORAGE_PAUSE).await;
            }
        }
    }
}

/// Whether there was something.
async fn take_in_page(provider: &Arc<Provider>) -> Result<bool, StoreError> {
    let page = provider.store.arrivals(PAGE_MAX).await?;
    for arrival in &page {
        loop {
            match take_in_one(provider, arrival).await {
                Ok(()) => {
                    provider.contact.looked_at_one();
                    break;
                }
                // Somebody else wrote to the same stream: looked at anew.
                Err(StoreError::Conflict(_)) => tokio::task::yield_now().await,
                Err(failed) => return Err(failed),
            }
        }
    }
    Ok(!page.is_empty())
}

async fn take_in_one(
    provider: &Arc<Provider>,
    StoredArrival { id, arrival }: &StoredArrival,
) -> Result<(), StoreError> {
    let mut transition = match ConsentEntry::decode(&arrival.payload) {
        Ok(entry) => decide(provider, &entry).await?,
        Err(error) => {
            tracing::error!(id, from = %arrival.from, %error, "an arrival cannot be read");
            mimi_provider::Transition::unchanged(())
        }
    };
    // In the same commit: once, whatever happens in between.
    transition.changes.push(Change::RemoveArrival(*id));
    provider.apply(transition).await
}

async fn decide(
    provider: &Provider,
    entry: &ConsentEntry,
) -> Result<mimi_provider::Transition<()>, StoreError> {
    let (store, own) = (&provider.store, &provider.domain);
    let (user, requester, target) = (user_of(entry), &entry.requester_uri, &entry.target_uri);
    let user_exists = store.account(user).await?.is_some();
    let devices = store.devices(user).await?;
    let clients: Vec<MimiUri> = devices.into_iter().map(|device| device.client).collect();
    let (open_requests, asked) =
        (store.consent_requests(target).await?, store.consent_asked(requester).await?);
    let (consents, back) =
        (store.consents(target, requester).await?, store.consents(requester, target).await?);
    Ok(take_in(&ArrivalInput {
        own,
        entry,
        default: provider.config.contact.default,
        user_exists,
        clients: &clients,
        open_requests: &open_requests,
        asked: &asked,
        consents: &consents,
        back: &back,
        about: store.consent_counts(user).await?.about,
        user_seq: store.last_seq(user).await?,
        answer_seq: store.last_seq(&answer_stream(own, entry)).await?,
        now_ms: provider.now_ms(),
    }))
}

#[cfg(test)]
mod tests {
    use super::{ARRIVALS_WAITING_MAX, Contact};

    /// At the limit and one before it; what has been looked at makes room.
    #[test]
    fn arrivals_that_wait_are_bounded() {
        let contact = Contact::default();
        contact.looked_at_one();
        for _ in 1..ARRIVALS_WAITING_MAX {
            contact.wake();
        }
        assert!(contact.has_room().is_ok());
        contact.wake();
        assert!(contact.has_room().is_err());
        contact.looked_at_one();
        assert!(contact.has_room().is_ok());
    }

    /// Arrivals that were looked at before they were counted do not fill the queue in the long run.
    #[test]
    fn what_was_looked_at_early_does_not_wait() {
        let contact = Contact::default();
        for _ in 0..2 * ARRIVALS_WAITING_MAX {
            contact.looked_at_one();
            contact.wake();
            contact.looked_at_all();
        }
        assert!(contact.has_room().is_ok());
    }
}
