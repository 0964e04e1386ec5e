//! What waits for whom, since when and why: for operators.

use mimi_provider::delivery::BATCH_OCTETS_MAX;
use tombolo_store::StoreError;

use crate::admin_api::Waiting;
use crate::provider::Provider;

/// All (stream, follower) with something to deliver.
pub(crate) async fn waiting(provider: &Provider) -> Result<Vec<Waiting>, StoreError> {
    let store = &provider.store;
    let mut all = Vec::new();
    for behind in store.waiting_followers().await? {
        let (stream, follower, cursor) = (behind.stream, behind.follower, behind.cursor);
        // A cursor may be behind entries that are for others only: then nothing waits.
        let batch = store.follower_batch(&stream, &follower, cursor, BATCH_OCTETS_MAX).await?;
        if batch.events.is_empty() {
            continue;
        }
        // Beyond one batch, entries for others are counted as well.
        let beyond = store.last_seq(&stream).await?.saturating_sub(batch.next_cursor);
        let key = (stream, follower);
        let lane = provider.delivery.lanes().by_key.get(&key).cloned();
        let progress = lane.map(|lane| lane.progress()).unwrap_or_default();
        let (stream, follower) = key;
        all.push(Waiting {
            stream,
            follower,
            waiting: batch.events.len() as u64 + beyond,
            since_ms: progress.since_ms,
            attempts: progress.attempts,
            next_attempt_ms: (progress.attempts > 0).then_some(progress.next_attempt_ms),
            last_error: progress.last_error,
        });
    }
    Ok(all)
}
