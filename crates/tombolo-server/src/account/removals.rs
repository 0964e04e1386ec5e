//! Who is gone goes from the rooms hosted here too, by the hub's proposals (PROTO-NTF-3). What is owed
//! was written down with the end of the account or the device; it is carried out away from requests,
//! room by room, and again after a start until it is done. To carry it out twice changes nothing.

use std::sync::Arc;
use std::time::Duration;

use mimi_provider::hub::state::Evicted;
use mimi_provider::record::{OwedRemoval, StoredRemoval};
use mimi_provider::{Change, Transition};
use mimi_wire::{MimiUri, UriKind};
use tokio::sync::Notify;
use tokio::time::timeout;
use tombolo_store::StoreError;

use crate::provider::Provider;
use crate::rooms::evict;

/// Owed removals read at once.
const PAGE_MAX: usize = 64;
/// After how long what could not be carried out is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Whether something is owed that nobody has looked at.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    owed: Notify,
}

impl Removals {
    /// Something is owed.
    pub(crate) fn wake(&self) {
        self.owed.notify_one();
    }
}

/// Carries out what is owed, for as long as the provider runs.
pub(crate) async fn carry_out_removals(provider: Arc<Provider>) {
    loop {
        let all_done = carry_out_all(&provider).await.unwrap_or_else(|error| {
            tracing::error!(%error, "removals from rooms wait for the storage");
            false
        });
        let woken = provider.removals.owed.notified();
        match all_done {
            true => woken.await,
            false => timeout(AGAIN_AFTER, woken).await.unwrap_or_default(),
        }
    }
}

/// Looks at everything once. Whether nothing is left.
async fn carry_out_all(provider: &Arc<Provider>) -> Result<bool, StoreError> {
    let (mut after_id, mut all_done) = (0, true);
    loop {
        let page = provider.store.owed_removals(after_id, PAGE_MAX).await?;
        let Some(last) = page.last() else { return Ok(all_done) };
        after_id = last.id;
        for removal in &page {
            all_done &= carry_out(provider, removal).await?;
        }
    }
}

/// Wants somebody out of the rooms it is to go from. One in which that fails does not keep it in the
/// others, and is all that is owed from then on. Whether nothing is.
async fn carry_out(provider: &Arc<Provider>, removal: &StoredRemoval) -> Result<bool, StoreError> {
    let StoredRemoval { id, owed: OwedRemoval { gone, room } } = removal;
    let rooms = match room {
        Some(room) => vec![room.clone()],
        None => provider.store.hosted_rooms().await?,
    };
    let mut left = Vec::new();
    for hosted in &rooms {
        if let Err(reject) = evict(provider, hosted, |_| vec![evicted(gone)]).await {
            tracing::error!(room = %hosted, %gone, %reject, "the hub could not ask for a removal");
            left.push(hosted);
        }
    }
    if room.is_some() && !left.is_empty() {
        return Ok(false);
    }
    tracing::info!(%gone, rooms = rooms.len() - left.len(), "rooms are looked through");
    let owed = |room: &MimiUri| OwedRemoval { gone: gone.clone(), room: Some(room.clone()) };
    let still = left.iter().map(|room| Change::OweRemoval(owed(room)));
    let changes = std::iter::once(Change::RemovalDone(*id)).chain(still).collect();
    let transition = Transition { changes, ..Transition::unchanged(()) };
    provider.apply(transition).await?;
    Ok(left.is_empty())
}

fn evicted(gone: &MimiUri) -> Evicted {
    match gone.kind() {
        UriKind::Client => Evicted::Client(gone.clone()),
        _ => Evicted::User(gone.clone()),
    }
}
