//! What waits for whom, since when and why: for operators.

use std::collections::BTreeMap;

use mimi_provider::delivery::BATCH_OCTETS_MAX;
use mimi_wire::Domain;
use tombolo_store::StoreError;

use crate::admin_api::{PeerStatus, Waiting};
use crate::provider::Provider;

/// All (stream, follower) with something to deliver.
pub(crate) async fn waiting(provider: &Provider) -> Result<Vec<Waiting>, StoreError> {
    let store = &provider.store;
    let mut all = Vec::new();
    for behind in store.waiting_followers().await? {
        let stale_since_ms = behind.stale_since_ms;
        let (stream, follower, cursor) = (behind.stream, behind.follower, behind.cursor);
        let key = (stream, follower);
        let lane = provider.delivery.lanes().by_key.get(&key).cloned();
        let (stream, follower) = key;
        let delivered_seq = lane.as_ref().map_or(0, |lane| lane.delivered_seq());
        let cursor = cursor.max(delivered_seq);
        // A cursor may be behind entries that are for others only: then nothing waits.
        let batch = store.follower_batch(&stream, &follower, cursor, BATCH_OCTETS_MAX).await?;
        let Some(oldest) = batch.events.first() else { continue };
        let oldest_ms = oldest.event.timestamp_ms;
        // Beyond one batch, entries for others are counted as well.
        let beyond = store.last_seq(&stream).await?.saturating_sub(batch.next_cursor);
        let progress = lane.map(|lane| lane.progress()).unwrap_or_default();
        all.push(Waiting {
            stream,
            follower,
            waiting: batch.events.len() as u64 + beyond,
            since_ms: progress.since_ms.or(Some(oldest_ms)),
            attempts: progress.attempts,
            next_attempt_ms: (progress.attempts > 0).then_some(progress.next_attempt_ms),
            last_error: progress.last_error,
            stale_since_ms,
        });
    }
    Ok(all)
}

/// Peers for which something waits, which are stale or to which something was not sent, by domain.
pub(crate) async fn peers(provider: &Provider) -> Result<Vec<PeerStatus>, StoreError> {
    let mut peers: BTreeMap<Domain, PeerStatus> = BTreeMap::new();
    let of =
        |peers: &mut BTreeMap<Domain, PeerStatus>, peer: &Domain, add: &dyn Fn(&mut PeerStatus)| {
            add(peers.entry(peer.clone()).or_insert_with(|| PeerStatus::new(peer.clone())));
        };
    for waiting in waiting(provider).await? {
        of(&mut peers, &waiting.follower, &|peer| peer.add(&waiting));
    }
    for stale in provider.store.stale_followers().await? {
        of(&mut peers, &stale.follower, &|peer| {
            peer.stale_streams += 1;
            peer.stale_since_ms = earlier(peer.stale_since_ms, stale.stale_since_ms);
        });
    }
    let left_out = provider.delivery.lanes().left_out.clone();
    for (peer, entries) in left_out {
        of(&mut peers, &peer, &|peer| peer.left_out = entries);
    }
    Ok(peers.into_values().collect())
}

/// The earlier of two times that may not be known.
pub(crate) fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
