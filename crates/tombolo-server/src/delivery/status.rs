//! What waits for whom, since when and why: for operators.

use tombolo_store::StoreError;

use crate::admin_api::Waiting;
use crate::provider::Provider;

/// All (stream, follower) with something to deliver.
pub(crate) async fn waiting(provider: &Provider) -> Result<Vec<Waiting>, StoreError> {
    let store = &provider.store;
    let mut all = Vec::new();
    for waiting in store.waiting_followers().await? {
        let last_seq = store.last_seq(&waiting.stream).await?;
        let key = (waiting.stream, waiting.follower);
        let lane = provider.delivery.lanes().by_key.get(&key).cloned();
        let progress = lane.map(|lane| lane.progress()).unwrap_or_default();
        let (stream, follower) = key;
        all.push(Waiting {
            stream,
            follower,
            waiting: last_seq.saturating_sub(waiting.cursor),
            since_ms: progress.since_ms,
            attempts: progress.attempts,
            next_attempt_ms: (progress.attempts > 0).then_some(progress.next_attempt_ms),
            last_error: progress.last_error,
        });
    }
    Ok(all)
}
